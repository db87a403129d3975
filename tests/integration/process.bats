#!/usr/bin/env bats
# .process: who runs, with what, where, and with which powers and limits.

load helpers

# in_status NAME: a line of the container's /proc/self/status, from out.
in_status() { awk -v n="$1:" '$1 == n { $1 = ""; sub(/^ /, ""); print }' <<<"$out"; }

# --- args, env, cwd ---

@test "args: arrive as they are" {
	program printf '<%s>\n' one "two words" "" 'quo"te' "new
line" '$HOME' '*'
	run_ct
	equal '<one>
<two words>
<>
<quo"te>
<new
line>
<$HOME>
<*>' "$out"
}

@test "args: the program is looked up in the container's PATH" {
	printf '#!/bin/sh\necho mine\n' >"$ROOTFS/usr/bin/tool"
	chmod +x "$ROOTFS/usr/bin/tool"
	program tool
	config '.process.env = ["PATH=/sbin:/usr/bin"]'
	run_ct
	equal mine "$out"
	config '.process.env = ["PATH=/bin"]'
	create_fails
	says "process.args[0]" tool "not found"
}

@test "args: a relative path is taken from cwd" {
	printf '#!/bin/sh\necho "$0"\n' >"$ROOTFS/usr/bin/tool"
	chmod +x "$ROOTFS/usr/bin/tool"
	program bin/tool
	config '.process.cwd = "/usr"'
	run_ct
	equal bin/tool "$out"
}

@test "args: a file that is no program to the kernel is an error that names it" {
	echo 'echo hello' >"$ROOTFS/usr/bin/tool"
	chmod +x "$ROOTFS/usr/bin/tool"
	program tool
	rung_fails run --bundle "$BUNDLE" "$CT"
	says "process.args[0]" "/usr/bin/tool" "exec format error"
	[[ -z $RUNG_PEER ]] || delete --force
}

@test "env: is that of config.json and no more" {
	config '.process.env = ["PATH=/bin", "A=1", "EMPTY=", "B=with = and blank"]'
	export RUNG_SECRET=1
	program env
	run_ct
	equal "A=1
B=with = and blank
EMPTY=
HOME=/root
PATH=/bin" "$(sort <<<"$out")"
}

@test "env: HOME comes from the container's passwd, unless it is set" {
	shell 'echo $HOME'
	run_ct
	equal /root "$out"
	config '.process.user = {uid: 1000, gid: 1000}'
	run_ct
	equal /home/alice "$out"
	config '.process.user = {uid: 4242, gid: 4242}'
	run_ct
	equal / "$out"
	config '.process.env += ["HOME=/elsewhere"]'
	run_ct
	equal /elsewhere "$out"
	rm "$ROOTFS/etc/passwd"
	config '.process.env |= map(select(startswith("HOME=") | not)) | .process.user = {uid: 1000, gid: 1000}'
	run_ct
	equal / "$out"
}

@test "env: of a name that is there twice the last one counts" {
	config '.process.env += ["A=first", "A=second"]'
	shell 'echo $A'
	run_ct
	equal second "$out"
}

@test "env: an entry without = is an error that names the field" {
	peer_lacks "takes it"
	config '.process.env = ["PATH=/bin", "NOVALUE"]'
	create_fails
	says "process.env[1]"
}

@test "cwd: is where the program starts, and PWD agrees" {
	config '.process.cwd = "/usr/bin"'
	shell 'pwd; pwd -P; echo $PWD'
	run_ct
	equal "/usr/bin
/usr/bin
/usr/bin" "$out"
}

@test "cwd: a missing one is made" {
	config '.process.cwd = "/new/place"'
	program pwd
	run_ct
	equal /new/place "$out"
	[ -d "$ROOTFS/new/place" ]
}

@test "cwd: a file is an error of create that names the field" {
	config '.process.cwd = "/etc/passwd"'
	create_fails
	says process.cwd /etc/passwd "not a directory"
}

@test "cwd: one that only the user may enter is fine" {
	mkdir -m 700 "$ROOTFS/home/private"
	chown 1000:1000 "$ROOTFS/home/private"
	config '.process.cwd = "/home/private" | .process.user = {uid: 1000, gid: 1000} | del(.process.capabilities)'
	program pwd
	run_ct
	equal /home/private "$out"
}

