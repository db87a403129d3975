#!/usr/bin/env bats
# rung under Kubernetes: containerd's CRI plugin, told what a kubelet tells it. There is no kubelet: cri (see tools) says
# the same over the same socket.
#
# The scripts in single quotes are for the shell in the container; NAME, POD, CTR and CONFIG belong to the test that sets them.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers
load image
load cri

setup_file() {
	make_scratch cri
	prepare_cri containerd
}

teardown_file() { end_cri; }
setup() { prepare_test; }
teardown() { end_test; }

@test "cri: a pod on a bridge, with an address, and a container in it" {
	pod
	[ "$(cri inspectp "$POD" | jq -r .status.state)" = SANDBOX_READY ]
	local address
	address=$(cri inspectp "$POD" | jq -r .status.network.ip)
	[[ $address == 10.88.77.* ]]
	run outputs . sh -c 'hostname; ip -4 addr show eth0; ip addr show lo | grep -o 127.0.0.1'
	ended 0
	[ "${lines[0]}" = "$NAME" ]
	said "inet $address/24"
	said 127.0.0.1
}

@test "cri: two pods reach each other over the bridge" {
	pod
	container server . sh -c 'while :; do echo from the other pod | nc -l -p 80; done'
	local server
	server=$(cri inspectp "$POD" | jq -r .status.network.ip)
	NAME=$NAME-client
	pod
	run outputs . sh -c "until nc -w 2 $server 80 </dev/null; do sleep 0.1; done"
	shows "from the other pod"
}

@test "cri: a pod on the host's network" {
	# A kubelet gives no host name to such a pod: it has no uts namespace of its own.
	local host='.linux.security_context.namespace_options.network = "NODE"'
	pod "$host | del(.hostname)"
	run outputs "$host" readlink /proc/self/ns/net
	shows "$(nsenter --net="$D/net" readlink /proc/self/ns/net)"
}

@test "cri: a pod that shares pid and ipc with the host" {
	pod '.linux.security_context.namespace_options += {pid: "NODE", ipc: "NODE"}'
	run outputs '.linux.security_context.namespace_options += {pid: "NODE", ipc: "NODE"}' \
		sh -c 'readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc'
	shows "$(readlink /proc/self/ns/pid /proc/self/ns/ipc)"
}

@test "cri: the containers of a pod share network, ipc and host name, and not pids" {
	pod
	local namespaces='for kind in net ipc uts pid mnt; do readlink /proc/self/ns/$kind; done; exec sleep 100'
	container one . sh -c "$namespaces"
	eventually 10 container_logged mnt
	cri logs "$CTR" >"$D/one"
	container two . sh -c "$namespaces"
	eventually 10 container_logged mnt
	run diff "$D/one" <(cri logs "$CTR")
	[[ $output != *net* && $output != *ipc* && $output != *uts* ]]
	[ "$(grep -c '^[<>] pid' <<<"$output")" -eq 2 ]
	[ "$(grep -c '^[<>] mnt' <<<"$output")" -eq 2 ]
}

@test "cri: shareProcessNamespace: the containers of a pod see each other's processes" {
	pod '.linux.security_context.namespace_options.pid = "POD"'
	local shared='.linux.security_context.namespace_options.pid = "POD"'
	container one "$shared" sleep 777
	run outputs "$shared" sh -c 'tr "\0" " " </proc/1/cmdline; echo; ps -o args | grep "^sleep 777"'
	shows "/pause 
sleep 777"
}

@test "cri: an ephemeral container in another container's pid namespace" {
	pod
	container target . sleep 778
	local target=$CTR
	run outputs ".linux.security_context.namespace_options += {pid: \"TARGET\", target_id: \"$target\"}" \
		sh -c 'tr "\0" " " </proc/1/cmdline'
	ended 0
	said "sleep 778"
}

@test "cri: /dev/shm belongs to the pod" {
	pod
	container one . sh -c 'echo shared >/dev/shm/x; exec sleep 100'
	eventually 10 cri_quiet exec -s "$CTR" test -s /dev/shm/x
	run outputs . cat /dev/shm/x
	shows shared
}

@test "cri: exit codes, reasons, and the log with its streams" {
	pod
	container fails . sh -c 'echo out; echo err >&2; printf "no newline"; exit 3'
	eventually 10 has_ended
	[ "$(status_of .exitCode)" = 3 ]
	[ "$(status_of .reason)" = Error ]
	run cut -d' ' -f2- "$D/logs/$NAME/fails.log"
	[ "${#lines[@]}" -eq 3 ]
	said "stdout F out"
	said "stderr F err"
	said "stdout P no newline"
	container ends . true
	eventually 10 has_ended
	[ "$(status_of .reason)" = Completed ]
}

