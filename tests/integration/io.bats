#!/usr/bin/env bats
# What goes in and out of run and create without a terminal: streams, exit
# statuses, signals, descriptors, sockets, the pid file.

load helpers

# --- streams ---

@test "io: standard output and standard error are kept apart" {
	shell 'echo to out; echo to err >&2'
	run_ct
	equal "to out" "$out"
	equal "to err" "$err"
}

@test "io: standard input reaches the program, and its end, too" {
	printf 'one\ntwo\n' >"$WORK/input"
	program cat
	STDIN=$WORK/input run_ct
	equal "one
two" "$out"
}

@test "io: pipes on all three streams" {
	shell 'while read -r x; do echo "<$x>"; done; echo end >&2'
	printf 'one\ntwo\n' | "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" 2>"$WORK/err" 3>&- | cat >"$WORK/out"
	equal "<one>
<two>" "$(<"$WORK/out")"
	equal end "$(<"$WORK/err")"
}

@test "io: much output arrives whole" {
	program seq 1 300000
	"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" 3>&- </dev/null | md5sum >"$WORK/sum"
	equal "$(seq 1 300000 | md5sum)" "$(<"$WORK/sum")"
}

@test "io: a reader that goes away does not hang run" {
	program yes
	timeout --foreground "$PATIENCE" bash -c '"$@" | head -n 1' bash \
		"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" >"$WORK/line" 3>&- </dev/null
	equal y "$(<"$WORK/line")"
}

@test "io: closed streams are no error" {
	"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" 3>&- <&- >&- 2>&-
}

@test "io: run does not wait for input that nobody reads" {
	exec 8<>"$(mkfifo "$WORK/never"; echo "$WORK/never")"
	program true
	STDIN=$WORK/never run_ct
	exec 8<&-
}

@test "io: run ends when the program does, though something it started holds the output" {
	host_pids
	shell 'sleep 1000 & echo started'
	# In a pipe, for that has an end only when all its writers are gone.
	timeout --foreground "$PATIENCE" bash -c '"$@" | cat' bash \
		"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" >"$WORK/line" 3>&- </dev/null
	equal started "$(<"$WORK/line")"
}

@test "io: a detached program goes on writing where it was told to" {
	make_fifo
	shell 'echo first; read -r x </go; echo second; echo third >&2'
	run_ct --detach
	local files=("$out_file" "$err_file")
	poll test -s "${files[0]}"
	equal first "$(<"${files[0]}")"
	go
	wait_for_status stopped
	equal "first
second" "$(<"${files[0]}")"
	equal third "$(<"${files[1]}")"
	delete
}

@test "io: a created program, too" {
	shell 'echo written; cat'
	echo read >"$WORK/input"
	STDIN=$WORK/input create
	local file=$out_file
	start
	equal "" "$out"
	wait_for_status stopped
	equal "written
read" "$(<"$file")"
	delete
}

# --- exit statuses ---

@test "exit: run exits with the program's status" {
	local n
	for n in 0 1 2 42 127 255; do
		shell "exit $n"
		rung_exits $n run --bundle "$BUNDLE" "$CT"
	done
}

@test "exit: 128 and the number after a signal" {
	host_pids
	local n
	for n in 1 2 6 9 11 15; do
		shell "kill -$n \$\$"
		rung_exits $((128 + n)) run --bundle "$BUNDLE" "$CT"
	done
}

@test "exit: 137 after kill KILL from outside" {
	program sleep 1000
	rung_in_background run --bundle "$BUNDLE" "$CT"
	wait_for_status running
	rung kill "$CT" KILL
	status=0
	finish "$background" || status=$?
	equal 137 "$status"
}

@test "exit: the container is gone after run" {
	shell 'exit 3'
	rung_exits 3 run --bundle "$BUNDLE" "$CT"
	rung_fails state "$CT"
}

@test "exit: detached, run succeeds though the program fails later" {
	shell 'exit 3'
	run_ct --detach
	wait_for_status stopped
	delete
}

@test "exit: 1 for every error of rung's own" {
	program /no/such/program
	rung_exits 1 run --bundle "$BUNDLE" "$CT"
	rung_exits 1 create --bundle "$BUNDLE" "$CT"
	rung_exits 1 state "$CT"
}

@test "run --keep: the container stays, stopped" {
	shell 'exit 4'
	rung_exits 4 run --keep --bundle "$BUNDLE" "$CT"
	equal stopped "$(state status)"
	rung_fails run --keep --bundle "$BUNDLE" "$CT"
	says exist
	delete
}

@test "run --keep: nothing stays where the program could not be started" {
	program /no/such/program
	try_rung run --keep --bundle "$BUNDLE" "$CT"
	equal 1 "$status"
	[[ -n $RUNG_PEER ]] || [ ! -e "$ROOT/$CT" ]
	delete --force
}

@test "run --detach: returns at once, and init is nobody's child but the machine's" {
	running
	differ $$ "$(awk '/^PPid/ { print $2 }' "/proc/$(pid)/status")"
	delete --force
}

# --- signals ---

