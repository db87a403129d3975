#!/usr/bin/env bats
# The commands of README.md and docs/engines, followed word for word on a clean Debian.

load helpers
load image
load clean

setup_file() {
	make_scratch pag
	(cd ../.. && CGO_ENABLED=0 go build -o "$D/registry" ./tests/engines/cmd/registry)
	make_rootfs "$D/rootfs"
	tar -C "$D/rootfs" --numeric-owner -cz . >"$D/layer.tar.gz"
	CLEAN=$(clean_debian)
	export CLEAN
	# Pulling, and two daemons that start, on a busy machine.
	export BATS_TEST_TIMEOUT=300
}

teardown_file() { remove_scratch; }

# follow PAGE [HEADING]: does what the page says.
follow() {
	commands_of "$@" >"$D/commands"
	run in_clean_debian "$D/commands"
	ended 0
}

# block KIND PAGE: the blocks of another kind than sh.
block() { awk -v kind="\`\`\`$1" '/^```/ { inside = !inside && $0 == kind; next } inside' "$2"; }

# hellos N: "hello" was printed by N containers; nobody but rung could have run them.
hellos() {
	[ "$(grep -cx hello <<<"$output")" -eq "$1" ] || {
		echo "expected $1 greetings; read: $output"
		return 1
	}
}

@test "pages: README, use it with your engine: containerd, Docker, Podman" {
	follow ../../README.md "## Use it with your engine"
	hellos 3
}

@test "pages: docs/engines/containerd.md" {
	follow ../../docs/engines/containerd.md
	hellos 1
}

@test "pages: docs/engines/containerd.md: its table for containerd 2.x is read as a runtime by rung doctor" {
	{
		echo "cat >/etc/containerd/config.toml <<'END'"
		echo "version = 3"
		block toml ../../docs/engines/containerd.md
		echo END
		echo "rung doctor | grep 'registered as rung'"
	} >"$D/commands"
	run in_clean_debian "$D/commands"
	ended 0
}

@test "pages: docs/engines/docker.md" {
	follow ../../docs/engines/docker.md
	hellos 2
}

@test "pages: docs/engines/podman.md" {
	follow ../../docs/engines/podman.md
	hellos 2
}

@test "pages: docs/engines/cri-o.md, as far as it goes without CRI-O" {
	{
		# As much of CRI-O as the doctor asks.
		cat <<-'END'
			printf '#!/bin/sh\necho crio version 1.99.0\n' >/usr/local/bin/crio
			chmod 755 /usr/local/bin/crio
			rung doctor | grep 'CRI-O 1.99.0: rung is not registered'
		END
		commands_of ../../docs/engines/cri-o.md
		echo "rung doctor | grep 'ok .*CRI-O 1.99.0: registered as rung'"
	} >"$D/commands"
	run in_clean_debian "$D/commands"
	ended 0
}

@test "pages: docs/engines/kubernetes.md: a node's preparation" {
	{
		commands_of ../../docs/engines/containerd.md "## A runtime for Kubernetes"
		commands_of ../../docs/engines/kubernetes.md "## On each node"
	} >"$D/commands"
	run in_clean_debian "$D/commands"
	ended 0
	said "containerd 1.6"
	said "registered as rung"
}

@test "pages: contrib/kubernetes has what the Kubernetes API knows, and the handler is the name in containerd's configuration" {
	run bash -c 'cd ../kubernetes && go test -count=1 ./...'
	ended 0
	grep -x 'handler: rung' ../../contrib/kubernetes/runtimeclass.yaml
	grep -F '.runtimes.rung]' ../../docs/engines/containerd.md
}

@test "pages: a command that fails, or a runtime other than rung, is noticed" {
	echo "false; true" >"$D/commands"
	run in_clean_debian "$D/commands"
	ended 1
	echo "podman run --rm docker.io/library/busybox echo hello" >"$D/commands"
	run in_clean_debian "$D/commands"
	[ "$status" -ne 0 ]
	hellos 0
}
