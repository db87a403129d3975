package idmap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

var errNoProgram = errors.New("is not installed")

// help has newuidmap(1) or newgidmap(1) write the mappings.
func (k kind) help(pid int, list []specs.LinuxIDMapping) error {
	program := lookPath(k.program)
	if program == "" {
		return fmt.Errorf("more than one's own id takes %s, which %w", k.program, errNoProgram)
	}
	args := []string{k.program, strconv.Itoa(pid)}
	for _, m := range list {
		for _, n := range [...]uint32{m.ContainerID, m.HostID, m.Size} {
			args = append(args, strconv.FormatUint(uint64(n), 10))
		}
	}
	return run(program, args)
}

// lookPath finds a program in PATH. "" stands for none.
func lookPath(name string) string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if filepath.IsAbs(path) && unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	return ""
}

// run runs a program to its end. The error has what it wrote on its standard
// error.
func run(program string, args []string) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	stderr := os.NewFile(uintptr(pipe[0]), "stderr")
	defer stderr.Close()
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(pipe[1])
		return err
	}
	// Not package os/exec, which would be linked in, and started with each of
	// rung's processes, for this alone.
	child, err := syscall.ForkExec(program, args, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{uintptr(null), uintptr(null), uintptr(pipe[1])},
	})
	unix.Close(null)
	unix.Close(pipe[1])
	if err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	said, _ := io.ReadAll(io.LimitReader(stderr, 4096))
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(child, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	if status.Exited() && status.ExitStatus() == 0 {
		return nil
	}
	text := strings.TrimSpace(string(said))
	if text == "" {
		text = sys.Ending(status)
	}
	return fmt.Errorf("%s: %s", args[0], strings.TrimPrefix(text, args[0]+": "))
}
