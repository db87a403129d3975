#!/usr/bin/env bats
# rung under Podman, as root and as a user without privileges. There is no daemon: conmon stays with each container, and
# calls rung as it calls runc.
#
# The scripts in single quotes are for the shell in the container; NAME belongs to the test that sets it.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers

setup_file() {
	make_scratch pod
	chmod 755 "$D"
	cp "$RUNG" "$D/rung"
	# For root, whose other containers are in the same folder otherwise.
	printf '#!/bin/sh\nexec %s --root %s "$@"\n' "$D/rung" "$D/state" >"$D/rung-root"
	chmod 755 "$D/rung-root"
	make_rootfs "$D/rootfs"
	tar -C "$D/rootfs" -cf "$D/image.tar" .
	LOGIN=rungtest$((RANDOM % 10000))
	export LOGIN
	useradd --no-create-home --home-dir "$D/home" "$LOGIN"
	mkdir -m 700 "$D/home" "$D/run"
	chown "$LOGIN:" "$D/home" "$D/run"
	as_root import "$D/image.tar" box:1 >/dev/null 2>&1
	as_user import "$D/image.tar" box:1 >/dev/null 2>&1
}

teardown_file() {
	local failed=0 pause dir
	# The process that keeps the user's namespaces between two calls of Podman.
	if pause=$(cat "$D/run/libpod/tmp/pause.pid" 2>/dev/null); then
		kill -9 "$pause"
		eventually 5 gone "$pause" || failed=1
	fi
	chown -R root: "$D/home" "$D/run"
	remove_scratch || failed=1
	userdel "$LOGIN" || failed=1
	# Podman makes these where the controller is not mounted.
	for dir in /sys/fs/cgroup/*; do
		[ "$(stat -f -c %T "$dir")" != tmpfs ] || [ -L "$dir" ] || rmdir --ignore-fail-on-non-empty "$dir" 2>/dev/null || true
	done
	return "$failed"
}

setup() {
	export NAME=c$BATS_TEST_NUMBER
	DOES=as_root
	[[ $BATS_TEST_DESCRIPTION != *rootless* ]] || DOES=as_user
	export DOES
}

teardown() {
	$DOES rm -af -t 0 >/dev/null 2>&1
	eventually 5 no_conmon
	assert_clean "$D/state" "$D/run/rung"
}

# no_conmon: takes away the cgroup of conmon, which Podman leaves; where a controller is not mounted it is a plain folder.
no_conmon() {
	local dir left=0
	for dir in /sys/fs/cgroup/{,*/}"$TAG"/conmon; do
		[ -d "$dir" ] || continue
		if [ "$(stat -f -c %T "$dir")" = tmpfs ]; then rm -rf "${dir%/*}"; else rmdir "$dir" 2>/dev/null || left=1; fi
	done
	return "$left"
}

# The client, bounded in time: the host's root, with folders of its own.
as_root() {
	timeout --foreground -k 2 60 podman --root "$D/storage" --runroot "$D/runroot" --tmpdir "$D/tmp" --storage-driver=vfs \
		--cgroup-manager=cgroupfs --events-backend=file --runtime "$D/rung-root" "$@"
}

# The same as a user who has nothing but subordinate ids.
as_user() {
	(
		cd /
		setpriv --reuid "$LOGIN" --regid "$LOGIN" --init-groups --inh-caps=-all env -i HOME="$D/home" XDG_RUNTIME_DIR="$D/run" PATH="$PATH" \
			timeout --foreground -k 2 60 podman --storage-driver=vfs --cgroup-manager=cgroupfs --events-backend=file --runtime "$D/rung" "$@"
	)
}

# Options of every container. Hosts without CAP_SYS_RESOURCE refuse Podman's own limits.
options=(--network=none --ulimit nofile=1024:1024 --ulimit nproc=10000:10000)
export OPTIONS="${options[*]}"

# box [OPTION...] IMAGE COMMAND...: podman run.
box() {
	local parent=()
	[ "$DOES" = as_user ] || parent=(--cgroup-parent "/$TAG")
	# shellcheck disable=SC2086 # a list of words
	$DOES run --name "$NAME" $OPTIONS "${parent[@]}" "$@"
}

# For the shells that some tests start in between.
export -f as_root as_user box

state_is() { [ "$($DOES inspect -f '{{.State.Status}}' "$NAME")" = "$1" ]; }

# What every kind of user can do.

outputs_and_exit_codes() {
	run box --rm box:1 sh -c 'echo hello; exit 3'
	ended 3
	said hello
	run -127 box --rm box:1 /no/such/program
	said /no/such/program
}

