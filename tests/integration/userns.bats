#!/usr/bin/env bats
# User namespaces: new ones and joined ones, and what belongs to their root.
#
# The scripts in single quotes are for the shell in the container; to echo a
# variable joins its lines; each test has an out of its own.
# shellcheck disable=SC2005,SC2016,SC2030,SC2031,SC2046,SC2086,SC2116

load helpers

setup() {
	setup_test
	needs_root "its mappings are root's to make; rootless.bats has those of users"
	in_userns
}

# in_userns: gives the bundle a user namespace with 65536 ids, uids from 100000
# and gids from 200000 on, whose root owns the folders of the root filesystem.
# Files are shared between bundles, and stay the host's.
in_userns() {
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]'
	find "$ROOTFS" -type d -exec chown 100000:200000 {} +
}

# all_caps: the program gets every capability.
all_caps() {
	config '.process.capabilities |= map_values($caps)' \
		--argjson caps "$("$RUNG" features | jq -c .linux.capabilities)"
}

# bind SOURCE DESTINATION [OPTION...]
bind() {
	local source=$1 destination=$2
	shift 2
	edit '.mounts += [{source: $s, destination: $d, options: (["bind"] + $ARGS.positional)}]' --arg s "$source" --arg d "$destination" \
		--args -- "$@"
}

# secret: a folder with a file that is readable by all, in a folder that only
# root may pass.
secret() {
	mkdir -p "$WORK/$1/dir"
	echo "of $1" >"$WORK/$1/dir/file"
	chmod 700 "$WORK/$1"
}

@test "userns: root in the container is nobody on the host" {
	local init
	shell 'id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map; echo >/dev/shm/file; sleep 1000'
	run_ct --detach
	init=$(pid)
	other_ns user "$init"
	equal "100000" "$(stat -c %u "/proc/$init")"
	poll test -e "/proc/$init/root/dev/shm/file"
	equal "100000:200000" "$(stat -c %u:%g "/proc/$init/root/dev/shm/file")"
	read_output
	equal "0 0 0 100000 65536 0 200000 65536" "$(echo $out)"
	delete --force
}

@test "userns: the program's user is mapped" {
	config '.process.user = {uid: 1000, gid: 1000, additionalGids: [5, 10]}'
	shell 'id -u; id -g; id -G; cat /proc/self/status; sleep 1000'
	run_ct --detach
	poll grep -q Groups "$out_file"
	equal "101000" "$(stat -c %u "/proc/$(pid)")"
	contains "$(<"$out_file")" "1000"$'\n'"1000"$'\n'"1000 5 10"
	delete --force
}

@test "userns: the caller's groups are not the container's" {
	program cat /proc/self/status
	status=0
	out=$(setpriv --groups 4,20 "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" 3>&-)
	matches "$out" "Groups:"$'[\t ]*\n'
}

@test "userns: all other namespaces belong to it" {
	all_caps
	new_namespace cgroup
	# Each of them takes CAP_SYS_ADMIN over a namespace.
	shell 'set -e; hostname changed; hostname; mount -t tmpfs none /mnt; mount -t proc proc /mnt; ip link add dummy0 type dummy || true
		ip link set lo down; mount -t mqueue none /mnt; stat -c %u:%g /dev/mqueue /proc/1 /dev/pts/ptmx'
	run_ct
	equal "changed 0:0 0:0 0:0" "$(echo $out)"
}

@test "userns: the loopback interface is up" {
	program ip addr show lo
	run_ct
	prints "LOOPBACK,UP" 127.0.0.1
}

@test "userns: device nodes are there, and are the host's" {
	shell 'echo text >/dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; stat -c %t:%T /dev/full; mknod /tmp/null c 1 3'
	config '.linux.devices = [{path: "/dev/fuse", type: "c", major: 10, minor: 229}]'
	[[ -e /dev/fuse ]] || config 'del(.linux.devices)'
	try_rung run --bundle "$BUNDLE" "$CT"
	((status == 1)) || fail "mknod in a user namespace succeeded"
	prints "3"$'\n'"3"$'\n'"1:7"
}

@test "userns: a terminal belongs to the container's root, and to its user" {
	local uid
	needs_program script
	for uid in 0 1000; do
		config '.process.terminal = true | .process.user.uid = $u' --argjson u $uid
		shell 'tty; stat -c %u "$(tty)"; stat -c %u /dev/console; echo >/dev/console'
		status=0
		out=$(script -qec "'$RUNG' --root '$ROOT' run --bundle '$BUNDLE' '$CT'" /dev/null </dev/null 3>&- | sed 's/\r//; s/\^@//g')
		contains "$out" "/dev/pts/0"$'\n'"$uid"$'\n'"$uid"
	done
}

