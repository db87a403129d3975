#!/usr/bin/env bats
# .mounts: types, options, bind mounts, propagation, recursive options.

load helpers
load mounts

@test "mounts: the default bundle's mounts, in the listed order" {
	needs_root "the bundle of others is that of spec --rootless"
	show_mounts
	equal "proc" "$(fs_of /proc | cut -d' ' -f1)"
	equal "tmpfs" "$(fs_of /dev | cut -d' ' -f1)"
	equal "devpts" "$(fs_of /dev/pts | cut -d' ' -f1)"
	equal "tmpfs" "$(fs_of /dev/shm | cut -d' ' -f1)"
	equal "mqueue" "$(fs_of /dev/mqueue | cut -d' ' -f1)"
	equal "sysfs" "$(fs_of /sys | cut -d' ' -f1)"
	has_flag /sys ro nosuid nodev noexec
	has_flag /dev rw nosuid
	has_flag /dev/shm nosuid nodev noexec
	contains "$(fs_of /dev/pts)" gid=5 mode=620 ptmxmode=666
	contains "$(fs_of /dev)" size=65536k mode=755
}

@test "mounts: no mount of the host is to be seen" {
	show_mounts
	lacks "$out" "$WORK/root" "/old_root" "/.pivot"
	# The root filesystem itself may show where it lies in its own file system.
	equal "" "$(awk '{ print $5 }' <<<"$out" | grep -F "$WORK")"
	equal "" "$(awk '{ print $5 }' <<<"$out" | grep -vE '^/($|proc|sys|dev)')"
}

# tmpfs_flags WANT OPTION...: a tmpfs with these options has exactly WANT.
tmpfs_flags() {
	local want=$1
	shift
	config '.mounts |= map(select(.destination != "/mnt"))'
	add_mount /mnt tmpfs tmpfs "$@"
	show_mounts
	equal "$want" "$(flags /mnt)"
}

@test "mounts: the flags of a mount: ro, nosuid, nodev, noexec" {
	tmpfs_flags rw,relatime
	tmpfs_flags ro,relatime ro
	tmpfs_flags rw,nosuid,relatime nosuid
	tmpfs_flags rw,nodev,relatime nodev
	tmpfs_flags rw,noexec,relatime noexec
	tmpfs_flags ro,nosuid,nodev,noexec,relatime ro nosuid nodev noexec
}

@test "mounts: the flags of a mount: access times" {
	tmpfs_flags rw,noatime noatime
	tmpfs_flags rw,nodiratime,relatime nodiratime
	tmpfs_flags rw,relatime relatime
	tmpfs_flags rw strictatime
	tmpfs_flags rw,noatime,nodiratime noatime nodiratime
}

@test "mounts: the flags of a mount: nosymfollow" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1.5 does not know it"
	tmpfs_flags rw,relatime,nosymfollow nosymfollow
	tmpfs_flags rw,relatime nosymfollow symfollow
}

@test "mounts: of an option and its opposite the last one counts" {
	tmpfs_flags rw,relatime ro rw
	tmpfs_flags ro,relatime rw ro
	tmpfs_flags rw,relatime nosuid suid
	tmpfs_flags rw,relatime nodev dev
	tmpfs_flags rw,relatime noexec exec
	tmpfs_flags rw,relatime noatime atime
	tmpfs_flags rw,relatime nodiratime diratime
	tmpfs_flags rw,relatime strictatime nostrictatime
	tmpfs_flags rw,relatime relatime norelatime
}

@test "mounts: options of the superblock: sync, dirsync, lazytime" {
	add_mount /mnt tmpfs tmpfs sync
	add_mount /tmp tmpfs tmpfs dirsync
	add_mount /var tmpfs tmpfs sync async
	show_mounts
	contains ",$(fs_of /mnt | cut -d' ' -f2)," ,sync,
	contains ",$(fs_of /tmp | cut -d' ' -f2)," ,dirsync,
	lacks ",$(fs_of /var | cut -d' ' -f2)," ,sync,
	[[ $RUNG_PEER != runc ]] || return 0
	add_mount /mnt tmpfs tmpfs lazytime
	add_mount /var tmpfs tmpfs lazytime nolazytime
	show_mounts
	contains ",$(fs_of /mnt | cut -d' ' -f2)," ,lazytime,
	lacks ",$(fs_of /var | cut -d' ' -f2)," ,lazytime,
}

