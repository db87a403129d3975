#!/usr/bin/env bats
# Annotations that change how a container is made: those of crun (run.oci.*).

load helpers

setup() {
	setup_test
	peer_lacks "these are crun's, and what is refused is not"
}

# annotate NAME VALUE: sets the annotation run.oci.NAME.
annotate() { config '.annotations["run.oci." + $n] = $v' --arg n "$1" --arg v "$2"; }

# with_groups LIST COMMAND...: runs COMMAND with these supplementary groups.
with_groups() {
	local groups=$1
	shift
	printf '#!/bin/sh\nexec setpriv --groups %s %q "$@"\n' "$groups" "$RUNG" >"$WORK/grouped"
	chmod +x "$WORK/grouped"
	RUNG=$WORK/grouped "$@"
}

@test "keep_original_groups: the program has the groups of the caller, with run and exec" {
	needs_root "it changes its own groups"
	needs_program setpriv
	program id -G
	config '.process.user.additionalGids = [77]'
	with_groups 5,6 run_ct
	equal "0 77" "$out"
	annotate keep_original_groups 0
	with_groups 5,6 run_ct
	equal "0 77" "$out"
	annotate keep_original_groups 1
	with_groups 5,6 run_ct
	equal "0 5 6" "$out"
	running
	with_groups 7,8 rung exec "$CT" id -G
	equal "0 7 8" "$out"
	delete --force
}

# hook KIND: a hook that writes to both streams.
hook() {
	local dir=$WORK
	[[ $1 != startContainer ]] || dir=/hook
	printf '#!/bin/sh\necho %s out\necho %s err >&2\n' "$1" "$1" >"$WORK/hook-$1"
	chmod +x "$WORK/hook-$1"
	if [[ $1 == startContainer ]]; then
		mkdir "$ROOTFS/hook"
		mv "$WORK/hook-$1" "$ROOTFS/hook/"
	fi
	config '.hooks[$kind] = [{path: $path}]' --arg kind "$1" --arg path "$dir/hook-$1"
}

@test "hooks.stdout, hooks.stderr: what hooks of each kind write is appended to the files" {
	local kind kinds=(prestart createRuntime createContainer startContainer poststart poststop)
	for kind in "${kinds[@]}"; do hook "$kind"; done
	annotate hooks.stdout "$WORK/hooks.out"
	annotate hooks.stderr "$WORK/hooks.err"
	echo before >"$WORK/hooks.out"
	program sleep 1000
	create
	start
	delete --force
	equal "before $(printf '%s out ' "${kinds[@]}")" "$(tr '\n' ' ' <"$WORK/hooks.out")"
	equal "$(printf '%s err ' "${kinds[@]}")" "$(tr '\n' ' ' <"$WORK/hooks.err")"
	equal 600 "$(stat -c %a "$WORK/hooks.err")"
}

@test "hooks.stdout: the program does not get the file" {
	hook startContainer
	annotate hooks.stdout "$WORK/hooks.out"
	shell 'ls -l /proc/self/fd'
	run_ct
	lacks "$out" hooks.out
}

@test "hooks.stdout: one that cannot be opened is an error of create" {
	hook poststop
	annotate hooks.stdout "$WORK/no/such/folder"
	create_fails
	says "$WORK/no/such/folder"
}

@test "hooks.stderr: the error of a failing hook still has what it wrote to standard output" {
	hook createRuntime
	printf '#!/bin/sh\necho said\necho elsewhere >&2\nexit 3\n' >"$WORK/hook-createRuntime"
	annotate hooks.stderr "$WORK/hooks.err"
	create_fails
	says said
	lacks "$err" elsewhere
	equal elsewhere "$(<"$WORK/hooks.err")"
}