@test "cwd: must be absolute" {
	config '.process.cwd = "usr"'
	create_fails
	says process.cwd absolute
	config '.process.cwd = ""'
	create_fails
	says process.cwd
}

# --- user ---

@test "user: uid, gid and no other group" {
	config '.process.user = {uid: 1000, gid: 1001}'
	program id
	run_ct
	matches "$out" '^uid=1000(\(alice\))? gid=1001(\([a-z]+\))?( groups=1001)?$'
}

@test "user: additional groups are exactly those of config.json" {
	needs_root "one of the groups is beyond the user's subordinate ids"
	config '.process.user = {uid: 1000, gid: 1000, additionalGids: [5, 77, 2000000000]}'
	program grep -E '^(Uid|Gid|Groups)' /proc/self/status
	run_ct
	equal "1000 1000 1000 1000" "$(in_status Uid | xargs)"
	equal "1000 1000 1000 1000" "$(in_status Gid | xargs)"
	equal "5 77 2000000000" "$(in_status Groups | xargs)"
}

@test "user: the groups of whoever calls rung are not handed on" {
	needs_root "it changes its own groups"
	config '.process.user = {uid: 0, gid: 0}'
	program grep Groups /proc/self/status
	setpriv --groups 77,78 "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" >"$WORK/groups" 3>&- </dev/null
	equal Groups: "$(xargs <"$WORK/groups")"
}

# As nginx and others do it to log.
@test "user: a user other than root can open its standard output again, be it a file, a pipe or a container's" {
	config '.process.user = {uid: 1000, gid: 1000}'
	shell 'echo again >/dev/stdout; echo error >/proc/self/fd/2'
	run_ct
	equal again "$out"
	equal error "$err"
	"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" 2>&1 3>&- </dev/null | cat >"$WORK/piped"
	equal "again"$'\n'"error" "$(<"$WORK/piped")"
	run_ct --detach
	wait_for_status stopped
	equal again "$(<"$out_file")"
	delete
}

@test "umask: as listed, and 022 without" {
	shell umask
	run_ct
	equal 0022 "$out"
	config '.process.user.umask = 63'
	run_ct
	equal 0077 "$out"
	config '.process.user.umask = 0'
	run_ct
	equal 0000 "$out"
}

# --- capabilities ---

# caps SET NAME...: sets one of the five sets.
caps() {
	local set=$1
	shift
	edit --arg set "$set" '.process.capabilities[$set] = $ARGS.positional' --args -- "$@"
}

@test "capabilities: the five sets are exactly those of config.json" {
	config '.process.capabilities = {}'
	# In the order of their numbers: CHOWN 0, DAC_OVERRIDE 1, KILL 5, NET_BIND_SERVICE 10, SYS_CHROOT 18.
	caps bounding CAP_CHOWN CAP_DAC_OVERRIDE CAP_KILL CAP_NET_BIND_SERVICE CAP_SYS_CHROOT
	caps permitted CAP_CHOWN CAP_KILL CAP_NET_BIND_SERVICE
	caps effective CAP_CHOWN CAP_KILL
	caps inheritable CAP_KILL CAP_NET_BIND_SERVICE
	caps ambient CAP_NET_BIND_SERVICE
	config '.process.user = {uid: 1000, gid: 1000}'
	# execve gives a user other than root the ambient ones alone.
	program grep Cap /proc/self/status
	run_ct
	equal 0000000000040423 "$(in_status CapBnd)"
	equal 0000000000000420 "$(in_status CapInh)"
	equal 0000000000000400 "$(in_status CapPrm)"
	equal 0000000000000400 "$(in_status CapEff)"
	equal 0000000000000400 "$(in_status CapAmb)"
}

@test "capabilities: root gets the bounding and inheritable ones at execve, and no others" {
	config '.process.capabilities = {}'
	caps bounding CAP_CHOWN CAP_KILL
	caps permitted CAP_CHOWN
	caps effective CAP_CHOWN
	config '.process.noNewPrivileges = false'
	program grep Cap /proc/self/status
	run_ct
	equal 0000000000000021 "$(in_status CapBnd)"
	equal 0000000000000000 "$(in_status CapInh)"
	equal 0000000000000021 "$(in_status CapPrm)"
	equal 0000000000000021 "$(in_status CapEff)"
	equal 0000000000000000 "$(in_status CapAmb)"
}

