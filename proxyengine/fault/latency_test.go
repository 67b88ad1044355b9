package fault

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

var distributions = map[string]map[string]any{
	"normal":       {"mean": 300, "stddev": 40},
	"uniform":      {"min": 300, "max": 500},
	"pareto":       {"shape": 3, "scale": 20},
	"paretonormal": {"mean": 200, "stddev": 15, "shape": 3, "scale": 20},
}

// parametersOf is a latency of a distribution with more keys added.
func parametersOf(distribution string, more map[string]any) map[string]any {
	values := map[string]any{"distribution": distribution}
	for _, m := range []map[string]any{distributions[distribution], more} {
		for k, v := range m {
			values[k] = v
		}
	}
	return values
}

func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func paretoCDF(x, shape, scale float64) float64 {
	if x < scale {
		return 0
	}
	return 1 - math.Pow(scale/x, shape)
}

var cdfs = map[string]func(ms float64) float64{
	"normal":  func(x float64) float64 { return normalCDF((x - 300) / 40) },
	"uniform": func(x float64) float64 { return min(1, max(0, (x-300)/200)) },
	"pareto":  func(x float64) float64 { return paretoCDF(x, 3, 20) },
	// The distribution of the sum: the Pareto part averaged over the quantiles of the normal one.
	"paretonormal": func(x float64) float64 {
		var sum float64
		const steps = 2000
		for i := range steps {
			z := -6 + 12*(float64(i)+0.5)/steps
			sum += paretoCDF(x-200-15*z, 3, 20) * math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) * 12 / steps
		}
		return sum
	},
}

// means are the expectations of the distributions; a Pareto distribution's is scale·shape/(shape−1).
var means = map[string]float64{"normal": 300, "uniform": 400, "pareto": 30, "paretonormal": 230}

var spreads = map[string]float64{
	"normal": 40, "uniform": 200 / math.Sqrt(12), "pareto": math.Sqrt(300), "paretonormal": math.Sqrt(300 + 225),
}

func TestDistributions(t *testing.T) {
	const n = 10_000
	for name, cdf := range cdfs {
		l := made(t, KindLatency, parametersOf(name, nil)).(*Latency)
		d := newDelays(l, rand.New(rand.NewPCG(1, 2)))
		draws := make([]float64, n)
		var sum float64
		for i := range draws {
			draws[i] = d.draw().Seconds() * 1000
			sum += draws[i]
		}
		slices.Sort(draws)
		var distance float64
		for i, x := range draws {
			p := cdf(x)
			distance = max(distance, p-float64(i)/n, float64(i+1)/n-p)
		}
		// Kolmogorov's bound at the level of 1 %: 1.628/√n.
		if limit := 1.628 / math.Sqrt(n); distance > limit {
			t.Errorf("%s: the distance to the distribution is %.4f, more than %.4f", name, distance, limit)
		}
		if off := math.Abs(sum/n - means[name]); off > 4*spreads[name]/math.Sqrt(n) {
			t.Errorf("%s: mean %.2f, want %.2f", name, sum/n, means[name])
		}
		if got := d.spread().Seconds() * 1000; math.Abs(got-spreads[name]) > 0.001 {
			t.Errorf("%s: spread %.3f, want %.3f", name, got, spreads[name])
		}
	}
}

func TestDrawsAreNeitherNegativeNorEndless(t *testing.T) {
	d := newDelays(made(t, KindLatency, map[string]any{"mean": 1, "stddev": 1000}).(*Latency), rand.New(rand.NewPCG(1, 2)))
	zero := 0
	for range 1000 {
		switch got := d.draw(); {
		case got < 0:
			t.Fatalf("a draw is %v", got)
		case got == 0:
			zero++
		}
	}
	if zero < 400 || zero > 600 {
		t.Errorf("%d of 1000 draws around 0 were cut to 0", zero)
	}
	tail := map[string]any{"distribution": "pareto", "shape": 0.001, "scale": 1000}
	d = newDelays(made(t, KindLatency, tail).(*Latency), rand.New(rand.NewPCG(1, 2)))
	for range 1000 {
		if got := d.draw(); got < time.Second || got > longest {
			t.Fatalf("a draw is %v", got)
		}
	}
	if got := d.spread(); got < 0 {
		t.Errorf("the spread is %v", got)
	}
}

