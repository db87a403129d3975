#!/usr/bin/env bats
# linux.intelRdt. Processors that have it are rare among the machines that tests
# run on, so most of these tests have a rung that was built with the tag
# fakeresctrl, and find the filesystem resctrl in a folder that behaves like it.

load helpers

# `go` alone is a function of the helpers.
setup_file() {
	if [[ -z ${RUNG_TEST_FAKERESCTRL-} ]] && type -P go >/dev/null; then
		(cd "$BATS_TEST_DIRNAME/../.." && CGO_ENABLED=0 command go build -tags fakeresctrl -o "$BATS_FILE_TMPDIR/rung" .) || return
		export RUNG_TEST_FAKERESCTRL=$BATS_FILE_TMPDIR/rung
	fi
}

setup() {
	setup_test
	peer_lacks "needs the processor"
}

# fake_resctrl: RUNG becomes one that has such a filesystem, at RESCTRL.
fake_resctrl() {
	[[ -n ${RUNG_TEST_FAKERESCTRL-} ]] || skip "there is no Go here to build a rung with a resctrl filesystem"
	RESCTRL=$WORK/resctrl
	export RUNG=$RUNG_TEST_FAKERESCTRL RUNG_FAKE_RESCTRL=$RESCTRL
	mkdir "$RESCTRL"
	"$HELPER" fakeresctrl "$RESCTRL"
}

# rdt JSON: sets linux.intelRdt.
rdt() { config '.linux.intelRdt = ($j | fromjson)' --arg j "$1"; }

# schemata CLASS: its shares, on one line.
schemata() { tr -s ' \n' ' ' <"$RESCTRL/$1/schemata"; }

# classes: the names of all classes.
classes() { (cd "$RESCTRL" && echo */tasks); }

@test "rdt: a class of the container's own, for it, what it starts and what is run in it" {
	fake_resctrl
	rdt '{"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:1=20", "schemata": ["L3:1=3f"]}'
	running
	equal " MB:0=100;1=20 L3:0=f;1=3f " "$(schemata "$CT")"
	equal "$(pid)" "$(<"$RESCTRL/$CT/tasks")"
	rung exec --detach --pid-file "$WORK/pid" "$CT" sleep 1000
	equal "$(pid) $(<"$WORK/pid")" "$(paste -sd' ' "$RESCTRL/$CT/tasks")"
	delete --force
	equal '*/tasks' "$(classes)"
}

@test "rdt: an empty object asks for a class with all of everything" {
	fake_resctrl
	rdt '{}'
	create
	equal " MB:0=100;1=100 L3:0=7ff;1=7ff " "$(schemata "$CT")"
	equal "$(pid)" "$(<"$RESCTRL/$CT/tasks")"
	delete
	equal '*/tasks' "$(classes)"
}

@test "rdt: run takes its class away" {
	fake_resctrl
	rdt '{"enableMonitoring": true}'
	run_ct
	equal '*/tasks' "$(classes)"
}

@test "rdt: a named class stays, and is shared by who asks for the same" {
	fake_resctrl
	rdt '{"closID": "gold", "schemata": ["L3:0=7f0;1=1f"], "enableMonitoring": true}'
	running
	local monitor=$RESCTRL/gold/mon_groups/$CT
	equal "$(pid)" "$(<"$monitor/tasks")"
	rung exec --detach --pid-file "$WORK/pid" "$CT" sleep 1000
	equal "$(pid) $(<"$WORK/pid")" "$(paste -sd' ' "$monitor/tasks")"
	delete --force
	equal 'gold/tasks' "$(classes)"
	[[ ! -e $monitor ]] || fail "the container's monitoring group is left"
	local same
	program /bin/true
	for same in '{"closID": "gold"}' '{"closID": "gold", "l3CacheSchema": "L3:1=01F"}'; do
		rdt "$same"
		run_ct
	done
	equal " MB:0=100;1=100 L3:0=7f0;1=1f " "$(schemata gold)"
}

