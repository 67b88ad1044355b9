package stream_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// delay lets every chunk go on a fixed time after it came.
type delay struct{ d time.Duration }

func (s *delay) Push(c stream.Chunk, next func(stream.Chunk)) {
	c.At = c.At.Add(s.d)
	next(c)
}

// swallow is a hole.
type swallow struct{ bytes, ends int }

func (s *swallow) Push(c stream.Chunk, _ func(stream.Chunk)) {
	s.bytes += c.Len()
	if c.End != stream.Open {
		s.ends++
	}
	c.Release()
}

// hold keeps everything until a time, or until it leaves the path.
type hold struct {
	until time.Time // zero: until it leaves
	kept  []stream.Chunk
}

func (s *hold) Push(c stream.Chunk, next func(stream.Chunk)) {
	if !s.until.IsZero() && !c.At.Before(s.until) {
		s.release(c.At, next)
		next(c)
		return
	}
	s.kept = append(s.kept, c)
}
func (s *hold) Wake() (time.Time, bool) { return s.until, len(s.kept) > 0 && !s.until.IsZero() }
func (s *hold) Tick(now time.Time, next func(stream.Chunk)) {
	s.release(now, next)
}
func (s *hold) Flush(now time.Time, next func(stream.Chunk)) { s.release(now, next) }
func (s *hold) release(now time.Time, next func(stream.Chunk)) {
	kept := s.kept
	s.kept = nil
	for _, c := range kept {
		if c.At.Before(now) {
			c.At = now
		}
		next(c)
	}
}

// cutter passes pieces of at most size bytes, each gap later than the one before.
type cutter struct {
	size int
	gap  time.Duration
	last time.Time
}

func (s *cutter) Push(c stream.Chunk, next func(stream.Chunk)) {
	for c.Len() > s.size {
		var head stream.Chunk
		head, c = c.Cut(s.size)
		s.pass(head, next)
	}
	s.pass(c, next)
}

func (s *cutter) pass(c stream.Chunk, next func(stream.Chunk)) {
	if at := s.last.Add(s.gap); c.At.Before(at) {
		c.At = at
	}
	s.last = c.At
	next(c)
}

// reset lets n bytes pass, and then ends the stream.
type ender struct {
	after int
	end   stream.End
	done  bool
}

func (s *ender) Push(c stream.Chunk, next func(stream.Chunk)) {
	if s.done {
		c.Release()
		return
	}
	if c.Len() < s.after {
		s.after -= c.Len()
		next(c)
		return
	}
	s.done = true
	at := c.At
	head, tail := c.Cut(s.after)
	if head.Len() > 0 {
		next(head)
	}
	tail.Release()
	next(stream.NewEnd(at, s.end))
}

// jumble keeps chunks for random times, in order: some pass at once, some after a tick, some when a later one comes.
type jumble struct {
	rnd   *rand.Rand
	whole int // chunks of up to this length are not cut
	kept  []stream.Chunk
	last  time.Time
}

func (s *jumble) Push(c stream.Chunk, next func(stream.Chunk)) {
	if c.Len() > s.whole && s.rnd.IntN(2) == 0 {
		head, tail := c.Cut(1 + s.rnd.IntN(c.Len()-1))
		s.kept = append(s.kept, head, tail)
	} else {
		s.kept = append(s.kept, c)
	}
	if len(s.kept) > 0 && s.rnd.IntN(3) == 0 {
		s.Tick(s.kept[len(s.kept)-1].At, next)
	}
}

func (s *jumble) Wake() (time.Time, bool) {
	if len(s.kept) == 0 {
		return time.Time{}, false
	}
	return s.kept[0].At.Add(3 * time.Millisecond), true
}

func (s *jumble) Tick(now time.Time, next func(stream.Chunk)) {
	n := 1 + s.rnd.IntN(len(s.kept))
	for i := range n {
		s.pass(s.kept[i], now, next)
	}
	s.kept = append([]stream.Chunk(nil), s.kept[n:]...)
}

func (s *jumble) Flush(now time.Time, next func(stream.Chunk)) {
	for _, c := range s.kept {
		s.pass(c, now, next)
	}
	s.kept = nil
}

func (s *jumble) pass(c stream.Chunk, now time.Time, next func(stream.Chunk)) {
	if c.At.Before(now) {
		c.At = now
	}
	if c.At = c.At.Add(time.Duration(s.rnd.IntN(5)) * time.Millisecond); c.At.Before(s.last) {
		c.At = s.last
	}
	s.last = c.At
	next(c)
}

// spy notes what passes.
type spy struct {
	mu   sync.Mutex
	seen []seen
}

type seen struct {
	at   time.Time
	n    int
	turn bool
	end  stream.End
}

func (s *spy) Push(c stream.Chunk, next func(stream.Chunk)) {
	s.mu.Lock()
	s.seen = append(s.seen, seen{c.At, c.Len(), c.Turn, c.End})
	s.mu.Unlock()
	next(c)
}

// plan is a path whose stages a test sets.
type plan struct {
	mu     sync.Mutex
	stages [2][]stream.Stage
	gen    atomic.Uint64
	full   [2]atomic.Int32
	poke   func()
}

func (p *plan) path() stream.Path {
	return stream.Path{
		Stages: func(d stream.Dir) []stream.Stage {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.stages[d]
		},
		Generation: p.gen.Load,
		Full:       func(d stream.Dir) { p.full[d].Add(1) },
	}
}

// set changes the stages of both directions; nil stages leave a direction without any.
func (p *plan) set(up, down []stream.Stage) {
	p.mu.Lock()
	p.stages = [2][]stream.Stage{up, down}
	p.gen.Add(1)
	p.mu.Unlock()
	if p.poke != nil {
		p.poke()
	}
}

func list(s ...stream.Stage) []stream.Stage { return s }
