# Counts what guest.sh printed: "rung-vm: pass PASS" before each pass, lines "PASS/FILE: TAP", and at the end "rung-vm: done".
# A test without a result has failed, and so has a pass that announced no test; "not ok 0" is what is none of the planned.
/^rung-vm: pass / { announced[++passes] = $3 }
/^rung-vm: done$/ { done = 1 }
match($0, /^[^ ]+: 1\.\.[0-9]+$/) {
  if (!($1 in planned)) names[++files] = $1
  planned[$1] += substr($2, 4)
  pass = $1
  sub(/\/.*/, "", pass)
  told[pass] = 1
}
$1 ~ /:$/ && $2 == "ok" {
  results[$1]++
  if (/ # skip/) skipped++; else passed++
}
$1 ~ /:$/ && $2 == "not" && $3 == "ok" {
  if ($4 > 0) results[$1]++
  failed++
  pass = $1
  sub(/\/.*/, "", pass)
  told[pass] = 1
}
END {
  for (i = 1; i <= files; i++) {
    missing = planned[names[i]] - results[names[i]]
    if (missing > 0) {
      printf "%s %d of the tests have no result\n", names[i], missing
      failed += missing
    }
  }
  for (i = 1; i <= passes; i++) {
    if (announced[i] in told) continue
    printf "%s: no test was announced\n", announced[i]
    failed++
  }
  if (!done) {
    print "the machine did not come to the end of its work: it died, or took too long"
    if (!failed) failed = 1
  } else if (passed + failed + skipped == 0) {
    print "no test was run"
    failed = 1
  }
  printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
  exit failed > 0
}
