#!/usr/bin/env bats
# .linux.seccomp: what the container's processes may ask of the kernel.

load helpers

# filter JSON: the container's seccomp section. The helper is there, to make
# system calls.
filter() {
	give_helper
	config ".linux.seccomp = $1"
}

# deny RULE: all but the calls of one rule are allowed.
deny() { filter "{defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [$1]}"; }

# profile FILE: the profile of an engine's bundle.
profile() {
	give_helper
	config '.linux.seccomp = $from[0].linux.seccomp' --slurpfile from "$BATS_TEST_DIRNAME/../testdata/bundles/$1"
}

# call CALL [ARG...]: the container makes a system call.
call() { program testhelper syscall "$@"; }

on_amd64() { [[ $(uname -m) == x86_64 ]] || skip "this machine is no x86-64"; }

# run_overdue: runs the container, with a thread whose time of 10 ms in Go's scheduler
# is over when its filter is loaded.
run_overdue() {
	traceable
	traced -e trace=seccomp -e inject=seccomp:delay_exit=100000 -- run --bundle "$BUNDLE" "$CT"
	equal 0 "$status"
	contains "$(<"$TRACE")" "(DELAYED)"
}

# --- actions ---

@test "seccomp: ERRNO is EPERM, unless errnoRet says otherwise" {
	deny '{names: ["umask"], action: "SCMP_ACT_ERRNO"}'
	call umask
	run_ct
	equal EPERM "$out"
	deny '{names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 100}'
	run_ct
	equal ENETDOWN "$out"
	call getpid
	run_ct
	equal ok "$out"
}

@test "seccomp: defaultErrnoRet is what calls without a rule return" {
	profile ctr.config.json
	call unshare 0
	run_ct
	equal EPERM "$out"
	config '.linux.seccomp.defaultErrnoRet = 6'
	run_ct
	equal ENXIO "$out"
}

@test "seccomp: KILL, KILL_THREAD, KILL_PROCESS and TRAP end the program with SIGSYS" {
	local action
	for action in KILL KILL_THREAD KILL_PROCESS TRAP; do
		deny "{names: [\"mkdir\", \"mkdirat\"], action: \"SCMP_ACT_$action\"}"
		program mkdir /x
		rung_exits 159 run --bundle "$BUNDLE" "$CT"
		[[ ! -e $ROOTFS/x ]] || fail "$action made the folder"
	done
}

@test "seccomp: KILL_THREAD ends one thread, KILL_PROCESS all" {
	program testhelper in-thread umask
	deny '{names: ["umask"], action: "SCMP_ACT_KILL_THREAD"}'
	run_ct
	equal "the others live on" "$out"
	deny '{names: ["umask"], action: "SCMP_ACT_KILL_PROCESS"}'
	rung_exits 159 run --bundle "$BUNDLE" "$CT"
	lacks "$out" "live on"
}

@test "seccomp: TRACE without a tracer is ENOSYS, LOG and ALLOW let the call through" {
	call umask
	deny '{names: ["umask"], action: "SCMP_ACT_TRACE", errnoRet: 5}'
	run_ct
	equal ENOSYS "$out"
	deny '{names: ["umask"], action: "SCMP_ACT_LOG"}'
	run_ct
	equal ok "$out"
	filter '{defaultAction: "SCMP_ACT_LOG", syscalls: [{names: ["umask"], action: "SCMP_ACT_ALLOW"}]}'
	run_ct
	equal ok "$out"
}

# --- rules ---

@test "seccomp: conditions on arguments, with every operator" {
	local op value two hit miss
	while read -r op value two hit miss; do
		deny "{names: [\"personality\"], action: \"SCMP_ACT_ERRNO\", errnoRet: 100,
			args: [{index: 0, value: $value, valueTwo: $two, op: \"SCMP_CMP_$op\"}]}"
		call personality "$hit"
		run_ct
		equal "$op $hit ENETDOWN" "$op $hit $out"
		call personality "$miss"
		run_ct
		equal "$op $miss ok" "$op $miss $out"
	done <<-'END'
		EQ 8 0 8 0
		NE 8 0 0 8
		LT 8 0 0 8
		LE 8 0 8 131072
		GT 8 0 131072 8
		GE 8 0 8 0
		MASKED_EQ 131080 8 8 131080
	END
}

@test "seccomp: all conditions must hold, but of two on one argument either" {
	deny '{names: ["getpid"], action: "SCMP_ACT_ERRNO", errnoRet: 100,
		args: [{index: 0, value: 0, op: "SCMP_CMP_EQ"}, {index: 2, value: 5, op: "SCMP_CMP_EQ"}]}'
	call getpid 0 0 5
	run_ct
	equal ENETDOWN "$out"
	call getpid 0 0 6
	run_ct
	equal ok "$out"
	deny '{names: ["getpid"], action: "SCMP_ACT_ERRNO", errnoRet: 100,
		args: [{index: 2, value: 5, op: "SCMP_CMP_EQ"}, {index: 2, value: 6, op: "SCMP_CMP_EQ"}]}'
	run_ct
	equal ENETDOWN "$out"
	call getpid 0 0 7
	run_ct
	equal ok "$out"
}

