package fault

import (
	"math"
	"math/rand/v2"
	"testing"
)

// z99 is how many standard deviations of a normal distribution hold 99 % of it, on both sides.
const z99 = 2.576

func lossesOf(t testing.TB, values map[string]any) *losses {
	return newLosses(made(t, KindPacketLoss, values).(*PacketLoss), rand.New(rand.NewPCG(1, 2)))
}

// The long-run loss is the one that was asked for, inside a 99 % interval that takes account of how the draws hang together.
func TestLongRunLoss(t *testing.T) {
	const n, batches = 400_000, 400
	for name, c := range map[string]struct {
		values map[string]any
		want   float64
	}{
		"default":             {nil, 0.0453571},
		"rate":                {map[string]any{"rate": 0.05}, 0.05},
		"rate and burst":      {map[string]any{"rate": 0.05, "burst": 4}, 0.05},
		"long bursts":         {map[string]any{"rate": 0.2, "burst": 50}, 0.2},
		"shortest bursts":     {map[string]any{"rate": 0.9, "burst": 9}, 0.9},
		"never two in a row":  {map[string]any{"rate": 0.3, "burst": 1}, 0.3},
		"nothing":             {map[string]any{"rate": 0}, 0},
		"nothing, in bursts":  {map[string]any{"rate": 0, "burst": 5}, 0},
		"everything, surely!": {map[string]any{"rate": 1}, 1},
	} {
		l := lossesOf(t, c.values)
		if got := l.rate(); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: a long-run rate of %v, want %v", name, got, c.want)
		}
		// The means of long batches are all but independent of each other.
		var sum, squares float64
		for range batches {
			lost := 0
			for range n / batches {
				if l.next() {
					lost++
				}
			}
			mean := float64(lost) / (n / batches)
			sum += mean
			squares += mean * mean
		}
		mean := sum / batches
		deviation := math.Sqrt(max(0, squares/batches-mean*mean) / batches)
		if off := math.Abs(mean - c.want); off > z99*deviation {
			t.Errorf("%s: %v of %d packets are lost, want %v ± %v", name, mean, n, c.want, z99*deviation)
		}
	}
}

// Bursts are as long on average as was asked for, and as variable as they should be.
func TestMeanBurst(t *testing.T) {
	const n = 400_000
	for _, c := range []struct{ rate, burst float64 }{{0.05, 4}, {0.2, 50}, {0.9, 9}, {0.3, 1}, {0.01, 2.5}} {
		l := lossesOf(t, map[string]any{"rate": c.rate, "burst": c.burst})
		var bursts, lost, run int
		for range n {
			if l.next() {
				run++
			} else if run > 0 {
				bursts, lost, run = bursts+1, lost+run, 0
			}
		}
		mean := float64(lost) / float64(bursts)
		// Lengths are geometric: their variance is burst × (burst − 1).
		if off := math.Abs(mean - c.burst); off > z99*math.Sqrt(c.burst*(c.burst-1)/float64(bursts)) {
			t.Errorf("rate %v: a mean burst of %v in %d, want %v", c.rate, mean, bursts, c.burst)
		}
	}
}

// A stream of one packet loses as much as a long one: the process does not begin in its best state.
func TestLossesBeginInTheLongRun(t *testing.T) {
	const n = 20_000
	for name, values := range map[string]map[string]any{"default": nil, "bursts": {"rate": 0.1, "burst": 20}} {
		lost, want := 0, 0.0
		r := rand.New(rand.NewPCG(3, 4))
		for range n {
			l := newLosses(made(t, KindPacketLoss, values).(*PacketLoss), r)
			want = l.rate()
			if l.next() {
				lost++
			}
		}
		if got := float64(lost) / n; math.Abs(got-want) > z99*math.Sqrt(want*(1-want)/n) {
			t.Errorf("%s: %v of the first packets are lost, want %v", name, got, want)
		}
	}
}

// The default chain is the documented one: what leaves a state is 1, and the long run stays as it is from step to step.
func TestDefaultChain(t *testing.T) {
	for i, row := range defaultSteps {
		sum := 0.0
		for _, p := range row {
			sum += p
		}
		into := 0.0
		for j := range defaultSteps {
			into += defaultLongRun[j] * defaultSteps[j][i]
		}
		if math.Abs(sum-1) > 1e-12 || math.Abs(into-defaultLongRun[i]) > 1e-12 {
			t.Errorf("state %d: row sum %v, share %v becomes %v", i, sum, defaultLongRun[i], into)
		}
	}
}

func TestRepeatedLosses(t *testing.T) {
	const n = 100_000
	l := lossesOf(t, map[string]any{"rate": 0.3})
	var counts [7]int
	for range n {
		counts[l.repeated(6)]++
	}
	for k, share := 1, 0.7; k < 6; k, share = k+1, share*0.3 {
		if got := float64(counts[k]) / n; math.Abs(got-share) > z99*math.Sqrt(share*(1-share)/n) {
			t.Errorf("%v are lost %d times, want %v", got, k, share)
		}
	}
	if got := lossesOf(t, map[string]any{"rate": 1}).repeated(6); got != 6 {
		t.Errorf("lost %d times where everything is", got)
	}
}
