package runner

import (
	"context"
	"sync"
	"time"
)

// plan is a load in the open model: when each call starts is fixed before the load begins, whatever the service does meanwhile.
// A closed model, where a slow answer holds back the next call, measures least where the service is worst (coordinated
// omission; Schroeder, Wierman, Harchol-Balter: "Open Versus Closed: A Cautionary Tale", NSDI 2006).
type plan struct {
	duration time.Duration // > 0
	rate     int           // calls a second, of all clients together, > 0
}

// start is when call i, from 0, starts, counted from the origin of the load. The calls of all clients are spread evenly.
func (p plan) start(i int) time.Duration {
	rest := time.Duration(i%p.rate) * time.Second / time.Duration(p.rate)
	return time.Duration(i/p.rate)*time.Second + rest
}

// count is the number of calls whose start lies within the duration; a call at its very end is not one of them.
func (p plan) count() int {
	whole := int(p.duration/time.Second) * p.rate
	rest := (int64(p.duration%time.Second)*int64(p.rate) + int64(time.Second) - 1) / int64(time.Second)
	return whole + int(rest)
}

// driver starts the calls of a plan.
type driver struct {
	plan plan
	// ceiling is how many calls may be in flight. A call that is due beyond it is not made: starting it later would turn the
	// open model into a closed one.
	ceiling int
	// wait returns at the given time, or with the context's error as soon as ctx is done.
	wait func(ctx context.Context, until time.Time) error
	// call makes call i, which was to start at intended. It is called on a goroutine of its own.
	call func(ctx context.Context, i int, intended time.Time)
	// skipped is told of a call that was not made because the ceiling was reached.
	skipped func(i int)
}

// run starts every call on time, waits until the last one is over and returns how many were in flight at most. A canceled ctx
// ends it at once: no further call is started, and those in flight get the canceled context.
func (d *driver) run(ctx context.Context, origin time.Time) (peak int) {
	var (
		calls sync.WaitGroup
		slots = make(chan struct{}, d.ceiling)
	)
	defer calls.Wait()
	for i := range d.plan.count() {
		intended := origin.Add(d.plan.start(i))
		if d.wait(ctx, intended) != nil {
			return peak
		}
		select {
		case slots <- struct{}{}:
		default:
			d.skipped(i)
			continue
		}
		peak = max(peak, len(slots))
		calls.Go(func() {
			defer func() { <-slots }()
			d.call(ctx, i, intended)
		})
	}
	return peak
}
