// Package rdt gives a container its class of service of Intel's Resource
// Director Technology, or what AMD and ARM have of the kind: a share of the
// caches and of the memory bandwidth, and counters of both.
//
// The kernel's interface is the filesystem resctrl
// (Documentation/filesystems/resctrl.rst of Linux). A folder below its root is
// a class of service, which the OCI specification calls by its closID. mkdir(2)
// makes one, with all of its files:
//
//	/sys/fs/resctrl/CLASS/schemata          the shares of the class
//	/sys/fs/resctrl/CLASS/tasks             the threads in it
//	/sys/fs/resctrl/CLASS/mon_groups/ID/    counters for some of these threads
//
// The root itself is the class of all threads that are in no other one.
package rdt

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/libcontainer/bundle/jsonfield"
)

const (
	fieldRdt     = "linux.intelRdt"
	fieldClosID  = fieldRdt + ".closID"
	fieldL3      = fieldRdt + ".l3CacheSchema"
	fieldMB      = fieldRdt + ".memBwSchema"
	fieldMonitor = fieldRdt + ".enableMonitoring"
)

// Record is what has to be remembered of a container's class.
type Record struct {
	// Group is the folder of the class.
	Group string `json:"group"`
	// Own says that the class was made for this container, and ends with it.
	Own bool `json:"own,omitempty"`
	// Monitor is the folder of the container's own counters, or "".
	Monitor string `json:"monitor,omitempty"`
}

// Class is the class of a container that is being made.
type Class struct {
	record Record
	root   string
	config *specs.LinuxIntelRdt
	// made and monitored say what Make has made.
	made, monitored bool
}

// Plan returns the class that config asks for, for the container id. It returns
// nil if config is nil, and an error where the host cannot do that. Nothing is
// made.
func Plan(id string, config *specs.LinuxIntelRdt) (*Class, error) {
	if config == nil {
		return nil, nil
	}
	root, err := resctrl.find()
	if err != nil {
		return nil, errdefs.AtField(err, fieldRdt)
	}
	c := &Class{root: root, config: config}
	switch config.ClosID {
	case "":
		c.record.Group = filepath.Join(root, id)
		if reserved(id) {
			return nil, errdefs.Field(fieldRdt, "a class of service cannot be named "+jsonfield.Quote(id)+" as the container is").
				WithHint("set linux.intelRdt.closID, or name the container otherwise")
		}
		// A class that is there before is somebody else's.
		c.record.Own = !exists(c.record.Group)
	case "/":
		c.record.Group = root
	default:
		c.record.Group = filepath.Join(root, config.ClosID)
	}
	if config.EnableMonitoring {
		c.record.Monitor = filepath.Join(c.record.Group, monGroups, id)
	}
	return c, c.supported()
}

// monGroups is the folder of a class with the counters for parts of it.
const monGroups = "mon_groups"

// reserved tells whether resctrl has something else of that name in its root.
func reserved(name string) bool {
	return name == "info" || name == monGroups || name == "mon_data"
}

// supported says whether the host can do what the config asks for.
func (c *Class) supported() error {
	info := func(name string) bool { return exists(filepath.Join(c.root, "info", name)) }
	switch {
	// With the mount option cdp, code and data have shares of their own.
	case c.config.L3CacheSchema != "" && !info("L3") && !info("L3CODE"):
		return errdefs.Field(fieldL3, "the processor cannot divide its L3 cache (Intel RDT/CAT is not enabled)")
	case c.config.MemBwSchema != "" && !info("MB"):
		return errdefs.Field(fieldMB, "the processor cannot divide the memory bandwidth (Intel RDT/MBA is not enabled)")
	case c.config.EnableMonitoring && !exists(filepath.Join(c.root, monGroups)):
		return errdefs.Field(fieldMonitor, "the processor cannot count for a group (Intel RDT monitoring is not enabled)")
	}
	return nil
}

// Record is what to remember, before and after Make.
func (c *Class) Record() *Record {
	if c == nil {
		return nil
	}
	r := c.record
	return &r
}

// lines are the lines of the schemata file that the config asks for, in the
// order of config-linux.md, "IntelRdt".
func (c *Class) lines() []string {
	var lines []string
	for _, s := range append([]string{c.config.L3CacheSchema, c.config.MemBwSchema}, c.config.Schemata...) {
		if s = strings.Trim(s, "\n"); s != "" {
			lines = append(lines, s)
		}
	}
	return lines
}

// Make makes the class, or makes sure that the one that is there is what the
// config asks for. After an error Undo takes back what was done.
func (c *Class) Make() error {
	if c == nil {
		return nil
	}
	unlock, err := lock(c.root)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.makeGroup(); err != nil {
		return err
	}
	return c.makeMonitor()
}

func (c *Class) makeGroup() error {
	named, lines := c.config.ClosID != "", c.lines()
	if named && len(lines) == 0 {
		if !exists(filepath.Join(c.record.Group, "tasks")) {
			return errdefs.Field(fieldClosID, "there is no class of service "+c.record.Group).
				WithHint("make it first, or say with linux.intelRdt.schemata what it is to be")
		}
		return nil
	}
	err := resctrl.mkdir(c.record.Group)
	c.made = err == nil
	c.record.Own = c.made && !named
	switch {
	case errors.Is(err, unix.EEXIST) && named:
		return c.compare(lines)
	case err != nil && !errors.Is(err, unix.EEXIST):
		e := c.failed(err, "make the class of service "+c.record.Group, fieldRdt)
		if errors.Is(err, unix.ENOSPC) {
			e.Hint = "the processor has no more of them; share one that is there with linux.intelRdt.closID"
		}
		return e
	case len(lines) == 0:
		return nil
	}
	return c.failedOrNil(writeSchemata(c.record.Group, lines), "set the shares of "+c.record.Group, fieldRdt)
}

