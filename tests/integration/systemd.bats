#!/usr/bin/env bats
# systemd: the systemd cgroup driver, on hosts with systemd and cgroup v2. With
# RUNG_SYSTEMD=yes all other files are run with it as well.

load helpers

setup() {
	setup_test
	[[ $BATS_TEST_DESCRIPTION == *"without systemd"* ]] || needs_systemd
}

# needs_systemd: has the test use the driver, or skips it where there is none.
needs_systemd() {
	[[ -d /run/systemd/system ]] || skip "this host was not booted with systemd"
	needs_v2
	peer_lacks "tests of rung's names and words"
	systemd_driver || DRIVER+=(--systemd-cgroup)
	SLICE=$TAG.slice
	PARENT=$MANAGER_BASE/rt$$.slice/$SLICE
	scope "$CT"
}

teardown() {
	[[ ! -d /sys/fs/cgroup$MANAGER_BASE/rt$$.slice ]] || {
		leave_test_cgroup
		systemctl kill -s KILL "rt$$.slice" 3>&- || true
		systemctl stop "rt$$.slice" 3>&- || true
		echo $BASHPID >"$TRACK/runner/cgroup.procs"
	}
	teardown_test
}

# scope NAME [SLICE]: the container is in the scope UNIT, rung-NAME.scope, of
# the test's slice or of another one.
scope() {
	UNIT=rung-$1.scope
	config '.linux.cgroupsPath = $p' --arg p "${2-$SLICE}:rung:$1"
}

# property NAME [UNIT]: a property of the unit, as systemctl prints it.
property() { systemctl show -P "$1" "${2:-$UNIT}" 3>&-; }

# value FILE: what a file of the container's cgroup says.
value() { cat "/sys/fs/cgroup$(path)/$1"; }

# path: the container's cgroup.
path() { cut -d: -f3 "/proc/$(pid)/cgroup"; }

# no_unit [UNIT]: systemd knows of none.
no_unit() { poll unknown "${1:-$UNIT}"; }
unknown() { [[ $(property LoadState "$1") == not-found ]]; }

# named NAME: rung is called by this name from here on.
named() {
	ln -s "$RUNG" "$WORK/$1"
	RUNG=$WORK/$1
}

annotate() { config '.annotations["org.systemd.property." + $k] = $v' --arg k "$1" --arg v "$2"; }

# --- where ---

@test "systemd: without systemd the driver is refused, with a hint" {
	[[ ! -d /run/systemd/system ]] || skip "this host has systemd"
	peer_lacks "words it otherwise"
	rung_fails --systemd-cgroup create --bundle "$BUNDLE" "$CT"
	says --systemd-cgroup "not booted with systemd" "leave out"
	[[ ! -e $ROOT/$CT ]]
}

@test "systemd: slice:prefix:name is a scope in a nested slice, and gone after delete" {
	running
	equal "$PARENT/$UNIT" "$(path)"
	equal active "$(property ActiveState)"
	equal "$SLICE" "$(property Slice)"
	equal active "$(property ActiveState "$SLICE")"
	contains "$(property Description)" "$CT"
	delete --force
	no_unit
	[[ ! -e /sys/fs/cgroup$PARENT/$UNIT ]]
}

@test "systemd: without cgroupsPath, and without a slice in it, the scope is in system.slice, a user's in user.slice" {
	local slice=/system.slice
	[[ $EUID == 0 ]] || slice=$MANAGER_BASE/user.slice
	config 'del(.linux.cgroupsPath)'
	running
	equal "$slice/rung-$CT.scope" "$(path)"
	delete --force
	config '.linux.cgroupsPath = $p' --arg p ":other:$CT"
	running
	equal "$slice/other-$CT.scope" "$(path)"
	delete --force
	no_unit "rung-$CT.scope"
	no_unit "other-$CT.scope"
}

@test "systemd: called as runc, the scope without cgroupsPath has its prefix" {
	config 'del(.linux.cgroupsPath)'
	named runc
	running
	matches "$(path)" "/runc-$CT.scope$"
	rung state "$CT"
	lacks "$out" systemd-scope
	delete --force
	no_unit "runc-$CT.scope"
}

@test "systemd: called as crun, the scope has its prefix, is in state, and the container is below it" {
	config 'del(.linux.cgroupsPath) | .linux.resources.pids.limit = 123'
	named crun
	running
	matches "$(path)" "/crun-$CT.scope/container$"
	equal "crun-$CT.scope" "$(state systemd-scope)"
	equal 123 "$(property TasksMax "crun-$CT.scope")"
	rung exec "$CT" true
	delete --force
	no_unit "crun-$CT.scope"
	config '.annotations["run.oci.systemd.subgroup"] = ""'
	running
	matches "$(path)" "/crun-$CT.scope$"
	delete --force
	no_unit "crun-$CT.scope"
}

