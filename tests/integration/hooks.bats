#!/usr/bin/env bats
# The six kinds of hook: when they run, where, with what, and what becomes of
# the container if one fails.

load helpers

KINDS=(prestart createRuntime createContainer startContainer poststart poststop)

setup() {
	setup_test
	HOOKS=$WORK/hooks
	mkdir -m 777 "$HOOKS"
	# For startContainer hooks, which live in the container.
	mkdir -m 777 "$ROOTFS/hooks"
	config '.mounts += [{destination: "/hooks", type: "none", source: $dir, options: ["bind"]}]' --arg dir "$HOOKS"
}

# hook KIND NAME TEXT [JQ]: adds a shell script as a hook, changed by the jq
# filter. HOOKS is the same folder for all of them: $dir in the script.
hook() {
	local kind=$1 name=$2 dir=$HOOKS filter=${4:-.}
	[[ $kind != startContainer ]] || dir=/hooks
	printf '#!/bin/sh\nPATH=/bin:/usr/bin\ndir=%s\n%s\n' "$dir" "$3" >"$HOOKS/$name"
	chmod +x "$HOOKS/$name"
	config '.hooks[$kind] += [{path: $path} | '"$filter"']' --arg kind "$kind" --arg path "$dir/$name"
}

# all_hooks TEXT: one hook of each kind, named after it.
all_hooks() {
	local kind
	for kind in "${KINDS[@]}"; do hook "$kind" "$kind" "$1"; done
}

# order: what the hooks wrote to the log, as one line.
order() { tr '\n' ' ' <"$HOOKS/log"; }

LOG='echo "${0##*/}" >>$dir/log'

@test "hooks: the six kinds run in the spec's order around the program" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 runs poststart in create"
	all_hooks "$LOG"
	shell 'echo program >>/hooks/log; sleep 1000'
	create
	equal "prestart createRuntime createContainer " "$(order)"
	start
	contains "$(order)" "createContainer startContainer "
	contains "$(order)" " poststart "
	poll grep -q program "$HOOKS/log"
	matches "$(order)" 'startContainer .*program '
	lacks "$(order)" poststop
	delete --force
	matches "$(order)" ' poststop $'
}

@test "hooks: run calls them all, too" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 runs poststart in create"
	all_hooks "$LOG"
	run_ct
	matches "$(order)" "^prestart createRuntime createContainer startContainer poststart poststop $"
}

@test "hooks: those of one kind run in the listed order" {
	local kind
	for kind in "${KINDS[@]}"; do
		hook "$kind" "$kind-1" "$LOG"
		hook "$kind" "$kind-2" "$LOG"
		hook "$kind" "$kind-3" "$LOG"
	done
	run_ct
	for kind in "${KINDS[@]}"; do
		contains " $(order)" " $kind-1 $kind-2 $kind-3 "
	done
}

# state_of KIND FIELD: what the hook of that kind was told on stdin.
state_of() { jq -r ".$2" "$HOOKS/state.$1"; }

@test "hooks: each gets the state on stdin, with the status of its moment" {
	local kind init
	config '.annotations = {"com.example.key": "a value"}'
	all_hooks 'cat >$dir/state.${0##*/}'
	program sleep 1000
	create
	init=$(pid)
	start
	delete --force
	for kind in "${KINDS[@]}"; do
		equal "$CT" "$(state_of "$kind" id)"
		equal "$BUNDLE" "$(state_of "$kind" bundle)"
		equal "$(jq -r .ociVersion "$BUNDLE/config.json")" "$(state_of "$kind" ociVersion)"
		equal "a value" "$(state_of "$kind" 'annotations."com.example.key"')"
	done
	for kind in prestart createRuntime createContainer; do equal creating "$(state_of "$kind" status)"; done
	equal created "$(state_of startContainer status)"
	[[ -n $RUNG_PEER ]] || equal running "$(state_of poststart status)"
	equal stopped "$(state_of poststop status)"
	# The pid is that of the namespace in which the hook runs.
	for kind in prestart createRuntime poststart; do equal "$init" "$(state_of "$kind" pid)"; done
	equal 1 "$(state_of startContainer pid)"
	[[ -n $RUNG_PEER ]] || equal 1 "$(state_of createContainer pid)"
	matches "$(state_of poststop 'pid // 0')" '^0$'
}

@test "hooks: prestart, createRuntime, poststart and poststop run in the runtime's namespaces" {
	local kind
	all_hooks 'for ns in mnt net uts pid ipc; do readlink /proc/self/ns/$ns; done >$dir/ns.${0##*/}'
	run_ct
	for kind in prestart createRuntime poststart poststop; do
		equal "$(for ns in mnt net uts pid ipc; do readlink /proc/self/ns/$ns; done)" "$(<"$HOOKS/ns.$kind")"
	done
}

