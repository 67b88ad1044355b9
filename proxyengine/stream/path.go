package stream

import "time"

// DefaultLinger is how long a connection whose end was swallowed by a stage stays open when [Options.Linger] is 0.
const DefaultLinger = 30 * time.Second

// A Path is what a flow gives to a [Relay] or a [Reader]: the stages that its bytes pass. All of its functions may be called
// concurrently, from any goroutine, and must not block; they are never called with a stage's lock held. The zero Path is a flow
// that nothing is wrong with, now and later.
type Path struct {
	// Stages returns the stages of direction d as they are now, in the order in which bytes meet them; empty means that nothing
	// is wrong. A stage that stays active must be the same instance from call to call: stages are compared with ==, so they
	// must be pointers (to types that are not of size 0), and no instance may serve two directions or stand twice in a list.
	// Stages that stay must keep their relative order.
	Stages func(d Dir) []Stage
	// Generation changes whenever Stages would answer differently. nil means that it never does. Whoever changes it must call
	// Poke of the relay or reader afterwards.
	Generation func() uint64
	// Full is told when direction d is no longer read because the delay buffer is full: once until it has drained. May be nil.
	Full func(d Dir)
}

// Options are what relays and readers need from the process. The zero value is what production wants.
type Options struct {
	// Clock stamps and times chunks. The zero Clock means Precise().
	Clock Clock
	// Budget bounds the bytes that are kept. nil means the process-wide budget of 256 MiB.
	Budget *Budget
	// Linger bounds how long a relay stays once a side has closed and stages keep the rest from ending: when a stage swallowed the
	// end of a direction, both connections are closed after that long without any movement; when the end was delivered, but a hole
	// keeps the other direction from arriving, after that long, or twice that when the hole began later. 0 means DefaultLinger.
	// Readers ignore it.
	Linger time.Duration
	// Early are bytes that were read from the client before the relay was made (a peeked greeting, what a hijacked connection
	// had buffered). They travel first. The relay keeps the slice until they are on their way. Readers ignore it.
	Early []byte
}

func (o Options) withDefaults() Options {
	if o.Clock.Now == nil || o.Clock.NewTimer == nil {
		o.Clock = Precise()
	}
	if o.Budget == nil {
		o.Budget = processBudget
	}
	if o.Linger <= 0 {
		o.Linger = DefaultLinger
	}
	return o
}
