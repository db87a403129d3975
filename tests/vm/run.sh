#!/usr/bin/env bash
# run.sh: the tests in a virtual machine: a Debian host with systemd and cgroup v2 only. One line per test as it
# ends, in the end "N passed, M failed, K skipped"; the exit status is 1 if a test failed, the machine died, or it took
# too long.
#
# From the environment:
#   RUNG         the binary under test (default: rung in the repository's root)
#   PASS         which of the passes are run (default: all):
#                unit           the Go tests of the packages that see most of the host
#                root-cgroupfs  the integration tests, with cgroups that rung makes itself
#                root-systemd   the same, with the systemd cgroup driver
#                rootless       the same as an ordinary user, in a cgroup that the user's systemd has delegated
#                rootless-systemd  and with scopes that the user's systemd makes: what has to do with cgroups
#                engines        the tests of the CRI, Docker and Podman, with the systemd cgroup driver
#   TESTS        which files of tests/integration and tests/engines (default: all), for each pass that has them;
#                PASS/FILE.bats is for that pass only
#   FILTER       only the tests whose names this regular expression matches
#   VM_TIMEOUT   seconds that all of it may take (default 14400; an emulated machine needs half of that)
#   VM_SILENCE   seconds that the machine may say nothing (default 900)
#   VM_LOG       keep the machine's console in this file
#   RUNG_TEST_PATIENCE, RUNG_CRASH_ROUNDS, JOBS   as for tests/integration/run.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "${BASH_SOURCE[0]%/*}/machine.bash"
# shellcheck source-path=SCRIPTDIR
source "${BASH_SOURCE[0]%/*}/passes.bash"

PASSES=${PASS:-unit root-cgroupfs root-systemd rootless rootless-systemd engines}
TESTS=${TESTS-}
# The Go tests that see most of the host.
packages=(libcontainer/cgroup libcontainer/cgroup/systemd libcontainer/rootfs libcontainer/process libcontainer internal/spawn)

check_passes || exit 2
prepare_work
if [[ " $PASSES " == *" unit "* ]]; then
  for package in "${packages[@]}"; do
    vm_go test -c -o "$WORK/unit/${package//\//+}.test" "./$package"
  done
fi
console=${VM_LOG:-$SCRATCH/console.log}
: >"$console"

# What the machine is to do. Timeouts are long: an emulated processor is ten times slower, and perhaps shared.
{
  printf '%s=%q\n' PASSES "$PASSES" TESTS "$TESTS"
  printf 'export %s=%q\n' FILTER "${FILTER-}" RUNG_TEST_PATIENCE "${RUNG_TEST_PATIENCE:-60}" RUNG_CRASH_ROUNDS "${RUNG_CRASH_ROUNDS:-10}" \
    JOBS "${JOBS:-${VM_CPUS:-2}}"
} >"$WORK/job"

# The image first: its making is not part of the time limit.
"$VM_DIR/image.sh" >/dev/null

# listen: passes on what the machine says. One that stands still is asked where its processors and its waiting tasks are,
# which it says on its console (the keys of proc-sysrq, "Magic SysRq" in the kernel's documentation), and ended.
listen() {
  local line key status=0
  while :; do
    IFS= read -r -t "${VM_SILENCE:-900}" line || { status=$?; break; }
    printf '%s\n' "$line"
  done
  [ "$status" -gt 128 ] || return 0
  echo "the machine has said nothing for ${VM_SILENCE:-900} s" >&2
  for key in 9 l w m; do
    echo "sendkey alt-sysrq-$key"
    sleep 10 # it is slow, and nothing tells that it has done so
  done >>"$SCRATCH/monitor.in"
  echo quit >>"$SCRATCH/monitor.in"
}

# Results come as "PASS/FILE: TAP". What was planned and is not there, because the machine died, has failed.
status=0
VM_LIMIT=(timeout --foreground -k 5 "${VM_TIMEOUT:-14400}")
mkfifo "$SCRATCH/monitor.in" "$SCRATCH/monitor.out"
machine "rung.tests=1 sysrq_always_enabled" -serial "file:$console" -chardev file,id=words,path=/proc/self/fd/1 \
  -device virtio-serial-pci -device virtserialport,chardev=words,name=rung \
  -monitor "pipe:$SCRATCH/monitor" </dev/null | listen | tee "$SCRATCH/words" || true
counts=$(awk -f "$VM_DIR/count.awk" "$SCRATCH/words") || status=$?
if [ "$status" -ne 0 ]; then
  echo "--- the end of the machine's console" >&2
  tail -n 200 "$console" >&2
fi
echo "$counts"
exit "$status"
