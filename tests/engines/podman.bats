#!/usr/bin/env bats
# rung under Podman, as root and as a user without privileges. There is no daemon: conmon stays with each container, and
# calls rung as it calls runc.
#
# The scripts in single quotes are for the shell in the container; NAME belongs to the test that sets it.
# DOES is as_root or as_user.
# shellcheck disable=SC2016,SC2030,SC2031,SC2086

load helpers
load podman

setup_file() {
	make_scratch pod
	prepare_podman
}

teardown_file() { end_podman; }
setup() { prepare_test; }
teardown() { end_test; }

# What every kind of user can do.

outputs_and_exit_codes() {
	run box --rm box:1 sh -c 'echo hello; exit 3'
	ended 3
	said hello
	run -127 box --rm box:1 /no/such/program
	said /no/such/program
}

the_life_of_a_container() {
	box -d box:1 sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done' >/dev/null
	state_is running
	run $DOES exec "$NAME" sh -c 'id -u; tr "\0" " " </proc/1/cmdline'
	ended 0
	said "trap"
	run $DOES exec -u 5:6 -e A=b "$NAME" sh -c 'echo "$(id -u) $(id -g) $A"'
	shows "5 6 b"
	run $DOES exec "$NAME" sh -c 'exit 7'
	ended 7
	$DOES stop -t 10 "$NAME" >/dev/null
	state_is exited
	[ "$($DOES inspect -f '{{.State.ExitCode}}' "$NAME")" = 5 ]
	$DOES start "$NAME" >/dev/null
	state_is running
	$DOES kill "$NAME" >/dev/null
	[ "$($DOES wait "$NAME")" = 137 ]
	$DOES rm "$NAME" >/dev/null
}

a_terminal() {
	run on_terminal "box --rm -t box:1 sh -c '${tell_terminal:?}; exit 4'"
	ended 4
	said /dev/pts/0
	said "40 120"
}

logs_and_exec() {
	box -d box:1 sh -c 'echo out; echo err >&2; while [ ! -e /tmp/there ]; do sleep 0.05; done; echo seen; exec sleep 100' >/dev/null
	run --separate-stderr $DOES logs "$NAME"
	[ "$output" = out ]
	# shellcheck disable=SC2154 # comes from --separate-stderr
	[ "$stderr" = err ]
	$DOES exec -d "$NAME" sh -c 'touch /tmp/there; exec sleep 600' >/dev/null
	eventually 10 logged seen
	run $DOES top "$NAME" args
	ended 0
	said "sleep 100"
	said "sleep 600"
	$DOES exec -dt "$NAME" sh -c 'tty >/tmp/tty; exec sleep 700' >/dev/null
	eventually 10 top_has "sleep 700"
	run $DOES exec "$NAME" cat /tmp/tty
	shows /dev/pts/0
	run on_terminal "$DOES exec -it $NAME sh -c 'tty; exit 4'"
	ended 4
	said /dev/pts/
	run bash -c "echo a line | $DOES exec -i $NAME cat"
	shows "a line"
	run -127 $DOES exec "$NAME" nosuch
	run $DOES exec "$NAME" /etc/passwd
	ended 126
	said "permission denied"
}

top_has() { $DOES top "$NAME" args | grep -qF "$1"; }
logged() { $DOES logs "$NAME" 2>&1 | grep -q "$1"; }

stop_and_kill() {
	box -d box:1 sh -c 'exec sleep 100' >/dev/null
	$DOES stop -t 1 "$NAME" >/dev/null 2>&1
	inspects '{{.State.ExitCode}}' 137
	$DOES rm "$NAME" >/dev/null
	box -d box:1 sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done' >/dev/null
	eventually 10 logged ready
	$DOES kill -s USR1 "$NAME" >/dev/null
	[ "$($DOES wait "$NAME")" = 9 ]
}

inspects() { [ "$($DOES inspect -f "$1" "$NAME")" = "$2" ]; }

a_restart_policy() {
	box -d --restart on-failure:2 box:1 sh -c 'echo try; exit 1' >/dev/null
	eventually 20 inspects '{{.RestartCount}} {{.State.Status}}' "2 exited"
	[ "$($DOES logs "$NAME" | grep -c try)" -eq 3 ]
}

