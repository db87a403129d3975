package cgroup

import (
	"os"

	"golang.org/x/sys/unix"
)

// walkBelow visits the cgroups below dir, parents first: pre is called with the
// open folder of each, and post, if not nil, with the parent's folder and the
// name of each after all below it.
//
// A container may have made cgroups as deep as it liked, with paths longer
// than PATH_MAX. So the walk holds one descriptor, however deep it is, and
// goes up by way of ".."; the kernel's cgroup folders cannot be moved to
// another parent.
func walkBelow(dir string, pre func(dirfd int), post func(parentfd int, name string)) error {
	cur, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { unix.Close(cur) }()
	type level struct {
		name     string
		children []string
	}
	stack := []level{{children: subfolders(cur)}}
	for {
		top := &stack[len(stack)-1]
		if n := len(top.children); n > 0 {
			name := top.children[n-1]
			top.children = top.children[:n-1]
			next, err := unix.Openat(cur, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				continue
			}
			unix.Close(cur)
			cur = next
			if pre != nil {
				pre(cur)
			}
			stack = append(stack, level{name, subfolders(cur)})
			continue
		}
		if len(stack) == 1 {
			return nil
		}
		up, err := unix.Openat(cur, "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		unix.Close(cur)
		cur = up
		if post != nil {
			post(cur, top.name)
		}
		stack = stack[:len(stack)-1]
	}
}

// subfolders returns the names of the folders in dirfd. A cgroup without any
// tells so by its link count, which saves reading its files' names.
func subfolders(dirfd int) []string {
	var st unix.Stat_t
	if unix.Fstat(dirfd, &st) == nil && st.Nlink == 2 {
		return nil
	}
	dup, err := unix.Openat(dirfd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(dup), "cgroup")
	defer f.Close()
	entries, _ := f.ReadDir(-1)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}
