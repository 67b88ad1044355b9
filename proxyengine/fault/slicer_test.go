package fault

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

func TestSlicerCutsAndPauses(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindSlicer, map[string]any{"size": 100, "variation": 40, "delay": 5}))
	out := r.push(stream.Down, stream.NewChunk(start, make([]byte, 50_000)))
	sizes := map[int]bool{}
	total := 0
	for i, c := range out {
		if want := start.Add(time.Duration(i) * 5 * ms); c.At != want || !c.Apart {
			t.Fatalf("piece %d goes on at %v, apart %t; want %v", i, c.At.Sub(start), c.Apart, want.Sub(start))
		}
		if c.Len() < 60 && i < len(out)-1 || c.Len() > 140 {
			t.Errorf("piece %d has %d bytes", i, c.Len())
		}
		sizes[c.Len()] = true
		total += c.Len()
	}
	// 500 pieces on average, ± 2.576 × √500 × 23.7 / 100.
	if total != 50_000 || len(out) < 486 || len(out) > 514 || len(sizes) < 70 {
		t.Errorf("%d bytes in %d pieces of %d sizes", total, len(out), len(sizes))
	}
	last := out[len(out)-1].At
	if len(r.log.applied) != 1 || r.log.applied[0].Delay != last.Sub(start) {
		t.Errorf("events %+v", r.log.applied)
	}
	// The pause counts from the last piece, also to the next data; the end keeps the order and waits for nothing.
	if got := r.delay(stream.Down, last.Sub(start)+2*ms, false); got != 3*ms {
		t.Errorf("2 ms later data is delayed by %v, want 3ms", got)
	}
	if got := r.delay(stream.Down, time.Hour, false); got != 0 {
		t.Errorf("an hour later data is delayed by %v", got)
	}
	if c := r.push(stream.Down, stream.NewEnd(start.Add(time.Minute), stream.Fin))[0]; c.At != start.Add(time.Hour) {
		t.Errorf("the end comes at %v", c.At.Sub(start))
	}
}

// Without a pause the pieces still come one by one.
func TestSlicerWritesPiecesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, made(t, KindSlicer, map[string]any{"size": 2, "delay": 0}))
		defer w.close()
		go func() { _, _ = io.WriteString(w.upstream, "abcde") }()
		for _, want := range []string{"ab", "cd", "e"} {
			if a := <-w.client.got; a.text != want {
				t.Errorf("%q arrives, want %q", a.text, want)
			}
		}
	})
}
