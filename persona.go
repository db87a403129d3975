package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer"
	"github.com/rungoci/rung/libcontainer/seccomp"
	"github.com/rungoci/rung/libcontainer/specgen"
)

// persona is the program that rung is for its caller. An engine that only knows
// runc or crun finds rung under that name (a link to it in the engine's path);
// what such an engine can see then is as that program has it, where the two
// differ.
type persona string

const (
	asRung persona = "rung"
	asRunc persona = "runc"
	asCrun persona = "crun"
)

// self is who rung is in this process.
var self = asRung

// calledAs returns who the program is that was called by the name argv0.
func calledAs(argv0 string) persona {
	switch p := persona(filepath.Base(argv0)); p {
	case asRunc, asCrun:
		return p
	}
	return asRung
}

// The releases of runc and crun whose command lines rung takes. Callers compare
// the number in --version with the one that brought what they want.
const (
	runcRelease = "1.5.0"
	crunRelease = "1.27"
)

// release is the version that a persona says it has. What rung itself is
// follows as build metadata (section 10 of Semantic Versioning), which no order
// of versions looks at.
func (p persona) release() string {
	switch p {
	case asRunc:
		return runcRelease + "+rung." + version
	case asCrun:
		return crunRelease + "+rung." + version
	}
	return version
}

// printVersion prints what Docker, Podman, CRI-O and go-runc read: the first
// line, and those that begin with "commit:" and "spec:".
func printVersion(w io.Writer) {
	fmt.Fprintln(w, self, "version", self.release())
	if gitCommit != "" {
		fmt.Fprintln(w, "commit:", gitCommit)
	}
	if self == asCrun {
		fmt.Fprintln(w, "rundir:", defaultRoot())
		// What crun says, whose callers know no other.
		fmt.Fprintln(w, "spec: 1.0.0")
		fmt.Fprintln(w, crunFeatures())
		return
	}
	fmt.Fprintln(w, "spec:", specs.Version)
	fmt.Fprintln(w, "go:", runtime.Version())
}

// defaultRoot is /run/rung, or a folder of the user's own for anyone but root,
// and for the root of a user namespace that a user made (rootless Podman). crun
// takes XDG_RUNTIME_DIR from root, too.
func defaultRoot() string {
	name := "/" + string(self)
	dir := os.Getenv("XDG_RUNTIME_DIR")
	switch {
	case dir == "":
	case self == asCrun, os.Geteuid() != 0, os.Getenv("USER") != "root" && libcontainer.InUserNamespace():
		return dir + name
	}
	return "/run" + name
}

// crunFeatures is the line of crun's --version that tells what it was built
// with.
func crunFeatures() string {
	f := specgen.Features(nil, seccomp.FlagSupported)
	line := "+SELINUX +APPARMOR +CAP +SECCOMP +EBPF"
	if *f.Linux.Cgroup.Systemd {
		line = "+SYSTEMD " + line
	}
	if f.Annotations[checkpointEnabled] == "true" {
		line += " +CRIU"
	}
	return line
}

// checkpointEnabled is the annotation of features by which Podman finds out.
const checkpointEnabled = "org.opencontainers.runc.checkpoint.enabled"

// logLevel is the default of --log-level. crun says nothing but errors.
func (p persona) logLevel() string {
	if p == asCrun {
		return "error"
	}
	return "warning"
}

// execFailed is the exit status of an exec whose program did not run. With any
// but runc's it may have been the program's.
func (p persona) execFailed() int {
	if p == asCrun {
		return 1
	}
	return 255
}

// usageStatus is the exit status of a command line that makes no sense; crun's
// is EX_USAGE of sysexits.h, by way of argp(3).
func (p persona) usageStatus() int {
	if p == asCrun {
		return 64
	}
	return 1
}

// scopeSubgroup is the cgroup below the scope of the systemd driver that a
// container is in where run.oci.systemd.subgroup says nothing.
func (p persona) scopeSubgroup() string {
	if p == asCrun {
		return "container"
	}
	return ""
}