# logged SIZE: that many bytes are in the container's log.
logged() { [ "$(cri logs "$CTR" | wc -c)" -ge "$1" ]; }

@test "cri: a mebibyte in the log" {
	pod
	# It stays: containerd 1.6 closes the log of a container that ends before all is in it.
	container big . sh -c 'yes 0123456789abcde | head -c 1048576; exec sleep 1000'
	eventually 20 logged 1048576
	cri logs "$CTR" | cmp - <(yes 0123456789abcde | head -c 1048576)
}

@test "cri: what cannot be started is told, and is the container's reason" {
	pod
	run container nothing . /no/such/program
	[ "$status" -ne 0 ]
	said /no/such/program
	said "no such file or directory"
	created nothing2 . /no/such/program
	cri_quiet start "$CTR" || true
	[ "$(status_of .exitCode)" = 128 ]
	[ "$(status_of .reason)" = StartError ]
	[[ $(status_of .message) == *process.args* ]]
}

@test "cri: a container that is started again is a further one in the pod" {
	pod
	local attempt
	for attempt in 0 1 2; do
		container again ".metadata.attempt = $attempt | .log_path = \"again-$attempt.log\"" sh -c "echo attempt $attempt; exit 1"
		eventually 10 has_ended
	done
	[ "$(cri ps -a | jq '[.containers[] | select(.state == "CONTAINER_EXITED")] | length')" -eq 3 ]
	grep -q "attempt 2" "$D/logs/$NAME/again-2.log"
}

@test "cri: exec probes: ExecSync with output, exit code and time limit" {
	pod
	container probed . sleep 100
	run --separate-stderr cri exec -s "$CTR" sh -c 'echo out; echo err >&2; exit 5'
	ended 5
	[ "$output" = out ]
	# shellcheck disable=SC2154 # comes from --separate-stderr
	[ "$stderr" = err ]
	run cri exec -s -timeout 1 "$CTR" sleep 779
	[ "$status" -ne 0 ]
	said "timeout 1s exceeded"
	run processes_left
	[[ $output != *"sleep 779"* ]]
	run cri exec -s "$CTR" nosuch
	[ "$status" -ne 0 ]
	said "executable file not found"
}

@test "cri: forty probes, eight at a time, leave nothing in the container" {
	pod
	container probed . sleep 100
	seq 40 | xargs -P 8 -I '{}' bash -c 'test "$(cri exec -s "$CTR" echo "{}")" = "{}"' 3>&-
	[ "$(limit cgroup.procs pids cgroup.procs | wc -l)" -eq 1 ]
}

@test "cri: exec with streams, and its exit code" {
	pod
	container one . sleep 100
	run --separate-stderr cri exec "$CTR" sh -c 'echo out; echo err >&2; exit 3'
	ended 3
	[ "$output" = out ]
	[ "$stderr" = err ]
	run bash -c 'echo a line | cri exec -i "$CTR" head -n 1'
	shows "a line"
}

@test "cri: exec with a terminal" {
	pod
	container one . sleep 100
	run bash -c 'echo "echo \$((6 * 7)); tty; exit 4" | cri exec -i -t "$CTR" sh'
	ended 4
	said 42
	said /dev/pts/0
}

@test "cri: a container with a terminal, attached to" {
	pod
	container one '.tty = true | .stdin = true' sh -c 'read line; echo "read $line"; tty; exec sleep 100'
	timeout 20 bash -c 'echo something | cri attach -i -t "$CTR"' >"$D/attached" 2>&1 3>&- &
	local attached=$!
	eventually 10 grep -q /dev/pts/0 "$D/attached"
	grep -q "read something" "$D/attached"
	cri stop "$CTR"
	eventually 10 gone "$attached"
}

@test "cri: stop asks, waits, and kills" {
	pod
	container listens . sh -c 'trap "echo asked; exit 6" TERM; echo ready; while :; do sleep 0.05; done'
	eventually 10 container_logged ready
	cri stop -timeout 20 "$CTR"
	status_is .exitCode 6
	container_logged asked
	container deaf . sleep 100
	cri stop -timeout 1 "$CTR"
	status_is .exitCode 137
	container killed . sleep 100
	cri stop -timeout 0 "$CTR"
	status_is .exitCode 137
}

@test "cri: rm of a container that runs" {
	pod
	container one . sh -c 'sleep 111 & sleep 112 & wait'
	cri rm "$CTR"
	[ -z "$(cri ps -a -q)" ]
	run processes_left
	[[ $output != *"sleep 11"* ]]
}

