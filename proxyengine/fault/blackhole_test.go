package fault

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

func TestBlackholeLosesEverything(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindBlackhole, nil))
	if out := r.push(stream.Down, stream.NewChunk(start, make([]byte, 700))); len(out) != 0 {
		t.Fatal("data passes a hole")
	}
	if out := r.push(stream.Down, stream.NewEnd(start.Add(ms), stream.Fin)); len(out) != 0 {
		t.Fatal("the end passes a hole")
	}
	r.push(stream.Up, stream.NewEnd(start, stream.Fin))
	if len(r.log.applied) != 1 || r.log.applied[0].Bytes != 700 || r.log.applied[0].At != start || r.log.applied[0].Continued {
		t.Errorf("events %+v", r.log.applied)
	}
	if r.flow.Stages(stream.Up) != nil {
		t.Error("a hole on ingress touches the other direction")
	}
}

// A hole is applied once to a direction, however much it takes: what follows adds to that.
func TestBlackholeIsReportedOnce(t *testing.T) {
	for _, heal := range []string{"gap", "retransmit"} {
		r := newRig(t, connection(1), made(t, KindBlackhole, map[string]any{"direction": "both", "heal": heal}))
		for i, n := range []int{3, 40, 500} {
			r.push(stream.Down, stream.NewChunk(start.Add(time.Duration(i)*ms), make([]byte, n)))
		}
		r.push(stream.Down, stream.NewEnd(start, stream.Fin))
		r.push(stream.Up, stream.NewEnd(start, stream.Fin))
		var bytes int64
		counted := map[string]int{}
		for _, e := range r.log.applied {
			bytes += e.Bytes
			if !e.Continued {
				counted[e.Direction+e.Detail]++
			}
		}
		want := map[string]int{"ingress": 1, "egressend of stream": 1}
		if heal == "retransmit" {
			want = map[string]int{"ingresswithheld": 1, "egresswithheld": 1}
		}
		if bytes != 543 || !maps.Equal(counted, want) {
			t.Errorf("%s: %d bytes, %v; want 543, %v", heal, bytes, counted, want)
		}
	}
}

func TestBlackholeWithAGapStays(t *testing.T) {
	both := map[string]any{"direction": "both"}
	r := newRig(t, connection(1), made(t, KindBlackhole, both))
	r.flow.Stages(stream.Up)
	r.push(stream.Down, stream.NewChunk(start, make([]byte, 3)))
	r.activate(2)
	if got := r.flow.Stages(stream.Up); got != nil {
		t.Errorf("the direction without a gap has the stages %v", got)
	}
	for range 3 {
		if out := r.push(stream.Down, stream.NewChunk(start, make([]byte, 4))); len(out) != 0 {
			t.Fatal("a stream with a gap is resumed")
		}
		r.activate(3)
	}
	// Another flow is not concerned.
	if other := r.live.Open(connection(2)); other.Stages(stream.Down) != nil {
		t.Error("the gap of one connection touches another")
	}
}

func TestBlackholeThatEndsWhileDataArrives(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindBlackhole, nil))
	stages := r.flow.Stages(stream.Down)
	r.activate(2)
	if got := r.flow.Stages(stream.Down); got != nil {
		t.Fatalf("stages %v", got)
	}
	// The path asks for its stages before it changes over to them; what arrives between the two must not fall into a hole
	// that nobody would remember.
	passed := 0
	stages[0].Push(stream.NewChunk(start, []byte("late")), func(stream.Chunk) { passed++ })
	if passed != 1 || len(r.log.applied) != 0 {
		t.Errorf("%d chunks passed, events %v", passed, r.log.applied)
	}
}

