#!/usr/bin/env bats
# update: the limits of a container that runs.

load helpers

# limited CONTROLLER V1-FILE V2-FILE V1-VALUE [V2-VALUE]: the container's
# cgroup has this value. An empty file name passes over that host.
limited() {
	local file
	file=$(v1_or_v2 "$2" "$3")
	[[ -n $file ]] || return 0
	equal "$(v1_or_v2 "$4" "${5-$4}")" "$(cgroup_value "$1" "$file" | tr '\t' ' ')"
}

memory_is() { limited memory memory.limit_in_bytes memory.max "$1"; }
pids_are() { limited pids pids.max pids.max "$1"; }
quota_is() { # QUOTA PERIOD
	limited cpu cpu.cfs_quota_us '' "$1"
	limited cpu cpu.cfs_period_us '' "$2"
	local max=$1
	[[ $max != -1 ]] || max=max
	limited cpu '' cpu.max '' "$max $2"
}

# limits: all that the kernel says of the container's limits.
limits() {
	local file
	for file in cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.weight cpu/cpu.max memory/memory.limit_in_bytes \
		memory/memory.soft_limit_in_bytes memory/memory.max memory/memory.low pids/pids.max cpuset/cpuset.cpus devices/devices.list; do
		[[ ! -e $(cgroup_dir "${file%/*}")/${file#*/} ]] || echo "$file $(cgroup_value "${file%/*}" "${file#*/}" 2>/dev/null)"
	done
}

# limited_container: one with limits of each kind.
limited_container() {
	needs_controller memory
	needs_controller pids
	needs_controller cpu
	config '.linux.resources += {memory: {limit: 33554432, reservation: 25165824}, cpu: {shares: 100, quota: 500000, period: 1000000}, pids: {limit: 20}}'
	running
}

update() { rung update "$@" "$CT"; }

@test "update: what is not named stays, the devices too" {
	local before
	limited_container
	before=$(limits)
	update
	equal "$before" "$(limits)"
	update --pids-limit 30
	equal "${before/pids.max 20/pids.max 30}" "$(limits)"
	rung update "$CT" --memory 67108864
	memory_is 67108864
	pids_are 30
	quota_is 500000 1000000
	delete --force
}

@test "update: memory, reservation and pids, with units, and without limit" {
	limited_container
	update --memory 50M
	memory_is 52428800
	update --memory-reservation 32MiB
	limited memory memory.soft_limit_in_bytes memory.low 33554432
	update --pids-limit 12345
	pids_are 12345
	update --pids-limit -1
	pids_are max
	update --pids-limit=0
	pids_are 1
	update --memory -1
	[[ $(cgroup_value memory "$(v1_or_v2 memory.limit_in_bytes memory.max)") =~ ^(max|9223372036854[0-9]*)$ ]]
	delete --force
}

@test "update: memory and swap together, up and down" {
	needs_cgroup_file memory memory.memsw.limit_in_bytes memory.swap.max
	limited_container
	update --memory 30M --memory-swap 50M
	memory_is 31457280
	limited memory memory.memsw.limit_in_bytes memory.swap.max 52428800 20971520
	update --memory 60M --memory-swap 80M
	memory_is 62914560
	limited memory memory.memsw.limit_in_bytes memory.swap.max 83886080 20971520
	# The sum stays where memory alone is named.
	update --memory 40M
	limited memory memory.memsw.limit_in_bytes memory.swap.max 83886080 41943040
	update --memory-swap 60M
	memory_is 41943040
	limited memory memory.memsw.limit_in_bytes memory.swap.max 62914560 20971520
	rung_fails update --memory-swap 20M "$CT"
	says --memory-swap
	rung_fails update --memory 100M "$CT"
	delete --force
}

@test "update: CPU quota and period, each alone and both" {
	limited_container
	quota_is 500000 1000000
	update --cpu-period 625000
	quota_is 500000 625000
	update --cpu-quota 600000
	quota_is 600000 625000
	update --cpu-quota -1
	quota_is -1 625000
	update --cpu-quota 3000 --cpu-period 10000
	quota_is 3000 10000
	update --cpu-share 200
	limited cpu cpu.shares cpu.weight 200 29
	delete --force
}

@test "update: CPU burst and idle" {
	needs_cgroup_file cpu cpu.cfs_burst_us cpu.max.burst
	needs_cgroup_file cpu cpu.idle cpu.idle
	local value
	limited_container
	update --cpu-period 900000 --cpu-burst 400000
	limited cpu cpu.cfs_burst_us cpu.max.burst 400000
	update --memory 100M
	limited cpu cpu.cfs_burst_us cpu.max.burst 400000
	update --cpu-burst 0
	limited cpu cpu.cfs_burst_us cpu.max.burst 0
	for value in 1 0 1; do
		update --cpu-idle $value
		limited cpu cpu.idle cpu.idle $value
	done
	for value in -1 2 3; do
		rung_fails update --cpu-idle $value "$CT"
		says --cpu-idle
		limited cpu cpu.idle cpu.idle 1
	done
	update --cpu-period 10000
	limited cpu cpu.idle cpu.idle 1
	delete --force
}

@test "update: the cpuset" {
	needs_controller cpuset
	limited_container
	update --cpuset-cpus 0 --cpuset-mems 0
	limited cpuset cpuset.cpus cpuset.cpus 0
	limited cpuset cpuset.mems cpuset.mems 0
	rung_fails update --cpuset-cpus 4000 "$CT"
	says --cpuset-cpus
	limited cpuset cpuset.cpus cpuset.cpus 0
	delete --force
}

@test "update: real-time scheduling where the kernel has it" {
	needs_v1
	needs_cgroup_file cpu cpu.rt_runtime_us ""
	running
	try_rung update --cpu-rt-period 1000000 --cpu-rt-runtime 0 "$CT"
	equal 0 "$status"
	limited cpu cpu.rt_period_us '' 1000000
	delete --force
}

@test "update: the weight for block devices, or an error that names the flag" {
	running
	try_rung update --blkio-weight 500 "$CT"
	((status == 0)) || says --blkio-weight
	rung_fails update --blkio-weight 5 "$CT"
	says "--blkio-weight: must be from 10 to 1000, got 5"
	rung_fails update --blkio-weight 70000 "$CT"
	says --blkio-weight
	delete --force
}

@test "update: --resources FILE, and - for standard input" {
	limited_container
	echo '{"memory": {"limit": 67108864}, "cpu": {"shares": 200, "quota": 405000, "period": 900000, "cpus": "0"}, "pids": {"limit": 10}}' >"$WORK/r.json"
	update --resources "$WORK/r.json"
	memory_is 67108864
	quota_is 405000 900000
	pids_are 10
	limited memory memory.soft_limit_in_bytes memory.low 25165824
	echo '{"pids": {"limit": 11}, "blockIO": {"weight": 0}, "memory": {"limit": 0, "swap": 0, "reservation": 0}, "cpu": {"quota": 0, "period": 0, "shares": 0}}' >"$WORK/r.json"
	STDIN=$WORK/r.json rung update -r - "$CT"
	pids_are 11
	memory_is 67108864
	quota_is 405000 900000
	# From a pipe, as engines do it.
	echo '{"pids": {"limit": 12}}' | "$RUNG" --root "$ROOT" update --resources - "$CT" 3>&-
	pids_are 12
	delete --force
}

@test "update: device rules in a file of resources change nothing" {
	needs_v1
	local before
	running
	before=$(cgroup_value devices devices.list)
	echo '{"devices": [{"allow": true, "access": "rwm"}]}' >"$WORK/r.json"
	update -r "$WORK/r.json"
	equal "$before" "$(cgroup_value devices devices.list)"
	delete --force
}

@test "update: with --resources other flags are ignored, and a warning says so" {
	limited_container
	echo '{}' >"$WORK/r.json"
	update -r "$WORK/r.json" --pids-limit 7
	warns "--pids-limit is ignored"
	pids_are 20
	delete --force
}

@test "update: a file of resources with a mistake is an error with field, line and column" {
	limited_container
	printf '{\n "memory": {\n  "limit": "64M"\n }\n}\n' >"$WORK/r.json"
	rung_fails update -r "$WORK/r.json" "$CT"
	says "memory.limit: expected integer, got string at line 3 column 12"
	echo '{"memory": ' >"$WORK/r.json"
	rung_fails update -r "$WORK/r.json" "$CT"
	says "parse $WORK/r.json" "line 2 column 1"
	STDIN=$WORK/r.json rung_fails update -r - "$CT"
	says "parse standard input"
	rung_fails update -r "$WORK/none.json" "$CT"
	says "$WORK/none.json" "no such file"
	memory_is 33554432
	delete --force
}

@test "update: a limit that is refused leaves all as it was, and is named" {
	local before
	limited_container
	before=$(limits)
	rung_fails update --cpu-share 300 --cpu-quota 700000 --memory 64M --memory-reservation 16M --pids-limit 99999999999 "$CT"
	says --pids-limit "invalid argument"
	equal "$before" "$(limits)"
	echo '{"cpu": {"shares": 300}, "memory": {"limit": 67108864}, "pids": {"limit": 99999999999}}' >"$WORK/r.json"
	rung_fails update -r "$WORK/r.json" "$CT"
	says linux.resources.pids.limit
	equal "$before" "$(limits)"
	delete --force
}

@test "update: what is not a value is an error that names the flag, and changes nothing" {
	local flag before
	limited_container
	before=$(limits)
	for flag in cpu-period cpu-quota cpu-burst cpu-share cpu-rt-period cpu-rt-runtime cpu-idle memory memory-reservation memory-swap \
		pids-limit blkio-weight kernel-memory; do
		rung_fails update --memory 64M --"$flag" 12x "$CT"
		says "--$flag: invalid value \"12x\""
	done
	rung_fails update --cpu-period 100 "$CT"
	says "--cpu-period: must be from 1000 to 1000000"
	rung_fails update --memory 64M --memory-swap 32M "$CT"
	says --memory-swap
	equal "$before" "$(limits)"
	delete --force
}

@test "update: a memory limit below what is in use" {
	needs_controller memory
	make_fifo
	# A string of 16 MiB in the shell's memory.
	shell 'x=$(head -c 16777216 /dev/zero | tr "\0" x); echo up >/fifo; read _ </go; echo ${#x} >/fifo; sleep 1000'
	run_ct --detach
	equal up "$(heard)"
	echo '{"memory": {"limit": 4194304, "swap": 4194304, "checkBeforeUpdate": true}}' >"$WORK/r.json"
	rung_fails update -r "$WORK/r.json" "$CT"
	says memory. "busy" "bytes already"
	go
	equal 16777216 "$(heard)"
	is_status running "$CT"
	delete --force
}

@test "update: kernel memory is ignored with a warning" {
	limited_container
	update --kernel-memory 16M
	warns --kernel-memory ignored
	update --kernel-memory-tcp 16M
	warns --kernel-memory-tcp ignored
	rung update --help
	lacks "$out" kernel-memory
	delete --force
}

@test "update: of a created and of a paused container" {
	needs_controller pids
	program sleep 1000
	create
	update --pids-limit 30
	pids_are 30
	start
	rung pause "$CT"
	update --pids-limit 31
	pids_are 31
	rung resume "$CT"
	delete --force
}

@test "update: the limit has its effect" {
	needs_controller pids
	make_fifo
	shell 'echo up >/fifo; read _ </go; (true; sleep 0.01) & (sleep 1000) & wait $!; echo "status $?" >/fifo'
	run_ct --detach
	equal up "$(heard)"
	update --pids-limit 1
	go
	wait_for_status stopped
	delete
}

@test "update: errors" {
	rung_fails update
	says "update needs exactly 1 argument"
	rung_fails update "$CT" --memory 64M
	says "container does not exist"
	program true
	run_ct --detach
	wait_for_status stopped
	rung_fails update --memory 64M "$CT"
	says "not running"
	delete
}

@test "update: many at once leave one of their values" {
	needs_controller pids
	local i pids=()
	running
	for i in 101 102 103 104 105 106 107 108; do
		"$RUNG" --root "$ROOT" update --pids-limit $i --cpu-share $i "$CT" 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	matches "$(cgroup_value pids pids.max)" '^10[1-8]$'
	[[ $CGROUP_MODE == v2 ]] || equal "$(cgroup_value pids pids.max)" "$(cgroup_value cpu cpu.shares)"
	delete --force
}
