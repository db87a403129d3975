#!/usr/bin/env bats
# kill: which process gets which signal.

load helpers

# trapping SIGNAL...: a running container that says the name of each of these
# signals as it comes, until QUIT ends it.
trapping() {
	local name text=""
	for name; do text+="trap 'echo $name >/fifo' $name; "; done
	make_fifo
	shell "$text trap 'exit 3' QUIT; echo ready >/fifo; while :; do sleep 1000 & wait; done"
	run_ct --detach
	equal ready "$(heard)"
}

@test "kill: the default signal is TERM" {
	trapping TERM
	rung kill "$CT"
	equal TERM "$(heard)"
	delete --force
}

@test "kill: a signal by its name, with or without SIG, in either case, or by its number" {
	local signal
	trapping USR1
	for signal in USR1 SIGUSR1 usr1 sigusr1 10; do
		rung kill "$CT" "$signal"
		equal USR1 "$(heard)"
	done
	delete --force
}

@test "kill: each of the usual signals arrives" {
	local signal
	trapping HUP INT USR2 WINCH CONT
	for signal in HUP INT USR2 WINCH CONT; do
		rung kill "$CT" "$signal"
		equal "$signal" "$(heard)"
	done
	delete --force
}

@test "kill: KILL ends the container" {
	local init
	running
	init=$(pid)
	rung kill "$CT" KILL
	wait_for_exit "$init"
	wait_for_status stopped
	delete
}

@test "kill: a created container can be killed" {
	local init
	create
	init=$(pid)
	rung kill "$CT" 9
	wait_for_exit "$init"
	wait_for_status stopped
	rung_fails start "$CT"
	delete
}

@test "kill: an unknown signal is an error that names it, and does nothing" {
	local signal
	running
	for signal in NOSUCH SIGNOSUCH; do
		rung_fails kill "$CT" "$signal"
		says "$signal"
	done
	equal running "$(state status)"
	delete --force
}

@test "kill: a number that is no signal is an error" {
	running
	rung_fails kill "$CT" 1000
	says 1000
	rung_fails kill "$CT" -- -5
	equal running "$(state status)"
	delete --force
}

@test "kill: a stopped container is an error" {
	running
	rung kill "$CT" KILL
	wait_for_status stopped
	rung_fails kill "$CT" TERM
	says "not running"
	rung_fails kill "$CT" KILL
	says "not running"
	delete
}

@test "kill --all of a stopped container is no error, for engines that race" {
	running
	rung kill "$CT" KILL
	wait_for_status stopped
	rung kill --all "$CT" KILL
	delete
}

@test "kill --all and -a reach a running container" {
	local init
	running
	init=$(pid)
	rung kill -a "$CT" 0
	rung kill --all "$CT" KILL
	wait_for_exit "$init"
	delete --force
}

@test "kill --all KILL reaches every process of a container without its own pid namespace" {
	local child
	make_fifo
	host_pids
	shell 'sleep 1000 & echo $! >/fifo; wait'
	run_ct --detach
	child=$(heard)
	rung kill --all "$CT" KILL
	wait_for_exit "$child"
	delete --force
}

@test "kill KILL of a container without its own pid namespace leaves none of its processes" {
	peer_lacks "needs --all for it"
	local child
	make_fifo
	host_pids
	shell 'sleep 1000 & echo $! >/fifo; wait'
	run_ct --detach
	child=$(heard)
	rung kill "$CT" KILL
	wait_for_exit "$child"
	delete --force
}

@test "kill: only init gets a signal other than KILL" {
	make_fifo
	# A trap of the init's is none of the child's, and must be there before that says anything.
	shell 'trap "echo init >/fifo" USR1
		sh -c "trap \"echo child >/fifo\" USR1; echo ready >/fifo; while :; do sleep 1000 & wait; done" &
		while :; do wait; done'
	run_ct --detach
	equal ready "$(heard)"
	rung kill "$CT" USR1
	equal init "$(heard)"
	delete --force
}

@test "kill: too few and too many arguments are errors" {
	rung_usage_error kill
	rung_usage_error kill "$CT" KILL more
}
