package seccomp

import (
	"bytes"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

func TestFlags(t *testing.T) {
	for want, flags := range map[uint32][]specs.LinuxSeccompFlag{
		4:  nil, // SPEC_ALLOW, as with runc
		0:  {},
		2:  {"SECCOMP_FILTER_FLAG_LOG"},
		6:  {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"},
		32: {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
	} {
		p, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: flags})
		if err != nil || p.Flags != want || p.Notify() {
			t.Errorf("%q: %+v, %v", flags, p, err)
		}
	}
	p, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}}})
	if err != nil || p.Flags != 8 || !p.Notify() {
		t.Errorf("with a listener: %+v, %v", p, err)
	}
	if FlagSupported("SECCOMP_FILTER_FLAG_X") || !FlagSupported(flagTsync) || !FlagSupported(specs.LinuxSeccompFlagLog) {
		t.Error("the wrong flags are supported")
	}
}

func TestWire(t *testing.T) {
	p, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow})
	if err != nil {
		t.Fatal(err)
	}
	data := p.Bytes()
	if got, err := Parse(data); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("read back as %+v, %v", got, err)
	}
	for _, broken := range [][]byte{nil, data[:3], data[:4], data[:len(data)-1], append(bytes.Clone(data), 0), make([]byte, 4+insn*4097)} {
		if p, err := Parse(broken); err == nil {
			t.Errorf("%d bytes are taken for %+v", len(broken), p)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, 12))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := Parse(data); err == nil && !bytes.Equal(p.Bytes(), data) {
			t.Errorf("%x becomes %x", data, p.Bytes())
		}
	})
}

// TestLoad loads a filter on a thread that ends with the test.
func TestLoad(t *testing.T) {
	errno := uint(unix.ENETDOWN)
	p, err := Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86, specs.ArchX32},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"umask"}, Action: specs.ActErrno, ErrnoRet: &errno}}})
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		err   error
		umask unix.Errno
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread goes with the goroutine
		var r result
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			r.err = err
			done <- r
			return
		}
		r.err = Load(sys.Here(), p)
		_, _, r.umask = unix.RawSyscall(unix.SYS_UMASK, 0o22, 0, 0)
		done <- r
	}()
	if r := <-done; r.err != nil || r.umask != unix.ENETDOWN {
		t.Errorf("got %+v", r)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_UMASK, 0o22, 0, 0); errno != 0 {
		t.Error("another thread is under the filter:", errno)
	}
	broken := &Program{Filter: []unix.SockFilter{{Code: 0xffff}}}
	if err := Load(sys.Here(), broken); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "linux.seccomp") {
		t.Errorf("a program that is none: %v", err)
	}
}
