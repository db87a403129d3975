# shellcheck shell=bash
# The host's cgroups, as the tests see them. CGROUP_MODE is v1, hybrid or v2.

# find_tracking_mount: sets TRACKING_MOUNT to the hierarchy in which a test's processes
# are followed: the unified one where there is one, else the first of v1 without a controller.
find_tracking_mount() {
  case $CGROUP_MODE in
    v2) TRACKING_MOUNT=/sys/fs/cgroup ;;
    hybrid) TRACKING_MOUNT=/sys/fs/cgroup/unified ;;
    v1) TRACKING_MOUNT=$(controller_mount name=systemd || controller_mount pids) ;;
  esac
}

# With RUNG_SYSTEMD=yes all tests use the systemd driver (see run.sh).
systemd_driver() { [[ ${RUNG_SYSTEMD-} == yes ]]; }

# name_cgroup ID: sets CGROUPS_PATH to what linux.cgroupsPath says for a container of the test.
# shellcheck disable=SC2034 # for the test
name_cgroup() {
  if systemd_driver; then CGROUPS_PATH=$SLICE:rung:$1; else CGROUPS_PATH=$PARENT/$1; fi
}

# cgroup_path [ID]: where that is, below the mount point.
cgroup_path() {
  if systemd_driver; then echo "$PARENT/rung-${1:-$CT}.scope"; else echo "$PARENT/${1:-$CT}"; fi
}

# needs_cgroupfs_driver: skips a test of where the other driver puts things.
needs_cgroupfs_driver() {
  ! systemd_driver || skip "it is about the cgroupfs driver: with the other systemd makes the cgroup"
}

# enter_test_cgroup: moves the test into a cgroup of its own, so that all that
# it starts can be found again. PARENT is the path (below the mount point) of
# the cgroup that the test's containers live in. TRACK, the folder of the test's
# own, is the same, unless PARENT is systemd's: that of SLICE.
enter_test_cgroup() {
  find_tracking_mount
  find_own_cgroup "$TRACKING_MOUNT"
  OLD_CGROUP=$TRACKING_MOUNT$OWN_CGROUP
  PARENT=$CGROUP_BASE/$TAG
  TRACK=$TRACKING_MOUNT$PARENT
  if systemd_driver; then
    DRIVER+=(--systemd-cgroup)
    SLICE=$TAG.slice
    PARENT=$MANAGER_BASE/rt$$.slice/$SLICE
  fi
  mkdir "$TRACK" "$TRACK/runner"
  echo $BASHPID >"$TRACK/runner/cgroup.procs"
}

# find_own_cgroup MOUNT: sets OWN_CGROUP to this shell's path in that hierarchy.
find_own_cgroup() {
  local name=${1#/sys/fs/cgroup} line
  name=${name#/}
  while read -r line; do
    case $line in
      0::*) [[ $CGROUP_MODE == v1 ]] || OWN_CGROUP=${line#0::} ;;
      *:name=systemd:*) [[ $CGROUP_MODE != v1 || $name != systemd ]] || OWN_CGROUP=${line##*:} ;;
      *:"$name":*) [[ $CGROUP_MODE != v1 ]] || OWN_CGROUP=${line##*:} ;;
    esac
  done </proc/self/cgroup
}

leave_test_cgroup() { echo $BASHPID >"$OLD_CGROUP/cgroup.procs"; }

# controller_mount NAME: where the v1 hierarchy with this controller is
# mounted; fails if it is not.
controller_mount() {
  local line fields mount
  while read -r line; do
    [[ $line == *" - cgroup "* ]] || continue
    read -ra fields <<<"$line"
    mount=${fields[4]}
    # The super options, the last field, list the controllers.
    if [[ ,${fields[-1]}, == *",$1,"* ]]; then
      echo "$mount"
      return
    fi
  done </proc/self/mountinfo
  return 1
}

# cgroup_dir CONTROLLER [ID]: the folder of the container's cgroup.
cgroup_dir() {
  if [[ $CGROUP_MODE == v2 ]]; then
    echo "/sys/fs/cgroup$(cgroup_path "${2-}")"
  else
    echo "$(controller_mount "$1")$(cgroup_path "${2-}")"
  fi
}

# cgroup_value CONTROLLER FILE: what the file of the container's cgroup says.
cgroup_value() { cat "$(cgroup_dir "$1")/$2"; }

# v1_or_v2 V1 V2: prints the one that fits the host.
v1_or_v2() {
  if [[ $CGROUP_MODE == v2 ]]; then echo "$2"; else echo "$1"; fi
}

needs_v1() { [[ $CGROUP_MODE != v2 ]] || skip "this host has cgroup v2 only"; }
needs_v2() { [[ $CGROUP_MODE == v2 ]] || skip "this host has cgroup $CGROUP_MODE, not v2 alone"; }

has_controller() {
  if [[ $CGROUP_MODE == v2 ]]; then
    [[ " $(<"/sys/fs/cgroup$CGROUP_BASE/cgroup.controllers") " == *" $1 "* ]]
  else
    controller_mount "$1" >/dev/null
  fi
}

# needs_controller V1-NAME [V2-NAME]
needs_controller() {
  local name
  name=$(v1_or_v2 "$1" "${2:-$1}")
  has_controller "$name" || skip "the cgroup controller $name is not available here"
}

# needs_cgroup_file CONTROLLER V1-FILE V2-FILE: skips where the kernel was built
# without the file. The root has few of the files, so a cgroup is made to look.
needs_cgroup_file() {
  local dir file
  needs_controller "$1" "$(v2_name "$1")"
  file=$(v1_or_v2 "$2" "$3")
  if [[ $CGROUP_MODE == v2 ]]; then
    echo "+$(v2_name "$1")" >"/sys/fs/cgroup$CGROUP_BASE/cgroup.subtree_control"
    dir=$TRACK
  else
    dir=$(controller_mount "$1")/$TAG-look
    mkdir "$dir"
  fi
  local found=0
  [[ -e $dir/$file ]] && found=1
  [[ $CGROUP_MODE == v2 ]] || rmdir "$dir"
  ((found)) || skip "this kernel has no $file"
}

# v2_name CONTROLLER: what v2 calls a controller of v1.
v2_name() {
  case $1 in
    blkio) echo io ;;
    cpuacct) echo cpu ;;
    *) echo "$1" ;;
  esac
}
