#!/usr/bin/env bats
# .linux.sysctl: only what belongs to a namespace that the container has.

load helpers

# sysctl NAME VALUE: sets one in config.json, and no other.
sysctl() { config '.linux.sysctl = {($n): $v}' --arg n "$1" --arg v "$2"; }

@test "sysctl: one of the network namespace" {
	new_namespace network
	local host
	host=$(</proc/sys/net/ipv4/ip_forward)
	sysctl net.ipv4.ip_forward $((1 - host))
	program cat /proc/sys/net/ipv4/ip_forward
	run_ct
	equal $((1 - host)) "$out"
	equal "$host" "$(</proc/sys/net/ipv4/ip_forward)"
}

@test "sysctl: several at once, written with dots or slashes" {
	new_namespace network
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1", "net/ipv4/ping_group_range": "1 2", "kernel.shmmax": "123456", "fs.mqueue.msg_max": "17"}'
	program cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/shmmax /proc/sys/fs/mqueue/msg_max
	run_ct
	equal "1
1	2
123456
17" "$out"
}

@test "sysctl: each of the ipc namespace" {
	local name
	for name in kernel.msgmax kernel.msgmnb kernel.msgmni kernel.shmall kernel.shmmax kernel.shmmni kernel.shm_rmid_forced; do
		sysctl $name 1
		program cat "/proc/sys/${name//.//}"
		run_ct
		equal 1 "$out"
	done
	sysctl kernel.sem "250 32000 32 127"
	program cat /proc/sys/kernel/sem
	run_ct
	equal "250 32000 32 127" "$(tr '\t' ' ' <<<"$out")"
}

@test "sysctl: kernel.domainname in an uts namespace" {
	needs_root "the kernel lets only the host's root set it"
	sysctl kernel.domainname example.test
	program cat /proc/sys/kernel/domainname
	run_ct
	equal example.test "$out"
}

@test "sysctl: an interface's name with a dot in it, as in slash notation" {
	new_namespace network
	sysctl net/ipv4/conf/lo/forwarding 1
	program cat /proc/sys/net/ipv4/conf/lo/forwarding
	run_ct
	equal 1 "$out"
}

@test "sysctl: those of the whole machine are refused and named" {
	local name host
	for name in kernel.pid_max vm.swappiness kernel.panic fs.file-max; do
		host=$(<"/proc/sys/${name//.//}")
		sysctl $name $((host + 1))
		create_fails
		says linux.sysctl $name
		equal "$host" "$(<"/proc/sys/${name//.//}")"
	done
}

@test "sysctl: net. is refused in the host's network namespace" {
	local host
	host=$(</proc/sys/net/ipv4/ip_forward)
	config '.linux.namespaces |= map(select(.type != "network")) | .mounts |= map(select(.type != "sysfs" and .type != "cgroup"))'
	sysctl net.ipv4.ip_forward $((1 - host))
	create_fails
	says linux.sysctl net.ipv4.ip_forward network
	equal "$host" "$(</proc/sys/net/ipv4/ip_forward)"
}

@test "sysctl: net. is refused if the network namespace is joined by the path of the host's" {
	local host
	host=$(</proc/sys/net/ipv4/ip_forward)
	config '(.linux.namespaces[] | select(.type == "network")).path = $p |
		.mounts |= map(select(.type != "sysfs" and .type != "cgroup"))' --arg p "/proc/$$/ns/net"
	sysctl net.ipv4.ip_forward $((1 - host))
	create_fails
	says linux.sysctl net.ipv4.ip_forward
	equal "$host" "$(</proc/sys/net/ipv4/ip_forward)"
}

@test "sysctl: those of ipc are refused in the host's ipc namespace" {
	config '.linux.namespaces |= map(select(.type != "ipc"))'
	sysctl kernel.shmmni 4096
	create_fails
	says linux.sysctl kernel.shmmni ipc
	sysctl fs.mqueue.msg_max 10
	create_fails
	says linux.sysctl fs.mqueue.msg_max ipc
}

@test "sysctl: those of uts are refused in the host's uts namespace" {
	config '.linux.namespaces |= map(select(.type != "uts")) | del(.hostname)'
	sysctl kernel.domainname example.test
	create_fails
	says linux.sysctl kernel.domainname uts
}

@test "sysctl: kernel.hostname is refused in favour of hostname" {
	sysctl kernel.hostname elsewhere
	create_fails
	says linux.sysctl kernel.hostname
}

@test "sysctl: one that does not exist is an error that names it" {
	sysctl net.ipv4.no_such_thing 1
	create_fails
	says linux.sysctl net.ipv4.no_such_thing
}

@test "sysctl: a value that the kernel does not take is an error that names it" {
	sysctl net.ipv4.ip_forward plenty
	create_fails
	says linux.sysctl net.ipv4.ip_forward
}

@test "sysctl: dots do not lead out of /proc/sys" {
	local name
	for name in net/../kernel/panic net.ipv4/../../../sysrq-trigger net/../../1/oom_score_adj; do
		sysctl $name 1
		create_fails
		says linux.sysctl
	done
}
