#!/usr/bin/env bats
# cgroups: where the container is put, what linux.resources sets, and that a
# limit which cannot be applied is an error that names it.

load helpers

# resources JSON: merges into linux.resources.
resources() { config ".linux.resources *= ($1)"; }

# limited CONTROLLER V1-FILE V2-FILE V1-VALUE [V2-VALUE]: the running
# container's cgroup has this value. An empty file name passes over that host.
limited() {
	local file
	file=$(v1_or_v2 "$2" "$3")
	[[ -n $file ]] || return 0
	equal "$(v1_or_v2 "$4" "${5-$4}")" "$(cgroup_value "$1" "$file" | tr '\t' ' ')"
}

# refused FIELD JSON [TEXT...]: create with these resources fails and names
# the field.
refused() {
	local field=$1
	resources "$2"
	shift 2
	create_fails
	says "linux.resources.$field" "$@"
}

# --- where ---

@test "cgroups: an absolute path is taken from the mount point, in every hierarchy" {
	local mount
	running
	if [[ $CGROUP_MODE == v2 ]]; then
		has_line "$(<"/proc/$(pid)/cgroup")" "0::$(cgroup_path)"
	else
		while read -r mount; do
			equal "$(pid)" "$(<"$mount$(cgroup_path)/cgroup.procs")"
		done < <(findmnt -n -l -o TARGET -t cgroup)
	fi
	delete --force
	equal "" "$(find /sys/fs/cgroup -path "*$(cgroup_path)*" 2>/dev/null)"
}

@test "cgroups: the parents of an absolute path are made" {
	needs_cgroupfs_driver
	config '.linux.cgroupsPath = $p' --arg p "$PARENT/a/b/$CT"
	running
	contains "$(<"/proc/$(pid)/cgroup")" "$PARENT/a/b/$CT"
	delete --force
	# They are the caller's from then on.
	find /sys/fs/cgroup -depth -path "*$PARENT/a*" -type d -delete 2>/dev/null || true
}

@test "cgroups: without a path the container has one that carries its id" {
	needs_cgroupfs_driver
	config 'del(.linux.cgroupsPath)'
	running
	if [[ $CGROUP_MODE == v2 ]]; then
		matches "$(<"/proc/$(pid)/cgroup")" "/$CT\$"
	else
		contains "$(<"/proc/$(pid)/cgroup")" ":pids:" "/$CT"
		equal 1 "$(find "$(controller_mount pids)" -name "$CT" | wc -l)"
	fi
	delete --force
}

@test "cgroups: a relative path has the same place each time" {
	needs_cgroupfs_driver
	local first
	config '.linux.cgroupsPath = $p' --arg p "$TAG-rel/inner"
	running
	first=$(</proc/"$(pid)"/cgroup)
	contains "$first" "/$TAG-rel/inner"
	delete --force
	running
	equal "$first" "$(</proc/"$(pid)"/cgroup)"
	delete --force
	find /sys/fs/cgroup -depth -path "*/$TAG-rel*" -type d -delete 2>/dev/null || true
}

@test "cgroups: a path with dots stays below the mount point" {
	needs_cgroupfs_driver
	config '.linux.cgroupsPath = $p' --arg p "/../..$PARENT/x/../../../$TAG/$CT"
	program sleep 1000
	try_rung run --bundle "$BUNDLE" --detach "$CT"
	if ((status == 0)); then
		contains "$(<"/proc/$(pid)/cgroup")" "/$CT"
		lacks "$(<"/proc/$(pid)/cgroup")" ..
		delete --force
	else
		says linux.cgroupsPath
	fi
}

@test "cgroups: an empty cgroup that is there already is used, and removed in the end" {
	needs_cgroupfs_driver
	[[ -d $(cgroup_dir pids) ]] || mkdir -p "$(cgroup_dir pids)"
	running
	contains "$(<"$(cgroup_dir pids)/cgroup.procs")" "$(pid)"
	delete --force
}