@test "mounts: options without an effect to be seen are taken" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not know defaults"
	local option
	for option in defaults async atime dev diratime exec suid rw loud silent iversion noiversion nolazytime nomand; do
		[[ $RUNG_PEER != runc || ! $option =~ lazytime ]] || continue
		tmpfs_flags rw,relatime "$option"
	done
}

@test "mounts: what is no option of mount(8) goes to the file system" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 takes the mode of the folder"
	add_mount /mnt tmpfs tmpfs size=1m mode=710 nr_inodes=77 uid=12 gid=34
	shell 'grep " /mnt " /proc/self/mountinfo; stat -c "%a %u %g" /mnt'
	run_ct
	prints size=1024k nr_inodes=77 "710 12 34"
}

@test "mounts: an option that the file system does not know is an error that names it" {
	add_mount /mnt tmpfs tmpfs nosuid frobnicate
	create_fails
	says "mounts[7].options[1]" frobnicate
}

@test "mounts: a value that the file system does not take is an error that names the mount" {
	add_mount /mnt tmpfs tmpfs size=plenty
	create_fails
	says "mounts[7]" size
}

@test "mounts: an unknown type is an error that names it" {
	add_mount /mnt frobnicatefs none
	create_fails
	says "mounts[7]" frobnicatefs
}

@test "mounts: a missing destination folder is made, with its parents" {
	add_mount /new/folder/deep tmpfs tmpfs
	shell 'grep -c " /new/folder/deep " /proc/self/mountinfo; stat -c %a /new'
	run_ct
	equal "1"$'\n'"755" "$out"
}

@test "mounts: a relative destination is taken from the root" {
	add_mount mnt tmpfs tmpfs
	show_mounts
	equal "tmpfs" "$(fs_of /mnt | cut -d' ' -f1)"
}

@test "mounts: a later mount covers an earlier one" {
	add_mount /mnt tmpfs tmpfs size=1m
	add_mount /mnt/sub tmpfs tmpfs
	add_mount /mnt tmpfs tmpfs size=2m
	shell 'grep -c " /mnt" /proc/self/mountinfo; ls /mnt'
	run_ct
	equal 3 "$out"
}

@test "mounts: without any mount a container still runs" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 needs proc"
	config '.mounts = [] | .linux.maskedPaths = null | .linux.readonlyPaths = null'
	program echo here
	run_ct
	equal here "$out"
}

# --- bind mounts ---

@test "mounts: a folder is bound, and what is written there is on the host" {
	mkdir "$WORK/host"
	echo outside >"$WORK/host/file"
	add_mount /mnt bind "$WORK/host" bind
	shell 'cat /mnt/file; echo inside >/mnt/new'
	run_ct
	equal outside "$out"
	equal inside "$(<"$WORK/host/new")"
}

@test "mounts: the type of a bind mount does not matter" {
	local type
	mkdir "$WORK/host"
	for type in bind none "" ext4 frobnicatefs; do
		config '.mounts |= map(select(.destination != "/mnt"))'
		add_mount /mnt "$type" "$WORK/host" bind
		program true
		run_ct
	done
	config 'del(.mounts[-1].type)'
	run_ct
}

@test "mounts: type bind without bind or rbind among the options is an error with a hint" {
	mkdir "$WORK/host"
	add_mount /mnt bind "$WORK/host"
	create_fails
	says "mounts[7].type" hint rbind
}

