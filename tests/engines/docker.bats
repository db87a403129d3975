#!/usr/bin/env bats
# rung under Docker: a dockerd of the test's own calls it through its containerd.
#
# The scripts in single quotes are for the shell in the container; NAME belongs to the test that sets it.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers
load docker

setup_file() {
	make_scratch dkr
	# shellcheck disable=SC2086 # a list of words
	start_docker $NO_BRIDGE
	import_image
}

teardown_file() {
	local failed=0
	end_docker || failed=1
	remove_scratch || failed=1
	return "$failed"
}

setup() { prepare_test; }
teardown() { end_test "$(records)"; }

# Options of every container: no network (there is no bridge).
options=(--runtime rung --network none)
export OPTIONS="${options[*]}"

@test "docker: a container has its record where the tests look for what is left" {
	detached box:1 sleep 100
	[ "$(states_left "$(records)")" = "$(records)/$(inspect '{{.Id}}')" ]
}

@test "docker: output and exit code 0" {
	run box box:1 echo hello
	shows hello
}

@test "docker: exit code 3, with stdout and stderr apart" {
	run --separate-stderr box box:1 sh -c 'echo out; echo err >&2; exit 3'
	ended 3
	[ "$output" = out ]
	# shellcheck disable=SC2154 # comes from --separate-stderr
	[ "$stderr" = err ]
}

@test "docker: exit code 126 and the reason for what cannot be executed" {
	run box box:1 /etc/passwd
	ended 126
	said /etc/passwd
	said "permission denied"
}

@test "docker: exit code 127 and the reason for what is not there" {
	run -127 box box:1 /no/such/program
	said process.args
	said /no/such/program
	run -127 box box:1 no-such-program
	said no-such-program
}

@test "docker: exit code 137 of what was killed" {
	detached box:1 sleep 100
	docker_ kill "$NAME"
	run docker_ wait "$NAME"
	shows 137
}

@test "docker: standard input reaches the program, to its end" {
	run bash -c 'seq 100000 | box -i box:1 sha256sum'
	shows "$(seq 100000 | sha256sum)"
}

@test "docker: a mebibyte of output arrives whole" {
	box box:1 sh -c 'yes 0123456789abcde | head -c 1048576' | cmp - <(yes 0123456789abcde | head -c 1048576)
}

@test "docker: -t gives a terminal" {
	run on_terminal "box -t box:1 sh -c '${tell_terminal:?}; exit 4'"
	ended 4
	said /dev/pts/0
	said "40 120"
}

@test "docker: -it, typed into" {
	run on_terminal "(sleep 1; echo 'echo \$((6 * 7)); exit 5') | script -qefc 'box -it box:1 sh' /dev/null"
	ended 5
	said 42
}

@test "docker: -w, -e and -u" {
	run box -w /tmp -e COLOUR=blue -u 1000:10 box:1 sh -c 'echo $PWD $COLOUR $(id -u):$(id -g) $HOME'
	shows "/tmp blue 1000:10 /home"
}

@test "docker: -u by name, with the groups of /etc/group and one more" {
	run box -u joe --group-add 77 box:1 id
	ended 0
	said "uid=1000(joe) gid=1000(joe)"
	said "10(wheel)"
	said 77
}

@test "docker: -w of a folder that the image lacks is made" {
	run box -w /srv/new box:1 pwd
	shows /srv/new
}

@test "docker: --hostname and --domainname" {
	run box --hostname harbour --domainname example.org box:1 sh -c 'hostname; cat /proc/sys/kernel/domainname'
	shows "harbour
example.org"
}

@test "docker: -v, to write and only to read" {
	mkdir -p "$D/shared"
	echo from the host >"$D/shared/file"
	run box -v "$D/shared:/rw" -v "$D/shared:/ro:ro" box:1 \
		sh -c 'cat /ro/file; echo more >>/rw/file; echo no >/ro/file'
	ended 1
	said "from the host"
	said "Read-only file system"
	[ "$(tail -n 1 "$D/shared/file")" = more ]
}

@test "docker: -v of a single file, and over a file of the image" {
	echo other >"$D/single"
	run box -v "$D/single:/etc/group:ro" -v "$D/single:/new/place" box:1 cat /etc/group /new/place
	shows "other
other"
}

@test "docker: a volume keeps what was written" {
	docker_ volume create "$NAME" >/dev/null
	box -v "$NAME:/data" box:1 sh -c 'echo kept >/data/x'
	run box -v "$NAME:/data" box:1 cat /data/x
	shows kept
	docker_ volume rm "$NAME" >/dev/null
}

