#!/usr/bin/env bats
# Many calls at once: on one container, and on many.

load helpers

setup() {
	setup_test
	# One bundle for all of them: each has the cgroup of its id then.
	config 'del(.linux.cgroupsPath)'
}

# together COMMAND...: starts the command N times at once, with @ replaced by
# 1 to N; the exit statuses are in statuses, in the order of their numbers. They
# share the machine: ten may take as long as one.
together() {
	local n=$1 limit=$((PATIENCE * ($1 + 9) / 10)) i status pids=()
	shift
	for ((i = 1; i <= n; i++)); do
		timeout --foreground -k 2 "$limit" "$RUNG" --root "$ROOT" "${DRIVER[@]}" "${@//@/$i}" \
			</dev/null >"$WORK/out.$i" 2>"$WORK/err.$i" 3>&- &
		pids+=($!)
	done
	statuses=()
	for i in "${pids[@]}"; do
		status=0
		wait "$i" || status=$?
		statuses+=("$status")
	done
	echo "${*//@/N} -> ${statuses[*]}"
}

# count STATUS: how many of them ended with it.
count() { printf '%s\n' "${statuses[@]}" | grep -cx "$1" || true; }

@test "concurrency: of two creates of one id at once exactly one wins" {
	local i round
	for round in {1..10}; do
		together 2 create --bundle "$BUNDLE" "$CT-$round"
		equal 1 "$(count 0)"
		equal 1 "$(count 1)"
		for i in 1 2; do
			((statuses[i - 1] == 0)) || grep -q exist "$WORK/err.$i"
		done
		# The loser has not harmed the winner's container.
		equal created "$(state status "$CT-$round")"
		rung start "$CT-$round"
		rung delete --force "$CT-$round"
	done
}

@test "concurrency: of ten runs of one id at once exactly one wins" {
	program sleep 1000
	together 10 run --detach --bundle "$BUNDLE" "$CT"
	equal 1 "$(count 0)"
	equal 9 "$(count 1)"
	equal running "$(state status)"
	delete --force
}

@test "concurrency: twenty containers run at once" {
	local i
	shell 'echo "$(hostname) done"'
	together 20 run --bundle "$BUNDLE" "$CT-@"
	equal 20 "$(count 0)"
	for i in {1..20}; do contains "$(<"$WORK/out.$i")" "done"; done
}

@test "concurrency: fifty containers are created, started, listed, killed and deleted at once" {
	program sleep 1000
	together 50 create --bundle "$BUNDLE" "$CT-@"
	equal 50 "$(count 0)"
	together 50 start "$CT-@"
	equal 50 "$(count 0)"
	rung list
	equal 50 "$(grep -c " running " <<<"$out")"
	together 50 state "$CT-@"
	equal 50 "$(count 0)"
	together 50 kill "$CT-@" KILL
	equal 50 "$(count 0)"
	together 50 delete --force "$CT-@"
	equal 50 "$(count 0)"
	rung list -q
	equal "" "$out"
}

@test "concurrency: twenty containers in one parent cgroup come and go, and the parent stays usable" {
	local i path
	for i in {1..20}; do
		path=$PARENT/pod/$i
		! systemd_driver || path=$TAG-pod.slice:$TAG:$i
		mkdir "$WORK/bundles/$i"
		ln -s "$ROOTFS" "$WORK/bundles/$i/rootfs"
		jq --arg p "$path" '.linux.cgroupsPath = $p | .root.path = "'"$ROOTFS"'"' \
			"$BUNDLE/config.json" >"$WORK/bundles/$i/config.json"
	done
	together 20 run --bundle "$WORK/bundles/@" "$CT-@"
	equal 20 "$(count 0)"
	find /sys/fs/cgroup -depth -path "*$PARENT/pod" -type d -delete 2>/dev/null || true
	! systemd_driver || systemctl stop "$TAG-pod.slice" 3>&-
}

@test "concurrency: five deletes of one container at once all succeed with --force" {
	running
	together 5 delete --force "$CT"
	equal 5 "$(count 0)"
}

@test "concurrency: of five deletes of a stopped container one succeeds, and none hangs" {
	running
	rung kill "$CT" KILL
	wait_for_status stopped
	together 5 delete "$CT"
	equal 0 "$(count 124)"
	(($(count 0) >= 1))
	rung_fails state "$CT"
}

@test "concurrency: of five starts one succeeds, and none hangs" {
	[[ $RUNG_PEER != runc ]] || skip "runc may hang there"
	program sleep 1000
	create
	together 5 start "$CT"
	equal 1 "$(count 0)"
	equal 4 "$(count 1)"
	delete --force
}

@test "concurrency: list and state never fail or lie while containers come and go" {
	local i
	mkdir "$ROOT"
	(
		for i in {1..15}; do
			"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT-$i" || echo failed
		done
		echo finished
	) >"$WORK/runs" 2>&1 3>&- </dev/null &
	HELPER_PIDS+=($!)
	while ! grep -q finished "$WORK/runs"; do
		rung list --format json
		jq -e 'if . then all(.[]; .status | IN("creating", "created", "running", "stopped")) else true end' <<<"$out" >/dev/null
	done
	equal finished "$(<"$WORK/runs")"
}

@test "concurrency: delete --force meets create" {
	local round
	for round in {1..10}; do
		program sleep 1000
		rung_in_background create --bundle "$BUNDLE" "$CT"
		local creator=$background
		poll test -e "$ROOT/$CT"
		# It may be too early, or may have to wait: whatever it does, it says so.
		try_rung delete --force "$CT"
		finish "$creator" || true
		delete --force
		rung_fails state "$CT"
		equal "" "$(find /sys/fs/cgroup -name "$CT" 2>/dev/null)"
	done
}
