#!/usr/bin/env bats
# rung under containerd, driven by ctr: its shim calls rung as it calls runc.
#
# The scripts in single quotes are for the shell in the container; ID belongs to the test that sets it.
# What waits in a pipeline for a program's output to arrive in a file reads the file, and means to.
# shellcheck disable=SC2016,SC2030,SC2031,SC2094

load helpers
load image

IMAGE=docker.io/library/box:1

setup_file() {
	make_scratch ctr
	# For the root of user namespaces.
	chmod 711 "$D"
	# Nothing of a containerd that the machine may have is touched: its folders and its socket are elsewhere.
	printf '%s\n' 'version = 2' 'disabled_plugins = ["io.containerd.grpc.v1.cri"]' \
		'[plugins."io.containerd.internal.v1.restart"]' 'interval = "1s"' >"$D/config.toml"
	start_containerd
	make_rootfs "$D/rootfs"
	make_image "$D/rootfs" "$D/image.tar"
	ctr_ image import --snapshotter native "$D/image.tar" >/dev/null
}

start_containerd() {
	background containerd --config "$D/config.toml" --root "$D/root" --state "$D/state" --address "$D/c.sock"
	await_daemon ctr_quiet version
}

teardown_file() {
	local failed=0
	stop_daemon || failed=1
	remove_scratch || failed=1
	return "$failed"
}

setup() {
	export ID=c$BATS_TEST_NUMBER
}

teardown() {
	local id
	tell_why
	for id in $(ctr_ task ls -q); do
		ctr_quiet task kill -s KILL "$id" || true
		ctr_quiet task rm -f "$id" || true
	done
	for id in $(ctr_ container ls -q); do ctr_ container rm "$id"; done
	assert_clean "$D/runc/$TAG"
}

# The client, in a namespace of its own, whose name is also the parent of the containers' cgroups. It passes a
# polite signal on to the container, hence the second one; --foreground leaves it the terminal.
ctr_() { timeout --foreground -k 2 30 ctr --address "$D/c.sock" --namespace "$TAG" "$@"; }
ctr_quiet() { ctr_ "$@" >/dev/null 2>&1; }

# split [OPTION...] -- COMMAND...: sets the caller's arrays options and program to what is before and behind the --.
split() {
	options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	program=("${@:2}")
}

# started [OPTION...] -- COMMAND...: runs a command in a container named ID.
started() {
	local options program
	split "$@"
	ctr_ run --runc-binary "$RUNG" --runc-root "$D/runc" --snapshotter native "${options[@]}" "$IMAGE" "$ID" "${program[@]}"
}

# box: as started, and waits for its end; nothing of it stays. What is printed is what the shim has written down: when the program has
# ended, ctr closes its streams, whether or not it has read them to their end, of every runtime's containers. The shim closes the file
# of both at the end of the first: a program whose errors are to be read writes them to its output.
box() {
	local code=0
	started --rm --log-uri "file://$D/$ID.out" "$@" || code=$?
	[ ! -e "$D/$ID.out" ] || cat "$D/$ID.out"
	rm -f "$D/$ID.out"
	return "$code"
}

# on_streams: as box, but by ctr's streams, for a program that reads a line at its end, which is from heard.
on_streams() { started --rm "$@"; }

# heard FILE TEXT: prints a line as soon as the text is in the file.
heard() { eventually 20 grep -qs -- "$2" "$1" && echo; }

# detached: as started, in the background, and it stays when it has ended.
detached() { started --detach --log-uri "file://$D/$ID.log" "$@"; }

# For the shells that some tests start in between.
export IMAGE
export -f ctr_ split started on_streams

task_status() { ctr_ task ls | awk -v id="$ID" '$1 == id { print $3 }'; }
task_pid() { ctr_ task ls | awk -v id="$ID" '$1 == id { print $2 }'; }
is_stopped() { [ "$(task_status)" = STOPPED ]; }
has_no_task() { [ -z "$(task_status)" ]; }

@test "containerd: output and exit code 0" {
	run box -- echo hello
	shows hello
}

@test "containerd: exit code 3, with stdout and stderr apart" {
	local code=0
	(heard "$D/$ID.out" out && heard "$D/$ID.err" err) | on_streams -- sh -c 'echo out; echo err >&2; read line; exit 3' >"$D/$ID.out" 2>"$D/$ID.err" || code=$?
	[ "$code" -eq 3 ]
	[ "$(<"$D/$ID.out")" = out ]
	grep -q err "$D/$ID.err"
}