@test "seccomp: names that no kernel has are ignored" {
	deny '{names: ["no_such_call", "umask"], action: "SCMP_ACT_ERRNO"}'
	call umask
	run_ct
	equal EPERM "$out"
}

@test "seccomp: calls newer than the profile are ENOSYS, those that it leaves out EPERM" {
	profile ctr.config.json
	call 600
	run_ct
	equal ENOSYS "$out"
	call unshare 0
	run_ct
	equal EPERM "$out"
	# Where everything is allowed, nothing is made up.
	deny '{names: ["umask"], action: "SCMP_ACT_ERRNO"}'
	call 600
	run_ct
	equal ENOSYS "$out"
}

@test "seccomp: 32-bit programs and x32 are under the filter as well" {
	on_amd64
	local rule='syscalls: [{names: ["getpid"], action: "SCMP_ACT_ERRNO", errnoRet: 100}]'
	filter "{defaultAction: \"SCMP_ACT_ALLOW\", architectures: [\"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"], $rule}"
	call getpid
	run_ct
	equal ENETDOWN "$out"
	call x32:39
	run_ct
	equal ENETDOWN "$out"
	call i386:20
	try_rung run --bundle "$BUNDLE" "$CT"
	((status == 0)) || skip "this kernel runs no 32-bit programs"
	equal ENETDOWN "$out"
	# What is not listed is not let in.
	filter "{defaultAction: \"SCMP_ACT_ALLOW\", $rule}"
	local way
	for way in i386:20 x32:39; do
		program testhelper in-thread "$way"
		run_ct
		equal "the others live on" "$out"
	done
}

@test "seccomp: socketcall(2) is under the rules for what it stands for" {
	on_amd64
	filter '{defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86"],
		syscalls: [{names: ["listen"], action: "SCMP_ACT_ERRNO", errnoRet: 100}]}'
	call i386:102 4 0 # SYS_LISTEN
	try_rung run --bundle "$BUNDLE" "$CT"
	((status == 0)) || skip "this kernel runs no 32-bit programs"
	equal ENETDOWN "$out"
	call i386:102 2 0 # SYS_BIND, whose arguments are nowhere
	run_ct
	equal EFAULT "$out"
}

# --- engines' profiles ---

@test "seccomp: programs run under the profiles of containerd, Docker and Podman" {
	local from
	for from in ctr docker podman cri-container; do
		profile "$from.config.json"
		shell 'mkdir /x && ls / | grep -c x && rmdir /x && grep ^Seccomp: /proc/self/status; testhelper syscall personality 0; testhelper syscall personality 1'
		try_rung run --bundle "$BUNDLE" "$CT"
		contains "$out" "$(printf 'Seccomp:\t2\nok')"
		lacks "$(tail -n 1 <<<"$out")" ok
	done
}

# --- where it is loaded ---

