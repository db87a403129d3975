# shellcheck shell=bash
# What the tests of Docker share: a daemon, whose socket is D/d.sock, and its client. NAME is the container of the test; OPTIONS are
# the file's options of every container.

# start_docker OPTION...: a dockerd of the file's own, and nothing of a Docker that the machine may have is touched. Where the file
# has made a network for a host (D/net), it is there.
start_docker() {
  local enter=()
  [ ! -e "$D/net" ] || enter=(nsenter --net="$D/net" --)
  # One that was killed left it, and counts as alive until its parent, whoever that is, asks for its exit code.
  rm -f "$D/pid"
  # The cgroup driver is named because dockerd would take systemd's on hosts that have it.
  background "${enter[@]}" dockerd --data-root "$D/data" --exec-root "$D/exec" -H "unix://$D/d.sock" --pidfile "$D/pid" \
    --storage-driver vfs --exec-opt native.cgroupdriver="$DRIVER" --cgroup-parent "$PARENT" --add-runtime "rung=$RUNG" "$@"
  await_daemon docker_quiet version
}

# For start_docker: it makes no bridge and no rules for packets.
export NO_BRIDGE="--iptables=false --bridge=none"

# import_image: the containers' image, box:1.
import_image() {
  make_rootfs "$D/rootfs"
  tar -C "$D/rootfs" -c . | docker_ import - box:1 >/dev/null
}

# end_docker [MOUNT...]: ends the daemon, and takes away the mounts that it leaves of its own: those named, one for --network=host,
# and its folder where the host does not share mounts.
end_docker() {
  local status=0
  stop_daemon || status=1
  umount "$@" "$D/exec/netns/default" 2>/dev/null || true
  eventually 10 data_unmounted || status=1
  return "$status"
}

# data_unmounted: unmounts the daemon's own folder, which one that follows one that was killed may mount a second time, and on which a
# shim may be that is about to end.
data_unmounted() {
  while umount "$D/data" 2>/dev/null; do :; done
  ! mountpoint -q "$D/data"
}

prepare_test() { export NAME=c$BATS_TEST_NUMBER; }

# records: the folder of rung's records. It has the name of Docker's built-in runtime, whichever one is called, and is the same
# with userns-remap.
records() { echo "$D/exec/runtime-runc/moby"; }

# end_test STATE_FOLDER...: nothing of the test's containers may be left, nor in the folders for rung's records.
end_test() {
  tell_why
  remove_containers
  assert_clean "$@"
}

# The client, bounded in time. --foreground leaves it the terminal, where there is one.
docker_() { timeout --foreground -k 2 "$CLIENT_LIMIT" docker -H "unix://$D/d.sock" "$@"; }
docker_quiet() { docker_ "$@" >/dev/null 2>&1; }

# box [OPTION...] IMAGE COMMAND...: docker run, with rung.
box() {
  # shellcheck disable=SC2086 # a list of words
  docker_ run --rm ${OPTIONS-} --name "$NAME" "$@"
}

# detached: as box, in the background, and it stays when it has ended.
detached() {
  # shellcheck disable=SC2086 # a list of words
  docker_ run -d ${OPTIONS-} --name "$NAME" "$@" >/dev/null
}

# For the shells that some tests start in between.
export -f docker_ box

inspect() { docker_ inspect -f "$1" "$NAME"; }
inspects() { [ "$(inspect "$1")" = "$2" ]; }
logged() { docker_ logs "$NAME" 2>&1 | grep -q "$1"; }

# limit V2FILE V1CONTROLLER V1FILE: of this test's container.
limit() { limit_of "$(group_of docker "$(inspect '{{.Id}}')")" "$@"; }

remove_containers() {
  local ids
  mapfile -t ids < <(docker_ ps -aq)
  if [ ${#ids[@]} -gt 0 ]; then docker_quiet rm -f "${ids[@]}"; fi
}
