package fault

import (
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

func TestBandwidth(t *testing.T) {
	for _, c := range []struct {
		rate, unit  any
		bytes       int
		took        time.Duration
		pieces      int
		description string
	}{
		{1000, "bps", 500, 500 * ms, 2, "Bandwidth: ➡️🖧, Rate: 1000 Bps"},
		{512, "KBps", 64 << 10, 128 * ms, 13, "Bandwidth: ➡️🖧, Rate: 512 KBps"},
		{100, "MBps", 1 << 20, 10485760, 2, "Bandwidth: ➡️🖧, Rate: 100 MBps"},
		{3, "Bps", 1, 333333333, 1, "Bandwidth: ➡️🖧, Rate: 3 Bps"},
	} {
		spec := made(t, KindBandwidth, map[string]any{"rate": c.rate, "unit": c.unit})
		if got := spec.Describe(); got != c.description {
			t.Errorf("%q, want %q", got, c.description)
		}
		r := newRig(t, connection(1), spec)
		out := r.push(stream.Down, stream.NewChunk(start, make([]byte, c.bytes)))
		total, last := 0, start
		for _, p := range out {
			total += p.Len()
			if p.At.Before(last) {
				t.Error("pieces out of order")
			}
			last = p.At
		}
		if total != c.bytes || len(out) != c.pieces || last.Sub(start) != c.took {
			t.Errorf("%v %v: %d bytes in %d pieces after %v, want %d in %d after %v", c.rate, c.unit, total, len(out), last.Sub(start),
				c.bytes, c.pieces, c.took)
		}
		if len(r.log.applied) != 1 || r.log.applied[0].Delay != c.took {
			t.Errorf("%v %v: events %+v", c.rate, c.unit, r.log.applied)
		}
	}
}

// The rate holds over any pattern of arrivals, to the nanosecond, and idle time is not saved up.
func TestBandwidthCarriesNoError(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindBandwidth, map[string]any{"rate": 3, "unit": "KBps"}))
	var last time.Time
	for i := range 30_000 {
		out := r.push(stream.Down, stream.NewChunk(start.Add(time.Duration(i)*time.Microsecond), make([]byte, 1)))
		last = out[0].At
	}
	if off := last.Sub(start) - 10*time.Second; off > 0 || off < -time.Microsecond {
		t.Errorf("30,000 bytes at 3 KBps take %v", last.Sub(start))
	}
	if got := r.delay(stream.Down, time.Hour, true); got != 1333333*time.Nanosecond {
		t.Errorf("4 bytes after an hour take %v", got)
	}
	if out := r.push(stream.Down, stream.NewEnd(start.Add(time.Hour), stream.Fin)); out[0].At.Sub(start) <= time.Hour {
		t.Error("the end overtakes the data")
	}
}

func TestBandwidthIsSharedByAListener(t *testing.T) {
	shared := made(t, KindBandwidth, map[string]any{"rate": 1000, "scope": "shared"})
	chain := Build([]Active{{shared, 0, 1}}, 1, nil)
	lives := map[uint64]*Live{}
	took := func(c *Chain, f *event.Flow) time.Duration {
		// One Live for each flow, as an engine has them that selects flows one by one.
		if lives[f.ID] == nil {
			lives[f.ID] = NewLive()
		}
		lives[f.ID].Store(c)
		r := &rig{t: t, live: lives[f.ID], flow: lives[f.ID].Open(f)}
		return r.delay(stream.Down, 0, true)
	}
	first := &event.Flow{ID: 1, Listener: "a"}
	a, b := took(chain, first), took(chain, &event.Flow{ID: 2, Listener: "a"})
	if a != 4*ms || b != 8*ms {
		t.Errorf("two connections of a listener take %v and %v, want 4ms and 8ms", a, b)
	}
	if other := took(chain, &event.Flow{ID: 3, Listener: "b"}); other != 4*ms {
		t.Errorf("a connection of another listener takes %v", other)
	}
	// Another fault comes: the limit goes on where it was.
	next := Build([]Active{{shared, 0, 1}, {made(t, KindJitter, map[string]any{"frequency": 0}), 1, 1}}, 1, nil)
	if got := took(next, first); got != 12*ms {
		t.Errorf("under the next chain a connection takes %v, want 12ms", got)
	}
	// A new activation starts anew.
	if got := took(Build([]Active{{shared, 0, 2}}, 1, nil), first); got != 4*ms {
		t.Errorf("under a new activation a connection takes %v, want 4ms", got)
	}
}
