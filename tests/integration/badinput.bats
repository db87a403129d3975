#!/usr/bin/env bats
# Bad input: each case is one line that says what was being done, which field
# of config.json is at fault and why; and nothing is left behind.

load helpers

# --- config.json itself ---

@test "bad: no config.json" {
	rm "$BUNDLE/config.json"
	create_fails
	says config.json "no such file or directory"
	run_fails
}

@test "bad: a bundle that does not exist" {
	rung_fails create --bundle "$WORK/nowhere" "$CT"
	says "$WORK/nowhere" "no such file or directory"
}

@test "bad: a bundle that is a file" {
	rung_fails create --bundle "$BUNDLE/config.json" "$CT"
	says "$BUNDLE/config.json" "not a directory"
}

@test "bad: a bundle that is not readable" {
	needs_root "it becomes another user"
	# Root may read everything, so it is somebody else who calls.
	install -m 755 "$RUNG" "$WORK/rung"
	install -d -o 1000 -g 1000 "$WORK/mine"
	chmod 700 "$BUNDLE"
	status=0
	setpriv --reuid=1000 --regid=1000 --clear-groups "$WORK/rung" --root "$WORK/mine/root" \
		create --bundle "$BUNDLE" "$CT" >/dev/null 2>"$WORK/err" 3>&- </dev/null || status=$?
	equal 1 "$status"
	contains "$(<"$WORK/err")" "permission denied"
	[[ -n $RUNG_PEER ]] || contains "$(<"$WORK/err")" "$BUNDLE"
	[ ! -e "$WORK/mine/root/$CT" ]
}

@test "bad: a config.json that is a folder" {
	rm "$BUNDLE/config.json"
	mkdir "$BUNDLE/config.json"
	create_fails
	says config.json folder
}

@test "bad: an empty config.json" {
	: >"$BUNDLE/config.json"
	create_fails
	says config.json
}

@test "bad: broken JSON, with line and column" {
	printf '{\n  "ociVersion": "1.0.2",\n  "process": {,\n}\n' >"$BUNDLE/config.json"
	create_fails
	says config.json "line 3" "column 15"
}

@test "bad: JSON that ends too early, with line and column" {
	head -c 300 "$BUNDLE/config.json" >"$WORK/cut"
	mv "$WORK/cut" "$BUNDLE/config.json"
	create_fails
	says config.json "line " "column "
}

@test "bad: JSON with something behind it" {
	peer_lacks "takes it"
	echo '{"more": 1}' >>"$BUNDLE/config.json"
	create_fails
	says config.json "line "
}

@test "bad: null, a list and a string instead of an object" {
	local text
	for text in null '[]' '"config"' 5; do
		echo "$text" >"$BUNDLE/config.json"
		create_fails
		says config.json
	done
}

@test "bad: a value of the wrong JSON type is named with its field, line and column" {
	config '.process.user.uid = "root"'
	create_fails
	says process.user.uid "line " string
	config '.process.user.uid = 0 | .mounts[2].options = "ro"'
	create_fails
	says mounts options "line " string
	config '.mounts[2].options = [] | .linux.resources.memory = {limit: "1G"}'
	create_fails
	says linux.resources.memory.limit "line "
}

@test "bad: a number that does not fit" {
	config '.process.user.uid = -1'
	create_fails
	says process.user.uid
	sed -i 's/"uid": -1/"uid": 4294967296/' "$BUNDLE/config.json"
	create_fails
	says process.user.uid
}

@test "bad: no ociVersion, one that is no version, one of another major" {
	peer_lacks "takes none"
	local version
	config 'del(.ociVersion)'
	create_fails
	says ociVersion
	for version in "" latest 1 1.0 v1.0.2 1.0.x; do
		config '.ociVersion = $v' --arg v "$version"
		create_fails
		says ociVersion "$version"
	done
	for version in 0.9.0 2.0.0 10.1.0; do
		config '.ociVersion = $v' --arg v "$version"
		create_fails
		says ociVersion "$version"
	done
}

@test "bad: other versions of the same major are fine" {
	local version
	for version in 1.0.0 1.0.2-dev 1.1.0+build 1.2.1 1.99.0; do
		config '.ociVersion = $v' --arg v "$version"
		run_ct
	done
}

