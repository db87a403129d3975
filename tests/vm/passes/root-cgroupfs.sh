#!/bin/bash
# The integration tests as root, with cgroups that rung makes itself. Called by guest.sh with the names of the files.
exec ./integration/run.sh "$@"
