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
# shellcheck source-path=SCRIPTDIR source=passes.bash
source ./vm/passes.bash
echo "rung-vm: $(uname -sr), $(systemctl --version | head -n 1), cgroup $(stat -f -c %T /sys/fs/cgroup)"
export RUNG=/usr/local/bin/rung RUNG_TEST_HELPER=/mnt/work/testhelper RUNG_TEST_FAKERESCTRL=/mnt/work/rung-fakeresctrl RUNG_TEST_LIVE=1 RUNG_TEST_OWN_MACHINE=1
run_passes
echo "rung-vm: done"
