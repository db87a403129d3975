#!/usr/bin/env bats
# Security modules: AppArmor's profiles, and what is said where there is none.
# Nobody runs these tests under SELinux; what is written for it is in the unit
# tests of process and rootfs.
#
# What is in single quotes is for the shell in the container; each test has an
# out of its own.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers

setup() {
	setup_test
	PROFILES=()
}

teardown() {
	local name
	for name in ${PROFILES[@]+"${PROFILES[@]}"}; do
		printf 'profile %s {}\n' "$name" | apparmor_parser --remove --quiet || echo "left the profile $name behind"
	done
	teardown_test
}

has_apparmor() { grep -qs ^Y /sys/module/apparmor/parameters/enabled; }
has_selinux() { mountpoint -q /sys/fs/selinux; }

needs_apparmor() {
	has_apparmor || skip "AppArmor is not enabled on this host"
	needs_root "profiles are root's to load"
	needs_program apparmor_parser
	[[ -w /sys/kernel/security/apparmor/.replace ]] || skip "profiles cannot be loaded from here"
}

# profile NAME [RULE]: loads a profile that allows everything but what RULE
# denies.
profile() {
	PROFILES+=("$1")
	printf 'profile %s flags=(attach_disconnected) {\n file,\n capability,\n network,\n unix,\n signal,\n ptrace,\n mount,\n umount,\n pivot_root,\n %s\n}\n' \
		"$1" "${2-}" | apparmor_parser --replace --skip-cache --quiet
}

# label_of PID: what a process runs under, as the host sees it.
label_of() { tr -d '\0\n' <"/proc/$1/attr/apparmor/current"; }

# exec_label ARG...: what the program of an exec runs under.
exec_label() {
	rm -f "$WORK/exec.pid"
	rung exec --detach --pid-file "$WORK/exec.pid" "$@" "$CT" sleep 1000
	label=$(label_of "$(cat "$WORK/exec.pid")")
}

exec_fails() {
	try_rung exec "$@"
	((status == 255)) || [[ -n $RUNG_PEER && $status != 0 && $status != 124 ]] || fail "exit status is $status, want 255"
}

# refused FIELD FILTER: neither create nor exec do what the config asks for.
refused() {
	config "$2"
	create_fails
	says "$1" "not enabled on this host"
	run_fails
	says "$1" "not enabled on this host"
}

@test "lsm: an AppArmor profile is refused by name where there is no AppArmor" {
	if has_apparmor; then skip "this host has AppArmor"; fi
	refused process.apparmorProfile '.process.apparmorProfile = "some-profile"'
	config 'del(.process.apparmorProfile)'
	running
	exec_fails --apparmor some-profile "$CT" true
	says process.apparmorProfile "not enabled on this host"
	echo '{"args": ["true"], "cwd": "/", "apparmorProfile": "some-profile"}' >"$WORK/process.json"
	exec_fails --process "$WORK/process.json" "$CT"
	says process.apparmorProfile
	rung exec --apparmor "" "$CT" true
	delete --force
}

@test "lsm: SELinux labels are refused by name where there is no SELinux" {
	if has_selinux; then skip "this host has SELinux"; fi
	refused process.selinuxLabel '.process.selinuxLabel = "system_u:system_r:container_t:s0:c1,c2"'
	if [[ -z $RUNG_PEER ]]; then
		refused linux.mountLabel 'del(.process.selinuxLabel) | .linux.mountLabel = "system_u:object_r:container_file_t:s0:c1,c2"'
	fi
	config 'del(.process.selinuxLabel, .linux.mountLabel)'
	running
	exec_fails --process-label system_u:system_r:container_t:s0 "$CT" true
	says process.selinuxLabel "not enabled on this host"
	rung exec --process-label "" "$CT" true
	delete --force
}

@test "lsm: labels cannot hold a NUL byte" {
	peer_lacks "does not look"
	local field
	for field in process.apparmorProfile process.selinuxLabel linux.mountLabel; do
		config "del(.process.apparmorProfile, .process.selinuxLabel, .linux.mountLabel) | .$field = \"a\\u0000b\""
		create_fails
		says "$field" NUL
	done
}

