#!/usr/bin/env bats
# The commands of README.md and docs/engines, followed word for word on a clean Debian.

load helpers
load debian
load image
load clean

setup_file() {
	make_scratch pag
	CGO_ENABLED=0 go build -C "$BATS_TEST_DIRNAME/../.." -o "$D/registry" ./tests/engines/cmd/registry
	make_rootfs "$D/rootfs"
	tar -C "$D/rootfs" --numeric-owner -cz . >"$D/layer.tar.gz"
	mkdir "$D/given"
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

@test "pages: docs/engines/kubernetes.md: a pod on the node, by the handler of contrib/kubernetes/runtimeclass.yaml" {
	build_tool cri
	build_tool pause
	mkdir "$D/pause-rootfs"
	mv "$D/pause" "$D/pause-rootfs/pause"
	make_image "$D/pause-rootfs" "$D/given/pause.tar" docker.io/library/pause:1 /pause
	mv "$D/cri" "$D/given/"
	cp ../../contrib/kubernetes/runtimeclass.yaml "$D/given/"
	# In the host's network, as nobody has set up another one.
	jq -n '{metadata: {name: "pod", uid: "pod", namespace: "default"}, log_directory: "/root", linux: {security_context: {namespace_options: {network: "NODE"}}}}' >"$D/given/pod.json"
	jq -n '{metadata: {name: "hello"}, image: {image: "docker.io/library/busybox:latest"}, command: ["echo", "hello"], log_path: "hello.log"}' >"$D/given/container.json"
	{
		# A test's machine need not have CAP_SYS_RESOURCE.
		echo "sed -i '/^ *\[plugins.\"io.containerd.grpc.v1.cri\"\]/a restrict_oom_score_adj = true' /etc/containerd/config.toml"
		commands_of ../../docs/engines/containerd.md "## A runtime for Kubernetes"
		commands_of ../../docs/engines/kubernetes.md "## On each node"
		# What a kubelet does; and the images that it would pull.
		cat <<-'END'
			ctr -n k8s.io image import pause.tar
			ctr -n k8s.io image tag docker.io/library/pause:1 "$(containerd config dump | sed -n 's/.*sandbox_image = "\(.*\)"/\1/p')"
			ctr -n k8s.io image pull docker.io/library/busybox:latest >/dev/null
			cri() { ./cri -r unix:///run/containerd/containerd.sock "$@"; }
			pod=$(cri runp --runtime "$(sed -n 's/^handler: //p' runtimeclass.yaml)" pod.json)
			container=$(cri create "$pod" container.json pod.json)
			rung --root /run/containerd/runc/k8s.io list --quiet | grep -x "$pod"
			cri start "$container"
			until cri ps -a | grep -i exited; do sleep 0.1; done
			sed 's/^.* F //' hello.log
			cri rmp -f "$pod"
		END
	} >"$D/commands"
	run in_clean_debian "$D/commands"
	ended 0
	said "registered as rung"
	hellos 1
}

@test "pages: docs/operations.md: what the script for --debug writes down, and that engines hear of errors as ever" {
	{
		commands_of ../../docs/operations.md
		cat <<-'END'
			ctr image pull docker.io/library/busybox:latest
			by() { ctr run --rm --runc-binary "/usr/local/bin/$1" docker.io/library/busybox:latest "$@"; }
			by rung-debug echo hello
			grep -F '"step":"inside: mounts"' /run/rung-debug.log
			by rung /no/such/program 2>as-ever || true
			by rung-debug /no/such/program 2>error || true
			grep '^ctr: .*/no/such/program.*no such file' error
			diff <(grep '^ctr: ' as-ever) <(grep '^ctr: ' error)
			grep '"level":"error".*/no/such/program' /run/rung-debug.log
			rm /run/rung-debug.log
			podman --runtime /usr/local/bin/rung-debug run --rm docker.io/library/busybox echo hello
			grep 'step="inside: mounts"' /run/rung-debug.log
		END
	} >"$D/commands"
	run in_clean_debian "$D/commands"
	ended 0
	hellos 2
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
