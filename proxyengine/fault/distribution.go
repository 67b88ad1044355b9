package fault

import (
	"math"
	"math/rand/v2"
	"time"
)

// longest is the longest delay that is ever drawn: the tail of a Pareto distribution has no end.
const longest = 24 * time.Hour

// delays draws from the distribution of a latency.
type delays struct {
	distribution                         Distribution
	mean, stddev, min, max, shape, scale float64 // ms
	rand                                 *rand.Rand
}

// newDelays takes the parameters of a valid latency.
func newDelays(l *Latency, r *rand.Rand) *delays {
	return &delays{
		distribution: l.Distribution, rand: r,
		mean: or0(l.Mean), stddev: or0(l.StdDev), min: or0(l.Min), max: or0(l.Max), shape: or0(l.Shape), scale: or0(l.Scale),
	}
}

func or0(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

// draw returns the next delay: from 0 to a day.
func (d *delays) draw() time.Duration {
	var ms float64
	switch d.distribution {
	case Uniform:
		ms = d.min + (d.max-d.min)*d.rand.Float64()
	case Pareto:
		ms = d.pareto()
	case ParetoNormal:
		ms = d.normal() + d.pareto()
	default:
		ms = d.normal()
	}
	return milliseconds(ms)
}

func (d *delays) normal() float64 { return d.mean + d.stddev*d.rand.NormFloat64() }

// pareto inverts the distribution function 1 − (scale/x)^shape at 1 − u, u in [0, 1).
func (d *delays) pareto() float64 { return d.scale / math.Pow(1-d.rand.Float64(), 1/d.shape) }

// spread is the standard deviation of the draws. A Pareto distribution with shape ≤ 2 has none; there, half the distance between
// the quantiles 0.16 and 0.84 takes its place, which is one standard deviation of a normal distribution.
func (d *delays) spread() time.Duration {
	var ms float64
	switch d.distribution {
	case Uniform:
		ms = (d.max - d.min) / math.Sqrt(12)
	case Pareto:
		ms = d.tail()
	case ParetoNormal:
		ms = math.Hypot(d.stddev, d.tail())
	default:
		ms = d.stddev
	}
	return milliseconds(ms)
}

func (d *delays) tail() float64 {
	a := d.shape
	if a > 2 {
		return d.scale / (a - 1) * math.Sqrt(a/(a-2))
	}
	return d.scale * (math.Pow(0.16, -1/a) - math.Pow(0.84, -1/a)) / 2
}

func milliseconds(ms float64) time.Duration {
	if !(ms > 0) {
		return 0
	}
	if ms >= float64(longest/time.Millisecond) {
		return longest
	}
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}

// holdover is the delay of a stream of chunks: one draw holds for 2.5 standard deviations, then the next one takes over.
//
// Order must be kept, so where the delay falls by X, the chunks of the next X are delivered later than their delay says. Unless
// something pays for that, the delivered mean is above the mean of the draws. The long hold keeps the cases rare; what they add is
// counted, and paid back where the delay rises: there, chunks keep the lower delay until the account is even.
type holdover struct {
	drawn   bool
	since   time.Time
	current time.Duration
	before  time.Duration // the draw before the current one
	debt    time.Duration // delay delivered beyond what was drawn, summed over chunks
}

// delay returns the delay that holds at the given time, and whether it was drawn just now.
func (h *holdover) delay(at time.Time, d *delays) (time.Duration, bool) {
	if h.drawn && at.Sub(h.since) < d.spread()*5/2 {
		return h.current, false
	}
	draw := d.draw()
	if !h.drawn {
		h.current = draw
	}
	h.drawn, h.since, h.before, h.current = true, at, h.current, draw
	return draw, true
}

// deliver returns when a chunk that arrives at the given time goes on, not before last.
func (h *holdover) deliver(at time.Time, delay time.Duration, last time.Time) time.Time {
	want := delay
	if h.debt > 0 && h.before < delay {
		want = max(h.before, delay-h.debt)
	}
	due := later(at.Add(want), last)
	h.debt += due.Sub(at) - delay
	return due
}