@test "docker: mount propagation: a mount made on the host later appears inside" {
	mkdir -p "$D/outer/inner"
	mount -t tmpfs tmpfs "$D/outer"
	mount --make-shared "$D/outer"
	mkdir "$D/outer/inner"
	detached -v "$D/outer:/outer:rslave" box:1 sh -c 'until [ -e /outer/inner/sign ]; do sleep 0.05; done; echo seen'
	mount -t tmpfs tmpfs "$D/outer/inner"
	touch "$D/outer/inner/sign"
	run docker_ wait "$NAME"
	shows 0
	logged seen
	docker_ rm "$NAME" >/dev/null
	umount "$D/outer/inner" "$D/outer"
}

@test "docker: --tmpfs with options" {
	run box --tmpfs /scratch:size=1m,mode=1770,noexec box:1 sh -c 'stat -c %a /scratch; grep " /scratch " /proc/mounts'
	ended 0
	[ "${lines[0]}" = 1770 ]
	said size=1024k
	said noexec
}

@test "docker: --read-only" {
	run box --read-only --tmpfs /tmp box:1 sh -c 'touch /tmp/x && echo tmp; touch /x'
	ended 1
	said tmp
	said "/x: Read-only file system"
}

@test "docker: --shm-size" {
	run box --shm-size 3m box:1 sh -c 'df -k /dev/shm | tail -n 1 | awk "{ print \$2 }"'
	shows 3072
}

@test "docker: --cap-drop and --cap-add" {
	run box --cap-drop CHOWN box:1 chown joe /tmp
	ended 1
	said "not permitted"
	run box --cap-drop ALL box:1 sed -n 's/^CapEff:\t0*//p' /proc/self/status
	shows ""
	run box --cap-add SYS_ADMIN --security-opt apparmor=unconfined box:1 sh -c 'mount -t tmpfs tmpfs /tmp && echo mounted'
	shows mounted
}

@test "docker: --security-opt no-new-privileges" {
	run box --security-opt no-new-privileges box:1 sed -n 's/^NoNewPrivs:\t//p' /proc/self/status
	shows 1
}

@test "docker: --privileged" {
	run box --privileged box:1 sh -c 'mount -t tmpfs tmpfs /tmp && test -e /dev/kmsg && : >>/proc/sys/kernel/panic && echo all'
	shows all
}

@test "docker: --device, with its permissions" {
	run box --cap-add SYSLOG --device /dev/kmsg:/dev/log:r box:1 sh -c ': </dev/log && echo opened; : >/dev/log'
	[ "$status" -ne 0 ]
	said opened
	said "not permitted"
}

@test "docker: --sysctl of a namespace" {
	run box --sysctl net.ipv4.ip_unprivileged_port_start=80 box:1 cat /proc/sys/net/ipv4/ip_unprivileged_port_start
	shows 80
}

@test "docker: --ulimit" {
	run box --ulimit nofile=512:1024 box:1 sh -c 'ulimit -Sn; ulimit -Hn'
	shows "512
1024"
}

@test "docker: masked and read-only paths of /proc" {
	run box box:1 sh -c 'exec 2>&1; wc -c </proc/timer_list; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/panic'
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 0 ]
	said "Read-only file system"
}

@test "docker: -m is in force, and seen when it kills" {
	# Only when the engine watches.
	detached -m 16m box:1 sh -c 'until [ -e /go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=64M count=1; exit $?'
	docker_ exec "$NAME" touch /go
	run docker_ wait "$NAME"
	shows 137
	eventually 10 inspects '{{.State.OOMKilled}}' true
}

@test "docker: -m, --cpus, --cpu-shares and --pids-limit reach the cgroup" {
	detached -m 32m --cpus 0.5 --cpu-shares 512 --pids-limit 30 box:1 sleep 100
	[ "$(limit memory.max memory memory.limit_in_bytes)" = 33554432 ]
	[[ $(limit cpu.max cpu cpu.cfs_quota_us) == 50000* ]]
	[ "$(limit pids.max pids pids.max)" = 30 ]
}

@test "docker: --pids-limit refuses the fork that is one too many" {
	run box --pids-limit 8 box:1 sh -c 'for i in $(seq 20); do sleep 1 & done'
	said "can't fork"
}

@test "docker: --cpuset-cpus" {
	run box --cpuset-cpus 0 box:1 sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status
	shows 0
}

@test "docker: --init" {
	run box --init box:1 sh -c 'echo $$ $(tr "\0" " " </proc/1/cmdline | cut -d" " -f1)'
	ended 0
	said docker-init
}

@test "docker: --pid=host and --ipc, --uts, --network of the host" {
	run docker_ run --rm "${options[@]/none/host}" --pid host --ipc host --uts host box:1 \
		sh -c 'for kind in pid net ipc uts; do readlink /proc/self/ns/$kind; done'
	shows "$(readlink /proc/self/ns/{pid,net,ipc,uts})"
}

