package process

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/sys"
)

// elfFile makes a program for this machine that exits with status 0 (on
// amd64), and is changed by edit before it is put together.
func elfFile(edit func(h *elf64, p *[]phdr64)) []byte {
	// mov eax, 60; xor edi, edi; syscall
	code := []byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}
	const base = 0x400000
	h := elf64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: 2, Machine: 62, Version: 1,
		Phoff: 64, Ehsize: 64, Phentsize: 56,
	}
	p := []phdr64{{Type: 1, Flags: 5, Vaddr: base, Align: 4096}}
	interp := ""
	if edit != nil {
		edit(&h, &p)
	}
	for i := range p {
		if p[i].Type == elfPTInterp && p[i].Filesz == 0 {
			interp = p[i].interp + "\x00"
			p[i].Filesz = uint64(len(interp))
			p[i].Offset = h.Phoff + uint64(len(p))*56
		}
	}
	if h.Phnum == 0 {
		h.Phnum = uint16(len(p))
	}
	start := h.Phoff + uint64(len(p))*56 + uint64(len(interp))
	h.Entry = base + start
	p[0].Filesz = start + uint64(len(code))
	p[0].Memsz = p[0].Filesz
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, h)
	b.Write(make([]byte, int(h.Phoff)-b.Len()))
	for i := range p {
		_ = binary.Write(&b, binary.LittleEndian, []uint32{p[i].Type, p[i].Flags})
		_ = binary.Write(&b, binary.LittleEndian, []uint64{p[i].Offset, p[i].Vaddr, p[i].Vaddr, p[i].Filesz, p[i].Memsz, p[i].Align})
	}
	b.WriteString(interp)
	b.Write(code)
	return b.Bytes()
}

type elf64 struct {
	Ident                                              [16]byte
	Type, Machine                                      uint16
	Version                                            uint32
	Entry, Phoff, Shoff                                uint64
	Flags                                              uint32
	Ehsize, Phentsize, Phnum, Shentsize, Shnum, Shstrn uint16
}

type phdr64 struct {
	Type, Flags                  uint32
	Offset, Vaddr, Filesz, Memsz uint64
	Align                        uint64
	interp                       string
}

func withInterp(path string) []byte {
	return elfFile(func(_ *elf64, p *[]phdr64) { *p = append(*p, phdr64{Type: elfPTInterp, interp: path}) })
}

// execErrno runs the file and returns why that failed, or 0 if it ran.
func execErrno(t *testing.T, file string) unix.Errno {
	t.Helper()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	must(t, err)
	defer null.Close()
	fds := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	pid, err := syscall.ForkExec(file, []string{file}, &syscall.ProcAttr{Files: fds})
	if err != nil {
		return errnoOf(err)
	}
	_, _ = unix.Wait4(pid, nil, 0, nil)
	return 0
}

