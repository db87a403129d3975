# shellcheck shell=bash
# The passes and their files: run.sh asks on the host whether TESTS can be had, guest.sh runs them in the machine.

PASSES_DIR=$(cd "${BASH_SOURCE[0]%/*}/passes" && pwd)

# has_file PASS FILE: the pass has such a file. The Go tests have none.
has_file() {
  local folder=integration
  case $1 in
    unit) return 1 ;;
    engines) folder=engines ;;
  esac
  [ -e "$PASSES_DIR/../../$folder/$2" ]
}

# files_of PASS: sets files to those of TESTS that are for this pass: "PASS/FILE" is for one pass, "FILE" for each that has it.
files_of() {
  local entry
  files=()
  for entry in $TESTS; do
    case $entry in
      "$1"/*) files+=("${entry#*/}") ;;
      */*) ;;
      *) ! has_file "$1" "$entry" || files+=("$entry") ;;
    esac
  done
}

# check_passes: fails, and says why, if PASSES or TESTS names what is not there: no pass would run it, and none would fail.
check_passes() {
  local pass entry found
  for pass in $PASSES; do
    [ -e "$PASSES_DIR/$pass.sh" ] || {
      echo "there is no pass $pass; there are:" "$(cd "$PASSES_DIR" && printf '%s ' ./*.sh | sed 's/\.\/\|\.sh//g')" >&2
      return 1
    }
  done
  for entry in $TESTS; do
    found=
    for pass in $PASSES; do
      case $entry in
        "$pass"/*) ;;
        */*) continue ;;
      esac
      ! has_file "$pass" "${entry#*/}" || found=yes
    done
    [ -n "$found" ] || {
      echo "TESTS: none of these passes has $entry: $PASSES" >&2
      return 1
    }
  done
}

# run_passes: runs PASSES with TESTS, each announced by "rung-vm: pass PASS" and then told as "PASS/FILE: TAP". See count.awk.
run_passes() {
  local pass files
  for pass in $PASSES; do
    files_of "$pass"
    # Where others have files, none means that there is nothing to do; the Go tests have no files.
    [ -z "$TESTS" ] || [ ${#files[@]} -gt 0 ] || [ "$pass" = unit ] || continue
    echo "rung-vm: pass $pass"
    told "$pass/" "pass: " bash "$PASSES_DIR/$pass.sh" "${files[@]}"
  done
}

# told PREFIX NAME COMMAND...: runs the command and puts the prefix before each of its lines. One that fails without a "not ok"
# could not do its work, which is a failed test of that name. The exit status is the command's.
told() {
  local prefix=$1 name=$2 said status
  shift 2
  said=$(mktemp)
  "$@" 2>&1 | tee "$said" | sed -u "s|^|$prefix|"
  status=${PIPESTATUS[0]}
  [ "$status" -eq 0 ] || grep -Eq '^([^ ]+: )?not ok ' "$said" || echo "$prefix${name}not ok 0 ended with status $status"
  rm -f "$said"
  return "$status"
}