func TestBlackholeRetransmit(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindBlackhole, map[string]any{"heal": "retransmit"}))
	stage := r.flow.Stages(stream.Down)[0]
	for i, text := range []string{"a", "b"} {
		if out := r.push(stream.Down, stream.NewChunk(start.Add(time.Duration(i)*ms), []byte(text))); len(out) != 0 {
			t.Fatal("data passes a hole")
		}
	}
	if out := r.push(stream.Down, stream.NewEnd(start.Add(5*ms), stream.Fin)); len(out) != 0 {
		t.Fatal("the end passes a hole")
	}
	r.activate(2)
	if r.flow.Stages(stream.Down) != nil {
		t.Fatal("the hole stays although nothing is lost")
	}
	var text string
	var end stream.End
	now := start.Add(time.Second)
	stage.(stream.Holder).Flush(now, func(c stream.Chunk) {
		text += string(c.Bytes())
		end = c.End
		if c.At != now {
			t.Errorf("flushed for %v", c.At)
		}
	})
	if text != "ab" || end != stream.Fin {
		t.Errorf("%q, end %v", text, end)
	}
	if len(r.log.applied) != 2 || r.log.applied[0].Detail != "withheld" || r.log.applied[1].Bytes != 1 || !r.log.applied[1].Continued {
		t.Errorf("events %+v", r.log.applied)
	}
}

func TestAwaitDial(t *testing.T) {
	for _, c := range []struct {
		kind            event.Kind
		side, direction string
		waits           bool
		reported        string
	}{
		{event.Connection, "server", "ingress", true, "ingress"},
		{event.Connection, "server", "egress", true, "egress"},
		{event.Tunnel, "server", "both", true, "egress"},
		{event.Connection, "client", "both", false, ""},
		{event.Exchange, "server", "both", false, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			hole := made(t, KindBlackhole, map[string]any{"side": c.side, "direction": c.direction})
			r := newRig(t, &event.Flow{ID: 1, Kind: c.kind}, hole)
			go func() {
				time.Sleep(time.Second)
				r.activate(2, hole) // the schedule moves on, the hole stays
				time.Sleep(time.Second)
				r.activate(3)
			}()
			from := time.Now()
			if err := r.flow.AwaitDial(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := time.Duration(0)
			if c.waits {
				want = 2 * time.Second
			}
			if got := time.Since(from); got != want {
				t.Errorf("%+v: dialed after %v, want %v", c, got, want)
			}
			if c.waits && (len(r.log.applied) != 1 || r.log.applied[0].Direction != c.reported || r.log.applied[0].Fault != "blackhole") {
				t.Errorf("%+v: events %+v", c, r.log.applied)
			}
			if !c.waits && len(r.log.applied) != 0 {
				t.Errorf("%+v: events %+v", c, r.log.applied)
			}
			time.Sleep(5 * time.Second)
		})
	}
}

func TestAwaitDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, connection(1), made(t, KindBlackhole, nil))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		from := time.Now()
		if err := r.flow.AwaitDial(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(from) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(from))
		}
	})
}

// TestBlackholeTellsThatItBlocks covers what a relay needs to know to release a connection that was closed.
func TestBlackholeTellsThatItBlocks(t *testing.T) {
	for _, heal := range []string{HealGap, HealRetransmit} {
		for _, lost := range []bool{false, true} {
			r := newRig(t, connection(1), made(t, KindBlackhole, map[string]any{"heal": heal}))
			stage := r.flow.Stages(stream.Down)[0]
			if !stage.(stream.Hole).Blocked() {
				t.Errorf("heal %s: a hole does not block", heal)
			}
			if lost {
				stage.Push(stream.NewChunk(start, make([]byte, 3)), func(stream.Chunk) { t.Error("data passes a hole") })
			}
			r.activate(2) // the hole is over
			r.flow.Stages(stream.Down)
			if h, ok := stage.(stream.Holder); ok {
				h.Flush(start, func(stream.Chunk) {})
			}
			want := lost && heal == HealGap
			if got := stage.(stream.Hole).Blocked(); got != want {
				t.Errorf("heal %s, data lost %t: afterwards the hole blocks %t, want %t", heal, lost, got, want)
			}
		}
	}
}
