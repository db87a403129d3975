#!/usr/bin/env bats
# Containers of a user without privileges: of one that is made for these tests,
# or, where the tests are run by an ordinary user, of that one.
#
# The scripts in single quotes are for the shell in the container; to echo a
# variable joins its lines; each test has an out of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2046,SC2086,SC2116

load helpers

# A user of the tests' own, with subordinate ids where useradd gives them.
setup_file() {
	local binary
	if [[ $EUID != 0 ]]; then
		LOGIN=$(id -un)
		export LOGIN
		return
	fi
	LOGIN=rungtest$((RANDOM % 10000))
	useradd --system --no-create-home --add-subids-for-system "$LOGIN" 2>/dev/null || useradd --no-create-home "$LOGIN"
	# The binary may lie where only root can pass.
	RUNG_DIR=$(mktemp -d /tmp/rung-rootless.XXXXXX)
	binary=$(command -v "${RUNG:?}")
	cp "$binary" "$RUNG_DIR/${binary##*/}"
	chmod 755 "$RUNG_DIR" "$RUNG_DIR/${binary##*/}"
	RUNG=$RUNG_DIR/${binary##*/}
	export LOGIN RUNG RUNG_DIR
}

teardown_file() {
	[[ $EUID == 0 ]] || return 0
	userdel "$LOGIN" || true
	rm -rf "$RUNG_DIR"
}

# Everything of the test is the user's: its folder, its state, its bundle.
setup() {
	setup_test
	USER_ID=$(id -u "$LOGIN")
	GROUP_ID=$(id -g "$LOGIN")
	mkdir -m 700 "$WORK/run"
	if [[ $EUID == 0 ]]; then
		chown "$LOGIN:" "$WORK" "$WORK/run" "$WORK/bundles" "$BUNDLE"
		find "$ROOTFS" -type d -exec chown "$LOGIN:" {} +
	fi
	rm "$BUNDLE/config.json"
	as_user "$RUNG" spec --rootless --bundle "$BUNDLE"
	config '.process.terminal = false | .root.readonly = false | .process.args = ["/bin/true"]'
}

teardown() {
	[[ $EUID == 0 ]] || chmod 755 "$TRACK"
	# What delegated has made; what is left in it fails the test.
	[[ -z ${HOME_CGROUP-} ]] || rmdir "$HOME_CGROUP" "${HOME_CGROUP%/*}" || true
	teardown_test
}

# as_user COMMAND...: runs it as the tests' user, without any capability, in the
# cgroup HOME_CGROUP if that is set.
as_user() {
	if [[ $EUID != 0 ]]; then
		env -i PATH="$PATH" XDG_RUNTIME_DIR="$WORK/run" "$@"
		return
	fi
	local enter=()
	[[ -z ${HOME_CGROUP-} ]] || enter=(sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$HOME_CGROUP")
	"${enter[@]}" setpriv --reuid "$USER_ID" --regid "$GROUP_ID" --init-groups --inh-caps=-all \
		env -i PATH="$PATH" XDG_RUNTIME_DIR="$WORK/run" "$@"
}

# try_rung: as that of the helpers, but as the user, and with the user's own
# --root.
try_rung() {
	CALLS=$((CALLS + 1))
	out_file=$WORK/out.$CALLS err_file=$WORK/err.$CALLS
	status=0
	as_user timeout --foreground -k 2 "$PATIENCE" "$RUNG" "$@" \
		<"${STDIN:-/dev/null}" >"$out_file" 2>"$err_file" 3>&- 9>&- || status=$?
	read_output
	echo "\$ rung $* -> $status"
	[[ -z $out ]] || echo "$out"
	[[ -z $err ]] || echo "$err"
}

user_state() { as_user "$RUNG" state "$CT" | jq -r ".$1"; }
is_user_status() { [[ $(user_state status 2>/dev/null) == "$1" ]]; }

# delegated: the user may divide the cgroup in which it is, on v2; its path is in
# DELEGATED. An ordinary user who runs the tests has it already.
delegated() {
	needs_v2
	DELEGATED=${TRACK#/sys/fs/cgroup}
	[[ $EUID == 0 ]] || return 0
	DELEGATED+=/user
	mkdir -p "$TRACK/user/home"
	pass_down "/sys/fs/cgroup" "$TRACK"
	chown "$LOGIN:" "$TRACK"/user{,/home,/cgroup.{procs,threads,subtree_control},/home/cgroup.procs}
	HOME_CGROUP=$TRACK/user/home
}

# pass_down DIR...: enables all controllers for the cgroups below each of these.
pass_down() {
	local dir controller
	for dir; do
		for controller in $(<"$dir/cgroup.controllers"); do
			echo "+$controller" >"$dir/cgroup.subtree_control"
		done
	done
}

# undelegated: the user may make no cgroup beside its own.
undelegated() { [[ $EUID == 0 ]] || chmod 555 "$TRACK"; }

# of_cgroup FILE: what it says in the container's cgroup.
of_cgroup() { echo $(<"/sys/fs/cgroup$DELEGATED/$CT/$1"); }

# silent: the last call said nothing on stderr.
silent() { equal "" "$err"; }

# ranges: maps the user's subordinate ids too.
ranges() {
	needs_program newuidmap newgidmap
	SUBUID=$(awk -F: -v u="$LOGIN" '$1 == u { print $2; exit }' /etc/subuid)
	SUBGID=$(awk -F: -v u="$LOGIN" '$1 == u { print $2; exit }' /etc/subgid)
	[[ -n $SUBUID && -n $SUBGID ]] || skip "useradd gives no subordinate ids here"
	config '.linux.uidMappings += [{containerID: 1, hostID: $u, size: 65535}] | .linux.gidMappings += [{containerID: 1, hostID: $g, size: 65535}]' \
		--argjson u "$SUBUID" --argjson g "$SUBGID"
}

@test "rootless: the bundle of spec --rootless runs" {
	shell 'id -u; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; touch /dev/shm/file /tmp/file; ls /sys >/dev/null && echo sys'
	run_ct
	equal "0 0 $USER_ID 1 0 $GROUP_ID 1 deny sys" "$(echo $out)"
	equal "$USER_ID" "$(stat -c %u "$ROOTFS/tmp/file")"
	silent
}

@test "rootless: its state is in XDG_RUNTIME_DIR, and is not cleaned up after six hours" {
	program sleep 1000
	run_ct --detach
	equal "1700 $LOGIN" "$(stat -c '%a %U' "$WORK/run/rung")"
	[[ -e $WORK/run/rung/$CT/state.json ]]
	delete --force
	[[ ! -e $WORK/run/rung/$CT ]]
}

@test "rootless: the whole life of a container" {
	local init
	program sleep 1000
	create
	equal created "$(user_state status)"
	init=$(user_state pid)
	equal "$USER_ID" "$(stat -c %u "/proc/$init")"
	start
	poll is_user_status running
	rung list -q
	equal "$CT" "$out"
	rung exec "$CT" sh -c 'id -u; readlink /proc/self/ns/user'
	equal "0 $(readlink "/proc/$init/ns/user")" "$(echo $out)"
	rung kill "$CT" KILL
	wait_for_exit "$init"
	delete
}

# As in a pod of Podman's whose containers share their processes.
@test "rootless: kill KILL of a container without a cgroup and without a pid namespace of its own" {
	local init arguments
	config 'del(.linux.namespaces[] | select(.type == "pid"))
		| (.mounts[] | select(.destination == "/proc")) = {destination: "/proc", type: "none", source: "/proc", options: ["rbind"]}'
	program sleep 1000
	for arguments in "$CT KILL" "--all $CT KILL"; do
		create
		start
		poll is_user_status running
		init=$(user_state pid)
		rung kill $arguments
		wait_for_exit "$init"
		delete
	done
}

@test "rootless: a terminal" {
	needs_program script
	config '.process.terminal = true'
	shell 'tty; stat -c %u "$(tty)"'
	out=$(as_user script -qec "'$RUNG' run --bundle '$BUNDLE' '$CT'" /dev/null </dev/null 3>&- | sed 's/\r//; s/\^@//g')
	equal "/dev/pts/0"$'\n'0 "$out"
}

@test "rootless: with subordinate ids, by newuidmap" {
	ranges
	config '.process.user = {uid: 1000, gid: 1000, additionalGids: [5]}'
	shell 'id -u; id -g; id -G; cat /proc/self/setgroups; sleep 1000'
	run_ct --detach
	poll grep -q allow "$out_file"
	equal "$((SUBUID + 999))" "$(stat -c %u "/proc/$(user_state pid)")"
	equal "1000 1000 1000 5 allow" "$(echo $(<"$out_file"))"
	rung exec --user 7:8 "$CT" sh -c 'id -u; id -g'
	equal "7 8" "$(echo $out)"
	delete --force
}

@test "rootless: ids that are not the user's are refused by newuidmap" {
	needs_program newuidmap
	config '.linux.uidMappings += [{containerID: 1, hostID: 1, size: 10}]'
	run_fails
	says linux.uidMappings newuidmap "not allowed"
}

@test "rootless: without newuidmap it is named" {
	local bin=$WORK/bin
	mkdir "$bin"
	config '.linux.uidMappings += [{containerID: 1, hostID: 1, size: 10}]'
	PATH=$bin:$PATH
	# A PATH that has everything but those two.
	ln -s "$(command -v setpriv)" "$(command -v env)" "$(command -v timeout)" "$bin/"
	PATH=$bin try_rung run --bundle "$BUNDLE" "$CT"
	equal 1 "$status"
	says linux.uidMappings newuidmap "not installed" uidmap
}

@test "rootless: additional groups where setgroups is denied" {
	config '.process.user.additionalGids = [0]'
	run_fails
	says process.user.additionalGids "denies setgroups"
}

@test "rootless: limits without a cgroup to set them on are one warning" {
	undelegated
	config '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 50}, cpu: {shares: 512}}'
	program cat /proc/self/cgroup
	run_ct
	warns cpu.shares memory.limit pids.limit "not in force"
	equal 1 "$(grep -cE "$WARNING" "$err_file")"
	# It stays where its caller is.
	lacks "$out" "$CT"
}

@test "rootless: a cgroup that is asked for by path is made or refused" {
	config '.linux.cgroupsPath = $p' --arg p "/$TAG/$CT"
	run_fails
	says linux.cgroupsPath "permission denied"
}

@test "rootless: v1 cgroups that were delegated are used" {
	local dir
	needs_v1
	for dir in /sys/fs/cgroup/*/; do
		[[ -e $dir/cgroup.procs && ! -L ${dir%/} ]] || continue
		mkdir -p "$dir$PARENT"
		chown -R "$LOGIN:" "$dir$PARENT"
	done
	config '.linux.cgroupsPath = $p | .linux.resources.pids.limit = 33' --arg p "$PARENT/$CT"
	program cat /proc/self/cgroup
	run_ct
	contains "$out" "pids:$PARENT/$CT"
	silent
}

@test "rootless: in a delegated cgroup limits are in force, without a word" {
	delegated
	needs_controller memory
	config '.linux.resources = {memory: {limit: 67108864, reservation: 33554432}, pids: {limit: 20}, cpu: {shares: 512, quota: 50000, period: 100000}}'
	shell '(for i in $(seq 30); do sleep 1000 & done) 2>/dev/null; exec sleep 1000'
	run_ct --detach
	silent
	has_line "$(<"/proc/$(user_state pid)/cgroup")" "0::$DELEGATED/$CT"
	equal "67108864 33554432 20 50000 100000" "$(of_cgroup memory.max) $(of_cgroup memory.low) $(of_cgroup pids.max) $(of_cgroup cpu.max)"
	(($(of_cgroup cpu.weight) < 100))
	# The kernel counts what it refused: forks beyond the limit.
	poll eval '[[ $(of_cgroup pids.events) == "max "[1-9]* ]]'
	delete --force
	[[ ! -e /sys/fs/cgroup$DELEGATED/$CT ]]
}

@test "rootless: in a delegated cgroup who takes more memory than allowed is killed" {
	delegated
	needs_controller memory
	give_helper
	config '.linux.resources.memory = {limit: 16777216, swap: 16777216} | .linux.resources.unified = {"memory.oom.group": "1"}'
	program testhelper eat 64
	try_rung run --bundle "$BUNDLE" "$CT"
	equal 137 "$status"
	lacks "$out" ate
}

@test "rootless: in a delegated cgroup update, pause, resume, ps, exec, events and kill" {
	local init
	delegated
	needs_controller memory
	config '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 50}}'
	program sleep 1000
	run_ct --detach
	silent
	init=$(user_state pid)
	rung update --memory 33554432 --pids-limit 30 --cpu-quota 20000 --cpu-period 50000 "$CT"
	equal "33554432 30 20000 50000" "$(of_cgroup memory.max) $(of_cgroup pids.max) $(of_cgroup cpu.max)"
	rung pause "$CT"
	equal "paused 1" "$(user_state status) $(of_cgroup cgroup.freeze)"
	rung resume "$CT"
	equal "running 0" "$(user_state status) $(of_cgroup cgroup.freeze)"
	rung exec "$CT" cat /proc/self/cgroup
	equal "0::/" "$out"
	rung ps --format json "$CT"
	equal "[$init]" "$(jq -c . <<<"$out")"
	rung events --stats "$CT"
	equal "33554432 30 1" "$(jq -r '"\(.data.memory.usage.limit) \(.data.pids.limit) \(.data.pids.current)"' <<<"$out")"
	rung kill "$CT" KILL
	wait_for_exit "$init"
	delete
	[[ ! -e /sys/fs/cgroup$DELEGATED/$CT ]]
}

@test "rootless: in a delegated cgroup a path names one below it, and a limit of what was not delegated is refused" {
	delegated
	config '.linux.cgroupsPath = $p' --arg p "$DELEGATED/deep/er/$CT"
	program cat /proc/self/cgroup
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	run_ct
	has_line "$out" "0::$DELEGATED/deep/er/$CT"
	silent
	# Nobody delegates all of these.
	config '.linux.resources.rdma = {nosuch0: {hcaHandles: 3}}'
	run_fails
	says linux.resources.rdma
	# What is above the container stays.
	rmdir "/sys/fs/cgroup$DELEGATED"/deep{/er,}
}

@test "rootless: --rootless=false insists on cgroups" {
	undelegated
	try_rung --rootless=false run --bundle "$BUNDLE" "$CT"
	equal 1 "$status"
	says linux.cgroupsPath "permission denied"
}

@test "rootless: without a user namespace the way out is named" {
	config 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))'
	run_fails
	says "operation not permitted" "user namespace"
}

@test "rootless: a volume of the user's, and one of nobody's" {
	mkdir "$WORK/volume" "$WORK/foreign"
	chown "$LOGIN:" "$WORK/volume"
	chmod 700 "$WORK/foreign"
	touch "$WORK/foreign/file"
	config '.mounts += [{source: $s, destination: "/mnt", options: ["bind", "nosuid", "nodev"]}]' --arg s "$WORK/volume"
	program touch /mnt/new
	run_ct
	equal "$USER_ID" "$(stat -c %u "$WORK/volume/new")"
	config '.mounts[-1].source = $s' --arg s "$WORK/foreign/file"
	run_fails
	says "mounts[7].source" "permission denied"
	config '.mounts[-1] |= (.source = $s | .options += ["idmap"])' --arg s "$WORK/volume"
	run_fails
	says "mounts[7].options[3]" "operation not permitted" rootless
}

@test "rootless: oom_score_adj can be raised, and not lowered" {
	config '.process.oomScoreAdj = 500'
	program cat /proc/self/oom_score_adj
	run_ct
	equal 500 "$out"
	config '.process.oomScoreAdj = -500'
	run_fails
	says process.oomScoreAdj CAP_SYS_RESOURCE
}

@test "rootless: network devices are the host's" {
	config '.linux.namespaces += [{type: "network"}] | .linux.netDevices = {lo: {name: "lo1"}}'
	run_fails
	says linux.netDevices "not supported for rootless containers"
}

@test "rootless: hooks run as the user" {
	config '.hooks = {createRuntime: [{path: "/bin/sh", args: ["sh", "-c", $c]}]}' --arg c "id -u >$WORK/run/hook"
	run_ct
	equal "$USER_ID" "$(<"$WORK/run/hook")"
}

@test "rootless: a failed run leaves nothing" {
	program /no/such/program
	run_fails
	says process.args
	equal "" "$(ls "$WORK/run/rung")"
}
