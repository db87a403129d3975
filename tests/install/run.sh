#!/usr/bin/env bash
# run.sh [FILE...]: the packages: installed and removed on a clean Debian, and built twice alike. Needs root.
set -euo pipefail
cd "$(dirname "$0")"
if [ "$(id -u)" -ne 0 ]; then
  echo "make test-install needs root: it makes a Debian to install on; try: sudo make test-install" >&2
  exit 1
fi
# No test may hang: each has this many seconds. Compiling Go itself is one.
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-1800}
[ $# -gt 0 ] || set -- deb.bats release.bats
exec ../../scripts/bats.sh install "$@"
