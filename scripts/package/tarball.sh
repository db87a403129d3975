#!/usr/bin/env bash
# tarball.sh FOLDER: makes FOLDER/rung-VERSION-linux-ARCH.tar.gz. Unpacked over /usr/local with --strip-components=1 it is
# `make install`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source-path=SCRIPTDIR
source scripts/package/stage.sh

name=rung-$VERSION-linux-$GOARCH
put "$STAGE/$name" PREFIX=
share=$STAGE/$name/share/doc/rung
mkdir -p "$share"
documents "$share"
cp LICENSE CHANGELOG.md "$share/"
scripts/licenses.sh >"$share/THIRD-PARTY-LICENSES"
settle "$STAGE/$name"
mkdir -p "$1"
tar -C "$STAGE" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=gnu -cf - "$name" |
  gzip -9n >"$1/$name.tar.gz"
echo "$1/$name.tar.gz"