@test "signals: each of the usual ones is forwarded to the program at once" {
	local signal
	for signal in TERM INT HUP QUIT USR1 USR2 CONT ALRM; do
		make_fifo
		shell "trap 'echo got $signal; exit 5' $signal; echo ready >/fifo; while :; do sleep 1000 & wait; done"
		rung_in_background run --bundle "$BUNDLE" "$CT"
		equal ready "$(heard)"
		kill -$signal "$background"
		status=0
		finish "$background" || status=$?
		equal 5 "$status"
		equal "got $signal" "$(<"$background_out")"
		rm "$ROOTFS/fifo" "$ROOTFS/go"
	done
}

@test "signals: forwarded while the program runs for long, too" {
	local signal
	for signal in USR1 USR2; do
		make_fifo
		shell "trap 'echo got $signal; exit 5' $signal; sleep 0.2; echo ready >/fifo; while :; do sleep 1000 & wait; done"
		rung_in_background run --bundle "$BUNDLE" "$CT"
		equal ready "$(heard)"
		kill -$signal "$background"
		status=0
		finish "$background" || status=$?
		equal 5 "$status"
		rm "$ROOTFS/fifo" "$ROOTFS/go"
	done
}

@test "signals: run waits for a program that ignores TERM" {
	make_fifo
	shell "trap 'echo ignored >/fifo' TERM; echo ready >/fifo; while :; do sleep 1000 & wait; done"
	rung_in_background run --bundle "$BUNDLE" "$CT"
	equal ready "$(heard)"
	kill -TERM "$background"
	equal ignored "$(heard)"
	kill -0 "$background"
	rung kill "$CT" KILL
	finish "$background" || true
}

@test "signals: run of a killed rung leaves a container that can be deleted" {
	local init
	make_fifo
	shell 'echo ready >/fifo; sleep 1000'
	rung_in_background run --bundle "$BUNDLE" "$CT"
	equal ready "$(heard)"
	init=$(pid)
	kill -KILL "$background"
	finish "$background" || true
	delete --force
	is_gone "$init"
}

@test "run: reaps what the program leaves behind, as a subreaper" {
	local orphan
	host_pids
	make_fifo
	# The inner shell ends, and what it started loses its parent.
	shell 'sh -c "sleep 0.1 & echo \$!" >/fifo; read -r x </go'
	rung_in_background run --bundle "$BUNDLE" "$CT"
	orphan=$(heard)
	poll test ! -d "/proc/$orphan"
	go
	finish "$background"
}

@test "run --no-subreaper: what the program leaves behind is not rung's child, and ends with the container" {
	local flag parent orphan
	host_pids
	make_fifo
	shell 'sh -c "sleep 1000 & echo \$\$ \$!" >/fifo; read -r x </go'
	for flag in "" --no-subreaper; do
		# shellcheck disable=SC2086 # one flag or none
		rung_in_background run $flag --bundle "$BUNDLE" "$CT"
		read -r parent orphan < <(heard)
		poll has_lost "$orphan" "$parent"
		if [[ -z $flag ]]; then
			equal "$background" "$(parent "$orphan")"
		else
			differ "$background" "$(parent "$orphan")"
		fi
		go
		finish "$background"
		is_gone "$orphan"
	done
	run_ct --no-subreaper --detach
	delete --force
}

# parent PID: the pid of its parent. has_lost PID PARENT: it is another one by now.
parent() { awk '$1 == "PPid:" { print $2 }' "/proc/$1/status"; }
has_lost() { [[ $(parent "$1") != "$2" ]]; }

# --- the pid file ---

@test "pid file: holds the pid of init, and nothing else" {
	program sleep 1000
	create --pid-file "$WORK/pid"
	equal "$(pid)" "$(<"$WORK/pid")"
	equal "$(pid | tr -d '\n' | wc -c)" "$(wc -c <"$WORK/pid")"
	equal "" "$(find "$WORK" -maxdepth 1 -name '.*pid*')"
	delete --force
	run_ct --detach --pid-file "$WORK/pid2"
	equal "$(pid)" "$(<"$WORK/pid2")"
	delete --force
}

@test "pid file: is there when create returns, and replaces an old one" {
	echo 1 >"$WORK/pid"
	create --pid-file "$WORK/pid"
	equal "$(pid)" "$(<"$WORK/pid")"
	delete --force
}

@test "pid file: a relative path is taken from the current folder, not from the bundle" {
	mkdir "$WORK/here"
	cd "$WORK/here"
	create --pid-file pid
	equal "$(pid)" "$(<"$WORK/here/pid")"
	delete --force
}

# --- descriptors ---

@test "preserve-fds: so many descriptors are handed on after the three" {
	echo four >"$WORK/four"
	echo five >"$WORK/five"
	shell 'cat <&3; cat <&4; ls /proc/self/fd'
	"$RUNG" --root "$ROOT" "${DRIVER[@]}" run --preserve-fds 2 --bundle "$BUNDLE" "$CT" \
		3<"$WORK/four" 4<"$WORK/five" 5<"$WORK/five" >"$WORK/out" </dev/null
	equal "four five 0 1 2 3 4 5" "$(xargs <"$WORK/out")"
}

