#!/bin/bash
# What `systemctl start`, `restart` and `reload` come to on the tests' clean Debian: the daemons of Debian's packages, by their
# programs, until they answer, or have read their configuration again.
set -euo pipefail

# stop PROGRAM: ends it, and waits until it is gone.
stop() {
  local pid
  pid=$(cat "/run/$1.test.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || true
  while [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do sleep 0.05; done
}

# start PROGRAM CLIENT...: starts it, and waits until the client gets an answer.
start() {
  local program=$1 tries
  shift
  "$program" >>"/var/log/$program.log" 2>&1 </dev/null &
  echo $! >"/run/$program.test.pid"
  for ((tries = 0; tries < 600; tries++)); do
    ! "$@" >/dev/null 2>&1 || return 0
    kill -0 $! || break
    sleep 0.1
  done
  tail -n 20 "/var/log/$program.log" >&2
  return 1
}

# reload PROGRAM TEXT: has it read its configuration again, and waits until its log says so.
reload() {
  local log=/var/log/$1.log before tries
  before=$(grep -c -F "$2" "$log" || true)
  kill -HUP "$(cat "/run/$1.test.pid")"
  for ((tries = 0; tries < 600; tries++)); do
    [ "$(grep -c -F "$2" "$log" || true)" -le "$before" ] || return 0
    sleep 0.1
  done
  tail -n 20 "$log" >&2
  return 1
}

verb=$1
shift
for unit; do
  case $verb/${unit%.service} in
  start/containerd) start containerd ctr version ;;
  start/docker) start dockerd docker version ;;
  restart/containerd)
    stop containerd
    start containerd ctr version
    ;;
  restart/docker)
    stop dockerd
    start dockerd docker version
    ;;
  reload/docker) reload dockerd "Reloaded configuration" ;;
  *)
    echo "systemctl: the tests know nothing of: $verb $unit" >&2
    exit 1
    ;;
  esac
done
