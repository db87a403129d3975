#!/usr/bin/env bats
# linux.netDevices. The network namespace of the host is left alone: rung, and
# what it has for the host's, is in one that is made for the test.

load helpers

setup() {
	setup_test
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER: is too old"
	needs_program ip unshare nsenter
	in_background unshare --net sleep 1000
	HOST=$background
	poll other_net "$HOST"
	REAL=$RUNG
	printf '#!/bin/sh\nexec nsenter --net=/proc/%s/ns/net %q "$@"\n' "$HOST" "$REAL" >"$WORK/rung"
	chmod +x "$WORK/rung"
	export RUNG=$WORK/rung
	on_host ip link add a0 type veth peer name a1 || skip "this kernel has no veth"
	new_namespace network
}

# other_net PID: the process is in a network namespace of its own.
other_net() { [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]; }

on_host() { nsenter --net="/proc/$HOST/ns/net" "$@"; }

# inside COMMAND...: in the container's network namespace.
inside() { nsenter --net="/proc/$(pid)/ns/net" "$@"; }

# devices JSON: sets linux.netDevices.
devices() { config '.linux.netDevices = ($j | fromjson)' --arg j "$1"; }

# namespace_to_join: makes one, and has the container join it. Its process is
# OTHER.
namespace_to_join() {
	in_background unshare --net sleep 1000
	OTHER=$background
	poll other_net "$OTHER"
	config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/proc/$OTHER/ns/net"
}

@test "netdev: a device is moved, with its addresses and other attributes, and is up" {
	on_host ip link set a0 mtu 1402 address 02:00:00:00:00:07
	on_host ip addr add 192.0.2.7/24 dev a0
	on_host ip -6 addr add 2001:db8::7/64 nodad dev a0
	on_host ip addr add 169.254.1.1/16 scope link dev a0
	on_host ip link set a0 up
	devices '{"a0": {}}'
	program ip addr show dev a0
	run_ct
	prints "UP" "mtu 1402" "02:00:00:00:00:07" "inet 192.0.2.7/24 scope global a0" "inet6 2001:db8::7/64 scope global"
	lacks "$out" 169.254.1.1
}

@test "netdev: renamed devices, one of them by a pattern" {
	on_host ip link add b0 type veth peer name b1
	devices '{"a0": {"name": "eth0"}, "b0": {"name": "eth%d"}}'
	running
	equal "eth0 eth1 lo" "$(inside ip -o link | awk -F'[ :@]+' '{ print $2 }' | sort | paste -sd' ')"
	equal "a1 b1 lo" "$(on_host ip -o link | awk -F'[ :@]+' '{ print $2 }' | sort | paste -sd' ')"
	delete --force
}

@test "netdev: sysctls and hooks find the device" {
	devices '{"a0": {"name": "eth0"}}'
	config '.linux.sysctl = {"net.ipv4.conf.eth0.forwarding": "1"} |
		.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "pid=$(grep -o \"\\\"pid\\\":[0-9]*\" | cut -d: -f2); nsenter --net=/proc/$pid/ns/net ip -o link show eth0 >$0", $f], env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]' \
		--arg f "$WORK/seen"
	program cat /proc/sys/net/ipv4/conf/eth0/forwarding
	run_ct
	equal 1 "$out"
	contains "$(<"$WORK/seen")" eth0
}

@test "netdev: in a user namespace" {
	config '.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	new_namespace user
	chmod 755 "$WORK" "$BUNDLE"
	on_host ip addr add 192.0.2.7/24 dev a0
	devices '{"a0": {"name": "eth0"}}'
	program ip addr show dev eth0
	run_ct
	prints "inet 192.0.2.7/24 scope global eth0"
}

@test "netdev: a namespace that is joined keeps the device, its own takes it along" {
	namespace_to_join
	devices '{"a0": {"name": "eth0"}}'
	run_ct
	nsenter --net="/proc/$OTHER/ns/net" ip link set eth0 netns "$HOST" name a0
	on_host ip link show a0
	new_namespace network
	devices '{"a0": {}}'
	running
	delete --force
	# A pair of virtual devices goes together; the kernel does it when it comes to it.
	pair_is_gone() { ! on_host ip link show a1 2>/dev/null; }
	poll pair_is_gone
}

@test "netdev: a create that fails returns the device" {
	on_host ip addr add 192.0.2.7/24 dev a0
	on_host ip link set a0 up
	devices '{"a0": {"name": "eth0"}, "a1": {}}'
	program /no/such/program
	create_fails
	contains "$(on_host ip addr show dev a0)" "inet 192.0.2.7/24 scope global a0" UP
	lacks "$(on_host ip link show dev a1)" ,UP
	# The same with one that cannot be moved, after others that were.
	program /bin/true
	devices '{"a0": {}, "zz": {}}'
	create_fails
	says linux.netDevices.zz "there is no such device"
	contains "$(on_host ip addr show dev a0)" "inet 192.0.2.7/24 scope global a0"
	# And in a namespace that is joined.
	namespace_to_join
	create_fails
	contains "$(on_host ip addr show dev a0)" "inet 192.0.2.7/24 scope global a0"
}

@test "netdev: a create that fails returns the device itself, not one that took its name meanwhile" {
	on_host ip addr add 192.0.2.7/24 dev a0
	on_host ip link set a0 address 02:00:00:00:00:07
	namespace_to_join
	devices '{"a0": {"name": "eth0"}}'
	# Another container's root, in the namespace that both have joined.
	cat >"$WORK/other" <<-EOF
		#!/bin/sh -e
		exec nsenter --net=/proc/$OTHER/ns/net sh -ec '
			ip link set eth0 down
			ip link set eth0 name kept
			ip link add eth0 type veth peer name eth1
			ip addr add 203.0.113.7/24 dev eth0'
	EOF
	chmod +x "$WORK/other"
	config '.hooks.createRuntime = [{path: $p, env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]' --arg p "$WORK/other"
	program /no/such/program
	create_fails
	contains "$(on_host ip addr show dev a0)" 02:00:00:00:00:07 "inet 192.0.2.7/24 scope global a0"
	lacks "$(on_host ip addr)" 203.0.113.7
	contains "$(nsenter --net="/proc/$OTHER/ns/net" ip addr show dev eth0)" 203.0.113.7
}

@test "netdev: what cannot be is an error that names the field" {
	devices '{"lo": {"name": "lo1"}}'
	create_fails
	says linux.netDevices.lo "cannot leave"
	namespace_to_join
	nsenter --net="/proc/$OTHER/ns/net" ip link add eth0 type veth peer name eth1
	devices '{"a0": {"name": "eth0"}}'
	create_fails
	says linux.netDevices.a0 "exists there already"
	on_host ip link show a0
	config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/proc/$HOST/ns/net"
	create_fails
	says linux.netDevices "that of the host"
	config '.linux.namespaces |= map(select(.type != "network"))'
	create_fails
	says linux.netDevices "needs a network namespace"
}
