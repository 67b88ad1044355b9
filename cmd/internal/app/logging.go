package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
)

// logOptions are the global logging flags.
type logOptions struct {
	file   string
	stdout bool
	level  string
}

func (o *logOptions) addFlags(cmd *cobra.Command) {
	flags := cli.PersistentFlagsOf(cmd, "Logging Options")
	flags.String(&o.file, "log-file", "FAULT_LOG_FILE", "", "append logs to `FILE`; without it only warnings are shown, on stderr")
	flags.Bool(&o.stdout, "log-stdout", "FAULT_WITH_STDOUT_LOGGING", "write logs to standard output")
	flags.String(&o.level, "log-level", "FAULT_LOG_LEVEL", "info",
		"lowest `LEVEL` to log: trace, debug, info, warn, error or off, and others for single packages: info,proxyengine=debug")
}

// levelTrace is below slog's lowest level; levelOff above every level.
const (
	levelTrace = slog.LevelDebug - 4
	levelOff   = slog.Level(100)
)

// open builds the program's log. Logs go to the file, to standard output, or to both when asked; else to standard error, and
// there only from warnings up unless a level was asked for, so that a command's own output stays readable. The returned
// function closes the file; it is never nil.
func (o *logOptions) open(cmd *cobra.Command, f *cli.Factory) (*slog.Logger, func(), error) {
	noop := func() {}
	levels, err := parseLevels(o.level)
	if err != nil {
		return nil, noop, cli.Usagef("for example --log-level info,proxyengine=debug", "--log-level: %w", err)
	}
	if o.stdout && cli.HasProtocolOutput(cmd) {
		return nil, noop, cli.Usagef("use --log-file FILE instead",
			"--log-stdout cannot be used with %q, its standard output carries the protocol", cmd.CommandPath())
	}
	var outputs []io.Writer
	closeFile := noop
	if o.file != "" {
		file, err := os.OpenFile(o.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, noop, cli.Failf("give --log-file a path that can be written", "open the log file: %w", err)
		}
		outputs = append(outputs, file)
		closeFile = func() { _ = file.Close() }
	}
	if o.stdout {
		outputs = append(outputs, f.Out)
	}
	if len(outputs) == 0 {
		if flag := cmd.Flags().Lookup("log-level"); flag == nil || !flag.Changed {
			levels = levelFilter{base: slog.LevelWarn}
		}
		if quiet := cmd.Flags().Lookup("no-ui"); quiet != nil && quiet.Value.String() == "true" {
			levels = levelFilter{base: levelOff}
		}
		outputs = append(outputs, f.Err)
	}
	text := slog.NewTextHandler(io.MultiWriter(outputs...), &slog.HandlerOptions{Level: levelTrace})
	return slog.New(&filterHandler{levels: levels, next: text}), closeFile, nil
}

// levelFilter is a level for everything and others for single packages.
type levelFilter struct {
	base     slog.Level
	packages []packageLevel
}

type packageLevel struct {
	path  string // relative to the module: "proxyengine", which covers what is below it, too
	level slog.Level
}

// parseLevels reads "LEVEL", "PACKAGE=LEVEL" and comma-separated lists of both. A package of which nothing is known is accepted:
// settings written for other programs name theirs.
func parseLevels(s string) (levelFilter, error) {
	filter := levelFilter{base: slog.LevelInfo}
	for _, directive := range strings.Split(s, ",") {
		directive = strings.TrimSpace(directive)
		if directive == "" {
			continue
		}
		pkg, name, isPackage := strings.Cut(directive, "=")
		if !isPackage {
			name = directive
		}
		level, err := parseLevel(name)
		if err != nil {
			return levelFilter{}, err
		}
		switch {
		case !isPackage:
			filter.base = level
		case pkg == "":
			return levelFilter{}, fmt.Errorf("%q names no package", directive)
		default:
			filter.packages = append(filter.packages, packageLevel{path: strings.Trim(pkg, "/ "), level: level})
		}
	}
	return filter, nil
}

func parseLevel(name string) (slog.Level, error) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "trace":
		return levelTrace, nil
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	case "off":
		return levelOff, nil
	}
	return 0, errors.New("unknown level " + fmt.Sprintf("%q", name) + ", use trace, debug, info, warn, error or off")
}

// lowest returns the lowest level that anything may be logged at.
func (l levelFilter) lowest() slog.Level {
	lowest := l.base
	for _, p := range l.packages {
		lowest = min(lowest, p.level)
	}
	return lowest
}

// of returns the level of a package; the longest directive that covers it wins.
func (l levelFilter) of(pkg string) slog.Level {
	level, length := l.base, -1
	for _, p := range l.packages {
		if len(p.path) > length && (pkg == p.path || strings.HasPrefix(pkg, p.path+"/")) {
			level, length = p.level, len(p.path)
		}
	}
	return level
}

// filterHandler drops what is below the level of the package that logs. The package is read from the record's program counter, so
// that code which logs needs to know nothing about it.
type filterHandler struct {
	levels levelFilter
	next   slog.Handler
}

func (h *filterHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.levels.lowest()
}

func (h *filterHandler) Handle(ctx context.Context, r slog.Record) error {
	if len(h.levels.packages) > 0 && r.Level < h.levels.of(packageOf(r.PC)) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h *filterHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &filterHandler{levels: h.levels, next: h.next.WithAttrs(attrs)}
}

func (h *filterHandler) WithGroup(name string) slog.Handler {
	return &filterHandler{levels: h.levels, next: h.next.WithGroup(name)}
}

const modulePath = "github.com/fault-project/fault/"

// packageOf returns the package of a program counter, relative to this module where it is one of its own.
func packageOf(pc uintptr) string {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	name := strings.TrimPrefix(frame.Function, modulePath)
	slash := strings.LastIndexByte(name, '/') + 1
	if dot := strings.IndexByte(name[slash:], '.'); dot >= 0 {
		return name[:slash+dot]
	}
	return name
}
