#!/usr/bin/env bats
# Containers that CRIU saves and restores. What rung does when CRIU fails or is
# missing is in criu.bats, which needs none.
#
# What is in single quotes is for the shell in the container; each test has an
# out of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2119,SC2120

load helpers

setup() {
	setup_test
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER has its own tests"
	needs_criu
	IMAGES=$WORK/images
}

# needs_criu: one that works on this kernel. If it does not, it says why.
needs_criu() {
	local reason
	needs_program criu
	reason=$(criu check 2>&1) || skip "CRIU does not work here: $(grep -m 1 -E 'Error|Bad|not' <<<"$reason")"
}

# needs_feature NAME: one that CRIU, or the kernel, may not have.
needs_feature() {
	local reason
	reason=$(criu check --feature "$1" 2>&1) || skip "$(tail -n 1 <<<"$reason")"
}

# COUNT is a program that counts in memory and writes it to /count, which it has
# opened once.
COUNT='exec 5>/count; n=0; while :; do n=$((n+1)); echo "$n" >&5; sleep 0.1; done'

# counting [FLAG...]: a container that counts.
counting() {
	shell "$COUNT"
	rung run --detach --bundle "$BUNDLE" "$@" "$CT"
	poll counted_to 3
}

count() { tail -n 1 "$ROOTFS/count"; }
counted_to() { [[ -s $ROOTFS/count ]] && (($(count) >= $1)); }

# goes_on: the counter has gone on where it was, without a gap.
goes_on() {
	local now
	now=$(count)
	poll counted_to "$((now + 3))"
	diff <(seq "$((now + 3))") <(head -n "$((now + 3))" "$ROOTFS/count") >&2 || fail "it has not gone on counting"
}

