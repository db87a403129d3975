#!/bin/bash
# guest.sh: runs in the virtual machine, as root, called by systemd. Its output goes to the host: "PASS/FILE: TAP".
# /mnt/work/job says what to do (run.sh wrote it).
set -uo pipefail
# The port to the host; udev makes the link.
for ((tries = 0; tries < 100; tries++)); do
  [ ! -e /dev/virtio-ports/rung ] || break
  sleep 0.1
done
exec >/dev/virtio-ports/rung 2>&1 || exit
cp /mnt/work/rung /usr/local/bin/rung
cd /mnt/tree/tests || exit
# shellcheck source=/dev/null
source /mnt/work/job
echo "rung-vm: $(uname -sr), $(systemctl --version | head -n 1), cgroup $(stat -f -c %T /sys/fs/cgroup)"
export RUNG=/usr/local/bin/rung RUNG_TEST_HELPER=/mnt/work/testhelper RUNG_TEST_FAKERESCTRL=/mnt/work/rung-fakeresctrl RUNG_TEST_LIVE=1 RUNG_TEST_OWN_MACHINE=1

# files_of PASS: sets files to those of TESTS that are for this pass: "FILE" is for each, "PASS/FILE" for one.
files_of() {
  local entry
  files=()
  for entry in $TESTS; do
    case $entry in
      "$1"/*) files+=("${entry#*/}") ;;
      */*) ;;
      *) files+=("$entry") ;;
    esac
  done
}

for pass in $PASSES; do
  files_of "$pass"
  # Where others have files, none means that there is nothing to do; the Go tests have no files.
  [ -z "$TESTS" ] || [ ${#files[@]} -gt 0 ] || [ "$pass" = unit ] || continue
  bash "/mnt/tree/tests/vm/passes/$pass.sh" "${files[@]}" 2>&1 | sed -u "s|^|$pass/|"
done
echo "rung-vm: done"
