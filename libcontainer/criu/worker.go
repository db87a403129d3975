package criu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

// program is looked for in $PATH.
const program = "criu"

const (
	// socketFD is the descriptor of the worker's end of the socket.
	socketFD = 3
	// firstExtra is the first of the descriptors that it inherits besides.
	firstExtra = 4
)

// ErrMissing is returned where there is no CRIU.
var ErrMissing = errors.New("the program criu is not installed, or not in $PATH")

// worker is a criu that waits for a request.
type worker struct {
	pid  int
	sock int
	// said is what it wrote to its standard error, where that is ours: what
	// went wrong before it had a log.
	said *os.File
	// ended is how it ended.
	ended error
	// killed is true once rung has killed it.
	killed bool
	// idle is called every few seconds while the worker says nothing (see
	// watch), or nil.
	idle func()
}

// patience is how long a worker may say nothing before it is looked after. A
// variable, so that tests need not wait as long.
var patience = unix.Timeval{Sec: 3}

// watch has idle called every few seconds while the worker says nothing.
func (w *worker) watch(idle func()) error {
	w.idle = idle
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(w.sock, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience))
}

// spawn says how to start a worker.
type spawn struct {
	// stdio are its standard streams; those that are nil are /dev/null, and
	// standard error is kept for errors.
	stdio [3]*os.File
	// extra are the descriptors from firstExtra on.
	extra []*os.File
	// apart keeps the signals of the terminal (Ctrl-C) from it. A CRIU that is
	// killed in the middle of a dump leaves its own code in the container's
	// processes; one that loses its caller takes it out again.
	apart bool
}

// start starts a worker. It is forked from the calling thread, and so begins
// in the namespaces of that thread.
func (s *spawn) start() (*worker, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, &errdefs.Error{Err: ErrMissing, Hint: "CRIU " + Version(oldest).String() + " or newer is needed, from https://criu.org or the package criu"}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1])
	w := &worker{sock: pair[0]}
	files := make([]uintptr, 0, firstExtra+len(s.extra))
	for i, f := range s.stdio {
		if f == nil && i == 2 {
			f = w.listen(null)
		} else if f == nil {
			f = null
		}
		files = append(files, f.Fd())
	}
	files = append(files, uintptr(pair[1]))
	for _, f := range s.extra {
		files = append(files, f.Fd())
	}
	w.pid, err = syscall.ForkExec(path, []string{program, "swrk", strconv.Itoa(socketFD)}, &syscall.ProcAttr{
		Env: os.Environ(), Files: files, Sys: &syscall.SysProcAttr{Setpgid: s.apart},
	})
	if err != nil {
		return nil, w.finish(errdefs.Doing(err, "run "+path), "")
	}
	return w, nil
}

// listen returns a file for what the worker writes to its standard error, or
// otherwise, where there cannot be one.
func (w *worker) listen(otherwise *os.File) *os.File {
	fd, err := unix.MemfdCreate(program, unix.MFD_CLOEXEC)
	if err != nil {
		return otherwise
	}
	w.said = os.NewFile(uintptr(fd), program)
	return w.said
}

