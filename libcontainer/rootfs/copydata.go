package rootfs

import (
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
)

const (
	// page is what memory is counted in, the smallest of all architectures.
	page = 4096
	// nodeSize is about the kernel's memory for a file of a tmpfs and its name.
	nodeSize = 1024
	// askFirst is how many bytes have the tmpfs be asked for room before they
	// are copied, and not just fail when it is full.
	askFirst = 1 << 20
)

// copyData copies size bytes of the file src to the empty file out, on a tmpfs.
// Holes stay holes, which take no memory: an image of some bytes can have a file
// of terabytes. What is behind size, or is not there any more, is left out.
func (r *Rootfs) copyData(out, src int, size int64) error {
	var pages int64 // of out that are counted
	for off := int64(0); off < size; {
		data, end, err := nextData(src, off, size)
		if err != nil {
			return err
		}
		if data == size {
			break
		}
		from, to := max(data/page, pages), (end+page-1)/page
		if err := r.takeMemory((to - from) * page); err != nil {
			return err
		}
		pages = to
		if end-data >= askFirst && !hasRoom(out, end-data) {
			return unix.ENOSPC
		}
		if err := copyRange(out, src, data, end); err != nil {
			return err
		}
		off = end
	}
	return unix.Ftruncate(out, size)
}

// nextData returns where in the file src, of which size bytes count, the next data
// from off on begins and ends: both are size if there is none. A filesystem that
// does not know of holes has data everywhere (lseek(2)).
func nextData(src int, off, size int64) (data, end int64, err error) {
	data, err = unix.Seek(src, off, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO, err == nil && data >= size:
		return size, size, nil
	case err == unix.EINVAL:
		return off, size, nil
	case err != nil:
		return 0, 0, err
	}
	end, err = unix.Seek(src, data, unix.SEEK_HOLE)
	if err == unix.ENXIO {
		return size, size, nil // It was cut since.
	}
	if err != nil {
		return 0, 0, err
	}
	if data < off || end <= data {
		return 0, 0, unix.EIO // A filesystem of a user's may answer what it likes.
	}
	return data, min(end, size), nil
}

// copyRange copies what src holds from data to end to the same place in out.
func copyRange(out, src int, data, end int64) error {
	if _, err := unix.Seek(out, data, unix.SEEK_SET); err != nil {
		return err
	}
	for data < end {
		n, err := unix.Sendfile(out, src, &data, int(min(end-data, 1<<30)))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// hasRoom tells whether the filesystem of a file has room for n bytes more.
func hasRoom(fd int, n int64) bool {
	var st unix.Statfs_t
	// A tmpfs without a limit has no blocks at all (size=0 in tmpfs(5)).
	return unix.Fstatfs(fd, &st) != nil || st.Blocks == 0 || uint64(n) <= st.Bavail*uint64(st.Bsize)
}

// takeMemory counts n bytes of memory as taken by what is copied. It fails when
// that is more than the container may have: its limit comes into force only when
// its init is ready, and until then an image could fill the host's memory.
func (r *Rootfs) takeMemory(n int64) error {
	limit, ok := memoryLimit(r.o.Spec)
	if !ok {
		return nil
	}
	if n > limit-r.copied {
		return &errdefs.Error{
			Err:  &reason{"the copy would be larger than the container's memory, " + strconv.FormatInt(limit, 10) + " bytes", unix.ENOMEM},
			Hint: "raise linux.resources.memory.limit, or leave out tmpcopyup",
		}
	}
	r.copied += n
	return nil
}

// memoryLimit returns how much memory, with swap, the container may have at most.
func memoryLimit(spec *specs.Spec) (bytes int64, ok bool) {
	if spec.Linux == nil || spec.Linux.Resources == nil {
		return 0, false
	}
	m := spec.Linux.Resources.Memory
	if m == nil || m.Limit == nil || *m.Limit <= 0 {
		return 0, false
	}
	limit := *m.Limit
	if m.Swap != nil && *m.Swap > 0 {
		limit = *m.Swap // with the memory (config-linux.md, "Memory")
	}
	var host unix.Sysinfo_t
	if err := unix.Sysinfo(&host); err != nil {
		return 0, false
	}
	swap := int64(host.Totalswap) * int64(host.Unit)
	if m.Swap == nil || *m.Swap <= 0 || limit > *m.Limit+swap {
		limit = *m.Limit + swap
	}
	return limit, true
}
