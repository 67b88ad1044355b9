package runner

import (
	"sync"
	"time"
)

// progressInterval is the least time between two reports within a phase.
const progressInterval = 100 * time.Millisecond

// progress counts the calls of an item's phases and reports them, seldom enough to cost nothing.
type progress struct {
	report func(Progress) // nil: nobody wants to know

	mu   sync.Mutex
	now  Progress
	last time.Time // of the last report
}

func (r *Runner) progress(j *job) *progress {
	return &progress{report: r.options.Progress, now: j.position}
}

// phase begins a phase with that many calls.
func (p *progress) phase(name Phase, planned int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Phase, p.now.Planned = name, planned
	if name == Finished {
		p.now.Done = planned
	} else {
		p.now.Done, p.now.Errors = 0, 0
	}
	p.send()
}

// done counts a call that is over, or that will not be made.
func (p *progress) done(failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Done++
	if failed {
		p.now.Errors++
	}
	if time.Since(p.last) >= progressInterval {
		p.send()
	}
}

func (p *progress) send() {
	if p.report == nil {
		return
	}
	p.last = time.Now()
	p.report(p.now)
}
