#!/usr/bin/env bats
# mounts add and mounts remove: the mounts of a container that runs.

load helpers

setup() {
	setup_test
	peer_lacks "runc has no such command, and crun's follows symlinks"
	needs_root "it takes root's privileges to enter another's mount namespace"
	LIST=$WORK/mounts.json
}

# add MOUNT...: adds mounts, in JSON, each without its brackets. add_fails and
# remove_fails expect an error.
list() {
	local IFS=,
	echo "[$*]" | sed 's/\[\(.*\)\]/[\1]/' >"$LIST"
}
add() { list "$@" && rung mounts add "$CT" "$LIST"; }
add_fails() { list "$@" && rung_fails mounts add "$CT" "$LIST"; }
remove() { list "{\"destination\": \"$1\"}" && rung mounts remove "$CT" "$LIST"; }
remove_fails() { list "{\"destination\": \"$1\"}" && rung_fails mounts remove "$CT" "$LIST"; }

# bind DESTINATION SOURCE [OPTION...]: a bind mount in JSON.
bind() {
	local dest=$1 source=$2
	shift 2
	jq -nc '{destination: $d, source: $s, options: (["bind"] + $ARGS.positional)}' --arg d "$dest" --arg s "$source" --args -- "$@"
}

# volume: a folder of the host, VOL, with a file in it.
volume() {
	VOL=$WORK/vol
	mkdir "$VOL"
	echo content >"$VOL/file"
	chmod 755 "$VOL"
}

# in_ct COMMAND...: what a command in the container prints.
in_ct() {
	rung exec "$CT" "$@" >&2
	echo "$out"
}

@test "mounts add: a folder and a file of the host, at places that do not exist yet" {
	volume
	running
	add "$(bind /new/deep/dir "$VOL")" "$(bind /new/one "$VOL/file" ro)"
	equal content "$(in_ct cat /new/deep/dir/file)"
	equal content "$(in_ct cat /new/one)"
	rung exec "$CT" sh -c 'echo more >>/new/deep/dir/file'
	try_rung exec "$CT" sh -c 'echo no >>/new/one'
	differ 0 "$status"
	equal $'content\nmore' "$(<"$VOL/file")"
	delete --force
	[[ -d $ROOTFS/new/deep/dir && -f $ROOTFS/new/one ]]
}

@test "mounts add: options are those of config.json" {
	volume
	running
	add "$(bind /m "$VOL" ro nosuid nodev noexec noatime)"
	contains "$(in_ct grep ' /m ' /proc/mounts)" " ro,nosuid,nodev,noexec,noatime"
	add_fails "$(bind /n "$VOL" frobnicate)"
	says 'mounts[0].options[1]' frobnicate
	delete --force
}

@test "mounts add: rbind takes what is mounted below, bind does not" {
	volume
	mkdir "$VOL/sub"
	mount -t tmpfs tmpfs "$VOL/sub"
	touch "$VOL/sub/below"
	running
	add "$(bind /flat "$VOL")" "$(jq -nc '{destination: "/deep", source: $s, options: ["rbind"]}' --arg s "$VOL")"
	equal "" "$(in_ct ls /flat/sub)"
	equal below "$(in_ct ls /deep/sub)"
	delete --force
	umount "$VOL/sub"
}

@test "mounts add: a tmpfs, empty, with its size, read-only where asked for" {
	running
	add '{"destination": "/t", "type": "tmpfs", "source": "t", "options": ["size=64k", "mode=1777"]}' '{"destination": "/r", "type": "tmpfs", "source": "r", "options": ["ro"]}'
	contains "$(in_ct grep ' /t ' /proc/mounts)" "size=64k"
	rung exec "$CT" touch /t/file
	try_rung exec "$CT" touch /r/file
	differ 0 "$status"
	delete --force
}

