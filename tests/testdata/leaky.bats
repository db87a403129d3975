#!/usr/bin/env bats
# Not a part of the suite: leftovers.bats runs it and expects every test but
# the first to fail, because each leaves something behind.

load ../integration/helpers

@test "nothing" {
	true
}

@test "a state folder" {
	mkdir -p "$ROOT/$CT"
}

@test "a mount" {
	mkdir "$WORK/mnt"
	mount -t tmpfs tmpfs "$WORK/mnt"
}

@test "a cgroup" {
	mkdir "$TRACK/$CT"
}

@test "a process" {
	sleep 1000 3>&- &
}

@test "a container" {
	running
}

@test "a file in the bundle" {
	touch "$BUNDLE/core"
}
