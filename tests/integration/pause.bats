#!/usr/bin/env bats
# pause and resume: all processes of a container stand still, and go on.

load helpers

# ticking: a running container that writes lines to /fifo as long as it runs.
ticking() {
	make_fifo
	shell 'while echo tick >/fifo; do sleep 0.01; done & while true; do sleep 1000; done'
	run_ct --detach
	equal tick "$(heard)"
}

# ticks: the container still writes.
ticks() {
	read -r -t "${1:-$PATIENCE}" _ <>"$ROOTFS/fifo"
}

@test "pause: all processes stand still until resume" {
	needs_freezer
	ticking
	rung pause "$CT"
	equal "" "$out$err"
	equal paused "$(state status)"
	equal "$(v1_or_v2 FROZEN 1)" "$(cgroup_value freezer "$(v1_or_v2 freezer.state cgroup.freeze)")"
	# What was in the fifo already, and then nothing.
	while ticks 0.2; do :; done
	equal paused "$(state status)"
	rung resume "$CT"
	equal "" "$out$err"
	equal running "$(state status)"
	ticks
	delete --force
}

@test "pause: a created container" {
	needs_freezer
	program sleep 1000
	create
	rung pause "$CT"
	equal paused "$(state status)"
	rung_fails start "$CT"
	says "cannot start an already paused container"
	rung resume "$CT"
	equal created "$(state status)"
	start
	equal running "$(state status)"
	delete --force
}

@test "pause: twice, or of a stopped container, is an error and changes nothing" {
	needs_freezer
	running
	rung pause "$CT"
	rung_fails pause "$CT"
	says "container not running" "it is paused"
	equal paused "$(state status)"
	rung resume "$CT"
	rung kill "$CT" KILL
	wait_for_status stopped
	rung_fails pause "$CT"
	says "container not running" "it is stopped"
	rung_fails resume "$CT"
	says "container not paused" "it is stopped"
	delete
}

@test "resume: of a running container is an error and changes nothing" {
	needs_freezer
	running
	rung_fails resume "$CT"
	says "container not paused" "it is running"
	equal running "$(state status)"
	delete --force
}

@test "pause: list shows it, with its pid" {
	needs_freezer
	running
	rung pause "$CT"
	rung list
	matches "$(grep "^$CT " <<<"$out")" "^$CT +$(pid) +paused "
	delete --force
}

@test "kill: KILL ends a paused container, another signal waits for resume" {
	needs_freezer
	make_fifo
	shell 'trap "exit 7" TERM; echo ready >/fifo; while true; do sleep 0.01; done'
	run_ct --detach
	equal ready "$(heard)"
	rung pause "$CT"
	[[ $CGROUP_MODE == v2 ]] || {
		rung kill "$CT" TERM
		equal paused "$(state status)"
		rung resume "$CT"
		wait_for_status stopped
		delete
		running
		rung pause "$CT"
	}
	rung kill "$CT" KILL
	wait_for_status stopped
	delete
}

@test "delete: of a paused container needs --force" {
	needs_freezer
	running
	rung pause "$CT"
	rung_fails delete "$CT"
	says "cannot delete container $CT that is not stopped: paused"
	equal paused "$(state status)"
	delete --force
}

@test "exec: of a paused container is an error" {
	needs_freezer
	running
	rung pause "$CT"
	rung_exits 255 exec "$CT" true
	says paused
	equal paused "$(state status)"
	rung resume "$CT"
	rung exec "$CT" true
	delete --force
}

@test "pause, resume: errors" {
	local verb
	for verb in pause resume; do
		rung_fails "$verb"
		says "$verb needs exactly 1 argument"
		rung_fails "$verb" "$CT"
		says "container does not exist"
	done
}

# freeze_inside: what a container does that runs containers itself, and pauses one: its
# processes are in a cgroup below its own, which is frozen.
freeze_inside() {
	local dir
	dir=$(cgroup_dir freezer)/inner
	mkdir "$dir"
	pid >"$dir/cgroup.procs"
	if [[ -e $dir/freezer.state ]]; then
		echo FROZEN >"$dir/freezer.state"
		poll grep -q FROZEN "$dir/freezer.state"
	else
		echo 1 >"$dir/cgroup.freeze"
		poll grep -q "frozen 1" "$dir/cgroup.events"
	fi
}

@test "pause: what the container has frozen itself stays so on resume, and can be killed and deleted" {
	needs_freezer
	local init
	running
	init=$(pid)
	freeze_inside
	equal running "$(state status)"
	rung pause "$CT"
	rung resume "$CT"
	grep -q "$(v1_or_v2 FROZEN 1)" "$(cgroup_dir freezer)/inner/$(v1_or_v2 freezer.state cgroup.freeze)"
	rung kill "$CT" KILL
	wait_for_exit "$init"
	delete
	running
	freeze_inside
	delete --force
}

needs_freezer() { [[ $CGROUP_MODE != v1 ]] || needs_controller freezer; }
