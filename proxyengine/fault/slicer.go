package fault

import (
	"fmt"
	"strconv"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// KindSlicer is the kind of [Slicer].
const KindSlicer Kind = "slicer"

// Slicer cuts data into small pieces that arrive one by one, each written by itself and no sooner than Delay after the one before.
type Slicer struct {
	Base `with:"with-slicer" withenv:"FAULT_WITH_SLICER" flag:"slicer" env:"FAULT_SLICER"`

	// Size is the average number of bytes of a piece, Variation how much it may be off, less than Size. Sizes are uniform.
	Size      int `key:"size" default:"64" min:"1" max:"1000000000" unit:"bytes" keep:"" usage:"average size of a piece"`
	Variation int `key:"variation" default:"0" min:"0" max:"1000000000" unit:"bytes" usage:"most that a piece is smaller or bigger"`

	// Delay is the pause between two pieces in milliseconds.
	Delay float64 `key:"delay" default:"10" min:"0" max:"86400000" unit:"ms" keep:"" usage:"pause between two pieces"`
}

// Kind returns KindSlicer.
func (*Slicer) Kind() Kind { return KindSlicer }

// Validate checks ranges.
func (s *Slicer) Validate() error {
	if err := validate(s); err != nil {
		return err
	}
	if s.Variation >= s.Size {
		d, _ := Lookup(string(KindSlicer))
		f, _ := d.Field("variation")
		f.Min, f.Max = nil, nil
		return &ValueError{
			Fault: KindSlicer, Field: f, Value: strconv.Itoa(s.Variation),
			Reason: fmt.Sprintf("is too much for size %d, use less than that", s.Size),
		}
	}
	return nil
}

// Describe labels the fault: "Slicer: ➡️🖧, Size: 64 bytes, Variation: 16 bytes, Delay: 10.00 ms".
func (s *Slicer) Describe() string {
	label := fmt.Sprintf("Slicer: %s, Size: %d bytes", s.segment(), s.Size)
	if s.Variation > 0 {
		label += fmt.Sprintf(", Variation: %d bytes", s.Variation)
	}
	return label + fmt.Sprintf(", Delay: %.2f ms", s.Delay) + s.chance()
}

func (s *Slicer) newStage(e *effect) stream.Stage {
	return &slicing{effect: e, size: s.Size, variation: s.Variation, pause: milliseconds(s.Delay)}
}

// slicing cuts one direction of one flow.
type slicing struct {
	*effect
	size, variation int
	pause           time.Duration
	order           order
}

// Push hands c on piece by piece. The event of a chunk carries the delay of its last piece.
func (s *slicing) Push(c stream.Chunk, next func(stream.Chunk)) {
	if c.Len() == 0 {
		c.At = s.order.keep(c.At, s.effect)
		next(c)
		return
	}
	at := c.At
	for rest := c; rest.Len() > 0; {
		var head stream.Chunk
		head, rest = rest.Cut(s.draw())
		head.Apart = true
		if last := s.order.floor(s.effect); !last.IsZero() {
			head.At = later(head.At, last.Add(s.pause))
		}
		head.At = s.order.keep(head.At, s.effect)
		if rest.Len() == 0 {
			s.applied(at, amount{delay: head.At.Sub(at)})
		}
		next(head)
	}
}

func (s *slicing) draw() int { return s.size - s.variation + s.rand.IntN(2*s.variation+1) }