@test "seccomp: with and without no new privileges, for root and for others" {
	local nnp uid without
	deny '{names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 100}'
	shell 'testhelper syscall umask; grep -E "^(Cap.*|NoNewPrivs|Seccomp):" /proc/self/status'
	for nnp in true false; do
		for uid in 0 1000; do
			config ".process.noNewPrivileges = $nnp | .process.user.uid = $uid | del(.linux.seccomp)"
			run_ct
			without=${out#*$'\n'}
			deny '{names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 100}'
			run_ct
			equal "ENETDOWN" "${out%%$'\n'*}"
			# What it took to load the filter is gone.
			equal "${without/Seccomp:	0/Seccomp:	2}" "${out#*$'\n'}"
		done
	done
}

@test "seccomp: in a user namespace, with and without no new privileges" {
	needs_root "its mappings are root's to make"
	deny '{names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 100}'
	config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	call umask
	local nnp uid
	for nnp in true false; do
		for uid in 0 1000; do
			config ".process.noNewPrivileges = $nnp | .process.user.uid = $uid"
			run_ct
			equal ENETDOWN "$out"
		done
	done
}

@test "seccomp: a profile needs to allow nothing that only rung does" {
	on_amd64
	local needs='"execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "prctl",
		"readlink", "readlinkat", "getrandom", "mprotect", "getuid", "exit_group", "uname", "mmap", "newfstatat", "fcntl"'
	program true
	filter "{defaultAction: \"SCMP_ACT_KILL_PROCESS\", syscalls: [{names: [$needs], action: \"SCMP_ACT_ALLOW\"}]}"
	config '.process.noNewPrivileges = true'
	run_ct
	create
	start
	wait_for_status stopped
	delete
	config '.process.noNewPrivileges = false'
	run_ct
}

@test "seccomp: a filter that forbids execve is named as the reason" {
	deny '{names: ["execve"], action: "SCMP_ACT_ERRNO"}'
	program true
	run_fails
	says "process.args[0]" "linux.seccomp may forbid execve"
}

@test "seccomp: startContainer hooks are under the filter, createContainer hooks are not" {
	deny '{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 100}'
	config '.hooks.startContainer = [{path: "/bin/mkdir", args: ["mkdir", "/x"]}]'
	run_fails
	says "hooks.startContainer[0]" "Network is down"
	config '.hooks = {createContainer: [{path: "/bin/mkdir", args: ["mkdir", $x]}]}' --arg x "$ROOTFS/x"
	run_ct
	[[ -d $ROOTFS/x ]] || fail "the createContainer hook did nothing"
}

@test "seccomp: exec is under the filter of the container, whatever became of the bundle" {
	deny '{names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 100}'
	running
	rm "$BUNDLE/config.json"
	rung exec "$CT" testhelper syscall umask
	equal ENETDOWN "$out"
	rung exec --user 1000 "$CT" testhelper syscall umask
	equal ENETDOWN "$out"
	# Without its filter nothing must run.
	rm "$ROOT/$CT/seccomp"
	rung_exits 255 exec "$CT" true
	says "$ROOT/$CT/seccomp"
	delete --force
}

@test "seccomp: every flag is taken, and speculative store bypass stays as it is by default" {
	call umask
	local flags number
	while IFS='|' read -r flags number; do
		deny '{names: ["umask"], action: "SCMP_ACT_ERRNO"}'
		config ".linux.seccomp.flags = $flags"
		rung --debug run --bundle "$BUNDLE" "$CT"
		equal EPERM "$out"
		contains "$err" "\"seccomp filter flags: $number\""
	done <<-'END'
		[]|0
		["SECCOMP_FILTER_FLAG_LOG"]|2
		["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]|4
		["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]|6
		null|4
	END
	program grep ^Speculation_Store_Bypass /proc/self/status
	run_ct
	equal "$(grep ^Speculation_Store_Bypass /proc/self/status)" "$out"
}

# --- refusals ---

@test "seccomp: mistakes are named" {
	local field value
	while IFS='|' read -r field value; do
		filter "$value"
		create_fails
		says "linux.seccomp.$field"
	done <<-'END'
		defaultAction|{defaultAction: "ALLOW"}
		architectures[0]|{defaultAction: "SCMP_ACT_ALLOW", architectures: ["x86"]}
		flags[0]|{defaultAction: "SCMP_ACT_ALLOW", flags: ["X"]}
		syscalls[0].action|{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["read"], action: "DENY"}]}
		syscalls[0].errnoRet|{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["read"], action: "SCMP_ACT_KILL", errnoRet: 1}]}
		syscalls[0].args[0].op|{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["read"], action: "SCMP_ACT_KILL", args: [{index: 0, op: "="}]}]}
		syscalls[0].args[0].index|{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["read"], action: "SCMP_ACT_KILL", args: [{index: 6, op: "SCMP_CMP_EQ"}]}]}
	END
}

@test "seccomp: a profile that is too large is an error, and nothing is left" {
	give_helper
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [range(5000) |
		{names: ["umask"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: ., op: "SCMP_CMP_EQ"}]}]}'
	create_fails
	says linux.seccomp.syscalls "4096 instructions"
}

@test "seccomp: a filter that kills who executes the program is an error that names it" {
	peer_lacks "words it otherwise"
	local flag
	deny '{names: ["execve"], action: "SCMP_ACT_KILL_PROCESS"}'
	for flag in --detach --no-pivot --keep; do
		run_fails "$flag"
		says linux.seccomp SIGSYS
	done
}

@test "seccomp: between the filter and the program rung makes no call that the filter could forbid" {
	needs_program strace
	peer_lacks "is another program"
	filter '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{action: "SCMP_ACT_KILL_PROCESS",
		names: ["futex", "nanosleep", "rt_sigprocmask", "sched_yield", "tgkill"]}]}'
	config '.hooks.poststop = [{path: "/bin/true"}]' # with a hook there is a rung in the process
	program true
	run_overdue
}

@test "seccomp: a filter that lets a process not even end does not keep rung waiting" {
	peer_lacks "words it otherwise"
	filter '{defaultAction: "SCMP_ACT_ERRNO", syscalls: [{names: ["execve"], action: "SCMP_ACT_ALLOW"}]}'
	program /bin/nowhere
	run_fails
	says "process.args[0]"
	filter '{defaultAction: "SCMP_ACT_ERRNO"}'
	program true
	run_fails
	says linux.seccomp
}

