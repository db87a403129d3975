package cgroup

import "golang.org/x/sys/unix"

// TryDeviceFilter tells whether the kernel takes a program that decides about
// devices, as linux.resources.devices needs it on v2. It is attached to nothing
// and forgotten. It takes CAP_BPF or CAP_SYS_ADMIN; see bpf(2) for the errors.
func TryDeviceFilter() error {
	allow := []insn{{code: opMovImm, imm: 1}, {code: opExit}}
	fd, err := loadDeviceProgram(allow)
	if err == nil {
		unix.Close(fd)
	}
	return err
}
