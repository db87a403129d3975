#!/usr/bin/env bats
# cgroup2: what only cgroup v2 has: a process that is born in its cgroup, thread
# mode, the rule of no internal processes, devices by eBPF, and what a cgroup
# namespace shows. What both versions have is in cgroups.bats.

load helpers

# at PATH: puts the container's cgroup below the test's.
at() {
	needs_cgroupfs_driver
	config '.linux.cgroupsPath = $p' --arg p "$PARENT/$1"
}

# cgroup_mount FILTER: changes the mount of /sys/fs/cgroup.
cgroup_mount() { config "(.mounts[] | select(.destination == \"/sys/fs/cgroup\")) |= ($1)"; }

# sleeper_in DIR: moves a new process there; its pid is in sleeper. end_sleeper
# ends it.
sleeper_in() {
	in_background sleep 1000
	sleeper=$background
	echo "$sleeper" >"$1/cgroup.procs"
}
end_sleeper() {
	kill -0 "$sleeper"
	kill -KILL "$sleeper"
	wait "$sleeper" || true
}

# --- the way in ---

@test "cgroup2: the init is born in its cgroup (CLONE_INTO_CGROUP)" {
	needs_v2
	needs_program strace
	peer_lacks "is another program"
	traceable
	traced -e trace=clone3,openat -- run --bundle "$BUNDLE" "$CT"
	equal 0 "$status"
	contains "$(grep clone3 "$TRACE")" CLONE_INTO_CGROUP
	lacks "$(grep -v SIGCHLD "$TRACE")" "cgroup.procs\", O_WRONLY"
}

@test "cgroup2: a clone that is refused is an error that says why" {
	needs_v2
	needs_cgroupfs_driver # whose first clone is the init
	needs_program strace
	peer_lacks "words it otherwise"
	traceable
	local errno words
	while read -r errno words; do
		traced -e trace=clone3 -e "inject=clone3:error=$errno" -- create --bundle "$BUNDLE" "$CT"
		equal 1 "$status"
		says "$words"
		[[ ! -e $ROOT/$CT ]]
		[[ ! -e $(cgroup_dir "") ]]
	done <<-'END'
		ENOSYS seccomp
		EBUSY cgroup.subtree_control
		EOPNOTSUPP cgroup.type
		ENODEV removed
		EACCES delegated
		EAGAIN pids.max
	END
}

@test "cgroup2: where only CLONE_INTO_CGROUP is refused, the processes enter their cgroup by themselves" {
	needs_v2
	needs_cgroupfs_driver # whose first clone is the init
	needs_program strace
	peer_lacks "is another program"
	traceable
	local errno kind want
	for kind in own host; do
		# The root of the cgroup namespace is where the process was when that was made.
		want=0::/
		[[ $kind == own ]] || {
			config '.linux.namespaces |= map(select(.type != "cgroup"))'
			want=0::$PARENT/$CT
		}
		for errno in EINVAL EOPNOTSUPP EACCES; do
			program cat /proc/self/cgroup
			traced -e trace=clone3 -e "inject=clone3:error=$errno:when=1" -- run --bundle "$BUNDLE" "$CT"
			equal 0 "$status"
			has_line "$out" "$want"
		done
		# To join a user namespace takes two clones of two processes, and each would be refused its first.
		[[ $EUID == 0 ]] || continue
		running
		traced -e trace=clone3 -e "inject=clone3:error=EINVAL:when=1" -- exec "$CT" cat /proc/self/cgroup
		equal 0 "$status"
		has_line "$out" "$want"
		delete --force
	done
}

@test "cgroup2: exec into a container whose init has left its cgroup, which was removed then" {
	needs_v2
	needs_cgroupfs_driver
	peer_lacks "runc 1.1 fails"
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	cgroup_mount '.options |= map(select(. != "ro"))'
	mkdir "$TRACK/elsewhere"
	make_fifo
	shell "echo 0 >/sys/fs/cgroup$PARENT/elsewhere/cgroup.procs && echo moved >/fifo; exec sleep 1000"
	run_ct --detach
	equal moved "$(heard)"
	rmdir "$TRACK/$CT"
	rung exec "$CT" cat /proc/self/cgroup
	has_line "$out" "0::$PARENT/elsewhere"
	delete --force
	rmdir "$TRACK/elsewhere"
}

# --- where ---

@test "cgroup2: every controller of the host reaches a cgroup that is deep down" {
	needs_v2
	at "a/b/c/$CT"
	running
	equal "$(<"/sys/fs/cgroup$CGROUP_BASE/cgroup.controllers")" "$(<"$TRACK/a/b/c/$CT/cgroup.controllers")"
	delete --force
	rmdir -p "$TRACK/a/b/c" 2>/dev/null || true
}