@test "docker: namespaces of another container" {
	detached --ipc shareable box:1 sleep 100
	local first=$NAME
	NAME=$NAME-other
	run docker_ run --rm --runtime rung "${options[@]:4}" --network "container:$first" \
		--pid "container:$first" --ipc "container:$first" box:1 sh -c 'tr "\0" " " </proc/1/cmdline; readlink /proc/self/ns/net'
	shows "sleep 100 $(readlink "/proc/$(docker_ inspect -f '{{.State.Pid}}' "$first")/ns/net")"
}

@test "docker: stop asks first" {
	detached box:1 sh -c 'trap "echo asked; exit 6" TERM; echo ready; while :; do sleep 0.05; done'
	eventually 10 logged ready
	docker_ stop -t 20 "$NAME"
	run docker_ wait "$NAME"
	shows 6
	logged asked
}

@test "docker: stop kills what does not listen" {
	detached box:1 sleep 100
	docker_ stop -t 1 "$NAME"
	inspects '{{.State.ExitCode}}' 137
}

@test "docker: kill with a signal" {
	detached box:1 sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done'
	eventually 10 logged ready
	docker_ kill -s USR1 "$NAME"
	run docker_ wait "$NAME"
	shows 9
}

@test "docker: rm -f of a running container" {
	detached box:1 sh -c 'sleep 111 & sleep 112'
	docker_ rm -f "$NAME"
	run docker_ inspect "$NAME"
	[ "$status" -ne 0 ]
	[ -z "$(processes_left)" ]
}

@test "docker: pause and unpause" {
	detached box:1 sh -c 'while :; do echo tick; sleep 0.05; done'
	docker_ pause "$NAME"
	inspects '{{.State.Status}}' paused
	local ticks
	sleep 0.2
	ticks=$(docker_ logs "$NAME" | wc -l)
	sleep 0.5
	[ "$(docker_ logs "$NAME" | wc -l)" -eq "$ticks" ]
	docker_ unpause "$NAME"
	inspects '{{.State.Status}}' running
	eventually 10 logged_more_than "$ticks"
}

logged_more_than() { [ "$(docker_ logs "$NAME" | wc -l)" -gt "$1" ]; }

@test "docker: rm -f of a paused container" {
	detached box:1 sleep 100
	docker_ pause "$NAME"
	docker_ rm -f "$NAME"
	[ -z "$(processes_left)" ]
}

@test "docker: logs of both streams" {
	detached box:1 sh -c 'echo out; echo err >&2'
	docker_ wait "$NAME"
	run --separate-stderr docker_ logs "$NAME"
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "docker: create, start, restart" {
	docker_ create "${options[@]}" --name "$NAME" box:1 sh -c 'echo again; exec sleep 100' >/dev/null
	docker_ start "$NAME"
	eventually 10 logged again
	docker_ restart -t 0 "$NAME"
	[ "$(docker_ logs "$NAME" | grep -c again)" -eq 2 ]
	inspects '{{.State.Running}}' true
}

@test "docker: start -a after the end" {
	docker_ create "${options[@]}" --name "$NAME" box:1 sh -c 'echo x; exit 8' >/dev/null
	run docker_ start -a "$NAME"
	ended 8
	run docker_ start -a "$NAME"
	ended 8
}

@test "docker: the restart policy starts it again" {
	detached --restart on-failure:2 box:1 sh -c 'echo try; exit 1'
	eventually 20 inspects '{{.RestartCount}} {{.State.Status}}' "2 exited"
	[ "$(docker_ logs "$NAME" | grep -c try)" -eq 3 ]
}

@test "docker: a mount that fails is told to the client, readably" {
	run box -v "$D/rootfs:/etc/passwd" box:1 true
	ended 125
	said "mounts["
	said /etc/passwd
}

@test "docker: its default seccomp profile is in force, and --security-opt takes it away" {
	run box box:1 sh -c 'grep ^Seccomp: /proc/self/status; unshare -m true'
	[ "$status" -ne 0 ]
	said "$(printf 'Seccomp:\t2')"
	said "Operation not permitted"
	run box --security-opt seccomp=unconfined box:1 grep ^Seccomp: /proc/self/status
	shows "$(printf 'Seccomp:\t0')"
}

@test "docker: a seccomp profile of the user's" {
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100}]}' >"$D/profile.json"
	run box --security-opt seccomp="$D/profile.json" box:1 mkdir /tmp/x
	[ "$status" -ne 0 ]
	said "Network is down"
}

