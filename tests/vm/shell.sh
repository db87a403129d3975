#!/usr/bin/env bash
# shell.sh: a root shell in the virtual machine of run.sh, for a person. rung is in its PATH, the tree is /mnt/tree.
# exit, or Ctrl-A X, ends it; what was changed on its disk is gone then.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "${BASH_SOURCE[0]%/*}/machine.bash"
prepare_work
size=$(stty size 2>/dev/null) || size="24 80"
{
  printf 'cp /mnt/work/rung /usr/local/bin/\n'
  printf 'export TERM=%q\n' "${TERM:-linux}"
  printf 'export RUNG=/usr/local/bin/rung RUNG_TEST_HELPER=/mnt/work/testhelper RUNG_TEST_PATIENCE=60\n'
  printf 'stty rows %s cols %s\n' "${size% *}" "${size#* }"
  printf 'cd /root\n'
} >"$WORK/profile"
echo "the machine starts; exit (or Ctrl-A X) ends it. Tests: /mnt/tree/tests/integration/run.sh cgroups.bats" >&2
machine rung.shell=1 -chardev stdio,mux=on,id=console,signal=off -serial chardev:console -mon chardev=console
