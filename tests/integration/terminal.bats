#!/usr/bin/env bats
# Terminals: by console socket for engines, and the caller's own for run.

load helpers

setup() {
	setup_test
	config '.process.terminal = true'
	mkfifo "$WORK/keys"
}

# tty_text: what the container wrote to the console socket's terminal.
tty_text() { tr -d '\r' <"$background_out"; }

# tty_says TEXT: waits until it wrote this.
tty_says() { poll grep -qF -- "$1" "$background_out"; }

# --- with --console-socket ---

@test "console: create sends the terminal to the socket, start uses it" {
	shell 'tty; test -t 0 && test -t 1 && test -t 2 && echo all three'
	console_socket
	create --console-socket "$CONSOLE"
	start
	finish "$background"
	equal "/dev/pts/0
all three" "$(tty_text)"
	delete
}

@test "console: run --detach sends it, too" {
	shell 'tty; sleep 1000'
	console_socket
	run_ct --detach --console-socket "$CONSOLE"
	tty_says /dev/pts/0
	delete --force
}

@test "console: a relative path to the socket" {
	[[ $RUNG_PEER != runc ]] || skip "runc takes it from the bundle"
	console_socket
	cd "$WORK"
	rung run -d --bundle "bundles/$CT" --console-socket "${CONSOLE##*/}" "$CT"
	finish "$background"
	delete --force
}

@test "console: it is the controlling terminal" {
	shell 'echo to the terminal >/dev/tty'
	console_socket
	run_ct -d --console-socket "$CONSOLE"
	finish "$background"
	equal "to the terminal" "$(tty_text)"
	delete --force
}

@test "console: what comes in is read, and ends the program's line" {
	exec 8<>"$WORK/keys"
	shell 'read line; echo "got $line"'
	STDIN=$WORK/keys console_socket
	run_ct -d --console-socket "$CONSOLE"
	echo "a line" >&8
	tty_says "got a line"
	exec 8<&-
	delete --force
}

@test "console: control-C interrupts the program" {
	exec 8<>"$WORK/keys"
	shell 'trap "echo interrupted; exit" INT; echo ready; while :; do sleep 1000 & wait; done'
	STDIN=$WORK/keys console_socket
	run_ct -d --console-socket "$CONSOLE"
	tty_says ready
	printf '\003' >&8
	tty_says interrupted
	exec 8<&-
	delete --force
}

@test "console: /dev/console is the terminal" {
	shell 'test -c /dev/console && echo to the console >/dev/console; stat -c %t,%T /dev/console; stat -L -c %t,%T /proc/self/fd/0'
	console_socket
	run_ct -d --console-socket "$CONSOLE"
	finish "$background"
	contains "$(tty_text)" "to the console"
	equal 1 "$(tty_text | tail -n 2 | sort -u | wc -l)"
	delete --force
}

@test "console: the terminal belongs to the program's user" {
	shell 'stat -c %u "$(tty)"; echo again >/dev/stdout'
	config '.process.user = {uid: 1000, gid: 1000}'
	console_socket
	run_ct -d --console-socket "$CONSOLE"
	finish "$background"
	equal "1000
again" "$(tty_text)"
	delete --force
}

@test "console: consoleSize is the size from the start" {
	program stty size
	config '.process.consoleSize = {height: 33, width: 144}'
	console_socket
	run_ct -d --console-socket "$CONSOLE"
	finish "$background"
	equal "33 144" "$(tty_text)"
	delete --force
}

@test "console: consoleSize without a terminal is ignored" {
	config '.process.terminal = false | .process.consoleSize = {height: 33, width: 144}'
	run_ct
}

@test "console: the engine resizes it, and the program is told" {
	shell 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 1000 & wait; done'
	console_socket -size 44x155
	run_ct -d --console-socket "$CONSOLE"
	tty_says ready
	kill -USR1 "$background"
	tty_says "44 155"
	delete --force
}

@test "console: when the engine goes away the program gets HUP" {
	local init
	program sleep 1000
	console_socket
	run_ct -d --console-socket "$CONSOLE"
	init=$(pid)
	kill -KILL "$background"
	# As pid 1 without a handler it is not ended by it, but a shell with one is.
	equal running "$(state status)"
	delete --force
	is_gone "$init"
}

@test "console: it is refused without a terminal in config.json" {
	config '.process.terminal = false'
	console_socket
	create_fails --console-socket "$CONSOLE"
	says console-socket
	run_fails --detach --console-socket "$CONSOLE"
}

