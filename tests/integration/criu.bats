#!/usr/bin/env bats
# What rung does around CRIU, with one that saves and restores nothing
# (testhelper criu) and fails when it is told to. checkpoint.bats has the real
# one.
#
# Each test has an out of its own.
# shellcheck disable=SC2030,SC2031,SC2119,SC2120

load helpers

setup() {
	setup_test
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER has its own way with CRIU"
	needs_root "CRIU wants root's privileges, and so does what rung does for it"
	IMAGES=$WORK/images
	mkdir "$WORK/bin"
	printf '#!/bin/sh\nexec "%s" criu "$@"\n' "$HELPER" >"$WORK/bin/criu"
	chmod +x "$WORK/bin/criu"
	mkdir "$WORK/bare"
	ln -s "$(command -v timeout)" "$(command -v grep)" "$WORK/bare"
	export PATH=$WORK/bin:$PATH FAKE_CRIU_REQUEST=$WORK/request
}

# still_there: the container, which was running, is as it was.
still_there() {
	equal running "$(state status)"
	equal "$INIT" "$(pid)"
	rung exec "$CT" true
}

started() {
	running
	INIT=$(pid)
}

checkpoint_fails() { rung_fails checkpoint --image-path "$IMAGES" "$@" "$CT"; }
restore_fails() {
	rung_fails restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" "$@" "$CT"
	[[ ! -e $ROOT/$CT ]] || fail "the failed restore left $ROOT/$CT"
	no_cgroup
}
saved() {
	started
	rung checkpoint --image-path "$IMAGES" "$@" "$CT"
}
restore() { rung restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" "$@" "$CT"; }

# ends_with STATUS: what was started in the background.
ends_with() {
	local code=0
	finish "$background" || code=$?
	equal "$1" "$code"
}

no_cgroup() { [[ ! -e $(cgroup_dir pids) ]] || fail "the cgroup is left"; }

# asked PART...: the request to CRIU has each PART.
asked() { contains "$(<"$FAKE_CRIU_REQUEST")" "$@"; }

@test "checkpoint: without CRIU, an error, and the container goes on" {
	started
	PATH=$WORK/bare checkpoint_fails
	says "criu is not installed" "checkpoint container $CT"
	still_there
	rung delete --force "$CT"
}

@test "checkpoint: a CRIU that is too old, or cannot tell how old it is" {
	started
	FAKE_CRIU_VERSION=21200 checkpoint_fails
	says "CRIU 2.12 is too old" "CRIU 3.0 or newer"
	still_there
	FAKE_CRIU_VERSION=none checkpoint_fails
	says "too old" "CRIU 3.0 or newer"
	still_there
	rung delete --force "$CT"
}

@test "checkpoint: CRIU fails: its reasons, the path of its log, and the container goes on" {
	started
	FAKE_CRIU=fail checkpoint_fails
	says "path=/the/cause" "Dump files (pid: 4711) failed with -1" "$IMAGES/dump.log"
	lacks "$err" "Dumping FAILED"
	still_there
	FAKE_CRIU=fail checkpoint_fails --work-path "$WORK/work"
	says "path=/the/cause" "$WORK/work/dump.log"
	still_there
	rung delete --force "$CT"
}

@test "checkpoint: CRIU dies, or is killed: an error that says so, and the container goes on" {
	started
	FAKE_CRIU=die checkpoint_fails
	says "CRIU ended with exit status 1" "too much for it"
	lacks "$err" "/the/cause"
	still_there
	rm -f "$FAKE_CRIU_REQUEST" # of the call before
	FAKE_CRIU=hang rung_in_background checkpoint --image-path "$IMAGES" "$CT"
	poll test -s "$FAKE_CRIU_REQUEST"
	pkill -KILL -P "$background"
	ends_with 1
	contains "$(<"$background_out")" "CRIU was killed by signal 9 (SIGKILL)"
	still_there
	rung delete --force "$CT"
}

@test "checkpoint: the container is deleted, and its poststop hooks are run" {
	config '.hooks.poststop = [{path: "/bin/sh", args: ["sh", "-c", "echo over >>\($w)/hooks"]}]' --arg w "$WORK"
	saved
	rung_fails state "$CT"
	no_cgroup
	equal over "$(<"$WORK/hooks")"
	[[ $(stat -c %a "$IMAGES") == 700 ]] || fail "others may read the images"
}

@test "checkpoint --leave-running, --pre-dump: the container goes on" {
	started
	rung checkpoint --image-path "$IMAGES" --leave-running "$CT"
	asked "leave_running: true" 'type: "DUMP"'
	still_there
	rung checkpoint --image-path "$IMAGES" --pre-dump "$CT"
	asked 'type: "PRE_DUMP"'
	still_there
	rung delete --force "$CT"
}

@test "checkpoint --pre-dump: refused where memory cannot be tracked" {
	started
	FAKE_CRIU_LACKS=mem_track checkpoint_fails --pre-dump
	says "cannot track changes of memory"
	FAKE_CRIU_LACKS=lazy_pages checkpoint_fails --lazy-pages
	says "lazily"
	still_there
	rung delete --force "$CT"
}

@test "checkpoint --parent-path: relative, and there" {
	started
	checkpoint_fails --parent-path "$WORK"
	says "--parent-path" "must be relative"
	checkpoint_fails --parent-path ../none
	says "--parent-path" "no such file or directory"
	mkdir "$WORK/before"
	rung checkpoint --image-path "$IMAGES" --parent-path ../before --leave-running "$CT"
	asked 'parent_img: "../before"' "track_mem: true"
	still_there
	rung delete --force "$CT"
}

@test "checkpoint: what the flags say is what CRIU is asked for" {
	started
	rung checkpoint --image-path "$IMAGES" --leave-running --tcp-established --tcp-skip-in-flight --ext-unix-sk --shell-job \
		--file-locks --auto-dedup --link-remap --manage-cgroups-mode ignore --page-server '[::1]:4711' --empty-ns network --network-lock nftables "$CT"
	asked "tcp_established: true" "tcp_skip_in_flight: true" "ext_unix_sk: true" "shell_job: true" "file_locks: true" \
		"auto_dedup: true" "link_remap: true" 'manage_cgroups_mode: "IGNORE"' 'address: "::1"' "port: 4711" \
		"empty_ns: $((0x40000000))" "pid: $INIT" 'config_file: "/etc/criu/runc.conf"' 'network_lock: "NFTABLES"'
	checkpoint_fails --manage-cgroups-mode nonsense
	says "--manage-cgroups-mode" nonsense
	checkpoint_fails --page-server nowhere
	says "--page-server" "ADDRESS:PORT"
	checkpoint_fails --empty-ns mount
	says "--empty-ns"
	checkpoint_fails --network-lock nonsense
	says "--network-lock" nonsense
	still_there
	rung delete --force "$CT"
}

@test "checkpoint: mounts from outside, and no others, are left to the bundle" {
	mkdir -p "$WORK/volume/sub"
	touch "$WORK/file"
	ln -s /mnt "$ROOTFS/link"
	config '.mounts += [{destination: "/link/volume", type: "bind", source: ($w + "/volume"), options: ["rbind"]},
		{destination: "/etc/file", type: "bind", source: ($w + "/file"), options: ["bind", "ro"]},
		{destination: "/mnt/volume/sub", type: "tmpfs", source: "tmpfs"}]' --arg w "$WORK"
	started
	rung checkpoint --image-path "$IMAGES" --leave-running "$CT"
	asked 'key: "/mnt/volume" val: "/mnt/volume"' 'key: "/etc/file" val: "/etc/file"'
	lacks "$(<"$FAKE_CRIU_REQUEST")" '"/mnt/volume/sub"' '"/dev/shm"' '"/proc/keys"' '"/proc/asound"'
	rung checkpoint --image-path "$IMAGES" "$CT"
	rm -r "$ROOTFS/mnt/volume"
	restore
	asked "key: \"/mnt/volume\" val: \"$WORK/volume\"" "key: \"/etc/file\" val: \"$WORK/file\"" 'key: "/dev/null" val: "/dev/null"'
	[[ -d $ROOTFS/mnt/volume ]] || fail "restore has not made the mount point again"
	equal "" "$(awk -v w="$WORK" 'index($5, w) == 1' /proc/self/mountinfo)"
	rung delete --force "$CT"
}