save() { rung checkpoint --image-path "$IMAGES" "$@" "$CT"; }
restore() { rung restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" "$@" "$CT"; }
remove() { rung delete --force "${1:-$CT}"; }

# works: exec joins the container.
works() {
	equal running "$(state status)"
	rung exec "$CT" /bin/sh -c 'echo "$$ in $(hostname): $(readlink /proc/1/ns/pid)"'
	equal "$(readlink "/proc/$(pid)/ns/pid")" "${out##*: }"
}

@test "checkpoint, restore: a counter in memory and an open file go on, again and again" {
	local round before
	counting
	for round in 1 2; do
		before=$(pid)
		save
		is_gone "$before" || fail "process $before goes on"
		rung_fails state "$CT"
		says "does not exist"
		[[ ! -e $(cgroup_dir pids) ]] || fail "the cgroup is left"
		restore --pid-file "$WORK/pid"
		equal running "$(state status)"
		equal "$(<"$WORK/pid")" "$(pid)"
		contains "$(<"/proc/$(pid)/cgroup")" "$(cgroup_path)"
		goes_on
		works
		rm -r "$IMAGES"
	done
	rung kill "$CT" KILL
	wait_for_status stopped
	rung delete "$CT"
}

@test "checkpoint, restore: under another id, in another cgroup with other limits" {
	local mode old=$CT oldcgroup
	for mode in ignore soft; do
		counting
		oldcgroup=$(cgroup_dir pids)
		save --manage-cgroups-mode "$mode"
		config '.linux.cgroupsPath += "-moved" | .linux.resources.pids.limit = 77'
		CT=$CT-moved
		restore --manage-cgroups-mode "$mode"
		goes_on
		works
		contains "$(<"/proc/$(pid)/cgroup")" "$(cgroup_path)"
		equal 77 "$(cgroup_value pids pids.max)"
		[[ ! -e $oldcgroup ]] || fail "the old cgroup is there again"
		remove
		CT=$old
		config '.linux.cgroupsPath |= sub("-moved$"; "") | del(.linux.resources.pids)'
		rm -r "$IMAGES" "$ROOTFS/count"
	done
}

@test "checkpoint --pre-dump, twice: the last images build on those before" {
	needs_feature mem_dirty_track
	counting
	rung checkpoint --pre-dump --image-path "$WORK/first" "$CT"
	goes_on
	rung checkpoint --pre-dump --image-path "$WORK/second" --parent-path ../first "$CT"
	goes_on
	save --parent-path ../second
	[[ -L $IMAGES/parent ]] || fail "the images have no parent"
	restore
	goes_on
	works
	remove
}

@test "checkpoint --leave-running: the container goes on, and another one from where it was" {
	local first
	counting
	first=$(pid)
	save --leave-running --work-path "$WORK/work"
	equal "$first" "$(pid)"
	goes_on
	works
	[[ -s $WORK/work/dump.log && ! -e $IMAGES/dump.log ]] || fail "the log is not in the work folder"
	remove
	rm -r "$IMAGES" "$ROOTFS/count"
	program sleep 1000
	rung run --detach --bundle "$BUNDLE" "$CT"
	save --leave-running
	works
	# The other one: with the pid namespace, all names are its own.
	config '.linux.cgroupsPath += "-other"'
	rung restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" --manage-cgroups-mode ignore "$CT-other"
	equal running "$(state status "$CT-other")"
	works
	remove "$CT-other"
	remove
}

@test "checkpoint, restore: a container with a terminal" {
	mkfifo "$WORK/keys" "$WORK/newkeys"
	exec 7<>"$WORK/keys" 8<>"$WORK/newkeys"
	STDIN=$WORK/keys console_socket
	config '.process.terminal = true'
	shell 'n=0; while read -r line; do n=$((n+1)); echo "$n: $line"; done'
	rung run --detach --console-socket "$CONSOLE" --bundle "$BUNDLE" "$CT"
	echo before >&7
	poll grep -q "1: before" "$background_out"
	save
	# Whoever had the terminal has seen its end.
	finish "$background"
	STDIN=$WORK/newkeys console_socket
	shown=$background_out
	restore --console-socket "$CONSOLE"
	echo after >&8
	poll grep -q "2: after" "$shown"
	lacks "$(<"$shown")" "1: before"
	rung exec "$CT" /bin/sh -c 'test -t 0 </dev/console && echo to the terminal >/dev/console'
	poll grep -q "to the terminal" "$shown"
	equal "$(readlink "/proc/$(pid)/fd/0")" /dev/pts/0
	remove
	exec 7<&- 8<&-
	restore_without_socket_fails
}

restore_without_socket_fails() {
	rung_fails restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" "$CT"
	says "console socket"
}

@test "restore: in the foreground, with the caller's pipes and the program's exit status" {
	mkfifo "$WORK/in"
	shell 'n=0; while read -r line; do n=$((n+1)); echo "$n: $line"; done; exit 7'
	sleep 1000 >"$WORK/in" 3>&- 9>&- &
	HELPER_PIDS+=($!)
	"$RUNG" --root "$ROOT" run --detach --bundle "$BUNDLE" "$CT" < <(cat "$WORK/in") > >(cat >"$WORK/before") 2>&1 3>&- 9>&-
	wait_for_status running
	echo one >"$WORK/in"
	poll grep -qx "1: one" "$WORK/before"
	save
	status=0
	printf 'two\nthree\n' | "$RUNG" --root "$ROOT" restore --bundle "$BUNDLE" --image-path "$IMAGES" "$CT" 3>&- 9>&- |
		cat >"$WORK/after" || true
	equal "2: two 3: three" "$(paste -sd' ' "$WORK/after")"
	rung_fails state "$CT"
	status=0
	: | "$RUNG" --root "$ROOT" restore --bundle "$BUNDLE" --image-path "$IMAGES" "$CT" >"$WORK/out" 2>&1 3>&- 9>&- || status=$?
	equal 7 "$status"
}

@test "checkpoint: of a container in the foreground, which ends with it" {
	shell "$COUNT"
	rung_in_background run --bundle "$BUNDLE" "$CT"
	poll counted_to 3
	save
	finish "$background" || status=$?
	equal 137 "$status"
	restore
	goes_on
	remove
}

@test "checkpoint, restore: volumes, tmpfs, masked and read-only paths are as they were" {
	mkdir -p "$WORK/volume/sub" "$WORK/ro"
	echo here >"$WORK/volume/file"
	ln -s /mnt "$ROOTFS/link"
	config '.mounts += [{destination: "/link/volume", type: "bind", source: ($w + "/volume"), options: ["rbind"]},
		{destination: "/mnt/ro", type: "bind", source: ($w + "/ro"), options: ["bind", "ro", "nosuid"]},
		{destination: "/mnt/volume/sub", type: "tmpfs", source: "tmpfs"}]' --arg w "$WORK"
	shell 'exec 6</mnt/volume/file; echo kept >/mnt/volume/sub/kept; '"$COUNT"
	rung run --detach --bundle "$BUNDLE" "$CT"
	poll counted_to 1
	rung exec "$CT" sort /proc/self/mounts
	before=$out
	save
	rmdir "$ROOTFS/mnt/volume" "$ROOTFS/mnt/ro"
	restore
	goes_on
	rung exec "$CT" cat /mnt/volume/file /mnt/volume/sub/kept
	prints here kept
	try_rung exec "$CT" /bin/sh -c 'touch /mnt/ro/x 2>&1; cat /proc/keys; ls /proc/acpi /sys/firmware; echo 1 >/proc/sys/kernel/pid_max'
	contains "$out$err" "/mnt/ro/x: Read-only" "pid_max: Read-only"
	lacks "$out" keyring
	rung exec "$CT" sort /proc/self/mounts
	echo "$before" >"$WORK/mounts"
	diff "$WORK/mounts" <(echo "$out")
	equal "" "$(awk -v w="$WORK" 'index($5, w) == 1' /proc/self/mountinfo)"
	remove
}

