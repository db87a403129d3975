#!/usr/bin/env bats
# The root filesystem: devices, links, masked and read-only paths, the root's
# own mount, pivot_root and the way without it.

load helpers
load mounts

@test "rootfs: read-only with root.readonly, writable without" {
	config '.root.readonly = true'
	shell 'touch /new'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	contains "$err" "Read-only file system"
	config '.root.readonly = false'
	run_ct
	[ -e "$ROOTFS/new" ]
}

@test "rootfs: read-only, and what is mounted in it is not" {
	mkdir "$WORK/host"
	config '.root.readonly = true'
	add_mount /mnt bind "$WORK/host" bind
	add_mount /var tmpfs tmpfs
	shell 'touch /mnt/x /var/x /dev/shm/x && echo written'
	run_ct
	equal written "$out"
}

@test "rootfs: a read-only root may lack the mount points of its mounts" {
	rmdir "$ROOTFS/proc" "$ROOTFS/sys" "$ROOTFS/dev"
	config '.root.readonly = true'
	program ls /proc/self/status
	run_ct
	equal /proc/self/status "$out"
}

@test "rootfs: root.path may be absolute, and may be elsewhere" {
	mv "$ROOTFS" "$WORK/elsewhere"
	config '.root.path = $p' --arg p "$WORK/elsewhere"
	program sleep 1000
	run_ct --detach
	equal "$WORK/elsewhere" "$(state rootfs)"
	delete --force
}

@test "rootfs: the default bundle leaves no trace in the root filesystem" {
	(cd "$ROOTFS" && find . -print | sort) >"$WORK/before"
	run_ct
	(cd "$ROOTFS" && find . -print | sort) >"$WORK/after"
	diff "$WORK/before" "$WORK/after"
}

@test "rootfs: a root filesystem that is a mount point of its own" {
	rm -rf "$ROOTFS"
	mkdir "$ROOTFS"
	mount -t tmpfs tmpfs "$ROOTFS"
	cp -a "$RUNG_TEST_DATA/rootfs/." "$ROOTFS/"
	program stat -f -c %T /
	run_ct
	umount "$ROOTFS"
	equal tmpfs "$out"
}

@test "rootfs: an overlay as root filesystem" {
	mkdir "$WORK/upper" "$WORK/work" "$WORK/merged"
	mount -t overlay -o "lowerdir=$ROOTFS,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$WORK/merged"
	config '.root.path = $p' --arg p "$WORK/merged"
	program touch /new
	run_ct
	umount "$WORK/merged"
	[ -e "$WORK/upper/new" ]
	[ ! -e "$ROOTFS/new" ]
}

# --- devices ---

@test "devices: the default ones, for everybody, and they work" {
	shell 'for d in null zero full random urandom tty; do stat -c "%n %a %u:%g %t,%T" /dev/$d; done
		echo x >/dev/null && head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; echo x >/dev/full'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	local owner=0:0
	# Bound from the host, whose root an ordinary user's container does not know.
	[[ $EUID == 0 ]] || owner=65534:65534
	equal "/dev/null 666 $owner 1,3
/dev/zero 666 $owner 1,5
/dev/full 666 $owner 1,7
/dev/random 666 $owner 1,8
/dev/urandom 666 $owner 1,9
/dev/tty 666 $owner 5,0
3
5" "$out"
	contains "$err" "No space left on device"
}

@test "devices: the umask of the caller does not change their modes" {
	umask 077
	shell 'stat -c %a /dev/null /dev/shm /dev/pts'
	run_ct
	umask 022
	equal "666
1777
755" "$out"
}

@test "devices: the links fd, stdin, stdout, stderr and ptmx" {
	shell 'for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; ls /dev'
	run_ct
	prints "/proc/self/fd
/proc/self/fd/0
/proc/self/fd/1
/proc/self/fd/2
pts/ptmx"
	# The link to the kernel's core is there where the kernel has one.
	[[ ! -e /proc/kcore ]] || has_line "$out" core
}

