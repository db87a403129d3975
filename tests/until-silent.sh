#!/usr/bin/env bash
# until-silent.sh SECONDS COMMAND...
#
# Runs the command and prints what it says. When it has said nothing for so long, the processes of the machine are printed,
# as comments of TAP, and the command is killed with all its children: a suite that hangs is a failure with a reason.
# BATS_TEST_TIMEOUT is not enough for that: bats ends the direct children of the test, and then waits for whoever else
# holds the pipe of its `run`.
set -euo pipefail
limit=$1
shift

descendants() {
  local child
  for child in $(pgrep -P "$1"); do
    descendants "$child"
    echo "$child"
  done
}

exec 9< <(exec "$@" 9>&-)
command=$!
while status=0 && { IFS= read -r -t "$limit" -u 9 line || status=$?; } && [ "$status" -eq 0 ]; do
  printf '%s\n' "$line"
done
if [ "$status" -le 128 ]; then
  printf '%s' "$line"
  wait "$command"
  exit
fi

[ -z "$line" ] || printf '%s\n' "$line"
echo "# $1 has said nothing for $limit s and is killed; the processes are:"
ps -o pid,ppid,stat,etime,wchan:20,args --forest --ppid 2 -p 2 --deselect | cut -c 1-200 | sed 's|^|#   |' # all but the kernel's
# shellcheck disable=SC2046 # one argument each
kill -KILL $(descendants "$command") "$command" || true
exit 1
