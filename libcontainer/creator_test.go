package libcontainer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rungoci/rung/libcontainer/state"
)

// creator is another process that creates a container.
type creator struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	stdin io.WriteCloser
}

// startCreator has a process of its own create a container of the bundle. It
// stops when it has done the given step, if there is one of that name.
func (b *testbed) startCreator(id, step string) *creator {
	b.t.Helper()
	c := &creator{t: b.t, cmd: helper(b.t, "creator", b.root, id, b.bundle, step)}
	var err error
	c.stdin, err = c.cmd.StdinPipe()
	must(b.t, err)
	stdout, err := c.cmd.StdoutPipe()
	must(b.t, err)
	c.lines = bufio.NewScanner(stdout)
	must(b.t, c.cmd.Start())
	return c
}

// helperCreator is what startCreator starts. It prints the name of each step
// that it has done, and "created" at the end.
func helperCreator(args []string) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	c, err := Create(context.Background(), Options{
		Root: args[0], ID: args[1], Bundle: args[2], Detach: true, Stdin: null, Stdout: null, Stderr: null,
		Trace: func(step string, _ time.Duration) {
			os.Stdout.WriteString(step + "\n")
			if step == args[3] {
				_, _ = io.Copy(io.Discard, os.Stdin)
			}
		},
	})
	if err != nil {
		return err
	}
	os.Stdout.WriteString("created\n")
	c.Close()
	return nil
}

// steps reads the names of steps up to the given one, or all.
func (c *creator) steps(last string) []string {
	c.t.Helper()
	var steps []string
	err := within(c.t, "the step "+last, func() error {
		for c.lines.Scan() {
			steps = append(steps, c.lines.Text())
			if c.lines.Text() == last {
				break
			}
		}
		return c.lines.Err()
	})
	must(c.t, err)
	return steps
}

// kill ends the process with signal 9, and waits for it.
func (c *creator) kill() {
	c.t.Helper()
	must(c.t, c.cmd.Process.Kill())
	_ = c.cmd.Wait()
	c.stdin.Close()
}

// TestCreatorKilled kills a create after each of its steps.
func TestCreatorKilled(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	all := b.startCreator("c", "none")
	steps := all.steps("")
	must(t, all.cmd.Wait())
	if n := len(steps); n < 10 || steps[n-1] != "created" {
		t.Fatalf("the steps of a create are %q", steps)
	}
	b.delete("c")
	b.quiet()
	for _, step := range steps[:len(steps)-1] {
		if strings.HasPrefix(step, "inside: ") {
			continue // told by and by, when the inside is ready
		}
		c := b.startCreator("c", step)
		if got := c.steps(step); got[len(got)-1] != step {
			t.Errorf("%s was not reached: %q", step, got)
		}
		c.kill()
		if dir, err := os.ReadDir(filepath.Join(b.root, "c")); err == nil && len(dir) > 0 {
			// Whatever there is can be asked about.
			c, err := Load(b.root, "c")
			must(t, err)
			status, err := c.Status()
			// An init that nobody releases ends. Its gate is closed a moment before
			// it is gone, which looks like one that has been passed.
			for end := time.Now().Add(10 * time.Second); status == Running && time.Now().Before(end); time.Sleep(time.Millisecond) {
				status, err = c.Status()
			}
			if err != nil || status == Creating || status == Running {
				t.Errorf("%s: the status is %s, %v", step, status, err)
			}
			c.Close()
		}
		b.delete("c")
		b.quiet()
		b.nothingLeft()
		if t.Failed() {
			t.Fatalf("killed after the step %s", step)
		}
	}
}

// TestCreatorKilledAnyTime kills a create in the middle of its steps.
func TestCreatorKilledAnyTime(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	for range 25 {
		c := b.startCreator("c", "none")
		c.steps("bundle")
		delay := time.Duration(rand.IntN(int(8 * time.Millisecond)))
		<-time.After(delay)
		c.kill()
		b.delete("c")
		b.quiet()
		b.nothingLeft()
		if t.Failed() {
			t.Fatalf("killed %v after its begin", delay)
		}
	}
}

// TestCreatorAtWork looks at, and deletes, a container that is being created.
func TestCreatorAtWork(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	for _, step := range []string{"journal", "gate", "ready", "state"} {
		creator := b.startCreator("c", step)
		creator.steps(step)
		c, err := Load(b.root, "c")
		must(t, err)
		want := Creating
		if step == "state" {
			want = Created
		}
		b.wantStatus(c, want)
		if want == Creating {
			wantError(t, within(t, "Start", c.Start), "start container c: the container is still being created")
			err := within(t, "Delete", func() error { return Delete(b.root, "c", false, b.warn) })
			wantError(t, err, "change container c: another rung command is at work on the container", "process "+strconv.Itoa(creator.cmd.Process.Pid)+" may be creating it still")
			c.Close()
			b.delete("c")
		} else {
			// The init goes to its gate when it is released, and not before.
			c.Close()
			creator.kill()
			b.delete("c")
		}
		_ = creator.cmd.Wait()
		b.quiet()
		b.nothingLeft()
	}
}

// TestCreatorIsCaller deletes a container that another goroutine creates, which is no
// reason for the whole process to die.
func TestCreatorIsCaller(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	reached, goOn := make(chan struct{}), make(chan struct{})
	o := b.options("c")
	o.Trace = func(step string, _ time.Duration) {
		if step == "ready" {
			close(reached)
			<-goOn
		}
	}
	created := make(chan error, 1)
	go func() {
		c, err := Create(context.Background(), o)
		if err == nil {
			c.Close()
		}
		created <- err
	}()
	must(t, within(t, "the creation", func() error { <-reached; return nil }))
	for _, force := range []bool{false, true} {
		err := within(t, "Delete", func() error { return Delete(b.root, "c", force, b.warn) })
		if !errors.Is(err, state.ErrLocked) {
			t.Errorf("force %v: %v", force, err)
		}
		wantError(t, err, "process "+strconv.Itoa(os.Getpid())+" may be creating it still")
	}
	close(goOn)
	must(t, within(t, "Create", func() error { return <-created }))
	b.delete("c")
	b.quiet()
}