@test "cgroup2: without a path it stands beside the caller's own" {
	needs_v2
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER places it elsewhere"
	needs_cgroupfs_driver
	config 'del(.linux.cgroupsPath)'
	running
	has_line "$(<"/proc/$(pid)/cgroup")" "0::$PARENT/$CT"
	delete --force
}

@test "cgroup2: a cgroup with processes below it is refused, and they are left alone" {
	needs_v2
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 warns only"
	needs_cgroupfs_driver
	mkdir -p "$TRACK/$CT/deep/er"
	sleeper_in "$TRACK/$CT/deep/er"
	create_fails
	says linux.cgroupsPath "$sleeper"
	end_sleeper
	rmdir "$TRACK/$CT/deep/er" "$TRACK/$CT/deep" "$TRACK/$CT"
}

@test "cgroup2: a cgroup that passes controllers on can hold no container" {
	needs_v2
	needs_cgroupfs_driver
	mkdir "$TRACK/$CT"
	echo +pids >"/sys/fs/cgroup$CGROUP_BASE/cgroup.subtree_control"
	echo +pids >"$TRACK/cgroup.subtree_control"
	echo +pids >"$TRACK/$CT/cgroup.subtree_control"
	create_fails
	says linux.cgroupsPath "no internal processes"
	rmdir "$TRACK/$CT"
}

@test "cgroup2: below a frozen cgroup it is refused" {
	needs_v2
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER hangs"
	needs_cgroupfs_driver
	mkdir "$TRACK/ice"
	echo 1 >"$TRACK/ice/cgroup.freeze"
	at "ice/$CT"
	create_fails
	says linux.cgroupsPath frozen "$TRACK/ice"
	echo 0 >"$TRACK/ice/cgroup.freeze"
	rmdir "$TRACK/ice"
}

@test "cgroup2: a limit that processes above forbid is refused, and the error names them" {
	needs_v2
	peer_lacks "words it otherwise"
	needs_cgroupfs_driver
	needs_root "a user's cgroup may have no controllers to pass on"
	mkdir "$TRACK/busy"
	sleeper_in "$TRACK/busy"
	at "busy/$CT"
	# Without a limit there is nothing that the controllers are needed for.
	run_ct
	config '.linux.resources.memory.limit = 67108864'
	create_fails
	says linux.resources.memory.limit "$TRACK/busy" "no internal processes"
	end_sleeper
	rmdir "$TRACK/busy"
}

@test "cgroup2: below a threaded cgroup the container runs, and only threads' limits can be set" {
	needs_v2
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER refuses it"
	needs_cgroupfs_driver
	needs_root "a user's cgroup may have no controllers to pass on"
	mkdir -p "$TRACK/domain/threads"
	echo threaded >"$TRACK/domain/threads/cgroup.type"
	at "domain/threads/$CT"
	running
	equal threaded "$(<"$TRACK/domain/threads/$CT/cgroup.type")"
	delete --force
	config '.linux.resources.pids.limit = 40'
	running
	equal 40 "$(<"$TRACK/domain/threads/$CT/pids.max")"
	delete --force
	config '.linux.resources.memory.limit = 67108864'
	create_fails
	says linux.resources.memory.limit threaded
	rmdir "$TRACK/domain/threads" "$TRACK/domain"
}

@test "cgroup2: beside a threaded cgroup there is no valid place" {
	needs_v2
	needs_cgroupfs_driver
	mkdir -p "$TRACK/domain/threads" "$TRACK/domain/invalid"
	echo threaded >"$TRACK/domain/threads/cgroup.type"
	equal "domain invalid" "$(<"$TRACK/domain/invalid/cgroup.type")"
	at "domain/invalid/$CT"
	create_fails
	says linux.cgroupsPath threaded
	rmdir "$TRACK/domain/threads" "$TRACK/domain/invalid" "$TRACK/domain"
}

# --- limits that only some machines can have ---

@test "cgroup2: rdma, of a device" {
	needs_v2
	needs_controller rdma
	needs_own_machine
	needs_program rdma
	modprobe rdma_rxe || skip "this kernel has no RDMA device of software"
	ip link add "rt$$" type dummy
	ip link set "rt$$" up
	rdma link add "rxe$$" type rxe netdev "rt$$" || { ip link del "rt$$"; skip "no RDMA device can be made"; }
	config '.linux.resources.rdma[$d] = {hcaHandles: 3, hcaObjects: 10000}' --arg d "rxe$$"
	running
	contains "$(cgroup_value rdma rdma.max)" "rxe$$ hca_handle=3 hca_object=10000"
	# The device before the cgroup: one with a limit is not taken from the device's list when it is removed (Linux 6.1,
	# kernel/cgroup/rdma.c), and the end of the device is then a BUG in __list_del_entry_valid, after which everything hangs.
	rdma link del "rxe$$"
	delete --force
	ip link del "rt$$"
}

