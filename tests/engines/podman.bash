# shellcheck shell=bash
# shellcheck disable=SC2086 # ROOT_OPTIONS, OPTIONS and LIMITS are lists of words
# What the tests of Podman share: images for the host's root and for a user without privileges, and the client as either.

shopt -s extglob

# prepare_podman: what both kinds of user need, in the folder D.
prepare_podman() {
  chmod 755 "$D"
  cp "$RUNG" "$D/rung"
  # For root, whose other containers are in the same folder otherwise.
  printf '#!/bin/sh\nexec %s --root %s "$@"\n' "$D/rung" "$D/state" >"$D/rung-root"
  chmod 755 "$D/rung-root"
  make_rootfs "$D/rootfs"
  tar -C "$D/rootfs" -cf "$D/image.tar" .
  LOGIN=rungtest$((RANDOM % 10000))
  export LOGIN
  useradd --no-create-home --home-dir "$D/home" "$LOGIN"
  mkdir -m 700 "$D/home" "$D/run"
  chown "$LOGIN:" "$D/home" "$D/run"
  export ROOT_OPTIONS="--root $D/storage --runroot $D/runroot --tmpdir $D/tmp --storage-driver=vfs
    --cgroup-manager=cgroupfs --events-backend=file --runtime $D/rung-root"
  as_root import "$D/image.tar" box:1 >/dev/null 2>&1
  as_user import "$D/image.tar" box:1 >/dev/null 2>&1
}

end_podman() {
  local failed=0 pause dir
  # The process that keeps the user's namespaces between two calls of Podman.
  if pause=$(cat "$D/run/libpod/tmp/pause.pid" 2>/dev/null); then
    kill -9 "$pause"
    eventually 5 gone "$pause" || failed=1
  fi
  chown -R root: "$D/home" "$D/run"
  remove_scratch || failed=1
  userdel "$LOGIN" || failed=1
  # Podman makes these where the controller is not mounted.
  for dir in /sys/fs/cgroup/*; do
    [ "$(stat -f -c %T "$dir")" != tmpfs ] || [ -L "$dir" ] || rmdir --ignore-fail-on-non-empty "$dir" 2>/dev/null || true
  done
  return "$failed"
}

# prepare_test: the container's NAME, and in DOES which of the two does it: as_user where the test's description says rootless.
prepare_test() {
  cd "$D" || return
  export NAME=c$BATS_TEST_NUMBER
  DOES=as_root
  [[ $BATS_TEST_DESCRIPTION != *rootless* ]] || DOES=as_user
  export DOES
}

end_test() {
  $DOES pod rm -af -t 0 >/dev/null 2>&1
  $DOES rm -af -t 0 >/dev/null 2>&1
  eventually 5 no_conmon
  assert_clean "$D/state" "$D/run/rung"
}

# no_conmon: takes away the cgroups of conmon and of pods, which Podman leaves; where a controller is not mounted they are plain folders.
no_conmon() {
  local dir left=0
  for dir in /sys/fs/cgroup/{,*/}"$TAG"/{*/conmon,conmon,+([0-9a-f])}; do
    [ -d "$dir" ] || continue
    if [ "$(stat -f -c %T "$dir")" = tmpfs ]; then rm -rf "${dir%"$TAG"/*}$TAG"; else rmdir "$dir" 2>/dev/null || left=1; fi
  done
  return "$left"
}

# The client, bounded in time: the host's root, with folders of its own.
as_root() {
  timeout --foreground -k 2 60 podman $ROOT_OPTIONS "$@"
}

# The same as a user who has nothing but subordinate ids.
as_user() {
  (
    cd /
    setpriv --reuid "$LOGIN" --regid "$LOGIN" --init-groups --inh-caps=-all env -i HOME="$D/home" XDG_RUNTIME_DIR="$D/run" PATH="$PATH" \
      ${CONTAINERS_CONF:+CONTAINERS_CONF="$CONTAINERS_CONF"} \
      timeout --foreground -k 2 60 podman --storage-driver=vfs --cgroup-manager=cgroupfs --events-backend=file --runtime "$D/rung" "$@"
  )
}

# Options of every container. Hosts without CAP_SYS_RESOURCE refuse Podman's own limits.
export LIMITS="--ulimit nofile=1024:1024 --ulimit nproc=10000:10000"
export OPTIONS="--network=none $LIMITS"

# box [OPTION...] IMAGE COMMAND...: podman run.
box() {
  local parent=()
  [ "$DOES" = as_user ] || parent=(--cgroup-parent "/$TAG")
  $DOES run --name "$NAME" $OPTIONS "${parent[@]}" "$@"
}

# For the shells that some tests start in between.
export -f as_root as_user box

state_is() { [ "$($DOES inspect -f '{{.State.Status}}' "$NAME")" = "$1" ]; }