@test "capabilities: without the field there are none" {
	config 'del(.process.capabilities)'
	program grep Cap /proc/self/status
	run_ct
	equal 0000000000000000 "$(in_status CapEff)"
	equal 0000000000000000 "$(in_status CapPrm)"
	equal 0000000000000000 "$(in_status CapBnd)"
}

@test "capabilities: they have their effect" {
	shell 'chown 12 /etc/group && echo changed'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	config '.process.capabilities |= map_values(. + ["CAP_CHOWN"])'
	run_ct
	equal changed "$out"
}

@test "capabilities: an unknown one is a warning, and the rest is granted" {
	config '.process.capabilities |= map_values(. + ["CAP_FLY"])'
	program grep CapEff /proc/self/status
	run_ct
	contains "$err" CAP_FLY
	warns CAP_FLY
	equal 0000000020000420 "$(in_status CapEff)"
}

@test "noNewPrivileges: true and false" {
	program grep NoNewPrivs /proc/self/status
	config '.process.noNewPrivileges = true'
	run_ct
	equal 1 "$(in_status NoNewPrivs)"
	config '.process.noNewPrivileges = false'
	run_ct
	equal 0 "$(in_status NoNewPrivs)"
}

# --- limits ---

# limit NAME: soft and hard limit of /proc/self/limits, from out.
limit() { awk -v n="$1" 'index($0, n) == 1 { $0 = substr($0, 27); print $1, $2 }' <<<"$out"; }

@test "rlimits: each type with soft and hard limit" {
	config '.process.rlimits = [
		{type: "RLIMIT_AS", soft: 900000000, hard: 1000000000},
		{type: "RLIMIT_CORE", soft: 11, hard: 22},
		{type: "RLIMIT_CPU", soft: 33, hard: 44},
		{type: "RLIMIT_DATA", soft: 550000000, hard: 660000000},
		{type: "RLIMIT_FSIZE", soft: 7777777, hard: 8888888},
		{type: "RLIMIT_LOCKS", soft: 99, hard: 100},
		{type: "RLIMIT_MEMLOCK", soft: 5000, hard: 6000},
		{type: "RLIMIT_MSGQUEUE", soft: 700, hard: 800},
		{type: "RLIMIT_NICE", soft: 0, hard: 0},
		{type: "RLIMIT_NOFILE", soft: 55, hard: 66},
		{type: "RLIMIT_NPROC", soft: 1234, hard: 2345},
		{type: "RLIMIT_RSS", soft: 123456, hard: 234567},
		{type: "RLIMIT_RTPRIO", soft: 0, hard: 0},
		{type: "RLIMIT_RTTIME", soft: 1111, hard: 2222},
		{type: "RLIMIT_SIGPENDING", soft: 333, hard: 444},
		{type: "RLIMIT_STACK", soft: 1000000, hard: 2000000}]'
	program cat /proc/self/limits
	run_ct
	equal "900000000 1000000000" "$(limit 'Max address space')"
	equal "11 22" "$(limit 'Max core file size')"
	equal "33 44" "$(limit 'Max cpu time')"
	equal "550000000 660000000" "$(limit 'Max data size')"
	equal "7777777 8888888" "$(limit 'Max file size')"
	equal "99 100" "$(limit 'Max file locks')"
	equal "5000 6000" "$(limit 'Max locked memory')"
	equal "700 800" "$(limit 'Max msgqueue size')"
	equal "0 0" "$(limit 'Max nice priority')"
	equal "55 66" "$(limit 'Max open files')"
	equal "1234 2345" "$(limit 'Max processes')"
	equal "123456 234567" "$(limit 'Max resident set')"
	equal "0 0" "$(limit 'Max realtime priority')"
	equal "1111 2222" "$(limit 'Max realtime timeout')"
	equal "333 444" "$(limit 'Max pending signals')"
	equal "1000000 2000000" "$(limit 'Max stack size')"
}

