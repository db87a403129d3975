package main

import (
	"flag"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func runPod(c *client, flags *flag.FlagSet, args []string) error {
	handler := flags.String("runtime", "", "the runtime's `handler`, as a RuntimeClass names it")
	args, err := parse(flags, args, "POD.json")
	if err != nil {
		return err
	}
	config := &runtime.PodSandboxConfig{}
	if err := load(args[0], config); err != nil {
		return err
	}
	response, err := c.RunPodSandbox(c.ctx, &runtime.RunPodSandboxRequest{Config: config, RuntimeHandler: *handler})
	if err != nil {
		return err
	}
	return c.line(response.PodSandboxId)
}

func listPods(c *client, flags *flag.FlagSet, args []string) error {
	quiet := flags.Bool("q", false, "print the ids alone")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	response, err := c.ListPodSandbox(c.ctx, &runtime.ListPodSandboxRequest{})
	if err != nil || !*quiet {
		return c.show(response, err)
	}
	for _, pod := range response.Items {
		if err := c.line(pod.Id); err != nil {
			return err
		}
	}
	return nil
}

func inspectPod(c *client, flags *flag.FlagSet, args []string) error {
	return each(flags, args, "POD", func(id string) error {
		return c.show(c.PodSandboxStatus(c.ctx, &runtime.PodSandboxStatusRequest{PodSandboxId: id, Verbose: true}))
	})
}

func stopPods(c *client, flags *flag.FlagSet, args []string) error {
	return each(flags, args, "POD", c.stopPod)
}

func (c *client) stopPod(id string) error {
	_, err := c.StopPodSandbox(c.ctx, &runtime.StopPodSandboxRequest{PodSandboxId: id})
	return err
}

func removePods(c *client, flags *flag.FlagSet, args []string) error {
	force := flags.Bool("f", false, "stop the pod first")
	return each(flags, args, "POD", func(id string) error {
		if *force {
			if err := c.stopPod(id); err != nil {
				return err
			}
		}
		_, err := c.RemovePodSandbox(c.ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: id})
		return err
	})
}