@test "pidfd_receiver: gets a pidfd of the init, beside the socket of --pidfd-socket" {
	local first second out_1 out_2
	in_background "$HELPER" recvpidfd "$WORK/1.sock"
	first=$background out_1=$background_out
	in_background "$HELPER" recvpidfd "$WORK/2.sock"
	second=$background out_2=$background_out
	poll test -S "$WORK/1.sock"
	poll test -S "$WORK/2.sock"
	annotate pidfd_receiver "$WORK/1.sock"
	create --pidfd-socket "$WORK/2.sock"
	finish "$first"
	finish "$second"
	equal "$(pid)" "$(<"$out_1")"
	equal "$(pid)" "$(<"$out_2")"
	delete
	create_fails
	says run.oci.pidfd_receiver
}

# bpf: a filter, in base64, under which mkdir(2) of amd64 fails with EACCES.
bpf() {
	# ld nr; jeq 83 else 1; ret ERRNO|13; ret ALLOW
	printf '\x20\0\0\0\0\0\0\0\x15\0\0\1\x53\0\0\0\6\0\0\0\x0d\0\5\0\6\0\0\0\0\0\xff\x7f' | base64 -w 0
}

@test "seccomp_bpf_data: the program is loaded in place of linux.seccomp, for run and exec" {
	[[ $(uname -m) == x86_64 ]] || skip "the program is for x86_64"
	annotate seccomp_bpf_data "$(bpf)"
	# A profile that nothing could run under, and one that no runtime takes.
	local profile nnp
	for profile in 'null' '{defaultAction: "SCMP_ACT_KILL"}' '{defaultAction: "NONSENSE"}'; do
		for nnp in true false; do
			config ".linux.seccomp = $profile | .process.noNewPrivileges = $nnp"
			shell 'mkdir /made; grep Seccomp: /proc/self/status'
			run_ct
			contains "$err" "Permission denied"
			matches "$out" "Seccomp:	2"
		done
	done
	running
	try_rung exec "$CT" mkdir /made
	equal 1 "$status"
	contains "$err" "Permission denied"
	delete --force
}

@test "seccomp_bpf_data: what is no program is an error" {
	annotate seccomp_bpf_data 'not base64!'
	create_fails
	says run.oci.seccomp_bpf_data
	annotate seccomp_bpf_data "$(printf 'seven..' | base64)"
	create_fails
	says run.oci.seccomp_bpf_data "array of instructions"
	# One that jumps out of itself, which the kernel refuses when it is loaded.
	annotate seccomp_bpf_data "$(printf '\x05\0\0\0\x09\0\0\0' | base64)"
	run_fails
	says seccomp "invalid argument"
}

@test "seccomp.receiver: stands for listenerPath where there is none; so does the environment" {
	AGENT=$WORK/agent.sock
	in_background "$HELPER" agent "$AGENT"
	local log=$background_out
	poll grep -q ready "$log"
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY"}]}'
	shell 'mkdir /made && ls -d /made-*'
	create_fails
	says listenerPath
	RUN_OCI_SECCOMP_RECEIVER=$AGENT run_ct
	equal "/made-" "${out%%[a-z]}"
	rmdir "$ROOTFS"/made-*
	annotate seccomp.receiver "$AGENT"
	run_ct
	matches "$out" "^/made-"
	rmdir "$ROOTFS"/made-*
	annotate seccomp.receiver relative.sock
	create_fails
	says run.oci.seccomp.receiver "absolute path"
}

@test "seccomp_fail_unknown_syscall: a name that nobody knows is an error" {
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "frobnicate"], action: "SCMP_ACT_ERRNO"}]}'
	run_ct
	annotate seccomp_fail_unknown_syscall 0
	run_ct
	annotate seccomp_fail_unknown_syscall 1
	create_fails
	says 'linux.seccomp.syscalls[0].names[1]' frobnicate
}

@test "mount_context_type: one that mount(8) does not know is an error" {
	annotate mount_context_type rootcontext
	run_ct
	annotate mount_context_type othercontext
	create_fails
	says run.oci.mount_context_type othercontext rootcontext
}

