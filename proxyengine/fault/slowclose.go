package fault

import (
	"fmt"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// KindSlowClose is the kind of [SlowClose].
const KindSlowClose Kind = "slow_close"

// SlowClose delays the end of a stream, orderly or not: what was sent before arrives, and the receiver waits for the rest. Of an HTTP
// exchange it delays the end of the body, so that it is complete late; a message without a body has no such end.
type SlowClose struct {
	Base `with:"with-slow-close" withenv:"FAULT_WITH_SLOW_CLOSE" flag:"slow-close" env:"FAULT_SLOW_CLOSE"`

	// Delay is how much later the end comes, in milliseconds.
	Delay float64 `key:"delay" default:"1000" min:"0" max:"86400000" unit:"ms" keep:"" usage:"how much later a connection is closed"`
}

// Kind returns KindSlowClose.
func (*SlowClose) Kind() Kind { return KindSlowClose }

// Validate checks ranges.
func (s *SlowClose) Validate() error { return validate(s) }

// Describe labels the fault: "Slow Close: ➡️🖧, Delay: 1000.00 ms".
func (s *SlowClose) Describe() string {
	return fmt.Sprintf("Slow Close: %s, Delay: %.2f ms%s", s.segment(), s.Delay, s.chance())
}

func (s *SlowClose) newStage(e *effect) stream.Stage {
	return &lateEnd{effect: e, delay: milliseconds(s.Delay)}
}

// lateEnd delays the end of one direction of one flow.
type lateEnd struct {
	*effect
	delay time.Duration
}

// Push passes c on.
func (s *lateEnd) Push(c stream.Chunk, next func(stream.Chunk)) {
	if c.End != stream.Open {
		s.applied(c.At, amount{delay: s.delay})
		c.At = c.At.Add(s.delay)
	}
	next(c)
}
