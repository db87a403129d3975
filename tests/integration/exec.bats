#!/usr/bin/env bats
# exec: a further program in a container that is there.

load helpers

# exec_ct ARG...: runs a program in the test's container; it must succeed.
exec_ct() { rung exec "$@"; }

# exec_fails ARG...: an exec whose program does not run: status 255, one line.
exec_fails() {
	try_rung exec "$@"
	((status == 255)) || [[ -n $RUNG_PEER && $status != 0 && $status != 124 ]] || fail "exit status is $status, want 255"
	[[ -n $err ]] || fail "no error on stderr"
	[[ -n $RUNG_PEER ]] || equal 1 "$(grep -cvE "$WARNING" "$err_file")"
}

# in_status NAME: a line of the program's /proc/self/status, from out.
in_status() { awk -v n="$1:" '$1 == n { $1 = ""; sub(/^ /, ""); print }' <<<"$out"; }

@test "exec: the output and the exit status are the program's" {
	running
	try_rung exec "$CT" sh -c 'echo out; echo err >&2; exit 42'
	equal 42 "$status"
	equal out "$out"
	equal err "$err"
	delete --force
}

@test "exec: a program that a signal ends gives 128 and its number" {
	running
	rung_exits 143 exec "$CT" sh -c 'kill -TERM $$'
	delete --force
}

@test "exec: flags behind the container's id are the program's" {
	running
	exec_ct "$CT" echo -d --tty -e x
	equal "-d --tty -e x" "$out"
	delete --force
}

# --- what the program gets ---

@test "exec: it is in the container's namespaces and cgroups, and not the init" {
	running
	exec_ct "$CT" sh -c 'for ns in mnt pid uts ipc net; do readlink /proc/self/ns/$ns; done; [ $$ != 1 ]'
	equal "$(for ns in mnt pid uts ipc net; do readlink "/proc/$(pid)/ns/$ns"; done)" "$out"
	delete --force
	# With a cgroup namespace the path would be / for all.
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	running
	exec_ct "$CT" cat /proc/self/cgroup
	equal "$(cat "/proc/$(pid)/cgroup")" "$out"
	delete --force
}

@test "exec: settings are those of config.json, though it is gone" {
	config '.process.env = ["PATH=/bin", "A=1"] | .process.cwd = "/tmp" | .process.noNewPrivileges = true |
		.process.user = {uid: 1000, gid: 1001, umask: 63, additionalGids: [5, 7]} | .process.oomScoreAdj = 321 |
		.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 88}] |
		.process.capabilities = {bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"]}'
	running
	rm "$BUNDLE/config.json"
	exec_ct "$CT" sh -c 'pwd; echo $A $(id -u) $(id -g) $(umask); cat /proc/self/oom_score_adj; ulimit -Sn; ulimit -Hn; cat /proc/self/status'
	equal "/tmp
1 1000 1001 0077
321
77
88" "$(head -n 5 <<<"$out")"
	equal "5 7" "$(in_status Groups | xargs)"
	equal 1 "$(in_status NoNewPrivs)"
	equal 0000000000000020 "$(in_status CapBnd)"
	delete --force
}

@test "exec: scheduler, I/O priority and personality are those of config.json" {
	give_helper
	config '.process.scheduler = {policy: "SCHED_BATCH", nice: 5} | .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6} |
		.linux.personality = {domain: "LINUX32"}'
	program /bin/testhelper sched
	run_ct
	local sched=$out
	running
	exec_ct "$CT" testhelper sched
	equal "$sched" "$out"
	exec_ct "$CT" testhelper ioprio
	contains "$out" 6
	exec_ct "$CT" uname -m
	matches "$out" 'i686|arm|ppc|mips|s390$|86$'
	delete --force
}

