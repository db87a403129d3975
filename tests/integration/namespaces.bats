#!/usr/bin/env bats
# Namespaces: new, joined by path, shared with the host.

load helpers

# What a namespace type of config.json is called in /proc/PID/ns.
declare -gA FILE=([pid]=pid [network]=net [mount]=mnt [ipc]=ipc [uts]=uts [cgroup]=cgroup [time]=time)

# without TYPE...: removes namespaces from config.json, and what needs them.
without() {
	local type
	for type; do
		config '.linux.namespaces |= map(select(.type != $t))' --arg t "$type"
		[[ $type != uts ]] || config 'del(.hostname)'
		# sysfs belongs to a network namespace of one's own.
		[[ $type != network ]] || config '.mounts |= map(select(.type != "sysfs" and .type != "cgroup"))'
	done
}

# with TYPE [PATH]: sets a namespace in config.json.
with() {
	config '.linux.namespaces |= map(select(.type != $t)) + [{type: $t} + (if $p == "" then {} else {path: $p} end)]' \
		--arg t "$1" --arg p "${2-}"
}

# join_owner PID: has an ordinary user's container join the user namespace of
# this process: to enter namespaces takes privileges over their owner.
join_owner() {
	[[ $EUID != 0 ]] || return 0
	with user "/proc/$1/ns/user"
	config 'del(.linux.uidMappings, .linux.gidMappings)'
}

# holder TYPE: a process in a new namespace of this type, until the end of the
# test. Its namespace's path is in ns_path.
holder() {
	needs_root "it makes namespaces on the host"
	local flag=--${FILE[$1]}
	case $1 in
		mount) flag=--mount ;;
		pid) flag="--pid --fork --kill-child" ;;
		network) flag=--net ;;
	esac
	mkfifo "$WORK/holder.$1"
	# shellcheck disable=SC2086
	in_background unshare $flag sh -c 'echo ready >"$1"; exec sleep 1000' sh "$WORK/holder.$1"
	read -r -t "$PATIENCE" _ <>"$WORK/holder.$1"
	ns_path=/proc/$background/ns/${FILE[$1]}
	case $1 in
		pid) ns_path=/proc/$background/ns/pid_for_children ;;
		time) ns_path=/proc/$(pgrep -P "$background" || echo "$background")/ns/time_for_children ;;
	esac
}

@test "namespaces: the default bundle has its own pid, net, mnt, ipc and uts, and the host's rest" {
	needs_root "the bundle of others is that of spec --rootless"
	local init name
	running
	init=$(pid)
	for name in pid net mnt ipc uts; do other_ns $name "$init"; done
	for name in user time; do same_ns $name "$init"; done
	delete --force
}

@test "namespaces: each type can be new" {
	local type init
	for type in pid network mount ipc uts cgroup time; do
		[[ $type != time || $RUNG_PEER != runc ]] || continue
		with $type
		running
		init=$(pid)
		other_ns "${FILE[$type]}" "$init"
		delete --force
	done
}

@test "namespaces: each type that is not listed is the host's" {
	needs_root "the bundle of others is that of spec --rootless"
	local type init
	for type in pid network ipc uts cgroup time; do
		rm -rf "$BUNDLE"
		make_bundle "$CT"
		without $type
		running
		init=$(pid)
		same_ns "${FILE[$type]}" "$init"
		delete --force
	done
}

@test "namespaces: pid and user programs see only themselves in a new pid namespace" {
	shell 'echo $$ /proc/[0-9]*'
	run_ct
	equal "1 /proc/1" "$out"
}

@test "namespaces: without a pid namespace the program has a pid of the host" {
	host_pids
	shell 'echo $$; sleep 1000'
	run_ct --detach
	poll test -s "$out_file"
	equal "$(pid)" "$(<"$out_file")"
	delete --force
}

@test "namespaces: a namespace can be joined by its path" {
	local type init
	for type in network ipc uts cgroup; do
		rm -rf "$BUNDLE"
		make_bundle "$CT"
		holder $type
		config 'del(.hostname)'
		with $type "$ns_path"
		running
		init=$(pid)
		equal "$(readlink "$ns_path")" "$(readlink "/proc/$init/ns/${FILE[$type]}")"
		delete --force
	done
}