@test "mounts add: from standard input, to a container that is created or paused" {
	volume
	make_fifo
	shell 'cat /m/file >/fifo; exec sleep 1000'
	create
	STDIN=<(echo "[$(bind /m "$VOL")]") rung mounts add "$CT" -
	start
	equal content "$(heard)"
	rung pause "$CT"
	add "$(bind /n "$VOL")"
	rung resume "$CT"
	equal content "$(in_ct cat /n/file)"
	delete --force
}

@test "mounts add: what the container mounts below does not come back to the host" {
	volume
	mkdir "$VOL/sub"
	mount --bind "$VOL" "$VOL"
	mount --make-shared "$VOL"
	config '.process.capabilities[] += ["CAP_SYS_ADMIN"]'
	running
	add "$(bind /m "$VOL")"
	rung exec "$CT" mount -t tmpfs t /m/sub
	contains "$(in_ct cat /proc/mounts)" " /m/sub "
	equal "" "$(findmnt -n "$VOL/sub" || true)"
	# And where it is asked for, what the host mounts comes to the container.
	remove /m
	add "$(bind /m "$VOL" slave)"
	mount -t tmpfs t "$VOL/sub"
	contains "$(in_ct cat /proc/mounts)" " /m/sub "
	delete --force
	umount "$VOL/sub" "$VOL"
}

@test "mounts add: in a user namespace what is made is its root's, id-mapped mounts too" {
	volume
	new_namespace user
	config '.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$ROOTFS"
	running
	add "$(bind /new/m "$VOL")" '{"destination": "/t", "type": "tmpfs", "source": "t"}'
	equal "0:0" "$(in_ct stat -c %u:%g /new)"
	equal "0:0" "$(in_ct stat -c %u:%g /t)"
	equal 100000 "$(stat -c %u "$ROOTFS/new")"
	equal 65534 "$(in_ct stat -c %u /new/m/file)"
	list "$(bind /i "$VOL" idmap)"
	try_rung mounts add "$CT" "$LIST"
	if ((status == 0)); then
		equal 0 "$(in_ct stat -c %u /i/file)"
	else
		says "map its ids" # not all filesystems can
	fi
	delete --force
}

@test "mounts add: all or nothing" {
	volume
	running
	add_fails "$(bind /a "$VOL")" '{"destination": "/t", "type": "tmpfs", "source": "t"}' "$(bind /etc/passwd/x "$VOL")"
	says 'mounts[2]'
	lacks "$(in_ct cat /proc/mounts)" " /a " " /t "
	add_fails "$(bind /a "$VOL")" "$(bind /b "$WORK/none")"
	says 'mounts[1]' none
	lacks "$(in_ct cat /proc/mounts)" " /a "
	delete --force
}

@test "mounts add: what would show the host's, or hide what the runtime needs, is refused" {
	running
	local kind
	for kind in proc sysfs mqueue cgroup devpts ext4; do
		add_fails "{\"destination\": \"/m\", \"type\": \"$kind\", \"source\": \"$kind\"}"
		says 'mounts[0]' "$kind"
	done
	add_fails "$(bind /proc "$WORK")"
	says "/proc"
	add_fails "$(bind /proc/self/attr "$WORK")"
	add_fails "$(bind / "$WORK")"
	add_fails "$(bind /m "$WORK" remount)"
	delete --force
}

@test "mounts add: bad calls and bad files are errors of one line" {
	running
	echo '{"destination": "/m"}' >"$LIST"
	rung_fails mounts add "$CT" "$LIST"
	says "expected array"
	echo '[{"source": "/m"}]' >"$LIST"
	rung_fails mounts add "$CT" "$LIST"
	says 'mounts[0].destination'
	rung_fails mounts remove "$CT" "$LIST"
	says 'mounts[0].destination'
	rung_fails mounts add "$CT" "$WORK/none"
	rung_fails mounts frobnicate "$CT" "$LIST"
	says frobnicate "add or remove"
	rung_fails mounts add nobody "$LIST"
	delete --force
}

@test "mounts: a container that has stopped, or has no mount namespace, is an error" {
	program true
	volume
	run_ct --detach
	wait_for_status stopped
	add_fails "$(bind /m "$VOL")"
	says "not running"
	delete
	config '.linux.namespaces |= map(select(.type != "mount")) | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .mounts = []'
	running
	add_fails "$(bind /m "$VOL")"
	says "no mount namespace of its own"
	delete --force
}