@test "checkpoint: only a container that runs or is paused" {
	program sleep 1000
	create
	checkpoint_fails
	says "it is created"
	rung start "$CT"
	rung kill "$CT" KILL
	wait_for_status stopped
	checkpoint_fails
	says "it is stopped"
	rung_fails checkpoint --image-path "$IMAGES" nobody
	says "does not exist"
	rung delete "$CT"
}

@test "checkpoint: an id-mapped mount, which CRIU would restore without its mapping" {
	mkdir "$WORK/volume"
	started
	config '.mounts += [{destination: "/mnt", type: "bind", source: $w, options: ["bind", "idmap"],
		uidMappings: [{containerID: 0, hostID: 1000, size: 1}], gidMappings: [{containerID: 0, hostID: 1000, size: 1}]}]' --arg w "$WORK/volume"
	checkpoint_fails
	says "id-mapped" "mounts["
	still_there
	rung delete --force "$CT"
}

@test "restore: without images, without CRIU, with one that is too old or fails: nothing is left" {
	restore_fails
	says "--image-path" "no such file or directory"
	saved
	PATH=$WORK/bare restore_fails
	says "criu is not installed" "restore container $CT"
	FAKE_CRIU_VERSION=21200 restore_fails
	says "CRIU 2.12 is too old"
	FAKE_CRIU=fail restore_fails
	says "path=/the/cause" "$IMAGES/restore.log"
	FAKE_CRIU=die restore_fails
	says "CRIU ended with exit status 1" "too much for it"
	FAKE_CRIU=lock restore_fails
	says "CRIU failed, and had to be killed"
	FAKE_CRIU_VERSION=31500 restore_fails --lsm-profile apparmor:x
	says "--lsm-profile" "CRIU 3.16"
}

