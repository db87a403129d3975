#!/usr/bin/env bats
# exec: a further program in a container that is there.

load helpers

# exec_ct ARG...: runs a program in the test's container; it must succeed.
exec_ct() { rung exec "$@"; }

# exec_fails ARG...: an exec whose program does not run: status 255, one line.
exec_fails() {
	try_rung exec "$@"
	((status == 255)) || [[ -n $RUNG_PEER && $status != 0 && $status != 124 ]] || fail "exit status is $status, want 255"
	[[ -n $err ]] || fail "no error on stderr"
	[[ -n $RUNG_PEER ]] || equal 1 "$(grep -cvE "$WARNING" "$err_file")"
}

# in_status NAME: a line of the program's /proc/self/status, from out.
in_status() { awk -v n="$1:" '$1 == n { $1 = ""; sub(/^ /, ""); print }' <<<"$out"; }

@test "exec: the output and the exit status are the program's" {
	running
	try_rung exec "$CT" sh -c 'echo out; echo err >&2; exit 42'
	equal 42 "$status"
	equal out "$out"
	equal err "$err"
	delete --force
}

@test "exec: a program that a signal ends gives 128 and its number" {
	running
	rung_exits 143 exec "$CT" sh -c 'kill -TERM $$'
	delete --force
}

@test "exec: flags behind the container's id are the program's" {
	running
	exec_ct "$CT" echo -d --tty -e x
	equal "-d --tty -e x" "$out"
	delete --force
}
