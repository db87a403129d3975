#!/usr/bin/env bats
# create, start, kill, delete and state: the life of a container as the
# runtime-spec's runtime.md tells it.

load helpers

@test "lifecycle: create does not run the program, start does" {
	make_fifo
	shell 'touch /ran; echo ran >/fifo; sleep 1000'
	create
	equal created "$(state status)"
	[ ! -e "$ROOTFS/ran" ]
	start
	equal ran "$(heard)"
	[ -e "$ROOTFS/ran" ]
	equal running "$(state status)"
	delete --force
}

@test "lifecycle: the whole way, with every status and pid" {
	local init
	program sleep 1000
	create
	equal created "$(state status)"
	init=$(pid)
	[ -d "/proc/$init" ]
	start
	equal running "$(state status)"
	equal "$init" "$(pid)"
	rung kill "$CT" KILL
	wait_for_status stopped
	equal 0 "$(pid)"
	delete
	rung_fails state "$CT"
	says "does not exist"
}

@test "lifecycle: the status is creating while create waits for a hook" {
	peer_lacks "does not know a container before its hooks are done"
	mkfifo "$WORK/entered" "$WORK/leave"
	printf '#!/bin/sh\necho in >%s\nread -r x <%s\n' "$WORK/entered" "$WORK/leave" >"$WORK/hook"
	chmod +x "$WORK/hook"
	config '.hooks.createRuntime = [{path: $hook}]' --arg hook "$WORK/hook"
	rung_in_background create --bundle "$BUNDLE" "$CT"
	read -r -t "$PATIENCE" _ <>"$WORK/entered"
	equal creating "$(state status)"
	rung_fails start "$CT"
	says creat
	rung_fails delete "$CT"
	equal creating "$(state status)"
	echo >"$WORK/leave"
	finish "$background"
	equal created "$(state status)"
	delete --force
}

@test "lifecycle: delete --force of a container in the making ends the hook that create waits for" {
	peer_lacks "does not know a container before its hooks are done"
	local hook child
	mkfifo "$WORK/entered"
	printf '#!/bin/sh\nsleep 1000 &\necho $$ $! >%s\nwait\n' "$WORK/entered" >"$WORK/hook"
	chmod +x "$WORK/hook"
	config '.hooks.createRuntime = [{path: $hook}]' --arg hook "$WORK/hook"
	rung_in_background create --bundle "$BUNDLE" "$CT"
	read -r -t "$PATIENCE" hook child <>"$WORK/entered"
	rung delete --force "$CT"
	is_gone "$hook"
	poll is_gone "$child"
	[[ ! -e $ROOT/$CT ]]
	poll is_gone "$background"
}

@test "lifecycle: state is the spec's JSON with rootfs, created and owner" {
	config '.annotations = {"com.example.key": "a value"}'
	program sleep 1000
	create
	rung state "$CT"
	equal "$(jq -r .ociVersion "$BUNDLE/config.json")" "$(jq -r .ociVersion <<<"$out")"
	equal "$CT" "$(jq -r .id <<<"$out")"
	equal number "$(jq -r '.pid | type' <<<"$out")"
	equal "$BUNDLE" "$(jq -r .bundle <<<"$out")"
	equal "$ROOTFS" "$(jq -r .rootfs <<<"$out")"
	equal "a value" "$(jq -r '.annotations."com.example.key"' <<<"$out")"
	matches "$(jq -r .created <<<"$out")" '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$'
	equal string "$(jq -r '.owner | type' <<<"$out")"
	equal "annotations bundle created id ociVersion owner pid rootfs status" "$(jq -r 'keys | join(" ")' <<<"$out")"
	delete --force
}

@test "lifecycle: created is the time of the creation" {
	local before after created
	before=$(date -u +%s)
	create
	after=$(date -u +%s)
	created=$(date -u -d "$(state created)" +%s)
	((before <= created && created <= after)) || fail "created at $created, not within $before..$after"
	delete --force
}

@test "lifecycle: without annotations the state has none" {
	create
	rung state "$CT"
	equal false "$(jq 'has("annotations")' <<<"$out")"
	delete --force
}