@test "bad: fields that nobody knows are no error" {
	config '.frobnicate = {a: 1} | .process.frobnicate = true | .linux.frobnicate = []'
	run_ct
}

@test "bad: no root, no path in it, and a root filesystem that is missing or a file" {
	config 'del(.root)'
	create_fails
	says root
	if [[ -z $RUNG_PEER ]]; then
		config '.root = {}'
		create_fails
		says root.path
	fi
	config '.root = {path: "nowhere"}'
	create_fails
	says root.path nowhere "no such file or directory"
	config '.root = {path: "config.json"}'
	create_fails
	says root.path config.json "not a directory"
}

@test "bad: duplicate namespaces" {
	config '.linux.namespaces += [{type: "pid"}]'
	create_fails
	says "linux.namespaces[" pid
}

@test "bad: an unknown mount option and an unknown type are named with their place" {
	config '.mounts[3].options += ["frobnicate"]'
	create_fails
	says "mounts[3].options[" frobnicate
	config '.mounts[3].options = ["nosuid"] | .mounts[3].type = "frobnicatefs"'
	create_fails
	says "mounts[3].type" frobnicatefs
}

@test "bad: a mount without destination" {
	config '.mounts[3].destination = ""'
	create_fails
	says "mounts[3].destination"
}

# --- the id and its state ---

@test "bad: an id that is no id" {
	local id
	for id in "" . .. a/b ../x 'a b' 'a:b' $'a\nb' 'ä' 'a*' "$(head -c 1100 /dev/zero | tr '\0' a)"; do
		rung_fails create --bundle "$BUNDLE" "$id"
		rung_fails run --bundle "$BUNDLE" "$id"
		rung_fails state "$id"
		rung_fails start "$id"
		rung_fails kill "$id" KILL
		rung_fails delete "$id"
		# A folder that is none of rung's must never be cleared away.
		[ -d "$WORK" ] && [ -d "$BUNDLE" ]
	done
}

@test "bad: an id that is no id is quoted in the error" {
	rung_fails create --bundle "$BUNDLE" 'a b'
	says '"a b"'
}

@test "bad: delete --force of an id with slashes does not clear other folders" {
	mkdir -p "$ROOT" "$WORK/precious"
	touch "$WORK/precious/file"
	try_rung delete --force ../precious
	[ -e "$WORK/precious/file" ]
}

@test "bad: every character that an id may have" {
	local id=$TAG-_.+AZaz09
	rung create --bundle "$BUNDLE" "$id"
	rung delete --force "$id"
}

@test "bad: an id that exists, created, running or stopped, and the first one is unharmed" {
	local init
	program sleep 1000
	create
	init=$(pid)
	rung_fails create --bundle "$BUNDLE" "$CT"
	says "$CT" exist
	equal created "$(state status)"
	start
	rung_fails run --bundle "$BUNDLE" "$CT"
	says "$CT" exist
	equal running "$(state status)"
	equal "$init" "$(pid)"
	rung kill "$CT" KILL
	wait_for_status stopped
	rung_fails create --bundle "$BUNDLE" "$CT"
	says "$CT" exist
	delete
}

@test "bad: an unknown signal" {
	running
	rung_fails kill "$CT" SIGFROB
	says SIGFROB
	delete --force
}

# --- the program ---

# no_program TEXT...: create fails, names process.args[0] and each TEXT.
no_program() {
	create_fails
	says "process.args[0]" "$@"
}

@test "bad: a program that is missing, by path or by name" {
	program /no/such/program
	no_program /no/such/program "no such file or directory"
	program no-such-program
	no_program no-such-program "PATH"
	config '.process.env = []'
	no_program no-such-program
}

@test "bad: a program that is not executable" {
	echo text >"$ROOTFS/etc/text"
	program /etc/text
	no_program /etc/text "permission denied"
	program text
	config '.process.env = ["PATH=/etc"]'
	no_program text
}

@test "bad: a program that the user may not execute" {
	install -m 700 "$ROOTFS/bin/busybox" "$ROOTFS/usr/bin/tool"
	program /usr/bin/tool
	config '.process.user = {uid: 1000, gid: 1000}'
	no_program /usr/bin/tool "permission denied"
}