mounts_and_roots() {
	mkdir -m 755 "$D/$NAME"
	echo from the host >"$D/$NAME/file"
	run box --rm --read-only --tmpfs /scratch:size=1m -v "$D/$NAME:/mnt:ro" box:1 \
		sh -c 'cat /mnt/file; touch /mnt/x; touch /x; touch /scratch/x && df -k /scratch | tail -n 1 | awk "{ print \$2 }"'
	ended 0
	said "from the host"
	said "/mnt/x: Read-only file system"
	said "/x: Read-only file system"
	said 1024
}

users_and_privileges() {
	run box --rm -u joe --cap-drop all --security-opt no-new-privileges box:1 \
		sh -c 'id; sed -n "s/^CapBnd:\t//p; s/^NoNewPrivs:\t//p; s/^Seccomp:\t//p" /proc/self/status; unshare -m true'
	ended 1
	said "uid=1000(joe) gid=1000(joe)"
	said "10(wheel)"
	said $'0000000000000000\n1\n2\n'
	said "Operation not permitted"
	run box --rm --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined box:1 \
		sh -c 'mount -t tmpfs tmpfs /tmp && echo mounted; grep ^Seccomp: /proc/self/status'
	shows "mounted
$(printf 'Seccomp:\t0')"
}

namespaces_of_others() {
	box -d box:1 sleep 100 >/dev/null
	local first=$NAME
	NAME=$NAME-other
	run $DOES run --rm $LIMITS --network "container:$first" --pid "container:$first" --ipc "container:$first" box:1 \
		sh -c 'tr "\0" " " </proc/1/cmdline; readlink /proc/self/ns/net'
	shows "sleep 100 $(readlink "/proc/$($DOES inspect -f '{{.State.Pid}}' "$first")/ns/net")"
}

# namespaces_of_the_host KIND...: as in /proc/PID/ns.
namespaces_of_the_host() {
	local kind kinds=$* flags=()
	for kind; do flags+=("--${kind/net/network}=host"); done
	OPTIONS=$LIMITS run box --rm "${flags[@]}" box:1 sh -c "cd /proc/self/ns && for kind in $kinds; do readlink \$kind; done"
	shows "$(cd /proc/self/ns && for kind; do readlink "$kind"; done)"
}

one_of_many() {
	NAME=$NAME-$1
	box --rm box:1 sh -c "sleep 0.2; exit $1"
}

a_health_check() {
	box -d --health-cmd 'test -e /tmp/healthy' --health-interval disable box:1 sleep 100 >/dev/null
	run $DOES healthcheck run "$NAME"
	ended 1
	$DOES exec "$NAME" touch /tmp/healthy
	$DOES healthcheck run "$NAME"
	inspects '{{.State.Health.Status}}' healthy
}

# There is no daemon; what waits for the container is conmon.
a_dead_conmon() {
	box -d box:1 sleep 100 >/dev/null
	local conmon pid
	conmon=$(cat "$($DOES inspect -f '{{.ConmonPidFile}}' "$NAME")")
	pid=$($DOES inspect -f '{{.State.Pid}}' "$NAME")
	kill -9 "$conmon"
	eventually 10 gone "$conmon"
	state_is running
	run $DOES exec "$NAME" echo still here
	shows "still here"
	local id
	id=$($DOES inspect -f '{{.Id}}' "$NAME")
	$DOES rm -f -t 0 "$NAME" >/dev/null
	eventually 10 gone "$pid"
	# It was conmon's part to have the runtime delete the container; Podman forgets that, and an administrator may do it.
	if [ "$DOES" = as_root ]; then "$D/rung-root" delete --force "$id"; else as_user unshare "$D/rung" delete --force "$id"; fi
}

pause_and_unpause() {
	box -d box:1 sh -c 'while :; do echo tick; sleep 0.05; done' >/dev/null
	$DOES pause "$NAME" >/dev/null
	state_is paused
	local ticks
	ticks=$($DOES logs "$NAME" | wc -l)
	sleep 0.3
	[ "$($DOES logs "$NAME" | wc -l)" -eq "$ticks" ]
	$DOES unpause "$NAME" >/dev/null
	state_is running
	eventually 10 logged_more_than "$ticks"
}

