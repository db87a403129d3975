#!/usr/bin/env bash
# deps.sh SET...
#
# Sees to it that what the sets need is on this machine: looks for each command, and installs the Debian packages of
# those that are missing. Says what it installs, and nothing when all is there. Works on Debian and Ubuntu, as root;
# elsewhere it names what is missing and stops.
set -euo pipefail

# One need a line: the set, what must be there (a command, a file, or deb:PACKAGE), the package that brings it. Where
# releases name it differently, the packages are tried in order: docker-cli|docker.io.
needs() {
  cat <<'TABLE'
    build    git                                 git
    build    /etc/ssl/certs/ca-certificates.crt  ca-certificates
    rootfs   deb:busybox-static                  busybox-static
    rootfs   jq                                  jq
    test     bats                                bats
    test     gojq                                gojq
    test     ps                                  procps
    test     ip                                  iproute2
    test     mandoc                              mandoc
    test     zsh                                 zsh
    test     fish                                fish
    test     newuidmap                           uidmap
    lint     shellcheck                          shellcheck
    engines  bats                                bats
    engines  ps                                  procps
    engines  containerd                          containerd
    engines  ctr                                 containerd
    engines  dockerd                             docker.io
    engines  docker                              docker-cli|docker.io
    engines  docker-compose                      docker-compose
    engines  iptables                            iptables
    engines  /usr/lib/cni/bridge                 containernetworking-plugins
    engines  podman                              podman
    engines  conmon                              conmon
    engines  /usr/lib/podman/netavark            netavark
    engines  slirp4netns                         slirp4netns
    engines  newuidmap                           uidmap
    engines  debootstrap                         debootstrap
    engines  tmux                                tmux
    engines  ip                                  iproute2
    install  bats                                bats
    install  debootstrap                         debootstrap
    install  dpkg-deb                            dpkg
    install  xz                                  xz-utils
    vm       qemu-system-x86_64                  qemu-system-x86
    vm       debootstrap                         debootstrap
    vm       deb:debian-archive-keyring          debian-archive-keyring
    vm       cpio                                cpio
    vm       mke2fs                              e2fsprogs
    bench    hyperfine                           hyperfine
    bench    runc                                runc
    bench    crun                                crun
TABLE
}

# Which sets a set brings with it.
expand() {
  case $1 in
  build | lint | install | vm) echo "$1 build" ;;
  demo) echo "build rootfs" ;;
  test | engines | bench) echo "$1 build rootfs" ;;
  *)
    echo "deps.sh: unknown set '$1' (build, lint, demo, test, engines, install, vm, bench)" >&2
    return 2
    ;;
  esac
}

present() {
  case $1 in
  deb:*) [ "$(dpkg-query -W -f '${db:Status-Status}' "${1#deb:}" 2>/dev/null)" = installed ] ;;
  /*) [ -e "$1" ] ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

# The first of the alternatives A|B that apt can install; the first one, where apt knows none of them yet.
candidate() {
  local package
  for package in ${1//|/ }; do
    if apt-cache policy "$package" 2>/dev/null | grep -q '^  Candidate: [^(]'; then
      echo "$package"
      return
    fi
  done
  echo "${1%%|*}"
}

# The missing needs of the sets, as lines "what package".
missing() {
  local set what package wanted=" $* "
  while read -r set what package; do
    if [[ $wanted == *" $set "* ]] && ! present "$what"; then
      echo "$what $package"
    fi
  done < <(needs)
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Installs with the package lists at hand, and with fresh ones where these are missing or too old.
install() {
  local package packages=()
  for package in "$@"; do packages+=("$(candidate "$package")"); done
  if apt install -y --no-install-recommends "${packages[@]}" >"$log" 2>&1; then return; fi
  echo "deps: refreshing apt's package lists" >&2
  apt update >>"$log" 2>&1 || true
  packages=()
  for package in "$@"; do packages+=("$(candidate "$package")"); done
  apt install -y --no-install-recommends "${packages[@]}" >>"$log" 2>&1
}

check_go() {
  local have
  if ! have=$(go env GOVERSION 2>/dev/null); then
    echo "deps: Go is missing: install Go 1.25 or newer, see https://go.dev/doc/install" >&2
    # sudo has a PATH of its own, often without /usr/local/go/bin.
    [ -z "${SUDO_USER:-}" ] || echo "deps: if it is in your PATH, try: sudo env PATH=\"\$PATH\" make ..." >&2
    exit 1
  fi
  # With GOTOOLCHAIN=auto an older Go fetches the one that go.mod asks for and reports that one here.
  if [[ $have =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -lt 25 ]; then
    echo "deps: $have is too old: rung needs Go 1.25 or newer, see https://go.dev/doc/install" >&2
    exit 1
  fi
}

[ $# -gt 0 ] || {
  echo "usage: deps.sh SET... (build, lint, demo, test, engines, install, vm, bench)" >&2
  exit 2
}
sets=
for set in "$@"; do sets+=" $(expand "$set")"; done
check_go

# shellcheck disable=SC2086 # a list of words
lacking=$(missing $sets)
[ -n "$lacking" ] || exit 0

mapfile -t commands < <(awk '!seen[$1]++ { sub(/^deb:/, "", $1); print $1 }' <<<"$lacking")
mapfile -t packages < <(awk '!seen[$2]++ { print $2 }' <<<"$lacking")
if ! command -v apt-get >/dev/null; then
  echo "deps: missing: ${commands[*]}; this is neither Debian nor Ubuntu, so please install them by hand" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "deps: missing: ${commands[*]}; run this as root, or first: sudo apt-get install ${packages[*]%%|*}" >&2
  exit 1
fi

echo "deps: missing: ${commands[*]}; installing Debian packages: ${packages[*]//|/ or }" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! install "${packages[@]}"; then
  cat "$log" >&2
  echo "deps: apt-get could not install ${packages[*]}" >&2
  exit 1
fi
# shellcheck disable=SC2086
lacking=$(missing $sets)
if [ -n "$lacking" ]; then
  echo "deps: still missing after the installation:" "$(awk '{ print $1 }' <<<"$lacking" | tr '\n' ' ')" >&2
  exit 1
fi
