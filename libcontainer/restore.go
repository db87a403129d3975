package libcontainer

import (
	"context"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/spawn"
	"github.com/rungoci/rung/libcontainer/launch"
)

// RestoreOptions say how to restore a container. Of RunOptions, what is about
// the program alone means nothing here: it has what it had.
type RestoreOptions struct {
	RunOptions
	CRIUOptions
	// LSMProfile ("apparmor:NAME" or "selinux:LABEL") and LSMMountContext are
	// the labels that processes and mounts get in place of those that they
	// had, or "".
	LSMProfile, LSMMountContext string
	// Log is called with what is worth saying when standard error may be the
	// program's already: a word more in a file that it writes to, and CRIU takes
	// it for another file at the next restore. May be nil.
	Log func(text string)
}

// Restore makes a container of a bundle and of the processes that Checkpoint
// has saved, and has them go on. The rest is as with Run.
//
// It returns ErrNoCRIU where CRIU is not installed; other errors quote CRIU's
// log and say where that is.
func Restore(ctx context.Context, o RestoreOptions) (int, error) {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	restore := func(ctx context.Context, run Options) (*Container, *spawn.Process, error) {
		req, err := run.begin()
		if err != nil {
			return nil, nil, err
		}
		req.Images = &launch.Images{
			Options: o.CRIUOptions.options(req.Bundle.Spec.Annotations), LSMProfile: o.LSMProfile, LSMMountContext: o.LSMMountContext,
			Log: o.Log,
		}
		c, p, err := run.made(ctx, req, launch.Restore)
		return c, p, errdefs.Doing(err, "restore container "+run.ID)
	}
	// Its program ran before, and so did the hooks that follow a start.
	started := func(*run) error { return nil }
	return o.follow(ctx, restore, started)
}
