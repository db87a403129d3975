package procstat

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// rest are the fields of a stat file after the name and the state.
const rest = " 1 2 3 4 5 4194304 7 8 9 10 11 12 13 14 15 16 1 18 4242 20 21"

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		line   string
		name   string
		start  uint64
		letter byte
	}{
		{"7 (sh) S" + rest, "sh", 4242, 'S'},
		{"7 (sh) S" + rest + "\n", "sh", 4242, 'S'},
		{"7 () Z" + rest, "", 4242, 'Z'},
		{"7 (a b) R" + rest, "a b", 4242, 'R'},
		{"7 (a) R 1 () S" + rest, "a) R 1 (", 4242, 'S'},
		{"7 (a) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 ) X" + rest, "a) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 ", 4242, 'X'},
		{"7 (a\n) R\n) I" + rest, "a\n) R\n", 4242, 'I'},
		{"7 (((((() D" + rest, "(((((", 4242, 'D'},
		{"7 ()))))) D" + rest, ")))))", 4242, 'D'},
		{"7 (\xff\xfe) t" + rest, "\xff\xfe", 4242, 't'},
		{"7 (max) S" + strings.Replace(rest, "4242", "18446744073709551615", 1), "max", 1<<64 - 1, 'S'},
	} {
		s, err := Parse([]byte(tt.line))
		if want := (Stat{tt.name, tt.letter, 4194304, 1, tt.start}); err != nil || s != want {
			t.Errorf("%q: got %+v, %v; want %+v", tt.line, s, err, want)
		}
	}
	for _, line := range []string{
		"", "7", "7 (sh", "7 (sh)", "7 (sh) ", "7 (sh) S", ")", ") ",
		"7 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
		"7 (sh) S" + strings.Replace(rest, "4242", "-1", 1),
		"7 (sh) S" + strings.Replace(rest, "4242", "18446744073709551616", 1),
		"7 (sh) S" + strings.Replace(rest, "4242", "x", 1),
		"7 (sh) S" + strings.Replace(rest, "4194304", "x", 1),
		"7 (sh) S" + strings.Replace(rest, " 16 1 18 ", " 16 x 18 ", 1),
	} {
		if s, err := Parse([]byte(line)); err == nil {
			t.Errorf("%q: got %+v", line, s)
		}
	}
}

func TestEnd(t *testing.T) {
	for _, tt := range []struct {
		letter, threads, flags string
		ended, over, exiting   bool
	}{
		{"S", "1", "4194304", false, false, false},
		{"R", "3", "4194304", false, false, false},
		{"D", "1", "4194308", false, false, true},
		{"Z", "1", "4227084", true, true, true},
		{"Z", "0", "4227084", true, true, true}, // its parent is waiting for it just now
		{"X", "0", "4227084", true, true, true},
		{"Z", "2", "4227084", true, false, true}, // the main thread alone
		{"Z", "300", "4227084", true, false, true},
	} {
		line := strings.NewReplacer(" 16 1 18 ", " 16 "+tt.threads+" 18 ", "4194304", tt.flags).Replace("7 (sh) " + tt.letter + rest)
		s, err := Parse([]byte(line))
		if err != nil || s.Ended() != tt.ended || s.Over() != tt.over || s.Exiting() != tt.exiting {
			t.Errorf("%q: got %+v, %v; ended %v, over %v, exiting %v", line, s, err, s.Ended(), s.Over(), s.Exiting())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("7 (sh) S" + rest))
	f.Add([]byte("7 (a) R 1 () S" + rest))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := Parse(line)
		if err != nil {
			return
		}
		// Whatever name was in front, the fields behind it count.
		_, behind, _ := strings.Cut(string(line[strings.LastIndexByte(string(line), ')'):]), ")")
		o, err := Parse([]byte("1 (x)" + behind))
		o.Name = s.Name
		if err != nil || s != o {
			t.Errorf("%q: %+v; with another name %+v, %v", line, s, o, err)
		}
	})
}

func TestRead(t *testing.T) {
	self, err := Read(os.Getpid())
	if err != nil || self.Ended() || self.Exiting() || self.StartTime == 0 || self.Threads < 1 {
		t.Errorf("of this process: %+v, %v", self, err)
	}
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if child, err := Read(cmd.Process.Pid); err != nil || child.StartTime < self.StartTime || child.Over() {
		t.Errorf("of a child: %+v, %v; this process: %+v", child, err, self)
	}
	stdin.Close()
	// It is a zombie, until Wait: waitid(2) with WNOWAIT leaves it so.
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if child, err := Read(cmd.Process.Pid); err != nil || !child.Over() || !child.Exiting() {
		t.Errorf("of a zombie: %+v, %v", child, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if gone, err := Read(cmd.Process.Pid); !errors.Is(err, unix.ENOENT) {
		t.Errorf("of a process that is gone: %+v, %v", gone, err)
	}
}
