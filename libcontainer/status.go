package libcontainer

// Status is where a container stands in its life (runtime.md, "State").
type Status string

// The states of the specification, and paused, which is runc's.
const (
	// Creating: create is at work.
	Creating Status = "creating"
	// Created: everything is in place, the user's program waits for start.
	Created Status = "created"
	// Running: the user's program runs.
	Running Status = "running"
	// Paused: running, and frozen.
	Paused Status = "paused"
	// Stopped: the init process is gone.
	Stopped Status = "stopped"
)

func (s Status) String() string { return string(s) }

// CanDelete tells whether delete may be called without force. A container that
// was never started has run nothing of the user's, so it may, as with runc.
func (s Status) CanDelete() bool { return s == Stopped || s == Created }

// CanCheckpoint tells whether the container's processes can be saved. Before
// its start they are rung's.
func (s Status) CanCheckpoint() bool { return s == Running || s == Paused }