@test "namespaces: a bind-mounted namespace file can be joined" {
	local init
	holder network
	touch "$WORK/netns"
	mount --bind "$ns_path" "$WORK/netns"
	with network "$WORK/netns"
	running
	init=$(pid)
	equal "$(readlink "$ns_path")" "$(readlink "/proc/$init/ns/net")"
	delete --force
	umount "$WORK/netns"
}

@test "namespaces: a container can join all namespaces of another one, as in a pod" {
	local first second name
	with network
	running
	first=$(pid)
	make_bundle "$CT-2"
	config 'del(.hostname)'
	for name in pid network ipc uts; do with $name "/proc/$first/ns/${FILE[$name]}"; done
	join_owner "$first"
	program sleep 1000
	rung run -d --bundle "$BUNDLE" "$CT-2"
	second=$(pid "$CT-2")
	for name in pid net ipc uts; do
		equal "$(readlink "/proc/$first/ns/$name")" "$(readlink "/proc/$second/ns/$name")"
	done
	differ "$(readlink "/proc/$first/ns/mnt")" "$(readlink "/proc/$second/ns/mnt")"
	# The second is a process of the first's pid namespace, but not its init.
	matches "$(grep NSpid "/proc/$second/status")" "[[:space:]]${second}[[:space:]]+[0-9]+\$"
	rung delete --force "$CT-2"
	equal running "$(state status)"
	delete --force
}

@test "namespaces: killing a container that joined a pid namespace leaves the other one alone" {
	local first
	running
	first=$(pid)
	make_bundle "$CT-2"
	with pid "/proc/$first/ns/pid"
	join_owner "$first"
	make_fifo
	shell 'sleep 1000 & echo child >/fifo; wait'
	rung run -d --bundle "$BUNDLE" "$CT-2"
	equal child "$(heard)"
	rung kill "$CT-2" KILL
	wait_for_status stopped "$CT-2"
	rung delete "$CT-2"
	equal running "$(state status)"
	delete --force
}

@test "namespaces: a mount namespace can be joined, and its mounts are seen" {
	local init
	holder mount
	nsenter --mount="$ns_path" mount -t tmpfs tmpfs "$ROOTFS/mnt"
	nsenter --mount="$ns_path" touch "$ROOTFS/mnt/only-there"
	with mount "$ns_path"
	program ls /mnt
	# The root filesystem is a folder of that namespace, with what is mounted in it.
	config '.mounts |= map(select(.type == "proc")) | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	run_ct
	equal only-there "$out"
}

@test "namespaces: a mount namespace shared with the host gets no mounts of the container" {
	needs_root "without a mount namespace the root is a chroot"
	[[ $RUNG_PEER != runc ]] || skip "runc leaves the root filesystem mounted"
	local before
	without mount
	config 'del(.mounts) | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	before=$(grep -c "$WORK" /proc/self/mountinfo || true)
	program ls -d /bin/busybox
	try_rung run --bundle "$BUNDLE" "$CT"
	# Refusing it is sound, too, if the field is named.
	if ((status != 0)); then
		says linux.namespaces
		contains "$err" mount
	else
		equal /bin/busybox "$out"
	fi
	equal "$before" "$(grep -c "$WORK" /proc/self/mountinfo || true)"
}

@test "namespaces: lo is up in a new network namespace" {
	program cat /sys/class/net/lo/flags
	run_ct
	# IFF_UP is the lowest bit.
	((out & 1)) || fail "lo is down: flags $out"
}

@test "namespaces: lo answers in a new network namespace" {
	shell 'ip addr show lo'
	run_ct
	prints "127.0.0.1/8"
}

@test "namespaces: a joined network namespace is left as it is" {
	holder network
	with network "$ns_path"
	program cat /sys/class/net/lo/flags
	run_ct
	((!(out & 1))) || fail "lo was set up in a namespace of somebody else's"
}

@test "namespaces: a network namespace of its own has only lo" {
	with network
	program cat /proc/net/dev
	run_ct
	equal lo "$(awk -F: 'NR > 2 { print $1 }' <<<"$out" | xargs)"
}

