#!/bin/bash
# The Go tests of the packages that depend most on the host (run.sh compiled them), as TAP. Called by guest.sh; arguments are
# for the other passes.

# to_tap PACKAGE: what -test.v prints becomes TAP, the output of a failed test its comment.
to_tap() {
  awk -v package="$1" '
    /^ *(=== |PASS$|FAIL$|ok )/ { next }
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
      if ($2 > 0 && !failed) print "not ok " ++number " " package ": the tests ended with status " $2 "\n" said
      print "1.." number
      next
    }
    /^ +--- / { if (result != "PASS:") print "# " $0; next }
    { said = said "# " $0 "\n" }'
}

for test in /mnt/work/unit/*.test; do
  package=$(basename "$test" .test)
  package=${package//+//}
  # Beside its testdata.
  (
    cd "/mnt/tree/$package" || exit
    "$test" -test.v -test.timeout=20m 2>&1
    echo "exit $?"
  ) | to_tap "$package" | sed -u "s|^|$package: |"
done
