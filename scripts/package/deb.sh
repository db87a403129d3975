#!/usr/bin/env bash
# deb.sh FOLDER: makes FOLDER/rung_VERSION-1_ARCH.deb with dpkg-deb. MAINTAINER is who answers for it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source-path=SCRIPTDIR
source scripts/package/stage.sh

# Debian's names of the architectures, where they are others than Go's.
case $GOARCH in
386) arch=i386 ;;
arm) arch=armhf ;;
ppc64le) arch=ppc64el ;;
*) arch=$GOARCH ;;
esac
# 0.1.0-dev comes before 0.1.0, which Debian writes with a tilde.
version=${VERSION//-/\~}-1
maintainer=${MAINTAINER:-The rung authors <rung@users.noreply.github.com>}

root=$STAGE/root
put "$root" PREFIX=/usr ZSHDIR=/usr/share/zsh/vendor-completions
doc=$root/usr/share/doc/rung
documents "$doc"
sed -i 's|/usr/local/bin|/usr/bin|g' "$doc"/README.md "$doc"/engines/*.md
gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
gzip -9n >"$doc/changelog.Debian.gz" <<END
rung ($version) unstable; urgency=medium

  * Built from rung $VERSION; what changed is in changelog.gz.

 -- $maintainer  $(date --date="@$SOURCE_DATE_EPOCH" +'%a, %d %b %Y %H:%M:%S %z')
END
{
  cat <<END
rung, an OCI container runtime: https://github.com/rungoci/rung
Copyright: the rung authors

Licensed under the Apache License, Version 2.0, the text of which is in
/usr/share/common-licenses/Apache-2.0 on Debian systems.

END
  APACHE=/usr/share/common-licenses/Apache-2.0 scripts/licenses.sh
} >"$doc/copyright"

# What lintian would say, and why it is so.
mkdir -p "$root/usr/share/lintian/overrides"
cat >"$root/usr/share/lintian/overrides/rung" <<END
# One file that runs on any distribution, and needs none of a container's libraries.
rung: statically-linked-binary [usr/bin/rung]
# Not a package of Debian's own.
rung: initial-upload-closes-no-bugs *
END

mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: rung
Version: $version
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -k --apparent-size -s --exclude=DEBIAN "$root" | cut -f 1)
Suggests: containerd | docker.io | podman | cri-o, criu, uidmap
Section: admin
Priority: optional
Homepage: https://github.com/rungoci/rung
Description: OCI container runtime in pure Go
 rung runs containers from OCI bundles: it is the program under containerd,
 CRI-O, Docker and Podman, and so under Kubernetes, that makes a container's
 namespaces, cgroups and mounts and starts its program. It takes the commands
 and flags of runc and crun.
 .
 "rung doctor" says what it can do on a host, and whether the engines there
 know it.
END
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
settle "$root"
mkdir -p "$1"
# One thread: what xz makes of several need not be the same each time.
dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$root" "$1/rung_${version}_$arch.deb" >/dev/null
echo "$1/rung_${version}_$arch.deb"
