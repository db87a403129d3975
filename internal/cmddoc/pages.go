package cmddoc

// extra is what a page says beyond the definition of its command.
type extra struct {
	// text follows the command's description; empty lines separate
	// paragraphs.
	text string
	// exit is about exit statuses, where commonExit does not do.
	exit     string
	examples []example
	files    [][2]string
	also     []string
}

// example is some lines of shell and what they are for.
type example struct{ what, shell string }

const commonExit = `0 on success, 1 on an error, of which one line on standard error says what was being done, the field or
flag that asked for it, and the cause.`

const programExit = `That of the program; 128 and the number of the signal that ended it, such as 137 for SIGKILL.`

var environment = [][2]string{
	{"NO_COLOR", "If it is set to anything, rung doctor prints no colours."},
	{"XDG_RUNTIME_DIR", "For users other than root: the folder in which the default of --root is."},
	{"DBUS_SYSTEM_BUS_ADDRESS", "The bus of the systemd that --systemd-cgroup has make the cgroups, instead of the host's."},
	{"DBUS_SESSION_BUS_ADDRESS", "The same for users other than root, whose own systemd is asked; else it is looked for in XDG_RUNTIME_DIR."},
	{"NOTIFY_SOCKET", "With create, run and start: the program gets a socket of its own, and its READY=1 is passed on to this one (sd_notify(3))."},
	{"LISTEN_FDS, LISTEN_PID", "With create and run: sockets of a systemd unit that are passed on to the program (sd_listen_fds(3))."},
}

var stateFiles = [][2]string{
	{"/run/rung/CONTAINER-ID/", "The container's state folder, below --root."},
}

var criuFiles = [][2]string{
	{"checkpoint/", "In the current folder: the default of --image-path."},
	{"dump.log, restore.log", "CRIU's logs, in the folder of --work-path or else of the images. Errors quote them."},
	{"/etc/criu/rung.conf, /etc/criu/runc.conf", "Options for CRIU; see criu(8), \"CONFIGURATION FILES\"."},
}

var bundleFiles = [][2]string{
	{"config.json", "The configuration, in the folder of the bundle (OCI runtime specification, config.md)."},
	stateFiles[0],
}