@test "exec: --cwd, --env, --user, --additional-gids" {
	running
	exec_ct --cwd /usr/bin --env A=b,c -e A2= -u 1000:1002 -g 5 --additional-gids 6 "$CT" sh -c 'pwd; echo $A $A2 $HOME; id -u; id -G'
	equal "/usr/bin
b,c /home/alice
1000
1002 5 6" "$out"
	exec_ct --user 1000 "$CT" sh -c 'id -u; id -g'
	equal "1000
0" "$out"
	exec_fails --user alice "$CT" true
	says "--user" alice
	exec_fails --additional-gids -1 "$CT" true
	exec_fails --env A "$CT" true
	exec_fails --cwd relative "$CT" true
	says cwd
	exec_fails --cwd /missing "$CT" true
	says cwd /missing
	delete --force
}

@test "exec: has all its capabilities where rung's caller has no_new_privs, too" {
	config '.process.capabilities |= map_values(["CAP_CHOWN", "CAP_KILL"])'
	running
	exec_ct "$CT" grep CapPrm /proc/self/status
	equal "$out" "$(setpriv --no-new-privs "$RUNG" --root "$ROOT" exec "$CT" grep CapPrm /proc/self/status </dev/null)"
	delete --force
}

@test "exec: --cap and --no-new-privs" {
	config '.process.noNewPrivileges = false | .process.capabilities = {bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"]}'
	running
	exec_ct --cap CAP_SYS_PTRACE -c CAP_NET_RAW --no-new-privs "$CT" cat /proc/self/status
	local set
	for set in CapBnd CapPrm CapEff; do equal 0000000000082020 "$(in_status $set)"; done
	equal 0000000000000000 "$(in_status CapInh)"
	equal 0000000000000000 "$(in_status CapAmb)"
	equal 1 "$(in_status NoNewPrivs)"
	exec_ct "$CT" cat /proc/self/status
	equal 0 "$(in_status NoNewPrivs)"
	delete --force
}

@test "exec: --process runs what a file says, and inherits what it leaves out" {
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 88}] | .process.user.umask = 63'
	running
	echo '{"cwd": "/tmp", "args": ["sh", "-c", "pwd; id -u; echo $A; ulimit -n; umask"], "user": {"uid": 1000, "gid": 1000}, "env": ["A=x", "PATH=/bin"]}' >"$WORK/process.json"
	exec_ct --process "$WORK/process.json" "$CT"
	equal "/tmp
1000
x
77
0077" "$out"
	exec_ct -p <(cat "$WORK/process.json") "$CT"
	echo '{"cwd": "/", "args": []}' >"$WORK/process.json"
	exec_fails -p "$WORK/process.json" "$CT"
	says args
	exec_fails -p "$WORK/missing" "$CT"
	says missing
	delete --force
}

@test "exec: --preserve-fds passes descriptors on, and no others are open" {
	running
	echo hello >"$WORK/file"
	# The last one is that of ls itself.
	equal "hello 0 1 2 3 4 5" "$("$RUNG" --root "$ROOT" exec --preserve-fds 2 "$CT" sh -c 'cat <&4; ls /proc/self/fd' \
		3<"$WORK/file" 4<"$WORK/file" 5<"$WORK/file" 9>&- | xargs)"
	exec_fails --preserve-fds 100 "$CT" true
	says --preserve-fds
	delete --force
}

@test "exec: the session is its own, the keyring the container's" {
	give_helper
	make_fifo
	shell 'testhelper keyring >/fifo; sleep 1000'
	run_ct --detach
	local keyring
	keyring=$(heard)
	exec_ct "$CT" testhelper keyring
	equal "$keyring" "$out"
	exec_ct "$CT" sh -c 'set -- $(cat /proc/self/stat); echo $6'
	differ 0 "$out"
	delete --force
}

@test "exec: execCPUAffinity" {
	local last
	last=$(grep -c ^processor /proc/cpuinfo)
	((last > 1)) || skip "this machine has one CPU"
	peer_lacks "older ones do not know it"
	config '.process.execCPUAffinity = {initial: "0", final: "1"}'
	running
	exec_ct "$CT" grep Cpus_allowed_list /proc/self/status
	equal "Cpus_allowed_list:	1" "$out"
	delete --force
	config '.process.execCPUAffinity = {initial: "0"}'
	running
	exec_ct "$CT" grep Cpus_allowed_list /proc/self/status
	# Before Linux 6.2 a cpuset that is entered puts all its CPUs in the place of those.
	matches "$out" "^Cpus_allowed_list:	(0|0-$((last - 1)))\$"
	delete --force
	# What rung's caller is pinned to is not the container's.
	config 'del(.process.execCPUAffinity)'
	running
	taskset -c 1 "$RUNG" --root "$ROOT" exec "$CT" grep Cpus_allowed_list /proc/self/status >"$WORK/list" 3>&-
	equal "Cpus_allowed_list:	0-$((last - 1))" "$(<"$WORK/list")"
	delete --force
	program grep Cpus_allowed_list /proc/self/status
	taskset -c 1 "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" >"$WORK/list" 3>&-
	equal "Cpus_allowed_list:	0-$((last - 1))" "$(<"$WORK/list")"
}

