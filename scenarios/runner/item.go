package runner

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fault-project/fault/scenarios"
)

// run runs one item and returns what became of it, also together with an error. The result is nil when no call was made.
func (s *session) run(ctx context.Context, j *job) (*scenarios.ItemResult, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t := newTracker(j.idPrefix)
	s.current.Store(t)
	defer s.current.Store(nil)
	// Mappings stay as they are where two items share them, and go when the next item has none of them: the application under test
	// keeps its connections as long as it can.
	if err := s.engine.SetMappings(ctx, j.mappings); err != nil {
		return nil, fmt.Errorf("%s: %w", j.name, err)
	}
	c := s.caller(j)
	if closer, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		defer closer.CloseIdleConnections()
	}
	o := outcome{job: j, tracker: t, ceiling: s.runner.options.Ceiling}
	p := s.runner.progress(j)

	if n := s.runner.options.BaselineCalls; n > 0 {
		p.phase(Baseline, n)
		o.baseline = s.sequence(ctx, c, t, p, n)
		if ctx.Err() != nil {
			return o.result(), context.Cause(ctx)
		}
	}
	err := s.calls(ctx, c, p, &o)
	if !o.origin.IsZero() {
		o.took = time.Since(o.origin)
	}
	if err != nil && ctx.Err() == nil {
		return o.result(), fmt.Errorf("%s: %w", j.name, err)
	}
	if err := s.engine.Apply(faultless); err != nil && ctx.Err() == nil {
		return o.result(), fmt.Errorf("%s: %w", j.name, err)
	}
	if ctx.Err() != nil {
		return o.result(), context.Cause(ctx)
	}
	p.phase(Finished, len(o.calls)+o.skipped)
	return o.result(), nil
}

// calls makes the calls that the item is about, or as many as it can before ctx is done.
func (s *session) calls(ctx context.Context, c *caller, p *progress, o *outcome) error {
	j := o.job
	if j.item.Mode() == scenarios.ModeRepeat {
		return s.repeat(ctx, c, p, o)
	}
	if err := s.engine.Apply(j.program); err != nil {
		return err
	}
	// The schedules of the faults count from here, and so does the load.
	o.origin = time.Now()
	if j.plan.rate > 0 {
		p.phase(Calling, j.plan.count())
		s.load(ctx, c, o.tracker, p, o)
	} else {
		p.phase(Calling, 1)
		o.calls = []*call{s.one(ctx, c, o.tracker, p, j.idPrefix+"0", time.Time{})}
	}
	return nil
}

func (s *session) caller(j *job) *caller {
	c := &caller{call: j.call, url: j.url, maxBody: s.runner.maxBody}
	if j.direct {
		c.transport = s.runner.transport(nil, j.mapped)
	} else {
		c.proxied = true
		c.transport = s.runner.transport(s.proxy, j.tunneled)
	}
	return c
}

// sequence makes n calls one after the other, and fewer when ctx is done.
func (s *session) sequence(ctx context.Context, c *caller, t *tracker, p *progress, n int) []*call {
	var calls []*call
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		calls = append(calls, s.one(ctx, c, t, p, t.prefix+"b"+strconv.Itoa(i), time.Time{}))
	}
	return calls
}

// load makes the calls of the item's plan, which begins at o.origin.
func (s *session) load(ctx context.Context, c *caller, t *tracker, p *progress, o *outcome) {
	calls := make([]*call, o.job.plan.count())
	var skipped atomic.Int64
	d := driver{
		plan:    o.job.plan,
		ceiling: o.ceiling,
		wait:    s.runner.wait,
		call: func(ctx context.Context, i int, intended time.Time) {
			calls[i] = s.one(ctx, c, t, p, t.prefix+strconv.Itoa(i), intended)
		},
		skipped: func(int) {
			skipped.Add(1)
			p.done(false)
		},
	}
	o.peak = d.run(ctx, o.origin)
	o.skipped = int(skipped.Load())
	for _, c := range calls {
		if c != nil {
			o.calls = append(o.calls, c)
		}
	}
}

// one makes one call.
func (s *session) one(ctx context.Context, c *caller, t *tracker, p *progress, id string, intended time.Time) *call {
	rec := &call{id: id, intended: intended}
	t.begin(rec)
	c.do(ctx, rec)
	t.end(rec)
	p.done(rec.err != nil)
	return rec
}
