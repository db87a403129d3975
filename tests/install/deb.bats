#!/usr/bin/env bats
# make deb: the package on a clean Debian.

bats_require_minimum_version 1.7.0
load ../engines/debian

setup_file() {
	D=$(mktemp -d /tmp/rung-deb.XXXXXX)
	TREE=$(realpath ../..)
	export D TREE
	DEB=$(make -s -C "$TREE" deb | tail -n 1)
	DEB=$TREE/$DEB
	export DEB
	mkdir "$D/debian"
	tar -C "$D/debian" --numeric-owner -xf "$(debian_tar)"
	# Debian's images leave documentation out, and the tests want to see it.
	rm -f "$D"/debian/etc/dpkg/dpkg.cfg.d/*
}

teardown_file() { rm -rf --one-file-system "$D"; }

# inside COMMAND...: on that Debian, with the kernel's file systems, which go away with the command.
inside() {
	# shellcheck disable=SC2016 # the shell in there expands it
	unshare --mount --pid --fork --kill-child sh -ec '
		mount --bind "$1" "$1"
		cd "$1"
		mount -t proc proc "$1/proc"
		mount -t sysfs sysfs "$1/sys"
		mount --rbind /sys/fs/cgroup "$1/sys/fs/cgroup"
		mount --rbind /dev "$1/dev"
		mount -t tmpfs tmpfs "$1/run"
		shift
		exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"' sh "$D/debian" "$@" 3>&-
}

# files: all that is on that Debian, but for what dpkg writes about itself.
files() { (cd "$D/debian" && find . -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -path ./var/cache -prune -o -print | LC_ALL=C sort); }

# first: what the tests after this one rely on.
@test "deb: installs on a clean Debian, with nothing else, and runs" {
	files >"$D/before"
	cp "$DEB" "$D/debian/tmp/rung.deb"
	run inside dpkg -i /tmp/rung.deb
	echo "$output"
	[ "$status" -eq 0 ]
	rm "$D/debian/tmp/rung.deb"
	# shellcheck disable=SC2016 # dpkg-query expands it
	[ "$(inside dpkg-query -W -f '${db:Status-Abbrev}' rung)" = "ii " ]
	run inside rung --version
	[ "${lines[0]}" = "rung version $(make -s -C "$TREE" version)" ]
}

@test "deb: what is installed is what was packed, owned by root, and writable by nobody else" {
	[ -z "$(inside dpkg --verify rung)" ]
	[ -z "$(inside dpkg -L rung | while read -r path; do find "$D/debian$path" -maxdepth 0 '(' ! -user 0 -o ! -group 0 -o -perm /022 ')' ! -type l; done)" ]
}

@test "deb: binary, manual pages, completions, documents are where Debian wants them" {
	local path
	for path in bin/rung share/man/man8/{rung,rung-create,rung-doctor}.8.gz share/bash-completion/completions/rung \
		share/zsh/vendor-completions/_rung share/fish/vendor_completions.d/rung.fish \
		share/doc/rung/{copyright,changelog.gz,changelog.Debian.gz,engines/docker.md,examples/kubernetes/runtimeclass.yaml}; do
		[ -s "$D/debian/usr/$path" ] || {
			echo "missing: $path"
			return 1
		}
	done
	grep -q common-licenses/Apache-2.0 "$D/debian/usr/share/doc/rung/copyright"
	[ "$(grep -c 'TERMS AND CONDITIONS FOR USE' "$D/debian/usr/share/doc/rung/copyright")" -eq 0 ]
	# What is linked in wants its license to be there.
	grep -q github.com/urfave/cli/v3 "$D/debian/usr/share/doc/rung/copyright"
	run grep -r /usr/local/bin/rung "$D/debian/usr/share/doc/rung"
	[ "$status" -eq 1 ]
}

@test "deb: rung runs a container there" {
	mkdir -p "$D/debian/root/bundle/rootfs/bin"
	cp /bin/busybox "$D/debian/root/bundle/rootfs/bin/"
	run inside sh -ec 'cd /root/bundle && rung spec && sed -i "s/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"busybox\", \"echo\", \"hello\"/" config.json &&
		rung run deb-test </dev/null'
	rm -rf "$D/debian/root/bundle"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = hello ]
}

@test "deb: rung doctor finds itself in /usr/bin, in order" {
	run inside rung doctor --json
	[ "$status" -eq 0 ]
	[ "$(jq -r .rung.path <<<"$output")" = /usr/bin/rung ]
	[ "$(jq -r '.checks[] | select(.id == "security.program").level' <<<"$output")" = green ]
	[ "$(jq -r '.checks[] | select(.id == "state.folder").level' <<<"$output")" = green ]
}

@test "deb: installed again, over itself" {
	cp "$DEB" "$D/debian/tmp/rung.deb"
	inside dpkg -i /tmp/rung.deb
	rm "$D/debian/tmp/rung.deb"
	[ -z "$(inside dpkg --verify rung)" ]
}

@test "deb: removed, it leaves nothing" {
	inside dpkg --purge rung
	files >"$D/after"
	diff "$D/before" "$D/after"
	run inside dpkg-query -W rung
	[ "$status" -ne 0 ]
}

@test "deb: for another architecture, and refused where it does not fit" {
	local other=arm64 deb
	[ "$(dpkg --print-architecture)" != arm64 ] || other=amd64
	deb=$TREE/$(make -s -C "$TREE" deb DEB_ARCH=$other | tail -n 1)
	[ "$(dpkg-deb -f "$deb" Architecture)" = $other ]
	cp "$deb" "$D/debian/tmp/other.deb"
	run inside dpkg -i /tmp/other.deb
	rm "$D/debian/tmp/other.deb"
	[ "$status" -ne 0 ]
	[[ $output == *"architecture"* ]]
}
