package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"

	"golang.org/x/net/websocket"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// exec runs a command in a container. With -s it is the request with which a kubelet makes a probe, ExecSync, whose
// answer has all of the output; else the runtime gives a URL, at which the streams are.
func exec(c *client, flags *flag.FlagSet, args []string) error {
	sync := flags.Bool("s", false, "without streams: wait for the end, then print the output")
	timeout := flags.Int64("timeout", 0, "with -s, `seconds` that the command may take")
	stdin := flags.Bool("i", false, "pass standard input")
	tty := flags.Bool("t", false, "on a terminal")
	args, err := parse(flags, args, "CONTAINER", "COMMAND")
	if err != nil {
		return err
	}
	if *sync {
		response, err := c.ExecSync(c.ctx, &runtime.ExecSyncRequest{ContainerId: args[0], Cmd: args[1:], Timeout: *timeout})
		if err != nil {
			return err
		}
		os.Stdout.Write(response.Stdout)
		os.Stderr.Write(response.Stderr)
		if response.ExitCode != 0 {
			return exitCode(response.ExitCode)
		}
		return nil
	}
	response, err := c.Exec(c.ctx, &runtime.ExecRequest{
		ContainerId: args[0], Cmd: args[1:], Stdin: *stdin, Stdout: true, Stderr: !*tty, Tty: *tty,
	})
	if err != nil {
		return err
	}
	return c.stream(response.Url, *stdin)
}

func attach(c *client, flags *flag.FlagSet, args []string) error {
	stdin := flags.Bool("i", false, "pass standard input")
	tty := flags.Bool("t", false, "the container has a terminal")
	args, err := parse(flags, args, "CONTAINER")
	if err != nil {
		return err
	}
	response, err := c.Attach(c.ctx, &runtime.AttachRequest{
		ContainerId: args[0], Stdin: *stdin, Stdout: true, Stderr: !*tty, Tty: *tty,
	})
	if err != nil {
		return err
	}
	return c.stream(response.Url, *stdin)
}

// The channels of the protocol v4.channel.k8s.io: each binary message of the WebSocket begins with the number of one.
const (
	channelStdin = iota
	channelStdout
	channelStderr
	channelError
)

// stream connects this process's streams with those at the URL until the command in the container ends, and returns its
// exit code as an error.
func (c *client) stream(address string, stdin bool) error {
	at, err := url.Parse(address)
	if err != nil {
		return err
	}
	at.Scheme = "ws"
	config, err := websocket.NewConfig(at.String(), "http://localhost")
	if err != nil {
		return err
	}
	config.Protocol = []string{"v4.channel.k8s.io"}
	socket, err := config.DialContext(c.ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	defer socket.Close()
	if stdin {
		// Ends with the program. The protocol has no end of input: a command that waits for one has to be told otherwise.
		go send(socket)
	}
	return receive(socket)
}

func send(socket *websocket.Conn) {
	buffer := make([]byte, 4096)
	buffer[0] = channelStdin
	for {
		n, err := os.Stdin.Read(buffer[1:])
		if err != nil {
			return
		}
		if err := websocket.Message.Send(socket, buffer[:n+1]); err != nil {
			return
		}
	}
}

func receive(socket *websocket.Conn) error {
	for {
		var message []byte
		if err := websocket.Message.Receive(socket, &message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(message) == 0 {
			continue
		}
		switch channel, content := message[0], message[1:]; channel {
		case channelStdout:
			os.Stdout.Write(content)
		case channelStderr:
			os.Stderr.Write(content)
		case channelError:
			if len(content) > 0 {
				return outcome(content)
			}
		}
	}
}

// outcome reads what the error channel says at the end: a Kubernetes Status.
func outcome(content []byte) error {
	var status struct {
		Status, Reason, Message string
		Details                 struct {
			Causes []struct{ Reason, Message string }
		}
	}
	if err := json.Unmarshal(content, &status); err != nil {
		return fmt.Errorf("the end of the stream: %w: %s", err, content)
	}
	if status.Status == "Success" {
		return nil
	}
	for _, cause := range status.Details.Causes {
		if cause.Reason != "ExitCode" {
			continue
		}
		if code, err := strconv.Atoi(cause.Message); err == nil {
			return exitCode(code)
		}
	}
	return errors.New(status.Message)
}