@test "lifecycle: the bundle may be the current folder" {
	cd "$BUNDLE"
	rung create "$CT"
	equal "$BUNDLE" "$(state bundle)"
	delete --force
}

@test "lifecycle: a relative bundle is stored as an absolute one" {
	cd "$WORK"
	rung create -b "bundles/$CT" "$CT"
	equal "$BUNDLE" "$(state bundle)"
	delete --force
}

@test "lifecycle: config.json may change or go after create" {
	make_fifo
	shell 'echo first >/fifo; sleep 1000'
	create
	shell 'echo second >/fifo; sleep 1000'
	mv "$BUNDLE/config.json" "$WORK/"
	start
	equal first "$(heard)"
	delete --force
}

@test "lifecycle: start of a running container is an error and changes nothing" {
	local init
	running
	init=$(pid)
	rung_fails start "$CT"
	says running
	equal running "$(state status)"
	equal "$init" "$(pid)"
	delete --force
}

@test "lifecycle: start of a stopped container is an error" {
	create
	start
	wait_for_status stopped
	rung_fails start "$CT"
	says stopped
	delete
}

@test "lifecycle: of two starts at once exactly one succeeds" {
	[[ $RUNG_PEER != runc ]] || skip "runc's second start may wait for ever"
	local first second won=0
	program sleep 1000
	create
	rung_in_background start "$CT"
	first=$background
	rung_in_background start "$CT"
	second=$background
	! finish "$first" || won=$((won + 1))
	! finish "$second" || won=$((won + 1))
	equal 1 "$won"
	equal running "$(state status)"
	delete --force
}

@test "lifecycle: a container that nobody knows is an error for each command" {
	local command
	for command in start state "kill" delete; do
		rung_fails $command "$CT"
		says "does not exist"
	done
}

@test "lifecycle: delete --force of what is not there is a success" {
	delete --force
	delete --force
	equal "" "$err"
}

@test "lifecycle: delete of a running container is an error and changes nothing" {
	running
	rung_fails delete "$CT"
	says "$CT" running
	equal running "$(state status)"
	delete --force
}

@test "lifecycle: delete of a created container ends it, as with runc" {
	local init
	create
	init=$(pid)
	delete
	is_gone "$init"
}

@test "lifecycle: delete --force of a created container" {
	local init
	create
	init=$(pid)
	delete -f
	is_gone "$init"
}

@test "lifecycle: delete --force of a running container that ignores signals" {
	local init
	make_fifo
	shell 'trap "" TERM INT HUP; echo ready >/fifo; while :; do sleep 1000; done'
	run_ct -d
	heard
	init=$(pid)
	delete --force
	is_gone "$init"
	rung_fails state "$CT"
}

@test "lifecycle: delete of a stopped container clears processes that outlived its init" {
	local child
	make_fifo
	host_pids
	shell 'sleep 1000 >/dev/null 2>&1 & echo $! >/fifo'
	run_ct -d
	child=$(heard)
	wait_for_status stopped
	kill -0 "$child"
	delete
	is_gone "$child"
}

@test "lifecycle: delete takes along what others have put into the state folder" {
	config '.hooks.poststop = [{path: "/bin/sh", args: ["sh", "-c", "echo over >>\($w)/hooks"]}]' --arg w "$WORK"
	run_ct --detach
	wait_for_status stopped
	mkdir -p "$ROOT/$CT/theirs/more" "$WORK/elsewhere"
	touch "$ROOT/$CT/theirs/more/file" "$WORK/elsewhere/file"
	ln -s "$WORK/elsewhere" "$ROOT/$CT/link"
	delete
	[[ ! -e $ROOT/$CT ]] || fail "the folder is left"
	[[ -e $WORK/elsewhere/file ]] || fail "what a link leads to is gone"
	equal over "$(<"$WORK/hooks")"
}

