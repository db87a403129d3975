package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// silentFS mounts a filesystem in user space that never answers (a file server that
// is gone), and says when it is there. Whoever looks up a name in it waits until he
// is killed, or until this is ended by SIGTERM, and takes it away.
func silentFS(args []string) error {
	if len(args) != 1 {
		return errors.New("want a folder")
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open /dev/fuse", err)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, unix.SIGTERM)
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)
	if err := unix.Mount("silent", args[0], "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return os.NewSyscallError("mount", err)
	}
	fmt.Println("ready")
	<-end
	unix.Close(fd)
	return os.NewSyscallError("umount2", unix.Unmount(args[0], unix.MNT_DETACH))
}
