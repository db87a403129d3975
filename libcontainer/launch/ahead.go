package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/internal/stub"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/initproc"
	"github.com/rungoci/rung/libcontainer/seccomp"
)

// A process that joins a container can most often do without a rung in it: what
// rung would do there is written down ahead (initproc.Write), and the process
// makes the system calls of that list. Where it cannot, or where one of the calls
// fails, the process is made anew with a rung in it, which knows what to say and
// what else to try.

// ahead is such a process.
type ahead struct {
	exe *os.File
	// release and report are this side's ends of two pipes; the process reads a
	// byte from the other end of the first, and reports to that of the second.
	release, report *os.File
	theirs          []*os.File
	warnings        []string
}

// errAgain says that the process has to be made with a rung in it.
var errAgain = errors.New("the process could not be set up by a list of system calls")

// join makes a process that joins a container.
func join(ctx context.Context, r *Request) (*Result, error) {
	if r.PidfdSocket == "" && stub.Supported && !r.Into.State.Exec.Userns {
		c := &creation{Request: r, ctx: ctx, spec: r.Bundle.Spec, ahead: new(ahead)}
		res, err := create(c)
		if !errors.Is(err, errAgain) || ctx.Err() != nil {
			return res, err
		}
		again := *r
		if c.process != nil {
			again.Cloned = nil // has been called
		}
		r = &again
	}
	return create(&creation{Request: r, ctx: ctx, spec: r.Bundle.Spec})
}

// writeAhead makes the program of the process.
func (c *creation) writeAhead() error {
	root, err := rootOf(c.state.Init.Pid)
	if err != nil {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	defer root.Close()
	what := initproc.Ahead{
		Spec: c.spec, ID: c.state.ID, Keyring: !c.NoKeyring, Foreground: c.Foreground, KeepGroups: c.keepsGroups(), Preserve: c.Preserve, Root: int(root.Fd()),
		Streams: [3]int{0, 1, 2},
	}
	for i, f := range c.Stdio {
		if f != nil {
			what.Streams[i] = int(f.Fd())
		}
	}
	if c.hasFilter() {
		data, err := c.Dir.ReadFilter()
		if err != nil {
			return err
		}
		if what.Filter, err = seccomp.Parse(data); err != nil {
			return errdefs.Doing(err, "read the seccomp filter")
		}
	}
	program, warnings, err := initproc.Write(what)
	if err == nil {
		c.ahead.warnings = warnings
		c.ahead.exe, err = program.File(4 + c.Preserve)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return nil
}

// program has the process execute it. proc is the host's /proc, or nil.
func (a *ahead) program(req *spawn.Request, proc *os.File) error {
	var release, report [2]int
	if err := unix.Pipe2(release[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	a.theirs, a.release = []*os.File{os.NewFile(uintptr(release[0]), "release")}, os.NewFile(uintptr(release[1]), "release")
	if err := unix.Pipe2(report[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	a.report, a.theirs = os.NewFile(uintptr(report[0]), "report"), append(a.theirs, os.NewFile(uintptr(report[1]), "report"))
	req.Exe, req.Plain = a.exe, true
	req.Args = []string{handshake.Arg0}
	req.Files = slices.Clone(a.theirs)
	if proc != nil {
		req.Files = append(req.Files, proc)
	}
	return nil
}

// handedOver closes the ends that the process has.
func (a *ahead) handedOver() {
	for _, f := range a.theirs {
		f.Close()
	}
	a.theirs = nil
}

func (a *ahead) close() {
	a.handedOver()
	for _, f := range []*os.File{a.exe, a.release, a.report} {
		if f != nil {
			f.Close()
		}
	}
}

// hungUp tells whether the process runs the user's program, or is dead.
func (c *creation) hungUp() bool {
	if c.ahead != nil {
		return handshake.HungUp(c.ahead.report)
	}
	return c.conn.HungUp()
}

// releaseAhead has the process run the user's program, and waits until it does.
func (c *creation) releaseAhead() error {
	a := c.ahead
	if err := c.process.SetupError(); err != nil {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	// If it has failed already, it says why.
	if _, err := a.release.Write([]byte{0}); err != nil && !errors.Is(err, unix.EPIPE) {
		return errdefs.Doing(err, "tell the process to start")
	}
	ready := false
	for {
		report, err := stub.ReadReport(a.report)
		switch {
		case errors.Is(err, io.EOF) && ready:
			for _, w := range a.warnings {
				c.Warn(w)
			}
			return nil
		case errors.Is(err, io.EOF):
			return c.died()
		case err != nil:
			return errdefs.Doing(err, "wait for the process")
		case report.Failed():
			return fmt.Errorf("%w: %w", errAgain, report.Err())
		}
		ready = true
	}
}
