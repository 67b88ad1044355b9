package fault

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// everywhere calls test, in a bubble, for each place that a fault can sit at, with the directions that it touches there.
func everywhere(t *testing.T, kind Kind, values map[string]any, test func(t *testing.T, w *wire, d stream.Dir, touched bool)) {
	for side, directions := range touching {
		for direction, dirs := range directions {
			for _, d := range []stream.Dir{stream.Up, stream.Down} {
				t.Run(string(side)+" "+string(direction)+[]string{" up", " down"}[d], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := made(t, kind, values)
						s.Common().Side, s.Common().Direction = side, direction
						w := newWire(t, s)
						defer w.flow.Close()
						test(t, w, d, slices.Contains(dirs, d))
					})
				})
			}
		}
	}
}

// ends are the sender and the receiver of a direction.
func (w *wire) ends(d stream.Dir) (from, to *end) {
	if d == stream.Up {
		return w.client, w.upstream
	}
	return w.upstream, w.client
}

func (w *wire) finish() stream.Stats {
	w.client.Close()
	w.upstream.Close()
	return <-w.done
}

func TestLimitData(t *testing.T) {
	everywhere(t, KindLimitData, map[string]any{"bytes": 10}, func(t *testing.T, w *wire, d stream.Dir, touched bool) {
		from, to := w.ends(d)
		if got := w.between(from, to, "sixsix"); got != 0 {
			t.Fatalf("takes %v", got)
		}
		text := "sixsix"
		if touched {
			text = "sixs"
		}
		if _, err := io.WriteString(from, "sixsix"); err != nil {
			t.Fatal(err)
		}
		if a := <-to.got; a.text != text {
			t.Errorf("%q arrives, want %q", a.text, text)
		}
		if !touched {
			w.finish()
			return
		}
		for _, side := range []*end{from, to} {
			if a := <-side.got; !errors.Is(a.err, io.EOF) {
				t.Errorf("a side sees %v, want the end", a.err)
			}
		}
		if s := w.finish(); !errors.Is(s.Err, stream.ErrCut) {
			t.Errorf("ends with %v", s.Err)
		}
		if l := w.log.applied; len(l) != 1 || l[0].Bytes != 2 || l[0].Detail != "closed" {
			t.Errorf("events %+v", l)
		}
	})
}

func TestLimitDataExactly(t *testing.T) {
	for _, c := range []struct {
		limit, pass int
		pieces      []int
		closed      bool
	}{
		{0, 0, []int{1}, true}, {5, 5, []int{5}, true}, {5, 4, []int{4}, false}, {5, 5, []int{4, 1}, true}, {5, 5, []int{3, 3, 3}, true},
	} {
		r := newRig(t, connection(1), made(t, KindLimitData, map[string]any{"bytes": c.limit}))
		passed, closed := 0, false
		for _, n := range c.pieces {
			for _, out := range r.push(stream.Down, stream.NewChunk(start, make([]byte, n))) {
				passed += out.Len()
				closed = closed || out.End == stream.Cut
			}
		}
		if passed != c.pass || closed != c.closed {
			t.Errorf("limit %d, %v: %d pass, closed %t", c.limit, c.pieces, passed, closed)
		}
	}
	r := newRig(t, connection(1), made(t, KindLimitData, map[string]any{"bytes": 5}))
	if out := r.push(stream.Down, stream.NewEnd(start, stream.Fin)); len(out) != 1 || out[0].End != stream.Fin || len(r.log.applied) > 0 {
		t.Error("the end of a short stream does not pass")
	}
}

// Whatever comes before the timer is served, or after it was and before the flow has noticed, does not pass.
func TestNothingPassesAReset(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		wait   time.Duration
	}{
		"at once":         {map[string]any{}, 0},
		"at once, served": {map[string]any{}, time.Nanosecond},
		"late":            {map[string]any{"delay": 50}, 50 * time.Millisecond},
		"after bytes":     {map[string]any{"after_bytes": 0}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, last := range []bool{false, true} {
					if last && c.values["after_bytes"] != nil {
						continue // an end is no byte
					}
					r := newRig(t, connection(1), made(t, KindReset, c.values))
					r.flow.Stages(stream.Down) // begins
					time.Sleep(c.wait)
					chunk := stream.NewChunk(time.Now(), []byte("data"))
					if last {
						chunk = stream.NewEnd(time.Now(), stream.Fin)
					}
					if out := r.push(stream.Down, chunk); len(out) != 1 || out[0].End != stream.Rst {
						t.Errorf("end %t: %+v passes", last, out)
					}
					if len(r.log.applied) != 1 {
						t.Errorf("end %t: events %+v", last, r.log.applied)
					}
					r.flow.Close()
				}
			})
		})
	}
}