@test "docker: a container's processes end with its first one" {
	run box box:1 sh -c 'sleep 113 & sleep 114 & echo ended'
	shows ended
	[ -z "$(processes_left)" ]
}

@test "docker: twenty containers at once" {
	at_once 20 one_of_many
}

one_of_many() {
	NAME=$NAME-$1
	box box:1 sh -c "sleep 0.2; exit $1"
}

@test "docker: top lists the container's processes by the host's pids" {
	detached box:1 sh -c 'sleep 600 & exec sleep 700'
	eventually 10 test "$(docker_ top "$NAME" | wc -l)" -ge 2
	eventually 10 top_has 'sleep 600'
	run docker_ top "$NAME" -e -o pid,args
	ended 0
	[ "${#lines[@]}" -eq 3 ]
	output=$(tr -s ' ' <<<"$output")
	said "$(inspect '{{.State.Pid}}') sleep 700"
}

top_has() { docker_ top "$NAME" | grep -qF "$1"; }

@test "docker: stats shows limit and processes" {
	detached -m 64m --pids-limit 20 box:1 sleep 600
	run docker_ stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' "$NAME"
	ended 0
	[[ $output =~ ^"$NAME"\ [0-9.]+[KM]iB\ /\ 64MiB\ 1$ ]]
}

@test "docker: update of memory, CPU, and number of processes, while it runs" {
	detached -m 64m --memory-swap 128m --cpu-shares 512 --pids-limit 20 box:1 sleep 600
	run docker_ update -m 96m --memory-swap 192m --pids-limit 30 --cpu-quota 40000 --cpu-period 50000 "$NAME"
	ended 0
	[ "$(limit memory.max memory memory.limit_in_bytes)" = $((96 << 20)) ]
	[ "$(limit pids.max pids pids.max)" = 30 ]
	[[ "$(limit cpu.max cpu cpu.cfs_quota_us)" =~ ^40000 ]]
	# What was not named stays.
	[[ "$(limit cpu.weight cpu cpu.shares)" =~ ^(512|59)$ ]]
	inspects '{{.State.Running}}' true
}

@test "docker: an update that the kernel refuses is told, and changes nothing" {
	detached -m 64m --pids-limit 20 box:1 sleep 600
	run docker_ update --cpuset-cpus 0 --pids-limit 9999999999 "$NAME"
	[ "$status" -ne 0 ]
	said pids
	[ "$(limit pids.max pids pids.max)" = 20 ]
	[ "$(limit memory.max memory memory.limit_in_bytes)" = $((64 << 20)) ]
}

@test "docker: exec has the exit code and both streams of the program" {
	detached box:1 sleep 100
	run --separate-stderr docker_ exec "$NAME" sh -c 'echo out; echo err >&2; exit 3'
	ended 3
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "docker: exec -w, -e, -u and standard input" {
	detached box:1 sleep 100
	run docker_ exec -i -w /tmp -e A=b -u 1000:1000 "$NAME" sh -c 'pwd; echo $A; id -u; cat' <<<"a line"
	shows "/tmp
b
1000
a line"
}

# For docker exec, unlike docker run, what is missing is 126 too, whatever the runtime.
@test "docker: exec of what cannot be run has exit code 126 and the reason" {
	detached box:1 sleep 100
	run docker_ exec "$NAME" nosuch
	ended 126
	said "executable file not found"
	run docker_ exec "$NAME" /tmp
	ended 126
	said "/tmp"
}

@test "docker: exec -it, typed into" {
	detached box:1 sleep 100
	run on_terminal "(sleep 1; echo 'echo \$((6 * 7)); tty; exit 5') | script -qefc 'docker_ exec -it $NAME sh' /dev/null"
	ended 5
	said 42
	said /dev/pts/
}

@test "docker: exec -d, and the container goes on" {
	detached box:1 sh -c 'while [ ! -e /tmp/there ]; do sleep 0.05; done; echo seen; exec sleep 100'
	docker_ exec -d "$NAME" sh -c 'touch /tmp/there; exec sleep 100'
	eventually 10 logged seen
	[ "$(docker_ top "$NAME" | grep -c 'sleep 100')" -eq 2 ]
}

@test "docker: exec -dt: in the background, and on a terminal" {
	detached box:1 sleep 100
	docker_ exec -dt "$NAME" sh -c 'tty >/tmp/tty; exec sleep 700'
	eventually 10 top_has 'sleep 700'
	run docker_ exec "$NAME" cat /tmp/tty
	shows /dev/pts/0
}

@test "docker: a health check" {
	detached --health-cmd 'test -e /tmp' --health-interval 1s box:1 sleep 100
	eventually 20 inspects '{{.State.Health.Status}}' healthy
}