@test "console: it is refused where run does not detach" {
	console_socket
	run_fails --console-socket "$CONSOLE"
	says console-socket
}

@test "console: a terminal without it is refused where rung does not stay" {
	create_fails
	says process.terminal console-socket
	run_fails --detach
	says console-socket
}

@test "console: a socket that does not exist, or that nobody listens on, is an error that names it" {
	create_fails --console-socket "$WORK/nowhere"
	says "$WORK/nowhere" "no such file or directory"
	console_socket
	kill -KILL "$background"
	wait_for_exit "$background"
	create_fails --console-socket "$CONSOLE"
	says "$CONSOLE" "connection refused"
	create_fails --console-socket "$BUNDLE/config.json"
	says "$BUNDLE/config.json"
}

@test "console: a container without a mount on /dev/pts gets a terminal from the host's" {
	peer_lacks "needs it"
	config '.mounts |= map(select(.destination != "/dev/pts"))'
	program echo here
	console_socket
	# There is no right answer, but one without a word, a hang or a leftover.
	try_rung run -d --bundle "$BUNDLE" --console-socket "$CONSOLE" "$CT"
	if ((status == 0)); then
		tty_says here
		delete --force
	else
		[[ -n $err ]]
	fi
}

# --- run, on the caller's terminal ---

# on_terminal COMMAND: runs a shell command on a terminal of 40 rows and 100
# columns; its exit status is in status, what the terminal showed in shown. What
# is typed comes from the fifo keys, which never ends: the end of its input
# script(1) would type, too.
on_terminal() {
	status=0
	timeout --foreground "$PATIENCE" script -qefc "stty rows 40 cols 100; $1" /dev/null \
		>"$WORK/shown" 2>&1 3>&- <>"$WORK/keys" || status=$?
	shown=$(tr -d '\r' <"$WORK/shown")
	echo "$shown"
	((status != 124)) || fail "hung"
}

# The command line of run, for the shell on the terminal.
run_line() { printf '%q ' "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT"; }

@test "tty: run shows what the program writes, and exits with its status" {
	shell 'tty; echo "on a terminal"; exit 9'
	on_terminal "$(run_line)"
	equal 9 "$status"
	contains "$shown" "/dev/pts/0
on a terminal"
}

@test "tty: lines end in a line feed alone where nobody looks at a terminal, else as on one" {
	shell 'echo one; echo two'
	run_ct
	equal "one"$'\n'"two" "$out"
	on_terminal "$(run_line)"
	contains "$(<"$WORK/shown")" "one"$'\r\n'"two"$'\r'
}

@test "tty: the program has the size of the caller's terminal" {
	# The size may come a moment after the start.
	shell 'until test "$(stty size)" = "40 100"; do :; done; stty size'
	on_terminal "$(run_line)"
	contains "$shown" "40 100"
}

@test "tty: a new size of the caller's terminal reaches the program" {
	make_fifo
	shell 'trap "stty size" WINCH; until echo ready >/fifo; do :; done # a signal may come meanwhile
		until test "$(stty size)" = "50 120"; do sleep 1 & wait; done; echo resized'
	printf '#!/bin/sh\nread -r _ <%q\nstty -F "$1" rows 50 cols 120\n' "$ROOTFS/fifo" >"$WORK/resize"
	on_terminal "tty=\$(tty); sh $WORK/resize \$tty & exec $(run_line)"
	contains "$shown" "50 120" resized
}

@test "tty: what is typed reaches the program, once" {
	exec 8<>"$WORK/keys"
	make_fifo
	shell 'stty -echo; echo ready >/fifo; read line; echo "<$line>"'
	(heard >/dev/null; echo "typed" >&8) 3>&- &
	on_terminal "$(run_line)"
	exec 8<&-
	contains "$shown" "<typed>"
	equal 0 "$status"
}

@test "tty: control-C goes to the program, not to rung" {
	exec 8<>"$WORK/keys"
	make_fifo
	shell 'trap "echo interrupted; exit 4" INT; echo ready >/fifo; while :; do sleep 1000 & wait; done'
	(heard >/dev/null; printf '\003' >&8) 3>&- &
	on_terminal "$(run_line)"
	exec 8<&-
	contains "$shown" interrupted
	equal 4 "$status"
}

