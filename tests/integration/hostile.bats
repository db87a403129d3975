#!/usr/bin/env bats
# What a hostile container, root filesystem or configuration must not get from
# rung. docs/security.md lists these tests, and those elsewhere, by what they
# defend.

load helpers

# all_caps: the container's programs get every capability that rung has.
all_caps() {
	needs_program capsh
	config '($caps / ",") as $c | .process.capabilities = {bounding: $c, permitted: $c, effective: $c, inheritable: $c}' \
		--arg caps "$(capsh --decode="$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)" | cut -d= -f2 | tr "[:lower:]" "[:upper:]")"
}

# own_rung DIR: makes DIR/rung a copy of the binary, and the one under test.
own_rung() {
	mkdir -p "$1"
	cp "$RUNG" "$1/rung"
	chmod 777 "$1/rung"
	RUNG=$1/rung
	# Which the other tests' root filesystems have by hard links.
	cp --remove-destination "$RUNG_TEST_DATA/rootfs/bin/busybox" "$ROOTFS/bin/busybox"
}

# print_file PATH: what may not change of the binary: bytes, inode, mode, owner,
# links, times.
print_file() { md5sum "$1"; stat -c '%d:%i %s %a %u:%g %h %Y %Z' "$1"; }

# run_while_swapped A B SECONDS LOOK: runs the container again and again for so long, and ten times at least, while two paths in
# the root filesystem are exchanged all the time, and calls LOOK after each. Sets worked to how many ran.
run_while_swapped() {
	local end failed=0
	worked=0
	in_background "$HELPER" swap "$ROOTFS/$1" "$ROOTFS/$2"
	poll grep -qx ready "$background_out"
	end=$((SECONDS + $3))
	while ((SECONDS < end || worked + failed < 10)); do
		try_rung run --bundle "$BUNDLE" "$CT" >/dev/null
		differ 124 "$status"
		if ((status == 0)); then worked=$((worked + 1)); else failed=$((failed + 1)); fi
		"$4"
	done
	echo "$worked containers ran, $failed did not"
	! is_gone "$background" || fail "the attacker has ended: $(<"$background_out")"
}

# --- the binary (CVE-2019-5736) ---

# attack_waiting: a program in the container attacks that of the init that waits
# for start. REACHED is empty where the kernel let it not even open that.
attack_waiting() {
	give_helper
	program sleep 1000
	create
	rung exec "$CT" testhelper attack-exe 1 "$RUNG"
	has_line "$out" over
	lacks "$out" wrote cut mapped saw
	REACHED=$(grep -x reached <<<"$out" || true)
	delete --force
}

# attack_exec: a program in the container attacks those that rung executes to
# join it, and keeps hold of them.
attack_exec() {
	give_helper
	program testhelper attack-exe 2 "$RUNG"
	run_ct --detach
	local log=$out_file i
	for ((i = 0; i < 30; i++)); do
		try_rung exec "$CT" true
	done
	poll grep -qx over "$log" || fail "the attacker says: $(<"$log")" || return
	lacks "$(<"$log")" wrote cut mapped saw
	delete --force
}

# attack_by_program: the program itself is rung, by way of /proc/self/exe.
attack_by_program() {
	local target
	printf '#!/proc/self/exe\n' >"$ROOTFS/bin/script"
	chmod +x "$ROOTFS/bin/script"
	ln -sf /proc/self/exe "$ROOTFS/bin/link"
	ln -sf /proc/thread-self/exe "$ROOTFS/bin/thread"
	for target in /proc/self/exe /proc/1/exe script link thread; do
		program "$target"
		try_rung run --bundle "$BUNDLE" "$CT"
		differ 124 "$status"
	done
	program sleep 1000
	run_ct --detach
	for target in /proc/self/exe script link thread; do
		try_rung exec "$CT" "$target"
		differ 124 "$status"
	done
	delete --force
}

# unchanged_by ATTACK...: the binary is after each attack what it was.
unchanged_by() {
	local before attack
	before=$(print_file "$RUNG")
	for attack; do
		"$attack"
		equal "$before" "$(print_file "$RUNG")"
	done
}

@test "hostile: the host's binary, with all capabilities" {
	peer_lacks "has its own ways"
	own_rung "$WORK/bin"
	all_caps
	unchanged_by attack_waiting
	# Else the test would show nothing: all capabilities are enough to get there.
	equal reached "$REACHED"
	unchanged_by attack_exec attack_by_program
}