the_life_of_a_container() {
	box -d box:1 sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done' >/dev/null
	state_is running
	run $DOES exec "$NAME" sh -c 'id -u; tr "\0" " " </proc/1/cmdline'
	ended 0
	said "trap"
	run $DOES exec -u 5:6 -e A=b "$NAME" sh -c 'echo "$(id -u) $(id -g) $A"'
	shows "5 6 b"
	run $DOES exec "$NAME" sh -c 'exit 7'
	ended 7
	$DOES stop -t 10 "$NAME" >/dev/null
	state_is exited
	[ "$($DOES inspect -f '{{.State.ExitCode}}' "$NAME")" = 5 ]
	$DOES start "$NAME" >/dev/null
	state_is running
	$DOES kill "$NAME" >/dev/null
	[ "$($DOES wait "$NAME")" = 137 ]
	$DOES rm "$NAME" >/dev/null
}

a_terminal() {
	run on_terminal "box --rm -t box:1 sh -c '${tell_terminal:?}; exit 4'"
	ended 4
	said /dev/pts/0
	said "40 120"
}

@test "podman: output and exit codes" { outputs_and_exit_codes; }
@test "podman: run, exec, stop, start, kill and rm" { the_life_of_a_container; }
@test "podman: -t gives a terminal" { a_terminal; }

@test "podman: limits reach the cgroup" {
	box -d --pids-limit 77 box:1 sleep 100 >/dev/null
	run limit_of "$TAG/libpod-$(as_root inspect -f '{{.Id}}' "$NAME")" pids.max pids pids.max
	shows 77
}

@test "podman: --uidmap gives a user namespace, and volumes of its ids" {
	mkdir "$D/volume"
	chown 100005:100006 "$D/volume"
	run box --rm --uidmap 0:100000:5000 --gidmap 0:100000:5000 -v "$D/volume:/mnt" box:1 sh -c 'cat /proc/self/uid_map; stat -c %u:%g /mnt'
	ended 0
	said 100000
	said 5:6
}

@test "podman: a volume with idmap" {
	mkdir "$D/mapped"
	chown 5:6 "$D/mapped"
	run box --rm --uidmap 0:100000:5000 --gidmap 0:100000:5000 -v "$D/mapped:/mnt:idmap" box:1 stat -c %u:%g /mnt
	[[ $output != *"cannot be id-mapped"* ]] || skip "the filesystem of /tmp cannot be id-mapped"
	shows 5:6
}

@test "podman: rootless: output and exit codes" { outputs_and_exit_codes; }
@test "podman: rootless: run, exec, stop, start, kill and rm" { the_life_of_a_container; }
@test "podman: rootless: -t gives a terminal" { a_terminal; }

@test "podman: rootless: root in the container is the user, and others are the user's subordinate ids" {
	run box --rm box:1 cat /proc/self/uid_map
	ended 0
	[[ ${lines[0]} =~ ^\ *0\ +$(id -u "$LOGIN")\ +1$ ]]
	run box --rm --user 5:6 box:1 sh -c 'id -u; id -g; touch /tmp/file; stat -c %u:%g /tmp/file'
	shows $'5\n6\n5:6'
}

@test "podman: rootless: --userns keep-id and auto" {
	run box --rm --userns keep-id box:1 id -u
	shows "$(id -u "$LOGIN")"
	as_user rm -f "$NAME" >/dev/null 2>&1 || true
	run box --rm --userns auto:size=500 box:1 sh -c 'id -u; cat /proc/self/uid_map'
	ended 0
	said 500
}

@test "podman: rootless: a volume of the user's" {
	mkdir -m 700 "$D/own"
	chown "$LOGIN:" "$D/own"
	run box --rm -v "$D/own:/mnt:ro" box:1 sh -c 'stat -c %u /mnt; touch /mnt/file'
	ended 1
	said "0"$'\n'
	said "Read-only file system"
	rmdir "$D/own"
}

counted_to() { [ "$($DOES logs "$1" | tail -n 1)" -ge "$2" ]; }

@test "podman: checkpoint and restore, in place and as another container" {
	command -v criu >/dev/null || skip "criu is not installed"
	reason=$(criu check 2>&1) || skip "CRIU does not work here: $(grep -m 1 Error <<<"$reason")"
	box -d box:1 sh -c 'n=0; while :; do n=$((n+1)); echo $n; sleep 0.1; done' >/dev/null
	eventually 10 counted_to "$NAME" 3
	as_root container checkpoint "$NAME" >/dev/null
	state_is exited
	as_root container restore "$NAME" >/dev/null
	state_is running
	before=$(as_root logs "$NAME" | tail -n 1)
	eventually 10 counted_to "$NAME" "$((before + 3))"
	[ "$before" -gt 1 ]
	run as_root exec "$NAME" sh -c 'tr "\0" " " </proc/1/cmdline'
	ended 0
	said "n=0"
	as_root container checkpoint --export "$D/$NAME.tar" "$NAME" >/dev/null
	as_root rm -f -t 0 "$NAME" >/dev/null
	as_root container restore --import "$D/$NAME.tar" --name "$NAME-too" >/dev/null
	eventually 10 counted_to "$NAME-too" "$((before + 4))"
	as_root exec "$NAME-too" true
}
