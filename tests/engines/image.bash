# shellcheck shell=bash
# An image to import, made on the spot.

# make_image FOLDER TAR [NAME] [PROGRAM]: packs a root filesystem as an image of one layer, in the format that `docker save`
# writes and containerd imports. It is named docker.io/library/box:1 and runs a shell.
make_image() {
  local rootfs=$1 tar=$2 name=${3:-docker.io/library/box:1} program=${4:-/bin/sh} work digest
  work=$(mktemp -d "$D/image.XXXXXX")
  tar -C "$rootfs" -cf "$work/layer.tar" .
  digest=$(sha256sum "$work/layer.tar")
  jq -n --arg diff "sha256:${digest%% *}" --arg arch "$(dpkg --print-architecture)" --arg program "$program" '{
    architecture: $arch, os: "linux",
    config: {Env: ["PATH=/usr/bin:/bin"], Cmd: [$program]},
    rootfs: {type: "layers", diff_ids: [$diff]}}' >"$work/config.json"
  jq -n --arg name "$name" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$tar" manifest.json config.json layer.tar
  rm -rf "$work"
}
