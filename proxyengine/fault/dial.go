package fault

import (
	"context"
	"slices"
	"time"
)

// dialRule is what a fault does to the connection to the upstream.
type dialRule struct {
	// delay is how long it is kept from being made; negative is for as long as the fault is active.
	delay time.Duration
	// refuse is that it is not made then, either.
	refuse bool
	// detail is for the event.
	detail string
}

// AwaitDial blocks while faults keep the upstream of the flow from being dialed: a hole that covers the server segment, because a
// connection cannot be established through one, or a connect that is delayed. It returns nil when the upstream may be dialed,
// ErrRefused, or ctx.Err. It must be called once for a flow. An exchange is not kept by holes: it is lost or not, whatever connection
// carries it.
func (f *Flow) AwaitDial(ctx context.Context) error {
	var w waiting
	for {
		f.live.mu.Lock()
		changed := f.live.changed
		f.live.mu.Unlock()
		rule, e := f.obstacle(&w)
		if e == nil {
			return ctx.Err()
		}
		until := w.begin(rule, e)
		if over, err := sleep(ctx, changed, until); err != nil {
			return err
		} else if !over {
			continue
		}
		if rule.refuse {
			return ErrRefused
		}
		w.done = append(w.done, e.id.index)
	}
}

// waiting is how far a flow has come on the way to its upstream, by the faults' places in the configuration: one that becomes active
// anew does not begin anew.
type waiting struct {
	since map[int]time.Time // when they began to keep it waiting
	done  []int             // those that let it go on
}

// begin reports, once, that a fault keeps the flow waiting. It returns until when: the zero time is without limit.
func (w *waiting) begin(rule dialRule, e *effect) time.Time {
	since, told := w.since[e.id.index]
	if !told {
		since = time.Now()
		if w.since == nil {
			w.since = map[int]time.Time{}
		}
		w.since[e.id.index] = since
		e.applied(since, amount{delay: max(0, rule.delay), detail: rule.detail})
	}
	if rule.delay < 0 {
		return time.Time{}
	}
	return since.Add(rule.delay)
}

// sleep waits until then, and reports whether it did not end before, because something has changed.
func sleep(ctx context.Context, changed <-chan struct{}, until time.Time) (over bool, err error) {
	var fired <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		fired = timer.C
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-changed:
		return false, nil
	case <-fired:
		return true, nil
	}
}

// obstacle finds the first fault that keeps the upstream from being dialed; the effect is nil when none does.
func (f *Flow) obstacle(w *waiting) (dialRule, *effect) {
	chain := f.live.Load()
	if chain == nil {
		return dialRule{}, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range chain.entries {
		e := &chain.entries[i]
		if e.dial == nil || slices.Contains(w.done, e.Index) {
			continue
		}
		rule, ok := e.dial.dialing(f.event.Kind)
		if !ok || !f.hit(chain, e) {
			continue
		}
		at := point{Server, e.Spec.Common().Direction}
		if at.direction == Both {
			at.direction = Egress // the SYN is lost before there could be an answer
		}
		return rule, f.effect(chain, e, at)
	}
	return dialRule{}, nil
}
