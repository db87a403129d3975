package seccomp

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// engineProfiles returns the profiles of the engines' bundles, by file name.
func engineProfiles(t testing.TB) map[string]*specs.LinuxSeccomp {
	t.Helper()
	files, err := filepath.Glob("../../tests/testdata/bundles/*.config.json")
	if err != nil {
		t.Fatal(err)
	}
	profiles := map[string]*specs.LinuxSeccomp{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var spec specs.Spec
		if err := json.Unmarshal(data, &spec); err != nil {
			t.Fatal(err)
		}
		if spec.Linux.Seccomp != nil {
			profiles[filepath.Base(file)] = spec.Linux.Seccomp
		}
	}
	if len(profiles) < 3 {
		t.Fatalf("only %d of the engines' bundles have a profile", len(profiles))
	}
	return profiles
}

// interesting returns values near those that the profile compares with.
func interesting(s *specs.LinuxSeccomp) []uint64 {
	values := []uint64{0, 1, 2, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 63, ^uint64(0)}
	for i := range s.Syscalls {
		for _, a := range s.Syscalls[i].Args {
			for _, v := range []uint64{a.Value, a.ValueTwo} {
				values = append(values, v, v+1, v-1, v^1<<32, v&0xffffffff, ^v)
			}
		}
	}
	return values
}

// check compares the compiled profile with the reference, on every number of
// every architecture that has a name, and on those at the edges.
func check(t *testing.T, s *specs.LinuxSeccomp, native *arch, tries int, seed uint64) {
	t.Helper()
	p, err := compile(s, native)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Filter) > 4096 {
		t.Fatalf("%d instructions", len(p.Filter))
	}
	run, ref := newRunner(t, p), newReference(s, native)
	random := rand.New(rand.NewPCG(seed, 1))
	values := interesting(s)
	for i := range archs {
		a := &archs[i]
		if a.family != native.family {
			continue // its calls cannot come
		}
		numbers := []uint32{0, 0xefffff, 0xf0000, 0xfffff, 1<<30 - 1, 1 << 30, 1<<30 + 1, 1 << 31, 1<<31 | 1<<30, ^uint32(0) - 1, ^uint32(0)}
		base, _ := a.number(syscallIndex("exit"))
		for n := range uint32(1100) {
			numbers = append(numbers, base&^0x3ff+n)
			if n < 16 {
				numbers = append(numbers, n, a.bit|n, 0xf0000+n)
			}
		}
		for _, nr := range numbers {
			d := &data{nr: nr, arch: a.audit}
			for range tries {
				for arg := range d.args {
					d.args[arg] = values[random.IntN(len(values))]
				}
				if random.IntN(3) == 0 {
					d.args[0] = uint64(random.IntN(26)) // what multiplexers take
				}
				if got, want := run.run(t, d, a.big), ref.verdict(d); got != want {
					t.Fatalf("on %s, %s %d %#x %q: the program says %#x %s, the profile %#x %s", native.name, a.name, nr, d.args,
						ref.byNumber[a][nr], got, errnoOf(got), want, errnoOf(want))
				}
			}
		}
	}
}

func TestEngineProfiles(t *testing.T) {
	for name, s := range engineProfiles(t) {
		for i := range archs {
			t.Run(fmt.Sprint(name, "/", archs[i].name), func(t *testing.T) { check(t, s, &archs[i], 3, uint64(i)) })
		}
	}
}

// TestForeignArch is about programs of an architecture that the profile does
// not list.
func TestForeignArch(t *testing.T) {
	p, err := compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, nativeArch("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	run := newRunner(t, p)
	for _, tt := range []struct {
		arch, nr, want uint32
	}{
		{0xc000003e, 1, retAllow}, {0xc000003e, x32Bit | 1, retKillThread}, {0x40000003, 1, retKillThread}, {0xc00000b7, 1, retKillThread},
	} {
		if got := run.run(t, &data{arch: tt.arch, nr: tt.nr}, false); got != tt.want {
			t.Errorf("%#x %#x: %#x, want %#x", tt.arch, tt.nr, got, tt.want)
		}
	}
}

// randomProfile returns a profile that uses much of what there is.
func randomProfile(random *rand.Rand, native *arch) *specs.LinuxSeccomp {
	actions := []specs.LinuxSeccompAction{specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillThread, specs.ActKillProcess,
		specs.ActTrap, specs.ActTrace, specs.ActLog, specs.ActNotify}
	operators := []specs.LinuxSeccompOperator{specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
		specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual}
	pool := []string{"read", "socket", "socketcall", "ipc", "semop", "accept", "personality", "clone", "set_tls", "no_such_call",
		nameAt(random.IntN(syscallCount)), nameAt(random.IntN(syscallCount)), nameAt(random.IntN(syscallCount))}
	errno := func() *uint {
		if random.IntN(2) == 0 {
			return nil
		}
		n := uint(random.IntN(100))
		return &n
	}
	s := &specs.LinuxSeccomp{DefaultAction: actions[random.IntN(len(actions)-1)], DefaultErrnoRet: errno()}
	for i := range archs {
		if random.IntN(2) == 0 {
			s.Architectures = append(s.Architectures, archs[i].name)
		}
	}
	value := func() uint64 {
		return []uint64{0, 1, 8, 0xffffffff, 0x7e020000, 1<<32 | 8, random.Uint64(), random.Uint64() & 0xff}[random.IntN(8)]
	}
	for range random.IntN(12) {
		call := specs.LinuxSyscall{Action: actions[random.IntN(len(actions))], ErrnoRet: errno()}
		for range 1 + random.IntN(4) {
			call.Names = append(call.Names, pool[random.IntN(len(pool))])
		}
		for range random.IntN(4) {
			call.Args = append(call.Args, specs.LinuxSeccompArg{Index: uint(random.IntN(3)), Op: operators[random.IntN(len(operators))], Value: value(), ValueTwo: value()})
		}
		s.Syscalls = append(s.Syscalls, call)
	}
	return s
}

func TestRandomProfiles(t *testing.T) {
	rounds := uint64(60)
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		random := rand.New(rand.NewPCG(seed, 0))
		native := &archs[random.IntN(len(archs))]
		check(t, randomProfile(random, native), native, 4, seed)
	}
}

// FuzzCompile has the seed choose the profile, so that whatever fails can be
// had again.
func FuzzCompile(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, byte(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, native byte) {
		a := &archs[int(native)%len(archs)]
		check(t, randomProfile(rand.New(rand.NewPCG(seed, 0)), a), a, 1, seed)
	})
}

// FuzzJSON has any profile either refused or compiled into what the kernel
// would accept.
func FuzzJSON(f *testing.F) {
	for _, s := range engineProfiles(f) {
		data, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG", "args": [{"index": 9}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s specs.LinuxSeccomp
		if json.Unmarshal(data, &s) != nil {
			return
		}
		p, err := Compile(&s)
		if err != nil && !strings.HasPrefix(err.Error(), "linux.seccomp") {
			t.Errorf("the error %q names no field", err)
		}
		if p != nil {
			newRunner(t, p)
		}
	})
}