func TestLatencyScopes(t *testing.T) {
	type arrival struct {
		after time.Duration // since the start
		turn  bool
		want  time.Duration // delay
	}
	for _, c := range []struct {
		scope    string
		arrivals []arrival
		events   int
	}{
		{"connection", []arrival{{0, true, 100 * ms}, {20 * ms, false, 80 * ms}, {100 * ms, false, 0}, {5000 * ms, true, 0}}, 1},
		{"turn", []arrival{
			{0, false, 100 * ms},
			{20 * ms, false, 80 * ms},
			{500 * ms, false, 0},
			{5000 * ms, true, 100 * ms},
			{5010 * ms, false, 90 * ms},
		}, 2},
		{"chunk", []arrival{{0, true, 100 * ms}, {20 * ms, false, 100 * ms}, {21 * ms, false, 100 * ms}, {5000 * ms, true, 100 * ms}}, 4},
	} {
		r := newRig(t, connection(1), made(t, KindLatency, map[string]any{"mean": 100, "scope": c.scope}))
		for _, a := range c.arrivals {
			if got := r.delay(stream.Down, a.after, a.turn); got != a.want {
				t.Errorf("%s: data at %v is delayed by %v, want %v", c.scope, a.after, got, a.want)
			}
		}
		if len(r.log.applied) != c.events {
			t.Errorf("%s: %d events, want %d", c.scope, len(r.log.applied), c.events)
		}
		for _, e := range r.log.applied {
			if e.Delay != 100*ms || e.Fault != "latency" || e.Side != "server" || e.Direction != "ingress" || e.Flow != r.flow.event {
				t.Errorf("%s: event %+v", c.scope, e)
			}
		}
	}
}

func TestLatencyOfAnEnd(t *testing.T) {
	for scope, want := range map[string]time.Duration{"connection": 0, "turn": 0, "chunk": 100 * ms} {
		r := newRig(t, connection(1), made(t, KindLatency, map[string]any{"mean": 100, "scope": scope}))
		if out := r.push(stream.Down, stream.NewEnd(start, stream.Fin)); out[0].At.Sub(start) != want {
			t.Errorf("%s: an end that comes alone is delayed by %v, want %v", scope, out[0].At.Sub(start), want)
		}
		if len(r.log.applied) != 0 {
			t.Errorf("%s: an end is reported: %+v", scope, r.log.applied)
		}
		// Behind data it keeps its place.
		r = newRig(t, connection(1), made(t, KindLatency, map[string]any{"mean": 100, "scope": scope}))
		r.delay(stream.Down, 0, true)
		if out := r.push(stream.Down, stream.NewEnd(start.Add(ms), stream.Fin)); out[0].At.Before(start.Add(100 * ms)) {
			t.Errorf("%s: the end overtakes the data", scope)
		}
	}
}

// Dense, loose and sparse chunks of every distribution are delivered, on average, as late as the distribution says, in order.
func TestDeliveredMeanIsUnbiased(t *testing.T) {
	for name := range distributions {
		for _, gap := range []time.Duration{ms, 7 * ms, 60 * ms, 900 * ms} {
			t.Run(fmt.Sprintf("%s every %v", name, gap), func(t *testing.T) {
				hold := 2.5 * spreads[name]
				draws := 6000
				chunks := draws * max(1, int(hold/gap.Seconds()/1000))
				r := newRig(t, connection(1), made(t, KindLatency, parametersOf(name, map[string]any{"scope": "chunk"})))
				var sum float64
				var last time.Time
				stages := r.flow.Stages(stream.Down)
				for i := range chunks {
					at := start.Add(time.Duration(i) * gap)
					stages[0].Push(stream.NewChunk(at, nil), func(c stream.Chunk) {
						if c.At.Before(last) || c.At.Before(at) {
							t.Fatalf("chunk %d goes on at %v, the one before at %v", i, c.At.Sub(start), last.Sub(start))
						}
						last = c.At
						sum += c.At.Sub(at).Seconds() * 1000
					})
				}
				got := sum / float64(chunks)
				n := float64(len(r.log.applied))
				if off := got - means[name]; math.Abs(off) > 4*spreads[name]/math.Sqrt(n) {
					t.Errorf("the delivered mean of %d draws is off by %+.3f ms, %.3f standard deviations", int(n), off, off/spreads[name])
				}
				for i := 1; i < len(r.log.applied); i++ {
					if d := r.log.applied[i].At.Sub(r.log.applied[i-1].At).Seconds() * 1000; d < hold-0.001 {
						t.Fatalf("renewed after %.3f ms, sooner than 2.5 standard deviations (%.3f ms)", d, hold)
					}
				}
			})
		}
	}
}

// Where chunks are far apart, nothing has to wait for another, and the delays are the draws.
func TestSparseChunksGetTheDrawsThemselves(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindLatency, parametersOf("normal", map[string]any{"scope": "chunk"})))
	for i := range 500 {
		got := r.delay(stream.Down, time.Duration(i)*10*time.Second, false)
		if want := r.log.applied[i].Delay; got != want {
			t.Fatalf("chunk %d is delayed by %v, drawn was %v", i, got, want)
		}
	}
}

func TestLatencyOfAnExchange(t *testing.T) {
	f := &event.Flow{ID: 1, Kind: event.Exchange}
	r := newRig(t, f, made(t, KindLatency, map[string]any{"mean": 300, "direction": "both"}))
	if up, down := r.delay(stream.Up, 0, true), r.delay(stream.Down, 310*ms, true); up != 300*ms || down != 300*ms {
		t.Errorf("request %v, response %v; want 300ms each", up, down)
	}
	if body := r.delay(stream.Down, 900*ms, false); body != 0 {
		t.Errorf("the body is delayed again, by %v", body)
	}
}
