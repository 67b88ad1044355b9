package runner

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/scenarios"
)

// repeat makes the calls of a repetition one after the other: the one without faults if it is wanted, then those whose faults grow
// by a step each time. The schedules of the faults count from the first call that has faults, over all of them. It blocks until the
// last call is over; when ctx is done, which ends it at once, it returns an error.
func (s *session) repeat(ctx context.Context, c *caller, p *progress, o *outcome) error {
	st := o.job.item.Context.Strategy
	first := 1
	if st.AddBaselineCall != nil && *st.AddBaselineCall {
		first = 0
	}
	planned := st.Count + 1 - first
	p.phase(Calling, planned)
	o.origin = time.Now()
	for i := first; i <= st.Count; i++ {
		if i > first && st.Wait != nil {
			pause := time.Duration(*st.Wait * float64(time.Millisecond))
			if err := s.runner.wait(ctx, time.Now().Add(pause)); err != nil {
				return err
			}
		}
		faults, err := s.advance(o.job, st.Step, i)
		if err != nil {
			return err
		}
		made := s.one(ctx, c, o.tracker, p, o.tracker.prefix+strconv.Itoa(i), time.Time{})
		made.repetition, made.faults = &i, faults
		o.calls = append(o.calls, made)
		if err := ctx.Err(); err != nil {
			return err
		}
		if st.FailFast != nil && *st.FailFast && i < st.Count && o.fails(made) {
			o.tracker.note(fmt.Sprintf("The repetition ended with call %d of %d, which failed: failfast is set.", len(o.calls), planned))
			return nil
		}
	}
	return nil
}

// advance puts the faults of call i of a repetition in force and returns them.
func (s *session) advance(j *job, step float64, i int) (fault.List, error) {
	if i == 0 {
		return fault.List{}, s.engine.Apply(faultless)
	}
	faults := make(fault.List, len(j.program.Faults))
	for k, spec := range j.program.Faults {
		faults[k], _ = scenarios.Step(spec, step, i-1)
	}
	if i == 1 {
		return faults, s.engine.Apply(j.program)
	}
	// A fault that steps begins anew, on connections that are open, too; its schedule runs on.
	named := s.engine.Faults()
	list := make([]proxyengine.Fault, len(named))
	for k := range named {
		list[k] = named[k].Fault
		list[k].Spec = faults[k]
	}
	return faults, s.engine.SetFaults(list)
}

// fails reports whether a call of a repetition failed: what is expected of it did not come true or, where nothing is, it ended in
// an error.
func (o *outcome) fails(c *call) bool {
	o.tracker.mu.Lock()
	defer o.tracker.mu.Unlock()
	r := o.callResult(c, c.faults, o.job.item.Expect)
	return r.Failed() || o.job.item.Expect == nil && r.Erred(nil)
}
