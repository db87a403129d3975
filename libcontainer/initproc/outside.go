package initproc

import (
	"errors"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/handshake"
	"github.com/rungoci/rung/libcontainer/network"
	"github.com/rungoci/rung/libcontainer/process"
)

// Steps that need the outside: they take what it sends, have it do something,
// or wait for it.

// procfs opens the host's /proc while nobody in the container can replace it.
// The process of an exec is too late for that: if it needs one, the outside
// sends it.
func (in *inside) procfs() (err error) {
	if !in.msg.Join {
		in.proc, err = process.OpenProc()
		return err
	}
	if !in.msg.Proc {
		return nil
	}
	f, err := in.receiveFile(handshake.KindProc, "its /proc")
	if err != nil {
		return err
	}
	in.proc, err = process.ProcFromFile(f)
	return err
}

// network enters the new network namespace, which the outside has made while
// this process started up.
func (in *inside) network() error {
	if !in.newNamespace(specs.NetworkNamespace) || in.alongside() {
		return nil
	}
	if in.msg.Userns {
		// It had to be made with the user namespace that it belongs to.
		return errdefs.Doing(network.LoopbackUp(), "bring up the loopback interface")
	}
	f, err := in.receiveFile(handshake.KindNetwork, "the network namespace")
	if err != nil {
		return err
	}
	defer f.Close()
	return errdefs.Doing(unix.Setns(int(f.Fd()), unix.CLONE_NEWNET), "enter the network namespace")
}

// networkDevices waits until the outside has moved devices to this process's
// network namespace.
func (in *inside) networkDevices() error {
	if len(in.spec.Linux.NetDevices) == 0 {
		return nil
	}
	if err := in.conn.Send(handshake.KindNetwork, nil); err != nil {
		return err
	}
	return in.expect(handshake.KindNetwork)
}

// hookOutput takes the files that hooks write to.
func (in *inside) hookOutput() error {
	for _, f := range [...]struct {
		comes bool
		to    **os.File
	}{{in.msg.HookStdout, &in.hooks.Stdout}, {in.msg.HookStderr, &in.hooks.Stderr}} {
		if !f.comes {
			continue
		}
		file, err := in.receiveFile(handshake.KindHookOutput, "the files for the output of hooks")
		if err != nil {
			return err
		}
		*f.to = file
	}
	return nil
}

// runtimeHooks waits until the outside has run the prestart and createRuntime
// hooks, which see the container's mounts but run in the host's namespaces.
func (in *inside) runtimeHooks() error {
	if !in.msg.PauseForHooks {
		return nil
	}
	if err := in.conn.Send(handshake.KindMounted, nil); err != nil {
		return err
	}
	return in.expect(handshake.KindHooksDone)
}

// expect waits for a frame of the outside. Anything else, an end of file most
// of all, means that there is nobody left to make a container for.
func (in *inside) expect(kind handshake.Kind) error {
	fr, err := in.conn.Receive()
	if err != nil {
		return errdefs.Doing(err, "wait for the outside")
	}
	if fr.Kind != kind {
		return errors.New("handshake: unexpected answer from the outside")
	}
	return nil
}

// receiveFile takes a file that the outside sends.
func (in *inside) receiveFile(kind handshake.Kind, what string) (*os.File, error) {
	fr, err := in.conn.Receive()
	if err != nil {
		return nil, errdefs.Doing(err, "wait for the outside")
	}
	if fr.Kind != kind || fr.File == nil {
		return nil, errors.New("handshake: the outside does not send " + what)
	}
	return fr.File, nil
}
