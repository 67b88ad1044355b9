package stream

import (
	"sync"
	"sync/atomic"
	"time"
)

// line is the way of one direction while something may be wrong with it: the stages, and behind them the queue of chunks that
// wait until they are due. One side reads and pushes, the other one pops and writes; both look for a changed generation first.
type line struct {
	dir   Dir
	path  *Path
	clock Clock
	acct  *account
	full  func() // tells the path that the budget is spent

	ready time.Time // of the reading side: what is read arrived no sooner, see arrival

	wake chan struct{} // to the popping side: something is due sooner, or the generation changed
	stay chan struct{} // to the pushing side that drains: there are stages again

	// refreshing serialises changes of the stages. gen is the generation (plus one) that they are of; 0 before the first.
	refreshing sync.Mutex
	gen        atomic.Uint64

	mu       sync.Mutex
	stations []*station
	q        queue
	last     time.Time // due time of the last chunk that was queued
	popped   time.Time // due time of the last chunk that was popped
	asleep   bool      // the popping side waits …
	until    time.Time // … until then; zero: until it is woken
	ended    End       // the end that came out of the last stage: whatever comes later is released
	dead     bool      // closed: everything is released
	draining bool      // the pushing side waits until the line is empty and without stages
	lossy    bool      // the latest chunk was swallowed by a stage
}

func newLine(d Dir, p *Path, o *Options) *line {
	l := &line{
		dir: d, path: p, clock: o.Clock, acct: newAccount(o.Budget),
		wake: make(chan struct{}, 1), stay: make(chan struct{}, 1),
	}
	if p.Full != nil {
		l.full = func() { p.Full(d) }
	}
	return l
}

// generation of the path plus one, so that it is never 0.
func (p *Path) generation() uint64 {
	if p.Generation == nil {
		return 1
	}
	return p.Generation() + 1
}

func (p *Path) stages(d Dir) []Stage {
	if p.Stages == nil {
		return nil
	}
	return p.Stages(d)
}

// notify wakes the popping side. It never blocks.
func (l *line) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// refresh brings the line up to the path's generation. The path is asked without the lock of the stages, because it may be
// guarded by locks under which stages are used.
func (l *line) refresh() {
	if l.current() {
		return
	}
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	for {
		// Asked for before the stages: when they change in between, the next look sees another generation.
		gen := l.path.generation()
		if l.gen.Load() == gen {
			return
		}
		stages := l.path.stages(l.dir)
		l.mu.Lock()
		if !l.dead {
			l.change(stages, l.clock.Now())
			l.rouse()
		}
		l.mu.Unlock()
		l.gen.Store(gen)
	}
}

// current says that the stages are those of the path's generation.
func (l *line) current() bool { return l.gen.Load() == l.path.generation() }

// staged says that there are stages.
func (l *line) staged() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.stations) > 0
}

// needed says that bytes must not pass by the line: there are stages, or bytes or an end before them.
func (l *line) needed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.stations) > 0 || l.q.n > 0 || l.ended != Open
}

// pushBytes lets the first n bytes of b pass the stages, which arrived when the stamp says, or now. b belongs to the line from here.
func (l *line) pushBytes(b *buffer, n int, turn bool, stamp time.Time) {
	b = b.fit(n)
	b.charge(l.acct)
	at := l.arrival(l.clock.Now(), stamp)
	l.push(Chunk{At: at, arrival: at, from: at, Turn: turn, data: b.mem[:n:n], buf: b})
}

// push lets c pass the stages.
func (l *line) push(c Chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead || l.ended != Open {
		c.Release()
		return
	}
	l.enter(0, c)
	l.rouse()
}

// enter gives c to the first station from i on that it has not passed, or queues it.
func (l *line) enter(i int, c Chunk) {
	for ; i < len(l.stations); i++ {
		g := c.leg(l.stations[i])
		if g == nil {
			l.stations[i].push(c)
			return
		}
		c.At = c.At.Add(g.kept)
	}
	if l.dead || l.ended != Open {
		c.Release()
		return
	}
	l.ended = c.End
	if c.At.Before(l.last) {
		c.At = l.last
	}
	l.last = c.At
	l.q.push(c)
}

// next is when there is something to do on the popping side.
func (l *line) next() (at time.Time, ok bool) {
	if l.q.n > 0 {
		at, ok = l.q.at(0).At, true
	}
	for _, s := range l.stations {
		if w, wants := s.due(); wants && (!ok || w.Before(at)) {
			at, ok = w, true
		}
	}
	return at, ok
}

// rouse wakes the popping side when it would sleep too long. With the lock held.
func (l *line) rouse() {
	if !l.asleep {
		return
	}
	if at, ok := l.next(); ok && (l.until.IsZero() || at.Before(l.until)) {
		l.asleep = false
		l.notify()
	}
}

// tick lets stages that want it act. With the lock held.
func (l *line) tick(now time.Time) {
	for _, s := range l.stations {
		if at, ok := s.due(); ok && !at.After(now) {
			s.waker.Tick(now, s.next)
		}
	}
}

// pop appends the chunks that are due to batch, not many more than limit bytes. When none is, until says when to look again (zero:
// when woken), and idle that nothing is left, no stage either, and that the pushing side waits for that.
func (l *line) pop(batch []Chunk, limit int) (due []Chunk, until time.Time, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	l.tick(now)
	for l.q.n > 0 && limit > 0 && !l.q.at(0).At.After(now) {
		if apart := l.q.at(0).Apart; apart && len(batch) > 0 {
			break
		} else if apart {
			limit = 0
		}
		c := l.q.pop()
		limit -= c.Len()
		l.popped = c.At
		batch = append(batch, c)
	}
	if l.asleep = len(batch) == 0; l.asleep {
		l.until, _ = l.next()
	}
	return batch, l.until, l.asleep && l.draining && l.q.n == 0 && len(l.stations) == 0
}

// drain asks the popping side to stop when the line is empty and without stages; stay receives when stages come back before.
// It is false when there are stages now.
func (l *line) drain() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.stations) > 0 || l.ended != Open {
		return false
	}
	select {
	case <-l.stay:
	default:
	}
	l.draining = true
	l.notify()
	return true
}

// endOut says whether the direction's end came out of the stages.
func (l *line) endOut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended != Open
}

// stuck says that nothing is on its way and nothing that comes now can arrive: the end is out, or a stage swallows it.
func (l *line) stuck() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.q.n > 0 {
		return false
	}
	if l.ended != Open || l.lossy {
		return true
	}
	for _, s := range l.stations {
		if s.hole != nil && s.hole.Blocked() {
			return true
		}
	}
	return false
}

// close releases all that is queued and all that stages keep. What is pushed later is released at once.
func (l *line) close() {
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return
	}
	l.dead = true
	for _, c := range l.q.take() {
		c.Release()
	}
	now := l.clock.Now()
	for _, s := range l.stations {
		if h, ok := s.stage.(Holder); ok {
			h.Flush(now, func(c Chunk) { c.Release() })
		}
	}
	l.stations = nil
	l.acct.close()
}