@test "hostile: the host's binary, without CAP_SYS_ADMIN" {
	peer_lacks "has its own ways"
	own_rung "$WORK/bin"
	all_caps
	config '.process.capabilities |= map_values(. - ["CAP_SYS_ADMIN"])'
	unchanged_by attack_waiting
	equal reached "$REACHED"
	unchanged_by attack_exec attack_by_program
}

@test "hostile: the host's binary, with the capabilities of the default bundle" {
	peer_lacks "has its own ways"
	own_rung "$WORK/bin"
	unchanged_by attack_waiting
	# An undumpable process's folder is closed to all without CAP_SYS_PTRACE.
	# An ordinary user's can read a file of that user's, and no more.
	[[ $EUID != 0 ]] || equal "" "$REACHED"
	unchanged_by attack_exec attack_by_program
}

@test "hostile: the host's binary, where it is a copy in memory" {
	peer_lacks "has its own ways"
	# An overlay cannot be made of such a path.
	own_rung "$WORK/with:colon"
	all_caps
	unchanged_by attack_waiting
	equal reached "$REACHED"
	unchanged_by attack_exec attack_by_program
}

@test "hostile: the host's binary, from another container of the pid namespace" {
	peer_lacks "has its own ways"
	needs_root "a pid namespace of another container is joined by its owner"
	own_rung "$WORK/bin"
	all_caps
	give_helper
	running
	local before init i
	before=$(print_file "$RUNG")
	init=$(pid)
	make_bundle "$CT-2"
	config '.linux.namespaces |= map(if .type == "pid" then .path = $p else . end)' --arg p "/proc/$init/ns/pid"
	program sleep 1000
	rung run --detach --bundle "$BUNDLE" "$CT-2"
	# Not before: a new init is open to who may trace it (docs/security.md).
	in_background "$RUNG" --root "$ROOT" exec "$CT" testhelper attack-exe 3 "$RUNG"
	for ((i = 0; i < 40; i++)); do try_rung exec "$CT-2" true; done >/dev/null
	poll grep -qx over "$background_out" || fail "the attacker says: $(<"$background_out")" || return
	lacks "$(<"$background_out")" wrote cut mapped saw
	equal "$before" "$(print_file "$RUNG")"
	rung delete --force "$CT-2"
	delete --force
}

@test "hostile: the host's binary, from a user namespace" {
	peer_lacks "has its own ways"
	own_rung "$WORK/bin"
	all_caps
	# The container of an ordinary user has one already.
	[[ $EUID != 0 ]] || config '.linux.namespaces += [{type: "user"}] |
		.linux.uidMappings = [{containerID: 0, hostID: 0, size: 100000}] |
		.linux.gidMappings = .linux.uidMappings'
	unchanged_by attack_waiting
	# Its root is the host's, and must not get there all the same.
	# An ordinary user's can read a file of that user's, and no more.
	[[ $EUID != 0 ]] || equal "" "$REACHED"
	unchanged_by attack_exec attack_by_program
}

# --- descriptors (CVE-2024-21626) ---

@test "hostile: a working folder that a descriptor of rung's leads to" {
	local fd cwd
	for fd in 3 4 5 6 7 8 9 10 11 12; do
		config '.process.cwd = $d' --arg d "/proc/self/fd/$fd"
		create_fails
	done
	for cwd in /proc/self/fd/7/../../.. /proc/thread-self/fd/7 /proc/1/fd/7; do
		config '.process.cwd = $d' --arg d "$cwd"
		create_fails
	done
	ln -s /proc/self/fd/7 "$ROOTFS/link"
	config '.process.cwd = "/link"'
	create_fails
	config '.process.cwd = "/link/sub"'
	create_fails
}

@test "hostile: a working folder that a descriptor of the caller's leads to" {
	# It is the container's to use by the caller's wish, but not to be in.
	config '.process.cwd = "/proc/self/fd/3"'
	status=0
	"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --preserve-fds 1 --bundle "$BUNDLE" "$CT" 3<"$WORK" >"$WORK/out" 2>&1 </dev/null || status=$?
	equal 1 "$status"
	[[ -n $RUNG_PEER ]] || contains "$(<"$WORK/out")" process.cwd
}