@test "mounts: a file is bound, onto a file and to where there is none" {
	echo content >"$WORK/file"
	add_mount /etc/hostname bind "$WORK/file" bind
	add_mount /new/place/file bind "$WORK/file" bind
	shell 'cat /etc/hostname /new/place/file; echo written >/new/place/file'
	run_ct
	equal "content"$'\n'"content" "$out"
	equal written "$(<"$WORK/file")"
}

@test "mounts: a socket and a device are bound like files" {
	in_background "$HELPER" recvtty "$WORK/sock"
	poll test -S "$WORK/sock"
	add_mount /run/sock bind "$WORK/sock" bind
	add_mount /run/null bind /dev/null bind
	shell 'test -S /run/sock && test -c /run/null && echo both'
	run_ct
	equal both "$out"
}

@test "mounts: a bind mount is read-only with ro, and has the other flags" {
	mkdir "$WORK/host"
	add_mount /mnt bind "$WORK/host" bind ro nosuid nodev noexec
	shell 'grep " /mnt " /proc/self/mountinfo; touch /mnt/x'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	has_flag /mnt ro nosuid nodev noexec
	contains "$err" "Read-only file system"
	[ ! -e "$WORK/host/x" ]
}

@test "mounts: a bind mount without options keeps the flags of its source" {
	mkdir "$WORK/host"
	mount -t tmpfs -o nosuid,nodev,noexec tmpfs "$WORK/host"
	add_mount /mnt bind "$WORK/host" bind
	show_mounts
	umount "$WORK/host"
	has_flag /mnt nosuid nodev noexec
}

@test "mounts: noatime of a bind mount" {
	needs_root "the kernel locks the access-time setting of the host's mounts in a user namespace"
	mkdir "$WORK/host"
	add_mount /mnt bind "$WORK/host" bind noatime
	add_mount /var bind "$WORK/host" bind nodiratime
	show_mounts
	has_flag /mnt noatime
	has_flag /var nodiratime
}

@test "mounts: a relative source is taken from the bundle" {
	mkdir "$WORK/beside"
	touch "$WORK/beside/file"
	add_mount /mnt bind ../../beside bind
	program ls /mnt
	cd /
	run_ct
	equal file "$out"
}

@test "mounts: a missing source is an error that names the field and the path" {
	add_mount /mnt bind "$WORK/nowhere" bind
	create_fails
	says "mounts[7].source" "$WORK/nowhere" "no such file or directory"
}

@test "mounts: a folder cannot be bound onto a file" {
	mkdir "$WORK/host"
	add_mount /etc/passwd bind "$WORK/host" bind
	create_fails
	says "mounts[7]" /etc/passwd
}

# tree: WORK/tree, a tmpfs with another one in its folder sub.
tree() {
	mkdir "$WORK/tree"
	mount -t tmpfs tmpfs "$WORK/tree"
	mkdir "$WORK/tree/sub"
	mount -t tmpfs tmpfs "$WORK/tree/sub"
	touch "$WORK/tree/sub/file"
}
cut_tree() { umount "$WORK/tree/sub" "$WORK/tree"; }

@test "mounts: bind leaves submounts out, rbind takes them along" {
	tree
	add_mount /mnt bind "$WORK/tree" bind
	add_mount /var bind "$WORK/tree" rbind
	shell 'ls /mnt/sub; echo -; ls /var/sub'
	run_ct
	cut_tree
	equal "-"$'\n'"file" "$out"
}

@test "mounts: ro of an rbind mount is for its top alone" {
	tree
	add_mount /mnt bind "$WORK/tree" rbind ro
	show_mounts
	cut_tree
	has_flag /mnt ro
	has_flag /mnt/sub rw
}