@test "apparmor: the program and the startContainer hooks run under the profile, and what it denies is denied" {
	needs_apparmor
	profile "$TAG-p" 'deny /denied w,'
	config '.process.apparmorProfile = $p | .hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "cat /proc/self/attr/current >/hooked"]}]' \
		--arg p "$TAG-p"
	shell 'cat /proc/self/attr/current; echo x >/allowed && echo x >/denied'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	equal "$TAG-p (enforce)" "$out"
	contains "$err" /denied
	equal "$TAG-p (enforce)" "$(cat "$ROOTFS/hooked")"
	[[ -e $ROOTFS/allowed && ! -e $ROOTFS/denied ]]
}

@test "apparmor: the profile holds for another user, with and without no_new_privs, behind the gate" {
	needs_apparmor
	profile "$TAG-p"
	local nnp
	for nnp in true false; do
		config '.process.apparmorProfile = $p | .process.user = {uid: 1000, gid: 1000} | .process.noNewPrivileges = $nnp' \
			--arg p "$TAG-p" --argjson nnp "$nnp"
		program sleep 1000
		create
		equal unconfined "$(label_of "$(pid)")"
		start
		equal "$TAG-p (enforce)" "$(label_of "$(pid)")"
		exec_label
		equal "$TAG-p (enforce)" "$label"
		delete --force
	done
}

@test "apparmor: exec has the container's profile, or the one that it asks for" {
	needs_apparmor
	profile "$TAG-p"
	profile "$TAG-q"
	config '.process.apparmorProfile = $p' --arg p "$TAG-p"
	running
	exec_label
	equal "$TAG-p (enforce)" "$label"
	exec_label --apparmor "$TAG-q"
	equal "$TAG-q (enforce)" "$label"
	exec_label --apparmor unconfined
	equal unconfined "$label"
	local file=$WORK/process.json
	echo '{"args": ["cat", "/proc/self/attr/current"], "cwd": "/", "env": ["PATH=/bin"]}' >"$file"
	# runc leaves it unconfined.
	if [[ -z $RUNG_PEER ]]; then
		rung exec --process "$file" "$CT"
		equal "$TAG-p (enforce)" "$out"
	fi
	jq --arg q "$TAG-q" '.apparmorProfile = $q' "$file" >"$file.q"
	rung exec --process "$file.q" "$CT"
	equal "$TAG-q (enforce)" "$out"
	delete --force
}

@test "apparmor: a profile that is not loaded is an error that says so, at create, run and exec" {
	needs_apparmor
	running
	exec_fails --apparmor "$TAG-none" "$CT" true
	says process.apparmorProfile "$TAG-none" "not loaded" apparmor_parser
	delete --force
	config '.process.apparmorProfile = $p' --arg p "$TAG-none"
	create_fails
	says process.apparmorProfile "$TAG-none" "not loaded" apparmor_parser
	run_fails
	says process.apparmorProfile "$TAG-none" "not loaded" apparmor_parser
}

@test "apparmor: a container without /proc, and one with its own idea of it" {
	needs_apparmor
	profile "$TAG-p"
	config '.process.apparmorProfile = $p | .process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])' --arg p "$TAG-p"
	# Whoever writes by path writes to these files, and the program is free.
	make_fifo
	shell 'umount -l /proc; mount -t tmpfs x /proc && for d in self thread-self; do
		mkdir -p /proc/$d/attr/apparmor; touch /proc/$d/attr/exec /proc/$d/attr/apparmor/exec; done
		echo ready >/fifo; sleep 1000'
	run_ct --detach
	equal ready "$(heard)"
	exec_label
	equal "$TAG-p (enforce)" "$label"
	local path
	path=/proc/$(pid)/root/proc
	[[ -e $path/thread-self/attr/exec ]]
	equal "" "$(find "$path" -type f -size +0)"
	delete --force
	# A container that has none.
	config '.mounts |= map(select(.destination != "/proc")) | del(.linux.maskedPaths, .linux.readonlyPaths)'
	running
	equal "$TAG-p (enforce)" "$(label_of "$(pid)")"
	exec_label
	equal "$TAG-p (enforce)" "$label"
	delete --force
}

@test "apparmor: create and exec in a user namespace" {
	needs_apparmor
	profile "$TAG-p"
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]
		| .process.apparmorProfile = $p' --arg p "$TAG-p"
	find "$ROOTFS" -type d -exec chown 100000:200000 {} +
	running
	equal "$TAG-p (enforce)" "$(label_of "$(pid)")"
	exec_label
	equal "$TAG-p (enforce)" "$label"
	exec_fails --apparmor "$TAG-none" "$CT" true
	says process.apparmorProfile "not loaded"
	delete --force
}
