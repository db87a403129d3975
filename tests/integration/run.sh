#!/usr/bin/env bash
# Runs the integration tests: tests/integration/run.sh [FILE.bats...]
#
# The files run in JOBS processes side by side (default: one per CPU). The last
# line is "N passed, M failed, K skipped"; the exit status is 1 if any failed.
# From the environment:
#   RUNG                 the binary under test (default: rung in the repository's root)
#   TAP_DIR              also write each file's results there, as FILE.tap
#   JOBS                 how many files run at once
#   FILTER               only the tests whose names this regular expression matches
#   RUNG_TEST_LIVE       print each result as it comes, as "FILE: TAP"
#   RUNG_SYSTEMD         yes: with the systemd cgroup driver, where a test is not about the other one
#   RUNG_TEST_PATIENCE   seconds that anything may take (default 10)
#   RUNG_CRASH_ROUNDS    kills per command in crash.bats (default 100)
#   RUNG_CRASH_SEED      the seed of their moments (default: a new one, printed)
#   RUNG_TEST_OWN_MACHINE  set where the machine is for the tests alone
#   RUNG_TEST_HELPER     a testhelper that is built already (where there is no Go)
#   RUNG_TEST_FAKERESCTRL  a rung that is built already with the tag fakeresctrl
#   RUNG_TEST_BUSYBOX    a static busybox (default /bin/busybox)
set -euo pipefail

[[ ${RUNG-} != */* ]] || RUNG=$(realpath "$RUNG")
[[ -z ${TAP_DIR-} ]] || TAP_DIR=$(realpath -m "$TAP_DIR")
cd "${BASH_SOURCE[0]%/*}"
source ./suite.bash

needed=(bats jq busybox script nsenter findmnt)
for program in "${needed[@]}"; do
  command -v "$program" >/dev/null || {
    echo "$program is missing: apt-get install bats jq busybox-static bsdutils util-linux" >&2
    exit 1
  }
done

[[ -z ${TAP_DIR-} ]] || mkdir -p "$TAP_DIR"
work=$(mktemp -d "${TMPDIR:-/tmp}/rung-tests.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
if [[ ${RUNG_SYSTEMD-} == yes && ! -d /run/systemd/system ]]; then
  echo "RUNG_SYSTEMD=yes: this host was not booted with systemd" >&2
  exit 1
fi
prepare_suite "$work/data"

# The longest first, so that no one waits for it at the end.
files=("$@")
if ((${#files[@]} == 0)); then
  files=(crash.bats)
  for file in *.bats; do
    [[ $file == crash.bats ]] || files+=("$file")
  done
fi
echo "testing $("$RUNG" --version | head -n 1) ($RUNG) on cgroup $CGROUP_MODE${RUNG_SYSTEMD:+, RUNG_SYSTEMD=$RUNG_SYSTEMD}"

filter=()
[[ -z ${FILTER-} ]] || filter=(--filter "$FILTER")

# tell_file FILE TAP: prints its results, which TAP gets too. A file that bats cannot even read has no test that failed, and
# failed all the same.
tell_file() {
  local status=0
  "${bats[@]}" "$1" 2>&1 | tee "$2" || status=$?
  ((status == 0)) || grep -q '^not ok ' "$2" || echo "not ok 0 $1 ended with status $status" | tee -a "$2"
}

# run_file FILE: one bats call, its TAP in a file of its own.
run_file() {
  local tap=$work/${1##*/}.tap
  if [[ -n ${RUNG_TEST_LIVE-} ]]; then
    tell_file "$1" "$tap" | sed -u "s|^|${1##*/}: |"
    return
  fi
  tell_file "$1" "$tap" >/dev/null
  # At once, for a run that is ended from outside.
  [[ -z ${TAP_DIR-} ]] || cp "$tap" "$TAP_DIR/"
  {
    flock 9
    echo "# $1"
    cat "$tap"
  } 9>"$work/lock"
}

# The last resort against a test that hangs; each wait has its own bound.
export BATS_TEST_TIMEOUT=$((${RUNG_TEST_PATIENCE:-10} * 60))
bats=(../until-silent.sh $((BATS_TEST_TIMEOUT + 300)) bats --tap --timing "${filter[@]}")

jobs=${JOBS:-$(nproc)}
for file in "${files[@]}"; do
  while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
  run_file "$file" &
done
wait

count() { cat "$work"/*.tap | grep -Ec "$1" || true; }
skipped=$(count '^ok .* # skip')
passed=$(($(count '^ok ') - skipped))
failed=$(count '^not ok ')
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
