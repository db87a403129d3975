#!/usr/bin/env bash
# licenses.sh: the licenses of all that is linked into rung, as their authors want them to be with every binary: Go's own, and
# those of the modules, in the order of their names. APACHE names a file that has the text of the Apache License 2.0 where the
# reader is; it is referred to, then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go=${GO:-go}

# part NAME FOLDER: what there is of licenses and notices in a module's folder.
part() {
  local file found=
  printf '\n%s\n%s\n' "$1" "$(printf '%*s' "${#1}" '' | tr ' ' -)"
  for file in "$2"/{LICENSE,LICENCE,COPYING,NOTICE}{,.txt,.md,.MIT,.BSD,.MPL-2.0}; do
    [ -f "$file" ] || continue
    found=yes
    # Folders of the module cache are no news to the reader.
    printf '\n[%s]\n\n' "${file##*/}"
    if [ -n "${APACHE-}" ] && grep -q 'Version 2.0, January 2004' "$file"; then
      echo "The Apache License, Version 2.0: $APACHE"
      # Who filled in the form at its end.
      grep -E '^ *Copyright [0-9]{4}' "$file" || true
    else
      cat "$file"
    fi
  done
  if [ -z "$found" ]; then
    echo "licenses.sh: $1 has no license in $2" >&2
    return 1
  fi
}

echo "rung is under the Apache License 2.0. Its binary holds parts of these works, under their licenses:"
part "Go ($("$go" env GOVERSION))" "$("$go" env GOROOT)"
"$go" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}|{{.Dir}}{{end}}{{end}}' . | LC_ALL=C sort -u |
  while IFS='|' read -r name folder; do
    [ -z "$name" ] || part "$name" "$folder"
  done
