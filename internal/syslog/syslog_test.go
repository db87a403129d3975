package syslog

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// listen has a service listen at a socket of the test's own.
func listen(t *testing.T, service Service) *net.UnixConn {
	t.Helper()
	path, before := filepath.Join(t.TempDir(), "socket"), sockets[service]
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	sockets[service] = path
	t.Cleanup(func() { sockets[service] = before; l.Close() })
	return l
}

// send sends a line, and returns what arrives.
func send(t *testing.T, service Service, severity Severity, text string) string {
	t.Helper()
	l := listen(t, service)
	w, err := Open(service, "name")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Write(severity, text); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	if err := l.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := l.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestJournal(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	want := "PRIORITY=3\nSYSLOG_IDENTIFIER=name\nSYSLOG_PID=" + pid + "\nMESSAGE=a=b\n"
	if got := send(t, Journal, Error, "a=b"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want = "PRIORITY=7\nSYSLOG_IDENTIFIER=name\nSYSLOG_PID=" + pid + "\nMESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n"
	if got := send(t, Journal, Debug, "a\nb"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSyslog(t *testing.T) {
	got := send(t, Syslog, Warning, "a\nb")
	if !strings.HasPrefix(got, "<12>") || !strings.HasSuffix(got, " name["+strconv.Itoa(os.Getpid())+"]: a b") {
		t.Errorf("got %q", got)
	}
	if _, err := time.Parse(time.Stamp, got[4:4+len(time.Stamp)]); err != nil {
		t.Error(err)
	}
}

func TestNobodyListens(t *testing.T) {
	before := sockets[Syslog]
	defer func() { sockets[Syslog] = before }()
	sockets[Syslog] = filepath.Join(t.TempDir(), "none")
	if _, err := Open(Syslog, "name"); err == nil || !strings.Contains(err.Error(), sockets[Syslog]) {
		t.Errorf("got %v", err)
	}
}
