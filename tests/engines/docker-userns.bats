#!/usr/bin/env bats
# rung under Docker with userns-remap: each container's root is a user without rights on the host.
#
# The scripts in single quotes are for the shell in the container; NAME belongs to the test that sets it.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers
load docker

setup_file() {
	make_scratch dku
	chmod 711 "$D"
	LOGIN=rungremap$((RANDOM % 10000))
	export LOGIN
	useradd --no-create-home "$LOGIN"
	BASE=$(awk -F: -v user="$LOGIN" '$1 == user { print $2 }' /etc/subuid)
	export BASE
	# shellcheck disable=SC2086 # a list of words
	start_docker $NO_BRIDGE --default-runtime rung --userns-remap "$LOGIN"
	import_image
}

teardown_file() {
	local failed=0
	end_docker "$D/exec/$BASE.$BASE/netns/default" || failed=1
	remove_scratch || failed=1
	userdel "$LOGIN" || failed=1
	return "$failed"
}

setup() { prepare_test; }
teardown() { end_test "$(records)"; }

export OPTIONS="--network none"

@test "docker, userns-remap: root in the container is a subordinate id on the host" {
	detached box:1 sh -c 'cat /proc/self/uid_map; id -u; exec sleep 100'
	eventually 10 logged '^0$'
	[ "$(states_left "$(records)")" = "$(records)/$(inspect '{{.Id}}')" ]
	run docker_ logs "$NAME"
	[[ ${lines[0]} =~ ^\ *0\ +$BASE\ +65536$ ]]
	[ "$(stat -c %u "/proc/$(inspect '{{.State.Pid}}')")" = "$BASE" ]
}

@test "docker, userns-remap: users, exit codes, streams" {
	run --separate-stderr box -u joe box:1 sh -c 'id -un; echo err >&2; exit 3'
	ended 3
	[ "$output" = joe ]
	# shellcheck disable=SC2154 # comes from --separate-stderr
	[ "$stderr" = err ]
}

@test "docker, userns-remap: exec, with a terminal and without, as root and as another" {
	detached box:1 sleep 100
	run docker_ exec "$NAME" sh -c 'id -u; stat -c %u /proc/1; exit 4'
	ended 4
	[ "${lines[0]} ${lines[1]}" = "0 0" ]
	run docker_ exec -u 1000 "$NAME" id -u
	shows 1000
	run on_terminal "docker_ exec -it $NAME tty"
	ended 0
	said /dev/pts/
}

@test "docker, userns-remap: a terminal" {
	run on_terminal "box -t box:1 sh -c '${tell_terminal:?}; exit 4'"
	ended 4
	said "40 120"
}

@test "docker, userns-remap: a volume of Docker's, and a bind mount that root of the container cannot write to" {
	run box -v "$NAME:/volume" box:1 sh -c 'touch /volume/x && stat -c %u /volume/x'
	docker_ volume rm "$NAME" >/dev/null
	shows 0
	mkdir -m 755 "$D/hosts"
	run box -v "$D/hosts:/hosts" box:1 sh -c 'stat -c %u /hosts; touch /hosts/x'
	ended 1
	said 65534
	said "Permission denied"
}

@test "docker, userns-remap: limits, read-only root, tmpfs" {
	detached -m 32m --pids-limit 30 --read-only --tmpfs /scratch box:1 sh -c 'touch /scratch/x && exec sleep 100'
	[ "$(limit memory.max memory memory.limit_in_bytes)" = 33554432 ]
	[ "$(limit pids.max pids pids.max)" = 30 ]
	docker_ update --pids-limit 40 "$NAME" >/dev/null
	[ "$(limit pids.max pids pids.max)" = 40 ]
	run docker_ exec "$NAME" touch /x
	ended 1
	said "Read-only file system"
}

@test "docker, userns-remap: pause, unpause, stop, start, rm -f" {
	detached box:1 sh -c 'trap "exit 6" TERM; while :; do sleep 0.05; done'
	docker_ pause "$NAME"
	inspects '{{.State.Status}}' paused
	docker_ unpause "$NAME"
	docker_ stop -t 20 "$NAME"
	inspects '{{.State.ExitCode}}' 6
	docker_ start "$NAME"
	inspects '{{.State.Running}}' true
	docker_ rm -f "$NAME"
	[ -z "$(processes_left)" ]
}

@test "docker, userns-remap: --userns host is without" {
	run box --userns host box:1 sh -c 'readlink /proc/self/ns/user'
	shows "$(readlink /proc/self/ns/user)"
}
