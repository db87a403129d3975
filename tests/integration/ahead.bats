#!/usr/bin/env bats
# The two ways in which a process becomes the user's program: as a list of system calls, or, where that will not do, with a
# rung in it. With --pidfd-socket it is the latter. The debug log tells.

# shellcheck disable=SC2030,SC2031 # each test has a CT of its own

load helpers

# rung_inside: whether the process of the last command, with --debug, had a rung in it.
rung_inside() { grep -q 'inside: session' "$err_file"; }

# What a program finds out about itself, and about where it is.
PROBE='
	grep -vE "^(Pid|PPid|Tgid|Ngid|NSpid|NStgid|NSpgid|NSsid|Vm|Rss|Hugetlb|.*ctxt_switches|State|SigQ)" /proc/self/status
	cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup /proc/self/timerslack_ns
	set -- $(cat /proc/$$/stat); echo "leads its session: $(($6 == $$)), its group: $(($5 == $$)), nice ${19}, policy ${41}"
	echo /proc/self/fd/*
	umask; pwd; id; env; uname -m; hostname
	testhelper sched; testhelper ioprio
	sed -E "s/^[0-9]+ [0-9]+ [0-9]+:[0-9]+/mount/; s/(master|shared|propagate_from):[0-9]+/\\1/g" /proc/self/mountinfo
	ls -lR /dev | sed "s/ [A-Z][a-z][a-z] .*[0-9] / /"; readlink /proc/1/exe
	[ ! -r /proc/keys ] || grep -c _ses /proc/keys; true'

# both_ways NS COMMAND ARG...: runs the program both ways; NS says whether the namespaces are to be the same.
both_ways() {
	local namespaces=$1 without
	shift
	local script=$PROBE
	[[ $namespaces == other ]] || script+='; for ns in /proc/self/ns/*; do readlink $ns; done'
	if [[ $1 == run ]]; then
		program /bin/sh -c "$script"
		set -- "$@" --bundle "$BUNDLE" "$CT"
	else
		set -- "$@" "$CT" /bin/sh -c "$script"
	fi
	rung --debug "$@"
	! rung_inside || fail "there was a rung in the process"
	without=$out
	in_background "$HELPER" recvpidfd "$WORK/pidfd.sock"
	poll test -S "$WORK/pidfd.sock"
	rung --debug "$1" --pidfd-socket "$WORK/pidfd.sock" "${@:2}"
	finish "$background"
	rung_inside || fail "there was no rung in the process"
	equal "" "$(diff <(echo "$without") <(echo "$out"))"
}

# The settings of a process, at their least usual.
SETTINGS='.process.env = ["PATH=/nowhere::/usr/bin:/bin", "A=1"] | .process.cwd = "/tmp" | .process.noNewPrivileges = true |
	.process.user = {uid: 1000, gid: 1001, umask: 63, additionalGids: [5, 7]} | .process.oomScoreAdj = 321 |
	.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 88}, {type: "RLIMIT_CORE", soft: 0, hard: 0}] |
	.process.scheduler = {policy: "SCHED_BATCH", nice: 5} | .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6} |
	.process.execCPUAffinity = {final: "0"} | .linux.personality = {domain: "LINUX32"} |
	.process.capabilities = {bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"], inheritable: ["CAP_KILL"], ambient: ["CAP_KILL"]} |
	.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'

@test "exec: a process is the same with a rung in it and without" {
	peer_lacks "they know one way"
	needs_root "in a new user namespace there is always a rung in the process"
	give_helper
	running
	both_ways same exec
	both_ways same exec --user 1000:1001 --additional-gids 5 --cwd /tmp --env A=b --cap CAP_KILL --cap CAP_NET_RAW
	delete --force
	config "$SETTINGS"
	running
	both_ways same exec
	delete --force
	# Without no_new_privs the filter needs a privilege up to the last moment.
	config '.process.noNewPrivileges = false'
	running
	both_ways same exec
	delete --force
}

@test "run: a container is the same with a rung in its init and without" {
	peer_lacks "they know one way"
	needs_root "in a new user namespace there is always a rung in the process"
	give_helper
	both_ways other run
	config "$SETTINGS"
	both_ways other run
	config '.process.noNewPrivileges = false | .root.readonly = true | .hostname = "other" | .linux.rootfsPropagation = "private" |
		.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096"} |
		.linux.maskedPaths = ["/proc/kcore", "/etc/hostname"] | .linux.readonlyPaths = ["/proc/sys"] |
		.linux.devices = [{path: "/dev/own", type: "c", major: 1, minor: 5, fileMode: 438, uid: 3, gid: 4}] |
		.mounts |= map(if .type == "proc" then .options = ["ro", "nosuid", "hidepid=1"] else . end)'
	both_ways other run
	# With the host's namespaces where it can be without its own.
	config '.linux.namespaces |= map(select(.type == "pid" or .type == "mount")) | del(.hostname, .linux.sysctl)'
	both_ways other run
}

@test "run: namespaces that a container joins are the same with a rung in its init and without" {
	peer_lacks "they know one way"
	needs_root "in a new user namespace there is always a rung in the process"
	give_helper
	running
	local pid ns
	pid=$(pid)
	local first=$CT
	CT=$CT-2
	config '.linux.cgroupsPath += "-2"'
	for ns in uts ipc; do
		config '.linux.namespaces |= map(if .type == $ns then .path = $path else . end)' --arg ns "$ns" --arg path "/proc/$pid/ns/$ns"
	done
	config '.linux.namespaces |= map(if .type == "network" then .path = $path else . end) | del(.hostname)' --arg path "/proc/$pid/ns/net"
	both_ways other run
	CT=$first
	delete --force
}

@test "exec: what a list of system calls cannot do has a rung do it, which says what is wrong" {
	peer_lacks "they know one way"
	needs_root "it gives a folder away"
	running
	echo 'echo script' >"$ROOTFS/bin/script"
	chmod 755 "$ROOTFS/bin/script"
	rung_exits 255 exec "$CT" script
	says 'exec \"script\"' || says "process.args[0]"
	rung_exits 255 exec "$CT" nowhere
	says 'executable file not found in $PATH'
	rung_exits 255 exec --cwd /nowhere "$CT" true
	says process.cwd
	# Only the user may enter it.
	mkdir "$ROOTFS/home/own"
	chown 1000 "$ROOTFS/home/own"
	chmod 700 "$ROOTFS/home/own"
	rung exec --user 1000 --cwd /home/own "$CT" pwd
	equal /home/own "$out"
	delete --force
}

@test "run: what a list of system calls cannot do has a rung do it, which says what is wrong" {
	peer_lacks "they know one way"
	program nowhere
	run_fails
	says 'executable file not found in $PATH'
	program /bin/true
	config '.process.cwd = "/bin/sh"'
	run_fails
	says process.cwd
	config '.process.cwd = "/" | .mounts += [{destination: "/x", type: "nosuchfs", source: "x"}]'
	run_fails
	says 'mounts[' type nosuchfs
	config '.mounts |= .[:-1] | .mounts |= map(if .type == "proc" then .options = ["nonsense"] else . end)'
	run_fails
	says 'mounts[' nonsense
}

@test "run: nothing of rung is in the container, nor a file of the host's" {
	peer_lacks "they know one way"
	needs_root "in a new user namespace there is always a rung in the process"
	config '.process.args = ["/bin/sh", "-c", "for p in /proc/[0-9]*; do readlink $p/exe; readlink $p/fd/0; done"]'
	rung --debug run --bundle "$BUNDLE" "$CT" </dev/null
	! rung_inside || fail "there was a rung in the process"
	lacks "$out" rung
	has_line "$out" /dev/null
}
