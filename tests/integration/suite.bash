# shellcheck shell=bash
# Makes what all tests share. Used by setup_suite.bash and run.sh.

SUITE_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd)

# prepare_suite DIR: fills DIR, unless RUNG_TEST_DATA names a folder that is
# filled already, and exports what the tests read from the environment.
#
# An ordinary user can run them too, as far as they do not need root, in a
# cgroup that was delegated:
#   systemd-run --user --scope -p Delegate=yes tests/integration/run.sh
prepare_suite() {
  RUNG=$(command -v "${RUNG:-$SUITE_DIR/../../rung}") || {
    echo "no binary at ${RUNG:-./rung}: run make, or set RUNG" >&2
    return 1
  }
  RUNG=$(realpath "$RUNG")
  export RUNG
  RUNG_PEER=$(peer_name)
  CGROUP_MODE=$(cgroup_mode)
  export RUNG_PEER CGROUP_MODE
  enter_suite_cgroup || return
  if [[ -z ${RUNG_TEST_DATA-} ]]; then
    export RUNG_TEST_DATA=$1
    make_shared_data "$1"
  fi
}

# peer_name: "runc" or "crun" if RUNG is one of them, else nothing. The tests
# can be run against a peer, to see that they ask for what users are used to;
# where the peers behave otherwise a test is skipped and says so.
peer_name() {
  case $("$RUNG" --version 2>/dev/null) in
    runc*) echo runc ;;
    crun*) echo crun ;;
  esac
}

# cgroup_mode: v2, or hybrid (v1 with a unified hierarchy beside it), or v1.
cgroup_mode() {
  case $(stat -f -c %T /sys/fs/cgroup) in
    cgroup2fs) echo v2 ;;
    *)
      if [[ $(stat -f -c %T /sys/fs/cgroup/unified 2>/dev/null) == cgroup2fs ]]; then
        echo hybrid
      else
        echo v1
      fi
      ;;
  esac
}

# enter_suite_cgroup: sets CGROUP_BASE to the path of the cgroup below which
# each test makes its own: "" (the root) for root. For an ordinary user it is the
# one that the suite is started in, which its processes leave for one below it:
# a cgroup with processes passes no controllers on. MANAGER_BASE is the path below
# which systemd, for an ordinary user that of the user, has its slices.
enter_suite_cgroup() {
  [[ -z ${CGROUP_BASE+set} ]] || return 0
  export CGROUP_BASE="" MANAGER_BASE=""
  [[ $EUID != 0 ]] || return 0
  local base dir pid
  base=$(sed -n s/^0:://p /proc/self/cgroup)
  dir=/sys/fs/cgroup$base
  [[ $CGROUP_MODE == v2 && -w $dir/cgroup.procs && -w $dir/cgroup.subtree_control ]] || {
    echo "to run the integration tests as an ordinary user takes a cgroup v2 that was delegated:" \
      "systemd-run --user --scope -p Delegate=yes $SUITE_DIR/run.sh" >&2
    return 1
  }
  mkdir -p "$dir/suite"
  while read -r pid; do
    # A short-lived one may be gone.
    echo "$pid" >"$dir/suite/cgroup.procs" || true
  done <"$dir/cgroup.procs" 2>/dev/null
  CGROUP_BASE=$base
  [[ ! $base =~ ^.*/user@[0-9]+\.service ]] || MANAGER_BASE=${BASH_REMATCH[0]}
}

make_shared_data() {
  local data=$1
  mkdir -p "$data/bin" "$data/etc"
  if [[ -n ${RUNG_TEST_HELPER-} ]]; then
    cp "$RUNG_TEST_HELPER" "$data/bin/testhelper"
  else
    (cd "$SUITE_DIR" && CGO_ENABLED=0 go build -o "$data/bin/testhelper" ./cmd/testhelper) || return
  fi
  make_rootfs "$data/rootfs"
  make_etc "$data/etc"
  (cd "$data" && example && mv config.json spec.json) || return
  # What make_bundle says of it; the placeholder is put in place there.
  jq '.process.terminal = false | .root.readonly = false | .process.args = ["/bin/true"] |
    .linux.cgroupsPath = "@CGROUPS_PATH@"' "$data/spec.json" >"$data/config.json"
}

# example: writes the example of a configuration. That of an ordinary user maps
# the user's subordinate ids too, as engines do.
example() {
  [[ $EUID != 0 ]] || { "$RUNG" spec; return; }
  "$RUNG" spec --rootless || return
  jq --argjson u "$(first_of /etc/subuid)" --argjson g "$(first_of /etc/subgid)" \
    '.linux.resources = {} |
     .linux.uidMappings += [{containerID: 1, hostID: $u, size: 65535}] |
     .linux.gidMappings += [{containerID: 1, hostID: $g, size: 65535}]' config.json >config.new &&
    mv config.new config.json
}

# first_of FILE: the first of the user's subordinate ids.
first_of() { awk -F: -v u="$(id -un)" '$1 == u { print $2; found = 1; exit } END { exit !found }' "$1"; }

# make_etc DIR: the files of /etc, which each bundle has for itself.
make_etc() {
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'alice:x:1000:1000:Alice:/home/alice:/bin/sh' \
    'nohome:x:1001:1001::/nowhere:/bin/sh' >"$1/passwd"
  printf '%s\n' 'root:x:0:' 'alice:x:1000:' 'tty:x:5:' >"$1/group"
}

# make_rootfs DIR: a small root filesystem from Debian's busybox-static, its /etc empty.
make_rootfs() {
  local dir=$1 busybox=${RUNG_TEST_BUSYBOX:-/bin/busybox} applet
  mkdir -p "$dir"/{bin,dev,etc,home/alice,mnt,proc,root,run,sys,tmp,usr/bin,var}
  chmod 1777 "$dir/tmp"
  install -m 755 "$busybox" "$dir/bin/busybox"
  for applet in [ awk basename cat chmod chown chroot cp cut date dd df dirname dmesg echo env expr \
    false find getopt grep head hostname id ifconfig ip ipcs kill ln ls md5sum mkdir mkfifo mknod mount \
    mv nice od printf ps pwd readlink realpath rm rmdir sed seq sh sleep sort stat stty sync tail tee \
    test timeout touch tr true tty umount uname uniq uptime wc which whoami xargs yes; do
    ln -s busybox "$dir/bin/$applet"
  done
  if [[ $EUID == 0 ]]; then
    chown 1000:1000 "$dir/home/alice"
  else
    unshare --map-root-user --map-auto chown 1000:1000 "$dir/home/alice"
  fi
}