# --- where it runs ---

@test "exec: --cgroup enters cgroups below the container's" {
	running
	local dir
	if [[ $CGROUP_MODE == v2 ]]; then
		dir=$(cgroup_dir "")
		mkdir "$dir/sub"
		exec_ct --cgroup sub "$CT" cat /proc/self/cgroup
		matches "$out" '/sub$'
		rung exec --cgroup / "$CT" true
	else
		mkdir "/sys/fs/cgroup/memory$PARENT/$CT/sub" "/sys/fs/cgroup/pids$PARENT/$CT/sub"
		exec_ct --cgroup memory,pids:sub "$CT" cat /proc/self/cgroup
		matches "$out" "memory:$PARENT/$CT/sub"
		matches "$out" "pids:$PARENT/$CT/sub"
		has_line "$out" "$(grep devices "/proc/$(pid)/cgroup")"
		exec_fails --cgroup memory:missing "$CT" true
		says missing "no such file"
		exec_fails --cgroup nothing:sub "$CT" true
		exec_fails --cgroup memory:sub --cgroup memory:sub "$CT" true
		exec_fails --cgroup memory:sub --cgroup sub "$CT" true
		exec_fails --cgroup memory:.. "$CT" true
	fi
	exec_fails --cgroup .. "$CT" true
	exec_fails --cgroup ../.. "$CT" true
	exec_fails --cgroup missing "$CT" true
	delete --force
}

@test "exec: into a created container" {
	program sleep 1000
	create
	exec_ct "$CT" sh -c 'echo in there; id -u'
	equal "in there
0" "$out"
	equal created "$(state status)"
	start
	equal running "$(state status)"
	delete --force
}

@test "exec: into a stopped, a missing or a half-created container is an error" {
	exec_fails "$CT" true
	says "does not exist"
	run_ct --keep
	exec_fails "$CT" true
	says "stopped"
	delete
	make_fifo
	config '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "echo hook >$1; read x <$2", "sh", $f, $g]}]' \
		--arg f "$ROOTFS/fifo" --arg g "$ROOTFS/go"
	rung_in_background create --bundle "$BUNDLE" "$CT"
	heard
	exec_fails "$CT" true
	[[ -n $RUNG_PEER ]] || says "created"
	go
	finish "$background"
	delete --force
}

@test "exec: into a paused container only with --ignore-paused" {
	running
	rung pause "$CT"
	exec_fails "$CT" true
	says "paused" "--ignore-paused"
	rung_in_background exec --ignore-paused "$CT" echo went on
	local exec=$background text=$background_out
	sleep 0.2
	equal "" "$(<"$text")"
	rung resume "$CT"
	finish "$exec"
	equal "went on" "$(<"$text")"
	delete --force
}

@test "exec --ignore-paused: one that is interrupted before the container goes on ends, and runs nothing" {
	members() { (("$1" == $(wc -l <"$(cgroup_dir freezer)/cgroup.procs"))); }
	running
	rung pause "$CT"
	rung_in_background exec --ignore-paused "$CT" touch /tmp/ran
	poll members 2
	local code=0
	kill -INT "$background"
	finish "$background" || code=$?
	equal 130 "$code"
	rung resume "$CT"
	poll members 1
	[[ ! -e $ROOTFS/tmp/ran ]]
	delete --force
}