@test "preserve-fds: with create and start" {
	echo four >"$WORK/four"
	shell 'cat <&3'
	"$RUNG" --root "$ROOT" "${DRIVER[@]}" create --preserve-fds 1 --bundle "$BUNDLE" "$CT" 3<"$WORK/four" >"$WORK/out" </dev/null
	start
	wait_for_status stopped
	equal four "$(<"$WORK/out")"
	delete
}

@test "LISTEN_FDS: systemd's sockets are handed on, with LISTEN_PID 1" {
	echo three >"$WORK/three"
	echo four >"$WORK/four"
	shell 'echo "$LISTEN_FDS $LISTEN_PID"; cat <&3; cat <&4; ls /proc/self/fd'
	# systemd sets LISTEN_PID to the pid that becomes rung.
	bash -c 'LISTEN_FDS=2 LISTEN_PID=$$ exec "$@"' bash "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" \
		3<"$WORK/three" 4<"$WORK/four" >"$WORK/out" </dev/null
	equal "2 1 three four 0 1 2 3 4 5" "$(xargs <"$WORK/out")"
}

@test "LISTEN_FDS: comes before --preserve-fds" {
	echo three >"$WORK/three"
	echo four >"$WORK/four"
	shell 'echo "$LISTEN_FDS"; cat <&3; cat <&4'
	bash -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' bash "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --preserve-fds 1 --bundle "$BUNDLE" "$CT" \
		3<"$WORK/three" 4<"$WORK/four" >"$WORK/out" </dev/null
	equal "1 three four" "$(xargs <"$WORK/out")"
}

@test "LISTEN_FDS: meant for another process is not handed on" {
	shell 'echo "<$LISTEN_FDS>"'
	LISTEN_FDS=1 LISTEN_PID=1 "$RUNG" --root "$ROOT" "${DRIVER[@]}" run --bundle "$BUNDLE" "$CT" \
		3</etc/passwd >"$WORK/out" </dev/null
	equal "<>" "$(<"$WORK/out")"
}

# systemd: listens on a notify socket; what comes is in background_out.
systemd() {
	in_background "$HELPER" notify-listen "$WORK/notify"
	poll test -S "$WORK/notify"
}

@test "NOTIFY_SOCKET: the program's READY reaches systemd, with init's pid, when start returns" {
	give_helper
	shell 'testhelper notify-send READY=1; sleep 1000'
	systemd
	NOTIFY_SOCKET=$WORK/notify create
	NOTIFY_SOCKET=$WORK/notify start
	poll grep -qx "MAINPID=$(pid)" "$background_out"
	equal READY=1 "$(head -n 1 "$background_out")"
	delete --force
}

@test "NOTIFY_SOCKET: start waits until systemd has read it all, by a barrier" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not"
	give_helper
	shell 'testhelper notify-send READY=1; sleep 1000'
	systemd
	NOTIFY_SOCKET=$WORK/notify create
	NOTIFY_SOCKET=$WORK/notify start
	poll grep -qx BARRIER=1 "$background_out"
	finish "$background"
	delete --force
}

@test "NOTIFY_SOCKET: with run, which stays the main process" {
	local text
	give_helper
	make_fifo
	shell 'testhelper notify-send READY=1; read -r x </go'
	systemd
	text=$background_out
	NOTIFY_SOCKET=$WORK/notify rung_in_background run --bundle "$BUNDLE" "$CT"
	poll grep -qx "MAINPID=$background" "$text"
	equal READY=1 "$(head -n 1 "$text")"
	go
	finish "$background"
}

@test "NOTIFY_SOCKET: a program that ends without a word does not hang start" {
	systemd
	program true
	NOTIFY_SOCKET=$WORK/notify create
	NOTIFY_SOCKET=$WORK/notify start
	wait_for_status stopped
	delete
}

@test "NOTIFY_SOCKET: the program sees the socket below /run/notify" {
	systemd
	shell 'echo $NOTIFY_SOCKET; test -S $NOTIFY_SOCKET && echo socket'
	NOTIFY_SOCKET=$WORK/notify create
	local file=$out_file
	NOTIFY_SOCKET=$WORK/notify start
	wait_for_status stopped
	equal "/run/notify/notify.sock
socket" "$(<"$file")"
	delete
}

@test "pidfd-socket: gets a pidfd of init" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not know it"
	local verb
	program sleep 1000
	for verb in create "run -d"; do
		in_background "$HELPER" recvpidfd "$WORK/pidfd.sock"
		poll test -S "$WORK/pidfd.sock"
		# shellcheck disable=SC2086
		rung $verb --pidfd-socket "$WORK/pidfd.sock" --bundle "$BUNDLE" "$CT"
		finish "$background"
		equal "$(pid)" "$(<"$background_out")"
		delete --force
		rm -f "$WORK/pidfd.sock"
	done
}

@test "pidfd-socket: one that does not exist is an error that names it" {
	[[ $RUNG_PEER != runc ]] || skip "runc 1.1 does not know it"
	create_fails --pidfd-socket "$WORK/nowhere"
	says "$WORK/nowhere" "no such file or directory"
}
