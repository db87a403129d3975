package libcontainer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

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

// run creates a container, starts it, waits for its program and deletes it.
func run(dir string) error {
	root := filepath.Join(dir, "state")
	c, err := libcontainer.Create(context.Background(), libcontainer.Options{
		Root: root, ID: "example", Bundle: dir, Detach: true,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Warn: func(text string) { log.Print(text) },
	})
	if err != nil {
		return err
	}
	defer c.Close()

	status, err := c.Status()
	if err != nil {
		return err
	}
	fmt.Println(status)
	if err := c.Start(); err != nil {
		return err
	}
	// The init process is a child of this one, like any other.
	init, err := os.FindProcess(c.Pid())
	if err != nil {
		return err
	}
	end, err := init.Wait()
	if err != nil {
		return err
	}
	fmt.Println("ended with", end.ExitCode())
	if status, err = c.Status(); err != nil {
		return err
	}
	fmt.Println(status)

	if err := libcontainer.Delete(root, "example", false, func(text string) { log.Print(text) }); err != nil {
		return err
	}
	_, err = libcontainer.Load(root, "example")
	fmt.Println(errors.Is(err, libcontainer.ErrNotExist))
	return nil
}

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "rung-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := writeBundle(dir, "exit 7"); err != nil {
		fmt.Println(err)
		return
	}
	if err := run(dir); err != nil {
		fmt.Println(err)
	}

	// Output:
	// created
	// ended with 7
	// stopped
	// true
}
