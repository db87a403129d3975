#!/usr/bin/env bats
# ps: the processes of a container, as ps(1) of the host shows them.

load helpers

# rows: the pids in the table, one a line, in order.
rows() { awk 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "PID") c = i; next } { print $c }' <<<"$out" | sort -n; }

# three: a running container of an init and two children.
three() {
	make_fifo
	shell 'sleep 1000 & sleep 1000 & echo up >/fifo; wait'
	run_ct --detach
	equal up "$(heard)"
}

# members: the processes of the container by its cgroup, one a line, in order.
members() { sort -n "$(cgroup_dir pids)/cgroup.procs"; }

@test "ps: without options it is ps -ef of the container's processes alone" {
	needs_program ps
	three
	rung ps "$CT"
	matches "$(head -n 1 <<<"$out")" '^UID +PID +PPID +C +STIME +TTY +TIME +CMD$'
	equal 3 "$(rows | wc -l)"
	equal "$(members)" "$(rows)"
	equal "$(pid)" "$(rows | head -n 1)"
	lacks "$out" bats
	delete --force
}

@test "ps: the pids are those of the host, though the container has its own" {
	three
	rung ps --format json "$CT"
	equal "$(members | paste -sd,)" "$(jq -r 'join(",")' <<<"$out")"
	lacks "$(jq -c . <<<"$out")" '[1,'
	delete --force
}

@test "ps: -f json and --format=json, before the id" {
	running
	rung ps -f json "$CT"
	equal "[$(pid)]" "$out"
	rung ps --format=json "$CT"
	equal "[$(pid)]" "$out"
	delete --force
}

@test "ps: what follows the id is for ps, flags and -f too" {
	needs_program ps
	running
	rung ps "$CT" -e -x
	matches "$out" 'PID +TTY +STAT +TIME +COMMAND'
	equal "$(pid)" "$(rows)"
	rung ps "$CT" -e -o pid,args
	equal "$(pid) sleep 1000" "$(tail -n 1 <<<"$out" | tr -s ' ' | sed 's/^ //')"
	rung ps "$CT" -ef -f
	equal "$(pid)" "$(rows)"
	rung ps "$CT" aux
	equal "$(pid)" "$(rows)"
	rung ps "$CT" -- -e
	equal "$(pid)" "$(rows)"
	delete --force
}

@test "ps: processes in cgroups that the container made are its processes" {
	local sub
	three
	sub=$(cgroup_dir pids)/below/deeper
	mkdir -p "$sub"
	members | tail -n 1 >"$sub/cgroup.procs"
	rung ps --format json "$CT"
	equal 3 "$(jq length <<<"$out")"
	contains "$out" "$(<"$sub/cgroup.procs")"
	delete --force
}

@test "ps: no process of the host is shown" {
	three
	rung ps -f json "$CT"
	lacks ",${out//[\[\]]/,}," ",$$,"
	delete --force
}

@test "ps: a created, a paused and a stopped container" {
	needs_program ps
	program sleep 1000
	create
	rung ps --format json "$CT"
	equal "[$(pid)]" "$out"
	start
	rung pause "$CT"
	rung ps --format json "$CT"
	equal "[$(pid)]" "$out"
	rung resume "$CT"
	rung kill "$CT" KILL
	wait_for_status stopped
	rung ps --format json "$CT"
	equal null "$out"
	rung ps "$CT"
	equal 1 "$(wc -l <<<"$out")"
	delete
}

@test "ps: processes that outlived the init of a container without a pid namespace" {
	make_fifo
	host_pids
	shell 'sleep 1000 & echo $! >/fifo; exit 0'
	run_ct --detach
	local child
	child=$(heard)
	wait_for_status stopped
	rung ps --format json "$CT"
	equal "[$child]" "$out"
	delete --force
}

@test "ps: errors" {
	local command
	rung_fails ps
	says "ps needs at least 1 argument"
	rung_fails ps "$CT"
	says "container does not exist"
	running
	rung_fails ps --format yaml "$CT"
	says 'invalid format option "yaml"'
	if command -v ps >/dev/null; then
		rung_fails ps "$CT" --nonsense
		says "run ps --nonsense" "exit status"
		rung_fails ps "$CT" -e -o args
		says "no column PID"
	fi
	command=$RUNG
	PATH=/nonexistent "$command" --root "$ROOT" ps "$CT" >"$WORK/o" 2>"$WORK/e" 3>&- && fail "ps without ps succeeded"
	contains "$(<"$WORK/e")" "executable file not found" "--format json"
	PATH=/nonexistent "$command" --root "$ROOT" ps -f json "$CT" >"$WORK/o" 2>"$WORK/e" 3>&-
	equal "[$(pid)]" "$(<"$WORK/o")"
	delete --force
}
