# shellcheck shell=bash
# What the packages of every kind share. From the environment, set by the Makefile: VERSION, GOARCH (Go's name of the
# architecture), BINARY (built for it), SOURCE_DATE_EPOCH (the time that all files get).
: "${VERSION:?}" "${GOARCH:?}" "${BINARY:?}" "${SOURCE_DATE_EPOCH:?}"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

STAGE=$(mktemp -d "${TMPDIR:-/tmp}/rung-package.XXXXXX")
trap 'rm -rf --one-file-system "$STAGE"' EXIT

# put FOLDER NAME=VALUE...: installs into the folder, as `make install` does.
put() {
  local folder=$1
  shift
  make --no-print-directory -s install-files DESTDIR="$folder" BINARY="$BINARY" "$@"
}

# documents FOLDER: what is good to have beside a binary.
documents() {
  mkdir -p "$1/engines" "$1/examples/kubernetes"
  cp README.md "$1/"
  cp docs/engines/*.md "$1/engines/"
  cp contrib/kubernetes/*.yaml "$1/examples/kubernetes/"
}

# settle FOLDER: times and modes that do not depend on who builds, where and when.
settle() {
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}