// Every broken program is also given to the kernel, which has to agree.
func TestCheckExecutable(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the programs of this test are for amd64")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	script := func(line string) []byte { return []byte(line + "\nexit 0\n") }
	long := strings.Repeat("x", 300)
	// Some of these are the interpreters of others.
	must(t,
		os.WriteFile(in("static"), elfFile(nil), 0o755),
		os.WriteFile(in("plain.txt"), []byte("exit 0\n"), 0o644),
		os.WriteFile(in("foreign"), elfFile(func(h *elf64, _ *[]phdr64) { h.Machine = 183 }), 0o755))
	for i := range 7 {
		to := in(fmt.Sprintf("chain%d", i-1))
		if i == 0 {
			to = in("static")
		}
		must(t, os.WriteFile(in(fmt.Sprintf("chain%d", i)), script("#!"+to), 0o755))
	}
	tests := []struct {
		name  string
		data  []byte
		errno unix.Errno
		text  string
		// kernel is what execve says where we know better.
		kernel unix.Errno
		lies   bool // the kernel would run it
	}{
		{name: "static", data: elfFile(nil)},
		{name: "script", data: script("#!/bin/sh")},
		{name: "script with blanks", data: script("#! \t /bin/sh \t -e \t ")},
		{name: "script without newline", data: []byte("#!/bin/sh")},
		{name: "script with a long argument", data: script("#!/bin/sh " + long)},
		{name: "dynamic", data: withInterp("/bin/sh")},
		{name: "many program headers", data: elfFile(func(_ *elf64, p *[]phdr64) { *p = append(*p, slices.Repeat([]phdr64{{Type: 0}}, 40)...) })},
		{name: "far program headers", data: elfFile(func(h *elf64, p *[]phdr64) { h.Phoff = 3000; (*p)[0].Align = 4096 })},
		{name: "five scripts", data: script("#!" + in("chain3"))},

		{name: "empty", data: nil, errno: unix.ENOEXEC, text: "is empty"},
		{name: "text", data: []byte("echo hello\n"), errno: unix.ENOEXEC, text: "#!/bin/sh"},
		{name: "only #!", data: []byte("#!"), errno: unix.ENOEXEC, text: "names no interpreter", kernel: unix.EACCES},
		{name: "blank #!", data: script("#!  \t "), errno: unix.ENOEXEC, text: "names no interpreter"},
		{name: "interpreter too long", data: script("#!/" + long), errno: unix.ENOEXEC, text: "too long"},
		{name: "interpreter missing", data: script("#!/opt/bin/python3 -u"), errno: unix.ENOENT, text: `"/opt/bin/python3", which does not exist`},
		{name: "interpreter is a folder", data: script("#!/bin/"), errno: unix.EACCES, text: "cannot be executed"},
		{name: "interpreter not executable", data: script("#!" + in("plain.txt")), errno: unix.EACCES, text: "chmod +x"},
		{name: "carriage return", data: script("#!/bin/sh\r"), errno: unix.ENOENT, text: `sed -i 's/\r$//'`},
		{name: "carriage return for env", data: script("#!/usr/bin/env sh\r"), errno: unix.ENOENT, text: `sed -i 's/\r$//'`, lies: true},
		{name: "carriage return after arguments", data: script("#!/bin/sh -e\r")},
		{name: "six scripts", data: script("#!" + in("chain4")), errno: unix.ELOOP, text: "more than 5 times"},
		{name: "itself", data: script("#!" + in("itself")), errno: unix.ELOOP, text: "more than 5 times"},
		{name: "interpreter is foreign", data: script("#!" + in("foreign")), errno: unix.ENOEXEC, text: "its interpreter"},

		{name: "magic alone", data: []byte(elfMagic), errno: unix.ENOEXEC, text: "cut off"},
		{name: "half a header", data: elfFile(nil)[:60], errno: unix.ENOEXEC, text: "cut off"},
		{name: "header alone", data: elfFile(nil)[:64], errno: unix.ENOEXEC, text: "cut off"},
		{name: "arm64", data: elfFile(func(h *elf64, _ *[]phdr64) { h.Machine = 183 }), errno: unix.ENOEXEC, text: "is for arm64 and this machine is x86_64"},
		{name: "s390x", data: s390x(), errno: unix.ENOEXEC, text: "is for s390x"},
		{name: "object file", data: elfFile(func(h *elf64, _ *[]phdr64) { h.Type = 1 }), errno: unix.ENOEXEC, text: "object file"},
		{name: "core dump", data: elfFile(func(h *elf64, _ *[]phdr64) { h.Type = 4 }), errno: unix.ENOEXEC, text: "core dump"},
		{name: "entry size", data: elfFile(func(h *elf64, _ *[]phdr64) { h.Phentsize = 32 }), errno: unix.ENOEXEC, text: "broken ELF header"},
		{name: "headers beyond the end", data: elfFile(func(h *elf64, _ *[]phdr64) { h.Phnum = 60 }), errno: unix.ENOEXEC, text: "cut off"},
		{name: "headers nowhere", data: broken(func(b []byte) { binary.LittleEndian.PutUint64(b[32:], 1<<63) }), errno: unix.ENOEXEC, text: "cut off"},
		{name: "loader missing, glibc", data: withInterp("/lib64/ld-linux-x86-64.so.9"), errno: unix.ENOENT, text: "built for glibc"},
		{name: "loader missing, musl", data: withInterp("/lib/ld-musl-nowhere.so.1"), errno: unix.ENOENT, text: "built for musl"},
		{name: "loader missing", data: withInterp("/nix/store/x/ld.so"), errno: unix.ENOENT, text: "/nix/store/x/ld.so"},
		{name: "loader not executable", data: withInterp(in("plain.txt")), errno: unix.EACCES, text: "chmod +x"},
		{name: "loader too long", data: withInterp("/" + strings.Repeat("y", 5000)), errno: unix.ENOEXEC, text: "broken ELF program headers"},
		{name: "loader without a name", data: withInterp(""), errno: unix.ENOEXEC, text: "broken ELF program headers"},
		{
			name: "loader without an end", errno: unix.ENOEXEC, text: "broken ELF program headers",
			data: elfFile(func(_ *elf64, p *[]phdr64) { *p = append(*p, phdr64{Type: elfPTInterp, Offset: 1, Filesz: 3}) }),
		},
		{
			name: "loader nowhere", errno: unix.ENOEXEC, kernel: unix.EIO, text: "broken ELF program headers",
			data: elfFile(func(_ *elf64, p *[]phdr64) {
				*p = append(*p, phdr64{Type: elfPTInterp, Offset: 1 << 40, Filesz: 30})
			}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := in(strings.ReplaceAll(tt.name, " ", "_"))
			must(t, os.WriteFile(file, tt.data, 0o755))
			c := checker{file: file, failed: true}
			err := c.check(file, 0)
			if tt.errno == 0 {
				if err := errors.Join(err, CheckExecutable(file)); err != nil {
					t.Error(err)
				}
			} else if err := check(err, tt.errno, "process.args[0]", `exec "`, tt.errno.Error(), tt.text); err != nil {
				t.Error(err)
			}
			want := tt.errno
			if tt.kernel != 0 || tt.lies {
				want = tt.kernel
			}
			if got := execErrno(t, file); got != want {
				t.Errorf("the kernel says %v", got)
			}
			// What binfmt_misc might run is left to it, and explained later.
			if err := CheckExecutable(file); err != nil && !errors.Is(err, tt.errno) {
				t.Error(err)
			}
			if tt.errno != 0 {
				if err := check(DiagnoseExec(file, tt.errno), tt.errno, "process.args[0]", tt.text); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// s390x is the header of a program for a big-endian machine.
func s390x() []byte {
	return broken(func(b []byte) {
		b[5] = elfBigEndian
		binary.BigEndian.PutUint16(b[16:], 2)
		binary.BigEndian.PutUint16(b[18:], 22)
	})
}

func broken(edit func([]byte)) []byte {
	data := elfFile(nil)
	edit(data)
	return data
}

func TestCheckOwnBinary(t *testing.T) {
	for _, file := range []string{"/proc/self/exe", "/bin/sh"} {
		if err := CheckExecutable(file); err != nil {
			t.Error(err)
		}
	}
}

// A program that may be executed and not read is left to execve.
func TestCheckUnreadable(t *testing.T) {
	needRoot(t)
	file := t.TempDir() + "/secret"
	must(t, os.WriteFile(file, []byte("no program"), 0o111), os.Chmod(filepath.Dir(file), 0o755), os.Chmod(filepath.Dir(filepath.Dir(file)), 0o755))
	onThread(t, 0, func() error {
		if err := SetUser(sys.Here(), specs.User{UID: 1000}, false); err != nil {
			return err
		}
		return CheckExecutable(file)
	})
}

func TestBinfmtHandlers(t *testing.T) {
	tests := []struct {
		name   string
		status string
		files  []string
		want   bool
	}{
		{"none", "enabled\n", nil, false},
		{"one", "enabled\n", []string{"qemu-aarch64"}, true},
		{"disabled", "disabled\n", []string{"qemu-aarch64"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.WriteFile(dir+"/status", []byte(tt.status), 0o644), os.WriteFile(dir+"/register", nil, 0o200))
			for _, file := range tt.files {
				must(t, os.WriteFile(filepath.Join(dir, file), nil, 0o644))
			}
			if got := binfmtHandlers(dir); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// Without handlers a foreign program is refused at once.
func TestForeignWithoutHandlers(t *testing.T) {
	needRoot(t)
	file := t.TempDir() + "/foreign"
	must(t, os.WriteFile(file, broken(func(b []byte) { b[18] = 0xf7 }), 0o755))
	onThread(t, unix.CLONE_NEWNS, func() error {
		const dir = "/proc/sys/fs/binfmt_misc"
		if err := unix.Mount("binfmt_misc", dir, "binfmt_misc", 0, ""); err != nil {
			t.Log("no binfmt_misc here:", err)
			return nil
		}
		if binfmtHandlers(dir) {
			return check(CheckExecutable(file), 0, "")
		}
		return check(CheckExecutable(file), unix.ENOEXEC, "process.args[0]", "is for BPF")
	})
}

func TestPlatformNames(t *testing.T) {
	for _, tt := range []struct {
		h    elfHeader
		want string
	}{
		{elfHeader{machine: 62, class64: true}, "amd64"},
		{elfHeader{machine: 62}, "amd64 (x32)"},
		{elfHeader{machine: 3}, "386"},
		{elfHeader{machine: 40}, "arm"},
		{elfHeader{machine: 243, class64: true}, "riscv64"},
		{elfHeader{machine: 243}, "riscv32"},
		{elfHeader{machine: 21, class64: true}, "ppc64le"},
		{elfHeader{machine: 21, class64: true, bigEndian: true}, "ppc64"},
		{elfHeader{machine: 20, bigEndian: true}, "ppc"},
		{elfHeader{machine: 22, bigEndian: true}, "s390"},
		{elfHeader{machine: 258, class64: true}, "loong64"},
		{elfHeader{machine: 8, class64: true}, "mips64le"},
		{elfHeader{machine: 8, bigEndian: true}, "mips"},
		{elfHeader{machine: 43, bigEndian: true}, "sparc"},
		{elfHeader{machine: 4711}, "a machine with the ELF number 4711"},
	} {
		if got := tt.h.platform(); got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.h, got, tt.want)
		}
	}
}

func helperArgv() error {
	for _, arg := range os.Args {
		fmt.Printf("%q\n", arg)
	}
	return nil
}

// The kernel and parseShebang have to agree on what the line says.
func TestParseShebang(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	exe, err := os.Open("/proc/self/exe")
	must(t, err)
	defer exe.Close()
	interp, err := os.OpenFile(root+"/i", os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(interp, exe)
	must(t, err, interp.Close())

	x := func(n int) string { return strings.Repeat("x", n) }
	blank := func(n int) string { return strings.Repeat(" ", n) }
	slashes := func(n int) string { return strings.Repeat("/", n) }
	for _, text := range []string{
		"#!/i\n", "#!/i", "#! /i\n", "#!\t \t/i a\n", "#!/i  a b  c \t\n", "#!/i\ta\n", "#!/i a",
		"#!/i\x00 a\n", "#!/i a\x00b\n", "#!/i " + x(300) + "\n", "#!/i " + x(300), "#!/i" + blank(300) + "a",
		"#!" + blank(251) + "/i\n", "#!" + blank(252) + "/i\n", "#!" + blank(253) + "/i\n", "#!" + blank(300) + "/i\n",
		"#!" + slashes(252) + "i\n", "#!" + slashes(253) + "i\n", "#!" + slashes(252) + "i a\n", "#!" + slashes(252) + "i",
		"#!" + slashes(251) + "i a\n", "#!" + slashes(253) + "i ", "#!\n", "#! \n", "#!", "#!\x00\n", "#!/i\r\n", "#!/i a\r\n",
	} {
		must(t, os.WriteFile(root+"/s", []byte(text), 0o755))
		cmd := exec.Command("/s")
		cmd.Env = []string{helperEnv + "=argv"}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		out, err := cmd.Output()
		kernel := strings.Fields(string(out))
		if err != nil {
			var errno syscall.Errno
			if !errors.As(err, &errno) {
				t.Fatalf("%q: %v", text, err)
			}
			kernel = []string{errno.Error()}
		}
		name, arg, errno := parseShebang([]byte(text)[:min(len(text), 1024)])
		ours := []string{fmt.Sprintf("%q", name)}
		if arg != "" {
			ours = append(ours, strings.Fields(fmt.Sprintf("%q", arg))...)
		}
		ours = append(ours, `"/s"`)
		switch {
		case errno != 0 && slices.Equal(kernel, []string{unix.EACCES.Error()}):
			ours = kernel // an empty name
		case errno != 0:
			ours = []string{errno.Error()}
		case strings.Trim(name, "/") != "i":
			ours = []string{unix.ENOENT.Error()}
		}
		if strings.Contains(text, x(300)) && len(ours) == 3 && len(kernel) == 3 {
			ours[1], kernel[1] = ours[1][:200], kernel[1][:200] // where a long argument is cut is nobody's business
		}
		if !slices.Equal(kernel, ours) {
			t.Errorf("%q: the kernel has %q, we have %q", text, kernel, ours)
		}
	}
}

func FuzzParseShebang(f *testing.F) {
	f.Add([]byte("/bin/sh -e\n"))
	f.Add([]byte(strings.Repeat(" ", 253) + "/bin/sh\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		head := append([]byte("#!"), line...)
		name, arg, errno := parseShebang(head)
		if errno != 0 && (name != "" || arg != "") || strings.ContainsAny(name, " \t\n\x00") || strings.ContainsAny(arg, "\n\x00") {
			t.Errorf("%q: %q, %q, %v", head, name, arg, errno)
		}
		if n, a, e := parseShebang(head[:min(len(head), shebangSize)]); n != name || a != arg || e != errno {
			t.Errorf("%q: more than 256 bytes count", head)
		}
	})
}

func FuzzCheckExecutable(f *testing.F) {
	f.Add(elfFile(nil))
	f.Add(withInterp("/lib64/ld-linux-x86-64.so.2"))
	f.Add(s390x())
	f.Add([]byte("#!/bin/sh\n"))
	file := f.TempDir() + "/program"
	f.Fuzz(func(t *testing.T, data []byte) {
		must(t, os.WriteFile(file, data, 0o755))
		c := checker{file: file, failed: true}
		if err := c.check(file, 0); err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x00") || len(err.Error()) > 3000 {
				t.Errorf("%q", err)
			}
		}
		if h, ok := parseELF(data); ok {
			_, _, _ = h.interpSegment(data)
			_ = h.platform()
		}
	})
}

func BenchmarkCheckExecutable(b *testing.B) {
	file := b.TempDir() + "/program"
	if err := os.WriteFile(file, elfFile(nil), 0o755); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := CheckExecutable(file); err != nil {
			b.Fatal(err)
		}
	}
}