@test "hostile: the descriptors of an init that waits lead to nothing of the host's" {
	create
	local fd to seen=0
	for fd in "/proc/$(pid)/fd/"*; do
		to=$(readlink "$fd") || continue # it has closed it meanwhile
		seen=$((seen + 1))
		case ${fd##*/}:$to in
			[012]:* | *:socket:* | *:pipe:* | *:anon_inode:*) ;;
			*) fail "descriptor ${fd##*/} is $to" ;;
		esac
	done
	((seen > 3)) || fail "it has $seen descriptors, and cannot wait"
	delete --force
}

@test "hostile: more descriptors than --preserve-fds says" {
	shell 'ls /proc/self/fd'
	status=0
	"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --preserve-fds 1 --bundle "$BUNDLE" "$CT" 3</etc/passwd 4</etc/group 5<"$WORK" >"$WORK/out" </dev/null || status=$?
	equal 0 "$status"
	# The last one is the folder that ls reads.
	equal "0 1 2 3 4" "$(xargs <"$WORK/out")"
	# 4 is that of ls, then, and not the caller's.
	program readlink /proc/self/fd/4
	"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --preserve-fds 1 --bundle "$BUNDLE" "$CT" 3</etc/passwd 4</etc/group >"$WORK/out" </dev/null || true
	equal "" "$(<"$WORK/out")"
}

# --- paths (CVE-2021-30465, CVE-2023-27561, CVE-2024-45310, CVE-2025-31133) ---

# print_victim: a folder of the host's with all that is in it.
print_victim() { find "$WORK/victim" -printf '%p %i %M %u:%g %s %l %C@\n' | sort; }

# make_victim: a folder of the host's, and links to it at LINK below the root
# filesystem, absolute or with as many dots as the root filesystem is deep.
make_victim() {
	mkdir -p "$WORK/victim/ro" "$WORK/victim/dev"
	touch "$WORK/victim/secret" "$WORK/victim/dev/null"
}

@test "hostile: links to the host in all places that rung writes to" {
	make_victim
	local before link
	before=$(print_victim)
	for link in "$WORK/victim" "../../../../../../../../../../../..$WORK/victim"; do
		rm -rf "${ROOTFS:?}"/{etc,mnt,run,dev,cwd,var,usr}
		mkdir "$ROOTFS/dev"
		for place in etc mnt run cwd var usr dev/shm dev/console dev/null dev/ptmx; do
			ln -s "$link" "$ROOTFS/$place"
		done
		config '.mounts |= (map(select(.destination != "/dev")) + [
				{destination: "/mnt/made/here", type: "tmpfs", source: "t"},
				{destination: "/run", type: "tmpfs", source: "t", options: ["tmpcopyup"]},
				{destination: "/var/file", type: "bind", source: "/etc/passwd", options: ["bind", "ro"]}]) |
			.linux.devices = [{path: "/etc/device", type: "c", major: 1, minor: 3}] |
			.linux.maskedPaths += ["/etc/secret", "/usr/ro"] | .linux.readonlyPaths += ["/etc/ro"] |
			.process.cwd = "/cwd/made"'
		shell 'ls /run /mnt'
		# Some of it is refused, some is done in the root filesystem.
		try_rung run --bundle "$BUNDLE" "$CT"
		differ 124 "$status"
		lacks "$out" secret
		equal "$before" "$(print_victim)"
	done
	equal "" "$(grep -F "$WORK/victim" /proc/self/mountinfo)"
}

@test "hostile: links to the host that come and go while rung works" {
	peer_lacks "its own tests"
	make_victim
	local before
	before=$(print_victim)
	mkdir -p "$ROOTFS/vol/x/ro"
	touch "$ROOTFS/vol/x/secret"
	ln -s "../../../../../../../../../../../..$WORK/victim" "$ROOTFS/vol/y"
	config '.mounts += [
			{destination: "/vol/x/new/sub", type: "tmpfs", source: "t"},
			{destination: "/vol/x/file", type: "bind", source: "/etc/passwd", options: ["bind", "ro"]},
			{destination: "/vol/x", type: "tmpfs", source: "t", options: ["tmpcopyup"]}] |
		.linux.devices = [{path: "/vol/y/device", type: "c", major: 1, minor: 3}] |
		.linux.maskedPaths += ["/vol/y/secret"] | .linux.readonlyPaths += ["/vol/y/ro"] |
		.process.cwd = "/vol/y/cwd"'
	# The victim has a folder dev, and nobody else.
	shell 'ls /vol/x'
	no_copy() { ! grep -qx dev <<<"$out" || fail "the container got a copy of the host's folder"; }
	run_while_swapped vol/x vol/y 3 no_copy
	equal "$before" "$(print_victim)"
}

