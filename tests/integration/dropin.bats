#!/usr/bin/env bats
# What callers of runc and crun expect of the command line: crun's flags, and
# rung under the name of either.

load helpers

setup() {
	setup_test
	peer_lacks "this is about rung in place of others"
}

# as NAME ARG...: the binary by another name, with what try_rung sets.
as() {
	local name=$1
	shift
	ln -sf "$RUNG" "$WORK/$name"
	RUNG=$WORK/$name try_rung "$@"
}

# plain_as NAME ARG...: the same without --root.
plain_as() {
	local name=$1
	shift
	ln -sf "$RUNG" "$WORK/$name"
	status=0
	out=$("$WORK/$name" "$@" 2>"$WORK/err" 3>&-) || status=$?
	err=$(<"$WORK/err")
}

# --- by name ---

@test "called as runc or crun: --version is what engines read, with a number that can be compared" {
	local name number
	while read -r name number; do
		plain_as "$name" --version
		equal 0 "$status"
		matches "$out" "^$name version ${number//./\\.}\+rung\.[^ ]+"
		matches "$out" $'\ncommit: [0-9a-z]+'
		matches "$out" $'\nspec: 1\.[0-9]+\.[0-9]+'
	done <<-END
		runc 1.5.0
		crun 1.27
	END
	contains "$out" $'\nrundir: ' "+SECCOMP"
}

@test "called as runc or crun: the default --root is theirs" {
	needs_root "of a user it is below XDG_RUNTIME_DIR"
	plain_as runc --help
	contains "$out" '"/run/runc"'
	XDG_RUNTIME_DIR='' plain_as crun --help
	contains "$out" '"/run/crun"'
	# crun heeds it for root, too.
	XDG_RUNTIME_DIR=/nowhere plain_as crun --version
	contains "$out" "rundir: /nowhere/crun"
}

@test "called as crun: a container lives its whole life, by flags as argp(3) reads them" {
	program sleep 1000
	as crun --log-l debug --log "file:$WORK/log" create --bun "$BUNDLE" --pid-f="$WORK/pid" "$CT"
	equal 0 "$status"
	contains "$(<"$WORK/log")" "step="
	as crun start "$CT"
	equal 0 "$status"
	equal "$(state pid)" "$(<"$WORK/pid")"
	as crun list -qfjson
	equal "$CT" "$out"
	as crun exec -e A=b "$CT" sh -c 'echo $A'
	equal b "$out"
	as crun kill -a "$CT" KILL
	equal 0 "$status"
	wait_for_status stopped
	as crun delete "$CT"
	equal 0 "$status"
}

@test "called as crun: list, state and ps print what crun does" {
	running
	as crun list
	matches "$out" $'^NAME +PID +STATUS +BUNDLE PATH +CREATED +OWNER\n'"$CT +$(pid) +running +$BUNDLE "
	as crun state "$CT"
	contains "$out" '"ociVersion": "1.0.0"' '"owner": "'"$(id -un)"'"'
	as crun ps "$CT"
	equal $'PID\n'"$(pid)" "$out"
	as crun ps --format json "$CT"
	equal "[$(pid)]" "$(tr -d ' \n' <<<"$out")"
	delete --force
}

@test "called as runc or crun: the example of spec has its name for a hostname" {
	local name
	for name in runc crun; do
		mkdir "$WORK/$name.example"
		as "$name" spec --bundle "$WORK/$name.example"
		equal 0 "$status"
		equal "$name" "$(jq -r .hostname "$WORK/$name.example/config.json")"
	done
}

@test "called as crun: kill and delete --regex tell of what failed, and succeed" {
	running
	as crun delete --regex "$CT"
	equal 0 "$status"
	says "$CT" running
	rung kill "$CT" KILL
	wait_for_status stopped
	as crun kill --regex "$CT"
	equal 0 "$status"
	says "$CT" "not running"
	delete
}

@test "called as runc: state names no owner, and --log is always a file" {
	cd "$WORK"
	running
	as runc --log journald:x state "$CT"
	equal 0 "$status"
	matches "$out" '"owner": ""'
	[[ -f journald:x ]] || fail "there is no file journald:x"
	delete --force
}

