# shellcheck shell=bash
# What every test file loads. A test works in a folder of its own (WORK), with
# a state directory (ROOT), a bundle (BUNDLE, its root filesystem ROOTFS) and
# a container id (CT) of its own, inside a cgroup of its own; teardown then
# demands that nothing of it is left (leftovers.bash).

bats_require_minimum_version 1.8.0

# PATIENCE is how long, in seconds, anything may take before a test gives up.
# A slow machine (an emulated one) sets RUNG_TEST_PATIENCE.
PATIENCE=${RUNG_TEST_PATIENCE:-10}

# What every test does is done with few processes: to start one is most of what a test costs, ten times more on an
# emulated machine. A function that would be called as $(function) sets a variable instead.

# gojq starts faster than Debian 12's jq: 2 ms instead of 24, and on an emulated machine 48 instead of 290.
jq() { gojq "$@"; }

source "${BASH_SOURCE[0]%/*}/leftovers.bash"
source "${BASH_SOURCE[0]%/*}/cgroups.bash"

setup() { setup_test; }
teardown() { teardown_test; }

# setup_test: what a setup of a file's own calls.
setup_test() {
  untraced
  prepare_test
}

# untraced: from here on bats' DEBUG trap is for the commands of the test itself, and not for those of the functions
# that it calls, which took two thirds of what bash did. bats tells of the line of the test where one of them failed;
# where in it tell_frames does. bats --trace still shows all.
untraced() {
  [[ ${BATS_TRACE_LEVEL:-0} -eq 0 ]] || return 0
  set +T
  ! declare -F bats_error_trap >/dev/null || trap 'bats_error_trap; tell_frames' ERR
}

