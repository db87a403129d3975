#!/usr/bin/env bats
# list: the table, the JSON, the ids.

load helpers

# row ID: the line of the last table that begins with this id.
row() { grep -E "^$1 " <<<"$out" | tr -s ' '; }

@test "list: the header alone when there is nothing" {
	mkdir "$ROOT"
	rung list
	matches "$out" '^ID +PID +STATUS +BUNDLE +CREATED +OWNER$'
	rung list --quiet
	equal "" "$out"
	rung list --format json
	equal null "$out"
}

@test "list: one row per container with pid, status, bundle, creation and owner" {
	local init
	create
	init=$(pid)
	rung list
	equal 2 "$(wc -l <<<"$out")"
	matches "$(row "$CT")" "^$CT $init created $BUNDLE [0-9-]+T[0-9:.]+Z $(id -un) *$"
	start
	wait_for_status stopped
	rung list
	matches "$(row "$CT")" "^$CT 0 stopped $BUNDLE "
	delete
	rung list
	equal 1 "$(wc -l <<<"$out")"
}

@test "list: the columns are aligned for short and long ids" {
	CT=$TAG-a make_bundle "$TAG-a"
	rung create --bundle "$BUNDLE" "$TAG-a"
	make_bundle "$TAG-a-much-longer-name"
	rung create --bundle "$BUNDLE" "$TAG-a-much-longer-name"
	rung list
	equal 1 "$(awk '{ print index($0, $3) }' <<<"$out" | sort -u | wc -l)"
	delete_all
}

# delete_all: deletes every container of the test.
delete_all() {
	local id
	for id in $("$RUNG" --root "$ROOT" list -q 3>&-); do rung delete --force "$id"; done
}

@test "list: several containers in the order of their ids" {
	local id
	for id in "$TAG-c" "$TAG-a" "$TAG-b"; do
		[[ -d $WORK/bundles/$id ]] || make_bundle "$id"
		rung create --bundle "$WORK/bundles/$id" "$id"
	done
	rung list --quiet
	equal "$TAG-a"$'\n'"$TAG-b"$'\n'"$TAG-c" "$out"
	rung list -q
	equal 3 "$(wc -l <<<"$out")"
	rung list -f json
	equal "$TAG-a $TAG-b $TAG-c" "$(jq -r '[.[].id] | join(" ")' <<<"$out")"
	delete_all
}

@test "list: the JSON has the fields of state" {
	local listed
	config '.annotations = {"a": "b"}'
	create
	rung list --format json
	listed=$(jq '.[0] | del(.owner)' <<<"$out")
	equal "$(id -un)" "$(jq -r '.[0].owner' <<<"$out")"
	rung state "$CT"
	equal "$(jq 'del(.owner)' <<<"$out")" "$listed"
	delete --force
}

@test "list: an unknown format is an error that names it" {
	mkdir "$ROOT"
	rung_fails list --format yaml
	says format yaml
}

@test "list: a --root that does not exist is an error" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 lists nothing instead"
	rung_fails list
	says "$ROOT" "no such file or directory"
}

@test "list: what is not readable is reported and the rest is listed" {
	create
	mkdir "$ROOT/$TAG-broken"
	echo '{' >"$ROOT/$TAG-broken/state.json"
	try_rung list
	equal 0 "$status"
	contains "$out" "$CT"
	contains "$err" "$TAG-broken"
	rm -r "$ROOT/$TAG-broken"
	delete --force
}

@test "list: files beside the containers' folders are passed over" {
	create
	touch "$ROOT/a-file"
	rung list -q
	equal "$CT" "$out"
	equal "" "$err"
	rm "$ROOT/a-file"
	delete --force
}

# broken_folders: state folders as crashes and mistakes leave them.
broken_folders() {
	BROKEN=("$TAG-empty" "$TAG-cut" "$TAG-folder" "$TAG-fifo" "$TAG-more" "$TAG-past" "$TAG-other")
	mkdir -p "${BROKEN[@]/#/$ROOT/}"
	echo '{"rungStateVersion":1,"id":"x' >"$ROOT/$TAG-cut/state.json"
	mkdir "$ROOT/$TAG-folder/state.json"
	mkfifo "$ROOT/$TAG-fifo/state.json"
	mkdir "$ROOT/$TAG-more/sub"
	echo note >"$ROOT/$TAG-more/sub/note"
	sed 's/"rungStateVersion":[0-9]*/"rungStateVersion":0/; s/'"$CT"'/'"$TAG-past"'/g' "$ROOT/$CT/state.json" >"$ROOT/$TAG-past/state.json"
	cp "$ROOT/$CT/state.json" "$ROOT/$TAG-other/state.json"
}

@test "list: every kind of broken folder is named with the reason, and delete --force clears it" {
	peer_lacks "keeps its state otherwise"
	local id listed
	program sleep 1000
	create
	broken_folders
	# By the record of the copy the cgroup of the other would go.
	sed -i 's/"driver":"[a-z]*"/"driver":"none"/; s/"folders":\[[^]]*\]/"folders":[]/; s/"pid":[0-9]*/"pid":0/g' "$ROOT/$TAG-past/state.json"
	rung list
	equal 2 "$(wc -l <<<"$out")"
	contains "$out" "$CT"
	listed=$err
	for id in "${BROKEN[@]}"; do
		contains "$listed" "$ROOT/$id" "rung delete --force $id clears it"
		rung_fails state "$id"
		says "$ROOT/$id"
		rung_fails delete "$id"
		# An empty folder is what a delete that was killed has left.
		[[ $id == *-empty || -d $ROOT/$id ]] || fail "delete without force removed $id"
		rung delete --force "$id"
		[[ ! -e $ROOT/$id ]] || fail "$id is still there: $(ls -A "$ROOT/$id")"
	done
	rung list
	equal "" "$err"
	equal created "$(state status)"
	delete --force
}

@test "list: a container whose init and bundle are gone is stopped" {
	running
	kill -KILL "$(pid)"
	rm -rf "$BUNDLE"
	wait_for_status stopped
	rung list
	matches "$(row "$CT")" "^$CT 0 stopped $BUNDLE "
	rung state "$CT"
	equal stopped "$(jq -r .status <<<"$out")"
	equal 0 "$(jq -r .pid <<<"$out")"
	delete
}

@test "list: a container whose pid is another process's by now is stopped" {
	peer_lacks "keeps its state otherwise"
	running
	kill -KILL "$(pid)"
	wait_for_status stopped
	sed -i 's/"init":{"pid":[0-9]*/"init":{"pid":'$$'/' "$ROOT/$CT/state.json"
	rung list
	matches "$(row "$CT")" "^$CT 0 stopped "
	delete --force
	kill -0 $$
}

@test "list: a create that was killed leaves a stopped container, which delete clears" {
	peer_lacks "keeps its state otherwise"
	program sleep 1000
	create
	local init
	init=$(pid)
	# As if it had been killed before the state was written.
	rm "$ROOT/$CT/state.json"
	kill -KILL "$init"
	wait_for_exit "$init"
	rung list
	matches "$(row "$CT")" "^$CT 0 stopped "
	delete
}

@test "list: broken state of a container that runs: it is named, and delete --force ends it" {
	peer_lacks "keeps its state otherwise"
	local init
	running
	init=$(pid)
	echo '{' >"$ROOT/$CT/state.json"
	rung list
	contains "$err" "$ROOT/$CT" "state.json is cut short or damaged"
	rung_fails kill "$CT" KILL
	kill -0 "$init"
	rung delete --force "$CT"
	wait_for_exit "$init"
}
