package fault

import (
	"sync/atomic"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// KindBlackhole is the kind of [Blackhole].
const KindBlackhole Kind = "blackhole"

// What becomes of a connection when a hole ends.
const (
	// HealGap loses what fell into the hole; a connection that lost bytes stays silent for good.
	HealGap = "gap"
	// HealRetransmit delivers what was withheld, as TCP would after a short outage.
	HealRetransmit = "retransmit"
)

// Blackhole makes data vanish on the affected path: connections stay open, nothing arrives, nobody is told. While a hole covers
// the server segment of a connection, its upstream is not dialed ([Flow.AwaitDial]). Afterwards data flows again, but only where
// no byte was lost: a stream with a gap is never resumed.
//
// An HTTP exchange whose head meets a hole is lost for good. A hole on the way back lets the request reach the upstream and loses
// the answer.
type Blackhole struct {
	Base `with:"with-blackhole" withenv:"FAULT_WITH_BLACKHOLE" flag:"blackhole" env:"FAULT_BLACKHOLE"`

	// Heal is HealGap or HealRetransmit.
	Heal string `key:"heal" default:"gap" enum:"gap,retransmit" usage:"afterwards: lost bytes stay lost, or come late"`
}

// Kind returns KindBlackhole.
func (*Blackhole) Kind() Kind { return KindBlackhole }

// Validate checks the values.
func (b *Blackhole) Validate() error { return validate(b) }

// Describe labels the fault: "Blackhole: ➡️🖧".
func (b *Blackhole) Describe() string {
	label := "Blackhole: " + b.segment()
	if b.Heal == HealRetransmit {
		label += ", Heal: retransmit"
	}
	return label + b.chance()
}

// dialing: neither a SYN nor its answer gets through a hole on the server segment. An exchange is lost or not, whatever connection
// carries it.
func (b *Blackhole) dialing(kind event.Kind) (dialRule, bool) {
	return dialRule{delay: -1, detail: "upstream not dialed"}, b.Side == Server && kind != event.Exchange
}

func (b *Blackhole) newStage(e *effect) stream.Stage {
	if b.Heal == HealRetransmit {
		return &outage{effect: e}
	}
	return &hole{gap{effect: e}}
}

// hole swallows one direction of one flow.
type hole struct{ gap }

// Push loses c.
func (s *hole) Push(c stream.Chunk, next func(stream.Chunk)) {
	if !s.tear() {
		next(c)
		return
	}
	s.lose(c)
}

// Blocked is for [stream.Hole].
func (s *hole) Blocked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.left || s.torn
}

// outage withholds one direction of one flow until the fault ends.
type outage struct {
	*effect
	toll toll
	kept []stream.Chunk
	over atomic.Bool
}

// Push keeps c until the end of the outage.
func (s *outage) Push(c stream.Chunk, next func(stream.Chunk)) {
	if s.over.Load() {
		next(c)
		return
	}
	s.toll.take(s.effect, &c, "withheld")
	s.kept = append(s.kept, c)
}

// Flush lets everything go on, in order.
func (s *outage) Flush(now time.Time, next func(stream.Chunk)) {
	for _, c := range s.kept {
		c.At = later(c.At, now)
		next(c)
	}
	s.kept = nil
	s.over.Store(true)
}

// Blocked is for [stream.Hole].
func (s *outage) Blocked() bool { return !s.over.Load() }