@test "exec: on one processor, too, it is interrupted while its process is frozen" {
	in_ice() { (("$1" == $(wc -l <"$ice/cgroup.procs"))); }
	freeze() { echo "$1" >"$ice/$(v1_or_v2 freezer.state cgroup.freeze)"; }
	peer_lacks "it is about what rung waits for"
	running
	local ice code _
	ice=$(cgroup_dir freezer)/sub
	mkdir "$ice"
	# Whether it listens for signals before its process is frozen is a race, which others
	# that want the processor let it lose.
	in_background taskset -c 0 sh -c "while :; do :; done"
	local hog=$background
	for _ in {1..10}; do
		freeze "$(v1_or_v2 FROZEN 1)"
		in_background taskset -c 0 "$RUNG" --root "$ROOT" exec --cgroup "$(v1_or_v2 freezer:sub sub)" "$CT" true
		poll in_ice 1
		kill -TERM "$background"
		code=0
		finish "$background" || code=$?
		equal 143 "$code"
		freeze "$(v1_or_v2 THAWED 0)"
		poll in_ice 0
	done
	kill -KILL "$hog"
	rmdir "$ice"
	delete --force
}

@test "exec: a container without a pid or mount namespace of its own keeps its root" {
	needs_root "without a mount namespace the root is a chroot"
	config '.linux.namespaces |= map(select(.type != "mount" and .type != "pid")) | del(.linux.maskedPaths, .linux.readonlyPaths) | .mounts = []'
	running
	exec_ct "$CT" sh -c 'ls /; readlink /proc/self/root 2>&1 || true'
	contains "$out" home
	lacks "$out" boot
	delete --force
}

@test "exec: a program that cannot be run is an error of one line and status 255" {
	running
	exec_fails "$CT" nosuchprogram
	says nosuchprogram "executable file not found in \$PATH"
	exec_fails "$CT" /etc/passwd
	says /etc/passwd
	exec_fails "$CT"
	exec_fails --pid-file /nonexistent/file "$CT" true
	printf '#!/nonexistent foo\n' >"$ROOTFS/bin/script"
	chmod +x "$ROOTFS/bin/script"
	exec_fails "$CT" script
	says /nonexistent
	delete --force
}

@test "exec: into a container that uses half of its 4 MiB" {
	needs_controller memory
	local dir=/sys/fs/cgroup/memory$PARENT/$CT usage
	[[ $CGROUP_MODE != v2 ]] || dir=$(cgroup_dir memory)
	give_helper
	make_fifo
	config '.linux.resources.memory = {limit: 4194304}'
	# A file of a tmpfs is the container's memory.
	shell 'dd if=/dev/zero of=/dev/shm/file bs=1024 count=2000 2>/dev/null; echo done >/fifo; sleep 1000'
	run_ct --detach
	heard
	usage=$(cat "$dir/memory.usage_in_bytes" 2>/dev/null || cat "$dir/memory.current")
	((usage > 2000000)) || fail "it uses only $usage"
	exec_ct "$CT" echo there
	equal there "$out"
	delete --force
}

# --- in the foreground and detached ---

@test "exec: --detach returns when the program runs, and leaves it to live" {
	make_fifo
	running
	exec_ct --detach --pid-file "$WORK/pid" "$CT" sh -c 'echo $$ >/fifo; read x </go; exit 7'
	local inside outside
	inside=$(heard)
	outside=$(<"$WORK/pid")
	equal "$inside" "$(awk '$1 == "NSpid:" { print $NF }' "/proc/$outside/status")"
	go
	wait_for_exit "$outside"
	delete --force
}

@test "exec: signals go to the program" {
	make_fifo
	running
	rung_in_background exec "$CT" sh -c 'trap "exit 9" TERM; echo ready >/fifo; while :; do sleep 1000 & wait; done'
	heard
	kill -TERM "$background"
	local status=0
	finish "$background" || status=$?
	equal 9 "$status"
	delete --force
}

@test "exec: when rung is killed, the running program lives on" {
	make_fifo
	running
	rung_in_background exec --pid-file "$WORK/pid" "$CT" sh -c 'echo ready >/fifo; read x </go'
	heard
	kill -KILL "$background"
	wait_for_exit "$background"
	kill -0 "$(<"$WORK/pid")"
	go
	wait_for_exit "$(<"$WORK/pid")"
	delete --force
}