@test "checkpoint, restore: user, capabilities, limits, environment and the seccomp filter are as they were" {
	# CRIU asks for the limits of a process of somebody else.
	[[ $(printf '%d' "$((0x$(awk '/^CapEff/ { print $2 }' /proc/self/status) >> 24 & 1))") == 1 ]] || skip "this machine has no CAP_SYS_RESOURCE"
	config '.process.user = {uid: 1000, gid: 1000, additionalGids: [5]} | .process.noNewPrivileges = true |
		.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 88}] | .process.env += ["A=b"] |
		.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 13}]}'
	program sleep 1000
	rung run --detach --bundle "$BUNDLE" "$CT"
	about "$(pid)" >"$WORK/before"
	save
	if criu_before 31900; then
		says process.noNewPrivileges CRIU
		sed -i 's/^NoNewPrivs:.*/NoNewPrivs:\t0/' "$WORK/before"
	fi
	restore
	diff "$WORK/before" <(about "$(pid)")
	try_rung exec "$CT" mkdir /tmp/x
	contains "$err" "Permission denied"
	remove
}

# criu_before VERSION: the CRIU here is older than this, as 31701 for 3.17.1.
criu_before() { (($(criu --version | awk '$1 == "Version:" { split($2, v, "."); print v[1] * 10000 + v[2] * 100 + v[3] }') < $1)); }

about() {
	grep -E '^(Uid|Gid|Groups|Cap.*|NoNewPrivs|Seccomp):' "/proc/$1/status"
	grep -E '^Max open files' "/proc/$1/limits"
	tr '\0' '\n' <"/proc/$1/environ"
}

@test "checkpoint, restore: processes of an exec, and cgroups below the container's" {
	local child
	counting
	rung exec "$CT" /bin/sh -c 'sleep 1000 </dev/null >/dev/null 2>&1 & echo $!'
	child=$out
	save
	restore
	rung exec "$CT" cat "/proc/$child/cmdline"
	contains "$(tr '\0' ' ' <"$out_file")" "sleep 1000"
	goes_on
	remove
}

@test "checkpoint: of a paused container" {
	counting
	rung pause "$CT"
	save
	restore
	equal running "$(state status)"
	goes_on
	remove
}

@test "checkpoint, restore: a network namespace of its own has its loopback, one that was joined is joined again" {
	needs_program ip nsenter
	new_namespace network
	counting
	save
	restore
	rung exec "$CT" ip link show lo
	contains "$out" "LOOPBACK,UP"
	remove
	rm "$ROOTFS/count"
	ip netns add "$CT"
	config '.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/" + $n else . end)' --arg n "$CT"
	counting
	save
	restore
	equal "$(stat -L -c %i "/run/netns/$CT")" "$(stat -L -c %i "/proc/$(pid)/ns/net")"
	goes_on
	works
	remove
	ip netns delete "$CT"
}