@test "delegate-cgroup: the program is in a cgroup of its own below the container's, whose root it sees" {
	needs_v2
	annotate delegate-cgroup payload/inner
	new_namespace cgroup
	config '.linux.resources.pids.limit = 100 | (.mounts[] | select(.destination == "/sys/fs/cgroup")).options |= map(select(. != "ro"))'
	shell 'grep ^0: /proc/self/cgroup; mkdir /sys/fs/cgroup/payload/inner/mine && echo made; exec sleep 1000'
	run_ct --detach
	poll grep -q made "$out_file"
	equal "0::/payload/inner" "$(head -n 1 "$out_file")"
	local dir
	dir=$(cgroup_dir "")
	equal "" "$(<"$dir/cgroup.procs")"
	equal 100 "$(<"$dir/pids.max")"
	equal max "$(<"$dir/payload/inner/pids.max")"
	# A further process goes to the init's, as no other can be in the container's.
	rung exec "$CT" grep ^0: /proc/self/cgroup
	equal "0::/payload/inner" "$out"
	rung pause "$CT"
	equal paused "$(state status)"
	rung resume "$CT"
	delete --force
	[[ ! -e $dir ]] || fail "$dir is left"
}

@test "delegate-cgroup: with a user namespace the cgroup is its root's" {
	needs_v2
	annotate delegate-cgroup payload
	new_namespace cgroup
	new_namespace user
	config '.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$ROOTFS"
	running
	local dir
	dir=$(cgroup_dir "")
	equal 100000 "$(stat -c %u "$dir/payload/cgroup.procs")"
	delete --force
}

@test "delegate-cgroup: without cgroup v2, or out of the container's cgroup, it is an error" {
	annotate delegate-cgroup ../other
	create_fails
	says run.oci.delegate-cgroup
	[[ $CGROUP_MODE != v2 ]] || return 0
	annotate delegate-cgroup payload
	create_fails
	says run.oci.delegate-cgroup "no cgroup v2"
}

@test "systemd.force_cgroup_v1: shows the hierarchy name=systemd in place of another mount" {
	needs_v2
	needs_own_machine
	needs_root "it mounts a hierarchy of the host"
	local dir=/sys/fs/cgroup/systemd
	mkdir "$dir"
	mount -t cgroup -o none,name=systemd,xattr cgroup "$dir" || { rmdir "$dir" && skip "this kernel has no cgroup v1"; }
	annotate systemd.force_cgroup_v1 /sys/fs/cgroup
	shell 'grep " /sys/fs/cgroup " /proc/self/mountinfo'
	try_rung run --bundle "$BUNDLE" "$CT"
	umount "$dir"
	rmdir "$dir"
	equal 0 "$status"
	contains "$out" "- cgroup cgroup" name=systemd
}

@test "seccomp.plugins and handler: are refused, as nothing would be done about them" {
	annotate seccomp.plugins plugin.so
	create_fails
	says run.oci.seccomp.plugins "not supported"
	config 'del(.annotations)'
	annotate handler wasm
	create_fails
	says run.oci.handler wasm
	# The sandbox of a pod runs as it is, as with crun.
	config '.annotations["io.kubernetes.cri.container-type"] = "sandbox"'
	run_ct
}

@test "called as runc: crun's annotations mean nothing" {
	ln -s "$RUNG" "$WORK/runc"
	annotate handler wasm
	annotate seccomp_bpf_data nonsense
	annotate hooks.stdout /no/such/folder
	hook createRuntime
	RUNG=$WORK/runc run_ct
}

@test "features: says which annotations may be unsafe" {
	rung features
	equal run.oci. "$(jq -r '.potentiallyUnsafeConfigAnnotations[] | select(startswith("run."))' <<<"$out")"
	ln -s "$RUNG" "$WORK/runc"
	RUNG=$WORK/runc rung features
	lacks "$out" run.oci.
}