@test "hostile: a /proc that comes and goes while rung works" {
	peer_lacks "the masks of some containers"
	mkdir -p "$ROOTFS/proc" "$ROOTFS/evil"
	config '.linux.maskedPaths += ["/proc/uptime"] | .linux.readonlyPaths += ["/proc/sys"]'
	# Its own mounts, wherever the procfs is now.
	shell 'm=; while [ -z "$m" ]; do m=$(cat /proc/self/mountinfo || cat /evil/self/mountinfo); done 2>/dev/null; echo "$m"'
	masked() {
		((status == 0)) || return 0
		matches "$out" ' /null /(proc|evil)/uptime '
		matches "$out" ' /sys /(proc|evil)/sys ro,[^-]*- proc '
	}
	run_while_swapped proc evil 5 masked
	((worked > 0)) || fail "none was made: $err"
}

@test "hostile: fifos in all places that rung reads or writes" {
	# Whoever opens one waits for its other end.
	rm "$ROOTFS/etc/passwd"
	mkfifo "$ROOTFS/etc/passwd" "$ROOTFS/bin/fifo" "$ROOTFS/target"
	chmod +x "$ROOTFS/bin/fifo"
	run_ct
	program fifo
	run_fails
	printf '#!/bin/fifo\n' >"$ROOTFS/bin/script"
	chmod +x "$ROOTFS/bin/script"
	program script
	run_fails
	program true
	config '.mounts += [{destination: "/target", type: "bind", source: "/etc/hostname", options: ["bind"]}] | .linux.maskedPaths += ["/etc/passwd"]'
	run_ct
	config '.process.cwd = "/bin/fifo"'
	run_fails
}

# --- files that rung reads ---

@test "hostile: a file of the kernel's as /etc/passwd" {
	# To read one can have effects: /proc/kmsg gives each line once.
	rm "$ROOTFS/etc/passwd"
	ln -s /proc/sys/kernel/domainname "$ROOTFS/etc/passwd"
	config '.domainname = "a:x:0:0::/kernel:" | .process.env |= map(select(startswith("HOME=") | not))'
	shell 'cat /etc/passwd; echo "home is $HOME"'
	run_ct
	has_line "$out" "a:x:0:0::/kernel:"
	has_line "$out" "home is /"
}

# --- keys ---

@test "hostile: a keyring of another user's that has the name a container's could have" {
	needs_root "it becomes another user"
	give_helper
	"$HELPER" keyring >/dev/null || skip "this kernel has no keyrings"
	in_background "$HELPER" plant-keyring 4242 "_ses.$CT"
	poll grep -qx '[0-9]*' "$background_out"
	local planted
	planted=$(<"$background_out")
	make_fifo
	shell 'testhelper keyring >/fifo; exec sleep 1000'
	run_ct --detach
	local keyring
	keyring=$(heard)
	differ "$planted" "$keyring"
	rung exec "$CT" testhelper keyring
	equal "$keyring" "$out"
	delete --force
}

# --- environment ---

@test "hostile: nothing of the caller's environment gets into the container or the hooks" {
	export SECRET_OF_CALLER=1 RUNG_SECRET=2
	config '.hooks = {createRuntime: [$h], createContainer: [$h], poststop: [$h], poststart: [$h]}' --argjson h \
		"$(jq -n --arg out "$WORK/hooks" '{path: "/bin/sh", args: ["sh", "-c", "/usr/bin/env >>\($out)"]}')"
	shell 'env; exec sleep 1000'
	create
	lacks "$(tr '\0' '\n' <"/proc/$(pid)/environ")" SECRET
	start
	rung exec "$CT" env
	lacks "$out" SECRET
	delete --force
	read_output
	local file
	for file in "$WORK"/out.*; do lacks "$(<"$file")" SECRET; done
	lacks "$(<"$WORK/hooks")" SECRET
}

