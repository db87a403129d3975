# shellcheck shell=bash
# The check behind "nothing is left": what a test's containers may have left
# on the machine, and its removal. leftovers.bats shows that it finds each kind.

# leftovers: prints one line for everything that is left of the test: entries
# of --root, mounts, cgroups, systemd's scopes, processes, new files in bundles.
leftovers() {
  find_cgroups
  left_state
  left_mounts
  left_processes
  left_cgroups
  left_units
  left_files
}

left_state() {
  local entry
  [[ -d $ROOT ]] || return 0
  for entry in "$ROOT"/* "$ROOT"/.[!.]*; do
    [[ ! -e $entry && ! -L $entry ]] || echo "state: $entry"
  done
}

left_mounts() {
  has_mounts || return 0
  awk -v work="$WORK" 'index($0, work) { print "mount: " $5 }' /proc/self/mountinfo
}

# has_mounts: whether anything is mounted in the test's folder.
has_mounts() {
  local table
  table=$(</proc/self/mountinfo)
  [[ $table == *"$WORK"* ]]
}

# find_cgroups: sets CGROUPS to every cgroup of the test in every hierarchy,
# deepest first, also those of containers without cgroupsPath, which carry
# their id.
find_cgroups() {
  # A cgroup of somebody else's may vanish while find looks at it.
  mapfile -t CGROUPS < <(find /sys/fs/cgroup -depth -type d -path "*$TAG*" 2>/dev/null)
}

left_cgroups() {
  local dir
  for dir in "${CGROUPS[@]}"; do
    # The test lives in TRACK/runner, and the parent that cgroupsPath names is
    # the caller's: it may stay, empty.
    [[ $dir == "$TRACK/runner" || ${dir##*/} == "$TAG" || ${dir##*/} == "$TAG.slice" ]] || echo "cgroup: $dir"
  done
}

# LEFT_TRIES is how often what must be gone is looked for, every 20 ms.
LEFT_TRIES=$((${PATIENCE:-10} * 5))

# left_units: a transient unit has a file until systemd forgets it, be it that
# it runs or that it failed. It forgets an instant after it says that it stopped.
left_units() {
  local unit tries dir=/run/systemd/transient
  [[ $EUID == 0 ]] || dir=${XDG_RUNTIME_DIR-}/systemd/transient
  [[ -d $dir ]] || return 0
  for ((tries = 0; tries < LEFT_TRIES; tries++)); do
    compgen -G "$dir/*$TAG*.scope" >/dev/null || return 0
    sleep 0.02
  done
  for unit in "$dir"/*"$TAG"*.scope; do
    [[ ! -e $unit ]] || echo "unit: ${unit##*/}"
  done
}

# find_pids: sets PIDS to every process of the test, in any of CGROUPS, but its
# own shell.
find_pids() {
  local dir list pid
  PIDS=()
  for dir in "${CGROUPS[@]}"; do
    [[ -r $dir/cgroup.procs ]] || continue
    mapfile -t list <"$dir/cgroup.procs"
    for pid in "${list[@]}"; do
      [[ $pid == "$$" || $pid == "$BASHPID" ]] || PIDS+=("$pid")
    done
  done
} 2>/dev/null

# left_processes: a process that was sent SIGKILL needs a moment to go, and a
# zombie of the test itself one to be waited for.
left_processes() {
  local pid cmd tries
  for ((tries = 0; tries < LEFT_TRIES; tries++)); do
    find_pids
    ((${#PIDS[@]})) || return 0
    sleep 0.02
  done
  for pid in $(printf '%s\n' "${PIDS[@]}" | sort -un); do
    [[ -d /proc/$pid ]] || continue
    cmd=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || cmd="?"
    echo "process: $pid $cmd"
  done
}

left_files() {
  local dir file
  for dir in "$WORK"/bundles/*/; do
    for file in "$dir"* "$dir".[!.]*; do
      case ${file##*/} in
        config.json | rootfs | '*' | '.[!.]*') ;;
        *) echo "file: $file" ;;
      esac
    done
  done
}

# remove_leftovers: takes the shell out of the test's cgroup and clears away,
# by force, all that is left, and the test's folder.
remove_leftovers() {
  local dir pid tries mount
  find_cgroups
  for dir in "${CGROUPS[@]}"; do
    [[ ! -w $dir/freezer.state ]] || echo THAWED >"$dir/freezer.state" || true
    [[ ! -w $dir/cgroup.freeze ]] || echo 0 >"$dir/cgroup.freeze" || true
  done 2>/dev/null
  for ((tries = 0; tries < 100; tries++)); do
    find_pids
    ((${#PIDS[@]})) || break
    for pid in "${PIDS[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    sleep 0.02
  done
  ! systemd_driver || systemctl kill -s KILL "rt$$.slice" 2>/dev/null 3>&- || true
  for ((tries = 0; tries < 10; tries++)); do
    mount=$(left_mounts | tail -n 1)
    [[ -n $mount ]] || break
    umount -l "${mount#mount: }" || true
  done
  remove_work
}

# remove_work: removes the test's cgroups and its folder.
remove_work() {
  # "find" would take every cgroup that is empty.
  [[ -n ${TAG-} ]] || return 0
  local dir left=()
  leave_test_cgroup
  if systemd_driver && [[ -d /sys/fs/cgroup$MANAGER_BASE/rt$$.slice ]]; then
    systemctl stop "rt$$.slice" 3>&-
  fi
  # Those that were found last are usually all there are.
  for dir in "${CGROUPS[@]}"; do
    [[ ! -d $dir ]] || left+=("$dir")
  done
  { ((${#left[@]} == 0)) || rmdir "${left[@]}" 2>/dev/null; } ||
    find /sys/fs/cgroup -depth -type d -path "*$TAG*" -delete 2>/dev/null || true
  # What is still mounted there must never be emptied by the removal.
  ! has_mounts || { echo "still mounted, so kept: $WORK"; return 1; }
  rm -rf --one-file-system "$WORK"
}
