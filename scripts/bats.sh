#!/usr/bin/env bash
# bats.sh NAME FILE...
#
# Runs bats on the files, printing TAP, and ends with the counts: "NAME: N passed, M failed, K skipped". Not one test
# run is a failure too: a suite that silently shrank to nothing must not pass. BATS_TEST_TIMEOUT is how many seconds a test
# may take; nothing said for longer than that and what comes before a file's first test ends it all.
set -euo pipefail
name=$1
shift

tap=$(mktemp)
trap 'rm -f "$tap"' EXIT
status=0
"$(dirname "$0")/../tests/until-silent.sh" $((BATS_TEST_TIMEOUT + 300)) bats --tap "$@" | tee "$tap" || status=$?

awk -v name="$name" '
  /^1\.\.[0-9]+$/ { planned = substr($0, 4) }
  /^ok .* # skip/ { skipped++; next }
  /^ok / { passed++ }
  /^not ok / { failed++ }
  END {
    run = passed + failed + skipped
    if (run < planned) failed += planned - run
    if (planned == 0) failed++
    printf "%s: %d passed, %d failed, %d skipped\n", name, passed, failed, skipped
    exit failed > 0
  }' "$tap" || status=1
exit "$status"