// lastWords returns the last line that the worker wrote to its standard error.
func (w *worker) lastWords() string {
	if w.said == nil {
		return ""
	}
	text := make([]byte, 4096)
	n, _ := w.said.ReadAt(text, 0)
	lines := strings.Split(strings.TrimSpace(string(text[:n])), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// send sends a request, or the answer to a notification.
func (w *worker) send(req *rpc.CriuReq) error {
	data, err := req.MarshalVT()
	if err != nil {
		return errdefs.Doing(err, "encode a request to CRIU")
	}
	for {
		// It may be gone: an error is wanted then, and no signal.
		err := unix.Sendto(w.sock, data, unix.MSG_NOSIGNAL, nil)
		if err != unix.EINTR {
			return os.NewSyscallError("sendto", err)
		}
	}
}

// maxMessage bounds what CRIU can say at once, in bytes.
const maxMessage = 64 << 10

// receive waits for the worker to say something. A descriptor that comes with
// it is the caller's. It returns io.EOF when the worker is gone.
func (w *worker) receive() (*rpc.CriuResp, *os.File, error) {
	data, control := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	var n, nc, flags int
	var err error
	for {
		n, nc, flags, _, err = unix.Recvmsg(w.sock, data, control, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EAGAIN && w.idle != nil {
			w.idle()
		} else if err != unix.EINTR {
			break
		}
	}
	if err == nil && n == 0 || err == unix.ECONNRESET {
		err = io.EOF
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := passed(control[:nc])
	if err != nil {
		return nil, nil, err
	}
	resp := new(rpc.CriuResp)
	if flags&unix.MSG_TRUNC != 0 {
		err = errors.New("it is too long")
	} else {
		err = resp.UnmarshalVT(data[:n])
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		return nil, nil, errdefs.Doing(err, "understand CRIU's answer")
	}
	return resp, f, nil
}

// passed returns the descriptor of a control message, or nil.
func passed(control []byte) (*os.File, error) {
	if len(control) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), nil
}

// notified is called with a notification, and the descriptor that came with it
// or nil. With stop the answer is left to the caller of converse (see goOn).
type notified func(*rpc.CriuNotify, *os.File) (stop bool, err error)

// converse sends req and calls notify (which may be nil) for what CRIU says,
// until it gives the result, which is returned. It returns nil where notify
// said stop.
func (w *worker) converse(req *rpc.CriuReq, notify notified) (*rpc.CriuResp, error) {
	if err := w.send(req); err != nil {
		return nil, err
	}
	return w.await(notify)
}

// await is converse after the request was sent. notify may be nil.
func (w *worker) await(notify notified) (*rpc.CriuResp, error) {
	for {
		resp, f, err := w.receive()
		if err != nil {
			return nil, err
		}
		stop := false
		if resp.GetType() == rpc.CriuReqType_NOTIFY && resp.GetSuccess() && notify != nil {
			stop, err = notify(resp.GetNotify(), f)
		}
		if f != nil {
			f.Close()
		}
		switch {
		case err != nil:
			return nil, err
		case !resp.GetSuccess():
			return nil, &failure{resp.GetCrErrno(), resp.GetCrErrmsg()}
		case resp.GetType() != rpc.CriuReqType_NOTIFY:
			return resp, nil
		case stop:
			return nil, nil
		}
		if err := w.send(goOn()); err != nil {
			return nil, err
		}
	}
}

// goOn is the answer to a notification.
func goOn() *rpc.CriuReq {
	t, yes := rpc.CriuReqType_NOTIFY, true
	return &rpc.CriuReq{Type: &t, NotifySuccess: &yes}
}

// failure is CRIU's own word that it failed.
type failure struct {
	errno   int32
	message string
}

func (f *failure) Error() string {
	if f.errno != 0 {
		return "CRIU failed: " + syscall.Errno(f.errno).Error()
	}
	return "CRIU failed"
}

// Unwrap returns the errno, where CRIU knew one.
func (f *failure) Unwrap() error {
	if f.errno == 0 {
		return nil
	}
	return syscall.Errno(f.errno)
}

// interrupt has the worker, and whoever waits for it, see an end of file. It
// undoes what it has begun and ends.
func (w *worker) interrupt() { _ = unix.Shutdown(w.sock, unix.SHUT_RDWR) }

// finish hangs up and waits for the worker's end. err is what its request came
// to; finish returns it with CRIU's reasons, which are in its log at the path
// log (or "").
func (w *worker) finish(err error, log string) error {
	ended := w.end()
	if w.said != nil {
		defer w.said.Close()
	}
	if err == nil {
		return nil
	}
	return explain(err, ended, w.lastWords(), log)
}

// end hangs up and waits for the worker's end. It returns an error unless that
// is an exit with status 0.
func (w *worker) end() error {
	if w.sock >= 0 {
		unix.Close(w.sock)
		w.sock = -1
	}
	if w.pid == 0 {
		return w.ended
	}
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(w.pid, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	w.pid = 0
	switch {
	case w.killed:
		w.ended = errors.New("CRIU failed, and had to be killed")
	case status.Signaled():
		w.ended = fmt.Errorf("CRIU was killed by signal %d (%s)", int(status.Signal()), unix.SignalName(status.Signal()))
	case status.ExitStatus() != 0:
		w.ended = fmt.Errorf("CRIU ended with exit status %d", status.ExitStatus())
	}
	return w.ended
}