@test "hostile: variables of the container's are not obeyed by rung" {
	# Those of the Go runtime, the loader, rung's own and the service manager's.
	config '.process.env += ["GODEBUG=inittrace=1,gctrace=1", "GOGC=1", "GOMEMLIMIT=1", "GOTRACEBACK=crash", "LD_PRELOAD=/evil.so",
		"RUNG_ROOT=/evil", "RUNG_DEBUG=1", "XDG_RUNTIME_DIR=/evil", "NOTIFY_SOCKET=/evil", "LISTEN_FDS=9", "LISTEN_PID=1"]'
	shell 'echo ran; ls -d /evil 2>/dev/null; true'
	run_ct
	equal ran "$out"
	equal "" "$err"
	running
	rung exec --env GODEBUG=inittrace=1 --env GOMEMLIMIT=1 "$CT" echo ran
	equal ran "$out"
	equal "" "$err"
	delete --force
}

@test "hostile: what is put into the folder of the notify socket does not keep the container from being deleted" {
	needs_root "in a user namespace the folder stays read-only"
	all_caps
	in_background "$HELPER" notify-listen "$WORK/notify"
	poll test -S "$WORK/notify"
	shell 'mount -o remount,bind,rw /run/notify && cd /run/notify && rm notify.sock &&
		for i in $(seq 100); do mkdir side "down-$i" && touch side/file && cd "down-$i" || exit; done; echo nested >/seen'
	NOTIFY_SOCKET=$WORK/notify create
	NOTIFY_SOCKET=$WORK/notify start
	wait_for_status stopped
	equal nested "$(<"$ROOTFS/seen")"
	delete
	[[ ! -e $ROOT/$CT ]]
}

# --- commands on the host ---

@test "hostile: a pid that belongs to another process by now" {
	running
	local real
	real=$(pid)
	in_background sleep 1000
	sed -i "s/\"init\":{\"pid\":$real,/\"init\":{\"pid\":$background,/" "$ROOT/$CT/state.json"
	grep -q "\"pid\":$background," "$ROOT/$CT/state.json"
	equal stopped "$(state status)"
	equal 0 "$(state pid)"
	rung list
	lacks "$out" "$background"
	rung_fails kill "$CT" KILL
	try_rung exec "$CT" true
	equal 255 "$status"
	# The cgroup is the container's still, and so are the processes in it.
	delete --force
	! is_gone "$background" || fail "another process was killed"
	is_gone "$real" || fail "the container's is left"
}

@test "hostile: no command but start waits for an init that is stopped" {
	program sleep 1000
	create
	local init
	init=$(pid)
	kill -STOP "$init"
	equal created "$(state status)"
	rung list
	prints created
	rung_in_background start "$CT"
	poll grep -q lock_file_wait\\\|unix_stream\\\|wait "/proc/$background/wchan"
	equal created "$(state status)"
	delete --force
	finish "$background" && fail "start succeeded" || true
	is_gone "$init"
}

@test "hostile: delete clears cgroups that the container made deeper than a path is long" {
	[[ $CGROUP_MODE != v2 ]] || skip "with cgroup v1 only"
	all_caps
	config '.mounts |= map(select(.type != "cgroup")) + [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: []}] |
		.linux.namespaces += [{type: "cgroup"}]'
	shell 'cd /sys/fs/cgroup/pids || exit 1
		name=$(printf %0200d 0); n=0
		while [ $n -lt 30 ] && mkdir $name && cd -P $name; do n=$((n + 1)); done
		echo $n >/depth'
	run_ct --keep
	equal 30 "$(<"$ROOTFS/depth")"
	delete
}

@test "hostile: names that a process of the container gives itself" {
	# The name stands in brackets before what tells processes apart.
	shell 'printf "x) R 1 (y" >/proc/self/comm; echo over >/fifo; read line </go'
	make_fifo
	run_ct --detach
	heard
	equal running "$(state status)"
	rung ps --format json "$CT"
	equal "[$(pid)]" "$out"
	rung kill "$CT" KILL
	wait_for_status stopped
	delete
}

# --- the state folder ---

@test "hostile: the state folder and its files are closed to others, whatever the umask" {
	umask 0
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["kexec_load"], action: "SCMP_ACT_ERRNO"}]}'
	running
	umask 022
	equal "" "$(find "$ROOT" -type d -not -perm 700 -not -perm 1700)"
	equal "" "$(find "$ROOT" -type f -not -perm 600)"
	delete --force
}

