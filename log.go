package main

import (
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
)

// logFile is where --log goes, or nil.
var logFile *os.File

// setupLog opens the log. Engines read the last line of it when a command
// fails, so it must exist before anything can.
func setupLog(cmd *cli.Command) error {
	logrus.SetOutput(os.Stderr)
	if cmd.Bool("debug") {
		logrus.SetLevel(logrus.DebugLevel)
	}
	switch f := cmd.String("log-format"); f {
	case "text":
	case "json":
		logrus.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	default:
		return &errdefs.Error{Doing: "set the log format", Err: fmt.Errorf("unknown format %q", f), Hint: "--log-format is text or json"}
	}
	path := cmd.String("log")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return errdefs.Doing(err, "open the log (--log)")
	}
	logFile = f
	logrus.SetOutput(f)
	return nil
}

// logError writes err to standard error and, where there is one, as the last
// line of the log.
func logError(err error) {
	fmt.Fprintln(os.Stderr, "rung:", err)
	if logFile != nil {
		logrus.Error(err.Error())
	}
}

// warn logs what is worth saying but no error.
func warn(text string) {
	if logFile != nil {
		logrus.Warn(text)
		return
	}
	fmt.Fprintln(os.Stderr, "rung: warning:", text)
}

// trace returns what logs the steps of a command, where that is asked for.
func trace(cmd *cli.Command) func(string, time.Duration) {
	if !cmd.Bool("debug") {
		return nil
	}
	return func(step string, d time.Duration) {
		logrus.WithField("step", step).Debugf("%d µs", d.Microseconds())
	}
}
