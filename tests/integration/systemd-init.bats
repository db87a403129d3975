#!/usr/bin/env bats
# systemd as the program of a container: the whole of a Debian, in a
# configuration that `rung spec --init` has written. The root filesystem is that
# of the host, below an overlay, without the units that are enabled on the host.

load helpers

setup() {
	setup_test
	peer_lacks "has no spec --init"
	if [[ ! -x /lib/systemd/systemd ]] || ((EUID != 0)); then
		skip "needs root, and systemd in the host's root filesystem"
	fi
	system_rootfs
	local cgroups
	cgroups=$(jq .linux.cgroupsPath "$BUNDLE/config.json")
	rm "$BUNDLE/config.json"
	rung spec --init --bundle "$BUNDLE"
	config '.process.terminal = false | .root.path = $r | .linux.cgroupsPath = $c' --arg r "$SYSTEM" --argjson c "$cgroups"
}

teardown() {
	# What runs in there goes first.
	[[ -z ${BATS_TEST_COMPLETED-} && -e $ROOT/$CT ]] && "$RUNG" --root "$ROOT" delete --force "$CT"
	[[ ! -d $WORK/layers ]] || umount -R "$WORK/layers"
	teardown_test
}

# system_rootfs: sets SYSTEM to a root filesystem.
system_rootfs() {
	mkdir "$WORK/layers"
	mount -t tmpfs tmpfs "$WORK/layers"
	mkdir "$WORK"/layers/{upper,work,root}
	SYSTEM=$WORK/layers/root
	mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/layers/upper,workdir=$WORK/layers/work" "$SYSTEM" ||
		skip "the host's root filesystem cannot be below an overlay"
	rm -rf "$SYSTEM/etc/systemd/system" "$SYSTEM/var/log/journal"
	mkdir "$SYSTEM/etc/systemd/system"
	: >"$SYSTEM/etc/fstab"
	# Another one than the host's; without any this would be a first boot.
	tr -d - </proc/sys/kernel/random/uuid >"$SYSTEM/etc/machine-id"
}

# answers: systemd takes commands.
answers() { "$RUNG" --root "$ROOT" exec "$CT" test -S /run/systemd/private 2>/dev/null; }

# booted: waits for the end of the boot, which must be a success.
booted() {
	local PATIENCE=$((PATIENCE * 5))
	poll answers
	try_rung exec "$CT" systemctl is-system-running --wait
	[[ $out == running ]] || "$RUNG" --root "$ROOT" exec "$CT" systemctl list-units --failed --no-pager
	equal running "$out"
}

# in_system COMMAND...: exec, and demands success.
in_system() { rung exec "$CT" "$@"; }

@test "systemd: a system boots, is served by systemctl, and shuts down in order" {
	run_ct --detach
	booted
	in_system systemctl list-units --failed --plain --no-legend
	equal "" "$out"
	in_system systemctl is-active dbus.service systemd-journald.service
	equal "active active" "${out//$'\n'/ }"
	# What exec runs is none of its services, and what it is asked to run is.
	in_system systemd-run --quiet --wait --pipe cat /proc/self/cgroup
	contains "$out" /system.slice/run-
	in_system systemctl status --no-pager
	prints "State: running" init.scope systemd-journald.service
	in_system systemd-detect-virt --container
	differ none "$out"
	# A service is started, dies, and is started anew.
	printf '[Service]\nExecStart=sleep 1000\nRestart=always\nRestartSec=0\nExecStopPost=/bin/touch /run/stopped\n' >"$SYSTEM/etc/systemd/system/nap.service"
	in_system systemctl daemon-reload
	in_system systemctl start nap.service
	in_system systemctl kill --signal=KILL nap.service
	poll "$RUNG" --root "$ROOT" exec "$CT" test -e /run/stopped
	poll "$RUNG" --root "$ROOT" exec "$CT" systemctl --quiet is-active nap.service
	in_system journalctl --sync
	in_system journalctl --unit nap.service --no-pager
	prints "code=killed, status=9/KILL"
	rung kill "$CT" RTMIN+3
	wait_for_status stopped
	rung delete "$CT"
}

@test "systemd: run shows its messages, and ends with the system, with status 0" {
	config '.process.terminal = true | .process.args += ["systemd.show_status=1"]'
	rung_in_background run --bundle "$BUNDLE" "$CT"
	booted
	rung kill "$CT" SIGRTMIN+3
	finish "$background"
	contains "$(<"$background_out")" "Welcome to" "Reached target" "Stopped target"
	[[ ! -e $ROOT/$CT ]] || fail "the container is left"
}

@test "systemd: its messages go to a console that somebody else has" {
	config '.process.terminal = true | .process.args += ["systemd.show_status=1"]'
	console_socket -keep
	run_ct --detach --console-socket "$CONSOLE"
	booted
	rung kill "$CT" RTMIN+3
	wait_for_status stopped
	contains "$(<"$background_out")" "Welcome to" "Reached target"
	rung delete "$CT"
}

@test "systemd: in a user namespace" {
	[[ $CGROUP_MODE == v2 ]] || skip "on v1 the cgroups stay root's"
	# What is written to, and the way to it. The rest belongs to nobody in there.
	chown -h 100000:100000 "$SYSTEM" "$SYSTEM"/* "$SYSTEM"/var/{*,lib/*,log/*}
	chown -hR 100000:100000 "$SYSTEM"/{etc,var/lib/systemd}
	chmod 755 "$WORK/layers"
	config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	run_ct --detach
	booted
	in_system systemd-run --quiet --wait --pipe cat /proc/self/uid_map
	matches "$out" "0 +100000 +65536"
	rung kill "$CT" RTMIN+3
	wait_for_status stopped
	rung delete "$CT"
}

@test "systemd: limits of its services, below the container's" {
	needs_controller memory
	[[ $CGROUP_MODE == v2 ]] || skip "on v1 systemd has no controllers but in the hierarchies that it manages"
	config '.linux.resources.memory = {limit: 536870912}'
	run_ct --detach
	booted
	in_system cat /sys/fs/cgroup/memory.max
	equal 536870912 "$out"
	in_system systemd-run --quiet --wait --pipe -p MemoryMax=64M -p TasksMax=30 -p CPUWeight=50 sh -c \
		'cd /sys/fs/cgroup/system.slice/$(basename $(cut -d: -f3 </proc/self/cgroup)); cat memory.max pids.max cpu.weight'
	equal "67108864 30 50" "${out//$'\n'/ }"
	rung kill "$CT" RTMIN+3
	wait_for_status stopped
	rung delete "$CT"
}
