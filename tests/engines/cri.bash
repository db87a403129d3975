# shellcheck shell=bash
# What the tests of containerd's CRI plugin share: a containerd in a network namespace of its own, pods and containers as
# a kubelet makes them, and the client.

# prepare_cri CONTAINERD: starts it, with a network and images for pods, and builds the client.
prepare_cri() {
  build_tool cri
  write_cni
  write_config
  make_host_network
  start_cri "$1"
  write_images
}

# end_cri: takes all of that away, and fails if anything else was left.
end_cri() {
  local status=0
  stop_daemon || status=1
  umount "$D/net" || status=1
  remove_scratch || status=1
  return "$status"
}

# prepare_test: the NAME of the test's pod.
prepare_test() { export NAME=p$BATS_TEST_NUMBER; }

end_test() {
  tell_why
  remove_pods
  assert_clean "$D/runc/k8s.io"
}

# start_cri CONTAINERD: starts it with D/config.toml.
start_cri() {
  background nsenter --net="$D/net" -- "$1" --config "$D/config.toml"
  await_daemon cri_quiet info
}

# cri ARGUMENT...: the client (see tools/cri), in the daemon's network, where the streams of exec are too.
cri() {
  timeout --foreground -k 2 "$CLIENT_LIMIT" nsenter --net="$D/net" -- "$D/cri" -r "unix://$D/c.sock" "$@"
}
cri_quiet() { cri "$@" >/dev/null 2>&1; }
export -f cri

# write_config: D/config.toml, with rung as the runtime, and the same under the name "other" by way of D/other. It is in the format of
# containerd 1.6, which later ones read as well.
write_config() {
  local systemd=false
  [ "$DRIVER" = cgroupfs ] || systemd=true
  # restrict_oom_score_adj: where containerd may not lower it, a pod's first process cannot have the -998 that it asks for.
  cat >"$D/config.toml" <<EOF
version = 2
root = "$D/root"
state = "$D/state"
[grpc]
  address = "$D/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "$D/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "rung"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.rung]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.rung.options]
  BinaryName = "$RUNG"
  Root = "$D/runc"
  SystemdCgroup = $systemd
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.other]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.other.options]
  BinaryName = "$D/other"
  Root = "$D/runc"
  SystemdCgroup = $systemd
EOF
}

# write_cni: the pods' network, a bridge with addresses of its own, and Debian's plugins.
write_cni() {
  mkdir -p "$D/cni"
  cat >"$D/cni/10-pods.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "rung0", "isGateway": true,
   "ipam": {"type": "host-local", "dataDir": "$D/ipam", "ranges": [[{"subnet": "10.88.77.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}
EOF
}

# write_images: the image of the containers, and that of a pod's first process, whose whole file system is the pause program.
write_images() {
  make_rootfs "$D/rootfs"
  make_image "$D/rootfs" "$D/image.tar"
  build_tool pause
  mkdir "$D/pause-rootfs"
  mv "$D/pause" "$D/pause-rootfs/pause"
  make_image "$D/pause-rootfs" "$D/pause.tar" docker.io/library/pause:1 /pause
  ctr --address "$D/c.sock" --namespace k8s.io image import "$D/image.tar" >/dev/null
  ctr --address "$D/c.sock" --namespace k8s.io image import "$D/pause.tar" >/dev/null
}

# pod_json NAME [FILTER]: the configuration of a pod, changed by a filter of jq's; in D/pod-NAME.json, the path of which is printed.
pod_json() {
  mkdir -p "$D/logs/$1"
  jq -n --arg name "$1" --arg logs "$D/logs/$1" --arg parent "$PARENT" '{
    metadata: {name: $name, uid: ("uid-" + $name), namespace: "default", attempt: 0},
    hostname: $name,
    log_directory: $logs,
    linux: {
      cgroup_parent: $parent,
      security_context: {namespace_options: {network: "POD", pid: "CONTAINER", ipc: "POD"}}}} | '"${2:-.}" >"$D/pod-$1.json"
  echo "$D/pod-$1.json"
}

# pod [FILTER] [OPTION...]: makes a pod named NAME, which belongs to the test, and sets POD to its id, CONFIG to its configuration.
pod() {
  local filter=${1:-.}
  [ $# -eq 0 ] || shift
  # shellcheck disable=SC2153 # NAME comes from the test
  CONFIG=$(pod_json "$NAME" "$filter")
  POD=$(cri runp "$@" "$CONFIG") || return
  export POD CONFIG
}

# container NAME FILTER COMMAND...: makes and starts a container in the pod, and sets CTR to its id.
container() {
  created "$@"
  cri start "$CTR"
}

# created: as container, but not started.
created() {
  local name=$1 filter=${2:-.}
  shift 2
  jq -n --arg name "$name" '{
    metadata: {name: $name, attempt: 0},
    image: {image: "docker.io/library/box:1"},
    command: $ARGS.positional,
    log_path: ($name + ".log"),
    linux: {security_context: {namespace_options: {network: "POD", pid: "CONTAINER", ipc: "POD"}}}} | '"$filter" --args -- "$@" >"$D/container.json"
  CTR=$(cri create "$POD" "$D/container.json" "$CONFIG") || return
  export CTR
}

# status FILTER: what jq finds in the container's status.
status_of() { cri inspect "$CTR" | jq -r ".status$1"; }
status_is() { [ "$(status_of "$1")" = "$2" ]; }
has_ended() { status_is .state CONTAINER_EXITED; }
container_logged() { cri logs "$CTR" | grep -q "$1"; }

# task_pid [ID]: the pid of a container's, or a pod's, first process.
task_pid() { { cri inspect "${1:-$CTR}" 2>/dev/null || cri inspectp "$1"; } | jq -r '.info.info | fromjson | .pid'; }

# outputs FILTER COMMAND...: runs a container to its end and prints what it wrote; the result is its exit code.
outputs() {
  container "run$RANDOM" "$@" || return
  eventually 20 has_ended
  cri logs "$CTR"
  return "$(status_of .exitCode)"
}

# limit V2FILE V1CONTROLLER V1FILE: of the container's cgroup.
limit() { limit_of "$(group_of cri-containerd "$CTR")" "$@"; }

remove_pods() {
  local pods
  mapfile -t pods < <(cri pods -q)
  [ ${#pods[@]} -eq 0 ] || cri rmp -f "${pods[@]}"
}