@test "called by another name: what errors begin with, and the exit status of a wrong flag and a failed exec" {
	local name usage failed
	running
	while read -r name usage failed; do
		as "$name" list --frobnicate
		equal "$usage" "$status"
		matches "$err" "^$name: .*frobnicate"
		as "$name" exec "$CT" /nonexistent
		equal "$failed" "$status"
		matches "$err" "^$name: "
	done <<-END
		rung 1 255
		runc 1 255
		crun 64 1
	END
	delete --force
}

@test "called as crun: sockets come from whoever passes LISTEN_FDS" {
	shell 'echo $LISTEN_FDS $LISTEN_PID'
	LISTEN_FDS=1 LISTEN_PID=1 as crun run --bundle "$BUNDLE" "$CT"
	equal 1 "$status"
	says "descriptor 3 is not open"
	LISTEN_FDS=1 LISTEN_PID=1 as rung run --bundle "$BUNDLE" "$CT"
	equal 0 "$status"
	equal "" "$out"
}

# --- crun's flags ---

@test "--config: another file than the bundle's config.json, relative to the current folder" {
	cd "$WORK"
	shell 'echo other'
	mv "$BUNDLE/config.json" other.json
	run_ct --config other.json
	equal other "$out"
	run_ct -f "$WORK/other.json"
	equal other "$out"
	create --config=other.json
	delete
	create_fails --config none.json
	says "none.json: no such file"
	jq 'del(.root)' other.json >bad.json
	create_fails --config bad.json
	says root
	echo '{"root": 1}' >bad.json
	create_fails --config bad.json
	says "expected object"
}

@test "spec --file: writes that file, and overwrites it" {
	local dir=$WORK/spec
	mkdir "$dir"
	rung spec --bundle "$dir" --file my.json
	rung spec -b "$dir" -f my.json
	rung spec --file "$WORK/abs.json"
	equal 1.3.0 "$(jq -r .ociVersion "$dir/my.json")"
	equal 1.3.0 "$(jq -r .ociVersion "$WORK/abs.json")"
	[[ ! -e $dir/config.json ]] || fail "there is a config.json"
}

@test "--cgroup-manager: cgroupfs is the default, an unknown one an error" {
	needs_cgroupfs_driver
	# Seen from the host's cgroup namespace, where there is one.
	config '.linux.namespaces |= map(select(.type != "cgroup"))'
	program cat /proc/self/cgroup
	rung --cgroup-manager cgroupfs run --bundle "$BUNDLE" "$CT"
	contains "$out" "$PARENT/$CT"
	try_rung --cgroup-manager=frobnicate create --bundle "$BUNDLE" "$CT"
	equal 1 "$status"
	says "--cgroup-manager" frobnicate "cgroupfs, systemd or disabled"
}

@test "--cgroup-manager disabled: the container is in the caller's cgroup, whoever asked for systemd" {
	program cat /proc/self/cgroup
	config '.linux.resources.memory.limit = 33554432 | .linux.namespaces |= map(select(.type != "cgroup"))'
	local flags
	for flags in "--cgroup-manager disabled" "--systemd-cgroup --cgroup-manager=disabled"; do
		# shellcheck disable=SC2086
		rung $flags run --bundle "$BUNDLE" "$CT"
		equal "$(sort /proc/self/cgroup)" "$(sort <<<"$out")"
		warns "without a cgroup" memory.limit
	done
}

@test "--cgroup-manager disabled: the container can be killed and deleted, with all of its processes" {
	shell 'sleep 1000 & exec sleep 1000'
	rung --cgroup-manager disabled create --bundle "$BUNDLE" "$CT"
	start
	equal running "$(state status)"
	rung exec "$CT" true
	rung_fails pause "$CT"
	rung_fails ps "$CT"
	says "cgroup"
	local init
	init=$(pid)
	delete --force
	is_gone "$init"
}

# with_descriptors N ARG...: as try_rung, where at most N may be open.
with_descriptors() {
	local limit=$1
	shift
	out_file=$WORK/out err_file=$WORK/err status=0
	bash -c 'ulimit -n "$1"; shift; exec "$@"' sh "$limit" "$RUNG" --root "$ROOT" "$@" </dev/null >"$out_file" 2>"$err_file" 3>&- 9>&- || status=$?
	read_output
}

