# shellcheck shell=sh
# What a program sees of the machine, as lines "key<TAB>value". demo.sh runs it with busybox's shell on the host and
# again inside a container, and puts the answers side by side.

say() { printf '%s\t%s\n' "$1" "$2"; }

# The value of a limit of this process's own cgroup: v2's file, else v1's controller and file.
limit() {
  for file in \
    "/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/$1" "/sys/fs/cgroup/$1" \
    "/sys/fs/cgroup/$2$(sed -n "s/^[0-9]*:$2://p" /proc/self/cgroup)/$3" "/sys/fs/cgroup/$2/$3"; do
    if value=$(cat "$file" 2>/dev/null); then break; fi
  done
  case ${value:-max} in
  max | 9223372036854771712) echo none ;;
  *) echo "$value" ;;
  esac
}

mib() {
  case $1 in
  *[!0-9]*) echo "$1" ;;
  *) echo "$(($1 / 1048576)) MiB" ;;
  esac
}

# How many capabilities are set in a mask of CapEff's kind.
bits() {
  mask=$((0x$1))
  count=0
  while [ "$mask" -ne 0 ]; do
    count=$((count + (mask & 1)))
    mask=$((mask >> 1))
  done
  echo "$count"
}

count() { echo $#; }

# The last parts of the paths; nothing for a pattern that matched nothing.
names() {
  for path in "$@"; do
    if [ -e "$path" ]; then printf '%s ' "${path##*/}"; fi
  done
}

for kind in pid mnt net ipc uts cgroup; do
  say "namespace $kind" "$(readlink /proc/self/ns/$kind | tr -dc 0-9)"
done
say "host name" "$(hostname)"
say "own process id" $$
say "processes in sight" "$(count /proc/[0-9]*)"
say "network interfaces" "$(names /sys/class/net/*)"
say "mounts" "$(wc -l </proc/self/mounts)"
say "entries in /dev" "$(count /dev/*)"
say "root filesystem" "$(if grep -q '^[^ ]* / [^ ]* ro[, ]' /proc/self/mounts; then echo read-only; else echo writable; fi)"
say "/proc/sys" "$(if (: >>/proc/sys/kernel/panic) 2>/dev/null; then echo writable; else echo read-only; fi)"
say "/proc/timer_list" "$(wc -c </proc/timer_list | sed 's/^0$/masked/; s/[0-9]$/& bytes/')"
firmware=$(names /sys/firmware/*)
say "/sys/firmware" "${firmware:-masked}"
say "capabilities" "$(bits "$(sed -n 's/^CapEff:\t//p' /proc/self/status)")"
say "may gain privileges" "$([ "$(sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)" = 1 ] && echo no || echo yes)"
say "memory limit" "$(mib "$(limit memory.max memory memory.limit_in_bytes)")"
say "process limit" "$(limit pids.max pids pids.max)"