@test "cgroups: a cgroup with processes in it is refused, and they are left alone" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 warns only"
	local other
	mkdir -p "$(cgroup_dir devices)"
	sleep 1000 3>&- &
	other=$!
	HELPER_PIDS+=("$other")
	echo "$other" >"$(cgroup_dir devices)/cgroup.procs"
	rung_fails create --bundle "$BUNDLE" "$CT"
	says linux.cgroupsPath "$(cgroup_path)"
	kill -0 "$other"
	kill -KILL "$other"
	wait "$other" || true
	find /sys/fs/cgroup -depth -path "*$(cgroup_path)*" -type d -delete 2>/dev/null || true
}

@test "cgroups: a frozen cgroup is refused" {
	local dir
	dir=$(cgroup_dir freezer)
	mkdir -p "$dir"
	v1_or_v2 FROZEN 1 >"$dir/$(v1_or_v2 freezer.state cgroup.freeze)"
	rung_fails create --bundle "$BUNDLE" "$CT"
	says linux.cgroupsPath frozen
	v1_or_v2 THAWED 0 >"$dir/$(v1_or_v2 freezer.state cgroup.freeze)"
	find /sys/fs/cgroup -depth -path "*$(cgroup_path)*" -type d -delete 2>/dev/null || true
}

@test "cgroups: two containers cannot share one" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 warns only"
	running
	rung_fails create --bundle "$BUNDLE" "$CT-2"
	says linux.cgroupsPath
	equal running "$(state status)"
	delete --force
}

@test "cgroups: of two containers that are created at once one gets it" {
	needs_cgroupfs_driver
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER: it may be both"
	local n won lost first
	program sleep 1000
	for n in {1..10}; do
		"$RUNG" --root "$WORK/a" create --bundle "$BUNDLE" "$CT" </dev/null >"$WORK/a.log" 2>&1 3>&- 9>&- &
		first=$!
		won=b lost=a
		ROOT=$WORK/b try_rung create --bundle "$BUNDLE" "$CT"
		if wait "$first"; then
			((status != 0)) || fail "round $n: both have it"
			won=a lost=b
			cp "$err_file" "$WORK/b.log"
		else
			((status == 0)) || fail "round $n: none has it: $(<"$WORK/a.log")"
		fi
		contains "$(<"$WORK/$lost.log")" linux.cgroupsPath
		[[ ! -e $WORK/$lost/$CT ]] || fail "round $n: the one that failed has left something"
		equal created "$(ROOT=$WORK/$won state status)"
		ROOT=$WORK/$won start
		ROOT=$WORK/$won delete --force
	done
}

@test "cgroups: delete of a stopped container does not kill who was moved into its cgroup since" {
	needs_cgroupfs_driver
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER: see docs/compatibility.md"
	run_ct --detach
	wait_for_status stopped
	in_background sleep 1000
	echo "$background" >"$(cgroup_dir pids)/cgroup.procs"
	rung_fails delete "$CT"
	says "$(cgroup_path)" "$background"
	! is_gone "$background" || fail "delete has killed it"
	kill -KILL "$background"
	wait "$background" || true
	delete
}

@test "cgroups: those that the container made below its own are removed with it" {
	config '(.mounts[] | select(.destination == "/sys/fs/cgroup")).options |= map(select(. != "ro"))'
	new_namespace cgroup
	make_fifo
	if [[ $CGROUP_MODE == v2 ]]; then
		shell 'mkdir -p /sys/fs/cgroup/a/b && echo made >/fifo; sleep 1000'
	else
		shell 'mkdir -p /sys/fs/cgroup/pids/a/b /sys/fs/cgroup/memory/a && echo made >/fifo; sleep 1000'
	fi
	run_ct --detach
	equal made "$(heard)"
	delete --force
}

@test "cgroups: processes in them are killed with the container" {
	local child
	host_pids
	config '(.mounts[] | select(.destination == "/sys/fs/cgroup")).options |= map(select(. != "ro"))'
	make_fifo
	shell 'd=/sys/fs/cgroup; test -d $d/pids && d=$d/pids; mkdir $d/sub; sleep 1000 & echo $! >$d/sub/cgroup.procs; echo $! >/fifo; wait'
	run_ct --detach
	child=$(heard)
	delete --force
	is_gone "$child"
}

@test "cgroups: a paused container can be deleted by force" {
	local dir init
	running
	init=$(pid)
	dir=$(cgroup_dir freezer)
	v1_or_v2 FROZEN 1 >"$dir/$(v1_or_v2 freezer.state cgroup.freeze)"
	delete --force
	is_gone "$init"
}