@test "rdt: a named class that is there and is not what was asked for is refused, and left as it is" {
	fake_resctrl
	rdt '{"closID": "gold", "schemata": ["L3:0=f"]}'
	run_ct
	rdt '{"closID": "gold", "schemata": ["L3:0=ff"]}'
	create_fails
	says linux.intelRdt.closID "is there already" 'L3:0=ff' 'L3:0=f;1=7ff'
	rdt '{"closID": "/", "memBwSchema": "MB:0=10"}'
	create_fails
	says linux.intelRdt.closID "is there already"
	equal " MB:0=100;1=100 L3:0=f;1=7ff " "$(schemata gold)"
	equal " MB:0=100;1=100 L3:0=7ff;1=7ff " "$(schemata /)"
}

@test "rdt: a named class that is not there, with nothing said of it" {
	fake_resctrl
	rdt '{"closID": "silver"}'
	create_fails
	says linux.intelRdt.closID "there is no class of service"
	equal '*/tasks' "$(classes)"
}

@test "rdt: a create that fails leaves no class" {
	fake_resctrl
	local config
	for config in '{}' '{"closID": "gold", "schemata": ["MB:0=50"], "enableMonitoring": true}'; do
		rdt "$config"
		program /no/such/program
		create_fails
		equal '*/tasks' "$(classes)"
	done
	# What the kernel says of it is told.
	rdt '{"schemata": ["L4:0=1"]}'
	create_fails
	says linux.intelRdt "invalid argument" "resource name 'L4'"
	equal '*/tasks' "$(classes)"
}

@test "rdt: of a create that was killed, delete --force removes the class" {
	fake_resctrl
	rdt '{"enableMonitoring": true}'
	config '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "echo $$ >\($pid); exec sleep 1000"], env: ["PATH=/bin:/usr/bin"]}]' --arg pid "$WORK/hook"
	rung_in_background create --bundle "$BUNDLE" "$CT"
	poll test -d "$RESCTRL/$CT/mon_groups/$CT"
	poll test -s "$WORK/hook"
	kill -KILL "$background" "$(<"$WORK/hook")"
	delete --force
	equal '*/tasks' "$(classes)"
}

@test "rdt: events --stats shows shares and counters" {
	fake_resctrl
	rdt '{"l3CacheSchema": "L3:0=f", "enableMonitoring": true}'
	running
	echo 12345 >"$RESCTRL/$CT/mon_groups/$CT/mon_data/mon_L3_01/llc_occupancy"
	rung events --stats "$CT"
	equal '{"cmt_stats":[{"llc_occupancy":4096},{"llc_occupancy":12345}],"l3_cache_info":{"cbm_mask":"7ff","min_cbm_bits":1,"num_closids":4},"l3_cache_schema":"L3:0=f;1=7ff","l3_cache_schema_root":"L3:0=7ff;1=7ff","mbm_stats":[{"mbm_local_bytes":1000,"mbm_total_bytes":2000},{"mbm_local_bytes":1001,"mbm_total_bytes":2001}],"mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":4},"mem_bw_schema":"MB:0=100;1=100","mem_bw_schema_root":"MB:0=100;1=100","schemata":["MB:0=100;1=100","    L3:0=f;1=7ff"]}' \
		"$(jq -c .data.intel_rdt <<<"$out")"
	delete --force
}

@test "rdt: update changes shares, all or none" {
	fake_resctrl
	rdt '{}'
	running
	rung update --l3-cache-schema 'L3:0=3' --mem-bw-schema 'MB:1=30' "$CT"
	equal " MB:0=100;1=30 L3:0=3;1=7ff " "$(schemata "$CT")"
	rung_fails update --l3-cache-schema 'L3:7=3' --mem-bw-schema 'MB:1=50' "$CT"
	says "invalid argument" "domain 7"
	equal " MB:0=100;1=30 L3:0=3;1=7ff " "$(schemata "$CT")"
	# A limit that is refused takes the shares with it.
	rung_fails update --l3-cache-schema 'L3:0=1' --cpuset-cpus 4000 "$CT"
	says --cpuset-cpus
	equal " MB:0=100;1=30 L3:0=3;1=7ff " "$(schemata "$CT")"
	delete --force
}

@test "rdt: update of a container without a class" {
	running
	rung_fails update --l3-cache-schema 'L3:0=f' "$CT"
	says "updating a non-existent Intel RDT configuration is not supported"
	delete --force
}

@test "rdt: a host without it says so" {
	! grep -q ' - resctrl ' /proc/self/mountinfo || skip "this host has it"
	rdt '{"closID": "gold"}'
	create_fails
	says linux.intelRdt "Intel RDT is not enabled"
}