@test "exec: killed at any moment it leaves nothing that is not the program" {
	running
	local i
	for i in $(seq 40); do
		"$RUNG" --root "$ROOT" exec "$CT" sleep 60 </dev/null >/dev/null 2>&1 3>&- 9>&- &
		sleep "0.00$((i % 10))"
		if ((i % 2)); then kill -KILL $! 2>/dev/null; else kill -TERM $! 2>/dev/null; fi
		wait $! || true
	done
	none_of_rung() {
		local p
		for p in $("$RUNG" --root "$ROOT" ps --format json "$CT" 3>&- | tr '[],' '   '); do
			! tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -q '^rung init' || return 1
		done
	}
	poll none_of_rung
	equal running "$(state status)"
	delete --force
}

@test "exec, run: rung waits without Go's network poller, whose making takes time" {
	peer_lacks "no rung"
	needs_root "for a user namespace rung reads and writes files, which sets the poller up"
	make_fifo
	shell 'echo running >/fifo; read x </go'
	rung_in_background run --bundle "$BUNDLE" "$CT"
	local run=$background
	heard
	lacks "$(ls -l "/proc/$run/fd")" eventpoll
	rung_in_background exec "$CT" sh -c 'echo ready >/fifo; read x </go'
	heard
	lacks "$(ls -l "/proc/$background/fd")" eventpoll
	kill -KILL "$background"
	wait_for_exit "$background"
	kill -KILL "$(pid)"
	finish "$run" || equal 137 $?
}

@test "exec: a hundred at once" {
	running
	local i failed=0 pids=()
	for i in $(seq 100); do
		"$RUNG" --root "$ROOT" exec "$CT" sh -c "exit $((i % 7))" </dev/null >>"$WORK/many" 2>&1 3>&- 9>&- &
		pids+=($!)
	done
	for i in $(seq 100); do
		local status=0
		wait "${pids[i - 1]}" || status=$?
		((status == i % 7)) || failed=$((failed + 1))
	done
	cat "$WORK/many"
	equal 0 "$failed"
	rung ps --format json "$CT"
	equal "[$(pid)]" "$out"
	delete --force
}

@test "exec: it writes nothing down" {
	running
	local before
	before=$(find "$ROOT" -printf '%p %s %T@ %C@\n' | sort)
	exec_ct "$CT" true
	exec_ct --detach "$CT" true
	equal "$before" "$(find "$ROOT" -printf '%p %s %T@ %C@\n' | sort)"
	delete --force
}

# --- terminals ---

@test "exec: --tty gives a terminal of the container, with the size of rung's own" {
	running
	STDIN=/dev/null in_background script -qefc "stty rows 33 cols 144; '$RUNG' --root '$ROOT' exec -t '$CT' sh -c 'tty; stty size; test -t 2; echo to >/dev/tty; exit 5'" /dev/null
	local status=0
	finish "$background" || status=$?
	equal 5 "$status"
	contains "$(tr -d '\r' <"$background_out")" "/dev/pts/" "33 144" "to"
	delete --force
}

@test "exec: --tty --detach sends the terminal to --console-socket" {
	running
	exec_fails --tty --detach "$CT" true
	says "console socket"
	console_socket
	exec_fails --console-socket "$CONSOLE" "$CT" true
	exec_ct --tty --detach --user 1000 --console-socket "$CONSOLE" "$CT" sh -c 'tty; stat -c %u "$(tty)"; sleep 0.1'
	finish "$background"
	equal "/dev/pts/0
1000" "$(tr -d '\r' <"$background_out")"
	delete --force
}

@test "exec: --pidfd-socket gets the program's pidfd" {
	peer_lacks "older ones do not know it"
	running
	in_background "$HELPER" recvpidfd "$WORK/pidfd.sock"
	poll test -S "$WORK/pidfd.sock"
	exec_ct --detach --pid-file "$WORK/pid" --pidfd-socket "$WORK/pidfd.sock" "$CT" sleep 1000
	finish "$background"
	contains "$(<"$background_out")" "$(<"$WORK/pid")"
	delete --force
}