@test "systemd: a path of another form is refused, and says the form" {
	local path
	for path in "$TAG/a" a:b a:b:c:d "system:a:b" "a--b.slice:a:b" "a.slice:a:b/c" "a.slice:a:" "../x.slice:a:b"; do
		config '.linux.cgroupsPath = $p' --arg p "$path"
		create_fails
		says linux.cgroupsPath
	done
}

@test "systemd: systemctl status and systemd-cgls show the program under the scope's name" {
	needs_program systemd-cgls
	running
	contains "$(systemctl status --no-pager "$UNIT" 3>&-)" "$CT" "$(pid) sleep 1000" "active (running)"
	local unit=--unit
	[[ $EUID == 0 ]] || unit=--user-unit
	contains "$(systemd-cgls --no-pager "$unit" "$SLICE" 3>&-)" "$UNIT" "sleep 1000"
	delete --force
}

@test "systemd: systemd-cgtop shows the container" {
	needs_program systemd-cgtop
	running
	contains "$(systemd-cgtop --batch --iterations=1 --raw --depth=9 3>&-)" "${PARENT#/}/$UNIT"
	delete --force
}

@test "systemd: nothing but the container is ever in its scope, least of all rung" {
	make_fifo
	shell 'echo up >/fifo; sleep 1000'
	rung_in_background run --bundle "$BUNDLE" "$CT"
	equal up "$(heard)"
	lacks "$(value cgroup.procs)" "$background"
	lacks "$(</proc/"$background"/cgroup)" "$UNIT"
	rung ps --format json "$CT"
	equal "$(value cgroup.procs | sort -n | tr '\n' ' ')" "$(jq -r '.[]' <<<"$out" | sort -n | tr '\n' ' ')"
	rung kill "$CT" KILL
	finish "$background" || true
	no_unit
}

@test "systemd: the container is the root of its cgroup namespace" {
	new_namespace cgroup
	program cat /proc/self/cgroup
	run_ct
	equal "0::/" "$out"
}

@test "systemd: the scope is delegated, and the container's cgroups go with it" {
	config '(.mounts[] | select(.destination == "/sys/fs/cgroup")).options |= map(select(. != "ro"))'
	new_namespace cgroup
	make_fifo
	shell 'mkdir -p /sys/fs/cgroup/a/b && echo made >/fifo; sleep 1000'
	run_ct --detach
	equal made "$(heard)"
	equal yes "$(property Delegate)"
	systemctl daemon-reload 3>&-
	[[ -d /sys/fs/cgroup$(path)/a/b ]]
	delete --force
	no_unit
}

# --- limits ---

@test "systemd: limits are in the cgroup and with systemd, and outlive daemon-reload" {
	needs_controller cpuset
	local before
	config '.linux.resources += {memory: {limit: 67108864, reservation: 33554432, swap: 134217728}, pids: {limit: 77},
		cpu: {shares: 2000, quota: 33333, period: 50000}, unified: {"memory.high": "60000000"}}'
	running
	equal "67108864 33554432 67108864 77" "$(value memory.max) $(value memory.low) $(value memory.swap.max) $(value pids.max)"
	equal "67108864 33554432 67108864 77" \
		"$(property MemoryMax) $(property MemoryLow) $(property MemorySwapMax) $(property TasksMax)"
	equal "33500 50000" "$(value cpu.max)"
	equal "670ms 50ms" "$(property CPUQuotaPerSecUSec) $(property CPUQuotaPeriodUSec)"
	equal "$(value cpu.weight)" "$(property CPUWeight)"
	equal 60000000 "$(property MemoryHigh)"
	before=$(limits)
	systemctl daemon-reload 3>&-
	equal "$before" "$(limits)"
	# Any unit that starts beside it has systemd look at the cgroups again.
	systemd-run --quiet --wait --slice="$SLICE" --unit="$TAG-other.service" true 3>&-
	equal "$before" "$(limits)"
	delete --force
}

limits() {
	local file
	for file in memory.max memory.low memory.high memory.swap.max pids.max cpu.max cpu.weight; do
		echo "$file $(value "$file")"
	done
}

