package fault

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// Live holds the current chain for everything that flows. It is safe for concurrent use.
type Live struct {
	chain      atomic.Pointer[Chain]
	generation atomic.Uint64

	mu      sync.Mutex
	changed chan struct{} // closed by the next Store
	flows   map[*Flow]struct{}
}

// NewLive returns a Live without faults.
func NewLive() *Live {
	return &Live{changed: make(chan struct{}), flows: map[*Flow]struct{}{}}
}

// Load returns the current chain, nil for none.
func (l *Live) Load() *Chain { return l.chain.Load() }

// Store makes c the current chain, wakes those who wait to dial, and pokes every flow that asked for it. It calls them one after
// the other and returns when all have returned. A chain may be stored in more than one Live.
func (l *Live) Store(c *Chain) {
	l.mu.Lock()
	c.inherit(l.chain.Load())
	l.chain.Store(c)
	l.generation.Add(1)
	close(l.changed)
	l.changed = make(chan struct{})
	var pokes []func()
	for f := range l.flows {
		pokes = append(pokes, f.pokes...)
	}
	l.mu.Unlock()
	for _, poke := range pokes {
		poke()
	}
}

// Open begins a connection or an exchange that faults may touch. f is kept for events and must not change any more. The caller
// closes the flow.
func (l *Live) Open(f *event.Flow) *Flow {
	return &Flow{live: l, event: f}
}

// Flow is one connection or exchange with what the faults have done to it so far. It is safe for concurrent use.
type Flow struct {
	live  *Live
	event *event.Flow
	pokes []func() // guarded by live.mu

	mu     sync.Mutex
	begun  *Request // of an exchange, once it is known
	hits   map[identity]bool
	stages [2][]*station // by direction
	reset  func()        // breaks the flow off; nil when nobody said how
	closed bool
	full   [2]uint64 // the generation for which a full buffer was reported, plus 1
}

// identity tells one activation of one configured fault from all others.
type identity struct {
	index int
	epoch uint64
}

// station is a stage with its place on the path of one direction.
type station struct {
	identity
	place, rank int
	stage       stream.Stage
	effect      *effect
}

// Path is what moves the bytes of the flow needs to know. Its functions may be called until long after Close.
func (f *Flow) Path() stream.Path {
	return stream.Path{Stages: f.Stages, Generation: f.live.generation.Load, Full: f.bufferFull}
}

// OnChange registers a function that is called after each change of the chain, until Close. It must return soon, and must not
// call Store or Close.
func (f *Flow) OnChange(poke func()) {
	f.live.mu.Lock()
	defer f.live.mu.Unlock()
	f.pokes = append(f.pokes, poke)
	f.live.flows[f] = struct{}{}
}

// OnReset says how the flow is broken off with a reset, at any time and whatever it waits for; a later call replaces an earlier one.
// The function is called once at most for each fault, until Close. It must return soon, and must not call Close.
func (f *Flow) OnReset(reset func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reset = reset
}

// Close ends the interest in changes, and what faults do by themselves. A poke or a reset that is under way may still be running when
// it returns.
func (f *Flow) Close() {
	f.live.mu.Lock()
	delete(f.live.flows, f)
	f.pokes = nil
	f.live.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, stations := range f.stages {
		for _, s := range stations {
			if c, ok := s.stage.(closer); ok {
				c.close()
			}
		}
	}
}

func (f *Flow) abort() {
	f.mu.Lock()
	reset := f.reset
	if f.closed {
		reset = nil
	}
	f.mu.Unlock()
	if reset != nil {
		reset()
	}
}

// Stages returns the stages of one direction under the current chain, in the order in which bytes pass them; nil when nothing is
// wrong. A fault that stays active keeps its instance. What the caller no longer finds in the list has left the path for good.
func (f *Flow) Stages(d stream.Dir) []stream.Stage {
	f.mu.Lock()
	defer f.mu.Unlock()
	chain := f.live.Load()
	old := f.stages[d]
	var now []*station
	if f.closed {
		now = old // nothing new begins
	} else if chain != nil {
		for i := range chain.entries {
			e := &chain.entries[i]
			if e.exchanges && f.passes(chain, e) {
				continue
			}
			place, touches := e.Spec.Common().at(d)
			if e.stream == nil || !touches || !f.hit(chain, e) {
				continue
			}
			id := identity{e.Index, e.Epoch}
			if k := slices.IndexFunc(old, func(s *station) bool { return s.identity == id }); k >= 0 {
				now = append(now, old[k])
				continue
			}
			eff := f.effect(chain, e, points[d][place])
			now = append(now, &station{identity: id, place: place, rank: e.rank, stage: e.stream.newStage(eff), effect: eff})
		}
	}
	for _, s := range old {
		if slices.Contains(now, s) {
			continue
		}
		if l, ok := s.stage.(leaver); ok && !l.leave() {
			now = append(now, s)
		}
	}
	slices.SortStableFunc(now, func(a, b *station) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.rank, b.rank), cmp.Compare(a.index, b.index))
	})
	if !slices.Equal(old, now) {
		for _, s := range now {
			s.effect.path.Add(1)
		}
	}
	f.stages[d] = now
	if len(now) == 0 {
		return nil
	}
	out := make([]stream.Stage, len(now))
	for i, s := range now {
		out[i] = s.stage
	}
	return out
}

