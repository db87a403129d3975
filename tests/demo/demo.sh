#!/usr/bin/env bash
# demo.sh: shows in a minute what a container made by rung is: what it sees of the machine, what it may use of it, how
# it is driven by hand, and that nothing of it stays. RUNG names the binary; no argument; as root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
RUNG=${RUNG:-$here/../../rung}

if [ "$(id -u)" -ne 0 ]; then
  echo "make demo needs root: it makes cgroups and mounts; try: sudo make demo" >&2
  exit 1
fi

bold='' dim='' green='' red='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/rung-demo.XXXXXX")
tag=rung-demo-$$

rung() { "$RUNG" --root "$dir/state" "$@"; }

cleanup() {
  # A second signal must not end this halfway.
  trap '' INT TERM
  local id
  for id in $(rung list --quiet 2>/dev/null || true); do rung delete --force "$id" || true; done
  rm -rf --one-file-system "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

title() { printf '\n%s%s%s\n\n' "$bold" "$1" "$plain"; }

# bundle NAME FILTER ARG...: a bundle whose config.json is that of `rung spec`, changed by a jq filter, and runs ARG...
bundle() {
  local name=$1 filter=$2
  shift 2
  mkdir -p "$dir/$name"
  jq --arg root "$dir/rootfs" --arg cgroup "/$tag-$name" --arg host container "
    .root = {path: \$root, readonly: true}
    | .hostname = \$host
    | .process.terminal = false
    | .process.args = \$ARGS.positional
    | .linux.cgroupsPath = \$cgroup
    | .mounts += [{destination: \"/tmp\", type: \"tmpfs\", source: \"tmpfs\", options: [\"nosuid\", \"nodev\"]}]
    | .linux.namespaces |= (map(select(.type != \"cgroup\")) + [{type: \"cgroup\"}])
    | $filter" "$dir/config.json" --args -- "$@" >"$dir/$name/config.json"
}

make_rootfs() {
  mkdir -p "$dir/rootfs"/{bin,dev,proc,sys,tmp,etc}
  cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
  chroot "$dir/rootfs" /bin/busybox --install -s /bin
  cp "$here/probe.sh" "$dir/rootfs/bin/probe.sh"
  (cd "$dir" && "$RUNG" spec)
}

# What could be left behind: mounts, cgroups, processes, state files; one count each.
leftovers() {
  local cgroups processes
  grep -c -e "$tag" -e "$dir" /proc/self/mountinfo || true
  cgroups=$(find /sys/fs/cgroup -depth -type d -name "*$tag*" 2>/dev/null | wc -l)
  # A container's processes have the demo's root filesystem as their root.
  processes=$(for root in /proc/[0-9]*/root; do readlink "$root" || true; done 2>/dev/null | grep -c "^$dir" || true)
  printf '%s\n' "$cgroups" "$processes" "$(find "$dir/state" -mindepth 1 2>/dev/null | wc -l)"
}

# The median start-up time of 21 runs, in ms.
startup() {
  local i begin end times=()
  bundle true . /bin/true
  for i in $(seq 21); do
    begin=${EPOCHREALTIME/[.,]/}
    rung run --bundle "$dir/true" "true$i"
    end=${EPOCHREALTIME/[.,]/}
    times+=($((end - begin)))
  done
  printf '%s\n' "${times[@]}" | sort -n | awk 'NR == 11 { printf "%.1f", $1 / 1000 }'
}

side_by_side() {
  local limits='.linux.resources.memory = {limit: 33554432, swap: 33554432} | .linux.resources.pids = {limit: 20}'
  bundle probe "$limits" /bin/sh /bin/probe.sh
  busybox sh "$here/probe.sh" >"$dir/host"
  rung run --bundle "$dir/probe" probe >"$dir/container"
  printf '  %s%-22s %-24s %s%s\n' "$dim" "" "on the host" "in the container" "$plain"
  paste "$dir/host" "$dir/container" | awk -F '\t' -v green="$green" -v plain="$plain" '
    function cut(text, width) { return length(text) > width ? substr(text, 1, width - 3) "..." : text }
    { printf "  %-22s %-24s %s%s%s\n", $1, cut($2, 23), $2 == $4 ? "" : green, $4, $2 == $4 ? "" : plain }'
}

# enforced LABEL NAME FILTER SCRIPT: runs the shell script in a container and prints what it says beside the label.
enforced() {
  local label=$1 name=$2 filter=$3 script=$4 line
  bundle "$name" "$filter" /bin/sh -c "$script"
  rung run --bundle "$dir/$name" "$name" >"$dir/said" 2>&1 || echo "rung run: exit code $?" >>"$dir/said"
  while read -r line; do
    printf '  %-37s %s%s%s\n' "$label" "$green" "$line" "$plain"
    label=''
  done <"$dir/said"
}

# shellcheck disable=SC2016 # the scripts are for the shell in the container
limits() {
  enforced '32 MiB of memory; a program takes 64' hungry \
    '.linux.resources.memory = {limit: 33554432, swap: 33554432}' '
      dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null
      code=$?
      events=$(cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null)
      echo "exit code $code: killed by the kernel ($(echo "$events" | grep "^oom_kill "))"'
  enforced '8 processes; a shell starts 20' forking '.linux.resources.pids = {limit: 8}' '
      sh -c "for i in \$(seq 20); do sleep 1 & echo started; done" >/tmp/log 2>&1
      echo "$(grep -c started /tmp/log) started, then: $(sed -n "s/.*\(can.t fork.*\)/\1/p" /tmp/log)"'
  enforced '0.2 CPU; a loop is busy for a second' busy '.linux.resources.cpu = {quota: 20000, period: 100000}' '
      { time timeout 1 sh -c "while :; do :; done"; } 2>&1 |
        sed -n "s/^user[^0-9]*0m *\([0-9.]*s\)/\1 of processor time used/p"'
  enforced 'no CAP_MKNOD; making a disk device' device . 'mknod /tmp/sda b 8 0 2>&1 && echo made || true'
  enforced 'no CAP_SYS_ADMIN; mounting' mounting . 'mount -t tmpfs tmpfs /tmp 2>&1 && echo mounted || true'
  enforced 'read-only /proc/sys; setting a sysctl' sysctl . '
      sh -c "echo 1 >/proc/sys/kernel/panic" 2>&1 | sed "s/^sh: //"'
}

# within SECONDS COMMAND...: waits until the command succeeds.
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "demo: gave up waiting for: $*" >&2; return 1; }
    sleep 0.01
  done
}

stopped() { [ "$(rung state "$1" | jq -r .status)" = stopped ]; }

# typed COMMAND...: the command as a person would type it, in short paths.
typed() {
  printf '  %s# rung %s%s\n' "$bold" "${*//"$dir"/.}" "$plain"
}

# show COMMAND...: the command, and what it answers. Not for create: its streams are the container's.
show() {
  local code=0
  typed "$@"
  rung "$@" >"$dir/said" 2>&1 || code=$?
  sed "s|$dir|.|g; s/^/    /; \$a\\" "$dir/said"
  [ "$code" -eq 0 ] || printf '    %s(exit code %d)%s\n' "$dim" "$code" "$plain"
}

# shellcheck disable=SC2016
lifecycle() {
  bundle app . /bin/sh -c '
    trap "echo \"asked to stop, I end with 7\"; exit 7" TERM
    echo "started: I am process $$"
    while :; do sleep 0.02; done'
  typed create --bundle "$dir/app" app "${dim}>log 2>&1"
  rung create --bundle "$dir/app" app </dev/null >"$dir/log" 2>&1 || { cat "$dir/log" >&2; return 1; }
  show state app
  show start app
  within 5 grep -q started "$dir/log"
  typed list
  rung list | sed "s|$dir|.|g" | awk -F '  +' '{ printf "    %-6s %-8s %-9s %-8s %s\n", $1, $2, $3, $4, $5 }'
  show delete app
  show kill app TERM
  within 5 stopped app
  show delete app
  show state app
  printf '  %s# cat log%s\n' "$bold" "$plain"
  sed 's/^/    /' "$dir/log"
}

# errors NAME FILTER: what rung says to a config.json that has been changed for the worse.
refused() {
  bundle "$1" "$2" /bin/true
  printf '  %s%s%s\n' "$dim" "$2" "$plain"
  if rung run --bundle "$dir/$1" "$1" >"$dir/said" 2>&1; then echo "    (ran)"; fi
  sed "s/^/    /; s|$dir|.|g" "$dir/said"
}

make_rootfs
leftovers >"$dir/before"
title "$("$RUNG" --version | head -n 1), kernel $(uname -r), $(uname -m)"
printf '  A container starts, runs /bin/true and is gone in %s%s ms%s (median of 21).\n' "$green" "$(startup)" "$plain"

title "What a program sees"
side_by_side

title "Limits are enforced"
limits

title "By hand"
lifecycle

title "Mistakes are named"
refused typo '.process.cwd = "work"'
refused option '.mounts[3].options[0] = "nosiud"'
refused missing '.process.args[0] = "/bin/tru"'

title "Nothing is left behind"
leftovers >"$dir/after"
paste <(printf '%s\n' mounts cgroups processes 'files of state') "$dir/before" "$dir/after" |
  awk -F '\t' -v green="$green" -v red="$red" -v plain="$plain" '
    { printf "  %-22s %d before, %s%d after%s\n", $1, $2, $2 == $3 ? green : red, $3, plain; differ += $2 != $3 }
    END { exit differ > 0 }'
echo