@test "mounts: the recursive options reach every submount" {
	local pair
	tree
	for pair in rro:ro rnosuid:nosuid rnodev:nodev rnoexec:noexec rnoatime:noatime rnodiratime:nodiratime \
		rrelatime:relatime rnosymfollow:nosymfollow; do
		[[ $RUNG_PEER != runc || $pair != rnosymfollow:* ]] || continue
		config '.mounts |= map(select(.destination != "/mnt"))'
		add_mount /mnt bind "$WORK/tree" rbind "${pair%:*}"
		show_mounts
		has_flag /mnt "${pair#*:}"
		has_flag /mnt/sub "${pair#*:}"
	done
	config '.mounts |= map(select(.destination != "/mnt"))'
	add_mount /mnt bind "$WORK/tree" rbind rstrictatime
	show_mounts
	has_no_flag /mnt relatime noatime
	has_no_flag /mnt/sub relatime noatime
	cut_tree
}

@test "mounts: the recursive options take flags away from every submount" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 fails at rnostrictatime"
	local pair options=ro,nosuid,nodev,noexec,noatime,nodiratime
	[[ $RUNG_PEER == runc ]] || options+=,nosymfollow
	tree
	mount -o "remount,bind,$options" "$WORK/tree/sub"
	mount -o "remount,bind,$options" "$WORK/tree"
	for pair in rrw:ro rsuid:nosuid rdev:nodev rexec:noexec rdiratime:nodiratime ratime:noatime \
		rnostrictatime:strictatime rsymfollow:nosymfollow; do
		[[ $RUNG_PEER != runc || $pair != rsymfollow:* ]] || continue
		config '.mounts |= map(select(.destination != "/mnt"))'
		add_mount /mnt bind "$WORK/tree" rbind "${pair%:*}"
		show_mounts
		has_no_flag /mnt "${pair#*:}"
		has_no_flag /mnt/sub "${pair#*:}"
	done
	cut_tree
}

@test "mounts: recursive options together, and on a mount that is no bind" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 has them for bind mounts alone"
	tree
	add_mount /mnt bind "$WORK/tree" rbind rro rnosuid rnodev rnoexec
	add_mount /var tmpfs tmpfs rro
	show_mounts
	cut_tree
	has_flag /mnt ro nosuid nodev noexec
	has_flag /mnt/sub ro nosuid nodev noexec
	has_flag /var ro
}

@test "mounts: the host's mounts keep their flags when a container changes its own" {
	tree
	add_mount /mnt bind "$WORK/tree" rbind rro rnoexec
	run_ct
	equal rw,relatime "$(findmnt -n -o VFS-OPTIONS "$WORK/tree")"
	equal rw,relatime "$(findmnt -n -o VFS-OPTIONS "$WORK/tree/sub")"
	cut_tree
}

@test "mounts: remount changes a mount that is there" {
	add_mount /mnt tmpfs tmpfs
	add_mount /mnt bind "" bind remount ro noexec
	show_mounts
	has_flag /mnt ro noexec
	equal 1 "$(grep -c ' /mnt ' <<<"$out")"
}

# --- propagation ---

@test "mounts: by default nothing propagates, to or from the host" {
	mkdir "$WORK/host"
	mount -t tmpfs tmpfs "$WORK/host"
	mount --make-shared "$WORK/host"
	add_mount /mnt bind "$WORK/host" rbind
	show_mounts
	umount "$WORK/host"
	lacks "$(propagation /mnt)" shared
}

@test "mounts: private, shared, slave and unbindable" {
	mkdir "$WORK/host"
	mount -t tmpfs tmpfs "$WORK/host"
	mount --make-shared "$WORK/host"
	add_mount /mnt/private bind "$WORK/host" bind private
	add_mount /mnt/shared bind "$WORK/host" bind shared
	add_mount /mnt/slave bind "$WORK/host" bind slave
	add_mount /mnt/unbindable bind "$WORK/host" bind unbindable
	show_mounts
	umount "$WORK/host"
	equal "" "$(propagation /mnt/private)"
	contains "$(propagation /mnt/shared)" shared:
	contains "$(propagation /mnt/slave)" master:
	lacks "$(propagation /mnt/slave)" shared:
	contains "$(propagation /mnt/unbindable)" unbindable
}