@test "systemd: update tells systemd, and is taken back as a whole if the kernel refuses a part" {
	running
	rung update --memory 50331648 --pids-limit 44 --cpu-share 512 "$CT"
	equal "50331648 44 $(value cpu.weight)" "$(property MemoryMax) $(property TasksMax) $(property CPUWeight)"
	systemctl daemon-reload 3>&-
	equal "50331648 44" "$(value memory.max) $(value pids.max)"
	# Each alone goes with what the other is.
	rung update --cpu-quota 500000 --cpu-period 1000000 "$CT"
	rung update --cpu-period 500000 "$CT"
	rung update --cpu-quota 250000 "$CT"
	equal "250000 500000 500ms 500ms" "$(value cpu.max) $(property CPUQuotaPerSecUSec) $(property CPUQuotaPeriodUSec)"
	rung update --cpu-quota -1 "$CT"
	equal "max 500000 infinity" "$(value cpu.max) $(property CPUQuotaPerSecUSec)"
	rung update --cpu-share 200 "$CT"
	equal "max 500000" "$(value cpu.max)"
	echo '{"pids": {"limit": 55}, "unified": {"memory.high": "a lot"}}' >"$WORK/refused"
	rung_fails update --resources "$WORK/refused" "$CT"
	says memory.high
	equal "44 44" "$(value pids.max) $(property TasksMax)"
	rung update --pids-limit -1 "$CT"
	equal "max infinity" "$(value pids.max) $(property TasksMax)"
	delete --force
}

@test "systemd: a cpuset is kept over daemon-reload" {
	needs_controller cpuset
	config '.linux.resources.cpu = {cpus: "0", mems: "0"}'
	running
	equal "0 0" "$(property AllowedCPUs) $(property AllowedMemoryNodes)"
	systemctl daemon-reload 3>&-
	equal "0 0" "$(value cpuset.cpus) $(value cpuset.mems)"
	delete --force
}

@test "systemd: cpu.idle is kept over daemon-reload, and ended by shares" {
	config '.linux.resources.cpu.idle = 1'
	running
	equal 1 "$(value cpu.idle)"
	(($(systemctl --version | awk 'NR == 1 { print $2 }') >= 252)) || skip "this systemd knows no idle units"
	equal idle "$(property CPUWeight)"
	systemctl daemon-reload 3>&-
	equal 1 "$(value cpu.idle)"
	echo '{"cpu": {"idle": 0}}' >"$WORK/busy"
	rung update --resources "$WORK/busy" "$CT"
	systemctl daemon-reload 3>&-
	equal "0 100 100" "$(value cpu.idle) $(value cpu.weight) $(property CPUWeight)"
	echo '{"cpu": {"idle": 1}}' >"$WORK/idle"
	rung update --resources "$WORK/idle" "$CT"
	equal "1 idle" "$(value cpu.idle) $(property CPUWeight)"
	rung update --cpu-share 512 "$CT"
	equal "0 $(property CPUWeight)" "$(value cpu.idle) $(value cpu.weight)"

	echo '{"unified": {"cpu.idle": "1", "cpu.weight": "8"}}' >"$WORK/idle"
	rung update --resources "$WORK/idle" "$CT"
	says "cpu.weight" "unable to apply both"
	equal "1 idle" "$(value cpu.idle) $(property CPUWeight)"
	echo '{"unified": {"cpu.weight": "8"}}' >"$WORK/busy"
	rung update --resources "$WORK/busy" "$CT"
	equal "0 8 8" "$(value cpu.idle) $(value cpu.weight) $(property CPUWeight)"
	delete --force
}

@test "systemd: device rules stay rung's own over daemon-reload and update" {
	needs_root "nodes of devices are root's to make"
	config '.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 3, access: "rwm"}]'
	config '.process.capabilities |= map_values(. + ["CAP_MKNOD"])'
	shell 'mknod /tmp/kmsg c 1 11; mknod /tmp/null c 1 3; sleep 1000'
	run_ct --detach
	poll test -e "$ROOTFS/tmp/null"
	systemctl daemon-reload 3>&-
	rung update --pids-limit 50 "$CT"
	rung exec "$CT" sh -c 'echo x >/tmp/null'
	rung_exits 1 exec "$CT" sh -c 'cat /tmp/kmsg'
	contains "$err" "not permitted"
	equal auto "$(property DevicePolicy)"
	delete --force
}

# --- annotations ---

@test "systemd: annotations set properties" {
	annotate TimeoutStopSec "uint64 123"
	annotate CollectMode "'inactive-or-failed'"
	annotate Documentation "['https://example.org/']"
	annotate RuntimeMaxUSec "uint64 3600000000"
	running
	equal "2min 3s" "$(property TimeoutStopUSec)"
	equal inactive-or-failed "$(property CollectMode)"
	equal https://example.org/ "$(property Documentation)"
	equal 1h "$(property RuntimeMaxUSec)"
	delete --force
	no_unit
}