func TestSlowClose(t *testing.T) {
	everywhere(t, KindSlowClose, map[string]any{"delay": 70_000}, func(t *testing.T, w *wire, d stream.Dir, touched bool) {
		from, to := w.ends(d)
		if got := w.between(from, to, "data"); got != 0 {
			t.Fatalf("data takes %v", got)
		}
		closed := time.Now()
		from.Close()
		a := <-to.got
		want := time.Duration(0)
		if touched {
			want = 70 * time.Second
		}
		if got := a.at.Sub(closed); got != want || !errors.Is(a.err, io.EOF) {
			t.Errorf("the end comes after %v, %v; want %v", got, a.err, want)
		}
		w.finish()
		if n := len(w.log.applied); touched && (n == 0 || w.log.applied[0].Delay != want) {
			t.Errorf("events %+v", w.log.applied)
		}
	})
}

// What comes after the delay of the end began is a change like any other: the end comes when the fault goes.
func TestSlowCloseEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, made(t, KindSlowClose, map[string]any{"delay": 60_000}))
		closed := time.Now()
		w.upstream.Close()
		time.Sleep(3 * time.Second)
		w.activate(2)
		if a := <-w.client.got; a.at.Sub(closed) != 3*time.Second || !errors.Is(a.err, io.EOF) {
			t.Errorf("the end comes after %v, %v", a.at.Sub(closed), a.err)
		}
		w.finish()
		w.flow.Close()
	})
}

func TestResetAfterBytes(t *testing.T) {
	for _, delay := range []time.Duration{0, 300 * ms} {
		values := map[string]any{"after_bytes": 10, "delay": int(delay / ms)}
		everywhere(t, KindReset, values, func(t *testing.T, w *wire, d stream.Dir, touched bool) {
			from, to := w.ends(d)
			if got := w.between(from, to, "sixsix"); got != 0 {
				t.Fatalf("takes %v", got)
			}
			at := time.Now()
			if _, err := io.WriteString(from, "sixsix"); err != nil {
				t.Fatal(err)
			}
			text := "sixsix"
			if touched && delay == 0 {
				text = "sixs"
			}
			if a := <-to.got; a.text != text {
				t.Errorf("%q arrives, want %q", a.text, text)
			}
			if !touched {
				time.Sleep(time.Minute)
				if s := w.finish(); s.Err != nil || len(w.log.applied) > 0 {
					t.Errorf("ends with %v, events %+v", s.Err, w.log.applied)
				}
				return
			}
			s := <-w.done
			if !errors.Is(s.Err, stream.ErrReset) || time.Since(at) != delay {
				t.Errorf("ends with %v after %v, want %v", s.Err, time.Since(at), delay)
			}
			if l := w.log.applied; len(l) != 1 || l[0].Detail != "reset" || l[0].At.Sub(at) != delay {
				t.Errorf("events %+v", l)
			}
		})
	}
}

// By time alone a connection is reset wherever the fault sits, data or not.
func TestResetAfterTime(t *testing.T) {
	everywhere(t, KindReset, map[string]any{"delay": 1500}, func(t *testing.T, w *wire, d stream.Dir, _ bool) {
		at := time.Now()
		from, to := w.ends(d)
		if got := w.between(from, to, "data"); got != 0 {
			t.Errorf("data takes %v", got)
		}
		s := <-w.done
		if !errors.Is(s.Err, stream.ErrReset) || time.Since(at) != 1500*ms {
			t.Errorf("ends with %v after %v", s.Err, time.Since(at))
		}
	})
}

