package fault

import (
	"cmp"
	"slices"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// Active is a fault that is active now.
type Active struct {
	// Spec is the fault's configuration; it must be valid and must not change any more.
	Spec Spec
	// Index is its place in the list of configured faults, from 0.
	Index int
	// Epoch changes each time the fault becomes active again, so that what it did before is over.
	Epoch uint64
}

// What a fault is able to do, probed once by Build. A fault implements those that it needs and no others.
type (
	// streamFault acts on the bytes of connections and exchanges.
	streamFault interface {
		// newStage makes the fault's station on one direction of one flow.
		newStage(e *effect) stream.Stage
	}
	// dialFault can keep an upstream from being dialed.
	dialFault interface {
		// dialing says what it does to the connections of flows of a kind; ok is false for nothing.
		dialing(kind event.Kind) (rule dialRule, ok bool)
	}
	// exchangeFault acts on HTTP exchanges and on nothing else.
	exchangeFault interface {
		onlyExchanges()
	}
	// leaver is a stage that may outlive its fault.
	leaver interface {
		// leave is called when the fault has ended; the stage stays on the path when it reports false.
		leave() bool
	}
	// closer is a stage that does something by itself, which has to end with its flow.
	closer interface{ close() }
)

// Chain is the faults that are active at one moment, in the order in which they compose. It is immutable; a nil Chain has no
// faults.
type Chain struct {
	entries []entry
	seed    uint64
	sink    event.Sink
	common  *commons
	follow  map[int]int // see Builder.Follow
}

// entry is one active fault with its abilities, nil where it has none.
type entry struct {
	Active
	rank   int
	stream streamFault
	dial   dialFault
	// exchanges says that streams are none of the fault's business: of its nature, or because it is limited to some exchanges.
	exchanges bool
}

// Build makes a chain that has nothing in common with others; see [NewBuilder].
func Build(active []Active, seed uint64, sink event.Sink) *Chain {
	return NewBuilder(seed, sink).Build(active)
}

// Build makes the chain of the faults that are active.
func (b *Builder) Build(active []Active) *Chain {
	c := &Chain{entries: make([]entry, len(active)), seed: b.seed, sink: b.sink, common: b.common}
	b.mu.Lock()
	c.follow = b.follow
	b.mu.Unlock()
	for i, a := range active {
		e := entry{Active: a, rank: rank(a.Spec.Kind())}
		e.stream, _ = a.Spec.(streamFault)
		e.dial, _ = a.Spec.(dialFault)
		_, e.exchanges = a.Spec.(exchangeFault)
		e.exchanges = e.exchanges || !a.Spec.Common().Match.IsZero()
		c.entries[i] = e
	}
	slices.SortStableFunc(c.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Index, b.Index))
	})
	return c
}

// decider is the activation whose draw decides about a fault: its own, unless it follows another that is active.
func (c *Chain) decider(e *entry) identity {
	if lead, ok := c.follow[e.Index]; ok {
		if i := slices.IndexFunc(c.entries, func(o entry) bool { return o.Index == lead }); i >= 0 {
			return identity{lead, c.entries[i].Epoch}
		}
	}
	return identity{e.Index, e.Epoch}
}

// Describe lists the labels of the faults, in the order of configuration.
func (c *Chain) Describe() []string {
	if c == nil {
		return nil
	}
	sorted := slices.SortedStableFunc(slices.Values(c.entries), func(a, b entry) int { return cmp.Compare(a.Index, b.Index) })
	out := make([]string, len(sorted))
	for i, e := range sorted {
		out[i] = e.Spec.Describe()
	}
	return out
}

// point is where a direction of a flow passes a segment: the first and the second that its bytes meet.
type point struct {
	side      Side
	direction Direction
}

// points lists, for each direction through the proxy, where it can be hit, in the order in which bytes pass.
var points = map[stream.Dir][2]point{
	stream.Up:   {{Client, Ingress}, {Server, Egress}},
	stream.Down: {{Server, Ingress}, {Client, Egress}},
}

// at finds the place among the points of a direction that a fault covers; ok is false when it does not touch that direction.
func (b *Base) at(d stream.Dir) (place int, ok bool) {
	for i, p := range points[d] {
		if p.side == b.Side && (p.direction == b.Direction || b.Direction == Both) {
			return i, true
		}
	}
	return 0, false
}
