#!/usr/bin/env bats
# A change of rung for a newer or an older one, while containers are there.

load helpers

setup() { setup_test; }

# new_file: what dpkg(1) and "make install" do: another file takes the place of $RUNG, by a rename.
new_file() {
	cp "$RUNG" "$RUNG.new"
	mv "$RUNG.new" "$RUNG"
}

@test "upgrade: what waits for start, runs or was joined goes on when another file takes the binary's place" {
	local waits=$CT-waits joined
	# As on a host the state is not below the binary's folder, which both are layers of the overlay from which the init executes it.
	install -D -m 755 "$RUNG" "$WORK/bin/rung"
	RUNG=$WORK/bin/rung
	running
	rung exec --detach --pid-file "$WORK/joined" "$CT" sleep 1000
	joined=$(<"$WORK/joined")
	make_bundle "$waits"
	config '.process.args = ["sleep", "1000"]'
	rung create --bundle "$BUNDLE" "$waits"
	if [[ $EUID == 0 && -z $RUNG_PEER ]]; then
		equal /rung "$(readlink "/proc/$(pid "$waits")/exe")"
	fi
	new_file
	rung start "$waits"
	equal running "$(state status "$waits")"
	rung exec "$waits" true
	kill -0 "$joined"
	rung exec "$CT" true
	rung pause "$CT"
	rung resume "$CT"
	rung delete --force "$waits"
	delete --force
	is_gone "$joined"
}

# other_version FILE...: makes them files of a version that does not exist yet.
other_version() {
	local file
	for file; do
		sed -E 's/"([a-zA-Z]*Version)": ?[0-9]+/"\1":999/' "$file" >"$WORK/other"
		differ "$(<"$file")" "$(<"$WORK/other")"
		cat "$WORK/other" >"$file"
	done
}

@test "upgrade: a container of another version of rung can be looked at, ended and deleted, and nothing else" {
	peer_lacks "has no such record"
	local init
	running
	init=$(pid)
	other_version "$ROOT/$CT/state.json"
	equal running "$(state status)"
	rung list
	contains "$out" "$CT"
	try_rung exec "$CT" true
	equal 255 "$status"
	says "$CT" version hint
	rung_fails update --pids-limit 10 "$CT"
	says "$CT" version hint
	rung kill "$CT" KILL
	wait_for_exit "$init"
	delete
	is_gone "$init"
}

@test "upgrade: a created container of another version of rung is not started, and deleted" {
	peer_lacks "has no such record"
	local init
	create
	init=$(pid)
	other_version "$ROOT/$CT"/*.json
	rung_fails start "$CT"
	says "$CT" version hint
	equal created "$(state status)"
	delete --force
	is_gone "$init"
}

