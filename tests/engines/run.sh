#!/usr/bin/env bash
# run.sh [FILE...]: rung under the real thing: containerd, Kubernetes' CRI, Docker, Podman, conmon, go-runc, a whole Debian
# inside a container; and what the documentation says about engines, done word for word; needs root. The daemons are the
# tests' own and go away with them. RUNG names the binary.
set -euo pipefail
cd "$(dirname "$0")"
if [ "$(id -u)" -ne 0 ]; then
  echo "make test-engines needs root: it starts containerd and dockerd; try: sudo make test-engines" >&2
  exit 1
fi
RUNG=$(realpath "${RUNG:-../../rung}")
export RUNG
# No test may hang: each has this many seconds.
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-120}
[ $# -gt 0 ] || set -- containerd.bats cri.bats cri2.bats docker.bats docker-default.bats docker-userns.bats podman.bats \
  podman-pods.bats conmon.bats gorunc.bats distro.bats pages.bats
exec ../../scripts/bats.sh engines "$@"