@test "checkpoint, restore --tcp-established: a connection goes on, which without the flag is not saved" {
	needs_program iptables-restore
	new_namespace network
	# What counts sends each number to an echo server, and what comes back is /count. 1267 is 4711, and 0A is TCP_LISTEN.
	shell 'nc -l -p 4711 -e cat &
		until grep -q ":1267 .* 0A " /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done
		n=0; while :; do n=$((n+1)); echo "$n"; sleep 0.1; done | nc 127.0.0.1 4711 >/count'
	rung run --detach --bundle "$BUNDLE" "$CT"
	poll counted_to 3
	rung_fails checkpoint --image-path "$IMAGES" "$CT"
	says "CRIU failed:" "--tcp-established"
	goes_on
	save --tcp-established
	restore --tcp-established
	goes_on
	works
	remove
}

@test "checkpoint, restore --file-locks: a lock is held again, which without the flag is not saved" {
	needs_program flock
	give_helper
	shell 'testhelper lock /lock >/locked & '"$COUNT"
	rung run --detach --bundle "$BUNDLE" "$CT"
	poll grep -qx locked "$ROOTFS/locked"
	poll counted_to 3
	is_locked
	rung_fails checkpoint --image-path "$IMAGES" "$CT"
	says "CRIU failed:" "--file-locks"
	goes_on
	is_locked
	save --file-locks
	flock --nonblock "$ROOTFS/lock" true || fail "the lock is held by nobody"
	restore --file-locks
	is_locked
	goes_on
	works
	remove
}

is_locked() { ! flock --nonblock "$ROOTFS/lock" true || fail "/lock is not locked"; }

@test "checkpoint: CRIU's own reason where it cannot, and the container goes on" {
	counting
	# What CRIU cannot save: message queues.
	rung exec "$CT" touch /dev/mqueue/x
	rung_fails checkpoint --image-path "$IMAGES" "$CT"
	says "CRIU failed:" "mqueue" "$IMAGES/dump.log"
	grep -q Error "$IMAGES/dump.log"
	goes_on
	works
	rung exec "$CT" rm /dev/mqueue/x
	save
	restore
	goes_on
	remove
}

@test "restore: CRIU's own reason where it cannot, and nothing is left" {
	counting
	save
	rm "$ROOTFS/count"
	rung_fails restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" "$CT"
	says "CRIU failed:" "count" "$IMAGES/restore.log"
	[[ ! -e $ROOT/$CT && ! -e $(cgroup_dir pids) ]] || fail "something is left"
	echo >"$ROOTFS/count"
}

@test "restore: killed at a random moment, delete --force clears up after it" {
	local round after size
	counting
	save
	size=$(stat -c %s "$ROOTFS/count")
	for ((round = 0; round < ${RUNG_CRASH_ROUNDS:-10} / 2; round++)); do
		after=$((RANDOM % 1500))
		timeout --foreground -s KILL "$((after / 1000)).$(printf %03d $((after % 1000)))" \
			"$RUNG" --root "$ROOT" restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" "$CT" </dev/null >"$WORK/out" 2>&1 3>&- 9>&- || true
		rung delete --force "$CT"
		poll test ! -e "$(cgroup_dir pids)"
		# CRIU wants the file as it was; some have been restored in time.
		truncate -s "$size" "$ROOTFS/count"
	done
	restore
	goes_on
	works
	remove
}

@test "checkpoint --lazy-pages: memory is fetched when it is used" {
	local port=$((20000 + RANDOM % 10000)) saving
	needs_feature uffd-noncoop
	counting
	mkfifo "$WORK/ready"
	exec 7<>"$WORK/ready"
	rung_in_background checkpoint --lazy-pages --page-server "127.0.0.1:$port" --status-fd 7 --image-path "$IMAGES" --work-path "$WORK" \
		--manage-cgroups-mode ignore "$CT"
	saving=$background
	equal " 00" "$(timeout "$PATIENCE" head -c 1 <&7 | od -An -tx1)"
	exec 7>&-
	in_background criu lazy-pages --page-server --address 127.0.0.1 --port "$port" -D "$IMAGES" -W "$WORK"
	poll test -S "$WORK/lazy-pages.socket"
	config '.linux.cgroupsPath += "-lazy"'
	rung restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" --work-path "$WORK" --lazy-pages --manage-cgroups-mode ignore "$CT-lazy"
	finish "$saving"
	goes_on
	remove "$CT-lazy"
}
