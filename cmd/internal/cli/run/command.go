package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/runreport"
	"github.com/fault-project/fault/cmd/internal/suite"
)

// round is one run of the command.
type round struct {
	label  string
	faults bool
	seed   uint64
}

// rounds lists the runs that were asked for.
func (o *Options) rounds() []round {
	var list []round
	if o.Baseline {
		list = append(list, round{label: "without faults", seed: o.Seed})
	}
	for i := range o.Repeat {
		seed := max(o.Seed+uint64(i), 1) // past the greatest follows 1: 0 stands for a random one
		list = append(list, round{label: fmt.Sprintf("seed %d", seed), faults: true, seed: seed})
	}
	return list
}

// runCommand runs the command behind the proxy, as often as was asked for, and ends with its exit code.
func (o *Options) runCommand(ctx context.Context) error {
	path, err := find(o.Command[0])
	if err != nil {
		return commandError(err)
	}
	signals := make(chan os.Signal, 16)
	if o.f.TakeSignals != nil {
		release := o.f.TakeSignals(func(sig os.Signal) {
			select {
			case signals <- sig:
			default: // nobody sends that many and means each
			}
		})
		defer release()
	}
	c := &commander{o: o, path: path, signals: signals, say: o.f.Err, report: o.report()}
	if o.NoUI {
		c.say = io.Discard
	}
	trusted, forget, err := o.HTTPS.trust(o.f.Environ())
	if err != nil {
		return err
	}
	defer forget()
	if o.HTTPS.authority != nil {
		c.trusted = trusted
		fmt.Fprintf(c.say, "fault: intercepts %s\n", o.HTTPS.describe())
	}
	failed := c.all(ctx, o.rounds())
	if len(c.report.Runs) == 0 {
		return failed
	}
	c.conclude()
	if err := o.write(c.report); err != nil && failed == nil {
		failed = err
	}
	code := 0
	for _, run := range c.report.Runs {
		if run.Exit != nil {
			code = cmp.Or(code, run.Exit.Code)
		}
	}
	switch {
	case failed != nil && code != 0:
		return &cli.Error{Err: failed, Code: code}
	case failed != nil:
		return failed
	case code != 0:
		return &cli.Error{Err: errors.New("the command failed"), Code: code, Silent: true}
	}
	return nil
}

func commandError(err error) error {
	var start *startError
	if errors.As(err, &start) {
		return &cli.Error{Err: start, Code: start.code}
	}
	return err
}

// commander runs a command, and gathers what is to be reported about it.
type commander struct {
	o       *Options
	path    string
	signals chan os.Signal
	trusted []string  // variables that say which authorities to trust
	say     io.Writer // for people
	report  *runreport.Report
	tests   []suite.Run
}

// all runs the rounds until one cannot be run or a person stops them.
func (c *commander) all(ctx context.Context, rounds []round) error {
	for i, r := range rounds {
		if c.interrupted() {
			c.report.Interrupted = true
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(rounds) > 1 {
			fmt.Fprintf(c.say, "fault: run %d of %d: %s\n", i+1, len(rounds), r.label)
		}
		run, err := c.once(ctx, r)
		if run != nil {
			c.report.Runs = append(c.report.Runs, *run)
		}
		if err != nil {
			return err
		}
		if run.Exit.Interrupted {
			c.report.Interrupted = true
			return nil
		}
	}
	return nil
}

// interrupted says whether a person asked to stop while no command was running.
func (c *commander) interrupted() bool {
	for {
		select {
		case sig := <-c.signals:
			if terminates(sig) {
				return true
			}
		default:
			return false
		}
	}
}

// once runs the command once. The run is nil when it never began; an error ends everything.
func (c *commander) once(ctx context.Context, r round) (*runreport.Run, error) {
	o := c.o
	var screen *screen
	var watch watcher
	if o.Tail {
		screen = newScreen(o, cli.Streams{Out: o.f.Err})
		watch = screen.watch
	}
	s, err := o.open(ctx, r.seed, r.faults, watch)
	if err != nil {
		return nil, err
	}
	c.report.Proxy = s.proxy()
	if screen != nil {
		screen.prelude(s)
		screen.start()
	}
	results := resultFiles{patterns: o.JUnit}
	results.mark()
	exit, runErr := c.behind(ctx, s)
	if screen != nil {
		screen.finish()
	}
	if err := commandError(runErr); err != nil && exit == nil {
		return nil, err
	}
	run := s.record(r.label)
	run.Exit = exit
	if len(o.JUnit) > 0 {
		tests, notes := results.read()
		run.Notes = append(run.Notes, notes...)
		if tests != nil {
			counts := suite.Count(tests)
			run.Tests = &counts
		}
		c.tests = append(c.tests, suite.Run{
			Faults: r.faults, Seed: r.seed, Tests: tests, Cut: exit.TimedOut || exit.Interrupted,
		})
	}
	return &run, runErr
}

// behind runs the command behind the proxy. The proxy's failure ends the command and is the error then; exit is nil when the
// command never ran.
func (c *commander) behind(ctx context.Context, s *session) (exit *runreport.Exit, err error) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	alive, gone := context.WithCancel(context.WithoutCancel(ctx))
	defer gone()
	served := make(chan error, 1)
	go func() {
		served <- s.serve(serving)
		gone()
	}()
	o := c.o
	extra := slices.Clone(c.trusted)
	if s.api != nil {
		extra = append(extra, "FAULT_API_URL="+s.apiURL(), "FAULT_API_TOKEN="+s.api.Token())
	}
	env := proxied(o.f.Environ(), s.engine.ProxyAddr(), s.mappings, s.engine.MappingAddrs(), extra...)
	program := &child{
		path: c.path, args: o.Command, env: env, streams: o.f.Streams, timeout: o.Timeout, grace: grace, signals: c.signals,
		foreground: foreground,
	}
	ended, err := program.run(alive)
	stop()
	serveErr := <-served
	if err != nil {
		return nil, err
	}
	return &ended, serveErr
}

// conclude compares the tests of the runs and says what there is to say.
func (c *commander) conclude() {
	if len(c.tests) > 0 {
		comparison := suite.Compare(c.tests)
		c.report.Tests = &comparison
	}
	for _, line := range c.report.Summary() {
		fmt.Fprintf(c.say, "fault: %s\n", line)
	}
	traffic := 0
	for i := range c.report.Runs {
		traffic += c.report.Runs[i].Traffic.Flows() + c.report.Runs[i].Traffic.Open
	}
	if traffic == 0 && len(c.o.Proxies) == 0 {
		fmt.Fprintln(c.say, "hint: not every program honors HTTP_PROXY, above all for this machine's own addresses; "+
			"use --proxy PORT=UPSTREAM and point the command at $FAULT_MAPPING_PORT")
	}
}
