package fault

import (
	"fmt"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// KindBandwidth is the kind of [Bandwidth].
const KindBandwidth Kind = "bandwidth"

// ScopeShared is one limit for all connections and exchanges of a listener.
const ScopeShared Scope = "shared"

// Bandwidth limits how many bytes a second pass in an affected direction. It is a virtual clock: each byte occupies the path for
// 1/rate seconds, from when it arrives or the path is free, whichever is later, so that what timers do wrong is never added up.
// What arrives is handed on in pieces of at most 10 ms of the rate, but not below 256 bytes.
type Bandwidth struct {
	Base `with:"with-bandwidth" withenv:"FAULT_WITH_BANDWIDTH" flag:"bandwidth" env:"FAULT_BANDWIDTH"`

	// Rate is the limit, in Unit.
	Rate int `key:"rate" arg:"rate" default:"1000" min:"1" max:"1000000000000" keep:"" usage:"limit, in the unit"`
	// Unit is Bps, KBps, MBps or GBps: bytes a second, in decimal thousands.
	Unit string `key:"unit" arg:"unit" default:"Bps" enum:"Bps,KBps,MBps,GBps" keep:"" usage:"bytes a second, in decimal thousands"`
	// Scope is ScopeConnection, a limit for each connection or exchange, or ScopeShared.
	Scope Scope `key:"scope" default:"connection" enum:"connection,shared" usage:"limit of each connection, or of all of a listener"`
}

// Kind returns KindBandwidth.
func (*Bandwidth) Kind() Kind { return KindBandwidth }

// bytesPerSecond are the units.
var bytesPerSecond = map[string]float64{"Bps": 1, "KBps": 1e3, "MBps": 1e6, "GBps": 1e9}

// Validate checks ranges.
func (b *Bandwidth) Validate() error { return validate(b) }

// Describe labels the fault: "Bandwidth: ➡️🖧, Rate: 512 KBps".
func (b *Bandwidth) Describe() string {
	label := fmt.Sprintf("Bandwidth: %s, Rate: %d %s", b.segment(), b.Rate, b.Unit)
	if b.Scope == ScopeShared {
		label += ", Shared: true"
	}
	return label + b.chance()
}

func (b *Bandwidth) newStage(e *effect) stream.Stage {
	rate := float64(b.Rate) * bytesPerSecond[b.Unit]
	s := &bandwidthStage{effect: e, rate: rate, piece: int(min(max(256, rate/100), 1<<30)), shaper: &shaper{}}
	if b.Scope == ScopeShared {
		s.shaper = e.shared(func() any { return &shaper{} }).(*shaper)
	}
	return s
}

// shaper is the time from which a path is free.
type shaper struct {
	mu   sync.Mutex
	free time.Time
	part float64 // ns below the clock's resolution that are still owed
}

// pass occupies the path with n bytes that arrive at the given time and returns when the last one is through.
func (s *shaper) pass(at time.Time, n int, rate float64) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.After(s.free) {
		s.free, s.part = at, 0
	}
	s.part += float64(n) / rate * 1e9
	whole := min(int64(s.part), int64(longest))
	s.part -= float64(whole)
	s.free = s.free.Add(time.Duration(whole))
	return s.free
}

// bandwidthStage limits one direction of one flow.
type bandwidthStage struct {
	*effect
	rate   float64 // bytes a second
	piece  int
	shaper *shaper
	order  order
}

// Push hands c on piece by piece. The event of a chunk carries the delay of its last byte.
func (s *bandwidthStage) Push(c stream.Chunk, next func(stream.Chunk)) {
	at, end := c.At, c.End
	if c.Len() == 0 {
		c.At = s.order.keep(c.At, s.effect)
		next(c)
		return
	}
	for rest := c; rest.Len() > 0; {
		var head stream.Chunk
		head, rest = rest.Cut(s.piece)
		if rest.Len() == 0 {
			head.End = end
		}
		head.At = s.order.keep(s.shaper.pass(at, head.Len(), s.rate), s.effect)
		if rest.Len() == 0 {
			s.applied(at, amount{delay: head.At.Sub(at)})
		}
		next(head)
	}
}
