package libcontainer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/rungoci/rung/libcontainer"
	"github.com/rungoci/rung/libcontainer/specgen"
)

// busybox is a program without shared libraries: all that a root filesystem
// needs.
const busybox = "/bin/busybox"

// writeBundle fills the folder with a bundle that runs script in a shell.
func writeBundle(dir, script string) error {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "rootfs", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bin, "sh"), program, 0o755); err != nil {
		return err
	}
	spec := specgen.Example()
	spec.Process.Terminal = false
	spec.Process.Args = []string{"sh", "-c", script}
	config, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644)
}

// life takes a container through its life: create, start, exec, the end of its
// program, delete. Its program ends when stdin does.
func life(ctx context.Context, dir string, stdin *os.File, end func() error) error {
	root := filepath.Join(dir, "state")
	warn := func(text string) { log.Print(text) }
	c, err := libcontainer.Create(ctx, libcontainer.Options{
		Root: root, ID: "example", Bundle: dir, Detach: true,
		Stdin: stdin, Stdout: os.Stdout, Stderr: os.Stderr, Warn: warn,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	// Whatever happens from here on, nothing is left. A container that is
	// not there any more is no error.
	defer func() { _ = libcontainer.Delete(root, "example", true, warn) }()

	// Everything is in place, and the program waits.
	status, err := c.Status()
	if err != nil {
		return err
	}
	fmt.Println(status)
	if err := c.Start(); err != nil {
		return err
	}

	// A further program, with what config.json gives the container's own one.
	process, err := c.Process()
	if err != nil {
		return err
	}
	process.Args = []string{"sh", "-c", "echo hello from exec"}
	code, err := c.Exec(ctx, libcontainer.ExecOptions{Process: process, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Warn: warn})
	if err != nil {
		return err
	}
	fmt.Println("exec ended with", code)

	// The init process is a child of this one, like any other.
	init, err := os.FindProcess(c.Pid())
	if err != nil {
		return err
	}
	if err := end(); err != nil {
		return err
	}
	state, err := init.Wait()
	if err != nil {
		return err
	}
	fmt.Println("the program ended with", state.ExitCode())
	if status, err = c.Status(); err != nil {
		return err
	}
	fmt.Println(status)

	if err := libcontainer.Delete(root, "example", false, warn); err != nil {
		return err
	}
	_, err = libcontainer.Load(root, "example")
	fmt.Println("deleted:", errors.Is(err, libcontainer.ErrNotExist))
	return nil
}

// A container's life from Go: create, start, exec, wait, delete.
func Example() {
	dir, err := os.MkdirTemp("", "rung-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := writeBundle(dir, "read -r line; exit 7"); err != nil {
		fmt.Println(err)
		return
	}
	stdin, writer, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stdin.Close()
	if err := life(context.Background(), dir, stdin, writer.Close); err != nil {
		fmt.Println(err)
	}

	// Output:
	// created
	// hello from exec
	// exec ended with 0
	// the program ended with 7
	// stopped
	// deleted: true
}

// A limit is changed while the container runs. What is not mentioned stays; an
// error leaves everything as it was.
func ExampleContainer_Update() {
	c, err := libcontainer.Load("/run/rung", "mycontainer")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	limit := int64(64 << 20)
	if err := c.Update(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}); err != nil {
		fmt.Println(err)
	}
	stats, err := c.Stats()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stats.Memory.Usage.Usage, "of", stats.Memory.Usage.Limit)
}
