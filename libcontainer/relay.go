package libcontainer

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// relay passes the signals that rung gets on to a container's init process.
// Until that is attached, those that mean "stop" end its creation, and the others
// wait.
//
// To enable one signal takes the Go runtime two hand-overs between threads,
// and there are 60 of them, so they are enabled in groups, each when it begins
// to matter: stopSignals, and the common ones that people and engines send to
// programs besides, when there is a process at the latest, and before its program
// runs; the rare ones, which are all others, rareAfter that. Until then Go
// does with a signal what it does without a relay: stopSignals end rung, those
// that stop or abort a process do that to rung, and the others are lost.
type relay struct {
	ch   chan os.Signal
	warn func(string)

	// enabled is closed when the signals that end rung are; ended when nothing
	// reads ch any more.
	enabled, ended chan struct{}

	mu     sync.Mutex
	cancel context.CancelCauseFunc
	// pending came before attach, where it did not end the creation.
	pending []unix.Signal
	target  *os.File // pidfd of the init
	resize  func()   // for SIGWINCH, where there is a terminal
	// over says that what comes is nobody's any more; closed that ch is.
	over, closed bool
}

const (
	// rareAfter is when rare signals are enabled; see relay.
	rareAfter = 10 * time.Millisecond
	// slowAfter is when UntilSignal listens: Ctrl-C may be waited for.
	slowAfter = 5 * time.Millisecond
)

// newRelay returns a relay, and a context that ends when a signal asks for
// that before attach was called.
func newRelay(parent context.Context, warn func(string)) (*relay, context.Context) {
	ctx, cancel := context.WithCancelCause(parent)
	r := &relay{ch: make(chan os.Signal, 128), enabled: make(chan struct{}), ended: make(chan struct{}), warn: warn, cancel: cancel}
	go func() {
		defer close(r.ended)
		for s := range r.ch {
			if sig, ok := s.(unix.Signal); ok {
				r.handle(sig)
			}
		}
	}()
	return r, ctx
}

// UntilSignal returns a context for Create that ends when SIGINT, SIGTERM,
// SIGHUP or SIGQUIT asks for that; the container is then undone. It is for
// commands that do nothing else: from then on these signals do not end the
// process.
func UntilSignal(parent context.Context) context.Context {
	r, ctx := newRelay(parent, nil)
	time.AfterFunc(slowAfter, r.enableStop)
	return ctx
}

// cloned enables the signals that end rung, while something else is done: 0.2 to
// 0.5 ms.
func (r *relay) cloned() {
	go func() {
		r.enableStop()
		r.enableCommon()
		close(r.enabled)
	}()
}

// armed waits until cloned has done its work: from now on the container, which
// is about to run, does not lose rung.
func (r *relay) armed() { <-r.enabled }

// attach directs the signals to the process of pidfd. With a terminal, resize
// is called for SIGWINCH instead.
func (r *relay) attach(pidfd *os.File, resize func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target, r.resize = pidfd, resize
	for _, sig := range r.pending {
		r.forward(sig)
	}
	if resize != nil {
		signal.Notify(r.ch, unix.SIGWINCH)
		// The size may have changed since the terminal was made.
		resize()
	}
	go func() {
		// Not a timer of Go's: the first one sets up its network poller.
		rest := unix.NsecToTimespec(rareAfter.Nanoseconds())
		_ = unix.Nanosleep(&rest, nil)
		r.enableRare()
	}()
}

// stopSignals are those that end a creation.
var stopSignals = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}

// enable has signals come, unless there is nobody any more whom they come to.
func (r *relay) enable(signals ...os.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		signal.Notify(r.ch, signals...)
	}
}

// enableStop enables what ends a creation.
func (r *relay) enableStop() {
	r.enable(stopSignals...)
}

// enableCommon enables what people and engines send to programs.
func (r *relay) enableCommon() {
	r.enable(unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCONT, unix.SIGTSTP, unix.SIGALRM)
}

// enableRare enables the rest.
func (r *relay) enableRare() {
	for sig := unix.Signal(1); sig <= lastSignal; sig++ {
		if relayed(sig) {
			r.enable(sig)
		}
	}
}

// lastSignal is _NSIG, the same on all architectures of rung.
const lastSignal = 64

// relayed tells whether a signal is meant for the container. Some say
// something to rung itself: that a child ended, that nobody reads its output,
// that it faulted. SIGURG is the Go runtime's own, many times a second.
func relayed(sig unix.Signal) bool {
	switch sig {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGFPE, unix.SIGTRAP,
		unix.SIGSYS, unix.SIGPROF, unix.SIGKILL, unix.SIGSTOP:
		return false
	}
	return true
}

func (r *relay) handle(sig unix.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
	case r.target != nil && sig == unix.SIGWINCH && r.resize != nil:
		r.resize()
	case r.target != nil:
		r.forward(sig)
	case sig == unix.SIGWINCH:
		// attach looks at the size itself.
	default:
		// The program may run already.
		r.pending = append(r.pending, sig)
		if slices.Contains(stopSignals, os.Signal(sig)) {
			r.cancel(errors.New("interrupted by " + unix.SignalName(sig)))
		}
	}
}

func (r *relay) forward(sig unix.Signal) {
	if err := unix.PidfdSendSignal(int(r.target.Fd()), sig, nil, 0); err != nil && err != unix.ESRCH {
		r.warn("forward " + unix.SignalName(sig) + ": " + err.Error())
	}
}

// detach drops what comes from now on; the container has ended.
func (r *relay) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.target, r.resize, r.pending = nil, nil, nil
}

// close is detach, and has signals do again what they did before; nothing is left of
// the relay, and its context ends. With keep it is detach alone: no signal is to end a
// command that is about to tell how its program ended, and to disable as many costs
// as much as to enable them.
func (r *relay) close(keep bool) {
	r.detach()
	if keep {
		return
	}
	r.mu.Lock()
	r.closed = true
	signal.Stop(r.ch) // nothing is sent on it from here on
	close(r.ch)
	r.mu.Unlock()
	<-r.ended
	r.cancel(nil)
}