@test "cgroup2: rdma, of a device that does not exist, is refused and named" {
	needs_v2
	needs_controller rdma
	config '.linux.resources.rdma = {nosuch0: {hcaHandles: 3}}'
	create_fails
	says linux.resources.rdma nosuch0
}

@test "cgroup2: the blockIO weight of a device is in force, or refused and named" {
	needs_v2
	needs_controller io
	local device
	device=$(lsblk -dno MAJ:MIN,TYPE | awk '$2 == "disk" { print $1; exit }')
	[[ -n $device ]] || skip "this host has no disk"
	config '.linux.resources.blockIO.weightDevice = [{major: $a, minor: $b, weight: 300}]' \
		--argjson a "${device%:*}" --argjson b "${device#*:}"
	program sleep 1000
	try_rung run --bundle "$BUNDLE" --detach "$CT"
	if ((status == 0)); then
		contains "$(cat "$(cgroup_dir io)"/io*.weight)" "$device"
		delete --force
	else
		says "linux.resources.blockIO.weightDevice[0]"
	fi
}

# disk: sets DISK to the name of a whole disk of the host, DEVICE to its
# MAJOR:MINOR.
disk() {
	DISK=$(lsblk -dno NAME,TYPE | awk '$2 == "disk" { print $1; exit }')
	[[ -n $DISK ]] || skip "this host has no disk"
	DEVICE=$(<"/sys/block/$DISK/dev")
}

@test "cgroup2: the blockIO weight under the BFQ scheduler, for all devices and for one" {
	needs_v2
	needs_own_machine
	needs_root "it changes the scheduler of a disk"
	disk
	modprobe bfq || skip "this kernel has no BFQ"
	local scheduler=/sys/block/$DISK/queue/scheduler before
	before=$(sed 's/.*\[\(.*\)\].*/\1/' "$scheduler")
	echo bfq >"$scheduler"
	config '.linux.resources.blockIO = {weight: 333, weightDevice: [{major: $a, minor: $b, weight: 700}]}' \
		--argjson a "${DEVICE%:*}" --argjson b "${DEVICE#*:}"
	running
	equal "default 333
$DEVICE 700" "$(cgroup_value io io.bfq.weight)"
	# The kernel takes a new default for all devices.
	rung update --blkio-weight 500 "$CT"
	equal "default 500" "$(cgroup_value io io.bfq.weight)"
	delete --force
	echo "$before" >"$scheduler"
}

@test "cgroup2: io.max by linux.resources.unified" {
	needs_v2
	needs_controller io
	disk
	config '.linux.resources.unified = {"io.max": ($d + " wiops=120")}' --arg d "$DEVICE"
	running
	equal "$DEVICE rbps=max wbps=max riops=max wiops=120" "$(cgroup_value io io.max)"
	delete --force
}

@test "cgroup2: io.latency by linux.resources.unified" {
	needs_v2
	needs_controller io
	disk
	local there=
	running
	[[ ! -e $(cgroup_dir io)/io.latency ]] || there=yes
	delete --force
	[[ -n $there ]] || skip "this kernel has no io.latency (CONFIG_BLK_CGROUP_IOLATENCY)"
	config '.linux.resources.unified = {"io.latency": ($d + " target=20000")}' --arg d "$DEVICE"
	running
	equal "$DEVICE target=20000" "$(cgroup_value io io.latency)"
	delete --force
}

@test "cgroup2: the limit of huge pages has its effect" {
	needs_v2
	needs_own_machine
	needs_root "it reserves huge pages on the host"
	needs_controller hugetlb
	local pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
	[[ -e $pool ]] || skip "this host has no huge pages of 2 MB"
	echo 4 >"$pool"
	ln -s busybox "$ROOTFS/bin/fallocate"
	config '.mounts += [{destination: "/mnt", type: "hugetlbfs", source: "hugetlbfs", options: ["pagesize=2M"]}] |
		.linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 4194304}]'
	shell 'fallocate -l 4M /mnt/two && echo two; fallocate -l 6M /mnt/two || echo "not three"'
	run_ct
	equal "two
not three" "$out"
	echo 0 >"$pool"
}

@test "cgroup2: with memory.oom.group all processes end when one takes too much, else that one" {
	needs_v2
	needs_controller memory
	local group
	give_helper
	for group in 0 1; do
		config '.linux.resources.memory = {limit: 33554432, swap: 33554432} | .linux.resources.unified = {"memory.oom.group": $g}' --arg g "$group"
		shell 'testhelper eat 64; echo "status $?"'
		try_rung run --bundle "$BUNDLE" "$CT"
		if ((group)); then
			equal "137 " "$status $out"
		else
			equal "0 status 137" "$status $out"
		fi
	done
}

# --- devices ---