tell_frames() {
  local i file
  for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
    file=${BASH_SOURCE[i]}
    [[ ${FUNCNAME[i]} != "$BATS_TEST_NAME" && $file != "$BATS_ROOT"/* ]] || break
    [[ $file != "$BATS_TEST_SOURCE" ]] || file=$BATS_TEST_FILENAME
    echo "in ${FUNCNAME[i]}, ${file##*/} line ${BASH_LINENO[i - 1]}"
  done >&2
}

prepare_test() {
  TAG=rt$$-$((RANDOM % 10000))
  WORK=${TMPDIR:-/tmp}/$TAG.$RANDOM
  ROOT=$WORK/root
  CT=$TAG-c
  mkdir -m 755 "$WORK" "$WORK/bundles" "$WORK/bundles/$CT" # which fails if somebody else has one of that name
  HELPER=$RUNG_TEST_DATA/bin/testhelper
  CALLS=0
  HELPER_PIDS=()
  DRIVER=()
  enter_test_cgroup
  make_bundle "$CT"
}

teardown_test() {
  local pid left
  # bats calls it even if setup skipped the test at once.
  [[ -n ${TAG-} ]] || return 0
  for pid in "${HELPER_PIDS[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  # Not in a subshell: that would be one more process to find.
  leftovers >"$WORK/left"
  left=$(<"$WORK/left")
  if [[ -z $left ]]; then
    remove_work
    return
  fi
  echo "left behind:"
  echo "$left"
  remove_leftovers
  # What a failed test leaves is not its news, what a passed one leaves is.
  [[ -z ${BATS_TEST_COMPLETED-} ]]
}

# --- bundles ---

# make_bundle ID: a bundle for the container ID at WORK/bundles/ID, with the
# configuration of `rung spec`, except: no terminal, a root filesystem that can
# be written, /bin/true as program, and a cgroup below the test's.
# Sets BUNDLE and ROOTFS.
make_bundle() {
  BUNDLE=$WORK/bundles/$1
  ROOTFS=$BUNDLE/rootfs
  [[ -d $BUNDLE ]] || mkdir "$BUNDLE"
  cp -al "$RUNG_TEST_DATA/rootfs" "$ROOTFS"
  # Programs are shared between all bundles, what a container may write is not.
  local text file
  for file in passwd group; do
    text=$(<"$RUNG_TEST_DATA/etc/$file")
    echo "$text" >"$ROOTFS/etc/$file"
  done
  text=$(<"$RUNG_TEST_DATA/config.json")
  name_cgroup "$1"
  echo "${text/@CGROUPS_PATH@/"$CGROUPS_PATH"}" >"$BUNDLE/config.json"
}

# edit JQ-ARG...: the bundle's config.json becomes what jq makes of it.
edit() {
  local text
  text=$(gojq "$@" <"$BUNDLE/config.json") || return
  echo "$text" >"$BUNDLE/config.json"
}

# config FILTER [JQ-ARGS...]: edits the bundle's config.json with jq.
config() {
  local filter=$1
  shift
  edit "$@" "$filter"
}

# program ARG...: sets process.args. Nearly every test does, so where the file and the arguments are plain, which is
# where the file is as jq writes it and no argument has a control character, it takes no process.
program() {
  local lines first last n
  mapfile -t lines <"$BUNDLE/config.json"
  n=${#lines[@]}
  # Objects in .process, and no others, have members that stand this far from the margin and are called args.
  for ((first = 0; first < n; first++)); do [[ ${lines[first]} != '    "args": [' ]] || break; done
  for ((last = first; last < n; last++)); do [[ ${lines[last]} != '    ]'* ]] || break; done
  if ((last == n || $# == 0)) || [[ $* == *[[:cntrl:]]* ]]; then
    # The arguments are jq's until --args; its $ARGS is no shell variable.
    # shellcheck disable=SC2016
    edit '.process.args = $ARGS.positional' --args -- "$@"
    return
  fi
  local quoted=("${@//\\/\\\\}")
  quoted=("${quoted[@]//\"/\\\"}")
  quoted=("${quoted[@]/#/      \"}")
  quoted=("${quoted[@]/%/\",}")
  quoted[-1]=${quoted[-1]%,}
  printf '%s\n' "${lines[@]:0:first + 1}" "${quoted[@]}" "${lines[@]:last}" >"$BUNDLE/config.json"
}

# shell TEXT: sets process.args to a shell that runs TEXT.
shell() { program /bin/sh -c "$1"; }

# give_helper: puts testhelper into the root filesystem as /bin/testhelper.
give_helper() { cp "$HELPER" "$ROOTFS/bin/testhelper"; }

# new_namespace TYPE...: gives the container one of its own of each of these,
# unless it has it. `rung spec` writes a cgroup namespace only on v2.
new_namespace() {
  local type
  for type; do
    config '.linux.namespaces |= map(select(.type != $t)) + [{type: $t}]' --arg t "$type"
  done
}

# host_pids: leaves the container in the host's pid namespace. An ordinary user
# may mount no proc for that, and gives the container the host's.
host_pids() {
  config '.linux.namespaces |= map(select(.type != "pid"))'
  [[ $EUID == 0 ]] || config '(.mounts[] | select(.destination == "/proc")) |= (.type = "none" | .source = "/proc" | .options = ["rbind"])'
}

# --- running the binary ---

# try_rung ARG...: runs the binary with the test's --root and the
# DRIVER of this run. Its exit status is
# in status, what it wrote in out and err (and in the files out_file and
# err_file, which a container that outlives the call goes on writing).
# Standard input is the file STDIN, if set.
try_rung() {
  CALLS=$((CALLS + 1))
  out_file=$WORK/out.$CALLS err_file=$WORK/err.$CALLS
  status=0
  timeout --foreground -k 2 "$PATIENCE" "$RUNG" --root "$ROOT" "${DRIVER[@]}" "$@" \
    <"${STDIN:-/dev/null}" >"$out_file" 2>"$err_file" 3>&- 9>&- || status=$?
  read_output
  echo "\$ rung $* -> $status"
  [[ -z $out ]] || echo "$out"
  [[ -z $err ]] || echo "$err"
}

# read_output: reads out and err anew from the files of the last call.
read_output() {
  out=$(<"$out_file")
  # The log's text format escapes quotes; the tests look for what was meant.
  err=$(<"$err_file")
  err=${err//\\\"/\"}
}

# rung ARG...: as try_rung, and demands success.
rung() {
  try_rung "$@"
  ((status == 0)) || fail "rung $1 failed with status $status"
}

# rung_exits N ARG...: as try_rung, and demands the exit status N.
rung_exits() {
  local want=$1
  shift
  try_rung "$@"
  ((status == want)) || fail "exit status is $status, want $want"
}

# A line on stderr that is a warning.
WARNING='^rung: warning: |level=warning'

# rung_fails ARG...: as try_rung, and demands an error as users should see it:
# exit status 1, one line.
rung_fails() {
  try_rung "$@"
  ((status != 0)) || fail "rung succeeded, and should not have"
  ((status != 124)) || fail "rung hung"
  [[ -n $err ]] || fail "no error on stderr"
  [[ -n $RUNG_PEER ]] && return
  ((status == 1)) || fail "exit status is $status, want 1"
  local errors
  errors=$(grep -cvE "$WARNING" "$err_file")
  ((errors == 1)) || fail "the error has $errors lines, want 1"
}

# rung_usage_error ARG...: demands an error about the call itself.
rung_usage_error() {
  try_rung "$@"
  ((status != 0 && status != 124)) || fail "status is $status, want an error"
  [[ -n $err ]] || fail "no error on stderr"
}

# traced STRACE-ARG... -- RUNG-ARG...: as try_rung, under strace, whose output
# goes to the file TRACE.
traced() {
  local args=()
  while [[ $1 != -- ]]; do
    args+=("$1")
    shift
  done
  shift
  TRACE=$WORK/trace
  printf '#!/bin/sh\nexec strace -f -qq -o %q %s %q "$@"\n' "$TRACE" "${args[*]}" "$RUNG" >"$WORK/traced"
  chmod +x "$WORK/traced"
  RUNG=$WORK/traced try_rung "$@"
}

# traceable: an ordinary user's newuidmap has no privileges under strace, so only
# the user is mapped.
traceable() {
  [[ $EUID == 0 ]] || config '(.linux.uidMappings, .linux.gidMappings) |= .[:1]'
}

# create, run: the verb with the test's bundle and id: create [FLAG...].
create() { rung create --bundle "$BUNDLE" "$@" "$CT"; }
run_ct() { rung run --bundle "$BUNDLE" "$@" "$CT"; }
start() { rung start "$CT"; }
delete() { rung delete "$@" "$CT"; }

# create_fails, run_fails [FLAG...]: the same, expecting an error, after
# which no container may be known.
create_fails() {
  rung_fails create --bundle "$BUNDLE" "$@" "$CT"
  [[ ! -e $ROOT/$CT ]] || fail "the failed create left $ROOT/$CT"
}
run_fails() {
  rung_fails run --bundle "$BUNDLE" "$@" "$CT"
  [[ ! -e $ROOT/$CT ]] || fail "the failed run left $ROOT/$CT"
}

# running: a container that sleeps until it is killed.
running() {
  program sleep 1000
  run_ct --detach
}

# state FIELD [ID]: one field of the container's state JSON, a number or a
# string. Not with jq: its start takes several times as long as rung's.
state() {
  local json
  json=$("$RUNG" --root "$ROOT" state "${2:-$CT}" 3>&-) || return
  [[ $json =~ \"$1\":\ *\"?([^\",]*) ]] || return
  echo "${BASH_REMATCH[1]}"
}

# pid [ID]: the container's init.
pid() { state pid "$@"; }

# --- demands ---

fail() {
  echo "FAILED: $*"
  return 1
}

# equal WANT GOT
equal() { [[ $2 == "$1" ]] || fail "got \"$2\", want \"$1\""; }

# differ A B
differ() { [[ $2 != "$1" ]] || fail "both are \"$1\""; }

# contains TEXT PART...
contains() {
  local text=$1 part
  shift
  for part; do
    [[ $text == *"$part"* ]] || fail "\"$part\" is not in: $text" || return
  done
}

# lacks TEXT PART...
lacks() {
  local text=$1 part
  shift
  for part; do
    [[ $text != *"$part"* ]] || fail "\"$part\" is in: $text" || return
  done
}

# matches TEXT EXTENDED-REGEXP
matches() { [[ $1 =~ $2 ]] || fail "/$2/ does not match: $1"; }

# prints PART...: the last call wrote each PART to stdout.
prints() { contains "$out" "$@"; }

# says PART...: the last call's error names each PART. The peers word their
# errors otherwise.
says() { [[ -n $RUNG_PEER ]] || contains "$err" "$@"; }

# has_line TEXT LINE: one of TEXT's lines is LINE.
has_line() { grep -qxF -- "$2" <<<"$1" || fail "no line \"$2\" in: $1"; }

# same_ns, other_ns NAME PID: the process is, or is not, in this namespace of
# the test.
same_ns() { equal "$(readlink "/proc/self/ns/$1")" "$(readlink "/proc/$2/ns/$1")"; }
other_ns() { differ "$(readlink "/proc/self/ns/$1")" "$(readlink "/proc/$2/ns/$1")"; }

# warns PART...: the last call warned of each PART.
warns() {
  [[ -n $RUNG_PEER ]] || contains "$(grep -E "$WARNING" "$err_file")" "$@"
}

# peer_lacks REASON: skips a test of what the peer cannot do or does otherwise.
peer_lacks() { [[ -z $RUNG_PEER ]] || skip "$RUNG_PEER: $1"; }

# needs_program NAME...
needs_program() {
  local name
  for name; do
    command -v "$name" >/dev/null || skip "$name is not installed"
  done
}

# needs_own_machine: skips where the tests are guests on somebody's machine, which
# keeps its modules and devices.
needs_own_machine() {
  [[ -n ${RUNG_TEST_OWN_MACHINE-} ]] || skip "it changes the host, so it is run in the virtual machine only (make test-vm)"
}

# needs_root REASON: skips where the tests run as an ordinary user.
needs_root() { [[ $EUID == 0 ]] || skip "run by root only: $1"; }

# What only root may do to the host ends the test of an ordinary user, whose
# systemd is a second one.
if [[ $EUID != 0 ]]; then
  systemctl() { command systemctl --user "$@"; }
  systemd-run() { command systemd-run --user "$@"; }
  mount() { needs_root "it mounts on the host"; }
  chown() { needs_root "it gives files away"; }
  mknod() { needs_root "it makes a device node on the host"; }
  ip() { needs_root "it makes a network interface on the host"; }
  unshare() { needs_root "it makes namespaces on the host"; }
  nsenter() { needs_root "it enters namespaces"; }
fi

# host_mounts: the mounts of the host, but for those of other tests, which come and go.
host_mounts() {
  awk -v tag="$TAG" 'index($0, tag) || !/\/rt[0-9]+-[0-9]+\./' /proc/self/mountinfo | cut -d ' ' -f 2,4-
}

# --- waiting, always bounded ---

# poll COMMAND...: runs COMMAND every 20 ms until it succeeds.
poll() {
  local end=$((SECONDS + PATIENCE))
  until "$@"; do
    ((SECONDS < end)) || fail "waited $PATIENCE s in vain for: $*" || return
    sleep 0.02
  done
}

is_status() { [[ $(state status "$2" 2>/dev/null) == "$1" ]]; }

# wait_for_status STATUS [ID]
wait_for_status() { poll is_status "$1" "${2:-$CT}"; }

# is_gone PID: a zombie is as good as gone; whoever adopted it has not looked yet.
is_gone() {
  local line=""
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
  [[ ${line##*) } == Z* ]]
}

# wait_for_exit PID
wait_for_exit() { poll is_gone "$1"; }

# make_fifo: makes /fifo in the root filesystem, through which the container
# tells the test something, and /go, through which the test answers.
make_fifo() {
  mkfifo -m 666 "$ROOTFS/fifo" "$ROOTFS/go"
}

# heard: waits for one line from /fifo and prints it.
heard() {
  local line
  read -r -t "$PATIENCE" line <>"$ROOTFS/fifo" || fail "the container said nothing" || return
  echo "$line"
}

# go: lets a container go on that reads from /go. Opened for reading, too, for
# the container may not be there yet.
go() {
  exec 9<>"$ROOTFS/go"
  echo go >&9
  # Kept open until the container has read it; a fifo forgets at the last close.
}

# --- helpers in the background ---

# in_background COMMAND...: starts COMMAND, which the test or, at its end,
# teardown stops. Its pid is in background; its output goes to background_out.
in_background() {
  CALLS=$((CALLS + 1))
  background_out=$WORK/background.$CALLS
  "$@" <"${STDIN:-/dev/null}" >"$background_out" 2>&1 3>&- 9>&- &
  background=$!
  HELPER_PIDS+=("$background")
}

# rung_in_background ARG...: the binary with the test's --root. A shell starts
# its background processes with INT and QUIT ignored; that is undone.
rung_in_background() {
  in_background env --default-signal=INT,QUIT "$RUNG" --root "$ROOT" "${DRIVER[@]}" "$@"
}

# finish PID: waits for a background process to end; returns its exit status.
finish() {
  poll is_gone "$1" || return 124
  wait "$1"
}

# console_socket [FLAG...]: a receiver of terminals at the socket CONSOLE. What
# the container writes goes to background_out.
console_socket() {
  CONSOLE=$WORK/console.sock
  in_background "$HELPER" recvtty "$@" "$CONSOLE"
  poll test -S "$CONSOLE"
}
