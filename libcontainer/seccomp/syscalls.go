package seccomp

//go:generate go run gen_tables.go

// The tables are arrays of numbers, and one string: nothing is built when a
// program that links them starts, and only the pages that a lookup touches are
// ever read. A map of the same content would take 60 µs per architecture at
// each start.

// none is in a table for a call that the architecture does not have.
const none = 0xffff

// armPrivate is where ARM's calls of its own begin (__ARM_NR_BASE in
// arch/arm/include/uapi/asm/unistd.h). The tables hold them as 0xf000 and up.
const (
	armPrivate        = 0xf0000
	armPrivateCompact = 0xf000
)

// syscallIndex returns the place of a system call in the tables, or -1 for a
// name that no architecture knows.
func syscallIndex(name string) int {
	low, high := 0, syscallCount
	for low < high {
		mid := int(uint(low+high) / 2)
		switch at := syscallNames[nameOffsets[mid]:nameOffsets[mid+1]]; {
		case at == name:
			return mid
		case at < name:
			low = mid + 1
		default:
			high = mid
		}
	}
	return -1
}

// number returns the number of the system call at index in the tables, as it
// is in seccomp_data.nr.
func (a *arch) number(index int) (nr uint32, there bool) {
	compact := a.numbers[index]
	switch {
	case compact == none:
		return 0, false
	case compact >= armPrivateCompact:
		return armPrivate + uint32(compact-armPrivateCompact), true
	}
	return a.bit | uint32(compact), true
}
