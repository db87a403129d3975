#!/usr/bin/env bash
# bench.sh: rung beside Debian's runc and crun, in one table; needs root.
#
# Every figure comes from this one run. The runtimes take turns in several rounds, so that what else the machine does
# hits all of them alike, and the median of all rounds counts. All get the same bundle: what `runc spec` writes, with
# busybox as root filesystem. From the environment:
#   RUNG        the binary (default: rung in the repository's root)
#   BENCH       the rows to measure, of: run idle create start exec state kill delete list alive updown memory filtered getpid personality compile
#               (default: all)
#   BENCH_MD    a Markdown file: the table is put between its lines <!-- bench --> and <!-- /bench -->
#   ROUNDS      how many rounds at most (default 8)
#   CROWD       how many containers "many" are (default 300)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ "$(id -u)" -ne 0 ]; then
  echo "make bench needs root: it runs containers; try: sudo make bench" >&2
  exit 1
fi
RUNG=$(realpath "${RUNG:-$here/../../rung}")
export RUNG
rounds=${ROUNDS:-8}
crowd=${CROWD:-300}
rows=${BENCH:-run idle create start exec state kill delete list alive updown memory filtered getpid personality compile}
for row in $rows; do
  case $row in
  run | idle | create | start | exec | state | kill | delete | list | alive | updown | memory | filtered | getpid | personality | compile) ;;
  *)
    echo "bench: no row is called '$row'; there are: run idle create start exec state kill delete list alive updown memory filtered getpid personality compile" >&2
    exit 2
    ;;
  esac
done

# crun refuses a host with cgroup v1 and v2 side by side. All are measured where v2 is out of sight, in a mount namespace
# of the benchmark's own.
if [ -z "${BENCH_INSIDE:-}" ]; then
  exec env BENCH_INSIDE=1 unshare --mount --propagation private "$0" "$@"
fi
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/rung-bench.XXXXXX")
runtimes=(rung crun runc)
cleanup() {
  # A second signal must not end this halfway.
  trap '' INT TERM
  local runtime
  for runtime in "${runtimes[@]}"; do "$dir/$runtime.down" >/dev/null 2>&1 || true; done
  rm -rf --one-file-system "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# What is being measured, on a terminal in one line that ends up empty.
progress() {
  if [ -t 2 ]; then printf '\r\e[K%s' "${1:+bench: $1}" >&2; fi
}

status=0
wants() { [[ " $rows " == *" $1 "* ]]; }

binary() {
  case $1 in
  rung) echo "$RUNG" ;;
  *) command -v "$1" ;;
  esac
}

# bundle NAME FILTER ARG...: a bundle that runs ARG..., its config.json changed by jq's FILTER.
bundle() {
  local name=$1 filter=$2
  shift 2
  mkdir -p "$dir/$name"
  # crun 1.8 refuses every ociVersion above 1.0.
  jq --arg root "$dir/rootfs" "
    .ociVersion = \"1.0.2\"
    | .root.path = \$root
    | .process.terminal = false
    | .process.args = \$ARGS.positional
    | $filter" "$dir/config.json" --args -- "$@" >"$dir/$name/config.json"
}

# script NAME: an executable from standard input, for hyperfine to prepare a measurement with.
script() {
  { echo '#!/bin/sh' && cat; } >"$dir/$1"
  chmod +x "$dir/$1"
}

setup() {
  local runtime command
  mkdir -p "$dir/rootfs"/{bin,dev,proc,sys,tmp} "$dir/results"
  cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
  chroot "$dir/rootfs" /bin/busybox --install -s /bin
  (cd "$dir" && runc spec)
  bundle true . /bin/true
  bundle sleep . /bin/sleep 1000
  if wants filtered || wants getpid || wants personality; then filtered_bundles; fi
  for runtime in "${runtimes[@]}"; do
    command="$(binary "$runtime") --root $dir/state-$runtime"
    script "$runtime.gone" <<<"$command delete --force one || true"
    script "$runtime.created" <<<"$command delete --force one; $command create --bundle $dir/sleep one"
    script "$runtime.running" <<<"$command delete --force one; $command run --detach --bundle $dir/sleep one"
    script "$runtime.up" <<<"for i in \$(seq $crowd); do $command run --detach --bundle $dir/sleep many\$i || exit 1; done"
    # delete --force of one that does not exist is no error.
    script "$runtime.down" <<<"for i in \$(seq $crowd); do $command delete --force many\$i; done; $command delete --force one"
    # The root folder must be there before `list` can tell that it is empty.
    mkdir -p "$dir/state-$runtime"
  done
}

