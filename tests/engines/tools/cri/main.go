// Command cri is a client of the Kubernetes Container Runtime Interface for the engines' tests: it says to a CRI socket
// what a kubelet would say.
//
// Its commands, their arguments and the JSON files that they take are those of crictl (github.com/kubernetes-sigs/cri-tools),
// of which this is the part that the tests need, so that a person who has crictl can repeat by hand what a test does. It
// differs in that values of enumerations are names in the files (crictl wants their numbers), that what it prints is JSON and
// nothing else, that exec has the command's exit code and needs no terminal of its own, and that rm takes what runs and
// leaves logs.
// crictl itself is in no registry that the tests can install it from.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// client is what every command has at hand.
type client struct {
	runtime.RuntimeServiceClient
	ctx context.Context
	out io.Writer
}

// command is one of the client's commands: it defines its flags on the set, parses its arguments and carries them out.
type command func(c *client, flags *flag.FlagSet, args []string) error

var commands = map[string]command{
	"version":  version,
	"info":     info,
	"runp":     runPod,
	"pods":     listPods,
	"inspectp": inspectPod,
	"stopp":    stopPods,
	"rmp":      removePods,
	"create":   create,
	"start":    start,
	"ps":       list,
	"inspect":  inspect,
	"exec":     exec,
	"attach":   attach,
	"logs":     logs,
	"update":   update,
	"stats":    stats,
	"stop":     stop,
	"rm":       remove,
}

// exitCode is the error of a command in a container that ended with another code than 0.
type exitCode int

func (code exitCode) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", int(code))
}

func main() {
	err := run(os.Args[1:])
	var code exitCode
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "cri:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	global := flag.NewFlagSet("cri", flag.ContinueOnError)
	endpoint := global.String("r", os.Getenv("CONTAINER_RUNTIME_ENDPOINT"), "the runtime's `endpoint`, unix:///path")
	timeout := global.Duration("t", 60*time.Second, "how long any command may take")
	global.Usage = func() { usage(global) }
	if err := global.Parse(args); err != nil {
		return err
	}
	run, known := commands[global.Arg(0)]
	if !known {
		usage(global)
		return fmt.Errorf("unknown command %q", global.Arg(0))
	}
	conn, err := grpc.NewClient(*endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	c := &client{runtime.NewRuntimeServiceClient(conn), ctx, os.Stdout}
	return run(c, flag.NewFlagSet("cri "+global.Arg(0), flag.ContinueOnError), global.Args()[1:])
}

func usage(flags *flag.FlagSet) {
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(flags.Output(), "usage: cri [-r ENDPOINT] [-t DURATION] COMMAND [ARGUMENT...]\ncommands: %s\n", strings.Join(names, " "))
	flags.PrintDefaults()
}

// parse parses a command's arguments, of which there must be at least as many as named, and returns the arguments.
func parse(flags *flag.FlagSet, args []string, names ...string) ([]string, error) {
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() < len(names) {
		return nil, fmt.Errorf("usage: %s [OPTION...] %s", flags.Name(), strings.Join(names, " "))
	}
	return flags.Args(), nil
}

// each parses a command's arguments, of which there must be one or more, and does the command to each in turn, up to the first
// that fails. They are called by name in the usage.
func each(flags *flag.FlagSet, args []string, name string, do func(id string) error) error {
	ids, err := parse(flags, args, name+"...")
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := do(id); err != nil {
			return err
		}
	}
	return nil
}

// load reads a message from a JSON file, with the names of fields as in the API's definition (log_path) or in JSON's
// manner (logPath).
func load(file string, into proto.Message) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// show prints the message of an answer as JSON, with all its fields; or it returns the answer's error.
func (c *client) show(message proto.Message, err error) error {
	if err != nil {
		return err
	}
	data, err := protojson.MarshalOptions{Multiline: true, EmitUnpopulated: true}.Marshal(message)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s\n", data)
	return err
}

// line prints a line.
func (c *client) line(words ...any) error {
	_, err := fmt.Fprintln(c.out, words...)
	return err
}

func version(c *client, flags *flag.FlagSet, args []string) error {
	if _, err := parse(flags, args); err != nil {
		return err
	}
	return c.show(c.Version(c.ctx, &runtime.VersionRequest{}))
}

func info(c *client, flags *flag.FlagSet, args []string) error {
	if _, err := parse(flags, args); err != nil {
		return err
	}
	return c.show(c.Status(c.ctx, &runtime.StatusRequest{Verbose: true}))
}
