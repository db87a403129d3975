# shellcheck shell=bash
# An image to import, made on the spot.

# make_image FOLDER TAR: packs a root filesystem as an image of one layer named docker.io/library/box:1, in the format
# that `docker save` writes and containerd imports.
make_image() {
  local rootfs=$1 tar=$2 work digest
  work=$(mktemp -d "$D/image.XXXXXX")
  tar -C "$rootfs" -cf "$work/layer.tar" .
  digest=$(sha256sum "$work/layer.tar")
  jq -n --arg diff "sha256:${digest%% *}" --arg arch "$(go env GOARCH)" '{
    architecture: $arch, os: "linux",
    config: {Env: ["PATH=/usr/bin:/bin"], Cmd: ["/bin/sh"]},
    rootfs: {type: "layers", diff_ids: [$diff]}}' >"$work/config.json"
  jq -n '[{Config: "config.json", RepoTags: ["docker.io/library/box:1"], Layers: ["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$tar" manifest.json config.json layer.tar
  rm -rf "$work"
}
