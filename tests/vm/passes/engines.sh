#!/bin/bash
# The engines' tests with the systemd cgroup driver, as TAP. Called by guest.sh with the names of the files: those that are
# given and are there, else all whose engines the machine has.
cd engines || exit
export RUNG_SYSTEMD=yes RUNG_ENGINE_TOOLS=/mnt/work/tools RUNG_TEST_USER=alice BATS_TEST_TIMEOUT=900 RUNG_TEST_CLIENT_LIMIT=600
filter=()
[ -z "${FILTER-}" ] || filter=(--filter "$FILTER")
[ $# -gt 0 ] || set -- cri.bats docker.bats podman.bats podman-pods.bats
for file; do
  [ -e "$file" ] || continue
  bats --tap "${filter[@]}" "$file" 2>&1 | sed -u "s|^|$file: |"
done