// Severed says whether a fault has lost bytes of a direction for good, so that nothing that follows them can arrive.
func (f *Flow) Severed(d stream.Dir) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.stages[d], func(s *station) bool {
		g, ok := s.stage.(interface{ broken() bool })
		return ok && g.broken()
	})
}

// Blocked says whether the flow cannot come to its end as long as the faults are what they are: a direction of it, or the way to its
// upstream, is blocked.
func (f *Flow) Blocked() bool {
	for _, d := range []stream.Dir{stream.Up, stream.Down} {
		for _, s := range f.Stages(d) {
			if h, ok := s.(stream.Hole); ok && h.Blocked() {
				return true
			}
		}
	}
	return false
}

// hit decides, once for an activation, whether a fault applies to the flow. With f.mu held.
func (f *Flow) hit(c *Chain, e *entry) bool {
	p := e.Spec.Common().Probability
	if p >= 1 && !e.exchanges {
		return true
	}
	id := c.decider(e)
	hit, decided := f.hits[id]
	if !decided {
		hit = f.meant(c, e) && (p >= 1 || draw(c.seed, f.scope(), id.index, id.epoch, "probability").Float64() < p)
		if f.hits == nil {
			f.hits = map[identity]bool{}
		}
		f.hits[id] = hit
	}
	return hit
}

// bufferFull reports, once in a direction and generation, that the faults hold back as much as they may.
func (f *Flow) bufferFull(d stream.Dir) {
	f.mu.Lock()
	defer f.mu.Unlock()
	generation := f.live.generation.Load() + 1
	if len(f.stages[d]) == 0 || f.full[d] == generation {
		return
	}
	f.full[d] = generation
	f.stages[d][0].effect.applied(time.Now(), amount{detail: "buffer full"})
}

// scope names what the draws belong to: a call of the load driver keeps its identity from run to run, whatever the order of
// arrival.
func (f *Flow) scope() string {
	if f.event.CallID != "" {
		return "call " + f.event.CallID
	}
	return "flow " + uintText(f.event.ID)
}

func (f *Flow) effect(c *Chain, e *entry, at point) *effect {
	return &effect{
		chain: c, id: identity{e.Index, e.Epoch}, flow: f.event, sink: c.sink, kind: e.Spec.Kind(), at: at, abort: f.abort,
		rand: draw(c.seed, f.scope(), e.Index, e.Epoch, string(at.side)+" "+string(at.direction)),
	}
}

// effect is one fault at one point of one flow: where its draws come from and where its events go.
type effect struct {
	chain *Chain
	id    identity
	flow  *event.Flow
	sink  event.Sink
	kind  Kind
	at    point
	rand  *rand.Rand
	path  atomic.Uint64 // counts the changes of the list of stages
	abort func()        // breaks the flow off with a reset
}

// amount is what a fault did.
type amount struct {
	delay     time.Duration
	bytes     int64
	status    int
	detail    string
	continued bool
}

func (e *effect) applied(at time.Time, a amount) {
	e.sink.Send(event.Applied{
		Flow: e.flow, At: at, Fault: string(e.kind), Index: e.id.index, Side: string(e.at.side), Direction: string(e.at.direction),
		Delay: a.delay, Bytes: a.bytes, Status: a.status, Detail: a.detail, Continued: a.continued,
	})
}

// order keeps what a stage passes on in order. What was passed before counts only as long as the stages of the path are the same:
// once another stage has left, its delays no longer hold up what comes now.
type order struct {
	last time.Time
	path uint64
}

// keep returns at, or when the previous chunk went on if that is later, and remembers it.
func (o *order) keep(at time.Time, e *effect) time.Time {
	o.last = later(at, o.floor(e))
	return o.last
}

// floor is the time before which nothing may go on.
func (o *order) floor(e *effect) time.Time {
	if path := e.path.Load(); path != o.path {
		o.path, o.last = path, time.Time{}
	}
	return o.last
}
