package fault

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
)

// Builder makes the chains of one run. What faults have in common beyond a single flow outlives a chain: rates that are shared,
// exchanges that were counted, notices that were given. It is safe for concurrent use.
type Builder struct {
	seed   uint64
	sink   event.Sink
	common *commons

	mu     sync.Mutex
	follow map[int]int
}

// NewBuilder returns a builder of chains. The seed decides every draw, together with the flow, the fault's index and its epoch. The
// sink gets an [event.Applied] each time a fault does something, and an [event.Notice] when one cannot; it may be nil.
func NewBuilder(seed uint64, sink event.Sink) *Builder {
	return &Builder{seed: seed, sink: sink, common: &commons{}}
}

// Follow says, for the chains to come, which faults decide as others do: by index, whose draw counts. A fault and the one that it
// follows have the same probability, and then they hit the same connections and exchanges; one that follows a fault that is not
// active decides for itself. leaders must not be changed any more.
func (b *Builder) Follow(leaders map[int]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.follow = leaders
}

// Keep forgets what faults had in common that are not active any more: list is all that are.
func (b *Builder) Keep(list []Active) {
	b.common.mu.Lock()
	defer b.common.mu.Unlock()
	for key := range b.common.values {
		if !slices.ContainsFunc(list, func(a Active) bool { return a.Index == key.index && a.Epoch == key.epoch }) {
			delete(b.common.values, key)
		}
	}
}

// commons is what flows have in common under the faults of the chains of a builder.
type commons struct {
	mu     sync.Mutex
	values map[sharing]any
	told   map[string]bool // notices that were given
}

// sharing names one thing in common: of one activation of a fault, at one point, on one listener, or everywhere.
type sharing struct {
	identity
	listener string
	at       point
}

// shared returns what the flows of this flow's listener have in common for the fault, made by the first of them.
func (e *effect) shared(fresh func() any) any {
	return e.chain.common.value(sharing{e.id, e.flow.Listener, e.at}, fresh)
}

// value returns what key names, made by the first who asks.
func (c *commons) value(key sharing, fresh func() any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.values[key]
	if !ok {
		value = fresh()
		if c.values == nil {
			c.values = map[sharing]any{}
		}
		c.values[key] = value
	}
	return value
}

// count numbers the exchanges that match one activation of a fault, from 1.
func (c *commons) count(id identity) uint64 {
	return c.value(sharing{identity: id}, func() any { return new(atomic.Uint64) }).(*atomic.Uint64).Add(1)
}

// tell gives a notice, once for all chains of the builder. text is only called then.
func (c *Chain) tell(key string, text func() string) {
	c.common.mu.Lock()
	told := c.common.told[key]
	if !told {
		if c.common.told == nil {
			c.common.told = map[string]bool{}
		}
		c.common.told[key] = true
	}
	c.common.mu.Unlock()
	if !told {
		c.sink.Send(event.Notice{At: time.Now(), Text: text()})
	}
}

// inherit takes over from the chain before, which another builder made, for the faults of both, what c does not have yet.
func (c *Chain) inherit(before *Chain) {
	if c == nil || before == nil || c.common == before.common {
		return
	}
	before.common.mu.Lock()
	values := make(map[sharing]any, len(before.common.values))
	for key, value := range before.common.values {
		if slices.ContainsFunc(c.entries, func(e entry) bool { return e.Index == key.index && e.Epoch == key.epoch }) {
			values[key] = value
		}
	}
	before.common.mu.Unlock()
	if len(values) == 0 {
		return
	}
	c.common.mu.Lock()
	defer c.common.mu.Unlock()
	for key, value := range c.common.values {
		values[key] = value
	}
	c.common.values = values
}