@test "hostile: files of others below --root" {
	needs_root "it gives files away"
	peer_lacks "takes them"
	running
	chown 1000 "$ROOT/$CT"
	rung_fails state "$CT"
	says "belongs to user 1000"
	rung_fails kill "$CT" KILL
	rung_fails delete --force "$CT"
	chown 0 "$ROOT/$CT"
	chmod 777 "$ROOT/$CT"
	rung_fails state "$CT"
	says "others may write to it"
	chmod 700 "$ROOT/$CT"
	chown 1000 "$ROOT/$CT/state.json"
	rung_fails state "$CT"
	says "belongs to user 1000"
	chown 0 "$ROOT/$CT/state.json"
	ln -s "$CT" "$ROOT/link"
	rung_fails state link
	rung_fails delete --force link
	rm "$ROOT/link"
	equal running "$(state status)"
	delete --force
}

# --- resources at create ---

# create_refused_within MEMORY PART...: create is an error of PARTs, and takes no
# more than MEMORY KiB.
create_refused_within() {
	local memory=$1 used
	shift
	status=0
	used=$(timeout "$PATIENCE" "$HELPER" maxrss "$RUNG" --root "$ROOT" "${DRIVER[@]}" create --bundle "$BUNDLE" "$CT" 2>"$WORK/err") || status=$?
	equal 1 "$status"
	contains "$(<"$WORK/err")" "$@"
	echo "$used KiB"
	((used < memory)) || fail "it took $used KiB"
	[[ ! -e $ROOT/$CT ]]
}

@test "hostile: a config.json that is too large, too deep, or of too many parts" {
	peer_lacks "no bounds"
	{ echo -n '{"ociVersion": "1.0.2", "x": "'; head -c 100000000 /dev/zero | tr '\0' x; echo '"}'; } >"$BUNDLE/config.json"
	create_refused_within 60000 "more than 16 MiB"
	printf '[%.0s' {1..1000000} >"$WORK/brackets"
	{ echo -n '{"x": '; cat "$WORK/brackets"; } >"$BUNDLE/config.json"
	create_refused_within 60000 "nested more than"
	{ echo -n '{"mounts": ['; yes '{},' | head -n 4000000 | tr -d '\n'; echo '{}]}'; } >"$BUNDLE/config.json"
	create_refused_within 250000 "values"
	# A file that is not there to its end, and one that never ends.
	truncate -s 1T "$BUNDLE/config.json"
	create_refused_within 60000 "more than 16 MiB"
	rm "$BUNDLE/config.json"
	ln -s /dev/zero "$BUNDLE/config.json"
	create_refused_within 60000 config.json
	rm "$BUNDLE/config.json"
	mkfifo "$BUNDLE/config.json"
	create_refused_within 60000 config.json
}

@test "hostile: ten thousand devices and masked paths" {
	needs_root "without privileges device nodes are bound from the host, with its owners, modes and paths"
	config '.linux.devices = [range(10000) | {path: "/dev/x\(.)", type: "c", major: 1, minor: 3}] |
		.linux.maskedPaths += [range(10000) | "/none\(.)"]'
	shell 'ls /dev | wc -l'
	PATIENCE=$((PATIENCE * 6)) run_ct
	((out > 10000)) || fail "there are $out devices"
}

@test "hostile: ten thousand mounts" {
	config '.mounts += [range(10000) | {destination: "/mnt/\(.)", type: "tmpfs", source: "t", options: ["size=4k"]}]'
	shell 'grep -c " /mnt/" /proc/self/mountinfo'
	PATIENCE=$((PATIENCE * 6)) run_ct
	equal 10000 "$out"
}

@test "hostile: others of the user cannot look into a process that waits, also where fs.suid_dumpable lets them" {
	needs_own_machine
	needs_root "it changes a setting of the host"
	local before init
	before=$(</proc/sys/fs/suid_dumpable)
	config '.process.user = {uid: 1000, gid: 1000}'
	program sleep 1000
	echo 1 >/proc/sys/fs/suid_dumpable
	try_rung create --bundle "$BUNDLE" "$CT"
	echo "$before" >/proc/sys/fs/suid_dumpable
	equal 0 "$status"
	init=$(pid)
	# proc(5): the files are the process's user's where it can be traced, and root's where not.
	equal 1000 "$(stat -c %u "/proc/$init")"
	equal 0 "$(stat -c %u "/proc/$init/environ")"
	delete --force
}
