# shellcheck shell=bash
# Run once before all tests of a `bats` call: makes what they share, unless
# run.sh made it already. The folder is in RUNG_TEST_DATA:
#   bin/testhelper   the helper program (cmd/testhelper)
#   rootfs/          a root filesystem with busybox
#   etc/             the files of its /etc
#   config.json      what `rung spec` writes, a little changed (make_bundle)
setup_suite() {
  # shellcheck source-path=SCRIPTDIR
  source "${BASH_SOURCE[0]%/*}/suite.bash"
  prepare_suite "$BATS_SUITE_TMPDIR/data"
}
