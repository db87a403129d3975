#!/usr/bin/env bash
# bats.sh NAME FILE...
#
# Runs bats on the files, printing TAP, and ends with the counts: "NAME: N passed, M failed, K skipped". Not one test
# run is a failure too: a suite that silently shrank to nothing must not pass.
set -euo pipefail
name=$1
shift

tap=$(mktemp)
trap 'rm -f "$tap"' EXIT
status=0
bats --tap "$@" | tee "$tap" || status=$?

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
