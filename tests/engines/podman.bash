# shellcheck shell=bash
# shellcheck disable=SC2086 # ROOT_OPTIONS, USER_OPTIONS, OPTIONS and LIMITS are lists of words
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
  make_user
  export ROOT_OPTIONS="--root $D/storage --runroot $D/runroot --tmpdir $D/tmp --storage-driver=vfs
    --cgroup-manager=$DRIVER --events-backend=file --runtime $D/rung-root"
  export USER_OPTIONS="--storage-driver=vfs --cgroup-manager=$DRIVER --events-backend=file --runtime $D/rung"
  as_root import "$D/image.tar" box:1 >/dev/null 2>&1
  as_user import "$D/image.tar" box:1 >/dev/null 2>&1
}

# make_user: the user without privileges: LOGIN, whose folder for what runs is USER_RUN. With systemd's driver that is
# RUNG_TEST_USER, who has a systemd of her own, in whose part of the cgroups USER_GROUP is.
make_user() {
  mkdir -m 700 "$D/home"
  USER_GROUP=
  if [ "$DRIVER" = systemd ]; then
    LOGIN=${RUNG_TEST_USER:?names a user who has a systemd of her own}
    USER_RUN=/run/user/$(id -u "$LOGIN")
    USER_GROUP=/sys/fs/cgroup/user.slice/user-$(id -u "$LOGIN").slice/user@$(id -u "$LOGIN").service/$TAG
    systemctl start "user@$(id -u "$LOGIN").service"
    mkdir "$USER_GROUP"
    chown "$LOGIN:" "$USER_GROUP" "$USER_GROUP/cgroup.procs"
  else
    LOGIN=rungtest$((RANDOM % 10000))
    USER_RUN=$D/run
    useradd --no-create-home --home-dir "$D/home" "$LOGIN"
    mkdir -m 700 "$USER_RUN"
    chown "$LOGIN:" "$USER_RUN"
  fi
  chown "$LOGIN:" "$D/home"
  export LOGIN USER_RUN USER_GROUP
}

# remove_user: the same taken away.
remove_user() {
  if [ -n "$USER_GROUP" ]; then
    eventually 5 rmdir "$USER_GROUP"
    rm -rf "$USER_RUN/libpod" "$USER_RUN/containers" "$USER_RUN/rung" "$USER_RUN/crun"
  else
    userdel "$LOGIN"
  fi
}

end_podman() {
  local failed=0 dir
  forget_namespaces || failed=1
  chown -R root: "$D/home"
  remove_scratch || failed=1
  remove_user || failed=1
  # Podman makes these where the controller is not mounted.
  for dir in /sys/fs/cgroup/*; do
    [ "$(stat -f -c %T "$dir")" != tmpfs ] || [ -L "$dir" ] || rmdir --ignore-fail-on-non-empty "$dir" 2>/dev/null || true
  done
  return "$failed"
}

# forget_namespaces: ends the process that keeps the user's namespaces between two calls of Podman.
forget_namespaces() {
  local pause
  pause=$(cat "$USER_RUN/libpod/tmp/pause.pid" 2>/dev/null) || return 0
  rm "$USER_RUN/libpod/tmp/pause.pid"
  kill -9 "$pause"
  eventually 5 gone "$pause"
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
  undelegate
  assert_clean "$D/state" "$USER_RUN/rung" "$USER_RUN/crun"
}

# use_crun: for the rest of the test rung is installed as crun, by a link of that name.
use_crun() {
  mkdir -p "$D/as" "$D/root-as"
  ln -sf "$D/rung" "$D/as/crun"
  # For root with a folder for records of its own, as rung-root.
  printf '#!/bin/bash\nexec -a crun %s --root %s "$@"\n' "$D/rung" "$D/state" >"$D/root-as/crun"
  chmod 755 "$D/root-as/crun"
  ROOT_OPTIONS+=" --runtime $D/root-as/crun"
  USER_OPTIONS+=" --runtime $D/as/crun"
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
  timeout --foreground -k 2 "$CLIENT_LIMIT" podman $ROOT_OPTIONS "$@"
}

# The same as a user who has nothing but subordinate ids, in a folder that she may write to.
as_user() {
  (
    cd "$D/home" || exit
    [ -z "$USER_GROUP" ] || echo 0 >"$USER_GROUP/cgroup.procs"
    setpriv --reuid "$LOGIN" --regid "$LOGIN" --init-groups --inh-caps=-all env -i HOME="$D/home" XDG_RUNTIME_DIR="$USER_RUN" PATH="$PATH" \
      ${USER_GROUP:+DBUS_SESSION_BUS_ADDRESS="unix:path=$USER_RUN/bus"} \
      ${CONTAINERS_CONF:+CONTAINERS_CONF="$CONTAINERS_CONF"} \
      timeout --foreground -k 2 "$CLIENT_LIMIT" podman $USER_OPTIONS "$@"
  )
}

# delegate CONTROLLER...: for the rest of the test the user has a cgroup with those controllers to divide, as systemd gives one to who
# logs in, on a host with cgroup v2 alone. Of a host that has v1 as well the user sees v2, and in it no controllers.
delegate() {
  local controller group
  [ "$DRIVER" = cgroupfs ] || return 0 # has one
  V2=$(findmnt -rn -t cgroup2 -o TARGET | head -n 1)
  [ -n "$V2" ] || skip "there is no cgroup v2 here"
  export V2
  group=$V2/$TAG
  mkdir -p "$group/user/podman"
  for controller; do
    grep -qw "$controller" "$V2/cgroup.controllers" || skip "cgroup v2 has no controller $controller here, and users get no other cgroups"
    echo "+$controller" >"$V2/cgroup.subtree_control"
    echo "+$controller" >"$group/cgroup.subtree_control"
  done
  chown "$LOGIN:" "$group"/user{,/podman} "$group"/user{,/podman}/cgroup.{procs,threads,subtree_control}
  forget_namespaces
  DOES=as_delegate
}

# undelegate: takes the cgroup away.
undelegate() {
  [ -d "${V2:-/nonexistent}/$TAG" ] || return 0
  forget_namespaces
  eventually 5 find "$V2/$TAG" -depth -type d -exec rmdir {} +
}

# As as_user, in that cgroup.
as_delegate() {
  # shellcheck disable=SC2016 # for the shell that it starts
  unshare --mount bash -c 'mount -t cgroup2 cgroup2 /sys/fs/cgroup && echo $$ >/sys/fs/cgroup/$TAG/user/podman/cgroup.procs && as_user "$@"' bash "$@"
}

# Options of every container. Hosts without CAP_SYS_RESOURCE refuse Podman's own limits.
export LIMITS="--ulimit nofile=1024:1024 --ulimit nproc=10000:10000"
export OPTIONS="--network=none $LIMITS"

# box [OPTION...] IMAGE COMMAND...: podman run.
box() {
  local parent=()
  [ "$DOES" != as_root ] || parent=(--cgroup-parent "$PARENT")
  $DOES run --name "$NAME" $OPTIONS "${parent[@]}" "$@"
}

# For the shells that some tests start in between.
export -f as_root as_user as_delegate box

state_is() { [ "$($DOES inspect -f '{{.State.Status}}' "$NAME")" = "$1" ]; }