@test "rlimits: what is not listed is the caller's" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 raises the limit of open files"
	config '.process.rlimits = []'
	program cat /proc/self/limits
	ulimit -S -n 777
	ulimit -S -s 4096
	run_ct
	equal 777 "$(limit 'Max open files' | cut -d' ' -f1)"
	equal 4194304 "$(limit 'Max stack size' | cut -d' ' -f1)"
}

@test "rlimits: the same type twice is an error that names the second" {
	config '.process.rlimits = [{type: "RLIMIT_CORE", soft: 0, hard: 0}, {type: "RLIMIT_CORE", soft: 1, hard: 1}]'
	create_fails
	says "process.rlimits[1]" RLIMIT_CORE
}

@test "rlimits: an unknown type is an error that names it" {
	config '.process.rlimits = [{type: "RLIMIT_CORE", soft: 0, hard: 0}, {type: "RLIMIT_JOY", soft: 1, hard: 1}]'
	create_fails
	says "process.rlimits[1].type" RLIMIT_JOY
}

@test "rlimits: a soft limit above the hard one is an error that names the field" {
	config '.process.rlimits = [{type: "RLIMIT_CORE", soft: 2, hard: 1}]'
	create_fails
	says "process.rlimits[0]"
}

@test "process: a limit of open files that leaves no room keeps the standard streams apart" {
	local limit
	for limit in 4 5 6; do
		config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: $n, hard: $n}]' --argjson n "$limit"
		program cat
		# The container's own /dev/null takes the place of the host's.
		echo here | "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" >"$WORK/out" 2>/dev/null 3>&-
		equal here "$(<"$WORK/out")"
	done
}

@test "rlimits: a hard limit that this host may not raise is an error that names it" {
	(ulimit -H -n 1000000000) 2>/dev/null && skip "this host may raise it"
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 1000000000, hard: 1000000000}]'
	create_fails
	says "process.rlimits[0]" RLIMIT_NOFILE "operation not permitted"
}

@test "oomScoreAdj: as listed, and the caller's without" {
	program cat /proc/self/oom_score_adj
	config '.process.oomScoreAdj = 555'
	run_ct
	equal 555 "$out"
	config 'del(.process.oomScoreAdj)'
	echo 333 >/proc/$$/oom_score_adj
	run_ct
	equal 333 "$out"
}

@test "oomScoreAdj: a value that the kernel does not take is an error that names the field" {
	config '.process.oomScoreAdj = 5000'
	create_fails
	says process.oomScoreAdj
}

# --- scheduling ---

# scheduled FILTER WANT: with this scheduler in config.json the program has WANT.
scheduled() {
	give_helper
	config ".process.scheduler = $1"
	program testhelper sched
	run_ct
	contains "$out" "$2"
}

@test "scheduler: the policies that need no real time" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not know it"
	scheduled '{policy: "SCHED_OTHER", nice: 7}' "policy=SCHED_OTHER nice=7"
	scheduled '{policy: "SCHED_BATCH", nice: 5}' "policy=SCHED_BATCH nice=5"
	scheduled '{policy: "SCHED_IDLE"}' "policy=SCHED_IDLE"
	scheduled '{policy: "SCHED_BATCH", flags: ["SCHED_FLAG_RESET_ON_FORK"]}' "flags=0x1"
}

@test "scheduler: the real-time policies" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not know it"
	# Where real-time groups are built in, a new cgroup has no such time of its own.
	chrt --fifo 1 true || skip "this host may not use real-time policies"
	[[ $CGROUP_MODE == v2 || ! -e $(controller_mount cpu)/cpu.rt_runtime_us ]] || skip "this kernel gives new cgroups no real time"
	scheduled '{policy: "SCHED_FIFO", priority: 12}' "policy=SCHED_FIFO nice=0 priority=12"
	scheduled '{policy: "SCHED_RR", priority: 3}' "policy=SCHED_RR nice=0 priority=3"
}

