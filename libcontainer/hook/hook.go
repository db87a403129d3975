// Package hook runs the hooks of a container: programs that config.json has
// the runtime start at points of the container's life (section "POSIX-platform
// Hooks" of config.md in the runtime spec).
//
// A hook is forked from the calling thread, and so runs in the namespaces and
// with the credentials of that thread. No other thread and no goroutine is
// needed, so this works in the container's init process as well.
package hook

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

// Run runs hooks one after the other and stops at the first that fails. field
// is where they are in config.json, such as "hooks.createRuntime"; state is
// what each reads from its standard input, as JSON.
//
// A hook gets its own arguments and environment and nothing of the caller's.
// Its working folder is the bundle (state.Bundle), or, where that does not
// exist, the caller's; for hooks.createContainer and hooks.startContainer
// always the caller's, which there is a folder of the container.
//
// A hook has failed if it cannot be started, exits with another status than
// 0, is ended by a signal or by its timeout, or by the end of ctx, in which
// case the error is that of ctx. The error names the hook's field and the last
// lines that it wrote.
func Run(ctx context.Context, hooks []specs.Hook, field string, state specs.State) error {
	return Output{}.Run(ctx, hooks, field, state)
}

// runner is what the hooks of one list share.
type runner struct {
	field string
	dir   string
	state []byte
	out   Output
}

func newRunner(field string, state *specs.State, out Output) *runner {
	r := &runner{field: field, state: jsonfield.Marshal(state), out: out}
	if field == "hooks.createContainer" || field == "hooks.startContainer" {
		return r
	}
	var st unix.Stat_t
	if unix.Stat(state.Bundle, &st) == nil {
		r.dir = state.Bundle
	}
	return r
}

// run runs one hook and wraps its error, which begins as runc's does.
func (r *runner) run(ctx context.Context, h *specs.Hook, index int) error {
	e := &errdefs.Error{
		Doing: "error running " + strings.TrimPrefix(r.field, "hooks.") + " hook #" + strconv.Itoa(index) + ": " + h.Path,
		Field: jsonfield.Index(r.field, index),
	}
	var timeout time.Duration
	if h.Timeout != nil {
		if *h.Timeout <= 0 {
			return errdefs.Field(e.Field+".timeout", "must be greater than 0")
		}
		timeout = time.Duration(*h.Timeout) * time.Second
	}
	e.Err = r.start(ctx, h, timeout)
	if e.Err == nil {
		return nil
	}
	switch {
	case errors.Is(e.Err, unix.ENOENT):
		e.Hint = "the file is missing, or, if it is a script, the interpreter in its first line"
	case errors.Is(e.Err, unix.EACCES):
		e.Hint = "the file must be executable, and not lie on a mount with noexec"
	case errors.Is(e.Err, unix.ENOEXEC):
		e.Hint = "the file is for another machine, or a script without #! in its first line"
	}
	return e
}
