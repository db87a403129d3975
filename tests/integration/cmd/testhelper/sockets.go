package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/libcontainer/console"
)

// recvFD listens on the Unix socket at path, accepts one connection and
// returns the one descriptor that is sent over it.
func recvFD(path string) (*os.File, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	conn, err := l.Accept()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	fds, _, err := readFDs(conn.(*net.UnixConn))
	if err != nil {
		return nil, err
	}
	if len(fds) != 1 {
		return nil, fmt.Errorf("%d descriptors arrived, want 1", len(fds))
	}
	return os.NewFile(uintptr(fds[0]), "received"), nil
}

// readFDs reads one message from c: its descriptors and its text.
func readFDs(c *net.UnixConn) (fds []int, text string, err error) {
	buf, oob := make([]byte, 4096), make([]byte, 4096)
	n, oobn, _, _, err := c.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, "", err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, "", err
	}
	for i := range messages {
		rights, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, "", err
		}
		fds = append(fds, rights...)
	}
	return fds, string(buf[:n]), nil
}

// recvTTY takes the master of a pseudoterminal from a console socket, prints
// what the container writes and passes on what comes in on stdin. SIGUSR1
// sets the size of the terminal to that of -size.
func recvTTY(args []string) error {
	flags := flag.NewFlagSet("recvtty", flag.ExitOnError)
	size := flags.String("size", "", "`ROWSxCOLS` that SIGUSR1 sets")
	keep := flags.Bool("keep", false, "go on when the other side is closed, until killed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	resize := make(chan os.Signal, 1)
	signal.Notify(resize, unix.SIGUSR1)
	tty, err := recvFD(flags.Arg(0))
	if err != nil {
		return err
	}
	if _, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS); err != nil {
		return fmt.Errorf("what arrived is no terminal: %w", err)
	}
	go func() {
		for range resize {
			var ws unix.Winsize
			if _, err := fmt.Sscanf(*size, "%dx%d", &ws.Row, &ws.Col); err != nil {
				fail("testhelper recvtty: -size: " + err.Error() + "\n")
			}
			if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &ws); err != nil {
				fail("testhelper recvtty: resize: " + err.Error() + "\n")
			}
		}
	}()
	if *keep {
		never, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer w.Close()
		console.Copy(tty, os.Stdin, os.Stdout, never)
		return nil
	}
	go func() { _, _ = io.Copy(tty, os.Stdin) }()
	// The last close of the other side ends the reading with EIO.
	if _, err := io.Copy(os.Stdout, tty); err != nil && !errors.Is(err, unix.EIO) {
		return err
	}
	return nil
}

// recvPidfd takes a pidfd from a socket and prints the pid it refers to, or
// -1 if that process is gone.
func recvPidfd(args []string) error {
	if len(args) != 1 {
		return errors.New("want one argument: the socket")
	}
	pidfd, err := recvFD(args[0])
	if err != nil {
		return err
	}
	info, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd.Fd()))
	if err != nil {
		return err
	}
	defer info.Close()
	for s := bufio.NewScanner(info); s.Scan(); {
		if pid, ok := strings.CutPrefix(s.Text(), "Pid:\t"); ok {
			fmt.Println(pid)
			return nil
		}
	}
	return errors.New("what arrived is no pidfd")
}

// notifyListen prints every message that comes to the notify socket, up to
// and with systemd's barrier, which it answers by closing the descriptor.
func notifyListen(args []string) error {
	if len(args) != 1 {
		return errors.New("want one argument: the socket")
	}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: args[0], Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		fds, text, err := readFDs(c)
		if err != nil {
			return err
		}
		fmt.Println(strings.TrimSuffix(text, "\n"))
		for _, fd := range fds {
			unix.Close(fd)
		}
		if strings.Contains(text, "BARRIER=1") {
			return nil
		}
	}
}

// notifySend sends one message to the socket that NOTIFY_SOCKET names.
func notifySend(args []string) error {
	if len(args) != 1 {
		return errors.New("want one argument: the text")
	}
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return errors.New("NOTIFY_SOCKET is not set")
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.WriteString(c, args[0])
	return err
}