@test "scheduler: an unknown policy or flag is an error that names it" {
	peer_lacks "does not know it"
	config '.process.scheduler = {policy: "SCHED_WHENEVER"}'
	create_fails
	says process.scheduler.policy SCHED_WHENEVER
	config '.process.scheduler = {policy: "SCHED_BATCH", flags: ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_JOY"]}'
	create_fails
	says "process.scheduler.flags[1]" SCHED_FLAG_JOY
}

@test "scheduler: a priority that the policy does not take is an error that names the field" {
	peer_lacks "does not know it"
	config '.process.scheduler = {policy: "SCHED_FIFO", priority: 1000}'
	create_fails
	says process.scheduler
}

@test "ioPriority: each class" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not know it"
	give_helper
	program testhelper ioprio
	config '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6}'
	run_ct
	equal "class=2 level=6" "$out"
	config '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 0}'
	run_ct
	equal "class=3 level=0" "$out"
	ionice -c 1 -n 3 true || return 0
	config '.process.ioPriority = {class: "IOPRIO_CLASS_RT", priority: 3}'
	run_ct
	equal "class=1 level=3" "$out"
}

@test "ioPriority: an unknown class and a priority out of range are errors that name the field" {
	peer_lacks "does not know it"
	config '.process.ioPriority = {class: "IOPRIO_CLASS_JOY", priority: 0}'
	create_fails
	says process.ioPriority.class IOPRIO_CLASS_JOY
	config '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 8}'
	create_fails
	says process.ioPriority.priority
}

@test "execCPUAffinity: is taken, and does not concern init" {
	config '.process.execCPUAffinity = {initial: "0", final: "0"}'
	program grep Cpus_allowed_list /proc/self/status
	run_ct
	equal "$(grep Cpus_allowed_list /proc/self/status)" "$out"
}

@test "execCPUAffinity: what is no list of CPUs is an error that names the field" {
	peer_lacks "does not know it"
	config '.process.execCPUAffinity = {initial: "0-x"}'
	create_fails
	says process.execCPUAffinity.initial '"x"'
	config '.process.execCPUAffinity = {final: "3-1"}'
	create_fails
	says process.execCPUAffinity.final
}

@test "personality: LINUX32 and LINUX" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not know it"
	[[ $(uname -m) == x86_64 ]] || skip "needs x86_64"
	give_helper
	program testhelper uname
	config '.linux.personality = {domain: "LINUX32"}'
	run_ct
	prints machine=i686
	config '.linux.personality = {domain: "LINUX"}'
	run_ct
	prints machine=x86_64
}

# memory_policy JSON: sets linux.memoryPolicy.
memory_policy() {
	peer_lacks "does not know it"
	[[ -e /proc/self/numa_maps ]] || skip "this kernel was built without NUMA"
	config '.linux.memoryPolicy = ($j | fromjson)' --arg j "$1"
}

@test "memory policy: of the program and of what exec runs" {
	# Of a page that is the program's own.
	local policy='grep stack /proc/self/numa_maps | cut -d " " -f 2'
	memory_policy '{"mode": "MPOL_INTERLEAVE", "nodes": "0"}'
	shell "$policy"
	run_ct
	equal interleave:0 "$out"
	memory_policy '{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}'
	run_ct
	equal bind=static:0 "$out"
	memory_policy '{"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}'
	running
	rung exec "$CT" /bin/sh -c "$policy"
	equal prefer=relative:0 "$out"
	delete --force
	memory_policy '{"mode": "MPOL_DEFAULT"}'
	shell "$policy"
	run_ct
	equal default "$out"
}

@test "memory policy: what cannot be is an error that names the field" {
	memory_policy '{"nodes": "0"}'
	create_fails
	says linux.memoryPolicy.mode "invalid memory policy mode"
	memory_policy '{"mode": "MPOL_DEFAULT", "nodes": "0-7"}'
	create_fails
	says linux.memoryPolicy.nodes "mode requires 0 nodes but got 8"
	memory_policy '{"mode": "MPOL_BIND", "nodes": "1000"}'
	create_fails
	says linux.memoryPolicy MPOL_BIND "invalid argument"
}

@test "personality: an unknown domain or flag is an error that names the field" {
	peer_lacks "does not know it"
	config '.linux.personality = {domain: "SVR4"}'
	create_fails
	says linux.personality.domain SVR4
	config '.linux.personality = {domain: "LINUX", flags: ["ADDR_NO_RANDOMIZE"]}'
	create_fails
	says "linux.personality.flags"
}

