package fault

import (
	"fmt"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// KindJitter is the kind of [Jitter].
const KindJitter Kind = "jitter"

// Jitter makes some data late: at most Frequency times a second, the next chunk in an affected direction of a connection or
// exchange gets an extra delay that is uniform in [0, Amplitude]. What follows it keeps the order.
type Jitter struct {
	Base `with:"with-jitter" withenv:"FAULT_WITH_JITTER" flag:"jitter" env:"FAULT_JITTER"`

	// Amplitude is the longest extra delay in milliseconds.
	Amplitude float64 `key:"amplitude" arg:"amplitude" default:"20" min:"0" max:"86400000" unit:"ms" keep:"" usage:"longest extra delay"`

	// Frequency is how often a second it happens at most; 0 is never.
	Frequency float64 `key:"frequency" env:"FREQ" arg:"frequency" default:"5" min:"0" max:"100000" unit:"Hz" keep:"" usage:"how often"`
}

// Kind returns KindJitter.
func (*Jitter) Kind() Kind { return KindJitter }

// Validate checks ranges.
func (j *Jitter) Validate() error { return validate(j) }

// Describe labels the fault: "Jitter: ➡️🖧Amplitude: 150.00ms, Frequency 5.00Hz".
func (j *Jitter) Describe() string {
	return fmt.Sprintf("Jitter: %sAmplitude: %.2fms, Frequency %.2fHz%s", j.segment(), j.Amplitude, j.Frequency, j.chance())
}

func (j *Jitter) newStage(e *effect) stream.Stage {
	s := &jitterStage{effect: e, amplitude: j.Amplitude, never: j.Frequency == 0}
	if !s.never {
		// Far below one a day a wait has no meaning; the cap keeps it inside a Duration.
		s.every = milliseconds(1000 / j.Frequency)
	}
	return s
}

// jitterStage disturbs one direction of one flow.
type jitterStage struct {
	*effect
	amplitude float64 // ms
	every     time.Duration
	never     bool
	again     time.Time // when a chunk may be hit again
	order     order
}

// Push delays c when a disturbance is due.
func (s *jitterStage) Push(c stream.Chunk, next func(stream.Chunk)) {
	if c.End == stream.Open && !s.never && !c.At.Before(s.again) {
		s.again = c.At.Add(s.every)
		delay := milliseconds(s.amplitude * s.rand.Float64())
		s.applied(c.At, amount{delay: delay})
		c.At = c.At.Add(delay)
	}
	c.At = s.order.keep(c.At, s.effect)
	next(c)
}