@test "tty: the terminal is raw while the program runs, and as before afterwards" {
	make_fifo
	shell 'echo ready >/fifo; read -r x </go'
	printf '#!/bin/sh\nread -r _ <%q\nstty -F "$1" -a >%q\necho go >%q\n' "$ROOTFS/fifo" "$WORK/during" "$ROOTFS/go" >"$WORK/look"
	on_terminal "stty -g >$WORK/before; tty=\$(tty); sh $WORK/look \$tty & $(run_line); stty -g >$WORK/after"
	contains "$(<"$WORK/during")" -icanon -echo -isig
	equal "$(<"$WORK/before")" "$(<"$WORK/after")"
}

@test "tty: the terminal is as before after an error" {
	program /no/such/program
	on_terminal "stty -g >$WORK/before; $(run_line); stty -g >$WORK/after"
	contains "$shown" "no such file or directory"
	equal "$(<"$WORK/before")" "$(<"$WORK/after")"
	config 'del(.process.cwd)'
	on_terminal "$(run_line); stty -g >$WORK/after"
	equal "$(<"$WORK/before")" "$(<"$WORK/after")"
}

@test "tty: the terminal is as before after the program was killed" {
	program sleep 1000
	printf '#!/bin/sh\nuntil %q --root %q kill %q KILL 2>/dev/null; do sleep 0.05; done\n' "$RUNG" "$ROOT" "$CT" >"$WORK/killer"
	on_terminal "stty -g >$WORK/before; sh $WORK/killer & $(run_line); echo status \$?; stty -g >$WORK/after"
	contains "$shown" "status 137"
	equal "$(<"$WORK/before")" "$(<"$WORK/after")"
}

@test "tty: the terminal is as before after rung was sent TERM, HUP, INT or QUIT" {
	local signal
	for signal in TERM HUP INT QUIT; do
		# runc leaves the container alone after INT.
		[[ $RUNG_PEER != runc || $signal != INT ]] || continue
		make_fifo
		shell "trap 'exit 6' $signal; echo ready >/fifo; while :; do sleep 1000 & wait; done"
		printf '#!/bin/sh\nread -r _ <%q\nkill -%s "$1"\n' "$ROOTFS/fifo" "$signal" >"$WORK/signaller"
		on_terminal "stty -g >$WORK/before; sh -c 'sh $WORK/signaller \$\$ & exec $(run_line)'; echo status \$?; stty -g >$WORK/after"
		contains "$shown" "status 6"
		equal "$(<"$WORK/before")" "$(<"$WORK/after")"
		rm "$ROOTFS/fifo" "$ROOTFS/go"
	done
}

@test "tty: much output arrives whole" {
	program seq 1 50000
	on_terminal "$(run_line)"
	equal "$(seq 1 50000 | md5sum)" "$(tr -d '\r' <"$WORK/shown" | md5sum)"
}

@test "tty: a line ends as on any terminal" {
	program printf 'one\ntwo\n'
	on_terminal "$(run_line)"
	equal "$(printf 'one\r\ntwo\r\n' | od -c)" "$(od -c <"$WORK/shown")"
}

@test "tty: run without a terminal of its own works all the same, or says that it needs one" {
	status=0
	shell 'tty; exit 5'
	setsid "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" </dev/null >"$WORK/out" 2>"$WORK/err" 3>&- || status=$?
	if ((status == 5)); then
		contains "$(<"$WORK/out")" /dev/pts/0
	else
		equal 1 "$status"
		[[ -n $RUNG_PEER ]] || contains "$(<"$WORK/err")" process.terminal
	fi
}

@test "tty: standard input may come from elsewhere, as long as there is a terminal" {
	# The pipe's end is no end of a terminal's input.
	shell 'read line; echo "<$line>"'
	on_terminal "echo piped | $(run_line)"
	contains "$shown" "<piped>"
}

@test "terminal: a program that closes its terminal may open it again, and is heard" {
	shell 'exec </dev/null >/dev/null 2>&1; sleep 0.2; echo again >/dev/console; sleep 0.2; echo and again >/dev/console'
	run_ct
	equal $'again\nand again' "$out"
}

@test "run: where nobody reads the output any more, the program goes on to its end, and nothing is left" {
	shell 'echo first; head -c 300000 /dev/zero | tr "\\0" x; echo done >/tmp/end'
	line=$(timeout -k 2 "$PATIENCE" "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" </dev/null 3>&- 9>&- | head -n 1)
	equal first "${line%$'\r'}"
	equal "done" "$(<"$ROOTFS/tmp/end")"
	[[ ! -e $ROOT/$CT ]]
}
