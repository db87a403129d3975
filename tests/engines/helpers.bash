# shellcheck shell=bash
# shellcheck disable=SC2154 # output, lines and status come from bats' run
# What the engines' tests share: a folder and a name of their own, a root filesystem, waiting, and the check that
# nothing is left behind. RUNG names the binary.

: "${RUNG:?names the binary to test}"
bats_require_minimum_version 1.7.0

# DRIVER is the cgroup driver that the engines are told to use: systemd's with RUNG_SYSTEMD=yes, on a host that has one.
DRIVER=cgroupfs
[ "${RUNG_SYSTEMD-}" != yes ] || DRIVER=systemd
export DRIVER

# CLIENT_LIMIT is how many seconds a call of an engine's client may take.
CLIENT_LIMIT=${RUNG_TEST_CLIENT_LIMIT:-60}
export CLIENT_LIMIT

# make_scratch NAME: a folder D for the file's daemons, short because sockets in it may have 107 bytes, and a name TAG
# that is part of every cgroup that the file's containers get, in PARENT. A slice whose name had dashes would be nested.
make_scratch() {
  D=$(mktemp -d "/tmp/rung-$1.XXXXXX")
  TAG=${D##*/}
  TAG=${TAG//[.-]/}
  PARENT=/$TAG
  [ "$DRIVER" = cgroupfs ] || PARENT=$TAG.slice
  export D TAG PARENT
}

# eventually SECONDS COMMAND...: waits until the command succeeds.
eventually() {
  local deadline=$((SECONDS + $1 * ${RUNG_TEST_PATIENCE:-10} / 10))
  shift
  until "$@"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "gave up waiting for: $*" >&2
      return 1
    fi
    sleep 0.05
  done
}

# background COMMAND...: starts a daemon whose output goes to D/daemon.log; its pid is in DAEMON, and in D/daemon.pid for those who
# come after a test that started it anew. bats waits for all who hold its descriptor 3, so it is closed.
background() {
  "$@" >>"$D/daemon.log" 2>&1 3>&- </dev/null &
  DAEMON=$!
  export DAEMON
  echo "$DAEMON" >"$D/daemon.pid"
}

# crash_daemon: ends what background started as a crash does.
crash_daemon() {
  DAEMON=$(<"$D/daemon.pid")
  kill -9 "$DAEMON"
  eventually 10 gone "$DAEMON"
}

answers_or_gone() { "$@" || gone "$DAEMON"; }

# await_daemon COMMAND...: waits until the daemon answers its client, as COMMAND tells by succeeding.
await_daemon() {
  if ! eventually 60 answers_or_gone "$@" || gone "$DAEMON"; then
    tail -n 20 "$D/daemon.log" >&2
    return 1
  fi
}

# tell_why: for teardown, after a test that failed: the end of what the daemon said.
tell_why() { [ -n "$BATS_TEST_COMPLETED" ] || tail -n 5 "$D/daemon.log"; }

# build_tool NAME: builds one of the tests' own programs (see tools) to D/NAME.
# A host without Go finds them in RUNG_ENGINE_TOOLS.
build_tool() {
  if [ -n "${RUNG_ENGINE_TOOLS-}" ]; then
    cp "$RUNG_ENGINE_TOOLS/$1" "$D/$1"
    return
  fi
  CGO_ENABLED=0 go -C "$BATS_TEST_DIRNAME/tools" build -trimpath -buildvcs=false -ldflags '-s -w' -o "$D/$1" "./$1"
}

# build_containerd2: builds the containerd of the module containerd2, which is newer than Debian's, and its shim, to D/bin. Go's cache
# keeps what was compiled: the first time takes some minutes.
build_containerd2() {
  mkdir "$D/bin"
  CGO_ENABLED=0 go -C "$BATS_TEST_DIRNAME/containerd2" build -trimpath -buildvcs=false -ldflags '-s -w' \
    -tags no_btrfs,no_zfs,no_devmapper,no_erofs,no_blockfile -o "$D/bin/" tool
}

# make_host_network: the network namespace D/net, which is the host's for the daemon and its containers, so that there is nothing
# of their bridge on the host. It outlives the daemon.
make_host_network() {
  touch "$D/net"
  unshare --net="$D/net" ip link set lo up
}

# gone PID: the process has ended, whether or not somebody has asked for its exit code.
gone() {
  local stat
  ! stat=$(cat "/proc/$1/stat" 2>/dev/null) || [[ ${stat##*) } == [ZX]* ]]
}

# stop_daemon: ends what background started, politely first.
stop_daemon() {
  DAEMON=$(<"$D/daemon.pid")
  kill "$DAEMON" 2>/dev/null || return 0
  if ! eventually 20 gone "$DAEMON"; then
    kill -9 "$DAEMON"
    return 1
  fi
}

# make_rootfs FOLDER: a root filesystem of busybox and a few users.
make_rootfs() {
  mkdir -p "$1"/{bin,dev,proc,sys,tmp,etc,root,home,run,var}
  cp "$(command -v busybox)" "$1/bin/busybox"
  chroot "$1" /bin/busybox --install -s /bin
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'joe:x:1000:1000:joe:/home:/bin/sh' >"$1/etc/passwd"
  printf '%s\n' 'root:x:0:' 'joe:x:1000:' 'wheel:x:10:joe' >"$1/etc/group"
  chmod 1777 "$1/tmp"
}

# on_terminal COMMAND: runs a shell command on a new terminal of 40 rows and 120 columns, and prints what came out of
# it, without carriage returns. Ends as the command does.
on_terminal() (
  set -o pipefail
  SHELL=$BASH script -qefc "stty rows 40 cols 120; $1" /dev/null </dev/null | tr -d '\r'
)

# group_of PREFIX ID: the cgroup of an engine's container in PARENT; PREFIX is the engine's for the name of a scope.
group_of() {
  if [ "$DRIVER" = systemd ]; then
    echo "$PARENT/$1-$2.scope"
  else
    echo "$TAG/$2"
  fi
}

# limit_of GROUP V2FILE V1CONTROLLER V1FILE: the content of a cgroup's file, on whichever kind of cgroups this host has.
limit_of() {
  if [ -e "/sys/fs/cgroup/$1/$2" ]; then
    cat "/sys/fs/cgroup/$1/$2"
  else
    cat "/sys/fs/cgroup/$3/$1/$4"
  fi
}

# For a shell in a container on a terminal: prints its name, and its size as soon as the engine has told it, which may
# be after the program has been started.
# shellcheck disable=SC2034,SC2016
tell_terminal='tty; until [ -n "$(stty size 2>/dev/null)" ]; do sleep 0.05; done; stty size'

cgroups_left() { find /sys/fs/cgroup -mindepth 2 -depth -type d \( -path "*$TAG/*" -o -path "*$TAG.slice/*" \) 2>/dev/null; }

# at_once N COMMAND...: runs the command N times together, each time with its number as the last argument, and fails if one of them
# ends with another exit code than that number.
at_once() {
  local i code pids=()
  for i in $(seq "$1"); do
    "${@:2}" "$i" 3>&- &
    pids+=($!)
  done
  for i in $(seq "$1"); do
    code=0
    wait "${pids[i - 1]}" || code=$?
    if [ "$code" -ne "$i" ]; then
      echo "number $i ended with exit code $code"
      return 1
    fi
  done
}

# The processes whose executable is a shim and whose arguments name the folder of this file's daemons.
shims_left() {
  local pid
  for pid in /proc/[0-9]*; do
    if [[ $(readlink "$pid/exe") == *containerd-shim* ]] && tr '\0' ' ' <"$pid/cmdline" | grep -qF "$D/"; then
      echo "${pid#/proc/}"
    fi
  done 2>/dev/null
}

# processes_left: the pids and command lines of processes whose root filesystem is of this file's folder: what is mounted on / in their
# mount namespace is below it, or an overlay of folders there.
processes_left() {
  local mountinfo pid command name=${D##*/}
  while read -r mountinfo; do
    pid=${mountinfo//[!0-9]/}
    command=$(tr '\0' ' ' <"/proc/$pid/cmdline") || continue
    echo "$pid $command"
  done < <(grep -lsE "^[0-9]+ [0-9]+ [0-9:]+ ([^ ]*/$name/[^ ]* / |[^ ]+ / .*/$name/)" /proc/[0-9]*/mountinfo) 2>/dev/null
}

# The containers that rung keeps a record of, under the state folders given.
states_left() { [ $# -eq 0 ] || find "$@" -mindepth 1 -maxdepth 1 2>/dev/null; }

# clean STATE_FOLDER...: succeeds if no container has left a cgroup, a process or a record; names what is left.
clean() {
  local left
  left=$(
    cgroups_left
    processes_left
    states_left "$@"
  )
  [ -z "$left" ]
}

# assert_clean STATE_FOLDER...: as clean, but engines clear up behind their client's back, so within a few seconds.
assert_clean() {
  if ! eventually 10 clean "$@"; then
    echo "left behind:"
    cgroups_left
    processes_left
    states_left "$@"
    return 1
  fi
}

no_shims() { [ -z "$(shims_left)" ]; }

# remove_scratch: after the daemons have ended, takes away what is left and fails if that was more than it should be.
remove_scratch() {
  local pid mount mounts left status=0
  eventually 5 no_shims || true
  for pid in $(shims_left); do
    echo "a shim was left: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
    kill -9 "$pid" || true
    status=1
  done
  mounts=$(awk -v dir="$D/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
  for mount in $mounts; do
    echo "a mount was left: $mount" >&2
    umount -l "$mount" || true
    status=1
  done
  left=$(
    cgroups_left
    processes_left
  )
  if [ -n "$left" ]; then
    echo "a cgroup or a process was left: $left" >&2
    processes_left | while read -r pid _; do kill -9 "$pid"; done
    status=1
  fi
  [ "$DRIVER" = cgroupfs ] || systemctl stop "$PARENT"
  # The parent group belongs to the engine's namespace, not to a container: engines leave it.
  find /sys/fs/cgroup -mindepth 1 -depth -type d -path "*/$TAG*" -exec rmdir {} + 2>/dev/null || true
  rm -rf --one-file-system "$D"
  return "$status"
}

# said TEXT: the last `run`'s output holds the text; shows the output if not.
said() {
  if [[ $output != *"$1"* ]]; then
    echo "expected to read: $1"
    echo "read: $output"
    return 1
  fi
}

# ended CODE: the last `run` ended with the exit code; shows code and output if not.
ended() {
  if [ "$status" -ne "$1" ]; then
    echo "expected exit code $1, got $status: $output"
    return 1
  fi
}

# shows TEXT: the last `run` succeeded and printed exactly the text.
shows() {
  ended 0
  if [ "$output" != "$1" ]; then
    echo "expected: $1"
    echo "printed:  $output"
    return 1
  fi
}