@test "cgroups: removed by somebody else they do not hinder delete" {
	running
	rung kill "$CT" KILL
	wait_for_status stopped
	find /sys/fs/cgroup -depth -path "*$(cgroup_path)*" -type d -delete 2>/dev/null || true
	delete
}

@test "cgroups: those that are another container's by now are left alone" {
	peer_lacks "knows them by their paths alone"
	local other
	host_pids # of such a container processes may be left, which delete ends
	running
	rung kill "$CT" KILL
	wait_for_status stopped
	gone_or_removed
	# Elsewhere, a container of the same name.
	ROOT=$WORK/other running
	other=$(ROOT=$WORK/other pid)
	rung kill --all "$CT" KILL
	delete
	! is_gone "$other" || fail "delete has killed what is another container's"
	ROOT=$WORK/other rung exec "$CT" true
	ROOT=$WORK/other delete --force
}

@test "cgroups: those that were left, and given to another container, are left to that" {
	needs_cgroupfs_driver
	needs_root "the mark that tells them apart takes CAP_SYS_ADMIN"
	peer_lacks "knows them by their paths alone"
	local other flag namespaces
	for namespaces in new_namespace\ pid host_pids; do
		$namespaces
		for flag in "" --force; do
			rm -rf "$WORK/other"
			program true
			run_ct --detach
			wait_for_status stopped
			[[ -e $(cgroup_dir pids) ]]
			ROOT=$WORK/other running
			other=$(ROOT=$WORK/other pid)
			rung kill --all "$CT" KILL
			delete $flag
			! is_gone "$other" || fail "delete $flag has killed what is another container's ($namespaces)"
			ROOT=$WORK/other rung exec "$CT" true
			ROOT=$WORK/other delete --force
			[[ ! -e $(cgroup_dir pids) ]] || fail "the cgroup is left"
		done
	done
}

# gone_or_removed: the container's cgroups are not there, as a scope is gone by itself.
gone_or_removed() {
	if systemd_driver; then
		poll scope_is_gone
	else
		find /sys/fs/cgroup -depth -path "*$(cgroup_path)*" -type d -delete 2>/dev/null || true
	fi
}
scope_is_gone() { [[ -z $(find /sys/fs/cgroup -path "*$CT*" -print -quit 2>/dev/null) ]]; }

# --- memory ---

@test "memory: limit" {
	needs_controller memory
	resources '{memory: {limit: 33554432}}'
	running
	limited memory memory.limit_in_bytes memory.max 33554432
	delete --force
}

@test "memory: reservation" {
	needs_controller memory
	resources '{memory: {limit: 33554432, reservation: 16777216}}'
	running
	limited memory memory.soft_limit_in_bytes memory.low 16777216
	delete --force
}

@test "memory: swap is the limit of memory and swap" {
	needs_cgroup_file memory memory.memsw.limit_in_bytes memory.swap.max
	resources '{memory: {limit: 33554432, swap: 50331648}}'
	running
	limited memory memory.memsw.limit_in_bytes memory.swap.max 50331648 16777216
	delete --force
}

@test "memory: swap as much as memory means none, and -1 unlimited" {
	needs_cgroup_file memory memory.memsw.limit_in_bytes memory.swap.max
	resources '{memory: {limit: 33554432, swap: 33554432}}'
	running
	limited memory memory.memsw.limit_in_bytes memory.swap.max 33554432 0
	delete --force
	resources '{memory: {limit: 33554432, swap: -1}}'
	running
	limited memory memory.memsw.limit_in_bytes memory.swap.max 9223372036854771712 max
	limited memory memory.limit_in_bytes memory.max 33554432
	delete --force
}

@test "memory: -1 is unlimited" {
	needs_controller memory
	resources '{memory: {limit: -1}}'
	running
	limited memory memory.limit_in_bytes memory.max 9223372036854771712 max
	delete --force
}

@test "memory: kernel and kernelTCP, which Linux gave up, are a warning" {
	needs_controller memory
	local field
	for field in kernel kernelTCP; do
		config 'del(.linux.resources.memory)'
		resources "{memory: {limit: 33554432, $field: 16777216}}"
		run_ct
		warns "linux.resources.memory.$field"
		equal 1 "$(wc -l <"$err_file")"
	done
}