@test "lifecycle: a delete that a mount in the state folder hinders can be repeated" {
	local flag
	needs_root "it mounts on the host"
	config '.hooks.poststop = [{path: "/bin/sh", args: ["sh", "-c", "echo over >>\($w)/hooks"]}]' --arg w "$WORK"
	for flag in "" --force; do
		run_ct --detach
		wait_for_status stopped
		mkdir "$ROOT/$CT/theirs"
		mount -t tmpfs theirs "$ROOT/$CT/theirs"
		touch "$ROOT/$CT/theirs/file"
		rung_fails delete $flag "$CT"
		says "remove $ROOT/$CT/theirs" "something is mounted there"
		equal stopped "$(state status)"
		[[ -e $ROOT/$CT/theirs/file && ! -e $WORK/hooks ]] || fail "the mount was emptied, or the hooks were run"
		umount "$ROOT/$CT/theirs"
		delete $flag
		equal over "$(<"$WORK/hooks")"
		rm "$WORK/hooks"
	done
}

@test "lifecycle: an empty state folder, left by a crash, is cleared by a delete that says so" {
	mkdir -p "$ROOT/$CT"
	rung_fails delete "$CT"
	says "does not exist"
	[[ ! -e $ROOT/$CT ]] || fail "the folder is left"
}

@test "lifecycle: an id can be used again after delete" {
	local first second
	program sleep 1000
	create
	first=$(pid)
	delete --force
	create
	second=$(pid)
	differ "$first" "$second"
	delete --force
}

@test "lifecycle: a container whose init was killed from outside is stopped" {
	running
	kill -KILL "$(pid)"
	wait_for_status stopped
	delete
}

@test "lifecycle: a created container whose init was killed from outside is stopped" {
	create
	kill -KILL "$(pid)"
	wait_for_status stopped
	rung_fails start "$CT"
	delete
}

@test "lifecycle: a bundle that was removed meanwhile does not hinder delete" {
	running
	mv "$BUNDLE" "$WORK/gone"
	delete --force
}

@test "lifecycle: different --root folders do not see each other's containers" {
	create
	mkdir "$WORK/other"
	status=0
	"$RUNG" --root "$WORK/other" state "$CT" 3>&- || status=$?
	equal 1 "$status"
	equal "" "$("$RUNG" --root "$WORK/other" list -q 3>&-)"
	delete --force
}

# headless: a container whose init has ended its main thread, and runs on in others.
headless() {
	peer_lacks "takes it for stopped"
	give_helper
	program testhelper headless
	run_ct --detach
	poll grep -qx headless "$out_file"
}

@test "lifecycle: an init whose main thread has ended runs as long as its other threads do" {
	local pid
	headless
	pid=$(pid)
	equal running "$(state status)"
	rung list
	matches "$out" "$CT +$pid +running"
	rung_fails delete "$CT"
	says "not stopped: running"
	rung kill "$CT" KILL
	wait_for_status stopped
	delete
	is_gone "$pid"
}

@test "lifecycle: an init whose main thread has ended is paused, resumed and deleted by force" {
	[[ $CGROUP_MODE != v1 ]] || needs_controller freezer
	headless
	rung pause "$CT"
	equal paused "$(state status)"
	rung resume "$CT"
	equal running "$(state status)"
	rung kill --all "$CT" CONT
	delete --force
}

@test "lifecycle: what needs the namespaces of an init whose main thread has ended says so" {
	headless
	try_rung exec "$CT" true
	equal 255 "$status"
	says "the main thread of its init has ended"
	try_rung exec --tty "$CT" true
	equal 255 "$status"
	says "the main thread of its init has ended"
	if [[ $EUID == 0 ]]; then
		echo '[{"destination": "/m", "type": "tmpfs", "source": "tmpfs"}]' >"$WORK/list"
		rung_fails mounts add "$CT" "$WORK/list"
		says "the main thread of its init has ended"
		rung_fails checkpoint --image-path "$WORK/images" "$CT"
		says "the main thread of its init has ended"
	fi
	delete --force
}

@test "lifecycle: run waits for all threads of its init" {
	give_helper
	program testhelper headless
	rung_in_background run --bundle "$BUNDLE" "$CT"
	poll grep -qx headless "$background_out"
	equal running "$(state status)"
	rung kill "$CT" KILL
	local code=0
	finish "$background" || code=$?
	equal 137 "$code"
}