@test "mounts remove: takes the mount away, also from under a program that uses it" {
	volume
	shell 'while [ ! -e /m/file ]; do sleep 0.1; done; exec sleep 1000 </m/file'
	run_ct --detach
	add "$(bind /m "$VOL")"
	# used: has the program opened the file by now?
	used() { readlink "/proc/$(pid)/fd/0" | grep -q file; }
	poll used
	remove /m
	lacks "$(in_ct cat /proc/mounts)" " /m "
	remove_fails /m
	says 'mounts[0].destination' "nothing is mounted"
	remove_fails /
	delete --force
}

@test "mounts remove: one of config.json, and a list of many" {
	volume
	config '.mounts += [{destination: "/m", source: $s, options: ["bind"]}]' --arg s "$VOL"
	running
	add "$(bind /o "$VOL")" "$(bind /p "$VOL")"
	list '{"destination": "/o"}' '{"destination": "/p", "type": "nonsense"}' '{"destination": "/m"}'
	rung mounts remove "$CT" "$LIST"
	lacks "$(in_ct cat /proc/mounts)" " /m " " /o " " /p "
	delete --force
}

# --- attacks ---

@test "mounts remove: a symlink of the container does not unmask anything" {
	shell 'ln -s /proc/kcore /victim; ln -s /proc /dir; exec sleep 1000'
	run_ct --detach
	poll test -L "$ROOTFS/dir"
	local before
	before=$(in_ct cat /proc/self/mountinfo)
	remove_fails /victim
	says "symbolic links"
	remove_fails /dir/kcore
	equal "$before" "$(in_ct cat /proc/self/mountinfo)"
	delete --force
}

@test "mounts add: symlinks of the container lead nowhere out of its root" {
	volume
	mkdir "$WORK/victim"
	shell "ln -s ../../../../../../../../../../..$WORK/victim /out; ln -s / /top; ln -s /proc/1/root /magic; ln -s /proc/self/cwd /cwd; exec sleep 1000"
	run_ct --detach
	poll test -L "$ROOTFS/cwd"
	add "$(bind /out/a "$VOL")"
	equal content "$(in_ct cat "$WORK/victim/a/file")"
	equal "" "$(ls -A "$WORK/victim")"
	add "$(bind /top/b "$VOL")"
	equal content "$(in_ct cat /b/file)"
	add_fails "$(bind /magic/c "$VOL")"
	add_fails "$(bind /cwd/c "$VOL")"
	add_fails "$(bind /top "$VOL")"
	says "root itself"
	[[ ! -e /c && ! -e /b ]]
	delete --force
}

@test "mounts add: a container that exchanges folders for symlinks all the time gets nothing on the host" {
	volume
	local victim=$WORK/victim end worked=0 failed=0 before
	mkdir "$victim"
	mkdir -p "$ROOTFS/swap/x/sub"
	ln -s "../../../../../../../../../../..$victim" "$ROOTFS/swap/y"
	before=$(host_mounts)
	running
	in_background "$HELPER" swap "$ROOTFS/swap/x" "$ROOTFS/swap/y"
	poll grep -qx ready "$background_out"
	list "$(bind /swap/x/sub/m "$VOL")" '{"destination": "/swap/x/new/t", "type": "tmpfs", "source": "t"}'
	end=$((SECONDS + 3))
	while ((SECONDS < end || worked + failed < 10)); do
		try_rung mounts add "$CT" "$LIST" >/dev/null
		differ 124 "$status"
		if ((status == 0)); then worked=$((worked + 1)); else failed=$((failed + 1)); fi
		equal "" "$(ls -A "$victim")"
	done
	echo "$worked calls worked, $failed did not"
	equal "$before" "$(host_mounts)"
	! is_gone "$background" || fail "the attacker has ended: $(<"$background_out")"
	delete --force
}
