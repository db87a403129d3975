#!/usr/bin/env bash
# unit-tests.sh [PACKAGE...]
#
# Runs the Go tests (all of the module's unless packages are named), a line per package and the output of those that
# fail, and ends with the counts of tests and subtests: "unit: N passed, M failed, K skipped".
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- ./...

events=$(mktemp)
trap 'rm -f "$events"' EXIT

# Each package is told as soon as it is done. What a build or a panic prints has no test to belong to; it comes with its package.
status=0
CGO_ENABLED=0 go test -json "$@" | tee "$events" | jq -r --unbuffered '
  select((.Test | not) and (.Action == "pass" or .Action == "fail"))
  | "\(if .Action == "pass" then "ok  " else "FAIL" end) \(.Package) \(.Elapsed // 0)s"' || status=$?

# The output of each failed test, and the reason of each skipped one.
jq -rs '
  (map(select(.Action == "fail")) | map([.Package, .Test])) as $failed
  | (map(select(.Action == "skip" and .Test)) | map([.Package, .Test])) as $skipped
  | (map(select(.Action == "build-output") | .Output) | join("")),
    (group_by([.Package, .Test])[]
      | [.[0].Package, .[0].Test] as $key
      | (map(select(.Action == "output") | .Output) | join("")) as $text
      | if $failed | index([$key]) then "=== \($key[0]) \($key[1] // "")\n\($text)"
        elif $skipped | index([$key]) then "skip \($key[0]) \($key[1]): \($text | split("\n") | map(select(test("^\\s*(===|---)") | not)) | join(" ") | gsub("\\s+"; " "))"
        else empty end)
  | select(. != "")' "$events"

# A package that fails without a failed test (it does not build, or it ended early) counts as one failure.
jq -rs '
  (map(select(.Test and .Action == "pass")) | length) as $passed
  | (map(select(.Test and .Action == "fail"))) as $failures
  | (map(select(.Test and .Action == "skip")) | length) as $skipped
  | ($failures | map(.Package) | unique) as $told
  | (map(select((.Test | not) and .Action == "fail" and ([.Package] - $told | length) == 1)) | length) as $broken
  | "unit: \($passed) passed, \(($failures | length) + $broken) failed, \($skipped) skipped"' "$events"
exit "$status"