// compare makes sure that a class that others may be in has the shares that the
// config asks for.
func (c *Class) compare(lines []string) error {
	now, err := readFile(filepath.Join(c.record.Group, "schemata"))
	if err != nil {
		return errdefs.AtField(err, fieldClosID)
	}
	for _, line := range lines {
		if !contains(now, line, c.granularity()) {
			return errdefs.Field(fieldClosID, "the class of service "+c.record.Group+" is there already, and is not "+
				jsonfield.Quote(line)+" but "+jsonfield.Quote(oneLine(now))).
				WithHint("others may be in it: name another class, or leave the schemata out to take it as it is")
		}
	}
	return nil
}

// granularity is the number of which the kernel makes each value of memory
// bandwidth a multiple; 0 where it does not.
func (c *Class) granularity() uint64 {
	text, err := readFile(filepath.Join(c.root, "info", "MB", "bandwidth_gran"))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// makeMonitor makes the counters of the container.
func (c *Class) makeMonitor() error {
	if c.record.Monitor == "" {
		return nil
	}
	doing := "make the monitoring group " + c.record.Monitor
	err := resctrl.mkdir(c.record.Monitor)
	c.monitored = err == nil
	switch {
	case errors.Is(err, unix.EEXIST):
		// What a crash has left, or that of another container of this id.
		tasks, err := readFile(filepath.Join(c.record.Monitor, "tasks"))
		if err == nil && tasks != "" {
			err = &errdefs.Error{Doing: doing, Field: fieldMonitor, Err: errors.New("it is there already, and there are processes in it")}
		}
		return err
	case err != nil:
		e := c.failed(err, doing, fieldMonitor)
		if errors.Is(err, unix.ENOSPC) {
			e.Hint = "the processor cannot count for more groups (info/L3_MON/num_rmids)"
		}
		return e
	}
	return nil
}

// Undo takes back what Make has made, where nobody else has come to use it.
func (c *Class) Undo() error {
	if c == nil || !c.made && !c.monitored {
		return nil
	}
	unlock, err := lock(c.root)
	if err != nil {
		return err
	}
	defer unlock()
	if c.monitored {
		if err := rmdir(c.record.Monitor); err != nil {
			return err
		}
	}
	if !c.made || !c.record.Own && inUse(c.record.Group) {
		return nil
	}
	return rmdir(c.record.Group)
}

// inUse tells whether there is anything in a class: its threads would go over
// to the default class if it was removed.
func inUse(group string) bool {
	tasks, err := readFile(filepath.Join(group, "tasks"))
	monitors, _ := os.ReadDir(filepath.Join(group, monGroups))
	return err != nil || tasks != "" || len(monitors) > 0
}

// Join has a process in the class, and whatever it starts from then on. Of its
// threads only the main one, which is the one that is left when it executes a
// program.
//
// It returns an error that wraps ENOENT if the class is gone.
func (r *Record) Join(pid int) error {
	if r == nil {
		return nil
	}
	// In this order: into a monitoring group go threads of its class only.
	for _, dir := range []string{r.Group, r.Monitor} {
		if dir == "" {
			continue
		}
		tasks := filepath.Join(dir, "tasks")
		if err := resctrl.write(tasks, strconv.Itoa(pid)); err != nil {
			return &errdefs.Error{Doing: "write process " + strconv.Itoa(pid) + " to " + tasks, Field: fieldRdt, Err: err}
		}
	}
	return nil
}

// Remove removes what was, or was about to be, made for the container alone.
// What is gone already is no error.
func (r *Record) Remove() error {
	if r == nil {
		return nil
	}
	if r.Monitor != "" {
		if err := rmdir(r.Monitor); err != nil {
			return err
		}
	}
	if !r.Own {
		return nil
	}
	return rmdir(r.Group)
}

// Set changes shares of the class, of whoever is in it: l3 and mb are lines as
// in linux.intelRdt.l3CacheSchema and memBwSchema, or "". The returned function
// takes that back.
func (r *Record) Set(l3, mb string) (restore func() error, err error) {
	if r == nil {
		return nil, errdefs.Field(fieldRdt, "the container has no class of service: updating a non-existent Intel RDT configuration is not supported")
	}
	root, err := resctrl.find()
	if err != nil {
		return nil, err
	}
	c := &Class{root: root, record: *r, config: &specs.LinuxIntelRdt{L3CacheSchema: l3, MemBwSchema: mb}}
	if err := c.supported(); err != nil {
		return nil, err
	}
	unlock, err := lock(root)
	if err != nil {
		return nil, err
	}
	defer unlock()
	before, err := readFile(filepath.Join(r.Group, "schemata"))
	if err != nil {
		return nil, err
	}
	doing := "set the shares of " + r.Group
	if err := writeSchemata(r.Group, c.lines()); err != nil {
		return nil, c.failed(err, doing, fieldRdt)
	}
	return func() error {
		return c.failedOrNil(writeSchemata(r.Group, strings.Split(before, "\n")), doing, fieldRdt)
	}, nil
}