# filtered_bundles: bundles under containerd's seccomp profile, and the program that measures system calls in them.
filtered_bundles() {
  local profile call
  profile=$(jq -c .linux.seccomp "$here/../testdata/bundles/ctr.config.json")
  bundle filtered ".linux.seccomp = $profile" /bin/true
  (cd "$here" && CGO_ENABLED=0 go build -o "$dir/rootfs/bin/calls" ./cmd/calls)
  for call in getpid personality; do bundle "$call" ".linux.seccomp = $profile" /bin/calls "$call"; done
}

# failed ROW RUNTIME PREPARE COMMAND...: says what goes wrong, by doing it again; the row has no figure then. For rung itself the
# benchmark fails as well.
failed() {
  echo "bench: $1: $2 failed:" >&2
  if [ "$2" = rung ]; then status=1; fi
  { $3 && "${@:4}"; } </dev/null 2>&1 | tail -n 3 >&2 || true
}

# measure ROW RUNTIME RUNS PREPARE COMMAND...: adds RUNS timings of the runtime's command to the row. PREPARE is a command run
# before each, or empty.
measure() {
  local row=$1 runtime=$2 runs=$3 prepare=$4 flags=()
  shift 4
  [ -z "$prepare" ] || flags=(--prepare "$prepare")
  if ! hyperfine --shell=none --style none --runs "$runs" "${flags[@]}" --export-json "$dir/hyperfine.json" \
    "$(binary "$runtime") --root $dir/state-$runtime $*" >"$dir/hyperfine.log" 2>&1 </dev/null; then
    failed "$row" "$runtime" "$prepare" "$(binary "$runtime")" --root "$dir/state-$runtime" "$@"
    return 0
  fi
  jq '.results[].times[]' "$dir/hyperfine.json" >>"$dir/results/$row.$runtime"
}

# inside ROW RUNTIME: adds the nanoseconds that a system call takes in a container, as measured there.
inside() {
  local ns
  if ! ns=$("$(binary "$2")" --root "$dir/state-$2" run --bundle "$dir/$1" one 2>"$dir/inside.log" </dev/null); then
    failed "$1" "$2" "" "$(binary "$2")" --root "$dir/state-$2" run --bundle "$dir/$1" one
    return 0
  fi
  echo "$ns" >>"$dir/results/$1.$2"
}

# compile: the time of rung's first compilation of containerd's profile in a process; the others have none that can be seen.
compile() {
  progress "compilation of a seccomp profile"
  (cd "$here" && CGO_ENABLED=0 go test -run '^$' -bench FirstCompile -benchtime 100x ../../libcontainer/seccomp) >"$dir/compile.log"
  awk '{ for (i = 2; i <= NF; i++) if ($i == "ns/first") print $(i - 1) / 1e9 }' "$dir/compile.log" >"$dir/results/compile.rung"
}

