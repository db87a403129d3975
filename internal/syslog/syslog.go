// Package syslog sends lines to the log service of the host: to journald by its
// own protocol, or to whatever listens at /dev/log by that of syslog(3).
//
// The standard library's log/syslog links in package net, whose initialisation
// every start of rung would pay for.
package syslog

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Service is a log service.
type Service int

const (
	// Journal is journald: the line's fields are PRIORITY, SYSLOG_IDENTIFIER,
	// SYSLOG_PID and MESSAGE.
	Journal Service = iota
	// Syslog is any service that takes RFC 3164.
	Syslog
)

// Severity is how much a line matters, as in syslog(3).
type Severity int

// The severities that rung has a use for.
const (
	Error   Severity = 3
	Warning Severity = 4
	Debug   Severity = 7
)

// facilityUser is LOG_USER.
const facilityUser = 1 << 3

// sockets are where the services listen.
var sockets = map[Service]string{Journal: "/run/systemd/journal/socket", Syslog: "/dev/log"}

// Writer sends lines to a service. Each is one datagram, so that lines of
// several processes do not mix.
type Writer struct {
	service Service
	name    string
	fd      int
}

// Open connects to a service. name is what the log shows the lines to be of.
// The error is that of socket(2) or connect(2): most often that nobody listens.
func Open(service Service, name string) (*Writer, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	path := sockets[service]
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "connect to", Path: path, Err: err}
	}
	return &Writer{service: service, name: name, fd: fd}, nil
}

// Write sends one line. The error is that of send(2).
func (w *Writer) Write(severity Severity, text string) error {
	data := w.journal(severity, text)
	if w.service == Syslog {
		data = w.classic(severity, text, time.Now())
	}
	return os.NewSyscallError("send", unix.Send(w.fd, data, unix.MSG_NOSIGNAL))
}

// Close closes the connection.
func (w *Writer) Close() error { return unix.Close(w.fd) }

// journal returns the datagram for journald: a field a line, and one whose
// value has line breaks with its length before it.
// https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
func (w *Writer) journal(severity Severity, text string) []byte {
	var out []byte
	field := func(name, value string) {
		if !strings.Contains(value, "\n") {
			out = append(out, name+"="+value+"\n"...)
			return
		}
		out = append(out, name+"\n"...)
		out = binary.LittleEndian.AppendUint64(out, uint64(len(value)))
		out = append(out, value+"\n"...)
	}
	field("PRIORITY", strconv.Itoa(int(severity)))
	field("SYSLOG_IDENTIFIER", w.name)
	field("SYSLOG_PID", strconv.Itoa(os.Getpid()))
	field("MESSAGE", text)
	return out
}

// classic returns the datagram for /dev/log, as the C library writes it.
func (w *Writer) classic(severity Severity, text string, now time.Time) []byte {
	return []byte("<" + strconv.Itoa(facilityUser|int(severity)) + ">" + now.Format(time.Stamp) + " " +
		w.name + "[" + strconv.Itoa(os.Getpid()) + "]: " + strings.ReplaceAll(text, "\n", " "))
}