@test "hooks: createContainer and startContainer run in the container's namespaces" {
	local kind init ns
	all_hooks 'for ns in mnt net uts ipc; do readlink /proc/self/ns/$ns; done >$dir/ns.${0##*/}'
	running
	init=$(pid)
	for kind in createContainer startContainer; do
		equal "$(for ns in mnt net uts ipc; do readlink "/proc/$init/ns/$ns"; done)" "$(<"$HOOKS/ns.$kind")"
	done
	delete --force
}

@test "hooks: each has the limit of open files of rung's caller" {
	local kind
	all_hooks 'ulimit -S -n >$dir/limit.${0##*/}'
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 55, hard: 66}]'
	ulimit -S -n 777
	run_ct
	for kind in prestart createRuntime createContainer poststart poststop; do
		equal "777" "$(<"$HOOKS/limit.$kind")"
	done
	# By then the process has its own.
	equal "55" "$(<"$HOOKS/limit.startContainer")"
}

@test "hooks: createContainer sees the container's mounts before pivot_root, at the host's path" {
	hook createContainer look "grep -c ' $ROOTFS/dev ' /proc/self/mountinfo >\$dir/seen; ls -d $WORK >>\$dir/seen"
	run_ct
	equal "1"$'\n'"$WORK" "$(<"$HOOKS/seen")"
}

@test "hooks: createContainer starts in the container's root, and what it mounts at a relative path is in the container" {
	mkdir "$WORK/given"
	echo there >"$WORK/given/file"
	hook createContainer put "pwd >\$dir/seen; mount --bind $WORK/given mnt"
	program cat /mnt/file
	run_ct
	equal "$ROOTFS" "$(<"$HOOKS/seen")"
	equal there "$out"
}

@test "hooks: startContainer is looked up and run in the container's root" {
	echo inside >"$ROOTFS/etc/where"
	hook startContainer look 'cat /etc/where >$dir/seen; ls -d '"$WORK"' 2>/dev/null >>$dir/seen || true'
	run_ct
	equal inside "$(<"$HOOKS/seen")"
}

@test "hooks: prestart and createRuntime can reach the container's network by its pid" {
	needs_root "the hook enters the network namespace"
	needs_program nsenter jq ip
	hook createRuntime net 'PATH=$PATH:/usr/sbin:/sbin; pid=$(jq .pid); nsenter -n -t $pid ip link set lo mtu 1234'
	program cat /sys/class/net/lo/mtu
	run_ct
	equal 1234 "$out"
}

@test "hooks: a mount that createContainer makes is in the container" {
	hook createContainer mnt "mount -t tmpfs -o size=64k tmpfs $ROOTFS/mnt"
	program grep -c ' /mnt ' /proc/self/mountinfo
	run_ct
	equal 1 "$out"
}

@test "hooks: args are argv, the first included, and env is all there is" {
	config '.hooks.createRuntime = [{path: "/bin/sh", args: ["my-name", "-c", $s, "zero", "one two", ""],
		env: ["KEY=a value", "PATH=/bin:/usr/bin"]}]' \
		--arg s 'tr "\0" "\n" </proc/$$/cmdline >'"$HOOKS/args"'; tr "\0" "\n" </proc/$$/environ >'"$HOOKS/env"
	run_ct
	equal my-name "$(head -n 1 "$HOOKS/args")"
	equal "zero"$'\n'"one two" "$(tail -n 3 "$HOOKS/args")"
	equal "KEY=a value"$'\n'"PATH=/bin:/usr/bin" "$(<"$HOOKS/env")"
}

@test "hooks: without env a hook inherits nothing" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 hands on its own environment"
	hook createRuntime inherit 'tr "\0" "\n" </proc/$$/environ >$dir/env'
	RUNG_SECRET=1 run_ct
	lacks "$(<"$HOOKS/env")" RUNG_SECRET
}

@test "hooks: a startContainer hook without env has the program's" {
	config '.process.env = ["PATH=/bin", "ONE=two"]'
	hook startContainer inherit 'tr "\0" "\n" </proc/$$/environ >$dir/env'
	RUNG_SECRET=1 run_ct
	contains "$(<"$HOOKS/env")" ONE=two
	contains "$(<"$HOOKS/env")" HOME=
	lacks "$(<"$HOOKS/env")" RUNG_SECRET
}

@test "hooks: a hook that does not read its stdin is no error, however long the state" {
	config '.annotations = {"com.example.long": $long}' --arg long "$(head -c 100000 /dev/zero | tr '\0' x)"
	config '.hooks = {createRuntime: [{path: "/bin/true"}], poststart: [{path: "/bin/true"}], poststop: [{path: "/bin/true"}]}'
	run_ct
}

@test "hooks: what a hook in time does is no error" {
	hook createRuntime quick true '.timeout = 30'
	run_ct
}

@test "hooks: a prestart, createRuntime or createContainer hook that takes too long fails create" {
	local kind
	for kind in prestart createRuntime createContainer; do
		config 'del(.hooks)'
		hook "$kind" "slow" 'exec sleep 1000' '.timeout = 1'
		create_fails
		says "hooks.${kind}[0]"
	done
}