@test "mounts: rprivate, rshared, rslave and runbindable reach the submounts" {
	local dir
	tree
	mount --make-rshared "$WORK/tree"
	add_mount /mnt/private bind "$WORK/tree" rbind rprivate
	add_mount /mnt/shared bind "$WORK/tree" rbind rshared
	add_mount /mnt/slave bind "$WORK/tree" rbind rslave
	add_mount /mnt/unbindable bind "$WORK/tree" rbind runbindable
	show_mounts
	cut_tree
	for dir in "" /sub; do
		equal "" "$(propagation /mnt/private$dir)"
		contains "$(propagation /mnt/shared$dir)" shared:
		contains "$(propagation /mnt/slave$dir)" master:
		contains "$(propagation /mnt/unbindable$dir)" unbindable
	done
}

@test "mounts: with slave a mount of the host appears in the running container" {
	mkdir "$WORK/host"
	mount -t tmpfs tmpfs "$WORK/host"
	mount --make-shared "$WORK/host"
	mkdir "$WORK/host/late"
	add_mount /mnt bind "$WORK/host" rbind rslave
	config '.linux.rootfsPropagation = "rslave"'
	running
	mount -t tmpfs tmpfs "$WORK/host/late"
	contains "$(<"/proc/$(pid)/mountinfo")" " /mnt/late "
	delete --force
	umount "$WORK/host/late" "$WORK/host"
}

@test "mounts: with shared a mount of the container appears on the host" {
	mkdir "$WORK/host"
	mount -t tmpfs tmpfs "$WORK/host"
	mount --make-shared "$WORK/host"
	mkdir "$WORK/host/early"
	make_fifo
	add_mount /mnt bind "$WORK/host" rbind rshared
	config '.linux.rootfsPropagation = "rshared" |
		.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
	shell 'mount -t tmpfs tmpfs /mnt/early && echo mounted >/fifo; sleep 1000'
	run_ct --detach
	equal mounted "$(heard)"
	grep -q " $WORK/host/early " /proc/self/mountinfo
	delete --force
	umount "$WORK/host/early" "$WORK/host"
}

@test "mounts: propagation of a tmpfs" {
	add_mount /mnt tmpfs tmpfs shared
	add_mount /var tmpfs tmpfs unbindable
	show_mounts
	contains "$(propagation /mnt)" shared:
	contains "$(propagation /var)" unbindable
}

# --- tmpcopyup ---

@test "mounts: tmpcopyup copies what was there, with owner, mode and links" {
	mkdir -p "$ROOTFS/var/dir"
	echo content >"$ROOTFS/var/dir/file"
	chmod 640 "$ROOTFS/var/dir/file"
	chown 12:34 "$ROOTFS/var/dir/file"
	ln -s dir/file "$ROOTFS/var/link"
	chmod 711 "$ROOTFS/var/dir"
	chmod 1770 "$ROOTFS/var"
	add_mount /var tmpfs tmpfs tmpcopyup
	config '.process.capabilities |= map_values(. + ["CAP_DAC_OVERRIDE"])'
	shell 'stat -c "%a" /var; stat -c "%n %a %u %g" /var/dir /var/dir/file; readlink /var/link; cat /var/link; echo new >/var/dir/file'
	run_ct
	equal "1770
/var/dir 711 0 0
/var/dir/file 640 12 34
dir/file
content" "$out"
	equal content "$(<"$ROOTFS/var/dir/file")"
}

@test "mounts: without tmpcopyup a tmpfs is empty" {
	echo content >"$ROOTFS/var/file"
	add_mount /var tmpfs tmpfs
	program ls /var
	run_ct
	equal "" "$out"
}

@test "mounts: tmpcopyup with ro is read-only and filled" {
	echo content >"$ROOTFS/var/file"
	add_mount /var tmpfs tmpfs tmpcopyup ro
	shell 'cat /var/file; touch /var/new'
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	equal content "$out"
	contains "$err" "Read-only file system"
}

@test "mounts: a full tmpfs makes tmpcopyup an error that names the mount" {
	head -c 200000 /dev/zero >"$ROOTFS/var/big"
	add_mount /var tmpfs tmpfs tmpcopyup size=64k
	create_fails
	says "mounts[7]" "no space left on device"
}

