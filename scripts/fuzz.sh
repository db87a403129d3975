#!/usr/bin/env bash
# fuzz.sh TIME
#
# Runs every fuzz test of the module for TIME (Go's duration: 30s, 5m), one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
duration=${1:?usage: fuzz.sh TIME}

found=0
while read -r package; do
  # `go test -list` ends with a line "ok PACKAGE TIME"; the names stand before it.
  for target in $(CGO_ENABLED=0 go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    found=$((found + 1))
    echo "== $package $target"
    CGO_ENABLED=0 go test -run='^$' -fuzz="^$target\$" -fuzztime="$duration" "$package"
  done
done < <(go list ./...)
echo "fuzz: $found fuzz tests, $duration each, nothing found"
