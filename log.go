package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v3"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/syslog"
)

// logging is true where --log says where the log goes.
var logging bool

// logLevels are the values of --log-level.
var logLevels = map[string]logrus.Level{"error": logrus.ErrorLevel, "warning": logrus.WarnLevel, "debug": logrus.DebugLevel}

// setupLog opens the log. Engines read the last line of it when a command
// fails, so it must exist before anything can.
func setupLog(cmd *cli.Command) error {
	logrus.SetOutput(os.Stderr)
	level, ok := logLevels[cmd.String("log-level")]
	if !ok {
		return &errdefs.Error{Doing: "set the log level", Err: fmt.Errorf("unknown level %q", cmd.String("log-level")),
			Hint: "--log-level is error, warning or debug"}
	}
	if cmd.Bool("debug") {
		level = logrus.DebugLevel
	}
	logrus.SetLevel(level)
	switch f := cmd.String("log-format"); f {
	case "text":
	case "json":
		logrus.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	default:
		return &errdefs.Error{Doing: "set the log format", Err: fmt.Errorf("unknown format %q", f), Hint: "--log-format is text or json"}
	}
	if dest := cmd.String("log"); dest != "" {
		logging = true
		return errdefs.Doing(openLog(dest), "open the log (--log)")
	}
	return nil
}

// openLog has the log go to dest: a file, as PATH or file:PATH, or a service,
// as journald:NAME or syslog:NAME. runc knows files alone.
func openLog(dest string) error {
	kind, rest, ok := strings.Cut(dest, ":")
	switch {
	case self == asRunc || !ok:
		return logToFile(dest)
	case kind == "file":
		return logToFile(rest)
	case kind == "journald":
		return logToService(syslog.Journal, rest)
	case kind == "syslog":
		return logToService(syslog.Syslog, rest)
	case self == asCrun:
		return &errdefs.Error{Err: fmt.Errorf("unknown log type %q", dest), Hint: "it is file:PATH, journald:NAME or syslog:NAME"}
	}
	return logToFile(dest)
}

func logToFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err == nil {
		logrus.SetOutput(f)
	}
	return err
}

func logToService(service syslog.Service, name string) error {
	if name == "" {
		name = string(self)
	}
	w, err := syslog.Open(service, name)
	if err == nil {
		logrus.SetOutput(io.Discard)
		logrus.AddHook(serviceLog{w})
	}
	return err
}

// serviceLog sends what is logged to a log service. With --log-format json the
// message is the line of JSON, as crun's.
type serviceLog struct{ *syslog.Writer }

// Levels implements logrus.Hook.
func (serviceLog) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (l serviceLog) Fire(e *logrus.Entry) error {
	text := e.Message
	if step, ok := e.Data["step"]; ok {
		text = fmt.Sprint(step, ": ", text)
	}
	if _, json := e.Logger.Formatter.(*logrus.JSONFormatter); json {
		if line, err := e.Bytes(); err == nil {
			text = strings.TrimSuffix(string(line), "\n")
		}
	}
	severity := syslog.Error
	switch e.Level {
	case logrus.DebugLevel:
		severity = syslog.Debug
	case logrus.WarnLevel:
		severity = syslog.Warning
	}
	return l.Write(severity, text)
}

// logError writes err to standard error and, where there is one, as the last
// line of the log.
func logError(err error) {
	text := errdefs.Printable(err.Error())
	fmt.Fprintf(os.Stderr, "%s: %s\n", self, text)
	if logging {
		logrus.Error(text)
	}
}

// warn logs what is worth saying but no error.
func warn(text string) {
	text = errdefs.Printable(text)
	switch {
	case !logrus.IsLevelEnabled(logrus.WarnLevel):
	case logging:
		logrus.Warn(text)
	default:
		fmt.Fprintf(os.Stderr, "%s: warning: %s\n", self, text)
	}
}

// warnInLog is warn for what must not be on standard error, which a container
// may have got: it is said where there is a log.
func warnInLog(text string) {
	if logging {
		warn(text)
	}
}

// explain logs what explains what the program gets.
func explain(text string) { logrus.Debug(errdefs.Printable(text)) }

// trace returns what logs the steps of a command, where that is asked for.
func trace() func(string, time.Duration) {
	if !logrus.IsLevelEnabled(logrus.DebugLevel) {
		return nil
	}
	return func(step string, d time.Duration) {
		logrus.WithField("step", step).Debugf("%d µs", d.Microseconds())
	}
}
