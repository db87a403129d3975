#!/bin/bash
# The Go tests of the packages that depend most on the host (run.sh compiled them), as TAP. Called by guest.sh; arguments are
# for the other passes.
set -o pipefail

# to_tap PACKAGE: what -test.v prints becomes TAP, the output of a failed test its comment. The machine's awk is mawk, which
# would otherwise read in blocks, and the machine say nothing for as long.
to_tap() {
  mawk -W interactive -v package="$1" '
    /^$|^ *(=== |PASS$|FAIL$|ok )/ { next }
    /^--- (PASS|FAIL|SKIP): / {
      result = $2
      if (result == "FAIL:") failed = 1
      print (result == "FAIL:" ? "not ok " : "ok ") ++number " " package ": " $3 " " $4 (result == "SKIP:" ? " # skip" : "")
      # What a test says comes before its result, the results of its parts after it.
      if (result != "PASS:") printf "%s", said
      said = ""
      fflush()
      next
    }
    /^exit [0-9]+$/ {
      # A panic takes those with it that have not run yet.
      if ($2 > 0 && !failed) printf "not ok %d %s: the tests ended with status %d\n", ++number, package, $2
      # What an example printed comes after its result, too.
      if ($2 > 0) printf "%s", said
      print "1.." number + 0
      next
    }
    /^ +--- / { if (result != "PASS:") print "# " $0; next }
    { said = said "# " $0 "\n" }'
}

status=0
for test in /mnt/work/unit/*.test; do
  package=$(basename "$test" .test)
  package=${package//+//}
  # Beside its testdata.
  (
    cd "/mnt/tree/$package" && "$test" -test.v -test.timeout=20m
    printf '\nexit %s\n' $?
  ) 2>&1 | to_tap "$package" | sed -u "s|^|$package: |" || status=1
done
exit "$status"