@test "devices: nothing else is in /dev" {
	program ls /dev
	run_ct
	equal "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero" \
		"$({ echo "$out"; echo core; } | sort -u | xargs)"
}

@test "devices: without a terminal there is no /dev/console" {
	program test -e /dev/console
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
}

@test "devices: listed ones with type, number, mode and owner" {
	needs_root "without privileges device nodes are bound from the host, with its owners, modes and paths"
	config '.linux.devices = [
		{path: "/dev/my-char", type: "c", major: 1, minor: 3, fileMode: 416, uid: 12, gid: 34},
		{path: "/dev/my-block", type: "b", major: 7, minor: 200, fileMode: 384},
		{path: "/dev/sub/my-fifo", type: "p", fileMode: 438},
		{path: "/dev/my-unbuffered", type: "u", major: 1, minor: 5, fileMode: 438}]'
	shell 'stat -c "%n %a %u:%g %F %t,%T" /dev/my-char /dev/my-block /dev/sub/my-fifo /dev/my-unbuffered'
	run_ct
	equal "/dev/my-char 640 12:34 character special file 1,3
/dev/my-block 600 0:0 block special file 7,c8
/dev/sub/my-fifo 666 0:0 fifo 0,0
/dev/my-unbuffered 666 0:0 character special file 1,5" "$out"
}

@test "devices: one outside of /dev" {
	needs_root "without privileges device nodes are bound from the host, with its owners, modes and paths"
	config '.linux.devices = [{path: "/var/null", type: "c", major: 1, minor: 3, fileMode: 438}]'
	shell 'test -c /var/null && echo there'
	run_ct
	equal there "$out"
	rm -f "$ROOTFS/var/null"
}

@test "devices: a listed default device has the listed owner and mode" {
	needs_root "without privileges device nodes are bound from the host, with its owners, modes and paths"
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 takes the list for the cgroup rules, too"
	config '.linux.devices = [{path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 432, uid: 7, gid: 8}]'
	program stat -c '%a %u:%g' /dev/null
	run_ct
	equal "660 7:8" "$out"
}

@test "devices: the same file that is there already is no error" {
	mknod "$ROOTFS/var/null" c 1 3
	config '.linux.devices = [{path: "/var/null", type: "c", major: 1, minor: 3, fileMode: 438}]'
	run_ct
}

@test "devices: another file that is there already is an error that names it" {
	needs_root "without privileges device nodes are bound from the host, with its owners, modes and paths"
	peer_lacks "takes it"
	touch "$ROOTFS/var/null"
	config '.linux.devices = [{path: "/var/zero", type: "c", major: 1, minor: 5}, {path: "/var/null", type: "c", major: 1, minor: 3}]'
	create_fails
	says "linux.devices[1]" /var/null
}

@test "devices: an unknown type is an error that names the field" {
	config '.linux.devices = [{path: "/dev/x", type: "x", major: 1, minor: 3}]'
	create_fails
	says "linux.devices[0].type" '"x"'
}

@test "devices: a path that is not absolute, and numbers that are none, are errors" {
	peer_lacks "takes them"
	config '.linux.devices = [{path: "dev/x", type: "c", major: 1, minor: 3}]'
	create_fails
	says "linux.devices[0].path"
	config '.linux.devices = [{path: "/dev/x", type: "c", major: -5, minor: 3}]'
	create_fails
	says "linux.devices[0]"
}

@test "devices: a /dev that is bound from the host stays as it is" {
	needs_root "without privileges device nodes are bound from the host, with its owners, modes and paths"
	mkdir "$WORK/dev"
	touch "$WORK/dev/mine"
	config '.mounts |= map(select(.destination | startswith("/dev") | not))'
	add_mount /dev bind "$WORK/dev" rbind
	# As engines do it, the devices are those of the bound folder.
	cp -a /dev/null /dev/zero "$WORK/dev/"
	program ls /dev
	run_ct
	has_line "$out" mine
	has_line "$(ls "$WORK/dev")" mine
}