@test "bad: a program that is a folder" {
	program /etc
	no_program /etc "is a directory"
}

@test "bad: a program below a file" {
	program /etc/passwd/program
	no_program /etc/passwd/program "not a directory"
}

@test "bad: a program that is a link to nowhere, or in a circle" {
	ln -s /nowhere "$ROOTFS/usr/bin/nowhere"
	program /usr/bin/nowhere
	no_program /usr/bin/nowhere "no such file or directory"
	ln -s circle "$ROOTFS/usr/bin/circle"
	program /usr/bin/circle
	no_program /usr/bin/circle "too many levels of symbolic links"
}

@test "bad: a program on a noexec mount" {
	mkdir "$WORK/host"
	cp "$ROOTFS/bin/busybox" "$WORK/host/true"
	config '.mounts += [{destination: "/mnt", type: "none", source: $s, options: ["bind", "noexec"]}]' --arg s "$WORK/host"
	program /mnt/true
	no_program /mnt/true "permission denied"
}

@test "bad: a script whose interpreter is missing, which is named" {
	peer_lacks "says nothing until start"
	printf '#!/no/such/interpreter -x\n' >"$ROOTFS/usr/bin/tool"
	chmod +x "$ROOTFS/usr/bin/tool"
	program /usr/bin/tool
	no_program /usr/bin/tool interpreter /no/such/interpreter
}

@test "bad: a script whose first line ends in CR, which is said" {
	peer_lacks "says nothing until start"
	printf '#!/bin/sh\r\necho hello\r\n' >"$ROOTFS/usr/bin/tool"
	chmod +x "$ROOTFS/usr/bin/tool"
	program /usr/bin/tool
	no_program /usr/bin/tool "carriage return"
}

@test "bad: a binary whose dynamic loader is missing, which is named" {
	peer_lacks "says nothing until start"
	local loader
	loader=$(file -L /bin/ls | grep -o 'interpreter [^,]*' | cut -d' ' -f2) || loader=$(readelf -l /bin/ls | grep -o '/lib[^]]*')
	cp -L /bin/ls "$ROOTFS/usr/bin/tool"
	program /usr/bin/tool
	no_program /usr/bin/tool loader "$loader"
}

@test "bad: a binary of another architecture" {
	peer_lacks "says nothing until start"
	# An ELF header of a machine that is not here: e_machine is at offset 18.
	cp "$HELPER" "$ROOTFS/usr/bin/tool"
	printf '\x08\x00' | dd of="$ROOTFS/usr/bin/tool" bs=1 seek=18 conv=notrunc 2>/dev/null
	program /usr/bin/tool
	rung_fails run --bundle "$BUNDLE" "$CT"
	says "process.args[0]" /usr/bin/tool
}

@test "bad: what is missing only because of cwd and PATH is looked up in the container, not on the host" {
	# The host has it, the container has not.
	program /usr/bin/jq
	[ ! -e "$ROOTFS/usr/bin/jq" ]
	no_program /usr/bin/jq "no such file or directory"
}

# --- --root and disks ---

@test "bad: a read-only --root" {
	mkdir "$ROOT"
	mount -t tmpfs -o ro tmpfs "$ROOT"
	rung_fails create --bundle "$BUNDLE" "$CT"
	says "$ROOT" "read-only file system"
	rung_fails run --bundle "$BUNDLE" "$CT"
	says "read-only file system"
	umount "$ROOT"
}

@test "bad: a --root on a full disk" {
	mkdir "$ROOT"
	mount -t tmpfs -o size=16k tmpfs "$ROOT"
	head -c 16384 /dev/zero >"$ROOT/full" || true
	rung_fails create --bundle "$BUNDLE" "$CT"
	says "$ROOT" "no space left on device"
	equal full "$(ls "$ROOT")"
	umount "$ROOT"
}

@test "bad: a --root without free inodes" {
	local inodes
	mkdir "$ROOT"
	# Everything that create makes needs an inode; each number of them but the last is too few.
	for inodes in 2 3 4 5; do
		mount -t tmpfs -o nr_inodes=$inodes tmpfs "$ROOT"
		try_rung create --bundle "$BUNDLE" "$CT"
		if ((status != 0)); then
			says "no space left on device"
			[ ! -e "$ROOT/$CT" ]
		else
			delete --force
		fi
		umount "$ROOT"
	done
}

