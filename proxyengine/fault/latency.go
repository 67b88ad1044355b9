package fault

import (
	"fmt"
	"strings"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// KindLatency is the kind of [Latency].
const KindLatency Kind = "latency"

// Distribution is the shape of the delays that a latency draws.
type Distribution string

// The distributions, with the parameters that each takes.
const (
	Normal       Distribution = "normal"       // mean, stddev
	Uniform      Distribution = "uniform"      // min, max
	Pareto       Distribution = "pareto"       // shape, scale
	ParetoNormal Distribution = "paretonormal" // mean, stddev, shape, scale: the sum of a normal and a Pareto draw
)

// Scope says how often a latency draws a delay.
type Scope string

const (
	// ScopeConnection is one delay in each affected direction of a connection, on the first data after the connection opens or
	// the fault becomes active.
	ScopeConnection Scope = "connection"
	// ScopeTurn is one delay each time the conversation turns: on the first data, and on the first after bytes moved the other way.
	ScopeTurn Scope = "turn"
	// ScopeChunk is a delay for everything that is read. The draw is renewed at most every 2.5 standard deviations.
	ScopeChunk Scope = "chunk"
)

// Latency delays data. The clock starts when data arrives at the proxy, so neither think time nor idle time hides a delay; order is
// kept, and what waits is propagated together, not one after the other. An HTTP exchange has one delay in each affected direction
// (ScopeConnection and ScopeTurn are the same there), or one per chunk.
//
// Parameters are milliseconds (Shape has no unit), nil when not given: exactly those of the distribution may be given, and all of
// them must be but StdDev, which is 0 then. A negative draw is 0; no delay is longer than a day.
type Latency struct {
	Base `with:"with-latency" withenv:"FAULT_WITH_LATENCY" flag:"latency" env:"FAULT_LATENCY"`

	// Distribution is the shape of the delays.
	Distribution Distribution `key:"distribution" default:"normal" enum:"normal,uniform,pareto,paretonormal" usage:"shape of the delays"`

	// Mean and StdDev belong to Normal and ParetoNormal.
	Mean   *float64 `key:"mean" arg:"latency" min:"0" max:"86400000" unit:"ms" usage:"mean delay (normal, paretonormal)"`
	StdDev *float64 `key:"stddev" env:"STANDARD_DEVIATION" arg:"deviation" min:"0" max:"86400000" unit:"ms" usage:"standard deviation"`

	// Shape and Scale belong to Pareto and ParetoNormal: the lower the shape the heavier the tail; scale is the least draw.
	Shape *float64 `key:"shape" min:"0" max:"1000" usage:"shape of the tail (pareto, paretonormal)"`
	Scale *float64 `key:"scale" min:"0" max:"86400000" unit:"ms" usage:"least delay of the tail (pareto, paretonormal)"`

	// Min and Max belong to Uniform.
	Min *float64 `key:"min" min:"0" max:"86400000" unit:"ms" usage:"least delay (uniform)"`
	Max *float64 `key:"max" min:"0" max:"86400000" unit:"ms" usage:"greatest delay (uniform)"`

	// Scope is how often a delay is drawn.
	Scope Scope `key:"scope" default:"connection" enum:"connection,turn,chunk" usage:"how often a delay is drawn"`

	_ synonym `key:"per_read_write" aliases:"per_read_write_op" arg:"per_read_write_op" of:"scope" to:"chunk" usage:"same as scope chunk"`
	_ synonym `key:"global" flag:"-" of:"scope" when:"false" to:"chunk" usage:"false is scope chunk"`
}

// Kind returns KindLatency.
func (*Latency) Kind() Kind { return KindLatency }

// parameters lists what each distribution takes; those behind the bar may be left out.
var parameters = map[Distribution]string{
	Normal:       "mean|stddev",
	Uniform:      "min max|",
	Pareto:       "shape scale|",
	ParetoNormal: "mean shape scale|stddev",
}

// Validate checks ranges, and that the parameters are those of the distribution.
func (l *Latency) Validate() error {
	if err := validate(l); err != nil {
		return err
	}
	required, optional, _ := strings.Cut(parameters[l.Distribution], "|")
	d, _ := Lookup(string(KindLatency))
	for _, name := range []string{"mean", "stddev", "shape", "scale", "min", "max"} {
		f, _ := d.Field(name)
		text, given := f.Get(l)
		needed := contains(required, name)
		switch {
		case needed && !given:
			return &ValueError{Fault: KindLatency, Field: f, Reason: fmt.Sprintf("is missing: distribution %s needs %s (--%s)",
				l.Distribution, strings.ReplaceAll(required, " ", " and "), f.Flag)}
		case given && !needed && !contains(optional, name):
			return &ValueError{Fault: KindLatency, Field: Field{Name: name}, Value: text, Reason: fmt.Sprintf(
				"is no parameter of distribution %s, which takes %s", l.Distribution, words(required, optional))}
		case name == "shape" && given && *l.Shape == 0:
			return &ValueError{Fault: KindLatency, Field: Field{Name: name}, Value: text, Reason: "must be more than 0"}
		}
	}
	if l.Distribution == Uniform && *l.Min > *l.Max {
		return &ValueError{
			Fault: KindLatency, Field: Field{Name: "min"}, Value: plain(*l.Min),
			Reason: "is more than max " + plain(*l.Max),
		}
	}
	return nil
}

func contains(names, name string) bool {
	for n := range strings.FieldsSeq(names) {
		if n == name {
			return true
		}
	}
	return false
}

func words(required, optional string) string {
	return strings.Join(append(strings.Fields(required), strings.Fields(optional)...), ", ")
}

// Describe labels the fault: "Latency: ➡️🖧, Per Read/Write Op.: false, Mean: 80.00 ms, Stddev: 5.00 ms".
func (l *Latency) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Latency: %s, Per Read/Write Op.: %t", l.segment(), l.Scope == ScopeChunk)
	if l.Scope == ScopeTurn {
		b.WriteString(", Per Turn: true")
	}
	for _, p := range []struct {
		name, unit string
		value      *float64
	}{
		{"Mean", " ms", l.Mean},
		{"Stddev", " ms", l.StdDev},
		{"Shape", "", l.Shape},
		{"Scale", " ms", l.Scale},
		{"Min", " ms", l.Min},
		{"Max", " ms", l.Max},
	} {
		if p.value != nil {
			fmt.Fprintf(&b, ", %s: %.2f%s", p.name, *p.value, p.unit)
		}
	}
	return b.String() + l.chance()
}

