#!/usr/bin/env bats
# The command line itself: help, version, global flags, wrong calls.

load helpers

COMMANDS=(create start run state kill delete list spec features ps update events doctor)

# plain ARG...: the binary without --root.
plain() {
	status=0
	out=$("$RUNG" "$@" 2>"$WORK/err" 3>&- </dev/null) || status=$?
	err=$(<"$WORK/err")
	echo "\$ $* -> $status"
	echo "$out"
	echo "$err"
}

@test "version: --version and -v say version, commit, spec and go" {
	local flag
	for flag in --version -v; do
		plain $flag
		equal 0 "$status"
		matches "$out" "^${RUNG_PEER:-rung} version [^ ]+"
		matches "$out" $'\nspec: [0-9]+\.[0-9]+\.[0-9]+'
		matches "$out" $'\ngo: go[0-9.]+'
	done
	[[ -n $RUNG_PEER ]] || matches "$out" $'\ncommit: [^ ]+'
	[[ -n $RUNG_PEER ]] || matches "$out" $'\nspec: 1\.3\.0\n'
}

@test "help: help, --help, -h and no argument at all list every command and global flag" {
	local call command flag
	for call in help --help -h ""; do
		# No argument is a case, too.
		# shellcheck disable=SC2086
		plain $call
		equal 0 "$status"
		for command in "${COMMANDS[@]}" help; do
			matches "$out" "(^|[ ,])$command([ ,]|$)"
		done
		contains "$out" --root --log --log-format --debug --systemd-cgroup --rootless --version
	done
}

@test "help: every command explains itself with help COMMAND, --help and -h" {
	local command
	for command in "${COMMANDS[@]}"; do
		for call in "help $command" "$command --help" "$command -h"; do
			# shellcheck disable=SC2086
			plain $call
			equal 0 "$status"
			contains "$out" "$command"
			matches "$out" "USAGE"
			equal "" "$err"
		done
	done
}

@test "help: the flags of each command are those of runc 1.5" {
	peer_lacks "is older"
	local command flags flag
	while read -r command flags; do
		plain "$command" --help
		for flag in $flags; do contains "$out" "$flag"; done
	done <<-'END'
		create --bundle -b --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds
		run --bundle -b --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds --no-subreaper --detach -d --keep
		delete --force -f
		list --format -f --quiet -q
		spec --bundle -b --rootless --init
		ps --format -f
		events --interval --stats
		update --resources -r --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpuset-cpus --cpuset-mems --cpu-idle --memory --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema
	END
}

@test "help: the name of the program is its own" {
	peer_lacks "is not rung"
	local command
	for command in "" "${COMMANDS[@]}"; do
		# shellcheck disable=SC2086
		plain help $command
		contains "$out" " rung "
		lacks "$out" "runc $command"
	done
}

@test "cli: an unknown command is an error that names it" {
	rung_usage_error frobnicate
	contains "$out$err" frobnicate
}

@test "cli: an unknown flag is an error that names it" {
	local command
	rung_usage_error --frobnicate list
	contains "$out$err" frobnicate
	for command in "${COMMANDS[@]}"; do
		rung_usage_error "$command" --frobnicate
		contains "$out$err" frobnicate
	done
}

@test "cli: a wrong number of arguments is an error that names the command" {
	local command
	for command in create start run state delete update events; do
		rung_usage_error "$command"
		contains "$err" "$command"
		rung_usage_error "$command" "$CT" more
		contains "$err" "$command"
	done
	for command in list spec features doctor; do
		rung_usage_error "$command" more
		contains "$err" "$command"
	done
}

@test "cli: flags work before and after the id, and with one = or none" {
	cd "$WORK"
	"$RUNG" --root="$ROOT" create --bundle="$BUNDLE" --pid-file="$WORK/pid" "$CT" >/dev/null 2>&1 </dev/null 3>&-
	equal "$(pid)" "$(<"$WORK/pid")"
	rung delete -f "$CT"
}

@test "cli: --root / is refused, however it is written" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 takes it"
	local root
	cd /
	for root in / // /tmp/.. .; do
		plain --root "$root" list
		equal 1 "$status"
		contains "$err" root
	done
}

@test "cli: --root may be relative" {
	cd "$WORK"
	"$RUNG" --root root create --bundle "$BUNDLE" "$CT" >/dev/null 2>&1 </dev/null 3>&-
	equal created "$(state status)"
	delete --force
}

@test "cli: --root is made with its parents, closed to others" {
	ROOT=$WORK/deep/er/root create
	matches "$(stat -c %a "$WORK/deep/er/root")" '^1?700$'
	ROOT=$WORK/deep/er/root delete --force
}