@test "mounts: tmpcopyup of a sparse file takes the memory of its data" {
	mkdir "$ROOTFS/var/dir"
	truncate -s 10G "$ROOTFS/var/dir/sparse"
	echo data | dd of="$ROOTFS/var/dir/sparse" bs=1M seek=5000 conv=notrunc status=none
	add_mount /var tmpfs tmpfs tmpcopyup
	config '.linux.resources.memory = {limit: 67108864}'
	shell 'cd /var/dir; stat -c %s sparse; dd if=sparse bs=1M skip=5000 count=1 2>/dev/null | head -n 1; echo "$(($(stat -c %b sparse) < 100))"'
	run_ct
	equal "10737418240
data
1" "$out"
}

@test "mounts: tmpcopyup of more than the container's memory is an error, and takes none" {
	[[ $(wc -l </proc/swaps) == 1 ]] || skip "this host has swap, where it would go"
	head -c 80000000 /dev/zero | tr '\0' x >"$ROOTFS/var/big"
	add_mount /var tmpfs tmpfs tmpcopyup
	config '.linux.resources.memory = {limit: 67108864}'
	create_fails
	says "mounts[7]" "copy big" "larger than the container's memory, 67108864 bytes" "linux.resources.memory.limit"
}

# --- special file systems ---

@test "mounts: proc is the one of the container's pid namespace" {
	program ls -d /proc/1 /proc/self/ns/pid
	run_ct
	program readlink /proc/1/ns/pid
	running
	delete --force
	shell 'test "$(readlink /proc/1/ns/pid)" = "$(readlink /proc/self/ns/pid)" && echo same'
	run_ct
	equal same "$out"
}

@test "mounts: sysfs is the one of the container's network namespace" {
	needs_root "the bundle of others is that of spec --rootless"
	program ls /sys/class/net
	run_ct
	equal lo "$out"
}

@test "mounts: devpts is a new one, and ptmx opens its first terminal" {
	shell 'ls /dev/pts; ls -l /dev/ptmx; test -c /dev/pts/ptmx && echo ptmx'
	run_ct
	prints "/dev/ptmx -> pts/ptmx" "ptmx"
	lacks "$out" "0"$'\n'"1"
}

@test "mounts: mqueue is empty in a new ipc namespace, and takes queues" {
	shell 'ls /dev/mqueue; grep " /dev/mqueue " /proc/self/mountinfo'
	run_ct
	equal 1 "$(wc -l <<<"$out")"
}

@test "mounts: cgroup on v1 shows the container's own cgroup in each hierarchy" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 leaves the tmpfs writable"
	needs_v1
	shell 'ls /sys/fs/cgroup; cat /sys/fs/cgroup/pids/cgroup.procs; cat /proc/self/mountinfo; ls -l /sys/fs/cgroup'
	run_ct
	contains "$out" "$(basename "$(controller_mount memory)")" "$(basename "$(controller_mount pids)")" " /sys/fs/cgroup/pids "
	has_line "$out" 1
	equal cgroup "$(fs_of /sys/fs/cgroup/pids | cut -d' ' -f1)"
	has_flag /sys/fs/cgroup ro
	has_flag /sys/fs/cgroup/pids ro nosuid nodev noexec
}

@test "mounts: cgroup on v1 in a cgroup namespace" {
	needs_v1
	new_namespace cgroup
	shell 'cat /sys/fs/cgroup/pids/cgroup.procs; cat /proc/self/mountinfo'
	run_ct
	has_line "$out" 1
	equal / "$(mount_field 4 /sys/fs/cgroup/pids)"
	has_flag /sys/fs/cgroup/pids ro
}

@test "mounts: cgroup on v1 without ro can be written" {
	needs_v1
	config '(.mounts[] | select(.type == "cgroup")).options |= map(select(. != "ro"))'
	shell 'mkdir /sys/fs/cgroup/pids/child && rmdir /sys/fs/cgroup/pids/child && echo written'
	run_ct
	equal written "$out"
}