# nodes: four loop devices of the container's own. Whether the host has them
# does not matter: what is denied is denied before they are looked for.
nodes() {
	config '.linux.devices = [range(4) | {path: "/dev/node\(.)", type: "b", major: 7, minor: (200 + .), fileMode: 438}] |
		.linux.resources.devices = $r' --argjson r "$1"
	shell 'for n in 0 1 2 3; do
		for way in "<" ">"; do
			case $(eval "exec 3$way/dev/node$n" 2>&1) in
				*"not permitted"*) echo -n "$n$way " ;;
			esac
		done
	done'
}

# denied RULES WANT: these rules deny what WANT lists.
denied() {
	nodes "$1"
	run_ct
	equal "$2" "$out"
}

@test "cgroup2: a device rule may take from an earlier one, and a later one give back" {
	needs_root "without privileges device nodes are bound from the host, and none is filtered"
	needs_v2
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER refuses it"
	local none='{allow: false, access: "rwm"}'
	rules() { jq -n "[$(printf '%s,' "$@" | sed 's/,$//')]"; }
	block() { echo "{allow: $1, type: \"b\", major: 7, access: \"$3\"$2}"; }
	denied "$(rules "$none")" "0< 0> 1< 1> 2< 2> 3< 3> "
	denied "$(rules "$none" "$(block true '' rwm)")" ""
	denied "$(rules "$none" "$(block true '' rwm)" "$(block false ', minor: 200' rwm)")" "0< 0> "
	denied "$(rules "$none" "$(block true '' rwm)" "$(block false ', minor: 201' w)")" "1> "
	denied "$(rules "$none" "$(block true '' rwm)" "$(block false '' w)" "$(block true ', minor: 202' w)")" "0> 1> 3> "
	denied "$(rules '{allow: true, access: "rwm"}' "$(block false '' r)")" "0< 1< 2< 3< "
	denied "$(rules '{allow: true, access: "rwm"}' "$(block false '' rw)" "$(block true ', minor: 203' rw)")" "0< 0> 1< 1> 2< 2> "
}

@test "cgroup2: a device rule that v1 cannot express is refused there, and named" {
	[[ $CGROUP_MODE != v2 ]] || skip "this host has cgroup v2 only"
	peer_lacks "words it otherwise"
	nodes '[{"allow": true, "type": "b", "major": 7, "access": "rwm"}, {"allow": false, "type": "b", "major": 7, "minor": 200, "access": "rwm"}]'
	create_fails
	says "linux.resources.devices[1]" v1
}

# --- what the container sees ---

@test "cgroup2: in a cgroup namespace it sees its own cgroup alone, to read" {
	needs_v2
	new_namespace cgroup
	config '.linux.resources.pids.limit = 43'
	shell 'cat /proc/self/cgroup; cat /sys/fs/cgroup/pids.max; grep -c . /sys/fs/cgroup/cgroup.procs
		mkdir /sys/fs/cgroup/mine; echo 44 >/sys/fs/cgroup/pids.max'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	prints "0::/" 43
	equal 2 "$(grep -c "Read-only file system" "$err_file")"
}

@test "cgroup2: mounted rw, it may divide its cgroup, not leave it" {
	needs_v2
	new_namespace cgroup
	cgroup_mount '.options |= map(select(. != "ro"))'
	config '.linux.resources.pids.limit = 43'
	shell 'cd /sys/fs/cgroup && mkdir inner && echo 0 >inner/cgroup.procs && echo +pids >cgroup.subtree_control &&
		echo 7 >inner/pids.max && cat /proc/self/cgroup inner/pids.max; ls -d ../cgroup/runner 2>/dev/null
		echo 44 >pids.max'
	try_rung run --bundle "$BUNDLE" "$CT"
	equal "0::/inner
7" "$out"
	# nsdelegate: the limits of the namespace's root are its parent's.
	[[ ! $(findmnt -n -o OPTIONS /sys/fs/cgroup) == *nsdelegate* ]] || contains "$err" "not permitted"
}

@test "cgroup2: without a cgroup namespace it sees the host's hierarchy" {
	needs_v2
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	shell "cat /proc/self/cgroup; cat /sys/fs/cgroup$(cgroup_path)/cgroup.procs; mkdir /sys/fs/cgroup$(cgroup_path)/mine"
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	prints "0::$(cgroup_path)"
	contains "$err" "Read-only file system"
}

@test "cgroup2: the host's mount keeps its options" {
	needs_v2
	local before
	before=$(findmnt -n -o OPTIONS /sys/fs/cgroup)
	run_ct
	new_namespace cgroup
	run_ct
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	cgroup_mount '.options |= map(select(. != "ro"))'
	run_ct
	equal "$before" "$(findmnt -n -o OPTIONS /sys/fs/cgroup)"
}