# --- what a program must not inherit ---

@test "inherit: no file descriptor but the three" {
	shell 'ls /proc/self/fd'
	exec 7</etc/passwd 8<"$WORK"
	run_ct
	exec 7<&- 8<&-
	# The fourth is the one with which ls reads the folder.
	equal "0 1 2 3" "$(xargs <<<"$out")"
}

@test "inherit: no file descriptor in a created container's init either, of the caller's" {
	exec 7</etc/passwd 8<"$WORK"
	create
	exec 7<&- 8<&-
	lacks "$(readlink "/proc/$(pid)/fd/"*)" /etc/passwd
	equal "" "$(readlink "/proc/$(pid)/fd/"* | grep -xF "$WORK")"
	delete --force
}

@test "inherit: no signal is blocked or ignored" {
	program grep -E '^Sig(Blk|Ign)' /proc/self/status
	run_ct
	equal 0000000000000000 "$(in_status SigBlk)"
	equal 0000000000000000 "$(in_status SigIgn)"
}

@test "inherit: a signal that the caller ignores is not ignored in the container" {
	program grep -E '^SigIgn' /proc/self/status
	env --ignore-signal=INT,HUP,USR1,PIPE "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" >"$WORK/out" 3>&- </dev/null
	equal 0000000000000000 "$(awk '{ print $2 }' "$WORK/out")"
	env --ignore-signal=INT,HUP,USR1,PIPE "$RUNG" --root "$ROOT" "${DRIVER[@]}" run -d --bundle "$BUNDLE" "$CT" >"$WORK/out" 3>&- </dev/null
	wait_for_status stopped
	equal 0000000000000000 "$(awk '{ print $2 }' "$WORK/out")"
	delete
}

@test "inherit: transparent huge pages are as the caller has them" {
	shell 'grep THP_enabled /proc/self/status'
	run_ct
	equal "$(grep THP_enabled /proc/self/status)" "$out"
}

@test "inherit: a signal that the caller blocks is not blocked in the container" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 leaves USR1 blocked"
	program grep -E '^SigBlk' /proc/self/status
	env --block-signal=INT,HUP,USR1,TERM "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" >"$WORK/out" 3>&- </dev/null
	equal 0000000000000000 "$(awk '{ print $2 }' "$WORK/out")"
}

@test "inherit: the working folder and root of init are the container's" {
	running
	equal / "$(readlink "/proc/$(pid)/cwd")"
	equal "$(stat -c %i "$ROOTFS")" "$(stat -L -c %i "/proc/$(pid)/root")"
	delete --force
}

@test "inherit: init's program is not the host's file, so that no container can change it" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 bind-mounts itself read-only"
	local sum
	sum=$(md5sum <"$RUNG")
	create
	differ "$(stat -L -c '%d:%i' "$RUNG")" "$(stat -L -c '%d:%i' "/proc/$(pid)/exe")"
	delete --force
	# /proc/self/exe as the program is the CVE-2019-5736 way to get at it.
	program /proc/self/exe
	try_rung create --bundle "$BUNDLE" "$CT"
	delete --force
	equal "$sum" "$(md5sum <"$RUNG")"
}

@test "keyring: a new session keyring, or with --no-new-keyring the caller's" {
	needs_root "who has no session keyring has another one in each user namespace"
	give_helper
	program testhelper keyring
	local own
	own=$("$HELPER" keyring) || skip "this kernel has no keyrings"
	run_ct
	differ "$own" "$out"
	run_ct --no-new-keyring
	equal "$own" "$out"
}

@test "process: without process the container can be created and deleted, not started" {
	peer_lacks "refuses it"
	config 'del(.process)'
	try_rung create --bundle "$BUNDLE" "$CT"
	if ((status == 0)); then
		rung_fails start "$CT"
		says process
		delete --force
	else
		says process
	fi
}

@test "process: without args create is an error that names the field" {
	config '.process.args = []'
	create_fails
	says process.args
	config 'del(.process.args)'
	create_fails
	says process.args
}