@test "mounts: names of hierarchies with several controllers, and of each one, are there" {
	needs_v1
	local mount name
	shell 'ls /sys/fs/cgroup'
	run_ct
	while read -r mount; do
		name=${mount##*/}
		has_line "$out" "$name"
		for name in ${name//,/ }; do has_line "$out" "$name"; done
	done < <(findmnt -n -l -o TARGET -t cgroup)
}

@test "mounts: cgroup on v2 shows the container's own cgroup" {
	needs_v2
	local type
	for type in cgroup cgroup2; do
		config '(.mounts[] | select(.destination == "/sys/fs/cgroup")).type = $t' --arg t $type
		shell 'cat /sys/fs/cgroup/cgroup.procs; cat /proc/self/mountinfo'
		run_ct
		has_line "$out" 1
		equal cgroup2 "$(fs_of /sys/fs/cgroup | cut -d' ' -f1)"
		has_flag /sys/fs/cgroup ro nosuid nodev noexec
	done
}

@test "mounts: cgroup on v2 without a cgroup namespace is the host's, read-only" {
	needs_v2
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	shell "cat /proc/self/mountinfo; mkdir /sys/fs/cgroup$(cgroup_path)/child /sys/fs/cgroup/child"
	try_rung run --bundle "$BUNDLE" "$CT"
	equal cgroup2 "$(fs_of /sys/fs/cgroup | cut -d' ' -f1)"
	has_flag /sys/fs/cgroup ro
	contains "$err" "Read-only file system"
}

# --- a root filesystem that plays tricks ---

@test "mounts: a symlink in the way leads to a place within the root filesystem" {
	mkdir "$WORK/outside"
	ln -s "$WORK/outside" "$ROOTFS/evil"
	add_mount /evil/dir tmpfs tmpfs
	add_mount /evil/file bind /etc/hostname bind
	shell 'grep -c /outside/ /proc/self/mountinfo'
	run_ct
	equal 2 "$out"
	equal "" "$(ls "$WORK/outside")"
}

@test "mounts: dots in a destination do not lead out of the root filesystem" {
	mkdir "$WORK/bundles/outside"
	add_mount /mnt/../../../outside tmpfs tmpfs
	show_mounts
	equal tmpfs "$(fs_of /outside | cut -d' ' -f1)"
	rmdir "$WORK/bundles/outside"
}

@test "mounts: a link with dots as destination stays within the root filesystem" {
	mkdir "$WORK/bundles/outside"
	ln -s ../../../../../../../../../../.."$WORK/bundles/outside" "$ROOTFS/evil"
	add_mount /evil/dir tmpfs tmpfs
	program true
	run_ct
	equal "" "$(ls "$WORK/bundles/outside")"
	rmdir "$WORK/bundles/outside"
}

@test "mounts: a root filesystem whose proc or sys is a symlink is refused" {
	needs_root "the bundle of others binds the host's /sys"
	local name
	for name in proc sys; do
		rm -rf "$BUNDLE"
		make_bundle "$CT"
		rmdir "$ROOTFS/$name"
		mkdir "$ROOTFS/evil"
		ln -s evil "$ROOTFS/$name"
		create_fails
		says "mounts[" "/$name"
	done
}

@test "mounts: what would cover parts of proc is refused and named" {
	peer_lacks "words it its own way"
	local place
	mkdir "$WORK/host"
	for place in /proc/self /proc/sys/kernel /proc/1; do
		config '.mounts |= map(select(.source != $s))' --arg s "$WORK/host"
		add_mount $place bind "$WORK/host" bind
		create_fails
		says "mounts[7].destination" $place
	done
}

@test "mounts: what tools like lxcfs put over files of proc is allowed" {
	local file
	for file in cpuinfo meminfo stat uptime diskstats swaps loadavg; do
		echo "my $file" >"$WORK/$file"
		add_mount /proc/$file bind "$WORK/$file" bind
	done
	program cat /proc/cpuinfo /proc/uptime /proc/loadavg
	run_ct
	equal "my cpuinfo
my uptime
my loadavg" "$out"
}

# --- options of crun's ---

@test "copy-symlink: a symlink of the host becomes one in the container; anything else is bound" {
	peer_lacks "runc has it not"
	ln -s ../some/where "$WORK/link"
	add_mount /new/link bind "$WORK/link" bind copy-symlink
	add_mount /file bind /etc/hostname bind copy-symlink
	shell 'readlink /new/link; grep -c " /new/link " /proc/mounts; grep -c " /file " /proc/mounts'
	run_ct || true
	equal $'../some/where\n0\n1' "$out"
	# The same once more is no error, another one is.
	run_ct
	ln -sfn other "$WORK/link"
	run_fails
	says destination "no symlink to other"
}

@test "src-nofollow: shows the symlink, not what it leads to; dest-nofollow: hides the symlink" {
	peer_lacks "runc has it not"
	ln -s /etc/passwd "$WORK/link"
	ln -s /target "$ROOTFS/dest"
	touch "$ROOTFS/target" "$ROOTFS/plain"
	add_mount /plain bind "$WORK/link" bind src-nofollow
	add_mount /dest bind /etc/hostname bind dest-nofollow
	shell 'readlink /plain; [ ! -L /dest ] && echo file; [ -s /target ] || echo empty'
	run_ct
	equal $'/etc/passwd\nfile\nempty' "$out"
	# Without it the link is followed.
	config 'del(.mounts[-1].options[-1])'
	shell '[ -L /dest ] && [ -s /target ] && echo followed'
	run_ct
	equal followed "$out"
	add_mount /x bind "$WORK/link" bind src-nofollow copy-symlink
	run_fails
	says "copy-symlink"
}

@test "idmap=uids=…;gids=…: the mappings of an id-mapped mount in one option" {
	peer_lacks "runc has it not"
	local dir=$WORK/mapped
	mkdir "$dir"
	mount -t tmpfs tmpfs "$dir"
	touch "$dir/file"
	chown 5:6 "$dir/file"
	chmod 755 "$dir"
	add_mount /m bind "$dir" bind 'idmap=uids=0-1000-10;gids=0-2000-10'
	shell 'stat -c %u:%g /m/file'
	try_rung run --bundle "$BUNDLE" "$CT"
	umount "$dir"
	[[ $err != *"cannot be id-mapped"* ]] || skip "this kernel cannot id-map a tmpfs"
	equal 1005:2006 "$out"
	config '.mounts[-1].options[-1] = "idmap=uids=0-1"'
	create_fails
	says 'options[1]' "three numbers"
}

@test "mounts: a file server that is gone keeps nobody who calls the container off" {
	needs_root "it mounts a filesystem that does not answer"
	[[ -c /dev/fuse ]] || skip "this host has no filesystems in user space"
	local dir=$WORK/silent command server status
	mkdir "$dir"
	in_background "$HELPER" silentfs "$dir"
	server=$background
	poll grep -qx ready "$background_out"
	add_mount /m bind "$dir/of/the/server" bind
	for command in run create; do
		rung_in_background "$command" --bundle "$BUNDLE" "$CT"
		poll waits_for_server
		kill -INT "$background"
		status=0
		finish "$background" || status=$?
		equal 1 "$status"
		contains "$(<"$background_out")" SIGINT
		[[ ! -e $ROOT/$CT ]] || fail "$ROOT/$CT is left"
	done
	kill -TERM "$server"
	finish "$server"
}

# waits_for_server: rung, or a process that it made, waits for a filesystem in user space.
waits_for_server() {
	local pid
	for pid in "$background" $(cat /proc/"$background"/task/*/children); do
		cat /proc/"$pid"/task/*/wchan | tr '\0' '\n'
		echo
	done 2>/dev/null | grep -q fuse
}