@test "devices: a default device that is a link out of the root filesystem is not followed" {
	config '.mounts |= map(select(.destination | startswith("/dev") | not))'
	echo content >"$WORK/outside"
	ln -s "$WORK/outside" "$ROOTFS/dev/null"
	try_rung run --bundle "$BUNDLE" "$CT"
	equal content "$(<"$WORK/outside")"
	[ ! -c "$WORK/outside" ]
}

# --- masked and read-only paths ---

@test "masked: a file reads as empty, a folder lists as empty" {
	mkdir "$ROOTFS/secret"
	echo secret >"$ROOTFS/secret/file"
	echo secret >"$ROOTFS/etc/secret"
	config '.linux.maskedPaths = ["/secret", "/etc/secret"]'
	shell 'ls -A /secret; cat /etc/secret; echo end'
	run_ct
	equal end "$out"
}

@test "masked: neither can be written" {
	mkdir "$ROOTFS/secret"
	config '.linux.maskedPaths = ["/secret"]'
	program touch /secret/new
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	contains "$err" "Read-only file system"
}

@test "masked: a path that does not exist is passed over" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 fails below a file"
	config '.linux.maskedPaths = ["/no/such/path", "/etc/passwd/below"]'
	run_ct
}

@test "masked: many folders" {
	local i
	for i in {1..40}; do
		mkdir -p "$ROOTFS/secret/$i"
		touch "$ROOTFS/secret/$i/file"
	done
	config '.linux.maskedPaths = [range(1; 41) | "/secret/\(.)"]'
	shell 'ls /secret/*/ | grep -c file'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	equal 0 "$out"
}

@test "masked: those of the default bundle" {
	shell 'cat /proc/keys /proc/timer_list 2>/dev/null; ls -A /sys/firmware 2>/dev/null; echo end'
	run_ct
	equal end "$out"
}

@test "masked: a path that leads through a symlink stays in the root filesystem" {
	mkdir -p "$WORK/outside"
	echo mine >"$WORK/outside/file"
	ln -s "$WORK/outside" "$ROOTFS/evil"
	config '.linux.maskedPaths = ["/evil/file"]'
	try_rung run --bundle "$BUNDLE" "$CT"
	equal mine "$(<"$WORK/outside/file")"
}

@test "readonly: a file and a folder cannot be written, though the root can" {
	mkdir "$ROOTFS/fixed"
	config '.linux.readonlyPaths = ["/fixed", "/etc/passwd"]'
	shell 'touch /fixed/new; echo x >>/etc/passwd; touch /etc/new && echo end'
	run_ct
	equal end "$out"
	equal 2 "$(grep -c "Read-only file system" "$err_file")"
}

@test "readonly: flags that the path's mount has are kept" {
	add_mount /mnt tmpfs tmpfs nosuid nodev noexec
	config '.linux.readonlyPaths = ["/mnt"]'
	show_mounts
	has_flag /mnt ro nosuid nodev noexec
}

@test "readonly: a path that does not exist is passed over" {
	config '.linux.readonlyPaths = ["/no/such/path"]'
	run_ct
}

@test "readonly: /proc/sys of the default bundle" {
	shell 'echo x >/proc/sys/kernel/domainname'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	contains "$err" "Read-only file system"
}

@test "masked and readonly: a relative path is an error that names the field" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 takes it"
	config '.linux.maskedPaths = ["/proc/kcore", "proc/keys"]'
	create_fails
	says "linux.maskedPaths[1]" proc/keys
	config '.linux.maskedPaths = [] | .linux.readonlyPaths = ["proc/sys"]'
	create_fails
	says "linux.readonlyPaths[0]" proc/sys
}

# --- propagation of the root ---