@test "systemd: an annotation that cannot be is refused and named" {
	local name value
	while read -r name value; do
		config 'del(.annotations)'
		annotate "$name" "$value"
		create_fails
		says "$name"
		no_unit
	done <<-'END'
		TimeoutStopSec never
		PIDs [uint32 1]
		Slice 'system.slice'
		Wants ['rung-test-other.service']
		FailureAction 'reboot'
		NoSuchProperty true
		CollectMode 'sometimes'
	END
}

# --- its life ---

@test "systemd: run.oci.systemd.subgroup puts the container into a cgroup below its scope, with its limits" {
	config '.annotations["run.oci.systemd.subgroup"] = "deep/sub" | .linux.resources.pids.limit = 123'
	new_namespace cgroup
	running
	equal "$PARENT/$UNIT/deep/sub" "$(path)"
	equal 123 "$(value pids.max)"
	equal "" "$(<"/sys/fs/cgroup$PARENT/$UNIT/cgroup.procs")"
	rung exec "$CT" cat /proc/self/cgroup
	equal "0::/" "$out"
	rung update --pids-limit 99 "$CT"
	equal 99 "$(value pids.max)"
	rung pause "$CT"
	equal paused "$(state status)"
	rung resume "$CT"
	delete --force
	no_unit
	[[ ! -e /sys/fs/cgroup$PARENT/$UNIT ]]
}

@test "systemd: run.oci.delegate-cgroup goes below run.oci.systemd.subgroup" {
	config '.annotations["run.oci.systemd.subgroup"] = "sub" | .annotations["run.oci.delegate-cgroup"] = "payload"'
	running
	equal "$PARENT/$UNIT/sub/payload" "$(path)"
	delete --force
	no_unit
}

@test "systemd: pause, resume, exec, events, ps and kill need no flag" {
	local DRIVER_OF_CREATE=("${DRIVER[@]}")
	running
	DRIVER=()
	rung pause "$CT"
	equal 1 "$(value cgroup.freeze)"
	equal paused "$(state status)"
	rung resume "$CT"
	new_namespace cgroup
	rung exec "$CT" cat /proc/self/cgroup
	rung events --stats "$CT"
	((0 < $(jq .data.pids.current <<<"$out")))
	rung ps "$CT"
	prints "sleep 1000"
	rung kill "$CT" KILL
	wait_for_status stopped
	delete
	no_unit
	DRIVER=("${DRIVER_OF_CREATE[@]}")
}

@test "systemd: when the program ends the scope does, and delete finds nothing to stop" {
	make_fifo
	shell 'read -r _ </go'
	run_ct --detach
	go
	wait_for_status stopped
	no_unit
	delete
}

@test "systemd: a scope of that name that is another container's by now is left alone by delete" {
	local place
	# In the same place, and in another slice.
	for place in "$SLICE" "rt$$-else.slice"; do
		scope "$CT"
		running
		rung kill "$CT" KILL
		wait_for_status stopped
		no_unit
		scope "$CT" "$place"
		ROOT=$WORK/other running
		delete
		equal active "$(property ActiveState)"
		ROOT=$WORK/other rung exec "$CT" true
		ROOT=$WORK/other delete --force
		no_unit
	done
}

@test "systemd: a scope that failed is cleared by delete, and its name is free again" {
	annotate RuntimeMaxSec $((PATIENCE / 4)) # the start is a part of it
	annotate TimeoutStopSec 1
	running
	poll unit_is failed
	wait_for_status stopped
	delete
	no_unit
	config 'del(.annotations)'
	running
	delete --force
}

unit_is() { [[ $(property ActiveState) == "$1" ]]; }

@test "systemd: a failed scope of that name, left by somebody else, gives way" {
	systemd-run --quiet --scope --unit="$UNIT" --slice="$SLICE" -p RuntimeMaxSec=100ms -p TimeoutStopSec=1 sleep 1000 3>&- || true
	poll unit_is failed
	running
	equal "$PARENT/$UNIT" "$(path)"
	delete --force
}

@test "systemd: a unit of that name that runs is refused, and left alone" {
	in_background systemd-run --quiet --scope --unit="$UNIT" --slice="rt$$-else.slice" sleep 1000
	poll unit_is active
	create_fails
	says "$UNIT" "already"
	equal active "$(property ActiveState)"
	systemctl stop "$UNIT" 3>&-
	finish "$background" || true
}

