package cgroup

import (
	"errors"
	"strings"

	"github.com/rungoci/rung/internal/errdefs"
)

// An update of a running container is all or nothing. The kernel takes one file
// at a time, and each is read before it is written; when one is refused, those
// before it are written back in reverse. Limits that the kernel holds against
// each other (quota and period, memory and swap) need no care in that: each
// state that is passed through is one that the kernel accepted on the way there.

// written is a file that an update has written to.
type written struct {
	dir, file string
	// before is what has to be written, a line at a time, to have the file
	// say again what it said. It is nil where that is not known: the file
	// can only be written, or what was written starts something.
	before []string
}

// journal is what an update has written so far, in order.
type journal []written

// write writes l to its file in dir, and keeps how to take that back.
func (j *journal) write(dir string, l limit) error {
	text, readErr := readFile(dir, l.file)
	entry := written{dir: dir, file: l.file}
	if readErr == nil {
		entry.before = previous(l.file, l.value, text)
	}
	var weight *written
	if l.file == "cpu.idle" && strings.TrimSpace(text) == "0" && l.value != "0" {
		weight = weightBefore(dir)
	}
	if err := writeFile(dir, l.file, l.value); err != nil {
		return err
	}
	if weight != nil {
		*j = append(*j, *weight)
	}
	*j = append(*j, entry)
	return nil
}

// weightBefore returns the weight of a cgroup that is about to become idle. The
// kernel forgets it, and gives the cgroup the default one when that ends.
func weightBefore(dir string) *written {
	for _, file := range [...]string{"cpu.weight", "cpu.shares"} {
		if text, err := readFile(dir, file); err == nil {
			return &written{dir, file, []string{strings.TrimSpace(text)}}
		}
	}
	return nil
}

// takeBack undoes what the journal says, and completes err, which is the reason
// for it, by what could not be undone.
func (j journal) takeBack(err error) error {
	var stays []string
	for i := len(j) - 1; i >= 0; i-- {
		w := j[i]
		done := w.before != nil
		for _, line := range w.before {
			done = writeFile(w.dir, w.file, line) == nil && done
		}
		if !done {
			stays = append(stays, w.file)
		}
	}
	if len(stays) == 0 {
		return err
	}
	var e *errdefs.Error
	if !errors.As(err, &e) {
		e = &errdefs.Error{Err: err}
		err = e
	}
	if e.Hint != "" {
		e.Hint += "; "
	}
	e.Hint += "what was set before it stays set, since it cannot be taken back: " + strings.Join(stays, ", ")
	return err
}

// previous returns what has to be written to a file that says text, to take
// back that value was written to it; nil where that is not known.
func previous(file, value, text string) []string {
	text = strings.TrimSpace(text)
	switch file {
	case "memory.oom_control":
		return one(keyValue(text, "oom_kill_disable"))
	case "cgroup.subtree_control":
		return subtreeBefore(value, text)
	case "cpuset.cpus.partition": // "root invalid (Parent is not a partition root)"
		word, _, _ := strings.Cut(text, " ")
		return one(word)
	}
	if key, _, ok := strings.Cut(value, " "); ok && keyed(file) {
		for line := range strings.Lines(text) {
			if first, _, _ := strings.Cut(line, " "); first == key {
				return one(strings.TrimSpace(line))
			}
		}
		if unset := unsetKey(file); unset != "" {
			return one(key + " " + unset)
		}
		return nil
	}
	if keyed(file) { // io.weight and its like: "default 100", or a number alone
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if number, ok := strings.CutPrefix(line, "default "); ok || !strings.Contains(line, " ") {
				return one(number)
			}
		}
		return nil
	}
	switch {
	case strings.Contains(text, "\n"):
		return nil // statistics, or the triggers of a pressure file
	case text == "":
		return one("\n") // as a cpuset that has not been set
	}
	return one(text)
}

func one(line string) []string {
	if line == "" {
		return nil
	}
	return []string{line}
}

// keyed reports whether a file has a line for each device, interface or
// resource, and takes one of them at a time.
func keyed(file string) bool {
	controller, _, _ := strings.Cut(file, ".")
	switch controller {
	case "io", "blkio", "rdma", "misc", "dmem", "net_prio":
		return true
	}
	return false
}

// unsetKey returns the value that removes a device from a keyed file, or "".
func unsetKey(file string) string {
	switch {
	case file == "io.max":
		return "rbps=max wbps=max riops=max wiops=max"
	case file == "io.latency":
		return "target=0"
	case file == "io.weight", file == "io.bfq.weight":
		return "default"
	case strings.HasPrefix(file, "blkio."):
		return "0"
	}
	return ""
}

// subtreeBefore returns what undoes "+cpu -memory" where text was enabled.
func subtreeBefore(value, text string) []string {
	var undo []string
	for change := range strings.FieldsSeq(value) {
		name := strings.TrimLeft(change, "+-")
		had := hasField(text, name)
		switch {
		case change[0] == '+' && !had:
			undo = append(undo, "-"+name)
		case change[0] == '-' && had:
			undo = append(undo, "+"+name)
		}
	}
	if undo == nil {
		return []string{"\n"}
	}
	return []string{strings.Join(undo, " ")}
}
