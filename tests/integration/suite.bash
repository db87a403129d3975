# shellcheck shell=bash
# Makes what all tests share. Used by setup_suite.bash and run.sh.

SUITE_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd)

# prepare_suite DIR: fills DIR, unless RUNG_TEST_DATA names a folder that is
# filled already, and exports what the tests read from the environment.
prepare_suite() {
  [[ $(id -u) == 0 ]] || { echo "the integration tests need root" >&2; return 1; }
  RUNG=$(command -v "${RUNG:-$SUITE_DIR/../../rung}") || {
    echo "no binary at ${RUNG:-./rung}: run make, or set RUNG" >&2
    return 1
  }
  RUNG=$(realpath "$RUNG")
  export RUNG
  RUNG_PEER=$(peer_name)
  CGROUP_MODE=$(cgroup_mode)
  export RUNG_PEER CGROUP_MODE
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

make_shared_data() {
  local data=$1
  mkdir -p "$data/bin"
  if [[ -n ${RUNG_TEST_HELPER-} ]]; then
    cp "$RUNG_TEST_HELPER" "$data/bin/testhelper"
  else
    (cd "$SUITE_DIR" && CGO_ENABLED=0 go build -o "$data/bin/testhelper" ./cmd/testhelper) || return
  fi
  make_rootfs "$data/rootfs"
  (cd "$data" && "$RUNG" spec && mv config.json spec.json) || return
  # What make_bundle says of it; the placeholder is put in place there.
  jq '.process.terminal = false | .root.readonly = false | .process.args = ["/bin/true"] |
    .linux.cgroupsPath = "@CGROUPS_PATH@"' "$data/spec.json" >"$data/config.json"
}

# make_rootfs DIR: a small root filesystem from Debian's busybox-static.
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
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'alice:x:1000:1000:Alice:/home/alice:/bin/sh' \
    'nohome:x:1001:1001::/nowhere:/bin/sh' >"$dir/etc/passwd"
  printf '%s\n' 'root:x:0:' 'alice:x:1000:' 'tty:x:5:' >"$dir/etc/group"
  chown 1000:1000 "$dir/home/alice"
}