func (l *Latency) newStage(e *effect) stream.Stage {
	return &latencyStage{effect: e, delays: newDelays(l, e.rand), scope: l.Scope}
}

// latencyStage delays one direction of one flow.
type latencyStage struct {
	*effect
	delays *delays
	scope  Scope
	seen   bool
	order  order
	held   holdover
}

// Push delays c and keeps the order.
func (s *latencyStage) Push(c stream.Chunk, next func(stream.Chunk)) {
	data := c.End == stream.Open
	switch s.scope {
	case ScopeChunk:
		delay, fresh := s.held.delay(c.At, s.delays)
		if fresh && data {
			s.applied(c.At, amount{delay: delay})
		}
		c.At = s.held.deliver(c.At, delay, s.order.floor(s.effect))
	case ScopeTurn:
		c.At = s.once(c, data && (c.Turn || !s.seen))
	default:
		c.At = s.once(c, data && !s.seen)
	}
	s.seen = s.seen || data
	c.At = s.order.keep(c.At, s.effect)
	next(c)
}

// once draws a delay for c when it is due one.
func (s *latencyStage) once(c stream.Chunk, due bool) time.Time {
	if !due {
		return c.At
	}
	delay := s.delays.draw()
	s.applied(c.At, amount{delay: delay})
	return c.At.Add(delay)
}

// later returns the latest of the times.
func later(t time.Time, others ...time.Time) time.Time {
	for _, other := range others {
		if other.After(t) {
			t = other
		}
	}
	return t
}