@test "userns: masked and read-only paths hold" {
	shell 'wc -c </proc/keys; echo 1 >/proc/sys/net/ipv4/ip_forward; true'
	run_ct
	equal 0 "$out"
	contains "$err" "ip_forward: Read-only"
}

@test "userns: parameters of its namespaces can be set" {
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1"}'
	program cat /proc/sys/net/ipv4/ip_forward
	run_ct
	equal 1 "$out"
}

@test "userns: sources in folders that its root may not pass" {
	peer_lacks "crun and runc 1.1 cannot"
	secret one
	secret two
	mkdir "$WORK/one/sub"
	bind "$WORK/one/dir" /mnt ro
	bind "../../two/dir/file" /tmp/file
	shell 'cat /mnt/file /tmp/file; echo >/mnt/file'
	try_rung run --bundle "$BUNDLE" "$CT"
	contains "$out" "of one" "of two"
	contains "$err" "Read-only file system"
}

@test "userns: a root filesystem and a bundle in a folder that its root may not pass" {
	peer_lacks "no other runtime can"
	secret three
	bind "../../three/dir" /mnt
	program cat /mnt/file
	chmod 700 "$WORK/bundles"
	run_ct
	equal "of three" "$out"
	chmod 755 "$WORK/bundles"
}

@test "userns: what is mounted below a bound folder does not reach the host" {
	all_caps
	mkdir "$WORK/volume"
	mount --bind "$WORK/volume" "$WORK/volume"
	mount --make-shared "$WORK/volume"
	mkdir "$WORK/volume/sub"
	chmod 700 "$WORK/volume"
	chown 100000 "$WORK/volume"
	mkdir "$WORK/closed"
	chmod 700 "$WORK/closed"
	mkdir "$WORK/closed/in"
	mount --bind "$WORK/volume" "$WORK/closed/in"
	bind "$WORK/closed/in" /mnt
	shell 'mount -t tmpfs none /mnt/sub && echo mounted; sleep 1000'
	run_ct --detach
	poll grep -q mounted "$out_file"
	equal "" "$(findmnt -no TARGET "$WORK/volume/sub")"
	delete --force
	umount "$WORK/closed/in" "$WORK/volume"
}

@test "userns: limits, also such as only the host's root may set" {
	config '.process.oomScoreAdj = 321 | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 20, hard: 30}, {type: "RLIMIT_CORE", soft: 0, hard: 0}]'
	shell 'ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj'
	run_ct
	equal "20 30 0 321" "$(echo $out)"
}

@test "userns: clocks with an offset" {
	config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 5}, boottime: {secs: 7000, nanosecs: 9}}'
	program cat /proc/self/timens_offsets
	run_ct
	equal "monotonic 5 0 boottime 7000 9" "$(echo $out)"
}

@test "userns: a network namespace of the host's, with sysfs bound" {
	in_background unshare --net sleep 1000
	poll other_ns net "$background"
	config '(.linux.namespaces[] | select(.type == "network")).path = $p' --arg p "/proc/$background/ns/net"
	run_fails
	says "mount sysfs on /sys" "mounts[5]" "operation not permitted" "network namespace" rbind
	config '.mounts |= map(if .type == "sysfs" then {destination: "/sys", type: "none", source: "/sys", options: ["rbind", "ro"]} else . end | select(.type != "cgroup"))'
	program readlink /proc/self/ns/net
	run_ct
	equal "$(readlink "/proc/$background/ns/net")" "$out"
}

@test "userns: another container's can be joined, alone and with all the others" {
	local init name other=$CT
	new_namespace time cgroup
	running
	init=$(pid)
	CT=$CT-2
	config '.linux.cgroupsPath += "-2" | del(.linux.uidMappings, .linux.gidMappings) | (.linux.namespaces[] | select(.type == "user")).path = $p' \
		--arg p "/proc/$init/ns/user"
	shell 'cat /proc/self/uid_map; stat -c %u /dev/shm /dev/mqueue; echo $$; readlink /proc/self/ns/user'
	run_ct
	equal "0 100000 65536 0 0 1 $(readlink "/proc/$init/ns/user")" "$(echo $out)"
	# The mount namespace stays its own: the bundle is not to be seen in the other's.
	config '.linux.namespaces |= map(if .type == "mount" then . else .path = "/proc/\($i)/ns/\({network: "net"}[.type] // .type)" end) | del(.hostname)' --argjson i "$init"
	shell 'for name in user pid net ipc uts cgroup time; do readlink /proc/self/ns/$name; done; id -u'
	run_ct
	equal "$(for name in user pid net ipc uts cgroup time; do readlink "/proc/$init/ns/$name"; done; echo 0)" "$out"
	CT=$other
	delete --force
}