logged_more_than() { [ "$($DOES logs "$NAME" | wc -l)" -gt "$1" ]; }

stats_and_update() {
	box -d --memory 64m --pids-limit 20 box:1 sleep 600 >/dev/null
	run $DOES stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' "$NAME"
	ended 0
	[[ $output =~ ^"$NAME"\ [0-9.]+[kM]?B\ /\ 67\.11MB\ 1$ ]]
	$DOES update --memory 96m --cpus 0.5 "$NAME" >/dev/null
	[ "$(limit memory.max memory memory.limit_in_bytes)" = $((96 << 20)) ]
	[[ $(limit cpu.max cpu cpu.cfs_quota_us) =~ ^50000 ]]
	[ "$(limit pids.max pids pids.max)" = 20 ]
}

# limit V2FILE V1CONTROLLER V1FILE: of the container that is named NAME.
limit() {
	local group
	group=${PARENT#/}/libpod-$($DOES inspect -f '{{.Id}}' "$NAME")
	[ "$DRIVER" = cgroupfs ] || group+=.scope
	[ "$DOES" = as_root ] || group=$(sed -n 's|^0::/||p' "/proc/$($DOES inspect -f '{{.State.Pid}}' "$NAME")/cgroup")
	limit_of "$group" "$@"
}

the_memory_limit() {
	local folder=$D
	box -d --memory 16m box:1 sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; code=$?; until [ -e /go ]; do sleep 0.05; done; exit $code' >/dev/null
	[ "$DRIVER" = cgroupfs ] || hold_scope
	$DOES exec "$NAME" touch /go
	[ "$($DOES wait "$NAME")" = 137 ]
	# Debian 12's conmon writes that down in the folder that Podman was called from, where Podman does not look.
	[ "$DOES" = as_root ] || folder=$D/home
	[ -e "$folder/oom" ] || inspects '{{.State.OOMKilled}}' true
	[ "$DRIVER" = cgroupfs ] || kill "$HOLDER" 2>/dev/null || true
}

# hold_scope: keeps the cgroup of the container beyond its end, with a process, HOLDER. Debian 12's conmon watches memory.events up to
# the first change that is no kill, and looks there once more when the container has ended: systemd would have removed the scope.
hold_scope() {
	local group
	group=$(sed -n 's/^0:://p' "/proc/$($DOES inspect -f '{{.State.Pid}}' "$NAME")/cgroup")
	sleep infinity 3>&- &
	HOLDER=$!
	echo "$HOLDER" >"/sys/fs/cgroup$group/cgroup.procs"
}

the_pids_limit() {
	run box --rm --pids-limit 8 box:1 sh -c 'for i in $(seq 20); do sleep 1 & done'
	said "can't fork"
}

# What Podman knows of crun is the name of the program.
installed_as_crun() {
	use_crun
	run $DOES info -f '{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Version}}'
	ended 0
	said "crun crun version 1."
	said "+rung."
	the_life_of_a_container
	# This it asks of crun alone.
	local group
	group=$(</proc/self/cgroup)
	[ "$DOES" = as_root ] || [ -z "$USER_GROUP" ] || group=0::${USER_GROUP#/sys/fs/cgroup}
	# shellcheck disable=SC2153 # comes from podman.bash
	run $DOES run --rm $OPTIONS --cgroups disabled --cgroupns host box:1 cat /proc/self/cgroup
	shows "$group"
}

@test "podman: output and exit codes" { outputs_and_exit_codes; }
@test "podman: run, exec, stop, start, kill and rm" { the_life_of_a_container; }
@test "podman: -t gives a terminal" { a_terminal; }

@test "podman: logs, and exec: detached, on a terminal, with input, of nothing" { logs_and_exec; }
@test "podman: stop kills what does not listen; kill with a signal" { stop_and_kill; }
@test "podman: the restart policy starts it again" { a_restart_policy; }
@test "podman: --read-only, --tmpfs, a volume" { mounts_and_roots; }
@test "podman: users, capabilities, no new privileges, seccomp" { users_and_privileges; }
@test "podman: namespaces of another container" { namespaces_of_others; }
@test "podman: twenty containers at once" { at_once 20 one_of_many; }
@test "podman: a health check" { a_health_check; }
@test "podman: conmon killed with -9" { a_dead_conmon; }

@test "podman: installed under the name crun" { installed_as_crun; }

@test "podman: namespaces of the host" { namespaces_of_the_host pid net ipc uts; }
@test "podman: pause and unpause" { pause_and_unpause; }
@test "podman: stats, and an update of limits" { stats_and_update; }

@test "podman: --memory is in force, and seen when it kills" { the_memory_limit; }
@test "podman: --pids-limit refuses the fork that is one too many" { the_pids_limit; }

@test "podman: its service killed with -9: the containers run on, and are found again" {
	serve
	remote run -d --name "$NAME" box:1 sh -c 'trap "exit 6" TERM; while :; do sleep 0.05; done' >/dev/null
	local pid
	pid=$(remote inspect -f '{{.State.Pid}}' "$NAME")
	crash_daemon
	[ -d "/proc/$pid" ]
	serve
	[ "$(remote inspect -f '{{.State.Pid}} {{.State.Status}}' "$NAME")" = "$pid running" ]
	# Not by the service, whose conmon of an exec stays for five minutes after its end.
	run as_root exec "$NAME" echo still here
	shows "still here"
	remote stop -t 10 "$NAME" >/dev/null
	[ "$(remote inspect -f '{{.State.ExitCode}}' "$NAME")" = 6 ]
	stop_daemon
}

serve() {
	rm -f "$D/podman.sock"
	background podman $ROOT_OPTIONS system service --time 0 "unix://$D/podman.sock"
	await_daemon remote_answers
}

remote_answers() { remote version >/dev/null 2>&1; }

# remote COMMAND [OPTION...]: the client of Podman's service.
remote() {
	local command=$1 options=()
	shift
	# shellcheck disable=SC2206 # a list of words
	[ "$command" != run ] || options=($OPTIONS --cgroup-parent "$PARENT")
	timeout -k 2 "$CLIENT_LIMIT" podman --remote --url "unix://$D/podman.sock" "$command" "${options[@]}" "$@"
}

@test "podman: --userns auto" {
	printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n[storage.options]\nroot-auto-userns-user = "%s"\n' \
		"$D/runroot" "$D/storage" "$LOGIN" >"$D/storage.conf"
	CONTAINERS_STORAGE_CONF=$D/storage.conf run box --rm --userns auto:size=500 box:1 cat /proc/self/uid_map
	ended 0
	[[ $output =~ ^\ *0\ +[1-9][0-9]+\ +500$ ]]
}

@test "podman: limits reach the cgroup" {
	box -d --pids-limit 77 box:1 sleep 100 >/dev/null
	run limit pids.max pids pids.max
	shows 77
}

@test "podman: --uidmap gives a user namespace, and volumes of its ids" {
	mkdir "$D/volume"
	chown 100005:100006 "$D/volume"
	run box --rm --uidmap 0:100000:5000 --gidmap 0:100000:5000 -v "$D/volume:/mnt" box:1 sh -c 'cat /proc/self/uid_map; stat -c %u:%g /mnt'
	ended 0
	said 100000
	said 5:6
}

@test "podman: a volume with idmap" {
	mkdir "$D/mapped"
	chown 5:6 "$D/mapped"
	run box --rm --uidmap 0:100000:5000 --gidmap 0:100000:5000 -v "$D/mapped:/mnt:idmap" box:1 stat -c %u:%g /mnt
	[[ $output != *"cannot be id-mapped"* ]] || skip "the filesystem of /tmp cannot be id-mapped"
	shows 5:6
}

@test "podman: rootless: output and exit codes" { outputs_and_exit_codes; }
@test "podman: rootless: run, exec, stop, start, kill and rm" { the_life_of_a_container; }
@test "podman: rootless: -t gives a terminal" { a_terminal; }

@test "podman: rootless: logs, and exec: detached, on a terminal, with input, of nothing" { logs_and_exec; }
@test "podman: rootless: stop kills what does not listen; kill with a signal" { stop_and_kill; }
@test "podman: rootless: the restart policy starts it again" { a_restart_policy; }
@test "podman: rootless: --read-only, --tmpfs, a volume" { mounts_and_roots; }
@test "podman: rootless: users, capabilities, no new privileges, seccomp" { users_and_privileges; }
@test "podman: rootless: namespaces of another container" { namespaces_of_others; }
@test "podman: rootless: twenty containers at once" { at_once 20 one_of_many; }
@test "podman: rootless: a health check" { a_health_check; }
@test "podman: rootless: conmon killed with -9" { a_dead_conmon; }

@test "podman: rootless: installed under the name crun" { installed_as_crun; }
@test "podman: rootless: namespaces of the host" { namespaces_of_the_host pid net uts; }

@test "podman: rootless: the host's ipc namespace" {
	[ -d /dev/mqueue ] || skip "Podman binds the host's /dev/mqueue for users, which this host lacks"
	namespaces_of_the_host net ipc
}

@test "podman: rootless: root in the container is the user, and others are the user's subordinate ids" {
	run box --rm box:1 cat /proc/self/uid_map
	ended 0
	[[ ${lines[0]} =~ ^\ *0\ +$(id -u "$LOGIN")\ +1$ ]]
	run box --rm --user 5:6 box:1 sh -c 'id -u; id -g; touch /tmp/file; stat -c %u:%g /tmp/file'
	shows $'5\n6\n5:6'
}

@test "podman: rootless: --userns keep-id and auto" {
	run box --rm --userns keep-id box:1 id -u
	shows "$(id -u "$LOGIN")"
	as_user rm -f "$NAME" >/dev/null 2>&1 || true
	run box --rm --userns auto:size=500 box:1 sh -c 'id -u; cat /proc/self/uid_map'
	ended 0
	said 500
}

@test "podman: rootless: a volume of the user's" {
	mkdir -m 700 "$D/own"
	chown "$LOGIN:" "$D/own"
	run box --rm -v "$D/own:/mnt:ro" box:1 sh -c 'stat -c %u /mnt; touch /mnt/file'
	ended 1
	said "0"$'\n'
	said "Read-only file system"
	rmdir "$D/own"
}

@test "podman: rootless: pause and unpause" {
	delegate
	pause_and_unpause
}

@test "podman: rootless: stats of what no controller is needed for" {
	delegate
	box -d box:1 sh -c 'while :; do :; done' >/dev/null
	eventually 10 used_cpu
}

used_cpu() {
	run $DOES stats --no-stream --format '{{.Name}} {{.CPUPerc}}' "$NAME"
	[[ $status -eq 0 && ${lines[-1]} =~ ^"$NAME"\ [1-9][0-9.]+%$ ]]
}

@test "podman: rootless: stats, and an update of limits" {
	delegate memory cpu pids
	stats_and_update
}

@test "podman: rootless: --memory is in force, and seen when it kills" {
	delegate memory
	the_memory_limit
}

@test "podman: rootless: --pids-limit refuses the fork that is one too many" {
	delegate pids
	the_pids_limit
}

counted_to() { [ "$($DOES logs "$1" | tail -n 1)" -ge "$2" ]; }

@test "podman: checkpoint and restore, in place and as another container" {
	command -v criu >/dev/null || skip "criu is not installed"
	reason=$(criu check 2>&1) || skip "CRIU does not work here: $(grep -m 1 Error <<<"$reason")"
	box -d box:1 sh -c 'n=0; while :; do n=$((n+1)); echo $n; sleep 0.1; done' >/dev/null
	eventually 10 counted_to "$NAME" 3
	as_root container checkpoint "$NAME" >/dev/null
	state_is exited
	as_root container restore "$NAME" >/dev/null
	state_is running
	before=$(as_root logs "$NAME" | tail -n 1)
	eventually 10 counted_to "$NAME" "$((before + 3))"
	[ "$before" -gt 1 ]
	run as_root exec "$NAME" sh -c 'tr "\0" " " </proc/1/cmdline'
	ended 0
	said "n=0"
	as_root container checkpoint --export "$D/$NAME.tar" "$NAME" >/dev/null
	as_root rm -f -t 0 "$NAME" >/dev/null
	as_root container restore --import "$D/$NAME.tar" --name "$NAME-too" >/dev/null
	eventually 10 counted_to "$NAME-too" "$((before + 4))"
	as_root exec "$NAME-too" true
}
