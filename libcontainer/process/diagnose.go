package process

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DiagnoseExec turns the error of execve(2) of the file (field
// process.args[0]) into one that says what is wrong with it. It returns nil if
// err is nil. The errno of the result may differ from that of err where the
// kernel's is misleading: a folder is EISDIR.
func DiagnoseExec(file string, err error) error {
	if err == nil {
		return nil
	}
	errno := errnoOf(err)
	switch errno {
	case unix.ENOENT, unix.EACCES, unix.ENOEXEC, unix.ELOOP, unix.ENOTDIR, unix.EISDIR, unix.EIO, unix.EINVAL:
		c := checker{file: file, failed: true}
		if found := c.check(file, 0); found != nil {
			return found
		}
	}
	return execError(file, err, execHint(errno))
}

// execHint explains what an errno of execve means where nothing is wrong with
// the file itself.
func execHint(errno unix.Errno) string {
	switch errno {
	case unix.E2BIG:
		return "process.args and process.env are too long together for the limit of a quarter of RLIMIT_STACK, or one of them alone is longer than 128 KiB"
	case unix.EAGAIN:
		return "the user has more processes than RLIMIT_NPROC allows"
	case unix.ETXTBSY:
		return "something has the file open for writing"
	case unix.ENOMEM:
		return "the memory limit of the container (linux.resources.memory.limit) may be too low"
	case unix.EPERM:
		return "a security module or a capability in the file forbids it"
	case unix.EACCES:
		return "a security module such as AppArmor, SELinux or fapolicyd may forbid it"
	case unix.ELIBBAD:
		return "its dynamic loader is broken or for another machine"
	case unix.ENOEXEC:
		return "this kernel cannot run programs of its kind"
	case unix.EINVAL:
		return "the program has more than one dynamic loader, or one that is broken"
	}
	return ""
}

// accessHint explains why a file is missing or cannot be executed. It looks
// again, in what is a failure already.
func accessHint(file string, errno unix.Errno) string {
	switch errno {
	case unix.ENOENT:
		return missingHint(file)
	case unix.ENOTDIR:
		return "a part of its path is not a folder"
	case unix.ELOOP:
		return "a symbolic link in its path leads back to itself"
	case unix.EISDIR:
		return "name a program, not a folder"
	case unix.EACCES:
		return deniedHint(file)
	}
	return ""
}

// missingHint names the symbolic link that leads nowhere, or the first folder
// that does not exist.
func missingHint(file string) string {
	var st unix.Stat_t
	if unix.Lstat(file, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		var target [unix.PathMax]byte
		if n, err := unix.Readlink(file, target[:]); err == nil {
			return "it is a symbolic link to " + strconv.Quote(string(target[:n])) + ", which does not exist in the container"
		}
	}
	missing := ""
	for dir := path.Dir(file); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if unix.Stat(dir, &st) == nil {
			break
		}
		missing = dir
	}
	if missing != "" {
		return "there is no folder " + strconv.Quote(missing) + " in the container"
	}
	return "there is no such file in the container"
}

// deniedHint tells the reasons for EACCES apart.
func deniedHint(file string) string {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return "a folder in its path may not be entered by user " + strconv.Itoa(unix.Geteuid())
	}
	mode := "mode " + "0" + strconv.FormatUint(uint64(st.Mode&0o7777), 8)
	var fs unix.Statfs_t
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return "it is not a regular file"
	case unix.Statfs(file, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0:
		return "it lies on a mount with the option noexec"
	case st.Mode&0o111 == 0:
		return "it is not marked as executable (" + mode + "): chmod +x it in the image"
	}
	return "user " + strconv.Itoa(unix.Geteuid()) + " may not execute it (" + mode + ", owner " +
		strconv.FormatUint(uint64(st.Uid), 10) + ":" + strconv.FormatUint(uint64(st.Gid), 10) + ")"
}

// machine returns the architecture of the running kernel, as uname(2) names
// it.
func machine() string {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return "another one"
	}
	return unix.ByteSliceToString(uts.Machine[:])
}

// binfmtMagic is BINFMTFS_MAGIC of linux/magic.h.
const binfmtMagic = 0x42494e4d

// binfmtMisc tells whether the kernel may have a handler of binfmt_misc, such
// as QEMU's. Handlers act in every mount namespace, and are seen only where
// their filesystem is mounted, which it rarely is in a container; so this is
// false only where there is no doubt.
func binfmtMisc() bool {
	const dir = "/proc/sys/fs/binfmt_misc"
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err == nil && fs.Type == binfmtMagic {
		return binfmtHandlers(dir)
	}
	list, ok := readSmall("/proc/filesystems")
	return !ok || strings.Contains(list, "binfmt_misc")
}

// binfmtHandlers tells whether the filesystem has an enabled handler.
func binfmtHandlers(dir string) bool {
	if status, ok := readSmall(dir + "/status"); ok && strings.HasPrefix(status, "disabled") {
		return false
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	var buf [4096]byte
	n, err := unix.Getdents(fd, buf[:])
	if err != nil {
		return true
	}
	_, _, names := unix.ParseDirent(buf[:n], -1, nil)
	for _, name := range names {
		if name != "register" && name != "status" {
			return true
		}
	}
	return false
}

// readSmall reads the start of a file of the kernel's, if it is a regular one.
func readSmall(file string) (string, bool) {
	fd := Folder{FD: unix.AT_FDCWD}.open(file, regular)
	if fd < 0 {
		return "", false
	}
	defer unix.Close(fd)
	var buf [4096]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return "", false
	}
	return string(buf[:n]), true
}