// A fault that goes, or a connection that ends, before its time is up resets nothing; a fault that comes has its time before it.
func TestResetComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reset := made(t, KindReset, map[string]any{"delay": 1000})
		w := newWire(t, reset)
		time.Sleep(900 * ms)
		w.activate(2)
		if got := w.between(w.upstream, w.client, "still there"); got != 0 {
			t.Errorf("takes %v", got)
		}
		time.Sleep(time.Second)
		at := time.Now()
		w.activate(3, reset)
		if s := <-w.done; !errors.Is(s.Err, stream.ErrReset) || time.Since(at) != time.Second {
			t.Errorf("ends with %v after %v", s.Err, time.Since(at))
		}
		w.flow.Close()

		w = newWire(t, reset)
		w.finish()
		w.flow.Close()
		time.Sleep(time.Minute)
		if len(w.log.applied) > 0 {
			t.Errorf("events of a connection that had ended: %+v", w.log.applied)
		}
		w.flow.Stages(stream.Up) // a late look begins nothing
		time.Sleep(time.Minute)
		if len(w.log.applied) > 0 {
			t.Errorf("events of a connection that had ended: %+v", w.log.applied)
		}
	})
}

// The ends of exchanges, as the HTTP proxy sees them.
func TestEndsOfExchanges(t *testing.T) {
	for _, c := range []struct {
		name       string
		kind       Kind
		values     map[string]any
		head, body error
		took       time.Duration
		arrives    string
	}{
		{"limit in the head", KindLimitData, map[string]any{"bytes": 99}, stream.ErrCut, nil, 0, ""},
		{"limit behind the head", KindLimitData, map[string]any{"bytes": 100}, nil, stream.ErrCut, 0, ""},
		{"limit in the body", KindLimitData, map[string]any{"bytes": 102}, nil, stream.ErrCut, 0, "bo"},
		{"limit beyond", KindLimitData, map[string]any{"bytes": 105}, nil, nil, 0, "body"},
		{"reset in the head", KindReset, map[string]any{"after_bytes": 3}, stream.ErrReset, nil, 0, ""},
		{"reset in the body", KindReset, map[string]any{"after_bytes": 101}, nil, stream.ErrReset, 0, "b"},
		{"slow close", KindSlowClose, map[string]any{"delay": 500}, nil, nil, 500 * ms, "body"},
		{"slicer", KindSlicer, map[string]any{"size": 50, "delay": 10}, nil, nil, 20 * ms, "body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, &event.Flow{ID: 1, Kind: event.Exchange}, made(t, c.kind, c.values))
				defer r.flow.Close()
				src := io.NopCloser(strings.NewReader("body"))
				down := stream.NewReader(context.Background(), src, stream.Down, r.flow.Path(), stream.Options{Clock: stream.Runtime()})
				defer down.Close()
				from := time.Now()
				if err := down.Head(100, true); !errors.Is(err, c.head) {
					t.Fatalf("head: %v, want %v", err, c.head)
				} else if err != nil {
					return
				}
				got, err := io.ReadAll(down)
				if string(got) != c.arrives || !errors.Is(err, c.body) || time.Since(from) != c.took {
					t.Errorf("%q, %v after %v; want %q, %v after %v", got, err, time.Since(from), c.arrives, c.body, c.took)
				}
			})
		})
	}
}

// An exchange that only waits is reset by time, too: the one who carries it is told.
func TestResetOfAWaitingExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, values := range []map[string]any{{"delay": 800}, {"delay": 800, "after_bytes": 5, "direction": "egress"}} {
			r := newRig(t, &event.Flow{ID: 1, Kind: event.Exchange}, made(t, KindReset, values))
			told := make(chan time.Time, 2)
			r.flow.OnReset(func() { told <- time.Now() })
			from := time.Now()
			r.flow.Stages(stream.Down)
			up := stream.NewReader(context.Background(), nil, stream.Up, r.flow.Path(), stream.Options{Clock: stream.Runtime()})
			if err := up.Head(10, true); err != nil {
				t.Fatal(err)
			}
			if at := <-told; at.Sub(from) != 800*ms || len(r.log.applied) != 1 {
				t.Errorf("%v: told after %v, events %+v", values, at.Sub(from), r.log.applied)
			}
			up.Close()
			r.flow.Close()
		}
	})
}