// pages has an entry for each command, and "" for the program.
var pages = map[string]extra{
	"": {
		text: `Containers are kept track of below the folder of --root. Each command asks the kernel how a container stands; nothing
runs in the background. If a command is killed at any point, rung delete --force clears up after it.

Called by the name runc or crun, through a link, it is that program for its caller where the two differ: the default of --root, what
--version, state, list and ps print, exit statuses, and with crun how a command line may be written. See docs/compatibility.md.

--log sends the log to journald with journald:NAME and to /dev/log with syslog:NAME, where NAME is what the lines are shown to be
of. Errors are written to standard error as well.

With --cgroup-manager disabled a container has no cgroup of its own but is in that of the caller, without limits.

Global options stand before the command. A command's own options may stand before and after its argument, except those of exec and
ps, which end at the container's id.`,
		exit: `0 on success, 1 on an error. rung run and rung exec end with the exit status of the program; see their pages.`,
		examples: []example{
			{"Make a bundle of busybox and run a shell in it:", "mkdir -p bundle/rootfs/bin && cd bundle\ncp /bin/busybox rootfs/bin/sh\nrung spec\nrung run mycontainer"},
			{"Let containerd run a container with rung:", "ctr run --runc-binary /usr/local/bin/rung docker.io/library/alpine:latest c1 sh"},
			{"See which step of a create takes long:", "rung --debug create --bundle /bundles/web web"},
		},
		files: [][2]string{
			{"/run/rung/", "The default of --root."},
			{"/run/rung/CONTAINER-ID/state.json", "What rung knows of a container."},
			{"/run/rung/CONTAINER-ID/journal.json", "What was about to be made for it, written before it was made; delete --force works by it."},
			{"config.json", "The configuration of a container, in its bundle."},
		},
		also: []string{"runc(8)", "crun(1)", "containerd(8)", "cgroups(7)", "namespaces(7)"},
	},
	"checkpoint": {
		text: `The images hold all that the processes had in memory: passwords, keys. Their folder is made with mode 0700. What is not in them: the root
filesystem and volumes, which have to be there when the container is restored; what is in a network namespace, which the engine makes
anew; id-mapped mounts, with which a container cannot be saved.

A --pre-dump takes long and stops the container for a moment only; the checkpoint after it, with --parent-path, has but little left to
save. Both the checkpoint and the restore need --manage-cgroups-mode ignore if CRIU is to leave cgroups alone.

Options of CRIU that rung has no flag for are read from the file that the annotation org.criu.config of config.json names, or else from
/etc/criu/rung.conf or, where that is missing, /etc/criu/runc.conf; they override rung's. A file that the annotation names must be
root's or the caller's, and no others may write to it: its options can name programs for CRIU to run.`,
		examples: []example{
			{"Save a container, and let it go on from there:", "rung checkpoint --image-path /var/tmp/web web\nrung restore --detach --bundle /bundles/web --image-path /var/tmp/web web"},
			{"Save most of it beforehand, and stop it for as short as possible:", "rung checkpoint --pre-dump --image-path /var/tmp/first web\nrung checkpoint --parent-path ../first --image-path /var/tmp/last web"},
		},
		files: criuFiles, also: []string{"rung-restore(8)", "rung-pause(8)", "criu(8)"},
	},
	"create": {
		text: `The hooks prestart, createRuntime and createContainer are run. If anything fails, whatever was made is removed.

With process.terminal set in config.json the terminal's master is sent to --console-socket.`,
		examples: []example{
			{"Create a container and start it later:", "rung create --bundle /bundles/web --pid-file /run/web.pid web\nrung start web"},
		},
		files: bundleFiles, also: []string{"rung-start(8)", "rung-run(8)", "rung-delete(8)"},
	},
	"delete": {
		text: `What is removed: the processes, the cgroups with those below them, the mounts of a container that shares the host's mount
namespace, and the state folder. The hooks poststop are run; that one fails is a warning.

A state folder that is damaged is cleared as far as its journal tells; if not even that can be read, cgroups may be left, and a
warning says so.

With --regex, one that cannot be deleted does not keep the others, and the exit status is 1. That none matches is no error.`,
		examples: []example{
			{"End and remove a container, whatever state it is in:", "rung delete --force web"},
			{"Remove all containers of a job, whatever they do:", "rung delete --force --regex '^job7-[0-9]+$'"},
			{"Remove all containers that have stopped:", "rung list --format json | jq -r '.[] | select(.status == \"stopped\") | .id' |\n  xargs -r -n 1 rung delete"},
		},
		files: stateFiles, also: []string{"rung-kill(8)", "rung-list(8)"},
	},
	"doctor": {
		text: `What the kernel can do is tried, in namespaces that end with the command; what is configured is read. Each line is "ok"
(green), "warn" (yellow: something is not to be had), "FAIL" (red: containers cannot be run) or "-" (neither: it is not there and not
missed, or root only can know), and says what to do.

An engine is registered if its configuration names rung as a runtime. The files read are those of containerd (with its imports), k3s,
RKE2, Docker (and the flags of a dockerd that runs), Podman and CRI-O, at their usual places.

The JSON is an object with the keys format (1; another number will mean that keys have changed their meaning), level (green, yellow or
red: the worst of the checks), usable (false if one is red), rung (version, commit, path), host (kernel, architecture, distribution, uid,
user) and checks, an array of objects:

    id       GROUP.TITLE, such as kernel.namespaces or engines.docker
    level    green, yellow, red or grey
    text     the finding, in words
    hint     what to do
    version  of the kernel, engine or criu
    have     what is there: namespaces, controllers, ...; with
             engines the names by which rung is registered
    missing  what is not

Of these id, level and text are always there. A check that does not apply to the caller is left out, and keys and checks may be
added. Words in text and hint may change, the others do not.`,
		exit: `0 if rung can be used here, with warnings or without; 1 if a check is red, or on an error.`,
		examples: []example{
			{"Before rung is brought to a node:", "rung doctor"},
			{"What is not as it should be, over all nodes:", "rung doctor --json | jq -r '.checks[] | select(.level == \"red\" or .level == \"yellow\") | .id'"},
			{"Does Docker know rung?", "rung doctor --json | jq -e '.checks[] | select(.id == \"engines.docker\") | .have'"},
		},
		also: []string{"rung-features(8)", "namespaces(7)", "cgroups(7)", "subuid(5)", "criu(8)"},
	},
	"events": {
		text: `The JSON is that of "runc events". Statistics have the type "stats" and, in "data", the objects cpu, cpuset, memory, pids,
blkio, hugetlb, intel_rdt and network_interfaces; the last is empty, and so is intel_rdt where config.json does not ask for it. Times are in nanoseconds, sizes in bytes. On cgroup v2
there is pressure stall information (psi), and none of the numbers for each CPU.

A lack of memory has the type "oom" and no data. On cgroup v1 it is told when the kernel looks for a process to kill, on v2 when it
has killed one.`,
		examples: []example{
			{"See how much memory a container uses:", "rung events --stats web | jq .data.memory.usage"},
			{"Wait for a lack of memory:", "rung events web | grep -m 1 '\"type\":\"oom\"'"},
		},
		also: []string{"rung-update(8)", "rung-ps(8)", "cgroups(7)"},
	},
	"exec": {
		text: `The program enters the container's namespaces and cgroups. The bundle and its config.json are not needed any more.`,
		exit: `That of the program; 128 and the number of the signal that ended it; 255 if the program was not run. With --detach 0 when the
program runs.`,
		examples: []example{
			{"Look around with a shell on a terminal:", "rung exec --tty web sh"},
			{"As another user, with one more variable:", "rung exec --user 1000:1000 --env LANG=C web id"},
			{"Leave a program running:", "rung exec --detach --pid-file /run/probe.pid web probe"},
		},
		also: []string{"rung-run(8)", "rung-ps(8)", "capabilities(7)"},
	},
	"features": {
		text:     `Namespaces, capabilities, mount options, cgroups and hooks that this rung knows, whether this host has them or not.`,
		examples: []example{{"Which mount options are known:", "rung features | jq -r '.mountOptions[]'"}},
		also:     []string{"rung-spec(8)"},
	},
	"kill": {
		text: `SIGKILL to a container that shares its pid namespace goes to all of its processes. It ends a container that is paused, too; any
other signal is delivered when that is resumed.

Names such as RTMIN+3 are those of the C library.`,
		examples: []example{
			{"Ask the program to end, then end it:", "rung kill web\nrung kill web KILL"},
			{"Tell all web servers to read their configuration:", "rung kill --regex '^web' HUP"},
			{"Have systemd in a container shut down:", "rung kill machine RTMIN+3"},
		},
		also: []string{"rung-delete(8)", "rung-pause(8)", "signal(7)"},
	},
	"list": {
		text: `The columns are the id, the pid of the init process (0 if it is gone), the status, the bundle, the time of creation and the owner.
The status is creating, created, running, paused or stopped. JSON is an array of what rung state prints, or null.`,
		examples: []example{{"All containers that run:", "rung list | awk '$3 == \"running\"'"}},
		files:    stateFiles, also: []string{"rung-state(8)", "rung-delete(8)"},
	},
	"mounts": {
		text: `Sources are those of the host, relative to the current folder. Destinations are in the container, and made where they do
not exist. Without a propagation option a mount is private: what the container mounts below it does not come back to the host.

A tmpfs is the container root's. Other filesystems would show the host's processes, network or devices; mount those on the host and
bind them.

Programs that have files of a removed mount open keep them. No symbolic link is followed to a mount that is to be removed.`,
		examples: []example{
			{"Show a folder of the host in a container, and take it away again:", "echo '[{\"destination\": \"/data\", \"source\": \"/srv/data\", \"options\": [\"rbind\", \"ro\"]}]' >data.json\nrung mounts add web data.json\nrung mounts remove web data.json"},
			{"Give it a scratch folder:", "echo '[{\"destination\": \"/scratch\", \"type\": \"tmpfs\", \"options\": [\"size=64m\"]}]' | rung mounts add web -"},
		},
		also: []string{"rung-update(8)", "mount(8)", "open_tree(2)", "move_mount(2)"},
	},
	"pause": {
		text:     `The container must be created or running. The kernel's freezer is used (cgroup v1: freezer.state, v2: cgroup.freeze); the processes notice nothing.`,
		examples: []example{{"Have a container stand still while its files are copied:", "rung pause web\ncp -a /srv/web /backup\nrung resume web"}},
		also:     []string{"rung-resume(8)", "rung-kill(8)", "cgroups(7)"},
	},
	"ps": {
		text: `Processes in cgroups that the container made below its own are listed, too. JSON needs no ps(1) on the host.`,
		examples: []example{
			{"Memory and time of each process:", "rung ps web -e -o pid,rss,time,args"},
			{"The pids alone:", "rung ps --format json web"},
		},
		also: []string{"rung-events(8)", "rung-exec(8)", "ps(1)"},
	},
	"restore": {
		text: `CRIU makes the processes again, with the pids that they have in the container. Around them rung makes what it makes for create: the cgroup
and its limits as config.json says, the state folder, the mount points. Standard streams that were pipes are those of rung now.
The hooks prestart and createRuntime are run when the namespaces are there, and poststop when the container is deleted.

Whoever has written the images decides which processes are made, and with which privileges: config.json does not take any from
them. Restore images of others only if you would run their programs as root. In a container with a user namespace CRIU opens the images,
and files that are standard streams, as the container's root, who has to be allowed to.

The host has to have what the processes rely on: the same processor or a better one, the kernel's features, CRIU 3.0 or newer (3.11
for a network namespace and 3.15 for a pid namespace that is joined, 3.16 for --lsm-profile).`,
		exit: programExit + ` 1 if it was not restored. With --detach 0 when it goes on.`,
		examples: []example{
			{"Let a saved container go on, in the background:", "rung restore --detach --bundle /bundles/web --image-path /var/tmp/web web"},
			{"A second one, in a cgroup of its own (another cgroupsPath in its config.json):", "rung restore --detach --manage-cgroups-mode ignore --bundle /bundles/web2 --image-path /var/tmp/web web2"},
		},
		files: criuFiles, also: []string{"rung-checkpoint(8)", "rung-run(8)", "criu(8)"},
	},
	"resume": {
		text:     `The container must be paused.`,
		examples: []example{{"Let a container go on:", "rung resume web"}},
		also:     []string{"rung-pause(8)"},
	},
	"run": {
		exit: programExit + ` 1 if it was not run. With --detach 0 when the program runs.`,
		examples: []example{
			{"Run a container in the current folder's bundle:", "rung run mycontainer"},
			{"Leave it running:", "rung run --detach --bundle /bundles/web --pid-file /run/web.pid web"},
		},
		files: bundleFiles, also: []string{"rung-create(8)", "rung-start(8)", "rung-exec(8)", "rung-delete(8)"},
	},
	"spec": {
		examples: []example{
			{"An example whose program is another:", "rung spec\njq '.process.args = [\"date\"] | .process.terminal = false' config.json >new\nmv new config.json"},
			{"A whole Debian, with systemd:", "debootstrap --include=systemd-sysv,dbus bookworm rootfs\nrung spec --init\nrung run debian"},
		},
		files: bundleFiles[:1], also: []string{"rung-run(8)", "rung-features(8)"},
	},
	"start": {
		text:     `The hooks startContainer and poststart are run.`,
		examples: []example{{"Start what was created:", "rung create --bundle /bundles/web web\nrung start web"}},
		files:    stateFiles, also: []string{"rung-create(8)", "rung-run(8)"},
	},
	"state": {
		text:     `The status is creating, created, running, paused or stopped. The pid is that of the init process as the host sees it, or 0.`,
		examples: []example{{"The pid of a container's init process:", "rung state web | jq .pid"}},
		files:    stateFiles, also: []string{"rung-list(8)", "rung-events(8)"},
	},
	"update": {
		text: `Sizes are in bytes, or with a unit of powers of 1024: k, m, g, t or p, in either case. --memory-swap is memory and swap together;
if only --memory is given, that sum stays. A memory limit below what is in use makes the kernel reclaim; on cgroup v2 it may kill
processes, unless "checkBeforeUpdate" in FILE asks for an error instead.

The rules for devices stay as they are, even if FILE has some.

    {
      "memory": {"limit": 67108864, "swap": 134217728, "checkBeforeUpdate": true},
      "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0-1"},
      "pids": {"limit": 100},
      "unified": {"memory.high": "60M"}
    }`,
		examples: []example{
			{"Half a CPU and 64 MiB:", "rung update --cpu-period 100000 --cpu-quota 50000 --memory 64M web"},
			{"No limit of processes any more:", "rung update --pids-limit -1 web"},
			{"From standard input:", "echo '{\"cpu\": {\"shares\": 512}}' | rung update --resources - web"},
		},
		also: []string{"rung-events(8)", "cgroups(7)"},
	},
}
