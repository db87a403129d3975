#!/usr/bin/env bats
# spec and features: what rung says about itself.

load helpers

setup() {
	setup_test
	mkdir "$WORK/new"
	cd "$WORK/new"
}

# spec FILTER: a value of the config.json in the current folder.
spec() { jq -r "$1" config.json; }

@test "spec: writes a config.json with the usual defaults" {
	rung spec
	equal sh "$(spec '.process.args | join(" ")')"
	equal true "$(spec .process.terminal)"
	equal true "$(spec .root.readonly)"
	equal rootfs "$(spec .root.path)"
	equal / "$(spec .process.cwd)"
	equal true "$(spec .process.noNewPrivileges)"
	contains " $(spec '[.linux.namespaces[].type] | sort | join(" ")') " " ipc " " mount " " network " " pid " " uts "
	equal "/dev /dev/mqueue /dev/pts /dev/shm /proc /sys /sys/fs/cgroup" "$(spec '[.mounts[].destination] | sort | join(" ")')"
	contains "$(spec '.linux.maskedPaths[]')" /proc/kcore /proc/keys /sys/firmware
	contains "$(spec '.linux.readonlyPaths[]')" /proc/sys /proc/sysrq-trigger
	equal "CAP_AUDIT_WRITE CAP_KILL CAP_NET_BIND_SERVICE" "$(spec '.process.capabilities.bounding | sort | join(" ")')"
	[[ -n $RUNG_PEER ]] || equal 1.3.0 "$(spec .ociVersion)"
	[[ -n $RUNG_PEER ]] || equal rung "$(spec .hostname)"
}

@test "spec: a new bundle runs as it is" {
	needs_root "for others there is spec --rootless"
	rung spec
	cp -al "$RUNG_TEST_DATA/rootfs" rootfs
	status=0
	echo 'echo "pid $$ on $(hostname)"; exit 7' |
		script -qefc "'$RUNG' --root '$ROOT' run '$CT'" /dev/null >"$WORK/tty" 2>&1 3>&- || status=$?
	cat "$WORK/tty"
	equal 7 "$status"
	matches "$(<"$WORK/tty")" "pid 1 on ${RUNG_PEER:-rung}"
}