@test "cli: the default --root is /run/rung" {
	[[ -z $RUNG_PEER ]] || skip "$RUNG_PEER has its own"
	needs_root "it mounts over /run"
	# A /run of the test's own keeps it apart from the machine's.
	unshare -m sh -ec '
		mount -t tmpfs tmpfs /run
		unset XDG_RUNTIME_DIR
		"$1" list >/dev/null
		"$1" create --bundle "$2" "$3" </dev/null >/dev/null 2>&1
		ls /run/rung
		"$1" delete --force "$3"
	' sh "$RUNG" "$BUNDLE" "$CT" >"$WORK/ls" 3>&-
	equal "$CT" "$(<"$WORK/ls")"
}

@test "cli: for a user other than root the default --root is in XDG_RUNTIME_DIR" {
	needs_root "it becomes another user; rootless.bats has the like"
	install -m 755 "$RUNG" "$WORK/rung"
	install -d -o 1000 -g 1000 -m 700 "$WORK/xdg"
	# A folder that is no container: list has to come across it.
	install -d -o 1000 -g 1000 -m 700 "$WORK/xdg/${RUNG_PEER:-rung}/$CT"
	XDG_RUNTIME_DIR=$WORK/xdg setpriv --reuid=1000 --regid=1000 --clear-groups "$WORK/rung" list 2>"$WORK/err" 3>&- || true
	contains "$(<"$WORK/err")" "$CT"
}

@test "log: an error goes to stderr and to --log as text" {
	rung_fails --log "$WORK/log" state "$CT"
	matches "$(tail -n 1 "$WORK/log")" 'level=error msg=.*exist'
	contains "$err" "exist"
}

@test "log: an error is the last JSON line of --log with level, msg and time" {
	local last
	rung_fails --log "$WORK/log" --log-format json state "$CT"
	last=$(tail -n 1 "$WORK/log")
	equal error "$(jq -r .level <<<"$last")"
	contains "$(jq -r .msg <<<"$last")" "exist"
	date -d "$(jq -r .time <<<"$last")" >/dev/null
	contains "$err" "$(jq -r .msg <<<"$last")"
}

@test "log: what engines show is the whole error of a failed create" {
	local msg
	program /no/such/program
	rung_fails --log "$WORK/log" --log-format json create --bundle "$BUNDLE" "$CT"
	msg=$(tail -n 1 "$WORK/log" | jq -r .msg)
	contains "$msg" /no/such/program "no such file or directory"
	says "$msg"
}

@test "log: --log is appended to" {
	echo before >"$WORK/log"
	rung_fails --log "$WORK/log" state "$CT"
	equal before "$(head -n 1 "$WORK/log")"
	((2 <= $(wc -l <"$WORK/log")))
}

@test "log: a call that succeeds logs no error" {
	rung --log "$WORK/log" --log-format json run --bundle "$BUNDLE" "$CT"
	equal "" "$(<"$WORK/log")"
	equal "" "$err"
}

@test "log: --debug tells more" {
	rung --debug --log "$WORK/log" run --bundle "$BUNDLE" "$CT"
	contains "$(<"$WORK/log")" level=debug
	rung --debug run --bundle "$BUNDLE" "$CT"
	contains "$err" level=debug
}

@test "log: --debug tells why all steps come a second time" {
	peer_lacks "steps are rung's"
	needs_root "an ordinary user's container is made by a rung within it, at the first attempt"
	program /no/such/program
	try_rung --debug run --bundle "$BUNDLE" "$CT"
	equal 1 "$status"
	matches "$err" "once more, [^=]*: no such file or directory\""
}

@test "log: every line of a --debug log in JSON is JSON" {
	rung --debug --log "$WORK/log" --log-format json run --bundle "$BUNDLE" "$CT"
	jq -e '.level and .msg and .time' "$WORK/log" >/dev/null
}

@test "log: an unknown --log-format is an error that names it" {
	rung_usage_error --log-format xml state "$CT"
	contains "$err" xml
}

@test "log: a --log that cannot be written is an error that names it" {
	rung_usage_error --log "$WORK/no/such/folder/log" state "$CT"
	contains "$err" "$WORK/no/such/folder/log"
}

@test "cli: --rootless takes true, false and auto" {
	local value
	for value in true false auto; do
		# Insists on device rules, which take root.
		[[ $value != false || $EUID == 0 ]] || continue
		rung --rootless "$value" run --bundle "$BUNDLE" "$CT"
	done
	rung_usage_error --rootless perhaps run --bundle "$BUNDLE" "$CT"
}
