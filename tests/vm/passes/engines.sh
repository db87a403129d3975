#!/bin/bash
# The engines' tests with the systemd cgroup driver, as TAP. Called by guest.sh with the names of the files; without
# any, it runs all whose engines the machine has.
# shellcheck source-path=SCRIPTDIR
source "${BASH_SOURCE[0]%/*}/../passes.bash"
cd "$PASSES_DIR/../../engines" || exit
export RUNG_SYSTEMD=yes RUNG_ENGINE_TOOLS=/mnt/work/tools RUNG_TEST_USER=alice BATS_TEST_TIMEOUT=900 RUNG_TEST_CLIENT_LIMIT=600
filter=()
[ -z "${FILTER-}" ] || filter=(--filter "$FILTER")
[ $# -gt 0 ] || set -- cri.bats docker.bats podman.bats podman-pods.bats
status=0
for file; do
  told "$file: " "" bats --tap "${filter[@]}" "$file" || status=1
done
exit "$status"
