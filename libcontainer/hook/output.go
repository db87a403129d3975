package hook

import (
	"context"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/internal/errdefs"
)

// Output is where hooks write to. A nil file is a pipe, of which the last lines
// are part of the error if the hook fails.
type Output struct{ Stdout, Stderr *os.File }

// OpenOutput opens the files that hooks append to. They are made where they do
// not exist, for the caller's eyes alone. "" stands for none.
func OpenOutput(stdout, stderr string) (Output, error) {
	var o Output
	for _, f := range [...]struct {
		path string
		to   **os.File
	}{{stdout, &o.Stdout}, {stderr, &o.Stderr}} {
		if f.path == "" {
			continue
		}
		var err error
		if *f.to, err = os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			o.Close()
			return Output{}, errdefs.Doing(err, "open the file that hooks write to")
		}
	}
	return o, nil
}

// Close closes the files.
func (o Output) Close() {
	for _, f := range [...]*os.File{o.Stdout, o.Stderr} {
		if f != nil {
			f.Close()
		}
	}
}

// fds returns the descriptors for a hook's standard output and error, and -1
// for what is a pipe.
func (o Output) fds() (fds [2]int) {
	for i, f := range [...]*os.File{o.Stdout, o.Stderr} {
		fds[i] = -1
		if f != nil {
			fds[i] = int(f.Fd())
		}
	}
	return fds
}

// Run is Run for hooks that write to o.
func (o Output) Run(ctx context.Context, hooks []specs.Hook, field string, state specs.State) error {
	if len(hooks) == 0 {
		return nil
	}
	r := newRunner(field, &state, o)
	for i := range hooks {
		if err := r.run(ctx, &hooks[i], i); err != nil {
			return err
		}
	}
	return nil
}

// RunLenient is Run for hooks.poststop, of which one that fails is to be
// warned of, while the others run (section "Lifecycle" of runtime.md). It
// returns what to warn of.
func (o Output) RunLenient(ctx context.Context, hooks []specs.Hook, field string, state specs.State) []error {
	if len(hooks) == 0 {
		return nil
	}
	r := newRunner(field, &state, o)
	var failed []error
	for i := range hooks {
		if err := r.run(ctx, &hooks[i], i); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}
