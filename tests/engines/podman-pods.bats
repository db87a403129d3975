#!/usr/bin/env bats
# rung under Podman's pods, networks and builds, as root and as a user without privileges.
#
# The scripts in single quotes are for the shell in the container; NAME belongs to the test that sets it.
# DOES is as_root or as_user.
# shellcheck disable=SC2016,SC2030,SC2031,SC2086

load helpers
load podman

setup_file() {
	make_scratch ppo
	prepare_podman
	make_host_network
	# A pod's first container takes no --ulimit.
	printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=10000:10000"]\n' >"$D/containers.conf"
	export CONTAINERS_CONF=$D/containers.conf
}

teardown_file() {
	local failed=0
	umount "$D/net" || failed=1
	end_podman || failed=1
	return "$failed"
}

setup() { prepare_test; }
teardown() { end_test; }

# shellcheck disable=SC2153 # NAME comes from podman.bash
# pod OPTION...: makes a pod named NAME-pod, whose first process is the image's sleep.
pod() {
	local parent=()
	[ "$DOES" = as_user ] || parent=(--cgroup-parent "$PARENT")
	$DOES pod create --name "$NAME-pod" --infra-image box:1 --infra-command "sleep 1000" --network none "${parent[@]}" "$@" >/dev/null
}

# member NAME COMMAND...: a container in the pod.
member() {
	local name=$1
	shift
	$DOES run -d --name "$name" --pod "$NAME-pod" $LIMITS box:1 "$@" >/dev/null
}

logged() { $DOES logs "$1" 2>&1 | grep -q "$2"; }

a_pod() {
	pod
	local namespaces='for kind in net ipc uts pid mnt; do readlink /proc/self/ns/$kind; done; exec sleep 100'
	member "$NAME-a" sh -c "$namespaces"
	member "$NAME-b" sh -c "$namespaces"
	eventually 10 logged "$NAME-a" mnt
	eventually 10 logged "$NAME-b" mnt
	run diff <($DOES logs "$NAME-a") <($DOES logs "$NAME-b")
	[[ $output != *net* && $output != *ipc* && $output != *uts* ]]
	[ "$(grep -c '^[<>] pid' <<<"$output")" -eq 2 ]
	[ "$(grep -c '^[<>] mnt' <<<"$output")" -eq 2 ]
	run $DOES run --rm --pod "$NAME-pod" $LIMITS box:1 sh -c 'echo in the pod; exit 3'
	ended 3
	said "in the pod"
	$DOES pod stop -t 0 "$NAME-pod" >/dev/null
	[ "$($DOES pod inspect -f '{{.State}}' "$NAME-pod")" = Exited ]
	$DOES pod start "$NAME-pod" >/dev/null
	[ "$($DOES inspect -f '{{.State.Status}}' "$NAME-b")" = running ]
	$DOES pod rm -f -t 0 "$NAME-pod" >/dev/null
	[ -z "$($DOES ps -aq)" ]
}

shared_processes() {
	pod --share pid,ipc,net,uts
	member "$NAME-a" sleep 777
	run $DOES run --rm --pod "$NAME-pod" $LIMITS box:1 sh -c 'tr "\0" " " </proc/1/cmdline; ps -o args | grep "^sleep 777"'
	ended 0
	[[ ${lines[0]} == *sleep* ]]
	said "sleep 777"
}

a_build() {
	mkdir "$D/$NAME"
	printf '%s\n' 'FROM box:1' 'RUN id -u >/made && echo built >>/made' 'USER joe' 'RUN id -un >/tmp/made' >"$D/$NAME/Dockerfile"
	chmod 755 "$D/$NAME"
	chmod 644 "$D/$NAME/Dockerfile"
	build "$D/$NAME" -t "$NAME:1" >/dev/null
	run $DOES run --rm $OPTIONS "$NAME:1" cat /made /tmp/made
	$DOES rmi "$NAME:1" >/dev/null
	shows "0
built
joe"
	printf '%s\n' 'FROM box:1' 'RUN exit 7' >"$D/$NAME/Dockerfile"
	run build "$D/$NAME"
	[ "$status" -ne 0 ]
	said "exit status 7"
}

# build FOLDER [OPTION...]: whose RUN steps are containers of the runtime's, not buildah's own chroots.
build() {
	local folder=$1
	shift
	$DOES build $LIMITS --network none --isolation "$([ "$DOES" = as_root ] && echo oci || echo rootless)" "$@" "$folder" 2>&1
}

@test "podman: a pod, and its containers' namespaces" { a_pod; }
@test "podman: a pod that shares processes" { shared_processes; }
@test "podman: build, whose RUN steps are containers" { a_build; }
@test "podman: rootless: a pod, and its containers' namespaces" { a_pod; }
@test "podman: rootless: a pod that shares processes" { shared_processes; }
@test "podman: rootless: build, whose RUN steps are containers" { a_build; }

@test "podman: a pod is paused and resumed" {
	pod
	member "$NAME-a" sh -c 'while :; do echo tick; sleep 0.05; done'
	as_root pod pause "$NAME-pod" >/dev/null
	[ "$(as_root inspect -f '{{.State.Status}}' "$NAME-a")" = paused ]
	as_root pod unpause "$NAME-pod" >/dev/null
	[ "$(as_root inspect -f '{{.State.Status}}' "$NAME-a")" = running ]
}

@test "podman: a pod with a user namespace" {
	pod --uidmap 0:100000:600 --gidmap 0:100000:600
	member "$NAME-a" sh -c 'cat /proc/self/uid_map; exec sleep 100'
	eventually 10 logged "$NAME-a" 600
	[ "$(stat -c %u "/proc/$(as_root inspect -f '{{.State.Pid}}' "$NAME-a")")" -ge 100000 ]
}

# The bridge is on a host of the test's own.
in_network() {
	nsenter --net="$D/net" timeout -k 2 "$CLIENT_LIMIT" podman $ROOT_OPTIONS --network-config-dir "$D/networks" "$@"
}

@test "podman: the bridge: an address, and the other container" {
	mkdir -p "$D/networks"
	in_network network create --subnet 10.89.79.0/24 --disable-dns "$NAME" >/dev/null
	in_network run -d --name "$NAME" --network "$NAME" --cgroup-parent "$PARENT" $LIMITS box:1 \
		sh -c 'while :; do echo from the other | nc -l -p 80; done' >/dev/null
	local server
	server=$(in_network inspect -f "{{(index .NetworkSettings.Networks \"$NAME\").IPAddress}}" "$NAME")
	[[ $server == 10.89.79.* ]]
	run in_network run --rm --network "$NAME" --cgroup-parent "$PARENT" $LIMITS box:1 \
		sh -c "ip -4 addr show eth0; until nc -w 2 $server 80 </dev/null; do sleep 0.1; done"
	in_network rm -f -t 0 "$NAME" >/dev/null
	in_network network rm "$NAME" >/dev/null
	ended 0
	said "inet 10.89.79."
	said "from the other"
}

@test "podman: rootless: a network of the user's (slirp4netns)" {
	setpriv --reuid "$LOGIN" --regid "$LOGIN" --clear-groups test -w /dev/net/tun || skip "users may not open /dev/net/tun here"
	run as_user run --rm --network slirp4netns $LIMITS box:1 sh -c 'ip -4 addr show tap0; ip route'
	ended 0
	said "inet 10.0.2.100/24"
	said "default via 10.0.2.2"
}
