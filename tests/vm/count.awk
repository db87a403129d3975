# Counts what guest.sh printed: lines "PASS/FILE: TAP", and at the end "rung-vm: done".
/^rung-vm: done$/ { done = 1 }
match($0, /^[^ ]+: 1\.\.[0-9]+$/) { planned += substr($2, 4) }
$2 == "ok" { if (/ # skip/) skipped++; else passed++ }
$2 == "not" && $3 == "ok" { failed++ }
END {
  run = passed + failed + skipped
  if (run < planned) {
    printf "%d of the tests have no result\n", planned - run
    failed += planned - run
  }
  if (!done) {
    print "the machine did not come to the end of its work: it died, or took too long"
    if (!failed) failed = 1
  } else if (run == 0) {
    print "no test was run"
    failed = 1
  }
  printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
  exit failed > 0
}
