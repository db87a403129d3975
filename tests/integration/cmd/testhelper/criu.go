package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
)

// fakeCRIU is a CRIU (criu swrk FD) that saves and restores nothing, so that
// what rung does around CRIU can be tested where CRIU does not work, and when
// CRIU fails. From the environment:
//
//	FAKE_CRIU          what becomes of a dump or a restore: "" succeeds, fail
//	                   says that it failed, die ends without a word, hang
//	                   waits for the caller to hang up, lock ends the
//	                   restored process late and waits for nothing
//	FAKE_CRIU_VERSION  the version, as 31701; "none" cannot tell it
//	FAKE_CRIU_REQUEST  a file to write the request to, as text
//	FAKE_CRIU_LACKS    features that it does not have
type fakeCRIU struct {
	sock int
	mode string
}

var errHungUp = errors.New("the caller hung up")

func runFakeCRIU(args []string) error {
	err := serveAsCRIU(args)
	if errors.Is(err, errHungUp) {
		os.Exit(1) // CRIU says so in its log
	}
	return err
}

func serveAsCRIU(args []string) error {
	if len(args) != 2 || args[0] != "swrk" {
		return errors.New("only swrk FD is known")
	}
	fd, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c := &fakeCRIU{fd, os.Getenv("FAKE_CRIU")}
	req, err := c.receive()
	if err != nil {
		return err
	}
	switch req.GetType() {
	case rpc.CriuReqType_VERSION:
		return c.version()
	case rpc.CriuReqType_FEATURE_CHECK:
		lacks := os.Getenv("FAKE_CRIU_LACKS")
		return c.answer(&rpc.CriuResp{Type: req.Type, Features: &rpc.CriuFeatures{
			MemTrack: to(!strings.Contains(lacks, "mem_track")), LazyPages: to(!strings.Contains(lacks, "lazy_pages")),
		}})
	}
	if path := os.Getenv("FAKE_CRIU_REQUEST"); path != "" {
		text := req.String() + "\n"
		if config, err := os.ReadFile(req.GetOpts().GetConfigFile()); err == nil {
			text += "the config file has: " + string(config)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := c.misbehave(req); err != nil || c.mode == "fail" {
		return err
	}
	if req.GetType() == rpc.CriuReqType_RESTORE {
		return c.restore(req)
	}
	return c.dump(req)
}

func to[T any](v T) *T { return &v }

func (c *fakeCRIU) receive() (*rpc.CriuReq, error) {
	buf := make([]byte, 64<<10)
	n, err := syscall.Read(c.sock, buf)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errHungUp
	}
	req := new(rpc.CriuReq)
	return req, req.UnmarshalVT(buf[:n])
}

func (c *fakeCRIU) answer(resp *rpc.CriuResp) error {
	if resp.Success == nil {
		resp.Success = to(true)
	}
	data, err := resp.MarshalVT()
	if err == nil {
		_, err = syscall.Write(c.sock, data)
	}
	return err
}

// notify says how far it is and waits for the answer.
func (c *fakeCRIU) notify(script string, pid int) error {
	err := c.answer(&rpc.CriuResp{Type: to(rpc.CriuReqType_NOTIFY), Notify: &rpc.CriuNotify{Script: &script, Pid: to(int32(pid))}})
	if err != nil {
		return err
	}
	req, err := c.receive()
	if err == nil && !req.GetNotifySuccess() {
		err = errors.New("the caller did not agree")
	}
	return err
}

func (c *fakeCRIU) version() error {
	v, err := strconv.Atoi(os.Getenv("FAKE_CRIU_VERSION"))
	if os.Getenv("FAKE_CRIU_VERSION") == "none" {
		return c.answer(&rpc.CriuResp{Type: to(rpc.CriuReqType_EMPTY), Success: to(false)})
	}
	if err != nil {
		v = 40000
	}
	return c.answer(&rpc.CriuResp{Type: to(rpc.CriuReqType_VERSION), Version: &rpc.CriuVersion{
		MajorNumber: to(int32(v / 10000)), MinorNumber: to(int32(v / 100 % 100)), Sublevel: to(int32(v % 100)),
	}})
}

// misbehave does what is asked for in place of a dump or restore.
func (c *fakeCRIU) misbehave(req *rpc.CriuReq) error {
	switch c.mode {
	case "", "lock":
		return nil
	case "die":
		return errors.New("it was too much for it")
	case "hang":
		_, err := c.receive()
		return err
	}
	const text = `(00.000001) Version: 9.9 (gitid 0)
(00.014201) Error (criu/files-reg.c:1710): Can't lookup mount=21 for fd=0 path=/the/cause
(00.014202) ----------------------------------------
(00.014203)      1: Error (criu/cr-dump.c:1524): Dump files (pid: 4711) failed with -1
(00.014204) Error (criu/cr-dump.c:2053): Dumping FAILED.
`
	dir := req.GetOpts().GetImagesDirFd()
	if req.GetOpts().WorkDirFd != nil {
		dir = req.GetOpts().GetWorkDirFd()
	}
	// As CRIU does it: by the number of the caller's descriptor.
	log := fmt.Sprintf("/proc/%d/fd/%d/%s", os.Getppid(), dir, req.GetOpts().GetLogFile())
	if err := os.WriteFile(log, []byte(text), 0o644); err != nil {
		return err
	}
	return c.answer(&rpc.CriuResp{Type: req.Type, Success: to(false)})
}

// dump ends the process, if it is to.
func (c *fakeCRIU) dump(req *rpc.CriuReq) error {
	for _, script := range []string{"pre-dump", "network-lock", "status-ready", "post-dump", "network-unlock"} {
		if err := c.notify(script, 0); err != nil {
			return err
		}
	}
	if req.GetType() == rpc.CriuReqType_DUMP && !req.GetOpts().GetLeaveRunning() {
		if err := syscall.Kill(int(req.GetOpts().GetPid()), syscall.SIGKILL); err != nil {
			return err
		}
	}
	return c.answer(&rpc.CriuResp{Type: req.Type})
}

// restore makes a process, a sibling of its own, that sleeps, and ends it if
// the caller does not want it any more.
func (c *fakeCRIU) restore(req *rpc.CriuReq) error {
	pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{
		Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_PARENT},
	})
	if err != nil {
		return err
	}
	for _, script := range []string{"pre-restore", "setup-namespaces", "post-setup-namespaces", "post-restore", "pre-resume"} {
		if err := c.notify(script, pid); err != nil {
			return errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
		}
	}
	if c.mode == "lock" {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
		time.Sleep(time.Hour)
	}
	return c.answer(&rpc.CriuResp{Type: req.Type, Restore: &rpc.CriuRestoreResp{Pid: to(int32(pid))}})
}