@test "memory: swappiness and disableOOMKiller of v1" {
	needs_v1
	needs_controller memory
	resources '{memory: {limit: 33554432, swappiness: 17, disableOOMKiller: true}}'
	running
	limited memory memory.swappiness "" 17
	contains "$(cgroup_value memory memory.oom_control)" "oom_kill_disable 1"
	delete --force
}

@test "memory: what v2 does not have is refused or has no effect, never half applied" {
	needs_v2
	local filter
	for filter in 'swappiness: 17' 'kernelTCP: 16777216'; do
		resources "{memory: {$filter}}"
		try_rung create --bundle "$BUNDLE" "$CT"
		((status == 0)) || says linux.resources.memory
		((status != 0)) || delete --force
		config 'del(.linux.resources.memory)'
	done
}

@test "memory: the limit has its effect: status 137" {
	needs_controller memory
	give_helper
	resources '{memory: {limit: 16777216, swap: 16777216}}'
	program testhelper eat 64
	rung_exits 137 run --bundle "$BUNDLE" "$CT"
	lacks "$out" ate
}

@test "memory: a container starts below a limit of 2 MiB" {
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER needs more"
	needs_controller memory
	resources '{memory: {limit: 2097152}}'
	# Not by luck.
	for _ in 1 2 3 4 5; do run_ct; done
}

@test "memory: a limit that is too small to start is an error that says so" {
	needs_controller memory
	resources '{memory: {limit: 4096}}'
	rung_fails run --bundle "$BUNDLE" "$CT"
	says memory
}

@test "memory: values that the kernel or the spec does not take are refused" {
	needs_controller memory
	refused memory '{memory: {limit: 33554432, swap: 16777216}}'
	config 'del(.linux.resources.memory)'
	needs_v1
	refused memory.swappiness '{memory: {swappiness: 1000}}'
}

@test "memory: checkBeforeUpdate and useHierarchy are taken" {
	needs_controller memory
	resources '{memory: {limit: 33554432, checkBeforeUpdate: true, useHierarchy: true}}'
	run_ct
}

# --- cpu ---

@test "cpu: shares" {
	needs_controller cpu
	resources '{cpu: {shares: 512}}'
	running
	limited cpu cpu.shares "" 512
	# How shares become a weight has changed; less than the default they must be.
	[[ $CGROUP_MODE != v2 ]] || (($(cgroup_value cpu cpu.weight) < 100))
	delete --force
}

@test "cpu: quota and period" {
	needs_controller cpu
	resources '{cpu: {quota: 20000, period: 50000}}'
	running
	limited cpu cpu.cfs_quota_us cpu.max 20000 "20000 50000"
	limited cpu cpu.cfs_period_us "" 50000
	delete --force
}

@test "cpu: quota or period alone" {
	needs_controller cpu
	resources '{cpu: {quota: 20000}}'
	running
	limited cpu cpu.cfs_quota_us cpu.max 20000 "20000 100000"
	delete --force
	config 'del(.linux.resources.cpu)'
	resources '{cpu: {period: 50000}}'
	running
	limited cpu cpu.cfs_period_us cpu.max 50000 "max 50000"
	delete --force
	config 'del(.linux.resources.cpu)'
	resources '{cpu: {quota: -1}}'
	running
	limited cpu cpu.cfs_quota_us cpu.max -1 "max 100000"
	delete --force
}

@test "cpu: burst" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not know it"
	needs_cgroup_file cpu cpu.cfs_burst_us cpu.max.burst
	resources '{cpu: {quota: 20000, period: 50000, burst: 10000}}'
	running
	limited cpu cpu.cfs_burst_us cpu.max.burst 10000
	delete --force
}

@test "cpu: idle" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1.5 does not know it"
	needs_cgroup_file cpu cpu.idle cpu.idle
	resources '{cpu: {idle: 1}}'
	running
	limited cpu cpu.idle cpu.idle 1
	delete --force
}