# The rows of one container. Those that need a prepared one leave it to the next preparation, and the last to .gone.
singles() {
  local round runtime call
  for round in $(seq 0 "$rounds"); do
    progress "one container, round $round of $rounds"
    for runtime in "${runtimes[@]}"; do
      if wants run; then measure run "$runtime" 12 "" run --bundle "$dir/true" one; fi
      if wants filtered; then measure filtered "$runtime" 12 "" run --bundle "$dir/filtered" one; fi
      for call in getpid personality; do
        if wants "$call"; then inside "$call" "$runtime"; fi
      done
      if wants idle; then measure idle "$runtime" 5 "sleep 0.2" run --bundle "$dir/true" one; fi
      if wants create; then measure create "$runtime" 6 "$dir/$runtime.gone" create --bundle "$dir/true" one; fi
      if wants start; then measure start "$runtime" 6 "$dir/$runtime.created" start one; fi
      if wants kill; then measure kill "$runtime" 6 "$dir/$runtime.running" kill one KILL; fi
      if wants delete; then measure delete "$runtime" 5 "$dir/$runtime.running" delete --force one; fi
      if wants exec || wants state; then "$dir/$runtime.running" >/dev/null 2>&1 </dev/null || true; fi
      if wants exec; then measure exec "$runtime" 12 "" exec one /bin/true; fi
      if wants state; then measure state "$runtime" 12 "" state one; fi
      "$dir/$runtime.gone" >/dev/null 2>&1
    done
    # Round 0 warms everything up. A machine that is slow or busy gets fewer rounds, so that the whole stays within some
    # six minutes.
    if [ "$round" -eq 0 ]; then rm -f "$dir/results"/*; fi
    if [ "$round" -ge 3 ] && [ "$SECONDS" -gt 150 ]; then break; fi
  done
}

# timed ROW RUNTIME COMMAND: adds the seconds that a command takes, by hyperfine too, once.
timed() {
  if ! hyperfine --shell=none --style none --runs 1 --export-json "$dir/hyperfine.json" "$3" \
    >"$dir/hyperfine.log" 2>&1 </dev/null; then
    failed "$1" "$2" "" "$3"
    return 0
  fi
  jq '.results[].times[]' "$dir/hyperfine.json" >>"$dir/results/$1.$2"
}

# The rows of many containers: up, the measurements among them, down; twice, if the first time was quick. What is
# compared with a run among them is a run just before and just after: a machine is not as fast at one time as at another.
crowds() {
  local round runtime begin=$SECONDS
  for round in 1 2; do
    if [ $((SECONDS - begin)) -gt 100 ]; then break; fi
    for runtime in "${runtimes[@]}"; do
      progress "$crowd containers of $runtime, round $round of 2"
      if wants alive; then measure alone "$runtime" 15 "" run --bundle "$dir/true" one; fi
      timed "up$round" "$runtime" "$dir/$runtime.up"
      if wants list; then measure list "$runtime" 15 "" list; fi
      if wants alive; then measure alive "$runtime" 30 "" run --bundle "$dir/true" one; fi
      timed "down$round" "$runtime" "$dir/$runtime.down"
      if wants alive; then measure alone "$runtime" 15 "" run --bundle "$dir/true" one; fi
      if wants updown && [ -e "$dir/results/up$round.$runtime" ] && [ -e "$dir/results/down$round.$runtime" ]; then
        jq -s add "$dir/results/up$round.$runtime" "$dir/results/down$round.$runtime" >>"$dir/results/updown.$runtime"
      fi
    done
  done
}

# The memory limits that are tried, in KiB.
limits=(64 96 128 192 256 384 512 768 1024 1280 1536 1792 2048 2560 3072 4096 5120 6144 8192 12288 16384 32768)

# starts RUNTIME KIB: whether five containers in a row start under the limit.
starts() {
  local _ runtime=$1
  bundle limited ".linux.resources.memory = {limit: ($2 * 1024), swap: ($2 * 1024)}" /bin/true
  for _ in 1 2 3 4 5; do
    if ! timeout 10 "$(binary "$runtime")" --root "$dir/state-$runtime" run --bundle "$dir/limited" one >/dev/null 2>&1; then
      "$dir/$runtime.gone" >/dev/null 2>&1 || true
      return 1
    fi
  done
}

# The smallest limit under which a container starts, by halving the list; in KiB.
smallest() {
  local low=0 high=$((${#limits[@]} - 1)) middle
  while [ "$low" -lt "$high" ]; do
    middle=$(((low + high) / 2))
    if starts "$1" "${limits[middle]}"; then high=$middle; else low=$((middle + 1)); fi
  done
  echo "${limits[low]}"
}

memory() {
  local runtime
  for runtime in "${runtimes[@]}"; do
    progress "the smallest memory limit of $runtime"
    smallest "$runtime" >"$dir/results/memory.$runtime"
  done
}

# The results as lines "row<TAB>runtime<TAB>median", times in ms, of system calls in ns, and memory in KiB.
medians() {
  local file
  for file in "$dir/results"/*.*; do
    [ -e "$file" ] || continue
    sort -g "$file" | awk -v name="${file##*/}" '
      { value[NR] = $1 }
      END {
        split(name, part, ".")
        median = NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2
        seconds = part[1] != "memory" && part[1] != "getpid" && part[1] != "personality"
        printf "%s\t%s\t%.3f\n", part[1], part[2], seconds ? median * 1000 : median
      }'
  done
}

setup
if wants run || wants filtered || wants getpid || wants personality || wants idle || wants create || wants start || wants exec || wants state || wants kill || wants delete; then singles; fi
if wants list || wants alive || wants updown; then crowds; fi
if wants memory; then memory; fi
if wants compile; then compile; fi
progress ""

version() { "$(binary "$1")" --version | awk -v name="$1" 'NR == 1 { print name, $3 }'; }
echo "$(version rung), $(version crun), $(version runc);" \
  "Linux $(uname -r) $(uname -m), $(nproc) CPUs; $(date -u +%F)" >"$dir/about"
medians >"$dir/medians"
awk -v crowd="$crowd" -v style=text -f "$here/table.awk" "$dir/medians" >"$dir/text"
echo
cat "$dir/about"
echo
cat "$dir/text"

if [ -n "${BENCH_MD:-}" ]; then
  { echo && cat "$dir/about" && echo && awk -v crowd="$crowd" -v style=markdown -f "$here/table.awk" "$dir/medians" && echo; } >"$dir/markdown"
  if ! grep -q '^<!-- bench -->$' "$BENCH_MD" 2>/dev/null; then printf '<!-- bench -->\n<!-- /bench -->\n' >>"$BENCH_MD"; fi
  awk -v table="$dir/markdown" '
    /^<!-- \/bench -->$/ { within = 0 }
    !within { print }
    /^<!-- bench -->$/ { within = 1; while ((getline line <table) > 0) print line }' "$BENCH_MD" >"$dir/page"
  cat "$dir/page" >"$BENCH_MD"
  echo
  echo "bench: the table is in $BENCH_MD"
fi
[ "$status" -eq 0 ]
