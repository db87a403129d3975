#!/usr/bin/env bats
# rung doctor: what it finds on this host is true, and what it does leaves no trace.

load helpers

# doctor [FLAG...]: the report is in out.
doctor() { try_rung doctor "$@"; }

# field ID KEY: of a check, in the JSON in out.
field() { jq -r --arg id "$1" --arg key "$2" '.checks[] | select(.id == $id)[$key] | if type == "array" then join(" ") else . // "" end' <<<"$out"; }

# as_nobody ARG...: rung as a user without privileges, with a state folder of its own.
as_nobody() {
	needs_root "it becomes another user"
	install -m 755 "$RUNG" "$WORK/rung"
	install -d -o 65534 -g 65534 -m 700 "$WORK/xdg"
	status=0
	out=$(cd / && XDG_RUNTIME_DIR=$WORK/xdg HOME=$WORK/xdg setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$WORK/rung" "$@" 2>"$WORK/err" 3>&- </dev/null) || status=$?
	err=$(<"$WORK/err")
	echo "\$ rung $* -> $status"
	echo "$out$err"
}

setup() {
	setup_test
	peer_lacks "has no doctor"
}

@test "doctor: this host, on which all tests run, is usable; one screen, without colour where there is no terminal" {
	doctor
	equal 0 "$status"
	equal "" "$err"
	matches "$out" "^rung [^ ]+ on .*Linux $(uname -r)"
	matches "$out" $'\nkernel +ok +version '
	matches "$out" $'\nusable'
	lacks "$out" $'\x1b'
	(($(wc -l <<<"$out") <= 55))
	[[ -z $(awk 'length($0) > 110' <<<"$out") ]]
}

@test "doctor: on a terminal there are colours, and none with NO_COLOR" {
	script -qec "stty rows 40 cols 100; '$RUNG' --root '$ROOT' doctor" /dev/null >"$WORK/tty" </dev/null 3>&-
	contains "$(<"$WORK/tty")" $'\x1b[32mok'
	NO_COLOR=1 script -qec "'$RUNG' --root '$ROOT' doctor" /dev/null >"$WORK/tty" </dev/null 3>&-
	contains "$(<"$WORK/tty")" "ok    version"
	lacks "$(<"$WORK/tty")" $'\x1b'
}

@test "doctor: the JSON says of this host what this host says of itself" {
	local controllers
	doctor --json
	equal 0 "$status"
	equal 1 "$(jq .format <<<"$out")"
	equal true "$(jq .usable <<<"$out")"
	equal "$(uname -r)" "$(jq -r .host.kernel <<<"$out")"
	equal "$RUNG" "$(jq -r .rung.path <<<"$out")"
	equal "$EUID" "$(jq -r .host.uid <<<"$out")"
	equal "" "$(jq -r '.checks[] | select((.level | IN("green", "yellow", "red", "grey")) and (.text | length > 0) and (.id | test("^[a-z]+[.][a-z-]+$")) | not) | .id' <<<"$out")"
	equal "$CGROUP_MODE" "$(field cgroups.mode have)"
	controllers=$(field cgroups.controllers have)
	contains " $controllers " " cpu " " memory " " pids "
	equal "mount pid network ipc uts cgroup time user" "$(field kernel.namespaces have)"
	if [[ -e /run/systemd/system && $CGROUP_MODE == v2 ]]; then equal green "$(field cgroups.systemd level)"; fi
	[[ -e /run/systemd/system ]] || equal grey "$(field cgroups.systemd level)"
	if [[ $CGROUP_MODE == v2 ]]; then
		[[ $EUID != 0 ]] || equal green "$(field cgroups.devices level)"
		contains "$(field cgroups.devices text)" BPF
	fi
	if [[ -e /sys/kernel/security/lsm ]]; then equal "$(tr , ' ' </sys/kernel/security/lsm)" "$(field security.modules have)"; fi
}

@test "doctor: CRIU is what criu check says" {
	doctor --json
	if [[ $EUID != 0 ]] || ! command -v criu >/dev/null; then
		equal grey "$(field checkpoint.criu level)"
	elif criu check >"$WORK/criu" 2>&1 3>&-; then
		equal green "$(field checkpoint.criu level)"
		contains "$(field checkpoint.criu text)" "Looks good"
	else
		equal yellow "$(field checkpoint.criu level)"
	fi
}

@test "doctor: a user without privileges is told what is there for users" {
	as_nobody doctor --json
	[[ $(field users.namespaces level) == green ]]
	equal 0 "$status"
	equal "mount pid network ipc uts cgroup time user" "$(field kernel.namespaces have)"
	equal yellow "$(field users.ids level)"
	contains "$(field users.ids hint)" usermod
	equal yellow "$(field cgroups.delegated level)"
	equal "memory" "$(field security.sealing have)"
	equal "" "$err"
}

@test "doctor: a user in a service with Delegate=yes is told which controllers are delegated" {
	local own
	[[ $EUID != 0 ]] || skip "for the user whose systemd runs the tests; the virtual machine has one"
	doctor --json
	own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
	equal "$(tr ' ' '\n' <"$own/cgroup.controllers" | grep -xE 'cpu|cpuset|io|memory|pids' | sort)" "$(field cgroups.delegated have | tr ' ' '\n')"
	if [[ $(field cgroups.delegated have) == "cpu cpuset io memory pids" ]]; then
		equal green "$(field cgroups.delegated level)"
	else
		equal yellow "$(field cgroups.delegated level)"
		contains "$(field cgroups.delegated hint)" "Delegate=cpu cpuset io memory pids"
	fi
	equal green "$(field users.ids level)"
	equal green "$(field users.namespaces level)"
}

@test "doctor: without a state folder that can be written to it ends with 1, and says what to do" {
	if [[ $EUID == 0 ]]; then as_nobody --root /run/of-nobody doctor; else ROOT=/run/of-nobody doctor; fi
	equal 1 "$status"
	matches "$out" $'\nstate +FAIL +folder +/run/of-nobody: /run cannot be written to'
	contains "$out" "name another folder with --root" "not usable: see the line that says FAIL"
}

@test "doctor: root without CAP_SYS_ADMIN is told what is missing" {
	needs_root "it is about root"
	status=0
	out=$(setpriv --bounding-set -sys_admin "$RUNG" --root "$ROOT" doctor --json 2>&1 3>&-) || status=$?
	equal 1 "$status"
	equal false "$(jq .usable <<<"$out")"
	equal red "$(field kernel.namespaces level)"
	contains "$(field kernel.namespaces hint)" CAP_SYS_ADMIN
}

@test "doctor: a chroot in which no container can be run is found" {
	needs_root "it makes a chroot"
	# shellcheck disable=SC2016 # the shell in the namespace expands it
	unshare -m sh -c 'mkdir "$2/proc" 2>/dev/null; mount -t proc proc "$2/proc" && cp "$1" "$2/bin/rung" && chroot "$2" /bin/rung --root /tmp/root doctor --json' \
		sh "$RUNG" "$ROOTFS" >"$WORK/out" 2>&1 3>&- || true
	out=$(<"$WORK/out")
	equal red "$(field kernel.mounts level)"
	contains "$(field kernel.mounts hint)" "bind-mount"
}

@test "doctor: user namespaces that are switched off are found" {
	needs_root "a user may not switch them off"
	# The sysctl belongs to a user namespace, so that of a new one is the test's own.
	unshare -rm sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh "$RUNG" --root "$ROOT" doctor --json >"$WORK/out" 2>&1 3>&- || true
	out=$(<"$WORK/out")
	contains "$(field users.namespaces hint)" "user.max_user_namespaces"
	contains "$(field kernel.namespaces missing)" user
}

@test "doctor: engines are found, and whether rung is registered with them" {
	needs_root "it mounts over /etc/docker"
	local bin=$WORK/bin
	mkdir -p "$bin"
	printf '#!/bin/sh\necho "Docker version 99.1.2, build x"\n' >"$bin/dockerd"
	chmod 755 "$bin/dockerd"
	# shellcheck disable=SC2016 # the shell in the namespace expands it
	unshare -m sh -ec '
		mount -t tmpfs tmpfs /etc/docker 2>/dev/null || { mount -t tmpfs tmpfs /mnt; mkdir -p /mnt/docker /mnt/upper /mnt/work
			mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc; mkdir -p /etc/docker; }
		PATH=$1:$PATH
		"$2" --root "$3" doctor --json
		printf "{\"runtimes\": {\"mine\": {\"path\": \"%s\"}}}" "$2" >/etc/docker/daemon.json
		"$2" --root "$3" doctor --json
		printf "{\"runtimes\": {\"mine\": {\"path\": \"/nowhere/rung\"}}}" >/etc/docker/daemon.json
		"$2" --root "$3" doctor --json || true' sh "$bin" "$RUNG" "$ROOT" >"$WORK/out" 3>&-
	equal "99.1.2 yellow
99.1.2 green mine
99.1.2 red mine" "$(jq -r '.checks[] | select(.id == "engines.docker") | [.version, .level, .have[]?] | join(" ")' "$WORK/out")"
}

modules() { cut -d ' ' -f 1 /proc/modules | sort; }

# others_at_work: there is the folder of another test, which may load modules.
others_at_work() {
	local dir
	for dir in "${TMPDIR:-/tmp}"/rt*-*.*; do
		[[ $dir == "$WORK" || ! -d $dir ]] || return 0
	done
	return 1
}

@test "doctor: it changes nothing: no mount, no cgroup, no file, no module" {
	traces() {
		host_mounts | sort
		find /sys/fs/cgroup -type d | grep -F "$TAG" | sort
		find /run -maxdepth 1 -name 'rung*' | sort
		find "$WORK" ! -name 'out*' ! -name 'err*' ! -name traces | sort
	}
	local modules
	modules=$(modules)
	traces >"$WORK/traces"
	doctor
	diff "$WORK/traces" <(traces)
	[[ $(modules) == "$modules" ]] || others_at_work || fail "modules were $modules, and are $(modules)"
	[[ ! -e $ROOT ]]
}