@test "cpu: real-time runtime and period" {
	needs_v1
	needs_cgroup_file cpu cpu.rt_runtime_us ""
	# The parent has to have some to give.
	mkdir -p "$(controller_mount cpu)$PARENT"
	echo 200000 >"$(controller_mount cpu)$PARENT/cpu.rt_runtime_us" || skip "no real time is free"
	resources '{cpu: {realtimeRuntime: 10000, realtimePeriod: 500000}}'
	running
	limited cpu cpu.rt_runtime_us "" 10000
	limited cpu cpu.rt_period_us "" 500000
	delete --force
}

@test "cpu: cpus and mems" {
	needs_controller cpuset
	resources '{cpu: {cpus: "0", mems: "0"}}'
	program grep Cpus_allowed_list /proc/self/status
	run_ct
	equal "0" "$(cut -f2 <<<"$out")"
	running
	limited cpuset cpuset.cpus cpuset.cpus 0
	limited cpuset cpuset.mems cpuset.mems 0
	delete --force
}

@test "cpu: values that the kernel does not take are refused and named" {
	needs_controller cpu
	refused cpu.quota '{cpu: {quota: 1, period: 50000}}'
	config 'del(.linux.resources.cpu)'
	refused cpu.period '{cpu: {period: 5}}'
	config 'del(.linux.resources.cpu)'
	# On v2 they become a weight, and the greatest is as many as there can be.
	[[ $CGROUP_MODE == v2 ]] || refused cpu.shares '{cpu: {shares: 1000000000}}'
	config 'del(.linux.resources.cpu)'
	needs_controller cpuset
	refused cpu.cpus '{cpu: {cpus: "99999"}}' 99999
	config 'del(.linux.resources.cpu)'
	refused cpu.cpus '{cpu: {cpus: "one"}}' one
	config 'del(.linux.resources.cpu)'
	refused cpu.mems '{cpu: {mems: "99"}}' 99
}

# --- pids ---

@test "pids: limit, and no limit" {
	needs_controller pids
	resources '{pids: {limit: 17}}'
	running
	limited pids pids.max pids.max 17
	delete --force
	resources '{pids: {limit: -1}}'
	running
	limited pids pids.max pids.max max
	delete --force
}

@test "pids: the limit has its effect" {
	needs_controller pids
	resources '{pids: {limit: 5}}'
	shell 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo all'
	try_rung run --bundle "$BUNDLE" "$CT"
	contains "$err" "fork"
	lacks "$out" all
}

@test "pids: a limit of one lets the program alone run" {
	needs_controller pids
	resources '{pids: {limit: 1}}'
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER needs threads of its own"
	run_ct
}

# --- block I/O ---

# block_device: sets DEVICE to MAJOR:MINOR of a whole disk, for limits.
block_device() {
	local path
	for path in /sys/block/*; do
		[[ $path != */loop* && $path != */ram* && $path != */zram* && -r $path/dev ]] || continue
		DEVICE=$(<"$path/dev")
		return
	done
	skip "this host has no disk"
}

@test "blockIO: the four throttles" {
	needs_controller blkio io
	block_device
	config '.linux.resources.blockIO = {
		throttleReadBpsDevice: [$d + {rate: 1048576}], throttleWriteBpsDevice: [$d + {rate: 2097152}],
		throttleReadIOPSDevice: [$d + {rate: 300}], throttleWriteIOPSDevice: [$d + {rate: 400}]}' \
		--argjson d "{\"major\": ${DEVICE%:*}, \"minor\": ${DEVICE#*:}}"
	running
	limited blkio blkio.throttle.read_bps_device io.max "$DEVICE 1048576" "$DEVICE rbps=1048576 wbps=2097152 riops=300 wiops=400"
	limited blkio blkio.throttle.write_bps_device "" "$DEVICE 2097152"
	limited blkio blkio.throttle.read_iops_device "" "$DEVICE 300"
	limited blkio blkio.throttle.write_iops_device "" "$DEVICE 400"
	delete --force
}

@test "blockIO: weight" {
	needs_controller blkio io
	needs_cgroup_file blkio blkio.bfq.weight io.weight
	resources '{blockIO: {weight: 333}}'
	running
	# Whether BFQ is there may change at any time: another test loads it.
	local file values=""
	for file in blkio.bfq.weight io.weight io.bfq.weight; do
		values+=" $(cat "$(cgroup_dir blkio)/$file" 2>/dev/null || true)"
	done
	matches "$values" ' (333|3263)( |$)'
	delete --force
}

