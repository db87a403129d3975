#!/usr/bin/env bats
# rung under conmon, called as CRI-O calls it. CRI-O itself is in neither Debian 12 nor the Go module proxy; what of it calls a runtime
# is conmon, for create and exec, and CRI-O's own start, kill, update and delete.
#
# The scripts in single quotes are for the shell in the container; ID belongs to the test that sets it.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers

setup_file() {
	make_scratch con
	make_rootfs "$D/rootfs"
	mkdir "$D/state" "$D/exits" "$D/sockets"
}

teardown_file() { remove_scratch; }

setup() {
	export ID=c$BATS_TEST_NUMBER
	mkdir "$D/$ID"
	cd "$D/$ID" || return
}

teardown() {
	rung delete --force "$ID"
	eventually 10 no_conmon
	assert_clean "$D/state"
}

rung() { "$RUNG" --root "$D/state" "$@"; }

no_conmon() { ! grep -qsa "$D/sockets" /proc/[0-9]*/cmdline; }

# bundle FILTER COMMAND...: in D/ID, the container's config.json, as jq's filter changes it.
bundle() {
	local filter=$1
	shift
	"$RUNG" spec
	jq --arg root "$D/rootfs" --arg group "/$TAG/$ID" '.root.path = $root | .process.terminal = false | .process.args = $ARGS.positional
		| .linux.cgroupsPath = $group | '"$filter" --args -- "$@" <config.json >changed.json
	mv changed.json config.json
}

# monitor OPTION...: conmon, which tells on a pipe what it has done.
monitor() {
	_OCI_SYNCPIPE=5 timeout -k 2 30 conmon -c "$ID" -u "$ID" -n "$ID" -r "$RUNG" --runtime-arg "--root=$D/state" --socket-dir-path "$D/sockets" \
		--no-new-keyring --log-level error "$@" </dev/null >conmon.out 2>&1 3>&- 5>sync
}

# create OPTION...: a container whose output is in D/ID/log.
create() { monitor -b "$D/$ID" -p "$D/$ID/pid" -P "$D/$ID/conmon.pid" -l "k8s-file:$D/$ID/log" --exit-dir "$D/exits" --persist-dir "$D/$ID" "$@" && eventually 10 test -s sync; }

has_ended() { [ -s "$D/exits/$ID" ]; }
exit_code() { eventually 10 has_ended && cat "$D/exits/$ID"; }
logged() { grep -q "$1" log; }

# exec_sync COMMAND...: as a probe does it: the exit code is the command's, the output is a log's.
exec_sync() {
	jq '.process | .args = $ARGS.positional' --args -- "$@" <config.json >process.json
	monitor -b "$D/$ID" -p "$D/$ID/exec.pid" -l "k8s-file:$D/$ID/exec.log" -e --exec-process-spec "$D/$ID/process.json" --sync
}

@test "conmon: create, start, output, exit code" {
	bundle . sh -c 'echo out; echo err >&2; exit 3'
	create
	[ "$(jq -r .pid sync)" = "$(<pid)" ]
	[ "$(rung state "$ID" | jq -r .status)" = created ]
	rung start "$ID"
	[ "$(exit_code)" = 3 ]
	logged 'stdout F out'
	logged 'stderr F err'
}

@test "conmon: what cannot be created is told" {
	bundle . /no/such/program
	create || true
	run jq -r '[.pid, .message] | join(" ")' sync
	ended 0
	[[ $output == -* ]]
	said /no/such/program
}

@test "conmon: exec with its exit code and output" {
	bundle . sleep 100
	create
	rung start "$ID"
	run exec_sync sh -c 'echo probed; exit 4'
	ended 4
	grep -q 'stdout F probed' exec.log
}

@test "conmon: a terminal, handed over by a console socket" {
	bundle '.process.terminal = true' sh -c 'tty; exit 5'
	create -t
	rung start "$ID"
	[ "$(exit_code)" = 5 ]
	logged /dev/pts/0
}

@test "conmon: stop: asked, then killed" {
	bundle . sh -c 'trap "echo asked; exit 6" TERM; echo ready; while :; do sleep 0.05; done'
	create
	rung start "$ID"
	eventually 10 logged ready
	rung kill "$ID" TERM
	[ "$(exit_code)" = 6 ]
	logged asked
	rung delete "$ID"
}

@test "conmon: running out of memory is noticed" {
	bundle '.linux.resources.memory.limit = 16777216' sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; code=$?; sleep 1; exit $code'
	create
	rung start "$ID"
	[ "$(exit_code)" = 137 ]
	[ -e "$D/$ID/oom" ]
}

@test "conmon: killed with -9: the container runs on, and can be stopped" {
	bundle . sh -c 'exec sleep 100 >/dev/null 2>&1'
	create
	rung start "$ID"
	local pid
	pid=$(<pid)
	kill -9 "$(<conmon.pid)"
	eventually 10 no_conmon
	[ "$(rung state "$ID" | jq -r .status)" = running ]
	rung kill "$ID" KILL
	eventually 10 gone "$pid"
	rung delete "$ID"
}
