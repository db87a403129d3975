package launch

import (
	"errors"
	"testing"

	"github.com/rungoci/rung/libcontainer/seccomp"
)

// TestPendingFilter has a filter made once, whoever asks for it and how often.
func TestPendingFilter(t *testing.T) {
	f := newAhead().filter
	want, calls := new(seccomp.Program), 0
	for range 2 {
		err := f.provide(func() (*seccomp.Program, error) {
			calls++
			return want, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	f.giveUp() // too late
	got, err := f.await()
	if got != want || err != nil || calls != 1 {
		t.Errorf("got %p, %v, made %d times, want %p, made once", got, err, calls, want)
	}
}

// TestPendingFilterFails has whoever waits, and who asks again, told why there is
// none.
func TestPendingFilterFails(t *testing.T) {
	f := newAhead().filter
	want := errors.New("the cause")
	for range 2 {
		if err := f.provide(func() (*seccomp.Program, error) { return nil, want }); err != want {
			t.Errorf("provide: %v, want %v", err, want)
		}
	}
	if _, err := f.await(); err != want {
		t.Errorf("await: %v, want %v", err, want)
	}
}

// TestWorkerThatWaitsForTheFilterEnds has a creation end, as by a signal, before
// there is a filter for the worker.
func TestWorkerThatWaitsForTheFilterEnds(t *testing.T) {
	a := newAhead()
	a.worker = beginWorker(func() error { return nil })
	<-a.worker.made
	if a.worker.err != nil {
		t.Skip("cannot make namespaces:", a.worker.err)
	}
	waits, ended := make(chan struct{}), make(chan error, 1)
	a.worker.work <- func() {
		close(waits)
		_, err := a.filter.await()
		ended <- err
	}
	<-waits
	a.close() // waits for the worker
	if err := <-ended; err == nil {
		t.Error("there is a filter that nobody made")
	}
}
