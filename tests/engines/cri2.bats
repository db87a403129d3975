#!/usr/bin/env bats
# rung under Kubernetes with containerd 2, which Debian 12 lacks: what its CRI plugin can do that 1.6 cannot, first of all the user
# namespaces of pods. It is built from its Go module. cri.bats has what both can do.
#
# The scripts in single quotes are for the shell in the container; NAME, POD, CTR and CONFIG belong to the test that sets them.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers
load image
load cri

setup_file() {
	make_scratch cri2
	build_containerd2
	# Where containerd finds its shim.
	export PATH=$D/bin:$PATH
	prepare_cri "$D/bin/containerd"
}

teardown_file() { end_cri; }
setup() { prepare_test; }
teardown() { end_test; }

# A pod whose root is the host's user 100000, as a kubelet asks for with hostUsers: false. Its containers say it again.
mapping='[{host_id: 100000, container_id: 0, length: 65536}]'
userns=".linux.security_context.namespace_options.userns_options = {mode: \"POD\", uids: $mapping, gids: $mapping}"

@test "cri2: what rung can do is known: user namespaces and recursive read-only mounts" {
	[[ $(cri version | jq -r .runtimeVersion) == *2.* ]]
	run jq -c '.runtimeHandlers[] | select(.name == "rung").features' <<<"$(cri info)"
	ended 0
	said '"userNamespaces":true'
	said '"recursiveReadOnlyMounts":true'
}

@test "cri2: a pod on a bridge, exit codes, log, and probes" {
	pod
	run outputs . sh -c 'hostname; ip -4 addr show eth0; exit 3'
	ended 3
	said "$NAME"
	said "inet $(cri inspectp "$POD" | jq -r .status.network.ip)/24"
	container probed . sleep 100
	run cri exec -s "$CTR" sh -c 'echo probed; exit 4'
	ended 4
	said probed
	cri stop -timeout 1 "$CTR"
	status_is .exitCode 137
}

@test "cri2: a pod's user namespace: root is nobody on the host" {
	pod "$userns"
	container mapped "$userns" sh -c 'cat /proc/self/uid_map /proc/self/gid_map; touch /made; stat -c %u:%g /made /proc/1; exec sleep 700'
	eventually 10 container_logged 0:0
	run cri logs "$CTR"
	[[ $output =~ ^\ *0\ +100000\ +65536$'\n'\ *0\ +100000\ +65536$'\n'0:0 ]]
	[ "$(stat -c %u:%g "/proc/$(task_pid)")" = 100000:100000 ]
	[ "$(stat -c %u:%g "/proc/$(task_pid)/root/made")" = 100000:100000 ]
	# So is the pod's own process, and both are in the same namespace.
	[ "$(readlink "/proc/$(task_pid "$POD")/ns/user")" = "$(readlink "/proc/$(task_pid)/ns/user")" ]
	[ "$(readlink "/proc/$(task_pid)/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}

@test "cri2: root of a pod's user namespace rules its own network and nothing of the host" {
	pod "$userns"
	run outputs "$userns | .linux.security_context.capabilities.add_capabilities = [\"SYS_ADMIN\", \"NET_ADMIN\"]" \
		sh -c 'mount -t tmpfs tmpfs /tmp && echo mounted; ip link set lo down && echo down; hostname other && hostname; echo 1 >/proc/sys/kernel/panic'
	[ "$status" -ne 0 ]
	said mounted
	said down
	said other
	[[ $output == *"Read-only file system"* || $output == *"ermission denied"* ]]
}

@test "cri2: a volume in a user namespace is id-mapped: its files keep their owners" {
	mkdir "$D/volume"
	touch "$D/volume/root"
	install -o 1000 -g 10 /dev/null "$D/volume/joe"
	pod "$userns"
	run outputs "$userns | .mounts = [{container_path: \"/volume\", host_path: \"$D/volume\", uidMappings: $mapping, gidMappings: $mapping}]" \
		sh -c 'stat -c %u:%g /volume/root /volume/joe; touch /volume/new; chown joe /volume/new; mount | grep " /volume " | grep -o idmapped'
	shows "0:0
1000:10
idmapped"
	[ "$(stat -c %u:%g "$D/volume/new")" = 1000:0 ]
}

@test "cri2: a user, and exec, in a pod's user namespace" {
	pod "$userns"
	container user "$userns | .linux.security_context += {run_as_user: {value: 1000}, run_as_group: {value: 10}, no_new_privs: true}" sleep 701
	[ "$(stat -c %u:%g "/proc/$(task_pid)")" = 101000:100010 ]
	run cri exec -s "$CTR" sh -c 'id -u; id -g'
	shows "1000
10"
	run bash -c 'echo "id -u; tty; exit 4" | cri exec -i -t "$CTR" sh'
	ended 4
	said 1000
	said /dev/pts/
}

@test "cri2: containers of a user namespace's pod share processes" {
	local shared="$userns | .linux.security_context.namespace_options.pid = \"POD\""
	pod "$shared"
	container one "$shared" sleep 702
	run outputs "$shared" sh -c 'ps -o args | grep -c "^sleep 702"; kill -9 $(pidof sleep)'
	shows 1
	eventually 10 all_ended
}

all_ended() { [ -z "$(cri ps -q)" ]; }

@test "cri2: limits, update, and an OOM kill in a pod's user namespace" {
	pod "$userns"
	container greedy "$userns | .linux.resources.memory_limit_in_bytes = 33554432" \
		sh -c 'until [ -e /tmp/go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=64M count=1; exit $?'
	cri update -memory 16777216 "$CTR"
	[ "$(limit memory.max memory memory.limit_in_bytes)" = 16777216 ]
	cri exec -s "$CTR" touch /tmp/go
	eventually 20 has_ended
	status_is .exitCode 137
	eventually 10 status_is .reason OOMKilled
}

@test "cri2: a recursively read-only volume" {
	mkdir -p "$D/rro"
	mount -t tmpfs tmpfs "$D/rro"
	mkdir "$D/rro/inner"
	mount -t tmpfs tmpfs "$D/rro/inner"
	pod
	local volume="container_path: \"/v\", host_path: \"$D/rro\", readonly: true, propagation: \"PROPAGATION_PRIVATE\""
	run outputs ".mounts = [{$volume}]" sh -c 'touch /v/inner/x && echo written'
	local plain=$output
	run outputs ".mounts = [{$volume, recursive_read_only: true}]" touch /v/inner/x
	umount "$D/rro/inner" "$D/rro"
	[ "$plain" = written ]
	ended 1
	said "Read-only file system"
}

@test "cri2: containerd killed with -9: a pod with a user namespace runs on, and is found again" {
	pod "$userns"
	container one "$userns" sh -c 'trap "exit 6" TERM; while :; do sleep 0.05; done'
	local pid
	pid=$(task_pid)
	crash_daemon
	[ -d "/proc/$pid" ]
	start_cri "$D/bin/containerd"
	status_is .state CONTAINER_RUNNING
	[ "$(task_pid)" = "$pid" ]
	run cri exec -s "$CTR" echo still here
	shows "still here"
	cri stop -timeout 10 "$CTR"
	status_is .exitCode 6
}
