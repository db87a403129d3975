package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strings"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func create(c *client, flags *flag.FlagSet, args []string) error {
	args, err := parse(flags, args, "POD", "CONTAINER.json", "POD.json")
	if err != nil {
		return err
	}
	config, pod := &runtime.ContainerConfig{}, &runtime.PodSandboxConfig{}
	if err := load(args[1], config); err != nil {
		return err
	}
	if err := load(args[2], pod); err != nil {
		return err
	}
	response, err := c.CreateContainer(c.ctx, &runtime.CreateContainerRequest{
		PodSandboxId: args[0], Config: config, SandboxConfig: pod,
	})
	if err != nil {
		return err
	}
	return c.line(response.ContainerId)
}

func start(c *client, flags *flag.FlagSet, args []string) error {
	return each(flags, args, "CONTAINER", func(id string) error {
		_, err := c.StartContainer(c.ctx, &runtime.StartContainerRequest{ContainerId: id})
		return err
	})
}

func list(c *client, flags *flag.FlagSet, args []string) error {
	all := flags.Bool("a", false, "those that do not run as well")
	quiet := flags.Bool("q", false, "print the ids alone")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	request := &runtime.ListContainersRequest{}
	if !*all {
		request.Filter = &runtime.ContainerFilter{
			State: &runtime.ContainerStateValue{State: runtime.ContainerState_CONTAINER_RUNNING},
		}
	}
	response, err := c.ListContainers(c.ctx, request)
	if err != nil || !*quiet {
		return c.show(response, err)
	}
	for _, container := range response.Containers {
		if err := c.line(container.Id); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) status(id string) (*runtime.ContainerStatusResponse, error) {
	return c.ContainerStatus(c.ctx, &runtime.ContainerStatusRequest{ContainerId: id, Verbose: true})
}

func inspect(c *client, flags *flag.FlagSet, args []string) error {
	return each(flags, args, "CONTAINER", func(id string) error {
		return c.show(c.status(id))
	})
}

// logs prints what the container wrote, without the times and the names of the streams that the log file has.
func logs(c *client, flags *flag.FlagSet, args []string) error {
	args, err := parse(flags, args, "CONTAINER")
	if err != nil {
		return err
	}
	response, err := c.status(args[0])
	if err != nil {
		return err
	}
	file, err := os.Open(response.Status.LogPath)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// TIME stdout|stderr F|P TEXT, where P marks a line that goes on in the next one.
		fields := strings.SplitN(lines.Text(), " ", 4)
		if len(fields) != 4 {
			return fmt.Errorf("%s: %q is not a line of a CRI log", file.Name(), lines.Text())
		}
		end := "\n"
		if fields[2] == "P" {
			end = ""
		}
		if _, err := fmt.Fprint(c.out, fields[3], end); err != nil {
			return err
		}
	}
	return lines.Err()
}

func update(c *client, flags *flag.FlagSet, args []string) error {
	limits := &runtime.LinuxContainerResources{}
	flags.Int64Var(&limits.MemoryLimitInBytes, "memory", 0, "memory limit in `bytes`")
	flags.Int64Var(&limits.CpuQuota, "cpu-quota", 0, "CPU time per period in `microseconds`")
	flags.Int64Var(&limits.CpuPeriod, "cpu-period", 0, "CPU period in `microseconds`")
	flags.Int64Var(&limits.CpuShares, "cpu-share", 0, "CPU `shares`")
	flags.StringVar(&limits.CpusetCpus, "cpuset-cpus", "", "the `list` of CPUs")
	return each(flags, args, "CONTAINER", func(id string) error {
		_, err := c.UpdateContainerResources(c.ctx, &runtime.UpdateContainerResourcesRequest{ContainerId: id, Linux: limits})
		return err
	})
}

func stats(c *client, flags *flag.FlagSet, args []string) error {
	return each(flags, args, "CONTAINER", func(id string) error {
		return c.show(c.ContainerStats(c.ctx, &runtime.ContainerStatsRequest{ContainerId: id}))
	})
}

func stop(c *client, flags *flag.FlagSet, args []string) error {
	timeout := flags.Int64("timeout", 0, "`seconds` to wait before the container is killed")
	return each(flags, args, "CONTAINER", func(id string) error {
		_, err := c.StopContainer(c.ctx, &runtime.StopContainerRequest{ContainerId: id, Timeout: *timeout})
		return err
	})
}

func remove(c *client, flags *flag.FlagSet, args []string) error {
	return each(flags, args, "CONTAINER", func(id string) error {
		_, err := c.RemoveContainer(c.ctx, &runtime.RemoveContainerRequest{ContainerId: id})
		return err
	})
}
