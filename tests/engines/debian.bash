# shellcheck shell=bash
# A whole Debian to run in a container.

# debian_tar: makes the root filesystem once, by debootstrap, into the cache folder outside the tree, and prints the
# path of the tar file. RUNG_TEST_CACHE names another folder, DEBIAN_MIRROR another mirror.
debian_tar() {
  local cache tar work
  cache=${RUNG_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/rung-tests}
  tar=$cache/debian-bookworm-$(dpkg --print-architecture).tar
  mkdir -p "$cache"
  (
    flock 9
    [ ! -e "$tar" ] || exit 0
    work=$(mktemp -d "$cache/debootstrap.XXXXXX")
    trap 'rm -rf --one-file-system "$work"' EXIT
    debootstrap --variant=minbase bookworm "$work/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" \
      >"$cache/debootstrap.log" 2>&1 || {
      tail -n 20 "$cache/debootstrap.log" >&2
      exit 1
    }
    rm -rf "$work"/root/var/cache/apt/archives/*.deb
    # Renamed when complete, so that an interrupted run leaves nothing that looks finished.
    tar -C "$work/root" -cf "$work/tar" .
    mv "$work/tar" "$tar"
  ) 9>"$cache/lock" || return 1
  echo "$tar"
}
