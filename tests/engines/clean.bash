# shellcheck shell=bash
# A clean Debian with engines in it, for what a reader would do there: see clean/init.sh. Needs debian.bash.

CLEAN_PACKAGES="ca-certificates containerd docker.io iptables podman"

# clean_debian: makes the root filesystem once, into the cache folder outside the tree, and prints its path. It is used
# read-only. A new recipe makes a new one; one that nobody used for two weeks is removed.
clean_debian() {
  local cache root recipe work
  cache=${RUNG_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/rung-tests}
  recipe=$(declare -f clean_debian install_engines && echo "$CLEAN_PACKAGES")
  root=$cache/clean-bookworm-$(dpkg --print-architecture)-$(sha256sum <<<"$recipe" | cut -c 1-12)
  mkdir -p "$cache"
  (
    flock 9
    find "$cache" -maxdepth 1 -name 'clean-bookworm-*' -mtime +14 ! -path "$root" -exec rm -rf --one-file-system {} +
    if [ -e "$root" ]; then
      touch "$root"
      exit 0
    fi
    work=$(mktemp -d "$cache/clean.XXXXXX")
    trap 'rm -rf --one-file-system "$work"' EXIT
    chmod 755 "$work"
    install_engines "$work" >"$cache/clean.log" 2>&1 || {
      tail -n 20 "$cache/clean.log" >&2
      exit 1
    }
    # Renamed when complete, so that an interrupted run leaves nothing that looks finished.
    mv "$work" "$root"
    trap - EXIT
  ) 9>"$cache/clean.lock" || return 1
  echo "$root"
}

# install_engines FOLDER: Debian and CLEAN_PACKAGES, of which nothing is started.
install_engines() {
  tar -C "$1" --numeric-owner -xf "$(debian_tar)" || return
  cp -L /etc/resolv.conf "$1/etc/resolv.conf"
  # invoke-rc.d asks it whether to start what was installed.
  printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
  chmod 755 "$1/usr/sbin/policy-rc.d"
  chroot "$1" apt-get -q update || return
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive chroot "$1" apt-get -q install -y --no-install-recommends $CLEAN_PACKAGES || return
  rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/usr/sbin/policy-rc.d
}

# in_clean_debian SCRIPT: runs the file as a shell script, by a shell that ends at the first error and prints each
# command, on a clean Debian with rung in /usr/local/bin and the files of D/given in its folder. All that it started ends with
# it.
in_clean_debian() {
  local work status=0
  work=$(mktemp -d "$D/clean.XXXXXX")
  chmod 755 "$work"
  mkdir "$work/home"
  cp -r "$D"/given/. "$work/home"
  cp "$1" "$work/home/script"
  (
    enter_groups
    CLEAN=$CLEAN RUNG=$RUNG REGISTRY=$D/registry LAYER=$D/layer.tar.gz timeout --foreground -k 5 "$BATS_TEST_TIMEOUT" \
      unshare --mount --net --ipc --uts --pid --cgroup --fork --kill-child bash clean/init.sh "$work" 3>&-
  ) || status=$?
  leave_groups
  rm -rf --one-file-system "$work"
  return "$status"
}

# enter_groups: the calling shell into a cgroup TAG of each hierarchy, which the cgroup namespace then begins at.
enter_groups() {
  local dir
  while read -r dir; do
    mkdir -p "$dir/$TAG"
    # Without CPUs and memory nodes nobody gets in.
    if [ -e "$dir/$TAG/cpuset.cpus" ] && [ -e "$dir/cpuset.cpus" ]; then
      cat "$dir/cpuset.cpus" >"$dir/$TAG/cpuset.cpus"
      cat "$dir/cpuset.mems" >"$dir/$TAG/cpuset.mems"
    fi
    echo "$BASHPID" >"$dir/$TAG/cgroup.procs"
  done < <(hierarchies)
}

hierarchies() { findmnt -rn -t cgroup,cgroup2 -o TARGET; }

# leave_groups: takes away the cgroups, in which nobody is any more.
leave_groups() {
  local dir
  while read -r dir; do
    [ ! -e "$dir/$TAG" ] || find "$dir/$TAG" -depth -type d -exec rmdir {} +
  done < <(hierarchies)
}

# commands_of PAGE [HEADING]: the shell commands of a Markdown page, or of one section of it, as a reader would type them:
# what is in its blocks of the kind "sh".
commands_of() {
  awk -v heading="${2-}" '
    /^```/ { inside = !inside && $0 == "```sh" && (heading == "" || here); fence = !fence; next }
    /^#/ && !fence { here = $0 == heading }
    inside { print; found = 1 }
    END { exit !found }' "$1"
}
