#!/usr/bin/env bats
# Id-mapped mounts.
#
# The scripts in single quotes are for the shell in the container; to echo a
# variable joins its lines; each test has an out of its own.
# shellcheck disable=SC2016,SC2030,SC2031,SC2046,SC2086,SC2116

load helpers

setup() {
	setup_test
	needs_root "only root may map the ids of a mount of the host"
	VOLUME=$WORK/volume
	mkdir -p "$VOLUME/sub" "$WORK/sub"
	touch "$VOLUME/zero" "$VOLUME/seven" "$WORK/sub/one"
	chown 7:8 "$VOLUME/seven"
	chown 1:2 "$WORK/sub/one"
	needs_idmap
}

# needs_idmap: skips where the filesystem of WORK cannot be id-mapped.
needs_idmap() {
	config '.mounts += [{source: $s, destination: "/mnt", options: ["bind", "idmap"], uidMappings: [{size: 1}], gidMappings: [{size: 1}]}]' --arg s "$VOLUME"
	try_rung run --bundle "$BUNDLE" "$CT"
	((status == 0)) || [[ $err != *"cannot be id-mapped"* ]] || skip "the filesystem of $WORK cannot be id-mapped"
	config 'del(.mounts[-1])'
}

in_userns() {
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]'
}

# volume OPTION... [-- UIDS GIDS]: mounts VOLUME on /mnt; the mappings are
# containerID:hostID:size.
volume() {
	local options=() mappings='{}'
	while (($# > 0)) && [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	(($# == 0)) || mappings=$(jq -n --arg u "$2" --arg g "$3" \
		'def m: split(":") | map(tonumber) | [{containerID: .[0], hostID: .[1], size: .[2]}]; {uidMappings: ($u | m), gidMappings: ($g | m)}')
	edit '.mounts += [{source: $s, destination: "/mnt", options: $ARGS.positional} + $m]' --arg s "$VOLUME" --argjson m "$mappings" \
		--args -- "${options[@]}"
}

tree() {
	mount --bind "$VOLUME" "$VOLUME"
	mount --bind "$WORK/sub" "$VOLUME/sub"
}
no_tree() { umount "$VOLUME/sub" "$VOLUME"; }

owners() { program stat -c %n=%u:%g /mnt/zero /mnt/seven "$@"; }

@test "idmap: without a user namespace" {
	volume bind -- 0:5000:100 0:6000:100
	owners
	run_ct
	equal "/mnt/zero=5000:6000"$'\n'"/mnt/seven=5007:6008" "$out"
}

@test "idmap: what is not mapped is nobody's, and nothing can be made there" {
	volume bind -- 7:5000:1 8:6000:1
	shell 'stat -c %n=%u:%g /mnt/zero /mnt/seven; touch /mnt/new'
	try_rung run --bundle "$BUNDLE" "$CT"
	equal "/mnt/zero=65534:65534"$'\n'"/mnt/seven=5000:6000" "$out"
	contains "$err" "Value too large"
	[[ ! -e $VOLUME/new ]]
}

@test "idmap: with a user namespace, and files made there" {
	in_userns
	volume bind -- 0:100000:65536 0:200000:65536
	shell 'stat -c %n=%u:%g /mnt/zero /mnt/seven; touch /mnt/new'
	run_ct
	equal "/mnt/zero=0:0"$'\n'"/mnt/seven=7:8" "$out"
	equal 0:0 "$(stat -c %u:%g "$VOLUME/new")"
}

@test "idmap: the mappings of the container's user namespace, by the option alone" {
	in_userns
	volume bind idmap
	owners
	run_ct
	equal "/mnt/zero=0:0"$'\n'"/mnt/seven=7:8" "$out"
}

@test "idmap: of a user namespace that is joined" {
	in_userns
	running
	config '.linux.cgroupsPath += "-2" | del(.linux.uidMappings, .linux.gidMappings) | (.linux.namespaces[] | select(.type == "user")).path = $p' \
		--arg p "/proc/$(pid)/ns/user"
	volume bind idmap
	owners
	rung run --bundle "$BUNDLE" "$CT-2"
	equal "/mnt/zero=0:0"$'\n'"/mnt/seven=7:8" "$out"
	delete --force
}

@test "idmap: with other attributes, and in a folder that the container's root may not pass" {
	in_userns
	chmod 700 "$WORK"
	volume bind idmap ro noexec
	shell 'stat -c %u /mnt/seven; touch /mnt/new; grep " /mnt " /proc/self/mountinfo'
	run_ct
	chmod 755 "$WORK"
	contains "$out" "7"$'\n' ro,noexec
	contains "$err" "Read-only file system"
}

@test "idmap: of a tree only the top, unless ridmap asks for all" {
	local user
	for user in false true; do
		rm -rf "$BUNDLE"
		make_bundle "$CT"
		tree
		! $user || in_userns
		volume rbind idmap -- 0:100000:65536 0:200000:65536
		owners /mnt/sub/one
		run_ct
		$user || equal "/mnt/zero=100000:200000"$'\n'"/mnt/seven=100007:200008"$'\n'"/mnt/sub/one=1:2" "$out"
		! $user || equal "/mnt/zero=0:0"$'\n'"/mnt/seven=7:8"$'\n'"/mnt/sub/one=65534:65534" "$out"
		config '.mounts[-1].options = ["rbind", "ridmap"]'
		run_ct
		$user || equal "/mnt/zero=100000:200000"$'\n'"/mnt/seven=100007:200008"$'\n'"/mnt/sub/one=100001:200002" "$out"
		! $user || equal "/mnt/zero=0:0"$'\n'"/mnt/seven=7:8"$'\n'"/mnt/sub/one=1:2" "$out"
		no_tree
	done
}

@test "idmap: several mounts of one source with different mappings, and no descriptor is left" {
	local i
	in_userns
	for i in 1 2 3 4 5 6 7 8; do
		volume bind -- "0:10${i}000:100" "0:20${i}000:100"
		config '.mounts[-1].destination = $d' --arg d "/tmp/$i"
	done
	find "$ROOTFS" -type d -exec chown 100000:200000 {} +
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 20, hard: 20}]'
	shell 'for i in 1 2 3 4 5 6 7 8; do stat -c %u:%g /tmp/$i/seven; done; ls /proc/self/fd | wc -l'
	run_ct
	equal "1007:1008 2007:2008 3007:3008 4007:4008 5007:5008 6007:6008 7007:7008 8007:8008 4" "$(echo $out)"
}

@test "idmap: a filesystem that cannot be mapped is named" {
	VOLUME=/proc
	volume bind ro idmap -- 0:5000:100 0:6000:100
	run_fails
	says "map the ids of /proc" "mounts[7].options[2]" "invalid argument" "cannot be id-mapped"
}

@test "idmap: a missing source is named" {
	VOLUME=$WORK/nowhere
	volume bind -- 0:5000:100 0:6000:100
	run_fails
	says "$WORK/nowhere" "mounts[7].source" "no such file"
}

@test "idmap: without mappings to take is refused" {
	volume bind idmap
	run_fails
	says "mounts[7].options[1]" uidMappings "user namespace"
	volume bind -- 0:5000:100 0:6000:0
	config 'del(.mounts[-2])'
	run_fails
	says "mounts[7].gidMappings[0].size" "greater than 0"
}

@test "idmap: features says so" {
	rung features
	equal "true" "$(jq .linux.mountExtensions.idmap.enabled <<<"$out")"
	equal "idmap ridmap" "$(jq -r '.mountOptions | map(select(endswith("idmap"))) | join(" ")' <<<"$out")"
}
