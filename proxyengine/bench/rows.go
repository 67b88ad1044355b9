//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// group measures some rows together.
type group struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var groups = []group{
	{"bulk", bulk},
	{"rtt", rtt},
	{"connect", connect},
	{"idle", idle},
	{"http", forward},
	{"latency", latency},
	{"delayed", delayed},
	{"bandwidth", bandwidth},
}

func groupNames() []string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.name
	}
	return names
}

func bulk(ctx context.Context, b *bench) error {
	all, err := b.field(ctx, direct, plain, toxi, ours)
	if err != nil {
		return err
	}
	defer stopAll(all)
	for _, conns := range []int{1, 8} {
		err := b.rounds(b.plan.rounds, all, func(c *contender) error {
			w, err := download(ctx, c, conns, b.plan.warm, b.plan.bulk)
			if err != nil {
				return err
			}
			b.results.add(fmt.Sprintf("gib%d", conns), c.name, w.gibPerSecond())
			if conns == 8 && c.pid() != 0 {
				b.results.add("cpu8", c.name, w.cpuPerGiB())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func rtt(ctx context.Context, b *bench) error {
	all, err := b.field(ctx, direct, plain, toxi, ours)
	if err != nil {
		return err
	}
	defer stopAll(all)
	return b.rounds(b.plan.rounds, all, func(c *contender) error {
		p50, err := roundTrips(ctx, c.echo, b.plan.trips/10, b.plan.trips, 0)
		b.results.add("rtt", c.name, p50.Seconds()*1e6)
		return err
	})
}

func connect(ctx context.Context, b *bench) error {
	all, err := b.field(ctx, direct, plain, toxi, ours)
	if err != nil {
		return err
	}
	defer stopAll(all)
	return b.rounds(b.plan.rounds, all, func(c *contender) error {
		if c.pid() == 0 {
			perSecond, err := connections(ctx, c.echo, b.plan.connections)
			b.results.add("connect", c.name, perSecond)
			return err
		}
		before, err := cpuTime(c.pid())
		if err != nil {
			return err
		}
		perSecond, err := connections(ctx, c.echo, b.plan.connections)
		if err != nil {
			return err
		}
		after, err := cpuTime(c.pid())
		b.results.add("connect", c.name, perSecond)
		b.results.add("connectcpu", c.name, (after-before).Seconds()*1e6/float64(b.plan.connections))
		return err
	})
}

// spare is what a process has open beside its connections, and may have open while some are opened and closed.
const spare = 200

// idle takes a fresh process each time: memory that was once taken is not all given back.
func idle(ctx context.Context, b *bench) error {
	limit, err := fileLimit()
	if err != nil {
		return err
	}
	need := 2*b.o.idle + spare
	if b.o.fit && limit < need {
		fitting := max(0, limit-spare) / 2
		b.logf("%d idle connections need %d open files, the limit is %d: %d are opened", b.o.idle, need, limit, fitting)
		b.o.idle, need = fitting, 2*fitting+spare
	}
	if limit < need {
		return fmt.Errorf("%d idle connections need %d open files, the limit is %d; raise it (ulimit -n %d, or -nofile %d as root)",
			b.o.idle, need, limit, need, need)
	}
	for round := range b.plan.idleRounds {
		for _, name := range []string{plain, toxi, ours} {
			if name == plain && limit < 6*b.o.idle+spare {
				b.logf("the plain proxy is left out: its pipes need %d open files, the limit is %d", 6*b.o.idle+spare, limit)
				continue
			}
			err := func() error {
				all, err := b.field(ctx, name)
				if err != nil {
					return err
				}
				defer stopAll(all)
				fresh, used, err := idleCost(ctx, all[0], b.o.idle, b.plan.busy)
				if err != nil {
					return err
				}
				b.results.add("idlekb", name, fresh.bytes/1000)
				b.results.add("idlefd", name, fresh.files)
				b.results.add("bulkkb", name, used.bytes/1000)
				b.results.add("bulkfd", name, used.files)
				return nil
			}()
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", name, round+1, err)
			}
		}
	}
	return nil
}

func forward(ctx context.Context, b *bench) error {
	reverse, err := b.startReverse()
	if err != nil {
		return err
	}
	defer reverse.stop()
	fault, err := b.startFault(ctx)
	if err != nil {
		return err
	}
	defer fault.stop()
	return b.rounds(b.plan.rounds, []*contender{b.direct(), reverse, fault}, func(c *contender) error {
		perSecond, cpu, err := calls(ctx, c, b.up.http, b.plan.warm, b.plan.calls)
		b.results.add("http", c.name, perSecond)
		if c.pid() != 0 {
			b.results.add("httpcpu", c.name, cpu.Seconds()*1e6)
		}
		return err
	})
}

// pair is a fault and the toxic that is meant to do the same.
func (b *bench) pair(ctx context.Context, t toxic, flags ...string) ([]*contender, error) {
	theirs, err := b.startToxiproxy(ctx, &t)
	if err != nil {
		return nil, err
	}
	fault, err := b.startFault(ctx, flags...)
	if err != nil {
		theirs.stop()
		return nil, err
	}
	return []*contender{theirs, fault}, nil
}

func (b *bench) delay(ctx context.Context, d time.Duration) ([]*contender, error) {
	ms := d.Milliseconds()
	return b.pair(ctx, toxic{"latency", "downstream", map[string]int64{"latency": ms}},
		"--with-latency", "--latency-scope", "chunk", "--latency-mean", strconv.FormatInt(ms, 10))
}

// latency takes two controls along, which delay nothing and are asked at the same pace: how long a round trip takes depends on how
// idle the machine is.
func latency(ctx context.Context, b *bench) error {
	control, err := b.startPlain()
	if err != nil {
		return err
	}
	defer control.stop()
	for _, ms := range []int{1, 5, 20, 100} {
		d := time.Duration(ms) * time.Millisecond
		pair, err := b.delay(ctx, d)
		if err != nil {
			return err
		}
		err = b.rounds(b.plan.rounds, append([]*contender{b.direct(), control}, pair...), func(c *contender) error {
			pause, delay := d, time.Duration(0)
			if c.name == toxi || c.name == ours {
				pause, delay = 0, d
			}
			p50, err := roundTrips(ctx, c.echo, 2, max(7, int(b.plan.late/d/4)), pause)
			b.results.add(fmt.Sprintf("late%d", ms), c.name, (p50-delay).Seconds()*1e3)
			return err
		})
		stopAll(pair)
		if err != nil {
			return err
		}
	}
	return nil
}

// delayed takes a fresh process each time, because of the peak of its memory.
func delayed(ctx context.Context, b *bench) error {
	for range b.plan.rounds {
		all, err := b.delay(ctx, 100*time.Millisecond)
		if err != nil {
			return err
		}
		err = b.rounds(1, all, func(c *contender) error {
			before, err := memory(c.pid(), "VmRSS")
			if err != nil {
				return err
			}
			w, err := download(ctx, c, 1, 2*b.plan.warm, b.plan.delayed)
			if err != nil {
				return err
			}
			peak, err := memory(c.pid(), "VmHWM")
			b.results.add("delayed", c.name, w.gibPerSecond())
			b.results.add("peak", c.name, (peak-before)/1e6)
			return err
		})
		stopAll(all)
		if err != nil {
			return err
		}
	}
	return nil
}

func bandwidth(ctx context.Context, b *bench) error {
	for _, kb := range []int64{100, 1000, 10_000, 100_000} {
		all, err := b.pair(ctx, toxic{"bandwidth", "downstream", map[string]int64{"rate": kb}},
			"--with-bandwidth", "--bandwidth-rate", strconv.FormatInt(kb, 10), "--bandwidth-unit", "KBps")
		if err != nil {
			return err
		}
		err = b.rounds(b.plan.rounds, all, func(c *contender) error {
			got, err := rate(ctx, c.source, b.plan.warm, b.plan.shaped)
			b.results.add(fmt.Sprintf("rate%d", kb), c.name, (got/float64(kb*1000)-1)*100)
			return err
		})
		stopAll(all)
		if err != nil {
			return err
		}
	}
	return nil
}
