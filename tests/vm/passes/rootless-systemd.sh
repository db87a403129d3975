#!/bin/bash
# As the pass rootless, with scopes that the user's systemd makes. Called by guest.sh with the names of the files.
RUNG_SYSTEMD=yes exec bash "${BASH_SOURCE[0]%/*}/rootless.sh" "$@"