@test "spec: --init writes what systemd needs" {
	peer_lacks "has no --init"
	rung spec --init
	equal /lib/systemd/systemd "$(spec '.process.args | join(" ")')"
	contains "$(spec '.process.env[]')" container=oci
	equal "false false" "$(spec '"\(.root.readonly // false) \(.process.noNewPrivileges // false)"')"
	contains "$(spec '.linux.namespaces[].type')" cgroup
	equal rw "$(spec '.mounts[] | select(.destination == "/sys/fs/cgroup") | .options[] | select(. == "rw" or . == "ro")')"
	equal "/run /run/lock /tmp" "$(spec '[.mounts[] | select(.type == "tmpfs").destination] - ["/dev", "/dev/shm"] | join(" ")')"
	lacks "$(spec '.process.capabilities.bounding[]')" CAP_SYS_ADMIN CAP_SYS_BOOT
	rung_fails spec --init --rootless --file other.json
	says --init --rootless
}

@test "spec: --bundle and -b name the folder" {
	mkdir "$WORK/b1" "$WORK/b2"
	rung spec --bundle "$WORK/b1"
	rung spec -b "$WORK/b2"
	cmp "$WORK/b1/config.json" "$WORK/b2/config.json"
	[ ! -e config.json ]
}

@test "spec: a folder that does not exist is an error that names it" {
	rung_fails spec --bundle "$WORK/nowhere"
	says "$WORK/nowhere" "no such file or directory"
}

@test "spec: a config.json that exists is not overwritten" {
	echo mine >config.json
	rung_fails spec
	says config.json exists
	equal mine "$(<config.json)"
}

@test "spec: --rootless asks for a user namespace and for nothing that needs root" {
	rung spec --rootless
	contains " $(spec '[.linux.namespaces[].type] | join(" ")') " " user "
	lacks "$(spec '[.linux.namespaces[].type] | join(" ")')" network
	equal "$(id -u) 0 1" "$(spec '.linux.uidMappings[0] | "\(.hostID) \(.containerID) \(.size)"')"
	equal null "$(spec .linux.resources)"
	lacks "$(spec '[.mounts[].options // [] | .[]] | join(" ")')" gid=
}

# feature FILTER: a value of the last features document.
feature() { jq -r "$1" <<<"$out"; }

@test "features: the document has versions, hooks and namespaces" {
	rung features
	equal 1.0.0 "$(feature .ociVersionMin)"
	[[ -n $RUNG_PEER ]] || equal 1.3.0 "$(feature .ociVersionMax)"
	equal "createContainer createRuntime poststart poststop prestart startContainer" "$(feature '.hooks | sort | join(" ")')"
	contains " $(feature '.linux.namespaces | join(" ")') " " cgroup " " ipc " " mount " " network " " pid " " uts "
}

@test "features: the format version is the one of the records" {
	peer_lacks "has another format"
	rung features
	local version
	version=$(feature '.annotations["com.github.rungoci.rung.stateVersion"]')
	running
	equal "$version" "$(jq .rungStateVersion "$ROOT/$CT/state.json")"
	delete --force
}

@test "features: seccomp has all that the specification names" {
	peer_lacks "knows other architectures"
	rung features
	equal "true 9 7 23" "$(feature '.linux.seccomp | "\(.enabled) \(.actions | length) \(.operators | length) \(.archs | length)"')"
	contains "$(feature '.linux.seccomp.knownFlags | join(" ")')" FLAG_TSYNC FLAG_LOG FLAG_SPEC_ALLOW FLAG_WAIT_KILLABLE_RECV
	contains "$(feature '.linux.seccomp.supportedFlags | join(" ")')" FLAG_TSYNC FLAG_LOG FLAG_SPEC_ALLOW
}

@test "features: the truth about what is not there yet" {
	peer_lacks "has it all"
	rung features
	contains " $(feature '.linux.namespaces | join(" ")') " " time " " user "
	# What is built in, whatever the host has.
	equal true "$(feature .linux.apparmor.enabled)"
	equal true "$(feature .linux.selinux.enabled)"
	equal "true true true" "$(feature '.linux.intelRdt | "\(.enabled) \(.schemata) \(.monitoring)"')"
	equal true "$(feature .linux.netDevices.enabled)"
	equal true "$(feature .linux.cgroup.v1)"
	equal true "$(feature .linux.cgroup.v2)"
	equal "true true" "$(feature '.linux.cgroup | "\(.systemd) \(.systemdUser)"')"
	equal "7 3" "$(feature '.linux.memoryPolicy | "\(.modes | length) \(.flags | length)"')"
}

@test "features: every mount option that is listed is taken" {
	local option
	rung features
	config '.mounts += [{destination: "/mnt", type: "tmpfs", source: "tmpfs"}]'
	# These say how to mount, not with which flags, and mounts.bats and idmap.bats
	# try them.
	for option in $(feature '.mountOptions - ["bind", "rbind", "remount", "idmap", "ridmap"] | .[]'); do
		config '.mounts[-1].options = [$o]' --arg o "$option"
		run_ct
	done
}

@test "features: every option of the spec's table is listed, but for id mapping" {
	local option listed
	peer_lacks "is older"
	rung features
	listed=" $(feature '.mountOptions | join(" ")') "
	for option in async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev \
		nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid nosymfollow private ratime \
		rbind rdev rdiratime relatime remount rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime \
		rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow \
		runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable; do
		contains "$listed" " $option "
	done
}

@test "features: the capabilities are the kernel's" {
	peer_lacks "lists those of its own build"
	rung features
	equal CAP_CHOWN "$(feature '.linux.capabilities[0]')"
	# The last capability of the kernel is a number; so many there must be.
	equal "$(($(</proc/sys/kernel/cap_last_cap) + 1))" "$(feature '.linux.capabilities | length')"
}
