#!/usr/bin/env bats
# events: what a container uses, as runc's types have it, and when it runs out
# of memory.

load helpers

# one FILTER: a value of the only event of the last call.
one() { jq -r "$1" <<<"$out"; }

# has_event TYPE: the watch in the background printed such an event.
has_event() { grep -q "\"type\":\"$1\"" "$background_out"; }

@test "events --stats: one line of JSON with the numbers of the container's cgroup" {
	needs_controller memory
	needs_controller pids
	config '.linux.resources += {memory: {limit: 67108864}, pids: {limit: 20}, cpu: {quota: 50000, period: 100000}}'
	make_fifo
	shell 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; sleep 1000 & echo up >/fifo; wait'
	run_ct --detach
	equal up "$(heard)"
	rung events --stats "$CT"
	equal 1 "$(wc -l <<<"$out")"
	matches "$out" '^\{"type":"stats","id":"'"$CT"'","data":\{"cpu":\{"usage":\{"total":[1-9]'
	equal 2 "$(one .data.pids.current)"
	equal 20 "$(one .data.pids.limit)"
	equal 67108864 "$(one .data.memory.usage.limit)"
	equal true "$(one '.data.memory.usage.usage > 100000 and (.data.memory.raw | length) > 10')"
	equal true "$(one '.data.cpu.usage.total > 1000000')"
	equal '["blkio","cpu","cpuset","hugetlb","intel_rdt","memory","network_interfaces","pids"]' "$(jq -c '.data | keys' <<<"$out")"
	delete --force
}

@test "events --stats: throttling, per-CPU numbers on v1 and PSI on v2" {
	needs_cgroup_file cpu cpu.cfs_quota_us cpu.max
	config '.linux.resources += {cpu: {quota: 1000, period: 10000}}'
	make_fifo
	shell 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo up >/fifo; sleep 1000'
	run_ct --detach
	equal up "$(heard)"
	rung events --stats "$CT"
	equal true "$(one '.data.cpu.throttling | .periods > 0 and .throttledPeriods > 0 and .throttledTime > 0')"
	if [[ $CGROUP_MODE == v2 ]]; then
		[[ ! -e $(cgroup_dir cpu)/cpu.pressure ]] || equal true "$(one '.data.cpu.psi.some.total > 0')"
		[[ ! -e $(cgroup_dir memory)/memory.pressure ]] || equal '["full","some"]' "$(one '.data.memory.psi | keys' | jq -c .)"
		[[ ! -e $(cgroup_dir io)/io.pressure ]] || equal '["full","some"]' "$(one '.data.blkio.psi | keys' | jq -c .)"
	else
		equal true "$(one '.data.cpu.usage.percpu | length > 0 and add > 0')"
		equal true "$(one '.data.cpuset.cpus | length > 0')"
	fi
	delete --force
}

@test "events --stats: a created and a paused container" {
	program sleep 1000
	create
	rung events --stats "$CT"
	start
	rung pause "$CT"
	rung events --stats "$CT"
	equal "$CT" "$(one .id)"
	delete --force
}

@test "events: statistics at each interval, until the container ends" {
	needs_controller memory
	running
	rung_in_background events --interval 20ms "$CT"
	poll has_event stats
	rung kill "$CT" KILL
	finish "$background"
	equal "" "$(jq -r "select(.type != \"stats\" or .id != \"$CT\")" "$background_out")"
	# The last may be of a container that has just been killed.
	equal true "$(jq -s '.[0].data.pids.current >= 1' "$background_out")"
	delete
}

@test "events, update: an init goes on without its main thread" {
	peer_lacks "takes it for stopped"
	needs_controller pids
	give_helper
	make_fifo
	shell 'read -r _ </go; exec testhelper headless'
	run_ct --detach
	local container=$out_file
	rung_in_background events --interval 20ms "$CT"
	poll has_event stats
	go
	poll grep -qx headless "$container"
	rung update --pids-limit 77 "$CT"
	poll grep -q '"limit":77}' "$background_out"
	rung kill "$CT" KILL
	finish "$background"
	delete
}

@test "events: it ends when the container is deleted" {
	needs_controller memory
	running
	rung_in_background events --interval 20ms "$CT"
	poll has_event stats
	delete --force
	finish "$background"
	equal "" "$(grep -v '^{"type":"stats",' "$background_out")"
}

@test "events: that the container runs out of memory" {
	needs_controller memory
	make_fifo
	config '.linux.resources += {memory: {limit: 16777216, swap: 16777216}}'
	has_swap || config 'del(.linux.resources.memory.swap)'
	# The shell survives what eats: it has its own process for that.
	shell 'echo up >/fifo; read _ </go; dd if=/dev/zero of=/dev/null bs=64M count=1; echo eaten >/fifo; read _ </go; exit 3'
	run_ct --detach
	equal up "$(heard)"
	rung_in_background events --interval 20ms "$CT"
	poll has_event stats
	go
	equal eaten "$(heard)"
	poll has_event oom
	is_status running "$CT"
	equal "{\"type\":\"oom\",\"id\":\"$CT\"}" "$(grep -v '^{"type":"stats",' "$background_out" | head -n 1)"
	delete --force
	finish "$background"
}

@test "events: that it ended for a lack of memory" {
	needs_controller memory
	make_fifo
	config '.linux.resources += {memory: {limit: 16777216, swap: 16777216}}'
	has_swap || config 'del(.linux.resources.memory.swap)'
	# systemd removes a cgroup with its last process, and nobody can read what the kernel counted.
	local after=
	! systemd_driver || after='; sleep 1000'
	shell "echo up >/fifo; read _ </go; dd if=/dev/zero of=/dev/null bs=64M count=1$after"
	run_ct --detach
	equal up "$(heard)"
	rung_in_background events --interval 20ms "$CT"
	poll has_event stats
	go
	if systemd_driver; then
		poll has_event oom
		rung kill "$CT" KILL
	fi
	finish "$background"
	# A statistic may come between the lack of memory and the end.
	equal "{\"type\":\"oom\",\"id\":\"$CT\"}" "$(grep -v '^{"type":"stats",' "$background_out")"
	wait_for_status stopped
	delete
}

# has_swap: the kernel accounts for swap.
has_swap() { (needs_cgroup_file memory memory.memsw.limit_in_bytes memory.swap.max) >/dev/null 2>&1; }

@test "events: errors" {
	rung_fails events
	says "events needs exactly 1 argument"
	rung_fails events "$CT"
	says "container does not exist"
	running
	rung_fails events --interval 0 "$CT"
	rung_fails events --interval 0s "$CT"
	says "must be greater than 0"
	rung_fails events --interval soon "$CT"
	rung kill "$CT" KILL
	wait_for_status stopped
	rung_fails events "$CT"
	says "not running"
	rung_fails events --stats "$CT"
	says "not running"
	delete
}