@test "cri: limits, their update while it runs, and stats" {
	pod
	container limited '.linux.resources = {memory_limit_in_bytes: 67108864, cpu_period: 100000, cpu_quota: 50000, cpu_shares: 512}' sleep 100
	[ "$(limit memory.max memory memory.limit_in_bytes)" = 67108864 ]
	[[ $(limit cpu.max cpu cpu.cfs_quota_us) == 50000* ]]
	cri update -memory 100663296 -cpu-quota 25000 "$CTR"
	[ "$(limit memory.max memory memory.limit_in_bytes)" = 100663296 ]
	[[ $(limit cpu.max cpu cpu.cfs_quota_us) == 25000* ]]
	[[ $(limit cpu.weight cpu cpu.shares) =~ ^(512|59)$ ]]
	eventually 20 used_memory
	[ "$(cri stats "$CTR" | jq -r '.stats.cpu.usageCoreNanoSeconds.value | tonumber > 0')" = true ]
}

used_memory() { [ "$(cri stats "$CTR" | jq -r '.stats.memory.workingSetBytes.value | tonumber > 0')" = true ]; }

@test "cri: a container that runs out of memory is OOMKilled" {
	pod
	container greedy '.linux.resources.memory_limit_in_bytes = 16777216' \
		sh -c 'sleep 0.3; dd if=/dev/zero of=/dev/null bs=64M count=1; exit $?'
	eventually 20 has_ended
	status_is .exitCode 137
	eventually 10 status_is .reason OOMKilled
}

@test "cri: a limit of processes" {
	pod
	run outputs '.linux.resources.unified = {"pids.max": "8"}' sh -c 'for i in $(seq 20); do sleep 1 & done'
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		said "can't fork"
	else
		# CRI has no other field for it, and this one is for cgroup v2.
		[ "$status" -ne 0 ]
		said linux.resources.unified
	fi
}

@test "cri: mounts: to write, only to read, and propagated from the host" {
	mkdir -p "$D/volume" "$D/outer"
	echo from the host >"$D/volume/file"
	mount -t tmpfs tmpfs "$D/outer"
	mount --make-shared "$D/outer"
	mkdir "$D/outer/inner"
	pod
	container mounts ".mounts = [
		{container_path: \"/rw\", host_path: \"$D/volume\"},
		{container_path: \"/ro\", host_path: \"$D/volume\", readonly: true},
		{container_path: \"/outer\", host_path: \"$D/outer\", propagation: \"PROPAGATION_HOST_TO_CONTAINER\"}]" \
		sh -c 'cat /ro/file; echo more >>/rw/file; echo no >/ro/file; until [ -e /outer/inner/sign ]; do sleep 0.05; done; echo seen'
	eventually 10 grep -q more "$D/volume/file"
	mount -t tmpfs tmpfs "$D/outer/inner"
	touch "$D/outer/inner/sign"
	eventually 10 has_ended
	cri rm "$CTR"
	umount "$D/outer/inner" "$D/outer"
	run cut -d' ' -f4- "$D/logs/$NAME/mounts.log"
	said "from the host"
	said "Read-only file system"
	said seen
}

@test "cri: a read-only root, and a user with groups" {
	pod
	run outputs '.linux.security_context += {readonly_rootfs: true, run_as_user: {value: 1000}, run_as_group: {value: 10}, supplemental_groups: [77]}' \
		sh -c 'exec 2>&1; id -u; id -g; id -G; touch /tmp/x'
	ended 1
	[ "${lines[0]} ${lines[1]}" = "1000 10" ]
	[[ " ${lines[2]} " == *" 77 "* ]]
	said "Read-only file system"
	run outputs '.linux.security_context.run_as_username = "joe"' id -un
	shows joe
}

@test "cri: capabilities, no new privileges" {
	pod
	run outputs '.linux.security_context += {capabilities: {drop_capabilities: ["ALL"], add_capabilities: ["NET_BIND_SERVICE"]}, no_new_privs: true}' \
		sed -n 's/^CapEff:\t//p; s/^CapBnd:\t//p; s/^NoNewPrivs:\t//p' /proc/self/status
	shows "0000000000000400
0000000000000400
1"
	# The default AppArmor profile, where the host has that, forbids it.
	run outputs '.linux.security_context += {capabilities: {add_capabilities: ["SYS_ADMIN"]}, apparmor: {profile_type: "Unconfined"}}' sh -c 'mount -t tmpfs tmpfs /tmp && echo mounted'
	shows mounted
}

@test "cri: the default seccomp profile, and none" {
	pod
	run outputs '.linux.security_context.seccomp.profile_type = "RuntimeDefault"' \
		sh -c 'grep ^Seccomp: /proc/self/status; unshare -m true'
	[ "$status" -ne 0 ]
	said "$(printf 'Seccomp:\t2')"
	said "Operation not permitted"
	run outputs '.linux.security_context.seccomp.profile_type = "Unconfined"' grep ^Seccomp: /proc/self/status
	shows "$(printf 'Seccomp:\t0')"
}

@test "cri: a seccomp profile of the node's" {
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100}]}' >"$D/profile.json"
	pod
	run outputs ".linux.security_context.seccomp = {profile_type: \"Localhost\", localhost_ref: \"localhost/$D/profile.json\"}" mkdir /tmp/x
	[ "$status" -ne 0 ]
	said "Network is down"
}

