package fault

import (
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

func TestJitter(t *testing.T) {
	const amplitude = 80 * ms
	r := newRig(t, connection(1), made(t, KindJitter, map[string]any{"amplitude": 80, "frequency": 8}))
	var last time.Time
	var hits, longer int
	for i := range 10_000 {
		at := start.Add(time.Duration(i) * 10 * ms)
		before := len(r.log.applied)
		c := r.push(stream.Down, stream.NewChunk(at, []byte("x")))[0]
		if c.At.Before(at) || c.At.Before(last) || c.At.Sub(at) > amplitude {
			t.Fatalf("data at %v goes on at %v, the one before at %v", at.Sub(start), c.At.Sub(start), last.Sub(start))
		}
		if len(r.log.applied) > before {
			e := r.log.applied[before]
			hits++
			if e.Delay > amplitude/2 {
				longer++
			}
			if want := at.Add(e.Delay); c.At != want && c.At != last {
				t.Fatalf("a delay of %v gives %v", e.Delay, c.At.Sub(at))
			}
			if before > 0 && e.At.Sub(r.log.applied[before-1].At) < 125*ms {
				t.Fatalf("hit again after %v", e.At.Sub(r.log.applied[before-1].At))
			}
		}
		last = c.At
	}
	// 100 s of a chunk every 10 ms: each 130 ms the next one is hit.
	if hits != 770 {
		t.Errorf("%d hits, want 770", hits)
	}
	if longer < 330 || longer > 440 {
		t.Errorf("%d of %d delays are longer than half the amplitude", longer, hits)
	}
}

func TestJitterNeverHits(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindJitter, map[string]any{"frequency": 0}))
	for i := range 100 {
		if got := r.delay(stream.Down, time.Duration(i)*time.Second, true); got != 0 {
			t.Fatalf("delayed by %v", got)
		}
	}
	r = newRig(t, connection(1), made(t, KindJitter, nil))
	if out := r.push(stream.Down, stream.NewEnd(start, stream.Fin)); out[0].At != start || len(r.log.applied) > 0 {
		t.Error("the end of a stream is disturbed")
	}
}

func TestJitterAgainAfterLongSilence(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindJitter, map[string]any{"frequency": 0.000001}))
	for i := range 100 {
		r.delay(stream.Down, time.Duration(i)*time.Hour, true)
	}
	// The longest wait between two hits is a day.
	if len(r.log.applied) != 5 {
		t.Errorf("%d hits in 100 hours, want 5", len(r.log.applied))
	}
}
