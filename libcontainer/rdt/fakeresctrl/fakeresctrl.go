// Package fakeresctrl is a folder that behaves like the kernel's filesystem
// resctrl, for tests on machines whose processor has nothing to control: a
// machine with two L3 caches, which can be divided in eleven parts, memory
// bandwidth in steps of ten percent, room for three classes of service beside
// the default one, and for four groups that are counted.
//
// What the kernel does at mkdir(2), rmdir(2), read(2) and write(2) the functions
// of this package do.
package fakeresctrl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	classes  = 3
	monitors = 4
	full     = "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"
)

// New fills an empty folder in.
func New(root string) error {
	files := map[string]string{
		"info/last_cmd_status":     "ok\n",
		"info/L3/cbm_mask":         "7ff\n",
		"info/L3/min_cbm_bits":     "1\n",
		"info/L3/num_closids":      "4\n",
		"info/MB/bandwidth_gran":   "10\n",
		"info/MB/delay_linear":     "1\n",
		"info/MB/min_bandwidth":    "10\n",
		"info/MB/num_closids":      "4\n",
		"info/L3_MON/mon_features": "llc_occupancy\nmbm_total_bytes\nmbm_total_bytes_config\nmbm_local_bytes\n",
		"info/L3_MON/num_rmids":    "4\n",
	}
	for name, text := range files {
		if err := put(filepath.Join(root, name), text); err != nil {
			return err
		}
	}
	return fill(root, true)
}

// put writes a file, and makes the folders on the way to it.
func put(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// fill makes what is in a new group.
func fill(group string, class bool) error {
	files := map[string]string{"tasks": ""}
	for i := range 2 {
		cache := fmt.Sprintf("mon_data/mon_L3_%02d/", i)
		files[cache+"llc_occupancy"] = fmt.Sprintf("%d\n", 4096+i)
		files[cache+"mbm_total_bytes"] = fmt.Sprintf("%d\n", 2000+i)
		files[cache+"mbm_local_bytes"] = fmt.Sprintf("%d\n", 1000+i)
	}
	if class {
		files["schemata"] = full
	}
	for name, text := range files {
		if err := put(filepath.Join(group, name), text); err != nil {
			return err
		}
	}
	if class {
		return os.MkdirAll(filepath.Join(group, "mon_groups"), 0o755)
	}
	return nil
}

// Root returns the root of the tree that path, of a group or a file in one, is
// in.
func Root(path string) string {
	for dir := path; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "info/last_cmd_status")); err == nil {
			return dir
		}
	}
	return ""
}

// all returns the groups of a tree: the classes, or the monitoring groups.
func all(root string, class bool) []string {
	files, _ := filepath.Glob(filepath.Join(root, "*/tasks"))
	if !class {
		files, _ = filepath.Glob(filepath.Join(root, "*/mon_groups/*/tasks"))
		top, _ := filepath.Glob(filepath.Join(root, "mon_groups/*/tasks"))
		files = append(files, top...)
	}
	for i := range files {
		files[i] = filepath.Dir(files[i])
	}
	return files
}

func status(root, text string) {
	_ = os.WriteFile(filepath.Join(root, "info/last_cmd_status"), []byte(text+"\n"), 0o644)
}

// Mkdir makes a class or a monitoring group.
func Mkdir(path string) error {
	root, class := Root(path), filepath.Base(filepath.Dir(path)) != "mon_groups"
	if _, err := os.Stat(path); err == nil {
		return unix.EEXIST
	}
	limit := monitors
	if class {
		limit = classes
	}
	if len(all(root, class)) >= limit {
		status(root, "Out of CLOSIDs or RMIDs")
		return unix.ENOSPC
	}
	if err := unix.Mkdir(path, 0o755); err != nil {
		return err
	}
	status(root, "ok")
	return fill(path, class)
}

// Rmdir removes a group. The threads in it go over to the default class.
func Rmdir(path string) error {
	if _, err := os.Stat(path); err != nil {
		return unix.ENOENT
	}
	return os.RemoveAll(path)
}

// Read returns a file. Threads that have ended are in no group.
func Read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil || filepath.Base(path) != "tasks" {
		return text, err
	}
	var alive []byte
	for line := range strings.Lines(string(text)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && unix.Kill(pid, 0) == nil {
			alive = append(alive, line...)
		}
	}
	return alive, nil
}

// Write writes to the file tasks or schemata of a group.
func Write(path, text string) error {
	if _, err := os.Stat(path); err != nil {
		return unix.ENOENT
	}
	root := Root(path)
	status(root, "ok")
	var err error
	switch filepath.Base(path) {
	case "tasks":
		err = move(root, filepath.Dir(path), strings.TrimSpace(text))
	case "schemata":
		err = divide(path, text)
	default:
		err = unix.EACCES
	}
	var why *refusal
	if errors.As(err, &why) {
		status(root, why.text)
		return unix.EINVAL
	}
	return err
}

// refusal is what the kernel says in info/last_cmd_status.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// move has a thread join a group.
func move(root, group, pid string) error {
	if n, err := strconv.Atoi(pid); err != nil || unix.Kill(n, 0) != nil {
		return unix.ESRCH
	}
	leave := all(root, false)
	if filepath.Base(filepath.Dir(group)) == "mon_groups" {
		if class := filepath.Dir(filepath.Dir(group)); class != root && !slices.Contains(tasks(class), pid) {
			return &refusal{"Can't move task to different control group"}
		}
	} else {
		leave = append(leave, all(root, true)...)
	}
	for _, other := range leave {
		rest := slices.DeleteFunc(tasks(other), func(t string) bool { return t == pid })
		if err := setTasks(other, rest); err != nil {
			return err
		}
	}
	if group == root {
		return nil
	}
	return setTasks(group, append(tasks(group), pid))
}

func tasks(group string) []string {
	text, _ := os.ReadFile(filepath.Join(group, "tasks"))
	return strings.Fields(string(text))
}

func setTasks(group string, pids []string) error {
	text := ""
	for _, pid := range pids {
		text += pid + "\n"
	}
	return os.WriteFile(filepath.Join(group, "tasks"), []byte(text), 0o644)
}

// divide sets shares of a class.
func divide(path, text string) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	shares := string(before)
	for line := range strings.Lines(text) {
		resource, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			return &refusal{"Missing ':'"}
		}
		for share := range strings.SplitSeq(rest, ";") {
			domain, value, _ := strings.Cut(share, "=")
			if shares, err = replace(shares, resource, domain, value); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(path, []byte(shares), 0o644)
}

// replace returns a schemata file with another value for one cache.
func replace(schemata, resource, domain, value string) (string, error) {
	base := 16
	if resource == "MB" {
		base = 10
	}
	n, err := strconv.ParseUint(value, base, 32)
	if err != nil {
		return "", &refusal{"Non-number " + value}
	}
	if resource == "MB" {
		n = (n + 9) / 10 * 10
	}
	lines := strings.Split(schemata, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(strings.TrimSpace(line), resource+":") {
			continue
		}
		head, rest, _ := strings.Cut(line, ":")
		parts := strings.Split(rest, ";")
		for j, part := range parts {
			if strings.HasPrefix(part, domain+"=") {
				parts[j] = domain + "=" + strconv.FormatUint(n, base)
				lines[i] = head + ":" + strings.Join(parts, ";")
				return strings.Join(lines, "\n"), nil
			}
		}
	}
	return "", &refusal{"Unknown or unsupported resource name '" + resource + "' or domain " + domain}
}
