#!/bin/bash
# As the pass rootless, with scopes that the user's systemd makes. Called by guest.sh with the names of the files; without any,
# it runs those of whatever has to do with cgroups. To the others who makes these is the same, and the pass rootless has them.
[ $# -gt 0 ] || set -- ahead.bats annotations.bats cgroup2.bats cgroups.bats cli.bats concurrency.bats crash.bats dropin.bats events.bats \
  exec.bats kill.bats leftovers.bats lifecycle.bats list.bats pause.bats ps.bats rootless.bats systemd.bats systemd-init.bats update.bats userns.bats
RUNG_SYSTEMD=yes exec bash "${BASH_SOURCE[0]%/*}/rootless.sh" "$@"
