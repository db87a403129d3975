#!/bin/bash
# The integration tests as root, with scopes that systemd makes. Called by guest.sh with the names of the files.
RUNG_SYSTEMD=yes exec ./integration/run.sh "$@"
