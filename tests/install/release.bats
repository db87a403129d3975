#!/usr/bin/env bats
# make release: the same bytes wherever it is made, and what is in them. Of what is committed.

bats_require_minimum_version 1.7.0

setup_file() {
	D=$(mktemp -d /tmp/rung-release.XXXXXX)
	TREE=$(realpath ../..)
	ARCH=$(go env GOARCH)
	OTHER=riscv64
	export D TREE ARCH OTHER
	git -c safe.directory='*' clone -q "$TREE" "$D/one"
	mkdir -p "$D/a/much longer/path"
	git -c safe.directory='*' clone -q "$TREE" "$D/a/much longer/path/two"
}

teardown_file() {
	chmod -R u+w "$D"
	rm -rf --one-file-system "$D"
}

# release FOLDER: all that `make release` makes, of two architectures.
release() { make -s -C "$1" release ARCHS="$ARCH $OTHER" >/dev/null; }

# first: what the tests after this one rely on.
@test "release: two clones, in other folders, by other people, at other times, with caches of their own, make the same bytes" {
	(
		umask 022
		release "$D/one"
	)
	sleep 1.1 # The times of files have a second as their unit in some formats.
	(
		umask 077
		export TZ=Pacific/Auckland LANG=de_DE.UTF-8 LC_ALL=C.UTF-8 HOME=$D/home GOCACHE=$D/cache GOFLAGS=-p=2 TMPDIR=$D/a
		GOMODCACHE=$(env -u HOME -u GOCACHE HOME=/root go env GOMODCACHE)
		export GOMODCACHE
		mkdir "$HOME"
		release "$D/a/much longer/path/two"
	)
	diff -r "$D/one/dist/release" "$D/a/much longer/path/two/dist/release"
	[ "$(find "$D/one/dist/release" -type f | wc -l)" -eq 5 ]
}

@test "release: the checksums are those of all files" {
	cd "$D/one/dist/release"
	sha256sum --check --strict --quiet SHA256SUMS
	[ "$(wc -l <SHA256SUMS)" -eq "$(find . -type f ! -name SHA256SUMS | wc -l)" ]
}

@test "release: a tarball unpacks to what make install installs, owned by root, and runs" {
	mkdir "$D/usr-local" "$D/installed"
	tar -C "$D/usr-local" --strip-components=1 -xzf "$D"/one/dist/release/rung-*-linux-"$ARCH".tar.gz
	make -s -C "$D/one" install DESTDIR="$D/installed" PREFIX= >/dev/null
	diff -r "$D/installed" "$D/usr-local" >"$D/diff" || true
	# Documents come with the tarball alone.
	[ "$(cat "$D/diff")" = "Only in $D/usr-local/share: doc" ] || {
		cat "$D/diff"
		return 1
	}
	"$D/usr-local/bin/rung" --version
	[ -z "$(tar -tvzf "$D"/one/dist/release/rung-*-linux-"$ARCH".tar.gz --numeric-owner | awk '$2 != "0/0"')" ]
	[ -s "$D/usr-local/share/doc/rung/THIRD-PARTY-LICENSES" ]
	[ -s "$D/usr-local/share/doc/rung/LICENSE" ]
}

@test "release: a tarball has the binary of its architecture, static" {
	mkdir "$D/other"
	tar -C "$D/other" --strip-components=1 -xzf "$D"/one/dist/release/rung-*-linux-"$OTHER".tar.gz
	cmp "$D/other/bin/rung" "$D/one/dist/rung-$OTHER"
	(cd "$TREE" && go run scripts/isstatic.go "$D/other/bin/rung")
}

@test "install: the rung of before is there until the new one takes its place" {
	mkdir "$D/replaced"
	make -s -C "$D/one" install DESTDIR="$D/replaced" PREFIX= >/dev/null
	# A binary that takes as long to read as the test wants.
	mkfifo "$D/slow"
	make -s -C "$D/one" install-files DESTDIR="$D/replaced" PREFIX= BINARY="$D/slow" >/dev/null 3>&- &
	exec 4>"$D/slow"
	"$D/replaced/bin/rung" --version
	{
		cat "$D/one/rung"
		echo
	} >&4
	exec 4>&-
	wait $!
	[ "$(stat -c %s "$D/replaced/bin/rung")" -eq $(($(stat -c %s "$D/one/rung") + 1)) ]
	[ "$(ls -A "$D/replaced/bin")" = rung ]
}

@test "install: uninstall takes away all that install put there, and no more" {
	mkdir "$D/both"
	touch "$D/both/mine"
	make -s -C "$D/one" install uninstall DESTDIR="$D/both" >/dev/null
	[ "$(find "$D/both" ! -type d)" = "$D/both/mine" ]
}
