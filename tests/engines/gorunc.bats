#!/usr/bin/env bats
# rung under go-runc, the Go library through which containerd's shim, BuildKit and others call a runtime.

load helpers

setup_file() {
	make_scratch gor
	make_rootfs "$D/rootfs"
	CGO_ENABLED=0 go -C "$BATS_TEST_DIRNAME/tools" test -c -trimpath -o "$D/gorunc.test" ./gorunc
}

teardown_file() { remove_scratch; }

teardown() { assert_clean; }

# library TEST: runs one of the Go tests, from a folder where nothing else is. One that hangs ends before bats' own time
# is up, and says where its goroutines stand.
library() {
	cd "$D" || return
	run env ROOTFS="$D/rootfs" TMPDIR="$D" "$D/gorunc.test" -test.v -test.timeout "$((BATS_TEST_TIMEOUT * 3 / 4))s" \
		-test.run "^$1\$"
	ended 0
	said "--- PASS: $1"
}

@test "go-runc: version and features" { library TestVersionAndFeatures; }
@test "go-runc: run, with streams and exit code" { library TestRun; }
@test "go-runc: descriptors for the program" { library TestExtraFiles; }
@test "go-runc: create, state, list, start, ps, top, pause, resume, kill, delete" { library TestLifecycle; }
@test "go-runc: update and stats" { library TestUpdateAndStats; }
@test "go-runc: events, to the one of running out of memory" { library TestEvents; }
@test "go-runc: exec, with streams and exit code" { library TestExec; }
@test "go-runc: exec, detached" { library TestExecDetached; }
@test "go-runc: terminals of a container and of exec" { library TestTerminals; }
@test "go-runc: errors, in the log and in words that callers look for" { library TestErrors; }
@test "go-runc: kill of a container that has ended" { library TestKillOfAStoppedContainer; }