# --- hostile containers ---

@test "exec: a working folder that a descriptor leads to is refused" {
	running
	local fd
	for fd in 3 4 5 6 7 8 9; do
		try_rung exec --cwd "/proc/self/fd/$fd" "$CT" cat etc/hostname
		((status == 255)) || fail "--cwd /proc/self/fd/$fd was accepted"
	done
	ln -s /proc/self/fd/7 "$ROOTFS/link"
	try_rung exec --cwd /link "$CT" true
	equal 255 "$status"
	delete --force
}

@test "exec: the binary on the host cannot be written to through /proc/self/exe" {
	cp "$RUNG" "$WORK/rung"
	printf '#!/proc/self/exe\n' >"$ROOTFS/bin/evil"
	chmod +x "$ROOTFS/bin/evil"
	running
	local sum
	sum=$(md5sum <"$WORK/rung")
	RUNG=$WORK/rung try_rung exec "$CT" /bin/evil
	ln -s /proc/self/exe "$ROOTFS/bin/evil2"
	RUNG=$WORK/rung try_rung exec "$CT" /bin/evil2
	RUNG=$WORK/rung try_rung exec "$CT" sh -c 'for p in /proc/[0-9]*; do echo overwritten 2>/dev/null >"$p/exe"; done; true'
	equal "$sum" "$(md5sum <"$WORK/rung")"
	delete --force
}

@test "exec: processes of the container cannot look into the one that joins" {
	# With all that rung itself may, but for CAP_SYS_PTRACE, which would be enough on any system.
	needs_program capsh
	config '($caps / ",") as $c | .process.capabilities = {bounding: $c, permitted: $c, effective: $c}' \
		--arg caps "$(capsh --decode="$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)" | cut -d= -f2 | sed 's/cap_sys_ptrace,//' | tr "[:lower:]" "[:upper:]")"
	make_fifo
	shell 'cd /proc; while [ ! -e /stop ]; do
		for p in [0-9]*; do
			case $(tr "\0" " " <$p/cmdline 2>/dev/null) in
			"rung init"*) readlink $p/exe >>/seen; readlink $p/fd/3 >>/seen ;;
			esac
		done
	done; echo over >/fifo; sleep 1000'
	run_ct --detach
	local i
	for i in $(seq 40); do exec_ct "$CT" true; done >/dev/null
	touch "$ROOTFS/stop"
	heard
	# By then it may have become the program.
	lacks "$(sort -u "$ROOTFS/seen")" rung memfd socket
	delete --force
}

@test "exec: processes of the container see nothing of the host in /proc of the one that joins" {
	give_helper
	program testhelper watch-proc 4
	run_ct --detach
	local log=$out_file i
	for ((i = 0; i < 100; i++)); do try_rung exec "$CT" true; done >/dev/null
	poll grep -qx over "$log" || fail "the watcher says: $(<"$log")" || return
	equal over "$(<"$log")"
	delete --force
}

@test "exec: a container that stops what joins it cannot keep rung from being called off" {
	give_helper
	program testhelper stop-new 60
	run_ct --detach
	poll grep -qx ready "$out_file"
	local i code stopped=0
	for i in 1 2 3 4 5; do
		code=0
		timeout --foreground -k "$PATIENCE" 1 "$RUNG" --root "$ROOT" exec --detach "$CT" true >/dev/null 2>&1 </dev/null 3>&- || code=$?
		# What was not caught in time has begun its program.
		case $code in
		0) ;;
		124) stopped=$((stopped + 1)) ;;
		*) fail "exec ended with status $code" ;;
		esac
	done
	((stopped > 0)) || fail "nothing was ever stopped"
	delete --force
}

@test "exec: a container that replaced its /dev/pts gets no terminal of anything else" {
	config '.mounts |= map(select(.destination != "/dev/pts"))'
	running
	mkfifo "$ROOTFS/pts.ptmx"
	exec_ct "$CT" sh -c 'mkdir -p /dev/pts; mkfifo /dev/pts/ptmx'
	exec_fails --tty "$CT" true
	says "/dev/pts"
	delete --force
}