@test "bad: a --root that fills up while a container runs does not hinder its end" {
	mkdir "$ROOT"
	mount -t tmpfs -o size=256k tmpfs "$ROOT"
	program sleep 1000
	create
	dd if=/dev/zero of="$ROOT/full" bs=4096 2>/dev/null || true
	start
	equal running "$(state status)"
	delete --force
	equal full "$(ls "$ROOT")"
	umount "$ROOT"
}

@test "bad: a --root that is a file" {
	touch "$ROOT"
	rung_fails create --bundle "$BUNDLE" "$CT"
	says "$ROOT" "not a directory"
	rm "$ROOT"
}

@test "bad: a full root filesystem, where a mount point has to be made" {
	rm -rf "$ROOTFS"
	mkdir "$ROOTFS"
	mount -t tmpfs -o size=4m,nr_inodes=200 tmpfs "$ROOTFS"
	cp -a "$RUNG_TEST_DATA/rootfs/." "$ROOTFS/"
	config '.mounts += [{destination: "/new/\(range(200))", type: "tmpfs", source: "tmpfs"}]'
	rung_fails create --bundle "$BUNDLE" "$CT"
	says "mounts[" "/new/" "no space left on device"
	umount "$ROOTFS"
}

# state_file: the file that holds the container's state.
state_file() { find "$ROOT/$CT" -maxdepth 1 -name 'state*' -type f | head -n 1; }

@test "bad: a state file cut short is an error, and delete --force clears all" {
	peer_lacks "loses the container's processes and cgroups"
	local init file
	running
	init=$(pid)
	file=$(state_file)
	head -c $(($(stat -c %s "$file") / 2)) "$file" >"$WORK/cut"
	cat "$WORK/cut" >"$file"
	rung_fails state "$CT"
	says "$CT" state
	rung_fails start "$CT"
	delete --force
	is_gone "$init"
	# And the id can be used again.
	running
	delete --force
}

@test "bad: an empty state file is an error, and delete --force clears all" {
	peer_lacks "loses the container's processes and cgroups"
	local init
	running
	init=$(pid)
	: >"$(state_file)"
	rung_fails state "$CT"
	delete --force
	is_gone "$init"
}

@test "bad: a missing state file makes a container that cannot be used, and delete --force clears all" {
	peer_lacks "loses the container's processes and cgroups"
	local init
	running
	init=$(pid)
	rm "$(state_file)"
	# The journal is still there, so it is known, but never as running.
	try_rung state "$CT"
	lacks "$out" running
	rung_fails start "$CT"
	delete --force
	is_gone "$init"
}

# --- combinations of flags ---

@test "bad: configurations of other systems are refused and named" {
	peer_lacks "ignores them"
	config 'del(.linux) | .windows = {layerFolders: ["C:\\"]}'
	create_fails
	says linux
}

@test "bad: a pid file that cannot be written" {
	create_fails --pid-file "$WORK/no/such/folder/pid"
	says "$WORK/no/such/folder" "no such file or directory"
	run_fails --pid-file "$WORK/no/such/folder/pid"
	run_fails --detach --pid-file "$WORK/no/such/folder/pid"
}

@test "bad: --preserve-fds of descriptors that are not open" {
	create_fails --preserve-fds 20
	says preserve-fds
	[[ -n $RUNG_PEER ]] || create_fails --preserve-fds -1
}

@test "bad: control characters in names do not reach the terminal" {
	peer_lacks "prints them"
	local text
	config '.mounts += [{destination: "/a\u001b[2J\rb\u009b", type: "bind", source: "/nonexistent\u001b]0;x\u0007", options: ["bind"]}]'
	run_fails
	says '/nonexistent\x1b]0;x\x07' '/a\x1b[2J\x0db\u009b'
	text=$(<"$err_file")
	config 'del(.mounts[-1])'
	program $'/bin/\e[31mno'
	run_fails
	says '\x1b[31mno'
	text+=$(<"$err_file")
	lacks "$text" $'\e' $'\r' $'\a' $'\u009b'
}