@test "containerd: standard input reaches the program" {
	(seq 1000 && heard "$D/$ID.sum" ' -$') | on_streams -- sh -c 'head -n 1000 | sha256sum; read line' >"$D/$ID.sum"
	[ "$(<"$D/$ID.sum")" = "$(seq 1000 | sha256sum)" ]
}

@test "containerd: a mebibyte of output arrives whole" {
	box -- sh -c 'yes 0123456789abcde | head -c 1048576' | cmp - <(yes 0123456789abcde | head -c 1048576)
}

@test "containerd: --env and --cwd" {
	run box --env COLOUR=blue --cwd /tmp -- sh -c 'echo $COLOUR $PWD'
	shows "blue /tmp"
}

@test "containerd: the container sees its own processes, network and host name only" {
	run box -- sh -c 'echo $$ $(ls /sys/class/net); ls -d /proc/[0-9]* | wc -l'
	ended 0
	[ "${lines[0]}" = "1 lo" ]
	[ "${lines[1]}" -le 3 ]
}

@test "containerd: a bind mount to write, and one only to read" {
	mkdir -p "$D/shared"
	echo from the host >"$D/shared/file"
	run box --mount "type=bind,src=$D/shared,dst=/rw,options=rbind:rw" \
		--mount "type=bind,src=$D/shared,dst=/ro,options=rbind:ro" \
		-- sh -c 'exec 2>&1; cat /ro/file; echo more >>/rw/file; echo no >/ro/file'
	said "from the host"
	said "Read-only file system"
	[ "$(tail -n 1 "$D/shared/file")" = more ]
}

@test "containerd: --read-only root, with a tmpfs to write to" {
	run box --read-only --mount type=tmpfs,src=tmpfs,dst=/scratch,options=size=1m \
		-- sh -c 'exec 2>&1; echo x >/scratch/x && cat /scratch/x; echo y >/y'
	said x
	said "/y: Read-only file system"
}

@test "containerd: --tty gives a terminal of the client's size" {
	local code=0
	heard "$D/$ID.seen" "40 120" | SHELL=$BASH script -qefc "stty rows 40 cols 120; on_streams --tty -- sh -c '${tell_terminal:?}; read line; exit 4'" \
		"$D/$ID.seen" >/dev/null || code=$?
	[ "$code" -eq 4 ]
	grep -q ^/dev/pts/0 "$D/$ID.seen"
	grep -q "^40 120" "$D/$ID.seen"
}

@test "containerd: --memory-limit is in force" {
	detached --memory-limit 33554432 -- sleep 100
	[ "$(limit_of "$TAG/$ID" memory.max memory memory.limit_in_bytes)" = 33554432 ]
	ctr_ task kill -s KILL "$ID"
	eventually 10 is_stopped
	ctr_ task rm "$ID" || true
}

@test "containerd: running out of memory is an oom event, and exit code 137" {
	timeout 60 ctr --address "$D/c.sock" events >"$D/events" 3>&- &
	local events=$!
	# Only when the shim watches, and the client.
	detached --memory-limit 16777216 -- sh -c 'until [ -e /go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=64M count=1; exit $?'
	eventually 10 tells_events
	ctr_ task exec --exec-id "go-$ID" "$ID" touch /go
	eventually 10 is_stopped
	run ctr_ task rm "$ID"
	said "exit code 137"
	eventually 10 grep -q "/tasks/oom.*$ID" "$D/events"
	kill "$events"
}

# tells_events: the client that listens has heard of a namespace that is made and removed again.
tells_events() {
	ctr_ namespaces create "$TAG-hear" && ctr_ namespaces remove "$TAG-hear"
	grep -q "namespaces/.*$TAG-hear" "$D/events"
} >/dev/null

@test "containerd: --cpu-quota is in force" {
	detached --cpu-quota 20000 --cpu-period 100000 -- sleep 100
	[[ $(limit_of "$TAG/$ID" cpu.max cpu cpu.cfs_quota_us) == 20000* ]]
	ctr_ task kill -s KILL "$ID"
}

@test "containerd: --cap-drop and --cap-add" {
	run box --cap-drop CAP_CHOWN -- sh -c 'chown joe /tmp || echo refused'
	said refused
	run box --cap-add CAP_SYS_ADMIN -- sh -c 'mount -t tmpfs tmpfs /tmp && echo mounted'
	shows mounted
}

