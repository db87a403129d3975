#!/usr/bin/env bats
# A real distribution in a container: Debian's bash on a terminal as a person would use it, its package manager, its
# users.
#
# The scripts in single quotes are for the shell in the container; ID belongs to the test that sets it.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers
load debian

setup_file() {
	local tar
	make_scratch deb
	tar=$(debian_tar)
	mkdir "$D/rootfs" "$D/tmux"
	tar -C "$D/rootfs" --numeric-owner -xf "$tar"
	# What an administrator would do for a container that shares the host's network.
	cp -L /etc/resolv.conf "$D/rootfs/etc/resolv.conf"
	# The host's sources where it is the same Debian: its mirror is the one that is reached from here.
	if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
		rm -f "$D/rootfs/etc/apt/sources.list"
		cp /etc/apt/sources.list "$D/rootfs/etc/apt/" 2>/dev/null || true
		cp /etc/apt/sources.list.d/*.sources "$D/rootfs/etc/apt/sources.list.d/" 2>/dev/null || true
	fi
	(cd "$D" && "$RUNG" spec)
}

teardown_file() { remove_scratch; }

setup() {
	ID=deb$BATS_TEST_NUMBER
	export ID
}

teardown() {
	tmux_ kill-server 2>/dev/null || true
	rung delete --force "$ID"
	assert_clean "$D/state"
}

rung() { "$RUNG" --root "$D/state" "$@"; }

# bundle FILTER ARG...: the bundle D/ID that runs ARG... in Debian, with the host's network and the capabilities that
# a package manager needs; FILTER is jq's, to change config.json further.
bundle() {
	local filter=$1
	shift
	mkdir -p "$D/$ID"
	jq --arg root "$D/rootfs" --arg cgroup "/$TAG/$ID" "
		[\"AUDIT_WRITE\", \"CHOWN\", \"DAC_OVERRIDE\", \"FOWNER\", \"FSETID\", \"KILL\", \"NET_BIND_SERVICE\", \"SETFCAP\", \"SETGID\", \"SETUID\", \"SYS_CHROOT\"] as \$names
		| (\$names | map(\"CAP_\" + .)) as \$caps
		| .root = {path: \$root}
		| .hostname = \"debian\"
		| .process.args = \$ARGS.positional
		| .process.terminal = false
		| .process.noNewPrivileges = false
		| .process.capabilities = {bounding: \$caps, effective: \$caps, permitted: \$caps}
		| .linux.cgroupsPath = \$cgroup
		| .linux.namespaces |= map(select(.type != \"network\"))
		| .mounts += [{destination: \"/tmp\", type: \"tmpfs\", source: \"tmpfs\", options: [\"nosuid\", \"nodev\", \"mode=1777\"]}]
		| $filter" "$D/config.json" --args -- "$@" >"$D/$ID/config.json"
}

# debian COMMAND...: runs a command in Debian, bounded in time.
debian() {
	bundle . "$@"
	timeout --foreground -k 5 100 "$RUNG" --root "$D/state" run --bundle "$D/$ID" "$ID"
}

# A terminal of the test's own: a tmux server with one window of 100 columns and 30 rows.
tmux_() { tmux -S "$D/tmux/s" -f /dev/null "$@"; }
type_in() { tmux_ send-keys -t w "$1" Enter; }
on_screen() { tmux_ capture-pane -p -t w | grep -q -e "$1"; }
see() {
	if ! eventually 10 on_screen "$1"; then
		echo "not on the screen: $1"
		tmux_ capture-pane -p -t w
		return 1
	fi
}

# interactive: types the command that runs bash in Debian, into a shell of the host, and waits for its prompt.
interactive() {
	bundle '.process.terminal = true | .process.env += ["PS1=inside# "]' /bin/bash --norc --noprofile -i
	tmux_ new-session -d -s w -x 100 -y 30 "PS1='outside# ' exec bash --norc --noprofile -i" 3>&-
	see 'outside#'
	type_in "stty -a >$D/before; $RUNG --root $D/state run --bundle $D/$ID $ID; echo ended with \$?; stty -a >$D/after"
	see 'inside#'
}

@test "debian: an interactive bash on a terminal" {
	interactive
	type_in 'echo $((6 * 7)) on $(tty) of $(hostname)'
	see '^42 on /dev/pts/0 of debian'
	type_in 'echo size $(stty size)'
	see '^size 30 100'
	type_in 'exit 5'
	see '^ended with 5'
	# The host's terminal is as it was.
	type_in 'echo all right'
	see '^all right'
	diff "$D/before" "$D/after"
}

@test "debian: the terminal follows the window's size" {
	interactive
	tmux_ set-option -w -t w window-size manual
	tmux_ resize-window -t w -x 77 -y 22
	type_in 'until [ "$(stty size)" = "22 77" ]; do sleep 0.1; done; echo followed'
	see '^followed'
	type_in 'exit'
	see '^ended with 0'
}

@test "debian: job control: ^C interrupts, ^Z stops, bg and fg go on" {
	interactive
	# A number that no other test's sleep has.
	type_in "sleep 1000.$$"'; echo "interrupted: $?"'
	eventually 5 pgrep -f "^sleep 1000.$$\$" >/dev/null
	tmux_ send-keys -t w C-c
	type_in 'echo "after ^C: $?"'
	see '^after ^C: 130'
	type_in "sleep 1001.$$"
	eventually 5 pgrep -f "^sleep 1001.$$\$" >/dev/null
	tmux_ send-keys -t w C-z
	see '\[1\]+ *Stopped *sleep 1001'
	type_in 'bg; jobs'
	see '\[1\]+ *Running *sleep 1001'
	type_in 'kill %1; wait; echo killed'
	see '^killed'
	type_in 'exit 0'
	see '^ended with 0'
}

@test "debian: a full-screen program draws and quits" {
	interactive
	type_in 'seq 1000 | more'
	see '--More--'
	tmux_ send-keys -t w q
	type_in 'echo back'
	see '^back'
}

@test "debian: the terminal is restored when the container is killed" {
	interactive
	rung kill "$ID" KILL
	see 'ended with 137'
	type_in 'echo all right'
	see '^all right'
	diff "$D/before" "$D/after"
}

@test "debian: the package database is whole" {
	run debian sh -c 'apt-get --version | head -n 1; dpkg --audit; dpkg -l | grep -c "^ii"'
	ended 0
	[[ ${lines[0]} == "apt 2."* ]]
	[ "${lines[-1]}" -gt 50 ]
}

@test "debian: apt-get installs a local package" {
	run debian sh -ec '
		mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin
		printf "%s\n" "Package: rung-test" "Version: 1" "Architecture: all" "Maintainer: nobody" "Description: a test" >/tmp/p/DEBIAN/control
		printf "%s\n" "#!/bin/sh" "echo installed and run" >/tmp/p/usr/bin/rung-test
		printf "%s\n" "#!/bin/sh" "touch /var/lib/rung-test-configured" >/tmp/p/DEBIAN/postinst
		chmod 755 /tmp/p/usr/bin/rung-test /tmp/p/DEBIAN/postinst
		dpkg-deb --root-owner-group --build /tmp/p /tmp/p.deb
		apt-get install -y /tmp/p.deb
		rung-test
		ls /var/lib/rung-test-configured
		apt-get purge -y rung-test
		! ls /usr/bin/rung-test'
	ended 0
	said "installed and run"
}

@test "debian: apt-get update and install from the mirror" {
	run debian sh -c 'apt-get -o Acquire::Retries=2 -o Acquire::http::Timeout=20 update -q --error-on=any 2>&1'
	if [ "$status" -ne 0 ]; then skip "no mirror is reached from here: ${lines[-1]}"; fi
	ID=$ID-install
	run debian sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends hello && hello'
	rung delete --force "$ID"
	ended 0
	[ "${lines[-1]}" = "Hello, world!" ]
}

@test "debian: users are added, and changed to" {
	run debian sh -ec '
		useradd --create-home --groups audio joe
		su joe -c "id -un; cd; pwd; touch mine; stat -c %U mine; ! touch /etc/not-mine"
		userdel --remove joe'
	ended 0
	said joe
	said /home/joe
	said "Permission denied"
}

@test "debian: a program of the distribution without privileges" {
	bundle '.process.user = {uid: 65534, gid: 65534, additionalGids: [29]} | .process.cwd = "/tmp"' \
		sh -c 'id -u; id -G; perl -e "print 6 * 7, qq(\n)"'
	run rung run --bundle "$D/$ID" "$ID"
	shows "65534
65534 29
42"
}
