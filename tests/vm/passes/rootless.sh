#!/bin/bash
# The integration tests as an ordinary user, in a service of that user's own systemd, which passes its controllers on
# (image.sh makes alice). Called by guest.sh with the names of the files.
set -euo pipefail
user=alice
uid=$(id -u "$user")
runtime=/run/user/$uid
systemctl start "user@$uid.service"
environment=()
for name in $(compgen -e RUNG) FILTER JOBS; do
  [ -z "${!name-}" ] || environment+=("--setenv=$name=${!name}")
done
exec runuser -u "$user" -- env XDG_RUNTIME_DIR="$runtime" DBUS_SESSION_BUS_ADDRESS="unix:path=$runtime/bus" \
  systemd-run --user --quiet --pipe --wait --collect --property=Delegate=yes --working-directory="$PWD" \
  "${environment[@]}" ./integration/run.sh "$@"
