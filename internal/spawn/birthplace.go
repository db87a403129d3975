package spawn

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// birthplace has what the calling thread clones from now on be born in the pid
// namespace that is to be joined. A pid namespace is joined by a process's children
// (pid_namespaces(7)), and what counts for them is the thread that clones them: with
// this one in the place of a first process that would clone a second, there is one
// process less to make.
//
// The child is in reach of the processes there before it makes its first call.
// So this process, which it is a copy of, is undumpable until shown is called: they
// cannot trace it nor look into its folder in /proc (CVE-2016-9962). But for some
// files in there nobody asks: mountinfo, net and others show what the
// namespaces have that the process is in, and go on doing so to whoever has opened
// them. Hence the thread is in the container's already (see Request.Spent).
//
// It must not make threads from now on, which the kernel would refuse; the Go
// runtime has another one do that for a goroutine that is locked to its thread.
func (b *builder) birthplace() (shown func(), err error) {
	if b.birth == nil {
		return func() {}, nil
	}
	shown = keepDumpable()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, errdefs.Doing(err, "hide from the processes of the container")
	}
	if err := unix.Setns(b.birth.FD, unix.CLONE_NEWPID); err != nil {
		shown()
		return nil, &errdefs.Error{Doing: "join the namespace", Field: b.birth.Field, Err: err}
	}
	return shown, nil
}

// killAtEnd has the child killed if ctx ends before stop is called. A thread that
// shares its memory with the child stands still until that executes its program. In
// the container's pid namespace and cgroup, its processes may keep it from that for
// as long as they like: by SIGSTOP, or by using up the cgroup's share of the
// processors.
//
// The system call is a raw one (see cloneAndRun), so the thread keeps its P of the Go
// scheduler. What is called at the end of ctx needs another: it does not run where
// GOMAXPROCS is 1, nor once the collector or anything else waits for the world to stop.
func (b *builder) killAtEnd(ctx context.Context) (stop func()) {
	atomic.StoreInt32(&b.pidFD, -1)
	cloned, killed := make(chan struct{}), make(chan struct{})
	off := context.AfterFunc(ctx, func() {
		defer close(killed)
		for {
			// The kernel writes it when the child is there, and tells nobody.
			if fd := atomic.LoadInt32(&b.pidFD); fd >= 0 {
				_ = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0)
				return
			}
			select {
			case <-cloned:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	return func() {
		close(cloned)
		if !off() {
			<-killed // it may be about to use the descriptor
		}
	}
}