@test "cri: masked and read-only paths" {
	pod
	run outputs '.linux.security_context += {masked_paths: ["/proc/timer_list", "/sys/firmware"], readonly_paths: ["/proc/sys"]}' \
		sh -c 'exec 2>&1; wc -c </proc/timer_list; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/panic'
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 0 ]
	said "Read-only file system"
}

@test "cri: a privileged container, in a pod that may have one" {
	pod '.linux.security_context.privileged = true'
	run outputs '.linux.security_context.privileged = true' \
		sh -c 'mount -t tmpfs tmpfs /tmp && test -e /dev/kmsg && test -w /sys/kernel && echo all'
	shows all
}

@test "cri: a device, and a pod's sysctls" {
	pod '.linux.sysctls = {"net.ipv4.ip_unprivileged_port_start": "81"}'
	run outputs '.devices = [{container_path: "/dev/log", host_path: "/dev/kmsg", permissions: "r"}]
		| .linux.security_context.capabilities.add_capabilities = ["SYSLOG"]' \
		sh -c 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start; : </dev/log && echo opened; : >/dev/log'
	[ "$status" -ne 0 ]
	said 81
	said opened
	said "not permitted"
}

@test "cri: a pod's DNS, and environment and folder of a container" {
	pod '.dns_config = {servers: ["192.0.2.1"], searches: ["pods.example"]}'
	run outputs '.envs = [{key: "COLOUR", value: "blue"}] | .working_dir = "/tmp"' sh -c 'cat /etc/resolv.conf; echo $COLOUR; pwd'
	ended 0
	said "nameserver 192.0.2.1"
	said "search pods.example"
	said "blue
/tmp"
}

@test "cri: a runtime class of another name" {
	printf '#!/bin/sh\necho called >>%s\nexec %s "$@"\n' "$D/other.calls" "$RUNG" >"$D/other"
	chmod 755 "$D/other"
	pod . -runtime other
	run outputs . echo hello
	shows hello
	[ "$(wc -l <"$D/other.calls")" -ge 4 ]
	NAME=$NAME-none
	run pod . -runtime nosuch
	[ "$status" -ne 0 ]
	said nosuch
}

@test "cri: a pod that is stopped ends its containers" {
	pod
	container one . sleep 100
	cri stopp "$POD"
	[ "$(cri inspectp "$POD" | jq -r .status.state)" = SANDBOX_NOTREADY ]
	status_is .state CONTAINER_EXITED
	cri stopp "$POD"
	cri rmp "$POD"
	[ -z "$(cri pods -q)" ]
}

@test "cri: twenty containers at once" {
	pod
	local i
	seq 20 | xargs -P 20 -I '{}' bash -c 'one_of_many {}' 3>&-
	for i in $(seq 20); do
		CTR=$(<"$D/many-$i")
		eventually 20 has_ended
		status_is .exitCode "$i"
	done
}

# one_of_many N: makes and starts one that ends with exit code N.
one_of_many() {
	jq -n --arg name "many$1" --arg code "$1" '{metadata: {name: $name}, image: {image: "docker.io/library/box:1"}, linux: {},
		command: ["sh", "-c", "sleep 0.2; exit \($code)"]}' >"$D/many-$1.json"
	cri create "$POD" "$D/many-$1.json" "$CONFIG" >"$D/many-$1"
	cri start "$(<"$D/many-$1")"
}
export -f one_of_many

@test "cri: containerd killed with -9: the containers run on, and are found again" {
	pod
	container one . sh -c 'trap "echo asked; exit 6" TERM; while :; do echo tick; sleep 0.05; done'
	local pid ticks
	pid=$(task_pid)
	crash_daemon
	ticks=$(wc -l <"$D/logs/$NAME/one.log")
	[ -d "/proc/$pid" ]
	start_cri containerd
	status_is .state CONTAINER_RUNNING
	[ "$(task_pid)" = "$pid" ]
	eventually 10 log_has_more_than "$ticks"
	run cri exec -s "$CTR" echo still here
	shows "still here"
	cri stop -timeout 10 "$CTR"
	status_is .exitCode 6
	run outputs . echo a further one
	shows "a further one"
}

log_has_more_than() { [ "$(wc -l <"$D/logs/$NAME/one.log")" -gt "$1" ]; }
