package proxyengine

import (
	"context"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// running is a program that has begun. Its faults are in placed, not in Program.
type running struct {
	Program
	selection *selection
	origin    time.Time
	placed    []*placed
	leaders   map[int]int // by index: see Fault.With
	last      int         // the number of faults that there ever were
}

// clock counts activations over all programs of an engine, so that no two share an epoch. It belongs to the schedule loop.
type clock struct {
	epoch uint64
}

// step makes the list of the faults that are active at now, and says when it changes next. A fault that becomes active gets a
// new epoch. All active faults are listed each time, so that those that overlap never depend on what was before.
func (r *running) step(c *clock, now time.Time) (active []fault.Active, next time.Time, more bool) {
	for _, p := range r.placed {
		origin := r.originOf(p)
		offset := now.Sub(origin)
		sched := p.Spec.Common().Schedule
		if r.Timeless && sched.Relative() {
			active = append(active, p.activate(c))
			continue
		}
		if sched.ActiveAt(offset, r.Total) {
			active = append(active, p.activate(c))
		} else {
			p.epoch = 0
		}
		if at, ok := sched.Next(offset, r.Total); ok {
			if due := origin.Add(at); !more || due.Before(next) {
				next, more = due, true
			}
		}
	}
	return active, next, more
}

// Apply replaces the program from now on; its schedules begin now. Open connections go over to it too. It returns when the change
// is in force. Before Run it only replaces what Run will begin with.
func (e *Engine) Apply(p Program) error {
	r, err := newRunning(p)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.begun {
		e.program = r
		return nil
	}
	e.begin(r)
	return nil
}

func newRunning(p Program) (*running, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	r := &running{Program: p}
	if err := r.place(p.named()); err != nil {
		return nil, err
	}
	return r, nil
}

// begin starts a program now. With e.mu held.
func (e *Engine) begin(r *running) {
	r.origin = e.options.Clock.Now()
	e.program = r
	e.advance()
	e.wake()
}

// wake tells the schedule loop that what it waits for may be another.
func (e *Engine) wake() {
	select {
	case e.replaced <- struct{}{}:
	default:
	}
}

// advance brings the faults to what the program wants now, and notes when to do so again. With e.mu held: whoever holds it is
// the only writer of the chain.
func (e *Engine) advance() {
	now := e.options.Clock.Now()
	active, next, more := e.program.step(&e.clock, now)
	e.next, e.more = next, more
	build := func(list []fault.Active) *fault.Chain {
		if len(list) == 0 {
			return nil
		}
		return e.builder.Build(list)
	}
	e.builder.Follow(e.program.leaders)
	e.flows.set(e.program.chains(active, build))
	e.builder.Keep(active)
	e.cfg.Sink.Send(event.FaultsChanged{At: now, Offset: now.Sub(e.program.origin), Active: build(active).Describe()})
}

// follow keeps the program's schedules until ctx is done. Deadlines are absolute, so that lateness does not add up.
func (e *Engine) follow(ctx context.Context) {
	timer := e.options.Clock.NewTimer()
	defer timer.Stop()
	for {
		e.mu.Lock()
		next, more := e.next, e.more
		e.mu.Unlock()
		timer.Stop()
		if more {
			timer.Reset(next)
		}
		select {
		case <-ctx.Done():
			return
		case <-e.replaced:
		case <-timer.C():
			e.mu.Lock()
			e.advance()
			e.mu.Unlock()
		}
	}
}

// Offset is the time since the program's schedules began; 0 before Run.
func (e *Engine) Offset() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.begun {
		return 0
	}
	return e.options.Clock.Now().Sub(e.program.origin)
}