@test "--cgroup-manager disabled: where no descriptor is left for it, a container that runs is not taken for gone" {
	local init limit refused=0
	program sleep 1000
	rung --cgroup-manager disabled run --detach --bundle "$BUNDLE" "$CT"
	init=$(pid)
	for limit in 4 5 6 7; do
		with_descriptors "$limit" kill "$CT" 0
		lacks "$err" "not running"
		with_descriptors "$limit" exec "$CT" true
		lacks "$err" "older rung"
		lacks "$err" "stopped"
		with_descriptors "$limit" ps "$CT"
		((status != 0)) || fail "ps succeeded: $out"
	done
	for limit in 4 5 6 7; do
		with_descriptors "$limit" delete --force "$CT"
		((status != 0)) || break
		says "too many open files"
		refused=$((refused + 1))
		# It is still there, and its record, too.
		kill -0 "$init"
		equal running "$(state status)"
	done
	((refused > 1)) || fail "$refused of the calls failed: this is not about the lack of descriptors"
	is_gone "$init"
}

@test "delete --regex: deletes each container that matches, and no other" {
	local id
	for id in a1 a2 b1; do rung create --bundle "$BUNDLE" "$CT-$id"; config '.linux.cgroupsPath += "x"'; done
	rung delete --regex "^$CT-a[0-9]\$"
	equal "$CT-b1" "$("$RUNG" --root "$ROOT" list -q 3>&-)"
	rung delete -r nothing-like-it
	rung delete -f -r "$CT"
	equal "" "$("$RUNG" --root "$ROOT" list -q 3>&-)"
	try_rung delete --regex '('
	equal 1 "$status"
	says "regular expression"
}

@test "delete --regex: one that runs does not keep the others, and is an error" {
	program sleep 1000
	rung run --detach --bundle "$BUNDLE" "$CT-1"
	config '.linux.cgroupsPath += "x"'
	rung create --bundle "$BUNDLE" "$CT-2"
	try_rung delete --regex "$CT"
	equal 1 "$status"
	says "1 failed" "$CT-1" running
	equal "$CT-1" "$("$RUNG" --root "$ROOT" list -q 3>&-)"
	rung delete --force "$CT-1"
}

@test "kill --regex: each container that matches gets the signal" {
	program sleep 1000
	rung run --detach --bundle "$BUNDLE" "$CT-1"
	config '.linux.cgroupsPath += "x"'
	rung run --detach --bundle "$BUNDLE" "$CT-2"
	rung kill --regex "^$CT-[12]" KILL
	wait_for_status stopped "$CT-1"
	wait_for_status stopped "$CT-2"
	rung delete --regex "$CT"
}

@test "--log-level: error is silent about warnings, debug tells the steps" {
	config '.process.capabilities.bounding += ["CAP_NOT_KNOWN"]'
	run_ct
	warns CAP_NOT_KNOWN
	rung --log-level error run --bundle "$BUNDLE" "$CT"
	equal "" "$err"
	rung --log-level debug --log "file:$WORK/log" run --bundle "$BUNDLE" "$CT"
	contains "$(<"$WORK/log")" CAP_NOT_KNOWN step=clone
	try_rung --log-level chatty list
	equal 1 "$status"
	says chatty "error, warning or debug"
}

@test "--log: journald and syslog that are not there are an error of the command" {
	[[ ! -S /dev/log ]] || skip "this host has a /dev/log"
	try_rung --log syslog: list
	equal 1 "$status"
	says "--log" /dev/log
}

@test "--log journald: the line is in the journal, by its name, with its priority" {
	[[ -S /run/systemd/journal/socket ]] || skip "there is no journald; it is run in the virtual machine (make test-vm)"
	try_rung --log "journald:$CT" state nonexistent
	equal 1 "$status"
	# in_journal: has journald got it by now?
	in_journal() { journalctl -t "$CT" -p err -o cat 2>/dev/null | grep -q nonexistent || journalctl -t "$CT" -o cat | grep -q "does not exist"; }
	poll in_journal
}