@test "checkpoint, restore: of processes without new privileges, by a CRIU that gives them back: a warning" {
	config '.process.noNewPrivileges = true'
	FAKE_CRIU_VERSION=31800 saved
	says process.noNewPrivileges "CRIU 3.18" "CRIU 3.19"
	# Standard error is the program's.
	FAKE_CRIU_VERSION=31800 restore
	equal "" "$err"
	rung delete --force "$CT"
	DRIVER+=(--log "$WORK/log")
	FAKE_CRIU_VERSION=31800 restore
	equal "" "$err"
	contains "$(<"$WORK/log")" process.noNewPrivileges "CRIU 3.18" "CRIU 3.19"
	rung delete --force "$CT"
	: >"$WORK/log"
	FAKE_CRIU_VERSION=31900 saved
	FAKE_CRIU_VERSION=31900 restore
	equal "" "$(<"$WORK/log")"
	rung delete --force "$CT"
}

@test "restore: the container is there, is known, and can be deleted" {
	saved
	restore --pid-file "$WORK/pid"
	equal running "$(state status)"
	equal "$(<"$WORK/pid")" "$(pid)"
	contains "$(<"/proc/$(pid)/cgroup")" "$(cgroup_path)"
	# The caller's files, by mount and inode; /dev/null is the container's own.
	matches "$(<"$IMAGES/descriptors.json")" '^\["","file\[[0-9a-f]+:[0-9a-f]+\]","file\[[0-9a-f]+:[0-9a-f]+\]"\]$'
	asked 'key: "file['
	rung_fails start "$CT"
	says "already running"
	rung pause "$CT"
	equal paused "$(state status)"
	rung resume "$CT"
	rung delete --force "$CT"
	no_cgroup
}

@test "restore: what the flags say is what CRIU is asked for" {
	local flags=("tcp_established: true" "tcp_close: true" "ext_unix_sk: true" "shell_job: true" "file_locks: true" "auto_dedup: true"
		"lazy_pages: true" "lsm_profile" "lsm_mount_context" 'network_lock: "SKIP"')
	saved
	restore
	asked 'type: "RESTORE"' 'config_file: "/etc/criu/runc.conf"' "empty_ns: $((0x40000000))"
	lacks "$(<"$FAKE_CRIU_REQUEST")" "${flags[@]}"
	rung delete --force "$CT"
	restore --tcp-established --tcp-close --ext-unix-sk --shell-job --file-locks --auto-dedup --lazy-pages --empty-ns network \
		--network-lock skip --lsm-profile apparmor:other --lsm-mount-context system_u:object_r:other_t:s0
	asked 'type: "RESTORE"' "${flags[@]}" 'lsm_profile: "apparmor:other"' 'lsm_mount_context: "system_u:object_r:other_t:s0"' \
		"empty_ns: $((0x40000000))"
	rung delete --force "$CT"
	restore_fails --network-lock nonsense
	says "--network-lock" nonsense
	restore_fails --manage-cgroups-mode nonsense
	says "--manage-cgroups-mode" nonsense
	restore_fails --empty-ns mount
	says "--empty-ns"
}

# criu_config TEXT: the annotation org.criu.config names a file with these options.
criu_config() {
	echo "$1" >"$WORK/criu.conf"
	config '.annotations["org.criu.config"] = $f' --arg f "$WORK/criu.conf"
}

