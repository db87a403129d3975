#!/usr/bin/env bats
# SIGKILL of create, run and delete at a random moment, RUNG_CRASH_ROUNDS times
# each. After every one of them the init of a container that is not whole has
# to end by itself, delete --force has to clear everything, and the id can be
# used again. RUNG_CRASH_SEED repeats a run.

load helpers

ROUNDS=${RUNG_CRASH_ROUNDS:-100}

setup() {
	setup_test
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER leaves things behind"
	SEED=${RUNG_CRASH_SEED:-$((RANDOM * 32768 + RANDOM))}
	RANDOM=$SEED
	echo "# $BATS_TEST_DESCRIPTION: seed $SEED" >&3
	program sleep 1000
	BUNDLES=("$BUNDLE")
	# A second kind of container: in the host's pid namespace, where the death
	# of init does not end the rest, and with hooks, which take time.
	make_bundle "$CT-2"
	host_pids
	name_cgroup "$CT"
	config '.linux.cgroupsPath = $p |
		.hooks = {createRuntime: [{path: "/bin/true"}], createContainer: [{path: "/bin/true"}], poststop: [{path: "/bin/true"}]} |
		.mounts += [{destination: "/var", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]}]' --arg p "$CGROUPS_PATH"
	shell 'sleep 1000 & sleep 1000'
	BUNDLES+=("$BUNDLE")
}

# microseconds: the time of day.
microseconds() { echo "${EPOCHREALTIME//[.,]/}"; }

# measure VERB: sets SPANS to the time, in microseconds, that the verb takes for
# each of the bundles: the smallest of three.
measure() {
	local verb=$1 begin took best
	SPANS=()
	for bundle in "${BUNDLES[@]}"; do
		set_call "$verb"
		# A program that runs on is no part of the time.
		[[ $verb != run ]] || call+=(--detach)
		best=1000000000
		for _ in 1 2 3; do
			[[ $verb != delete ]] || rung run --detach --bundle "$bundle" "$CT" >/dev/null
			begin=$(microseconds)
			"$RUNG" --root "$ROOT" "${DRIVER[@]}" "${call[@]}" </dev/null >/dev/null 2>&1 3>&-
			took=$(($(microseconds) - begin))
			rung delete --force "$CT" >/dev/null
			((took >= best)) || best=$took
		done
		SPANS+=("$best")
	done
	echo "$verb takes ${SPANS[*]} microseconds"
}

# set_call VERB: sets call to the verb's arguments, for the bundle.
set_call() {
	case $1 in
		delete) call=(delete --force "$CT") ;;
		*) call=("$1" --bundle "$bundle" "$CT") ;;
	esac
}

# kill_one ROUND VERB: calls rung and kills it at a random moment of the time
# that it takes. Counts in killed how often that was before its end.
kill_one() {
	local round=$1 verb=$2 after begin took
	bundle=${BUNDLES[round % 2]}
	set_call "$verb"
	after=$(((RANDOM * 32768 + RANDOM) % (SPANS[round % 2] * 5 / 4)))
	printf -v after '%d.%06d' $((after / 1000000)) $((after % 1000000))
	status=0
	begin=$(microseconds)
	timeout --foreground -s KILL "$after" "$RUNG" --root "$ROOT" "${DRIVER[@]}" "${call[@]}" \
		</dev/null >"$WORK/out" 2>"$WORK/err" 3>&- || status=$?
	echo "round $round: $verb killed after $after s -> $status"
	took=$(($(microseconds) - begin))
	# What came to its end shows that the machine is faster by now.
	((status == 137 || took >= SPANS[round % 2])) || SPANS[round % 2]=$took
	((status != 137)) || killed=$((killed + 1))
}

no_processes() {
	find_cgroups
	find_pids
	((${#PIDS[@]} == 0))
}

# all_clear VERB: after the kill, whatever it interrupted.
all_clear() {
	local now
	now=$(state status 2>/dev/null) || true
	echo "status now: ${now:-none}"
	case $now in
		created) rung start "$CT" ;;
		running) ;;
		# What an interrupted delete has not killed yet may live on.
		*) [[ $1 == delete ]] || poll no_processes ;;
	esac
	rung delete --force "$CT"
	leftovers >"$WORK/left"
	equal "" "$(<"$WORK/left")"
	rung run --detach --bundle "$bundle" "$CT"
	equal running "$(state status)"
}

# Most of the kills have to have hit, or the test has shown nothing.
enough() {
	echo "# $killed of $ROUNDS kills came before the end" >&3
	((killed * 3 >= ROUNDS)) || fail "only $killed of $ROUNDS kills came before the end"
}

@test "crash: create" {
	local round killed=0
	measure create
	for ((round = 1; round <= ROUNDS; round++)); do
		kill_one "$round" create
		all_clear create
		rung delete --force "$CT"
	done
	enough
}

@test "crash: run" {
	local round killed=0
	measure run
	for ((round = 1; round <= ROUNDS; round++)); do
		kill_one "$round" run
		all_clear run
		rung delete --force "$CT"
	done
	enough
}

@test "crash: delete" {
	local round killed=0
	measure delete
	for ((round = 1; round <= ROUNDS; round++)); do
		# The one that all_clear left is of the other bundle.
		rung delete --force "$CT"
		rung run --detach --bundle "${BUNDLES[round % 2]}" "$CT"
		kill_one "$round" delete
		all_clear delete
	done
	rung delete --force "$CT"
	enough
}
