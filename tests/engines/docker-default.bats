#!/usr/bin/env bats
# rung as Docker's default runtime, for containers that know nothing of it: on the bridge, which libnetwork joins by a prestart
# hook, under docker-compose, and over the daemon's death.
#
# The scripts in single quotes are for the shell in the container; NAME belongs to the test that sets it.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers
load docker

setup_file() {
	make_scratch dkd
	make_host_network
	# A containerd of its own, as on a Debian: one that dockerd starts dies with it.
	background containerd --config /dev/null --root "$D/containerd/root" --state "$D/containerd/state" --address "$D/c.sock"
	await_daemon ctr --address "$D/c.sock" version
	mv "$D/daemon.pid" "$D/containerd.pid"
	start_daemon
	import_image
}

# Docker's bridge and its rules for packets are in the test's network namespace.
start_daemon() { start_docker --bip 10.88.78.1/24 --default-runtime rung --live-restore --containerd "$D/c.sock"; }

teardown_file() {
	local failed=0
	end_docker || failed=1
	mv "$D/containerd.pid" "$D/daemon.pid"
	stop_daemon || failed=1
	umount "$D/net" || failed=1
	remove_scratch || failed=1
	return "$failed"
}

setup() { prepare_test; }
teardown() { end_test "$(records)"; }

address() { inspect '{{.NetworkSettings.IPAddress}}'; }

@test "docker, default runtime: it is rung" {
	[ "$(docker_ info -f '{{.DefaultRuntime}}')" = rung ]
	detached box:1 sleep 100
	inspects '{{.HostConfig.Runtime}}' rung
	[ -n "$(states_left "$(records)")" ]
}

@test "docker, default runtime: the bridge: an address, a route, the other container" {
	detached box:1 sh -c 'while :; do echo from the other | nc -l -p 80; done'
	local server
	server=$(address)
	[[ $server == 10.88.78.* ]]
	NAME=$NAME-client
	run box box:1 sh -c "ip -4 addr show eth0; ip route; until nc -w 2 $server 80 </dev/null; do sleep 0.1; done"
	ended 0
	said "inet 10.88.78."
	said "default via 10.88.78.1"
	said "from the other"
}

@test "docker, default runtime: a published port" {
	detached -p 8080:80 box:1 sh -c 'while :; do echo published | nc -l -p 80; done'
	eventually 10 fetched
}

fetched() { [ "$(nsenter --net="$D/net" busybox nc -w 2 127.0.0.1 8080 </dev/null)" = published ]; }

@test "docker, default runtime: a network of the user's, where containers have names" {
	docker_ network create "$NAME" >/dev/null
	docker_ run -d --name server --network "$NAME" box:1 sh -c 'while :; do echo by name | nc -l -p 80; done' >/dev/null
	run box --network "$NAME" box:1 sh -c 'until nc -w 2 server 80 </dev/null; do sleep 0.1; done'
	remove_containers
	docker_ network rm "$NAME" >/dev/null
	shows "by name"
}

@test "docker, default runtime: a network that is connected while the container runs" {
	docker_ network create "$NAME" >/dev/null
	detached box:1 sleep 100
	docker_ network connect "$NAME" "$NAME"
	run docker_ exec "$NAME" ls /sys/class/net
	docker_ network disconnect "$NAME" "$NAME"
	docker_ network rm "$NAME" >/dev/null
	ended 0
	said eth1
}

@test "docker, default runtime: --network host" {
	run box --network host box:1 readlink /proc/self/ns/net
	shows "$(nsenter --net="$D/net" readlink /proc/self/ns/net)"
}

@test "docker, default runtime: a sysctl of the network's, set before the container is there" {
	run box --sysctl net.ipv4.conf.all.log_martians=1 box:1 cat /proc/sys/net/ipv4/conf/all/log_martians
	shows 1
}

@test "docker, default runtime: a health check that fails" {
	detached --health-cmd 'test -e /tmp/healthy' --health-interval 1s --health-retries 1 box:1 sleep 100
	eventually 20 inspects '{{.State.Health.Status}}' unhealthy
	docker_ exec "$NAME" touch /tmp/healthy
	eventually 20 inspects '{{.State.Health.Status}}' healthy
}