@test "containerd: --privileged" {
	run box --privileged -- sh -c 'hostname other && hostname && test -w /sys/kernel && echo writable'
	shows "other
writable"
}

@test "containerd: the host's network, and another container's" {
	run box --net-host -- sh -c 'readlink /proc/self/ns/net'
	shows "$(readlink /proc/self/ns/net)"
	detached -- sleep 100
	local pid
	pid=$(task_pid)
	ID=$ID-other
	run box --with-ns "network:/proc/$pid/ns/net" -- readlink /proc/self/ns/net
	shows "$(readlink "/proc/$pid/ns/net")"
}

@test "containerd: a detached task is listed, killed, removed" {
	detached -- sh -c 'echo started; exec sleep 100'
	[ "$(task_status)" = RUNNING ]
	[ "$(tr '\0' ' ' <"/proc/$(task_pid)/cmdline")" = "sleep 100 " ]
	grep -q started "$D/$ID.log"
	run ctr_ task rm "$ID"
	[ "$status" -ne 0 ]
	ctr_ task kill -s KILL "$ID"
	eventually 10 is_stopped
	run ctr_ task rm "$ID"
	said "exit code 137"
	has_no_task
}

@test "containerd: a signal by name reaches the program" {
	detached -- sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done'
	eventually 10 grep -q ready "$D/$ID.log"
	ctr_ task kill -s USR1 "$ID"
	eventually 10 is_stopped
	run ctr_ task rm "$ID"
	said "exit code 9"
}

@test "containerd: task kill --all ends every process" {
	detached -- sh -c 'sleep 111 & sleep 112 & wait'
	eventually 10 has_processes 3
	ctr_ task kill --all -s KILL "$ID"
	eventually 10 is_stopped
	[ -z "$(processes_left)" ]
}

has_processes() { [ "$(limit_of "$TAG/$ID" cgroup.procs pids cgroup.procs | wc -l)" -ge "$1" ]; }

@test "containerd: task pause and resume" {
	detached -- sh -c 'while :; do echo tick; sleep 0.05; done'
	ctr_ task pause "$ID"
	[ "$(task_status)" = PAUSED ]
	# What was written before comes through the shim.
	local ticks
	sleep 0.5
	ticks=$(wc -l <"$D/$ID.log")
	sleep 0.5
	[ "$(wc -l <"$D/$ID.log")" -eq "$ticks" ]
	ctr_ task resume "$ID"
	[ "$(task_status)" = RUNNING ]
	eventually 5 log_grew "$ticks"
}

log_grew() { [ "$(wc -l <"$D/$ID.log")" -gt "$1" ]; }

@test "containerd: a paused task is killed" {
	detached -- sleep 100
	ctr_ task pause "$ID"
	ctr_ task kill -s KILL "$ID"
	ctr_quiet task resume "$ID" || true
	eventually 10 is_stopped
}

@test "containerd: an executable that is missing is named" {
	run box -- /no/such/program
	[ "$status" -ne 0 ]
	said process.args
	said /no/such/program
	said "no such file or directory"
}

@test "containerd: a mount that fails is named" {
	run box --mount "type=bind,src=$D/nowhere,dst=/x,options=rbind" -- true
	[ "$status" -ne 0 ]
	said "mounts["
	said "$D/nowhere"
}

@test "containerd: a working directory that is none is named" {
	run box --cwd /etc/passwd -- true
	[ "$status" -ne 0 ]
	said process.cwd
}

@test "containerd: its default seccomp profile is in force" {
	run box --seccomp -- sh -c 'exec 2>&1; grep ^Seccomp: /proc/self/status; unshare -m true'
	[ "$status" -ne 0 ]
	said "$(printf 'Seccomp:\t2')"
	said "Operation not permitted"
}

@test "containerd: a shim killed with -9 leaves nothing" {
	detached -- sleep 100
	local pid shim
	pid=$(task_pid)
	shim=$(shims_left)
	[ -n "$shim" ]
	# shellcheck disable=SC2086 # one pid
	kill -9 $shim
	eventually 10 has_no_task
	eventually 10 gone "$pid"
}

@test "containerd: twenty containers at once" {
	at_once 20 one_of_many
}

one_of_many() {
	ID=$ID-$1
	box -- sh -c "sleep 0.2; exit $1"
}

