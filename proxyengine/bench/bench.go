//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	o       options
	plan    plan
	up      *contender // the upstream, which is the direct contender as well
	results results
}

// plan is how long what takes.
type plan struct {
	rounds      int
	warm        time.Duration
	bulk        time.Duration // of a download
	trips       int
	connections int
	calls       time.Duration
	late        time.Duration // of the round trips for a latency
	delayed     time.Duration // of a download through a latency
	shaped      time.Duration // of a download through a bandwidth
	idleRounds  int
	busy        int // of the idle connections carry bulk
}

func newPlan(o options) plan {
	p := plan{
		rounds: 5, warm: 300 * time.Millisecond, bulk: 1500 * time.Millisecond, trips: 3000, connections: 4000,
		calls: 1500 * time.Millisecond, late: time.Second, delayed: 2 * time.Second, shaped: 2 * time.Second, idleRounds: 5, busy: 2000,
	}
	if o.quick {
		p = plan{
			rounds: 2, warm: 150 * time.Millisecond, bulk: 300 * time.Millisecond, trips: 800, connections: 1500,
			calls: 300 * time.Millisecond, late: 300 * time.Millisecond, delayed: 500 * time.Millisecond, shaped: 400 * time.Millisecond,
			idleRounds: 1, busy: 300,
		}
	}
	if o.rounds > 0 {
		p.rounds, p.idleRounds = o.rounds, o.rounds
	}
	return p
}

func newBench(_ context.Context, o options) (*bench, error) {
	up, at, err := part(direct, "upstream", 3)
	if err != nil {
		return nil, err
	}
	b := &bench{o: o, plan: newPlan(o), up: up, results: results{}}
	up.echo, up.source, up.http = at[0], at[1], at[2]
	return b, nil
}

func (b *bench) close() { b.up.stop() }

// logf tells how far the run is.
func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}

// direct is the way without a proxy: no process whose time counts.
func (b *bench) direct() *contender {
	return &contender{name: direct, echo: b.up.echo, source: b.up.source, http: b.up.http}
}

// rounds lets the contenders take turns. Who begins changes from round to round, so that nobody always runs after the same one.
func (b *bench) rounds(n int, all []*contender, take func(c *contender) error) error {
	for round := range n {
		for i := range all {
			c := all[(i+round)%len(all)]
			if err := take(c); err != nil {
				return fmt.Errorf("%s, round %d: %w", c.name, round+1, err)
			}
		}
	}
	return nil
}

// stopAll ends the processes of a group.
func stopAll(all []*contender) {
	for _, c := range all {
		c.stop()
	}
}

// field are the contenders of the rows without faults.
func (b *bench) field(ctx context.Context, names ...string) (all []*contender, err error) {
	for _, name := range names {
		var c *contender
		switch name {
		case direct:
			c = b.direct()
		case plain:
			c, err = b.startPlain()
		case toxi:
			c, err = b.startToxiproxy(ctx, nil)
		case ours:
			c, err = b.startFault(ctx)
		}
		if err != nil {
			stopAll(all)
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// describe says what was measured, where and when.
func (b *bench) describe(began time.Time, loadBefore string) []string {
	version := "unknown"
	if out, err := exec.Command(b.o.fault, "version").Output(); err == nil { //nolint:noctx // it prints a line
		version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	}
	who := fmt.Sprintf("uid %d", os.Getuid())
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	return []string{
		"Measured: " + strings.TrimPrefix(version, "fault ") + ", against toxiproxy 2.12.0, io.Copy and httputil.ReverseProxy of " +
			"the standard library",
		"Machine: " + machine() + ", loopback",
		fmt.Sprintf("Run: as %s, %s, took %s; %d rounds a row (idle rows: %d, with %d connections)", who,
			began.UTC().Format("2006-01-02 15:04 MST"), time.Since(began).Round(time.Second), b.plan.rounds, b.plan.idleRounds, b.o.idle),
		"Load average before " + loadBefore + ", after " + loadAverage(),
	}
}