@test "systemd: systemctl stop ends the container" {
	local init
	# The container's first process has no use for SIGTERM.
	annotate TimeoutStopSec "uint64 1"
	running
	init=$(pid)
	systemctl stop "$UNIT" 3>&-
	wait_for_exit "$init"
	wait_for_status stopped
	delete
	no_unit
}

@test "systemd: a failing create leaves no unit" {
	config '.linux.resources.memory.limit = 4096'
	create_fails
	no_unit
	config 'del(.linux.resources.memory.limit) | .hooks.createRuntime = [{path: "/bin/false"}]'
	create_fails
	no_unit
	config 'del(.hooks)'
	program /nonexistent
	create_fails
	no_unit
}

@test "systemd: two containers cannot have one name" {
	running
	rung_fails create --bundle "$BUNDLE" "$CT-2"
	says linux.cgroupsPath "$UNIT"
	equal running "$(state status)"
	delete --force
}

@test "systemd: where there is no bus, systemd's own socket serves" {
	export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$WORK/no-bus
	running
	equal "$PARENT/$UNIT" "$(path)"
	delete --force
	no_unit
}

@test "systemd: rootless, from a cgroup that the user cannot leave by itself" {
	needs_root "it becomes another user"
	needs_own_machine
	local login=alice id dir path
	id=$(id -u "$login") || skip "there is no user $login"
	systemctl start "user@$id.service" 3>&-
	poll test -S "/run/user/$id/bus"
	dir=$WORK/rootless
	mkdir -p "$dir/bundle"
	cp -r "$ROOTFS" "$dir/bundle/rootfs"
	chown -R "$login:" "$dir"
	as_alice() {
		runuser -u "$login" -- env XDG_RUNTIME_DIR="/run/user/$id" timeout -k 2 "$PATIENCE" "$RUNG" --root "$dir/state" --systemd-cgroup "$@" \
			</dev/null >"$WORK/alice" 2>&1 3>&-
	}
	as_alice spec --rootless --bundle "$dir/bundle"
	jq '.process.terminal = false | .process.args = ["sleep", "1000"] | .linux.resources.pids.limit = 33' "$dir/bundle/config.json" >"$WORK/new"
	cp "$WORK/new" "$dir/bundle/config.json"
	as_alice run --detach --bundle "$dir/bundle" "$CT"
	path=/user.slice/user-$id.slice/user@$id.service/user.slice/rung-$CT.scope
	equal "sleep" "$(ps -o comm= -p "$(<"/sys/fs/cgroup$path/cgroup.procs")")"
	equal 33 "$(<"/sys/fs/cgroup$path/pids.max")"
	# The cgroup namespace begins there, and further processes find the way.
	as_alice exec "$CT" cat /proc/self/cgroup
	equal "0::/" "$(<"$WORK/alice")"
	as_alice exec "$CT" sh -c 'read -r n </sys/fs/cgroup/pids.current && echo $n'
	equal 2 "$(<"$WORK/alice")"
	as_alice update --pids-limit 44 "$CT"
	equal 44 "$(<"/sys/fs/cgroup$path/pids.max")"
	as_alice delete --force "$CT"
	poll test ! -e "/sys/fs/cgroup$path"
	[[ ! -e /run/user/$id/systemd/transient/rung-$CT.scope ]]
}

# systemd hears that a cgroup is empty only as long as that is there. A delete that was killed may have removed it before;
# here the first delete does not find systemd, and the record is put back.
@test "systemd: delete stops a scope whose cgroup an interrupted delete has removed" {
	needs_root "it hides systemd's sockets"
	local round hits=0
	cat >"$WORK/blind" <<-END
		#!/bin/sh
		exec unshare -m sh -c 'mount -t tmpfs tmpfs /run/systemd && mount -t tmpfs tmpfs /run/dbus && exec "\$@"' - "$RUNG" "\$@"
	END
	chmod +x "$WORK/blind"
	for ((round = 0; round < 20 && hits < 2; round++)); do
		running
		cp -a "$ROOT/$CT" "$WORK/record"
		RUNG=$WORK/blind rung delete --force "$CT"
		[[ ! -d /sys/fs/cgroup$(cgroup_path) ]]
		[[ $(property ActiveState) != active ]] || hits=$((hits + 1))
		mv "$WORK/record" "$ROOT/$CT"
		delete
		equal inactive "$(property ActiveState)"
	done
	((hits > 0)) || skip "systemd was faster, $round times"
}