@test "checkpoint, restore: the annotation org.criu.config names the file with CRIU's options, or none" {
	criu_config one-option
	saved
	asked 'type: "DUMP"' "the config file has: one-option"
	criu_config another
	restore
	asked 'type: "RESTORE"' "the config file has: another"
	rung delete --force "$CT"
	rm "$WORK/criu.conf"
	restore
	lacks "$(<"$FAKE_CRIU_REQUEST")" config_file
	rung delete --force "$CT"
	config '.annotations["org.criu.config"] = ""'
	restore
	lacks "$(<"$FAKE_CRIU_REQUEST")" config_file
	rung delete --force "$CT"
}

@test "checkpoint, restore: a file with CRIU's options that others may write is refused" {
	criu_config "action-script /bin/true"
	chmod 666 "$WORK/criu.conf"
	started
	checkpoint_fails
	says annotations.org.criu.config "others may write to it" "$WORK/criu.conf"
	still_there
	chmod 644 "$WORK/criu.conf"
	rung checkpoint --image-path "$IMAGES" "$CT"
	chown 1000 "$WORK/criu.conf"
	restore_fails
	says annotations.org.criu.config "belongs to user 1000"
}

@test "restore: in the foreground, it has the exit status of the program" {
	saved
	rung_in_background restore --bundle "$BUNDLE" --image-path "$IMAGES" "$CT"
	wait_for_status running
	kill -TERM "$background"
	ends_with 143
	rung_fails state "$CT"
}

@test "restore: prestart and createRuntime hooks are run, those of a start are not, and one that fails undoes it" {
	local hook
	saved
	for hook in prestart createRuntime createContainer startContainer poststart poststop; do
		config '.hooks[$h] = [{path: "/bin/sh", args: ["sh", "-c", "cat >/dev/null; echo \($h) >>\($w)/hooks"]}]' --arg h "$hook" --arg w "$WORK"
	done
	restore
	equal "prestart createRuntime" "$(paste -sd' ' "$WORK/hooks")"
	rung delete --force "$CT"
	equal "prestart createRuntime poststop" "$(paste -sd' ' "$WORK/hooks")"
	config '.hooks.createRuntime[0].args[2] = "exit 7"'
	restore_fails
	says "hooks.createRuntime" "exit status 7"
}

@test "restore: limits and the cgroup are those of the bundle" {
	saved
	config '.linux.cgroupsPath += "-other" | .linux.resources.pids.limit = 77'
	restore --manage-cgroups-mode ignore
	contains "$(<"/proc/$(pid)/cgroup")" "$(cgroup_path "$CT-other")"
	asked "cg_root" "$(cgroup_path "$CT-other")"
	equal 77 "$(<"$(cgroup_dir pids "$CT-other")/pids.max")"
	rung delete --force "$CT"
}

@test "restore: pipes of the standard streams are the caller's" {
	local first
	program sleep 1000
	"$RUNG" --root "$ROOT" run --detach --bundle "$BUNDLE" "$CT" </dev/null 2>&1 3>&- | cat >"$WORK/piped" &
	HELPER_PIDS+=($!)
	wait_for_status running
	first=$(readlink "/proc/$(pid)/fd/1")
	rung checkpoint --image-path "$IMAGES" "$CT"
	equal "[\"\",\"$first\",\"$first\"]" "$(<"$IMAGES/descriptors.json")"
	restore
	asked "key: \"$first\" fd: 4" "key: \"$first\" fd: 5"
	rung delete --force "$CT"
}

@test "restore: killed at any moment, delete --force clears up after it" {
	local after
	saved
	for after in 0.005 0.01 0.015 0.02 0.03 0.04 0.06; do
		timeout --foreground -s KILL "$after" "$RUNG" --root "$ROOT" restore --detach --bundle "$BUNDLE" --image-path "$IMAGES" "$CT" \
			</dev/null >"$WORK/out" 2>&1 3>&- || true
		rung delete --force "$CT"
		[[ ! -e $ROOT/$CT ]] || fail "$ROOT/$CT is left"
		poll no_cgroup
	done
	FAKE_CRIU=hang rung_in_background restore --bundle "$BUNDLE" --image-path "$IMAGES" "$CT"
	poll test -d "$ROOT/$CT/criu-root"
	poll pgrep -P "$background" >/dev/null
	kill -KILL "$background"
	finish "$background" || true
	rung delete "$CT"
	no_cgroup
}

@test "restore: interrupted, it is undone" {
	saved
	rm "$FAKE_CRIU_REQUEST"
	FAKE_CRIU=hang rung_in_background restore --bundle "$BUNDLE" --image-path "$IMAGES" "$CT"
	poll test -s "$FAKE_CRIU_REQUEST"
	kill -INT "$background"
	ends_with 1
	[[ ! -e $ROOT/$CT ]] || fail "$ROOT/$CT is left"
	no_cgroup
}
