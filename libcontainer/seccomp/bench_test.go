package seccomp

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const containerdConfig = "../../tests/testdata/bundles/ctr.config.json"

// firstCompile is the variable that names the config.json whose profile
// BenchmarkFirstCompile's child is to compile.
const firstCompile = "RUNG_BENCH_FIRST_COMPILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(firstCompile); file != "" {
		s, err := readProfile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		start := time.Now()
		if _, err := Compile(s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(time.Since(start).Nanoseconds())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func readProfile(file string) (*specs.LinuxSeccomp, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, err
	}
	return spec.Linux.Seccomp, nil
}

// BenchmarkCompile compiles containerd's profile over and over.
func BenchmarkCompile(b *testing.B) {
	s, err := readProfile(containerdConfig)
	if err != nil {
		b.Fatal(err)
	}
	var instructions int
	b.ReportAllocs()
	for b.Loop() {
		p, err := Compile(s)
		if err != nil {
			b.Fatal(err)
		}
		instructions = len(p.Filter)
	}
	b.ReportMetric(float64(instructions), "instructions")
}

// BenchmarkFirstCompile is what counts for rung, which compiles once: the
// first Compile of a process, with the tables not yet in its memory.
func BenchmarkFirstCompile(b *testing.B) {
	var total time.Duration
	for b.Loop() {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), firstCompile+"="+containerdConfig, "GOGC=off")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.Atoi(string(out))
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(ns)
	}
	b.ReportMetric(float64(total.Nanoseconds())/float64(b.N), "ns/first")
}