@test "blockIO: a weight that this kernel cannot set, or that is out of range, is refused and named" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 ignores it"
	needs_controller blkio io
	refused blockIO.weight '{blockIO: {weight: 5}}'
}

@test "blockIO: a device that does not exist is refused and named" {
	needs_controller blkio io
	refused blockIO.throttleReadBpsDevice '{blockIO: {throttleReadBpsDevice: [{major: 4000, minor: 4000, rate: 1000}]}}' 4000:4000
}

# --- the rest of the table ---

@test "hugepageLimits: a size of this host" {
	local size file
	has_controller hugetlb || skip "the cgroup controller hugetlb is not available here"
	size=$(basename "$(find /sys/kernel/mm/hugepages -name 'hugepages-2048kB')")
	[[ -n $size ]] || skip "this host has no huge pages of 2 MB"
	resources '{hugepageLimits: [{pageSize: "2MB", limit: 4194304}]}'
	running
	file=$(v1_or_v2 hugetlb.2MB.limit_in_bytes hugetlb.2MB.max)
	equal 4194304 "$(cat "$(cgroup_dir hugetlb)/$file")"
	delete --force
}

@test "hugepageLimits: a size that this host does not have is refused and named" {
	refused "hugepageLimits[0]" '{hugepageLimits: [{pageSize: "3MB", limit: 4194304}]}' 3MB
}

@test "hugepageLimits: without the controller they are applied some other way or refused" {
	[[ $CGROUP_MODE != v2 ]] || skip "this host has cgroup v2 only"
	! has_controller hugetlb || skip "the controller is there"
	resources '{hugepageLimits: [{pageSize: "2MB", limit: 4194304}]}'
	try_rung run --bundle "$BUNDLE" --detach "$CT"
	if ((status != 0)); then
		says "linux.resources.hugepageLimits"
	else
		# A hybrid host may have it in its unified hierarchy.
		[[ $CGROUP_MODE == hybrid ]]
		equal 4194304 "$(cat "$TRACK/$CT/hugetlb.2MB.max")"
		delete --force
	fi
}

@test "network: classID and priorities where they are available, else refused and named" {
	local what
	for what in net_cls net_prio; do
		config 'del(.linux.resources.network)'
		case $what in
			net_cls) resources '{network: {classID: 1048577}}' ;;
			net_prio) resources '{network: {priorities: [{name: "lo", priority: 5}]}}' ;;
		esac
		if [[ $CGROUP_MODE != v2 ]] && has_controller $what; then
			run_ct
		else
			peer_lacks "ignores it"
			create_fails
			says linux.resources.network
		fi
	done
}

@test "rdma: refused and named where it is not available" {
	! has_controller rdma || skip "the controller is there"
	peer_lacks "ignores it"
	refused rdma '{rdma: {mlx5_1: {hcaHandles: 3}}}'
}

@test "unified: on v2 each file is written" {
	needs_v2
	needs_controller memory
	needs_controller pids
	resources '{unified: {"memory.high": "33554432", "pids.max": "44"}}'
	running
	equal 33554432 "$(cgroup_value memory memory.high)"
	equal 44 "$(cgroup_value pids pids.max)"
	delete --force
}

@test "unified: on v2 a file that does not exist, or with a slash, is refused and named" {
	needs_v2
	refused unified '{unified: {"memory.joy": "1"}}' memory.joy
	config 'del(.linux.resources.unified)'
	refused unified '{unified: {"../pids.max": "1"}}' ../pids.max
	config 'del(.linux.resources.unified)'
	refused unified '{unified: {"nosuch.max": "1"}}' nosuch
}

@test "unified: files that move, stop or end processes are no limits" {
	local file
	for file in cgroup.freeze cgroup.kill cgroup.procs cgroup.threads cgroup.type; do
		config 'del(.linux.resources.unified)'
		peer_lacks "writes them"
		resources "{unified: {\"$file\": \"1\"}}"
		create_fails
		says linux.resources.unified "$file" "no limit"
	done
}

