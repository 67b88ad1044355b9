//go:build linux

// Command bench measures the proxy against what it has to beat, in one run: no proxy at all, a plain proxy of the standard library
// (io.Copy for TCP, httputil.ReverseProxy for HTTP) and toxiproxy. Every proxy is a process of its own, so that processor time and
// memory are its own, too. The contenders take turns in every row (A, B, C, A, B, C, …); what counts is the ratio within a round.
//
// It is not a part of the product, needs Linux (/proc), and is started by "make bench".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// options are what the command line says.
type options struct {
	fault, toxiproxy string // programs
	quick            bool
	rounds           int
	idle             int
	nofile           uint64
	user             string
	fit, strict      bool
	only             string
	markdown         string
	role             string // "" measures; else this process is one of the parts
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.fault, "fault", "bin/fault", "the program to measure")
	flags.StringVar(&o.toxiproxy, "toxiproxy", ".tools/toxiproxy-v2.12.0", "its peer")
	flags.BoolVar(&o.quick, "quick", false, "take about a minute: short measurements, few rounds")
	flags.IntVar(&o.rounds, "rounds", 0, "rounds of each row (0: 5, with -quick 2)")
	flags.IntVar(&o.idle, "idle", 2000, "how many idle connections the memory rows open")
	flags.BoolVar(&o.fit, "fit", false, "open fewer idle connections where the limit of open files is too low for -idle")
	flags.BoolVar(&o.strict, "strict", false, "fail when a goal is missed")
	flags.Uint64Var(&o.nofile, "nofile", 0, "set this limit of open files for all processes first (0: leave it)")
	flags.StringVar(&o.user, "user", "", "do everything as this user; needs root")
	flags.StringVar(&o.only, "only", "", "measure only the rows of these groups: "+strings.Join(groupNames(), ", "))
	flags.StringVar(&o.markdown, "markdown", "", "also write the tables to this file, as Markdown")
	flags.StringVar(&o.role, "role", "", "used by the program for its own processes: upstream, copy, reverse")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if o.role != "" {
		return serveRole(ctx, o.role, flags.Args())
	}
	if err := limitFiles(o.nofile); err != nil {
		return err
	}
	if o.user != "" {
		return asUser(ctx, o.user, args)
	}
	var err error
	if o.fault, err = program(o.fault, "make build"); err != nil {
		return err
	}
	if o.toxiproxy, err = program(o.toxiproxy, "make bench, which installs it"); err != nil {
		return err
	}
	return measure(ctx, o)
}

// program is the absolute path of one that exists.
func program(path, remedy string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(abs); err != nil {
		return "", fmt.Errorf("%w; run %s", err, remedy)
	}
	return abs, nil
}

// limitFiles sets the soft and hard limit of open files, which the other processes inherit.
func limitFiles(n uint64) error {
	if n == 0 {
		return nil
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		return fmt.Errorf("limit of open files %d: %w; leave -nofile out, or run where the limit may be raised", n, err)
	}
	return nil
}

// fileLimit is how many files this process, and those that it starts, may open.
func fileLimit() (int, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return int(min(limit.Max, 1<<30)), err // programs in Go take what they may have
}

// asUser runs this program again as another user.
func asUser(ctx context.Context, name string, args []string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	again := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		switch arg := strings.TrimLeft(args[i], "-"); {
		case arg == "user" || arg == "nofile":
			i++ // and its value; both are done
		case strings.HasPrefix(arg, "user=") || strings.HasPrefix(arg, "nofile="):
		default:
			again = append(again, args[i])
		}
	}
	cmd := exec.CommandContext(ctx, self, again...) //nolint:gosec // this program, with what it was given
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd.Run()
}

// measure takes all rows and prints the tables.
func measure(ctx context.Context, o options) error {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	began, load := time.Now(), loadAverage()
	for _, g := range groups {
		if o.only != "" && !strings.Contains(","+o.only+",", ","+g.name+",") {
			continue
		}
		b.logf("%s", g.name)
		if err := g.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	head := b.describe(began, load)
	writeText(os.Stdout, head, b.results)
	var md strings.Builder
	writeMarkdown(&md, head, b.results)
	if _, err := io.WriteString(os.Stdout, "\n"+md.String()); err != nil {
		return err
	}
	if o.markdown != "" {
		if err := os.WriteFile(o.markdown, []byte(md.String()), 0o644); err != nil {
			return err
		}
	}
	if bad, all := missed(b.results); o.strict && len(bad) > 0 {
		return fmt.Errorf("%d of %d goals missed", len(bad), all)
	}
	return nil
}