@test "userns: mappings beside a path must be the namespace's" {
	local init
	running
	init=$(pid)
	config '.linux.cgroupsPath += "-2" | (.linux.namespaces[] | select(.type == "user")).path = $p' --arg p "/proc/$init/ns/user"
	program id -u
	rung run --bundle "$BUNDLE" "$CT-2"
	equal 0 "$out"
	config '.linux.gidMappings[0].size = 65535'
	rung_fails run --bundle "$BUNDLE" "$CT-2"
	says linux.gidMappings "0 200000 65536"
	delete --force
}

@test "userns: exec enters it" {
	local init
	config '.process.oomScoreAdj = 100'
	running
	init=$(pid)
	rung exec "$CT" sh -c 'id -u; id -g; cat /proc/self/uid_map /proc/self/oom_score_adj; readlink /proc/self/ns/user; cat /proc/self/status | grep Groups'
	equal "0 0 0 100000 65536 100 $(readlink "/proc/$init/ns/user") Groups:" "$(echo $out)"
	rung exec --user 1000:1000 "$CT" id -u
	equal 1000 "$out"
	delete --force
}

@test "userns: exec has limits that only the host's root may set" {
	local hard
	hard=$(ulimit -Hn)
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: $h}]' --argjson h "$hard"
	running
	rung exec "$CT" sh -c 'ulimit -Sn; ulimit -Hn'
	equal "100 $hard" "$(echo $out)"
	delete --force
}

# CVE-2016-9962: the init that waits has descriptors and memory of the host's.
# It must be hidden even from who has CAP_SYS_PTRACE over the namespace.
@test "userns: the waiting init cannot be looked into" {
	all_caps
	program sleep 1000
	create
	rung exec "$CT" sh -c 'id -u; cat /proc/self/environ | wc -c >/dev/null; ls /proc/1/fd; cat /proc/1/environ; readlink /proc/1/exe; true'
	equal 0 "$out"
	contains "$err" "/proc/1/fd': Permission denied" "/proc/1/environ': Permission denied"
	delete --force
}

@test "userns: a failed create names the mapping" {
	config '.linux.uidMappings[0].containerID = 1'
	run_fails
	says linux.uidMappings "the id 0"
	config 'del(.linux.uidMappings)'
	run_fails
	says linux.uidMappings missing
}

@test "userns: a user that is not mapped is named" {
	config '.process.user.uid = 70000'
	run_fails
	says process.user.uid 70000
}

@test "userns: mounts of the cgroups, with and without a cgroup namespace" {
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	shell 'ls /sys/fs/cgroup | wc -l; cat /proc/self/cgroup; find /sys/fs/cgroup -name cgroup.procs -maxdepth 2 | wc -l'
	run_ct
	contains "$out" "$CT"
	new_namespace cgroup
	run_ct
	lacks "$out" "$CT"
}

@test "userns: the whole life of a container" {
	local init
	program sleep 1000
	create
	equal created "$(state status)"
	init=$(pid)
	start
	wait_for_status running
	rung kill "$CT" KILL
	wait_for_exit "$init"
	delete
}

# config-linux.md, "Cgroup ownership".
@test "userns: on cgroup v2 the cgroup is the program's user's, if it can be written to" {
	local dir
	needs_v2
	new_namespace cgroup
	config '(.mounts[] | select(.type == "cgroup")).options -= ["ro"] | .process.user = {uid: 5, gid: 5}'
	shell 'stat -c %u /sys/fs/cgroup /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/below && echo made; sleep 1000'
	run_ct --detach
	dir=$(cgroup_dir)
	poll grep -q made "$out_file"
	equal "5 5 made" "$(echo $(<"$out_file"))"
	equal "100005 100005 0" "$(echo $(stat -c %u "$dir" "$dir/cgroup.procs" "$dir/cgroup.freeze"))"
	delete --force
	config '(.mounts[] | select(.type == "cgroup")).options += ["ro"]'
	shell 'sleep 1000'
	run_ct --detach
	equal 0 "$(stat -c %u "$dir")"
	delete --force
}