@test "hooks: a poststop hook that takes too long is a warning" {
	hook poststop slow 'exec sleep 1000' '.timeout = 1'
	hook poststop second "$LOG"
	create
	rung delete --force "$CT"
	warns "hooks.poststop[0]"
	[[ -n $RUNG_PEER ]] || equal "second " "$(order)"
}

@test "hooks: a failing prestart, createRuntime or createContainer hook fails create, and poststop runs" {
	local kind
	for kind in prestart createRuntime createContainer; do
		config 'del(.hooks)'
		rm -f "$HOOKS/log"
		hook "$kind" good "$LOG"
		hook "$kind" bad 'echo it does not suit me >&2; exit 23'
		hook "$kind" never "$LOG"
		hook startContainer late "$LOG"
		hook poststop post "$LOG"
		create_fails
		says "hooks.${kind}[1]" "exit status 23" "it does not suit me"
		# runc 1.1 runs no poststop hooks here.
		[[ -n $RUNG_PEER ]] || equal "good post " "$(order)"
	done
}

@test "hooks: a hook that dies of a signal fails create and names the signal" {
	hook createRuntime bad 'kill -KILL $$'
	create_fails
	says "hooks.createRuntime[0]" killed
}

@test "hooks: a failing hook fails run, too" {
	local kind
	for kind in prestart createRuntime createContainer startContainer poststart; do
		config 'del(.hooks)'
		hook "$kind" bad 'exit 23'
		program sleep 1000
		# runc 1.1 leaves the container to the caller where start failed.
		if [[ -n $RUNG_PEER ]]; then
			rung_fails run --bundle "$BUNDLE" "$CT"
			delete --force
		else
			run_fails
			says "hooks.${kind}[0]" "exit status 23"
		fi
	done
}

@test "hooks: a failing startContainer hook fails start, the program never runs, poststop does" {
	hook startContainer bad 'exit 23'
	hook poststop post "$LOG"
	program touch /ran
	create
	if [[ -z $RUNG_PEER ]]; then
		rung_fails start "$CT"
		says "hooks.startContainer[0]" "exit status 23"
	else
		# The error is in the container's stderr there.
		try_rung start "$CT"
		wait_for_status stopped
	fi
	[ ! -e "$ROOTFS/ran" ]
	delete --force
	equal "post " "$(order)"
}

@test "hooks: a failing poststart hook fails start, and the container is stopped" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 runs poststart in create"
	local init
	hook poststart bad 'exit 23'
	hook poststop post "$LOG"
	program sleep 1000
	create
	init=$(pid)
	rung_fails start "$CT"
	says "hooks.poststart[0]" "exit status 23"
	wait_for_exit "$init"
	delete --force
	equal "post " "$(order)"
}

@test "hooks: poststart runs before start returns" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 runs poststart in create"
	hook poststart slow "sleep 0.3; $LOG"
	program sleep 1000
	create
	[ ! -e "$HOOKS/log" ]
	start
	equal "slow " "$(order)"
	delete --force
}

@test "hooks: a failing poststop hook is a warning, the next ones run, and delete succeeds" {
	hook poststop bad 'exit 23'
	hook poststop post "$LOG"
	create
	rung delete --force "$CT"
	warns "hooks.poststop[0]" "exit status 23"
	[[ -n $RUNG_PEER ]] || equal "post " "$(order)"
}

@test "hooks: poststop runs when the container's processes and cgroups are gone" {
	local dir
	dir=$(cgroup_dir pids)
	hook poststop post "test -d $dir; echo \$? >\$dir/status; cat $dir/cgroup.procs >\$dir/pids 2>/dev/null"
	program sleep 1000
	create
	start
	[ -d "$dir" ]
	delete --force
	equal 1 "$(<"$HOOKS/status")"
	equal "" "$(<"$HOOKS/pids")"
}

@test "hooks: a path that does not exist fails create and is named" {
	local kind
	for kind in prestart createRuntime createContainer; do
		config '.hooks = {($kind): [{path: "/bin/true"}, {path: "/no/such/hook"}]}' --arg kind "$kind"
		create_fails
		says "hooks.${kind}[1]" /no/such/hook "no such file or directory"
	done
}

@test "hooks: a file that cannot be executed fails create and is named" {
	echo text >"$HOOKS/text"
	config '.hooks = {createRuntime: [{path: $path}]}' --arg path "$HOOKS/text"
	create_fails
	says "hooks.createRuntime[0]" "$HOOKS/text" "permission denied"
}

@test "hooks: a relative path is an error that names the field" {
	peer_lacks "takes it"
	local kind
	for kind in "${KINDS[@]}"; do
		config '.hooks = {($kind): [{path: "bin/true"}]}' --arg kind "$kind"
		create_fails
		says "hooks.${kind}[0].path" bin/true
	done
}

@test "hooks: a timeout of zero or less is an error that names the field" {
	peer_lacks "takes it"
	local timeout
	for timeout in 0 -1; do
		config '.hooks = {createRuntime: [{path: "/bin/true", timeout: $t}]}' --argjson t "$timeout"
		create_fails
		says "hooks.createRuntime[0].timeout"
	done
}