@test "containerd: task ps lists the container's processes by the host's pids" {
	detached -- sh -c 'sleep 600 & exec sleep 700'
	eventually 10 two_processes
	run ctr_ task ps "$ID"
	ended 0
	said "$(ctr_ task ls | awk -v id="$ID" '$1 == id { print $2 }')"
}

two_processes() { [ "$(ctr_ task ps "$ID" | grep -c '^[0-9]')" -eq 2 ]; }

@test "containerd: task metrics has memory and processes" {
	detached --memory-limit $((64 << 20)) -- sleep 600
	run ctr_ task metrics --format json "$ID"
	ended 0
	# On v1 what is used is beside its limit, on v2 both are numbers of the memory.
	run jq -r '.pids.current, (.memory | if (.usage | type) == "object" then .usage.limit, .usage.usage > 0 else .usage_limit, .usage > 0 end),
		(.cpu | (.usage.total // .usage_usec) > 0)' <<<"$output"
	shows "1
$((64 << 20))
true
true"
}

# exec_in [OPTION...] -- COMMAND...: a further process of the task.
exec_in() {
	local options program
	split "$@"
	ctr_ task exec --exec-id "e$RANDOM" "${options[@]}" "$ID" "${program[@]}"
}
export -f exec_in

@test "containerd: task exec has the exit code and both streams of the program" {
	detached -- sleep 100
	run --separate-stderr exec_in -- sh -c 'echo out; echo err >&2; exit 3'
	ended 3
	[ "$output" = out ]
	# shellcheck disable=SC2154 # comes from --separate-stderr
	[ "$stderr" = err ]
	run exec_in --cwd /tmp --user 1000:1000 -- sh -c 'pwd; id -u'
	shows "/tmp
1000"
	ctr_ task kill -s KILL "$ID"
	eventually 10 is_stopped
}

@test "containerd: task exec --tty" {
	detached -- sleep 100
	run on_terminal "exec_in --tty -- sh -c 'tty; exit 4'"
	ended 4
	said /dev/pts/0
	ctr_ task kill -s KILL "$ID"
	eventually 10 is_stopped
}

@test "containerd: task exec --detach" {
	detached -- sh -c 'while [ ! -e /tmp/there ]; do sleep 0.05; done; echo seen; exec sleep 100'
	exec_in --detach -- sh -c 'touch /tmp/there; exec sleep 100'
	eventually 10 grep -q seen "$D/$ID.log"
	ctr_ task kill -s KILL "$ID"
	eventually 10 is_stopped
}

@test "containerd: task exec --detach --tty" {
	detached -- sleep 100
	on_terminal "exec_in --detach --tty -- sh -c 'tty >/tmp/tty; exec sleep 700'"
	eventually 10 runs "sleep 700"
	local pid
	pid=$(processes_left | awk '/sleep 700/ { print $1 }')
	# The client has gone, and the terminal is there.
	[ "$(<"/proc/$pid/root/tmp/tty")" = /dev/pts/0 ]
	[ "$(readlink "/proc/$pid/fd/0")" = /dev/pts/0 ]
	[ "$(task_status)" = RUNNING ]
	ctr_ task kill -s KILL "$ID"
	eventually 10 is_stopped
}

runs() { processes_left | grep -qF "$1"; }

@test "containerd: task exec of what is not there is an error that names it" {
	detached -- sleep 100
	run exec_in -- nosuch
	[ "$status" -ne 0 ]
	said "executable file not found"
	ctr_ task kill -s KILL "$ID"
	eventually 10 is_stopped
}

@test "containerd: a task that is asked to end may do so in its own way" {
	detached -- sh -c 'trap "echo asked; exit 6" TERM; echo ready; while :; do sleep 0.05; done'
	eventually 10 grep -q ready "$D/$ID.log"
	ctr_ task kill "$ID"
	eventually 10 is_stopped
	grep -q asked "$D/$ID.log"
	run ctr_ task rm "$ID"
	said "exit code 6"
}

@test "containerd: no new privileges, but where they are allowed" {
	run box -- sed -n 's/^NoNewPrivs:\t//p' /proc/self/status
	shows 1
	run box --allow-new-privs -- sed -n 's/^NoNewPrivs:\t//p' /proc/self/status
	shows 0
}

@test "containerd: --uidmap and --gidmap: root is nobody on the host" {
	local map=(--uidmap 0:100000:65536 --gidmap 0:200000:65536)
	detached "${map[@]}" -- sh -c 'cat /proc/self/uid_map /proc/self/gid_map; touch /made; stat -c %u:%g /made /bin; exec sleep 100'
	eventually 10 grep -q 0:0 "$D/$ID.log"
	run cat "$D/$ID.log"
	[[ $output =~ ^\ *0\ +100000\ +65536$'\n'\ *0\ +200000\ +65536$'\n'0:0$'\n'0:0$ ]]
	[ "$(stat -c %u:%g "/proc/$(task_pid)" "/proc/$(task_pid)/root/made")" = 100000:200000$'\n'100000:200000 ]
	run exec_in --user 1000:10 -- sh -c 'id -u; id -g; touch /made'
	ended 1
	said "1000
10"
	said "Permission denied"
	ctr_ task kill -s KILL "$ID"
	eventually 10 is_stopped
	ID=$ID-rules
	run box "${map[@]}" --cap-add CAP_SYS_ADMIN -- sh -c 'exec 2>&1; hostname other && hostname; chown 70000 /tmp'
	ended 1
	said other
	said "Invalid argument"
	ID=$ID-fails
	run box "${map[@]}" -- /no/such/program
	[ "$status" -ne 0 ]
	said /no/such/program
}

@test "containerd: namespaces of another container" {
	detached -- sleep 100
	local pid kind options=()
	pid=$(task_pid)
	for kind in ipc uts pid; do options+=(--with-ns "$kind:/proc/$pid/ns/$kind"); done
	ID=$ID-other
	run box "${options[@]}" -- sh -c 'for kind in ipc uts pid; do readlink /proc/self/ns/$kind; done; tr "\0" " " </proc/1/cmdline'
	shows "$(readlink "/proc/$pid/ns/"{ipc,uts,pid})
sleep 100 "
}

# A whole config.json, such as rung writes it, for what ctr has no option for.
@test "containerd: --config: a user, a limit of processes, a tmpfs" {
	mkdir "$D/spec"
	"$RUNG" spec --bundle "$D/spec"
	jq --arg root "$D/rootfs" --arg group "/$TAG/$ID" '.root.path = $root | .process.terminal = false
		| .process.user = {uid: 1000, gid: 1000, additionalGids: [10]}
		| .process.args = ["sh", "-c", "exec 2>&1; id -u; id -G; df -k /scratch | tail -n 1 | awk \"{ print \\$2 }\"; for i in $(seq 20); do sleep 1 & done"]
		| .linux.cgroupsPath = $group | .linux.resources.pids.limit = 10
		| .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["size=1m"]}]' \
		"$D/spec/config.json" | sed 's#/scratch#/tmp#' >"$D/spec/changed.json"
	ctr_ run --rm --runc-binary "$RUNG" --runc-root "$D/runc" --log-uri "file://$D/$ID.log" --config "$D/spec/changed.json" "$ID" || true
	run cat "$D/$ID.log"
	said "1000
1000 10
1024"
	said "can't fork"
}