@test "docker, default runtime: attach, and cp out of and into a container that runs" {
	detached -i box:1 sh -c 'read line; echo "read $line"; exec sleep 100'
	# To the client the end of its input is the end of all, so that is put off.
	(echo typed; sleep 5) | docker_ attach "$NAME" >"$D/attached" 2>&1 3>&- &
	eventually 10 grep -q "read typed" "$D/attached"
	docker_ cp "$NAME:/etc/group" "$D/copied"
	cmp "$D/copied" "$D/rootfs/etc/group"
	docker_ cp "$D/attached" "$NAME:/root/attached"
	run docker_ exec "$NAME" cat /root/attached
	shows "read typed"
}

@test "docker, default runtime: build, whose RUN steps are containers" {
	mkdir "$D/build"
	printf '%s\n' 'FROM box:1' 'RUN id -u >/made && echo built >>/made' 'USER joe' 'RUN id -un >/tmp/made' >"$D/build/Dockerfile"
	DOCKER_BUILDKIT=0 docker_ build -q -t "$NAME" "$D/build" >/dev/null
	run box "$NAME" cat /made /tmp/made
	shows "0
built
joe"
	printf '%s\n' 'FROM box:1' 'RUN exit 7' >"$D/build/Dockerfile"
	run env DOCKER_BUILDKIT=0 docker -H "unix://$D/d.sock" build "$D/build"
	[ "$status" -ne 0 ]
	said "returned a non-zero code: 7"
}

@test "docker, default runtime: compose: up, exec, scale, stop, down" {
	mkdir "$D/project"
	cat >"$D/project/docker-compose.yml" <<-'EOF'
		version: "2.4"
		services:
		  server:
		    image: box:1
		    command: sh -c 'while :; do echo from the server | nc -l -p 80; done'
		    mem_limit: 64m
		    read_only: true
		    tmpfs: /tmp
		    healthcheck: {test: "true", interval: 1s}
		  client:
		    image: box:1
		    command: sh -c 'until nc -w 2 server 80 </dev/null >/tmp/got; do sleep 0.1; done; cat /tmp/got; exec sleep 100'
		    depends_on: {server: {condition: service_healthy}}
	EOF
	compose up -d
	eventually 20 client_has_it
	run compose exec -T server sh -c 'touch /x; exit 5'
	ended 5
	said "Read-only file system"
	compose up -d --scale client=3
	[ "$(docker_ ps -q | wc -l)" -eq 4 ]
	compose pause
	compose unpause
	compose stop -t 1
	[ -z "$(docker_ ps -q)" ]
	compose down
	[ -z "$(docker_ ps -aq)" ]
}

compose() { timeout 60 env DOCKER_HOST="unix://$D/d.sock" docker-compose --project-directory "$D/project" -f "$D/project/docker-compose.yml" -p "$TAG" "$@" 2>&1; }
client_has_it() { compose logs client | grep -q "from the server"; }

@test "docker, default runtime: dockerd killed with -9: the containers run on, and are found again" {
	detached box:1 sh -c 'trap "echo asked; exit 6" TERM; while :; do echo tick; sleep 0.1; done'
	local pid
	pid=$(inspect '{{.State.Pid}}')
	crash_daemon
	[ -d "/proc/$pid" ]
	start_daemon
	inspects '{{.State.Pid}} {{.State.Status}}' "$pid running"
	run docker_ exec "$NAME" echo still here
	shows "still here"
	docker_ stop -t 20 "$NAME"
	inspects '{{.State.ExitCode}}' 6
	logged asked
	NAME=$NAME-next
	run box box:1 echo a further one
	shows "a further one"
}

@test "docker, default runtime: a container that ended while dockerd was dead has its exit code" {
	detached box:1 sh -c 'until [ -e /tmp/go ]; do sleep 0.05; done; exit 8'
	local pid
	pid=$(inspect '{{.State.Pid}}')
	crash_daemon
	touch "/proc/$pid/root/tmp/go"
	eventually 10 gone "$pid"
	start_daemon
	eventually 10 inspects '{{.State.Status}} {{.State.ExitCode}}' "exited 8"
}
