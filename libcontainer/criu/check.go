package criu

import (
	"errors"
	"fmt"

	"github.com/checkpoint-restore/go-criu/v8/rpc"

	"github.com/rungoci/rung/internal/errdefs"
)

// Version is a version of CRIU as one number: 31701 is 3.17.1.
type Version int

// What came with which version of CRIU.
const (
	// oldest has the request for the version, without which nothing is known.
	oldest Version = 30000
	// externalNetwork: a network namespace that is somebody else's.
	externalNetwork Version = 31100
	// freezerV2: the freezer of cgroup v2.
	freezerV2 Version = 31400
	// externalPID: a pid namespace that is somebody else's.
	externalPID Version = 31500
	// statusReady: the notification that the page server is ready.
	statusReady Version = 31500
	// otherLabels: processes and mounts that get other labels when restored.
	otherLabels Version = 31600
	// noNewPrivileges: no_new_privs is saved, and restored
	// (https://github.com/checkpoint-restore/criu/pull/2228).
	noNewPrivileges Version = 31900
)

// noNewPrivilegesLost says what comes of processes that had no_new_privs: the
// older one of the two CRIUs that save and restore them decides.
func noNewPrivilegesLost(v Version) string {
	return fmt.Sprintf("process.noNewPrivileges: CRIU %v does not keep it, so that a setuid program can give privileges after a restore "+
		"(CRIU %v or newer keeps it)", v, noNewPrivileges)
}

func (v Version) String() string {
	s := fmt.Sprintf("%d.%d", v/10000, v/100%100)
	if v%100 != 0 {
		s += fmt.Sprintf(".%d", v%100)
	}
	return s
}

// atLeast returns an error if v is older than what the thing called needs.
func (v Version) atLeast(least Version, thing string) error {
	if v >= least {
		return nil
	}
	return &errdefs.Error{Err: fmt.Errorf("CRIU %v is too old for %s", v, thing), Hint: "that needs CRIU " + least.String() + " or newer"}
}

// Check asks the CRIU that is installed for its version. It returns ErrMissing
// if there is none, and an error if it is too old for rung.
func Check() (Version, error) {
	t := rpc.CriuReqType_VERSION
	resp, err := ask(&rpc.CriuReq{Type: &t})
	var refused *failure
	if errors.As(err, &refused) {
		return 0, &errdefs.Error{Err: errors.New("the CRIU that is installed cannot tell its version: it is too old"),
			Hint: "CRIU " + oldest.String() + " or newer is needed"}
	}
	if err != nil {
		return 0, errdefs.Doing(err, "ask CRIU for its version")
	}
	v := resp.GetVersion()
	version := Version(v.GetMajorNumber()*10000 + v.GetMinorNumber()*100 + v.GetSublevel())
	if v.GetGitid() != "" {
		// Built between two versions, it has some of the next one already.
		version += 100 - version%100
	}
	return version, version.atLeast(oldest, "rung")
}

// checkFeatures returns an error unless CRIU and the kernel have the features
// that are asked for: memory tracking for dumps in several steps, and
// userfaultfd for lazy pages.
func checkFeatures(memory, lazy bool) error {
	if !memory && !lazy {
		return nil
	}
	t := rpc.CriuReqType_FEATURE_CHECK
	resp, err := ask(&rpc.CriuReq{Type: &t, Features: &rpc.CriuFeatures{MemTrack: &memory, LazyPages: &lazy}})
	if err != nil {
		return errdefs.Doing(err, "ask CRIU for its features")
	}
	have := resp.GetFeatures()
	switch {
	case memory && !have.GetMemTrack():
		return errors.New("CRIU or the kernel cannot track changes of memory, which --pre-dump needs")
	case lazy && !have.GetLazyPages():
		return errors.New("CRIU or the kernel cannot restore memory lazily (userfaultfd)")
	}
	return nil
}

// ask has a worker of its own answer one request.
func ask(req *rpc.CriuReq) (*rpc.CriuResp, error) {
	w, err := (&spawn{apart: true}).start()
	if err != nil {
		return nil, err
	}
	resp, err := w.converse(req, nil)
	return resp, w.finish(err, "")
}