@test "containerd: its restart monitor starts a task again" {
	detached --label containerd.io/restart.status=running -- sh -c 'echo started; exec sleep 100'
	local first
	first=$(task_pid)
	ctr_ task kill -s KILL "$ID"
	eventually 30 runs_anew "$first"
	ctr_ container label "$ID" containerd.io/restart.status=stopped >/dev/null
	eventually 30 has_no_running_task
}

runs_anew() { [ "$(task_status)" = RUNNING ] && [ "$(task_pid)" != "$1" ]; }
has_no_running_task() { [ "$(task_status)" != RUNNING ]; }

@test "containerd: killed with -9: the task runs on, and is found again" {
	detached -- sh -c 'trap "echo asked; exit 6" TERM; while :; do echo tick; sleep 0.05; done'
	local pid ticks
	pid=$(task_pid)
	crash_daemon
	ticks=$(wc -l <"$D/$ID.log")
	eventually 5 log_grew "$ticks"
	start_containerd
	[ "$(task_status) $(task_pid)" = "RUNNING $pid" ]
	run exec_in -- echo still here
	shows "still here"
	ctr_ task kill "$ID"
	eventually 10 is_stopped
	run ctr_ task rm "$ID"
	said "exit code 6"
	ID=$ID-next
	run box -- echo a further one
	shows "a further one"
}