@test "propagation: of the root, each value" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 makes a shared root private"
	local value
	config 'del(.linux.rootfsPropagation)'
	show_mounts
	lacks "$(propagation /)" shared unbindable
	for value in private rprivate; do
		config '.linux.rootfsPropagation = $v' --arg v $value
		show_mounts
		equal "" "$(propagation /)"
	done
	for value in slave rslave; do
		config '.linux.rootfsPropagation = $v' --arg v $value
		show_mounts
		lacks "$(propagation /)" shared unbindable
	done
	for value in shared rshared; do
		config '.linux.rootfsPropagation = $v' --arg v $value
		show_mounts
		contains "$(propagation /)" shared:
	done
	for value in unbindable runbindable; do
		[[ -z $RUNG_PEER ]] || continue
		config '.linux.rootfsPropagation = $v' --arg v $value
		show_mounts
		contains "$(propagation /)" unbindable
	done
}

@test "propagation: slave receives the host's mounts below the root filesystem" {
	local value
	mount --bind "$ROOTFS" "$ROOTFS"
	mount --make-shared "$ROOTFS"
	for value in rslave slave; do
		# For runc, slave is about the host's root alone.
		[[ $RUNG_PEER != runc || $value == rslave ]] || continue
		config '.linux.rootfsPropagation = $v' --arg v $value
		running
		mount -t tmpfs tmpfs "$ROOTFS/mnt"
		contains "$(<"/proc/$(pid)/mountinfo")" " /mnt "
		delete --force
		umount "$ROOTFS/mnt"
	done
	umount "$ROOTFS"
}

@test "propagation: private does not" {
	mount --bind "$ROOTFS" "$ROOTFS"
	mount --make-shared "$ROOTFS"
	config '.linux.rootfsPropagation = "private"'
	running
	mount -t tmpfs tmpfs "$ROOTFS/mnt"
	lacks "$(<"/proc/$(pid)/mountinfo")" " /mnt "
	delete --force
	umount "$ROOTFS/mnt" "$ROOTFS"
}

@test "propagation: whatever it is, nothing of the container shows on the host" {
	local value before
	mount --bind "$ROOTFS" "$ROOTFS"
	mount --make-shared "$ROOTFS"
	before=$(host_mounts)
	for value in shared slave private; do
		config '.linux.rootfsPropagation = $v' --arg v $value
		running
		equal "$before" "$(host_mounts)"
		delete --force
	done
	umount "$ROOTFS"
}

@test "propagation: an unknown value is an error that names the field" {
	config '.linux.rootfsPropagation = "sideways"'
	create_fails
	says linux.rootfsPropagation sideways
}

# --- pivot_root and without ---

@test "pivot: the old root is gone" {
	shell 'cat /proc/self/mountinfo; ls /'
	run_ct
	equal 1 "$(awk '$5 == "/"' <<<"$out" | grep -c .)"
	lacks "$out" old_root pivot
}

@test "no-pivot: the program runs in its root" {
	echo inside >"$ROOTFS/etc/where"
	shell 'cat /etc/where; ls -d /proc/1; pwd'
	run_ct --no-pivot
	equal "inside
/proc/1
/" "$out"
	create --no-pivot
	start
	wait_for_status stopped
	delete
}

@test "no-pivot: works where pivot_root cannot, which without it says so" {
	needs_root "it makes pivot_root fail"
	local binary=$RUNG told
	printf '#!/bin/sh\nexec %q no-pivot-root %q "$@"\n' "$HELPER" "$binary" >"$WORK/rung"
	chmod +x "$WORK/rung"
	RUNG=$WORK/rung
	shell 'cat /etc/where; ls -d /proc/1'
	echo inside >"$ROOTFS/etc/where"
	run_fails
	says pivot_root "invalid argument" "needs --no-pivot"
	create_fails
	says pivot_root "invalid argument" "needs --no-pivot"
	run_ct --no-pivot
	equal "inside
/proc/1" "$out"
	program cat /etc/where
	create --no-pivot
	told=$out_file
	RUNG=$binary
	start
	wait_for_status stopped
	equal inside "$(<"$told")"
	delete
}

@test "no-pivot: /dev, mounts, masked paths and a read-only root are as with pivot_root" {
	config '.root.readonly = true'
	shell 'ls -A /sys/firmware; test -c /dev/null; touch /new'
	rung_exits 1 run --bundle "$BUNDLE" --no-pivot "$CT"
	contains "$err" "Read-only file system"
}