@test "unified: refused and named on v1" {
	[[ $CGROUP_MODE != v2 ]] || skip "this host has cgroup v2 only"
	refused unified '{unified: {"memory.max": "33554432"}}'
}

@test "resources: without any the container runs" {
	config 'del(.linux.resources)'
	run_ct
}

@test "resources: all at once" {
	needs_controller memory
	needs_controller cpu
	needs_controller pids
	resources '{memory: {limit: 67108864, reservation: 33554432}, cpu: {shares: 512, quota: 50000, period: 100000}, pids: {limit: 32}}'
	running
	limited memory memory.limit_in_bytes memory.max 67108864
	limited cpu cpu.cfs_quota_us cpu.max 50000 "50000 100000"
	limited pids pids.max pids.max 32
	delete --force
}

# --- devices ---

@test "devices: the default ones can be used, others not, though they can be made" {
	needs_root "without privileges device nodes are bound from the host, and none is filtered"
	config '.linux.devices = [{path: "/dev/kmsg-like", type: "c", major: 1, minor: 11, fileMode: 438}]'
	shell 'for d in null zero full random urandom; do head -c 1 </dev/$d >/dev/null || echo "no $d"; done
		true </dev/kmsg-like || echo "no kmsg"'
	run_ct
	equal "no kmsg" "$out"
	contains "$err" "Operation not permitted"
}

@test "devices: without any rule only the default devices are allowed" {
	needs_root "without privileges device nodes are bound from the host, and none is filtered"
	config 'del(.linux.resources.devices) | .linux.devices = [{path: "/dev/kmsg-like", type: "c", major: 1, minor: 11, fileMode: 438}]'
	shell 'true </dev/null && echo null; true </dev/kmsg-like || echo "no kmsg"'
	try_rung run --bundle "$BUNDLE" "$CT"
	prints null
}

@test "devices: rules are applied in their order" {
	needs_root "without privileges device nodes are bound from the host, and none is filtered"
	config '.linux.devices = [{path: "/dev/my-kmsg", type: "c", major: 1, minor: 11, fileMode: 438}]'
	# Reading the kernel's log is a question of its own; opening it for writing is not.
	shell 'true >/dev/my-kmsg && echo writable'
	config '.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 11, access: "rw"}]'
	run_ct
	equal writable "$out"
	config '.linux.resources.devices += [{allow: false, type: "c", major: 1, minor: 11, access: "w"}]'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	contains "$err" "Operation not permitted"
}

@test "devices: access r is not w" {
	needs_root "without privileges device nodes are bound from the host, and none is filtered"
	config '.linux.devices = [{path: "/dev/my-port", type: "c", major: 1, minor: 5, fileMode: 438}, {path: "/dev/my-kmsg", type: "c", major: 1, minor: 11, fileMode: 438}]'
	config '.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 11, access: "r"}]'
	shell 'true >/dev/my-kmsg'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	contains "$err" "Operation not permitted"
}

@test "devices: nodes of any number may be made with CAP_MKNOD, as with runc" {
	needs_root "without privileges device nodes are bound from the host, and none is filtered"
	config '.process.capabilities |= map_values(. + ["CAP_MKNOD"])'
	shell 'mknod /tmp/node c 1 11 && mknod /tmp/disk b 7 200 && ls /tmp'
	run_ct
	equal "disk
node" "$out"
	rm -f "$ROOTFS"/tmp/*
}

@test "devices: all of them with a rule that allows all" {
	needs_root "without privileges device nodes are bound from the host, and none is filtered"
	config '.linux.resources.devices = [{allow: true, access: "rwm"}] |
		.linux.devices = [{path: "/dev/my-kmsg", type: "c", major: 1, minor: 11, fileMode: 438}]'
	shell 'true >/dev/my-kmsg && echo writable'
	run_ct
	equal writable "$out"
}

@test "devices: a rule that makes no sense is refused and named" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 takes any access"
	refused "devices[0].type" '{devices: [{allow: true, type: "x", access: "r"}]}' x
	refused "devices[0].access" '{devices: [{allow: true, type: "c", access: "x"}]}' x
	peer_lacks "takes it"
	refused "devices[0]" '{devices: [{allow: true, type: "c", major: -7, minor: 1, access: "r"}]}'
}