@test "namespaces: hostname and domainname are set in a new uts namespace, the host's stay" {
	local host
	host=$(hostname)
	give_helper
	config '.hostname = "mrsdalloway"'
	[[ -n $RUNG_PEER ]] || config '.domainname = "example.test"'
	program testhelper uname
	run_ct
	prints nodename=mrsdalloway
	[[ -n $RUNG_PEER ]] || prints domainname=example.test
	equal "$host" "$(hostname)"
}

@test "namespaces: hostname and domainname without an uts namespace are refused" {
	local host field
	host=$(hostname)
	for field in hostname domainname; do
		[[ -z $RUNG_PEER || $field == hostname ]] || continue
		config 'del(.hostname, .domainname) | .[$f] = "mrsdalloway" | .linux.namespaces |= map(select(.type != "uts"))' --arg f $field
		create_fails
		says $field uts
	done
	equal "$host" "$(hostname)"
}

@test "namespaces: message queues and shared memory are apart in a new ipc namespace" {
	needs_program ipcmk ipcrm
	local id
	id=$(ipcmk -M 4096 | grep -o '[0-9]*$')
	program cat /proc/sysvipc/shm
	run_ct
	grep -qw "$id" /proc/sysvipc/shm
	ipcrm -m "$id"
	equal 1 "$(wc -l <<<"$out")"
}

@test "namespaces: in a cgroup namespace the container's cgroup is the root" {
	with cgroup
	program cat /proc/self/cgroup
	run_ct
	lacks "$out" "$TAG"
	matches "$out" '(^|:|\n)[^:]*:/'
	equal "" "$(cut -d: -f3 <<<"$out" | grep -vx /)"
}

@test "namespaces: without a cgroup namespace the path is the host's" {
	without cgroup
	program cat /proc/self/cgroup
	run_ct
	contains "$out" ":$(cgroup_path)"
}

@test "namespaces: time offsets apply to the monotonic and the boot clock" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 has no time namespaces"
	with time
	config '.linux.timeOffsets = {monotonic: {secs: 7881, nanosecs: 2718281}, boottime: {secs: 1000000, nanosecs: 3141519}}'
	shell 'cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime'
	run_ct
	matches "$out" 'monotonic +7881 +2718281'
	matches "$out" 'boottime +1000000 +3141519'
	(($(tail -n 1 <<<"$out") > 1000000)) || fail "uptime is not shifted: $out"
}

@test "namespaces: time offsets may be negative and may be left out" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 has no time namespaces"
	with time
	config '.linux.timeOffsets = {boottime: {secs: -10}}'
	program cat /proc/self/timens_offsets
	run_ct
	matches "$out" 'monotonic +0 +0'
	matches "$out" 'boottime +-10 +0'
	config 'del(.linux.timeOffsets)'
	run_ct
	matches "$out" 'boottime +0 +0'
}

@test "namespaces: a time namespace can be joined by its path" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 has no time namespaces"
	local first
	with time
	config '.linux.timeOffsets = {boottime: {secs: 5000}}'
	running
	first=$(pid)
	make_bundle "$CT-2"
	with time "/proc/$first/ns/time"
	join_owner "$first"
	program cat /proc/self/timens_offsets
	rung run --bundle "$BUNDLE" "$CT-2"
	matches "$out" 'boottime +5000 +0'
	delete --force
}

@test "namespaces: time offsets without a time namespace are refused" {
	peer_lacks "ignores them"
	config '.linux.timeOffsets = {boottime: {secs: 10}}'
	create_fails
	says linux.timeOffsets
}

@test "namespaces: an unknown clock is refused and named" {
	peer_lacks "ignores it"
	with time
	config '.linux.timeOffsets = {realtime: {secs: 10}}'
	create_fails
	says linux.timeOffsets realtime
}

@test "namespaces: a path to a namespace of another type is an error that names the field" {
	with network /proc/self/ns/uts
	create_fails
	says "linux.namespaces[" "].path" /proc/self/ns/uts
}

@test "namespaces: a path that does not exist, is no namespace or is relative is an error that names it" {
	local path
	for path in /no/such/ns /etc/hostname proc/self/ns/net; do
		with network $path
		create_fails
		says "linux.namespaces[" "].path" $path
	done
}

@test "namespaces: an unknown type is an error that names it" {
	config '.linux.namespaces += [{type: "galaxy"}]'
	create_fails
	says "linux.namespaces[" galaxy
}