# --- listeners ---

# agent: a seccomp agent at the socket AGENT; what it is sent goes to agent_out.
agent() {
	AGENT=$WORK/agent.sock
	in_background "$HELPER" agent "$AGENT"
	agent_pid=$background agent_out=$background_out
	poll grep -q ready "$agent_out"
}

# agent_has N: the agent has been sent N states, and printed them.
agent_has() { (($(wc -l <"$agent_out") > $1)); }

# notify NAME...: these calls are the agent's business.
notify() {
	filter "{defaultAction: \"SCMP_ACT_ALLOW\", listenerPath: \"$AGENT\", listenerMetadata: \"meta\",
		syscalls: [{names: $(jq -nc '$ARGS.positional' --args -- "$@"), action: \"SCMP_ACT_NOTIFY\"}]}"
}

@test "seccomp notify: an agent answers mkdir, mount and openat, for run and exec" {
	agent
	notify mkdir mkdirat mount openat
	local nnp
	for nnp in true false; do
		config ".process.noNewPrivileges = $nnp"
		shell 'mkdir /made && ls -d /made-meta && mount -t tmpfs none /made-meta && grep -c made-meta /proc/mounts'
		# mount does nothing and says it did.
		rung_exits 1 run --bundle "$BUNDLE" "$CT"
		equal "/made-meta
0" "$out"
		rmdir "$ROOTFS/made-meta"
		running
		rung exec "$CT" sh -c 'mkdir /made && ls -d /made-meta'
		equal /made-meta "$out"
		rmdir "$ROOTFS/made-meta"
		delete --force
	done
}

@test "seccomp notify: the agent is told of what" {
	agent
	notify mkdir
	running
	local sent
	poll agent_has 1
	sent=$(sed -n 2p "$agent_out")
	equal '["seccompFd"] meta creating' "$(jq -r '"\(.fds) \(.metadata) \(.state.status)"' <<<"$sent")"
	equal "$(pid) $(pid) $CT $BUNDLE" "$(jq -r '"\(.pid) \(.state.pid) \(.state.id) \(.state.bundle)"' <<<"$sent")"
	rung exec --detach --pid-file "$WORK/pid" "$CT" sleep 100
	poll agent_has 2
	sent=$(sed -n 3p "$agent_out")
	equal "$(cat "$WORK/pid") $(pid) running" "$(jq -r '"\(.pid) \(.state.pid) \(.state.status)"' <<<"$sent")"
	delete --force
}

@test "seccomp notify: calls that rung makes itself may be the agent's" {
	agent
	notify execve openat open read close fcntl recvmsg accept4 futex
	program true
	run_ct
	create
	start
	wait_for_status stopped
	delete
}

@test "seccomp notify: rung is not stopped by its own filter before the agent has the listener" {
	needs_program strace
	peer_lacks "is another program"
	agent
	notify futex rt_sigprocmask sched_yield nanosleep
	program true
	run_overdue
}

@test "seccomp notify: an agent that is gone makes calls fail with ENOSYS" {
	agent
	notify mkdir mkdirat
	running
	kill -KILL "$agent_pid"
	wait_for_exit "$agent_pid"
	rung_exits 255 exec "$CT" true
	says linux.seccomp.listenerPath
	delete --force
	AGENT=$WORK/agent2.sock
	in_background "$HELPER" agent "$AGENT"
	poll grep -q ready "$background_out"
	make_fifo
	notify mkdir mkdirat
	shell 'echo up >/fifo; read -r x </go; testhelper syscall mkdirat 0 0 0'
	run_ct --detach
	equal up "$(heard)"
	kill -KILL "$background"
	wait_for_exit "$background"
	go
	wait_for_status stopped
	read_output
	equal ENOSYS "$out"
	delete
}

@test "seccomp notify: without an agent create fails, and says so" {
	AGENT=$WORK/nobody.sock
	notify mkdir
	create_fails
	says linux.seccomp.listenerPath "$AGENT"
	config '.linux.seccomp.listenerPath = ""'
	create_fails
	says linux.seccomp.listenerPath
	notify write
	create_fails
	says "SCMP_ACT_NOTIFY cannot be used for the write syscall"
	# Without the action the path does not matter.
	deny '{names: ["umask"], action: "SCMP_ACT_ERRNO"}'
	config '.linux.seccomp.listenerPath = "/nobody"'
	run_ct
}

@test "seccomp notify: the program and its hooks get no descriptor of it" {
	agent
	notify mkdir
	shell 'ls /proc/self/fd | wc -l'
	config 'del(.linux.seccomp)'
	run_ct
	local without=$out
	notify mkdir
	config '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "test $(ls /proc/self/fd | wc -l) = 4"]}]'
	run_ct
	equal "$without" "$out"
}
