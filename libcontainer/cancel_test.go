package libcontainer

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var errStopped = errors.New("stopped by the test")

// cancelled creates a container with a context that cancel ends, at a moment
// of its choice, and checks that it was made whole or not at all. It returns
// whether it was made.
func (b *testbed) cancelled(cancel func(context.CancelCauseFunc, *Options)) bool {
	b.t.Helper()
	ctx, stop := context.WithCancelCause(context.Background())
	o := b.options("c")
	cancel(stop, &o)
	var c *Container
	err := within(b.t, "Create", func() (err error) {
		c, err = Create(ctx, o)
		return err
	})
	stop(nil)
	if err == nil {
		b.wantStatus(c, Created)
		c.Close()
		b.delete("c")
	} else if !errors.Is(err, errStopped) {
		b.t.Errorf("got %v, want the cause that the context gives", err)
	}
	b.quiet()
	b.nothingLeft()
	return err == nil
}

// TestCancelAtStep ends the context after each step of a create.
func TestCancelAtStep(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	var steps []string
	c := b.create("c", func(o *Options) {
		o.Trace = func(step string, _ time.Duration) { steps = append(steps, step) }
	})
	c.Close()
	b.delete("c")
	if len(steps) < 10 {
		t.Fatalf("the steps are %q", steps)
	}
	committed := false
	for _, at := range steps {
		made := b.cancelled(func(stop context.CancelCauseFunc, o *Options) {
			o.Trace = func(step string, _ time.Duration) {
				if step == at {
					stop(errStopped)
				}
			}
		})
		if at == "commit" {
			committed = true
		}
		if made != committed {
			t.Errorf("the context ended after %s, and the container was made: %v", at, made)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// TestCancelAnyTime ends the context at random moments.
func TestCancelAnyTime(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	made := 0
	round := func() {
		delay := time.Duration(rand.IntN(int(9 * time.Millisecond)))
		if b.cancelled(func(stop context.CancelCauseFunc, _ *Options) {
			time.AfterFunc(delay, func() { stop(errStopped) })
		}) {
			made++
		}
		if t.Failed() {
			t.Fatalf("the context ended after %v", delay)
		}
	}
	round()
	before := descriptors(t)
	for range 99 {
		round()
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	t.Logf("%d of 100 containers were made", made)
}

// TestCancelBefore has a context that has ended already.
func TestCancelBefore(t *testing.T) {
	b := newTestbed(t, "exec sleep 1000")
	if b.cancelled(func(stop context.CancelCauseFunc, _ *Options) { stop(errStopped) }) {
		t.Error("the container was made")
	}
}

// TestCancelHook ends the context while hooks run that do not come to an end,
// outside and inside.
func TestCancelHook(t *testing.T) {
	for _, private := range []bool{true, false} {
		for _, kind := range []string{"prestart", "createRuntime", "createContainer"} {
			name := kind + " with a pid namespace"
			if !private {
				name = kind + " without a pid namespace"
			}
			t.Run(name, func(t *testing.T) {
				b := newTestbed(t, "true")
				pipe := filepath.Join(t.TempDir(), "pipe")
				must(t, unix.Mkfifo(pipe, 0o600))
				b.configure("true", func(s *specs.Spec) {
					hooks := []specs.Hook{{Path: busybox, Args: []string{"sh", "-c", "busybox sleep 1000 & echo >" + pipe + "; wait"}, Env: []string{"PATH=/bin"}}}
					s.Hooks = map[string]*specs.Hooks{
						"prestart": {Prestart: hooks}, "createRuntime": {CreateRuntime: hooks}, "createContainer": {CreateContainer: hooks},
					}[kind]
					if !private {
						s.Linux.Namespaces = without(s.Linux.Namespaces, specs.PIDNamespace)
					}
				})
				made := b.cancelled(func(stop context.CancelCauseFunc, _ *Options) {
					go func() {
						_, _ = os.ReadFile(pipe) // when the hook writes
						stop(errStopped)
					}()
				})
				if made {
					t.Error("the container was made")
				}
			})
		}
	}
}

// TestCancelPoststop checks that the last hooks run where there was a process,
// and see it stopped.
func TestCancelPoststop(t *testing.T) {
	b := newTestbed(t, "true")
	file := filepath.Join(t.TempDir(), "state")
	b.configure("true", func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: busybox, Args: []string{"sh", "-c", "cat >>" + file}, Env: []string{"PATH=/bin"}}}}
	})
	for step, runs := range map[string]int{"cgroup": 0, "clone": 1, "ready": 1} {
		must(t, os.RemoveAll(file))
		b.cancelled(func(stop context.CancelCauseFunc, o *Options) {
			o.Trace = func(s string, _ time.Duration) {
				if s == step {
					stop(errStopped)
				}
			}
		})
		data, _ := os.ReadFile(file)
		if n := strings.Count(string(data), `"status":"stopped"`); n != runs {
			t.Errorf("cancelled after %s, poststop ran %d times, want %d: %s", step, n, runs, data)
		}
	}
}
