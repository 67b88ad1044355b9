package fault

import "math/rand/v2"

// losses is a process that loses packets: a Markov chain whose states lose each packet with a probability of their own.
type losses struct {
	rand *rand.Rand
	// loss is the probability of a loss in each state, steps the probabilities of the next state for each, longRun how much of
	// the time the chain is in each.
	loss    []float64
	steps   [][]float64
	longRun []float64
	state   int
}

// The default chain: excellent, good, fair, poor, bad.
var (
	defaultLoss  = []float64{0, 0.01, 0.05, 0.15, 0.40}
	defaultSteps = [][]float64{
		{0.90, 0.10, 0, 0, 0},
		{0.05, 0.90, 0.05, 0, 0},
		{0, 0.10, 0.80, 0.10, 0},
		{0, 0, 0.20, 0.70, 0.10},
		{0, 0, 0, 0.30, 0.70},
	}
	// The chain only moves to a neighbor, so in the long run each step is taken as often as the one back: the shares are as
	// 6, 12, 6, 3 and 1.
	defaultLongRun = []float64{6. / 28, 12. / 28, 6. / 28, 3. / 28, 1. / 28}
)

// newLosses makes the process of a valid fault.
func newLosses(p *PacketLoss, r *rand.Rand) *losses {
	l := &losses{rand: r, loss: defaultLoss, steps: defaultSteps, longRun: defaultLongRun}
	switch {
	case p.Rate != nil && p.Burst == nil:
		l.loss, l.steps, l.longRun = []float64{*p.Rate}, [][]float64{{1}}, []float64{1}
	case p.Rate != nil:
		// Gilbert–Elliott: the bad state loses everything and ends with the probability 1/burst; the good one loses nothing and
		// ends as often as it takes for the bad one to make up the rate.
		end := 1 / *p.Burst
		begin := min(1, *p.Rate*end/(1-*p.Rate))
		l.loss, l.longRun = []float64{0, 1}, []float64{1 - *p.Rate, *p.Rate}
		l.steps = [][]float64{{1 - begin, begin}, {end, 1 - end}}
	}
	l.state = l.pick(l.longRun)
	return l
}

// next draws whether the next packet is lost.
func (l *losses) next() bool {
	lost := l.rand.Float64() < l.loss[l.state]
	l.state = l.pick(l.steps[l.state])
	return lost
}

// repeated draws how often a packet is lost that is lost once, up to most. Each time it is sent again the process has gone far.
func (l *losses) repeated(most int) int {
	n := 1
	for rate := l.rate(); n < most && l.rand.Float64() < rate; {
		n++
	}
	return n
}

// rate is the long-run probability of a loss.
func (l *losses) rate() float64 {
	sum := 0.0
	for i, share := range l.longRun {
		sum += share * l.loss[i]
	}
	return sum
}

// pick draws an index by its probability.
func (l *losses) pick(probabilities []float64) int {
	u, last := l.rand.Float64(), 0
	for i, p := range probabilities {
		if p <= 0 {
			continue
		}
		if last = i; u < p {
			break
		}
		u -= p // what rounding leaves over falls to the last one
	}
	return last
}
