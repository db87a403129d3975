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
	if err != nil {
		return err
	}
	if !*quiet {
		return c.show(response)
	}
	for _, pod := range response.Items {
		if err := c.line(pod.Id); err != nil {
			return err
		}
	}
	return nil
}

func inspectPod(c *client, flags *flag.FlagSet, args []string) error {
	args, err := parse(flags, args, "POD")
	if err != nil {
		return err
	}
	response, err := c.PodSandboxStatus(c.ctx, &runtime.PodSandboxStatusRequest{PodSandboxId: args[0], Verbose: true})
	if err != nil {
		return err
	}
	return c.show(response)
}

func stopPods(c *client, flags *flag.FlagSet, args []string) error {
	args, err := parse(flags, args, "POD...")
	if err != nil {
		return err
	}
	for _, id := range args {
		if _, err := c.StopPodSandbox(c.ctx, &runtime.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
			return err
		}
	}
	return nil
}

func removePods(c *client, flags *flag.FlagSet, args []string) error {
	force := flags.Bool("f", false, "stop the pod first")
	args, err := parse(flags, args, "POD...")
	if err != nil {
		return err
	}
	for _, id := range args {
		if *force {
			if _, err := c.StopPodSandbox(c.ctx, &runtime.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
				return err
			}
		}
		if _, err := c.RemovePodSandbox(c.ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
			return err
		}
	}
	return nil
}
