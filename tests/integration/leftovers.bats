#!/usr/bin/env bats
# The check that follows every test must itself be proved: each kind of thing
# that a container may leave is left here, and has to be found and removed.

load helpers

# look: the check, which does not wait long for what is here to stay to go.
look() { LEFT_TRIES=10 leftovers >"$WORK/found"; }

# found KIND PATTERN: the check finds exactly one thing, and it is this.
found() {
	look
	equal 1 "$(wc -l <"$WORK/found")"
	matches "$(<"$WORK/found")" "^$1: $2"
}

@test "leftovers: a container that is gone leaves nothing" {
	run_ct
	leftovers >"$WORK/found"
	equal "" "$(<"$WORK/found")"
}

@test "leftovers: a state folder is found" {
	mkdir -p "$ROOT/$CT"
	found state "$ROOT/$CT"
	rmdir "$ROOT/$CT"
}

@test "leftovers: a hidden file in --root is found" {
	mkdir -p "$ROOT"
	touch "$ROOT/.$CT"
	found state "$ROOT/.$CT"
	rm "$ROOT/.$CT"
}

@test "leftovers: a mount is found" {
	mount -t tmpfs tmpfs "$ROOTFS/mnt"
	found mount "$ROOTFS/mnt"
	umount "$ROOTFS/mnt"
}

@test "leftovers: a cgroup is found in every hierarchy, below the parent or by its id" {
	local mount dirs=()
	while read -r mount; do
		dirs+=("$mount$PARENT/$CT" "$mount$CGROUP_BASE/$CT")
	done < <(findmnt -n -l -o TARGET -t cgroup,cgroup2)
	mkdir -p "${dirs[@]}"
	look
	contains "$(<"$WORK/found")" "${dirs[@]/#/cgroup: }"
	rmdir "${dirs[@]}"
}

@test "leftovers: a process is found, also one in a cgroup of its own" {
	local dir pid
	sleep 1000 3>&- &
	pid=$!
	found process "$pid sleep 1000"
	dir=$TRACK/other
	mkdir "$dir"
	echo "$pid" >"$dir/cgroup.procs"
	look
	contains "$(<"$WORK/found")" "process: $pid sleep 1000" "cgroup: $dir"
	kill -KILL "$pid"
	wait "$pid" || true
	rmdir "$dir"
}

@test "leftovers: a process whose parent is gone is found" {
	local pid
	pid=$(setsid sh -c 'sleep 1000 >&- 2>&- 3>&- & echo $!')
	found process "$pid sleep 1000"
	kill -KILL "$pid"
}

@test "leftovers: a new file in the bundle is found" {
	touch "$BUNDLE/core"
	found file "$BUNDLE/core"
	rm "$BUNDLE/core"
}

@test "leftovers: a running container is found in all its parts" {
	local init
	running
	init=$(pid)
	look
	contains "$(<"$WORK/found")" "state: $ROOT/$CT" "process: $init sleep 1000" "cgroup: $(cgroup_dir pids)"
	delete --force
}

@test "leftovers: a test that leaves something fails, names it, and is cleaned up after" {
	needs_root "a mount is among what it leaves"
	local tag
	status=0
	env -i PATH="$PATH" HOME="$HOME" TMPDIR="$WORK" RUNG="$RUNG" RUNG_PEER="$RUNG_PEER" \
		CGROUP_MODE="$CGROUP_MODE" RUNG_TEST_DATA="$RUNG_TEST_DATA" \
		"$BATS_ROOT/bin/bats" --tap "$BATS_TEST_DIRNAME/../testdata/leaky.bats" >"$WORK/tap" 2>&1 3>&- || status=$?
	out=$(<"$WORK/tap")
	echo "$out"
	equal 1 "$status"
	prints "ok 1 nothing" "not ok 2 a state folder" "# state: " "not ok 3 a mount" "# mount: " \
		"not ok 4 a cgroup" "# cgroup: " "not ok 5 a process" "not ok 6 a container" "# process: " \
		"not ok 7 a file in the bundle" "# file: "
	while read -r tag; do
		equal "" "$(find /sys/fs/cgroup "$WORK" -name "*$tag*")"
	done < <(grep -o 'rt[0-9]*-[0-9]*' "$WORK/tap" | sort -u | grep -vxF "$TAG")
	equal "" "$(grep -F "$WORK" /proc/self/mountinfo)"
}
