package fault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// wire is a connection through a relay under faults, over in-memory pipes, in virtual time.
type wire struct {
	*rig
	client, upstream *end
	done             chan stream.Stats
}

// end is the application's end of one segment: it notes when bytes arrive.
type end struct {
	net.Conn
	got chan arrival
}

type arrival struct {
	text string
	at   time.Time
	err  error
}

func newEnd(c net.Conn) *end {
	e := &end{Conn: c, got: make(chan arrival, 1000)}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			e.got <- arrival{string(buf[:n]), time.Now(), err}
			if err != nil {
				return
			}
		}
	}()
	return e
}

// newWire must be called in a bubble of synctest.
func newWire(t *testing.T, specs ...Spec) *wire {
	clientEnd, clientSide := net.Pipe()
	upstreamSide, upstreamEnd := net.Pipe()
	w := &wire{rig: newRig(t, connection(1), specs...), done: make(chan stream.Stats, 1)}
	relay := stream.NewRelay(clientSide, upstreamSide, w.flow.Path(), stream.Options{Clock: stream.Runtime()})
	w.flow.OnChange(relay.Poke)
	w.client, w.upstream = newEnd(clientEnd), newEnd(upstreamEnd)
	ctx, reset := context.WithCancelCause(context.Background())
	w.flow.OnReset(func() { reset(stream.ErrReset) })
	go func() {
		w.done <- relay.Run(ctx)
		reset(nil)
	}()
	synctest.Wait()
	return w
}

func (w *wire) close() {
	w.client.Close()
	w.upstream.Close()
	<-w.done
	w.flow.Close()
}

// between sends text and returns how long it takes to arrive at the other end; -1 when it does not within a minute.
func (w *wire) between(from, to *end, text string) time.Duration {
	w.t.Helper()
	sent := time.Now()
	if _, err := io.WriteString(from, text); err != nil {
		w.t.Fatal(err)
	}
	select {
	case a := <-to.got:
		if a.text != text || a.err != nil {
			w.t.Fatalf("%q arrives as %q, %v", text, a.text, a.err)
		}
		return a.at.Sub(sent)
	case <-time.After(time.Minute):
		return -1
	}
}

func TestEveryFaultThroughARelay(t *testing.T) {
	for side, directions := range touching {
		for direction, dirs := range directions {
			for name, s := range every() {
				s.Common().Side, s.Common().Direction = side, direction
				synctest.Test(t, func(t *testing.T) {
					w := newWire(t, s)
					defer w.close()
					up := w.between(w.client, w.upstream, "request")
					var down time.Duration
					if up >= 0 {
						down = w.between(w.upstream, w.client, "response")
					}
					took := map[stream.Dir]time.Duration{stream.Up: up, stream.Down: down}
					for _, d := range []stream.Dir{stream.Up, stream.Down} {
						if d == stream.Down && up < 0 {
							continue
						}
						var want time.Duration
						if slices.Contains(dirs, d) {
							want = -1
							if s.Kind() != KindBlackhole && s.Kind() != KindPacketLoss {
								want = w.drawn(d)
							}
						}
						if took[d] != want {
							t.Errorf("%s %s %s: %v takes %v, want %v", name, side, direction, d, took[d], want)
						}
					}
				})
			}
		}
	}
}

// drawn is the delay that was reported for a direction.
func (w *wire) drawn(d stream.Dir) time.Duration {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var sum time.Duration
	for _, e := range w.log.applied {
		for _, p := range points[d] {
			if e.Side == string(p.side) && e.Direction == string(p.direction) {
				sum += e.Delay
			}
		}
	}
	return sum
}

func TestThinkTimeHidesNoDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, made(t, KindLatency, map[string]any{"mean": 300, "scope": "turn"}))
		defer w.close()
		for range 3 {
			time.Sleep(10 * time.Second)
			if got := w.between(w.client, w.upstream, "request"); got != 0 {
				t.Errorf("request takes %v", got)
			}
			time.Sleep(2 * time.Second)
			if got := w.between(w.upstream, w.client, "response"); got != 300*ms {
				t.Errorf("response takes %v, want 300ms", got)
			}
		}
	})
}

// The faults of a schedule come and go on an open connection.
func TestScheduleStepsOnAnOpenConnection(t *testing.T) {
	latency := made(t, KindLatency, map[string]any{"mean": 200, "scope": "chunk", "period": "start:10%,duration:20%;start:50%"})
	jitter := made(t, KindJitter, map[string]any{"frequency": 0, "period": "start:2500ms,duration:1s"})
	specs := []Spec{latency, jitter}
	const total = 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		defer w.close()
		origin := time.Now()
		go steps(w, specs, origin, total)
		for offset := 100 * ms; offset < total; offset += 500 * ms {
			time.Sleep(time.Until(origin.Add(offset)))
			want := time.Duration(0)
			if latency.Common().Schedule.ActiveAt(offset, total) {
				want = 200 * ms
			}
			if got := w.between(w.upstream, w.client, "x"); got != want {
				t.Errorf("data at %v takes %v, want %v", offset, got, want)
			}
		}
	})
}

// steps plays the schedules of some faults, as an engine does.
func steps(w *wire, specs []Spec, origin time.Time, total time.Duration) {
	var at time.Duration
	epochs := make([]uint64, len(specs))
	was := make([]bool, len(specs))
	for {
		var active []Active
		next, more := time.Duration(0), false
		for i, s := range specs {
			sched := s.Common().Schedule
			is := sched.ActiveAt(at, total)
			if is && !was[i] {
				epochs[i]++
			}
			if was[i] = is; is {
				active = append(active, Active{s, i, epochs[i]})
			}
			if n, ok := sched.Next(at, total); ok && (!more || n < next) {
				next, more = n, true
			}
		}
		w.live.Store(Build(active, 1, w.log.sink))
		if !more || next >= total {
			return
		}
		at = next
		time.Sleep(time.Until(origin.Add(at)))
	}
}

func TestBlackholeOnAnOpenConnection(t *testing.T) {
	for _, c := range []struct {
		heal    string
		falls   bool // whether something is sent while the hole is there
		resumes bool
		late    string
	}{
		{"gap", false, true, ""}, {"gap", true, false, ""}, {"retransmit", true, true, "lost"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t)
			defer w.close()
			if got := w.between(w.upstream, w.client, "before"); got != 0 {
				t.Fatalf("before the hole: %v", got)
			}
			w.activate(1, made(t, KindBlackhole, map[string]any{"heal": c.heal}))
			if c.falls {
				if got := w.between(w.upstream, w.client, "lost"); got != -1 {
					t.Fatalf("%+v: arrives through the hole after %v", c, got)
				}
			}
			// The other direction does not notice.
			if got := w.between(w.client, w.upstream, "request"); got != 0 {
				t.Errorf("%+v: the other direction takes %v", c, got)
			}
			time.Sleep(time.Second)
			w.activate(2)
			if c.late != "" {
				synctest.Wait()
				if a := <-w.client.got; a.text != c.late || time.Since(a.at) != 0 {
					t.Errorf("%+v: %q comes at %v", c, a.text, a.at)
				}
			}
			want := time.Duration(-1)
			if c.resumes {
				want = 0
			}
			if got := w.between(w.upstream, w.client, "after"); got != want {
				t.Errorf("%+v: after the hole data takes %v, want %v", c, got, want)
			}
		})
	}
}

// A connection that is closed on one side of a hole is released on both sides within a minute.
func TestHoledConnectionIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, made(t, KindBlackhole, map[string]any{"direction": "both"}))
		if got := w.between(w.client, w.upstream, "lost"); got != -1 {
			t.Fatalf("arrives after %v", got)
		}
		from := time.Now()
		w.client.Close()
		<-w.done
		if took := time.Since(from); took > time.Minute {
			t.Errorf("released after %v", took)
		}
		w.upstream.Close()
		w.flow.Close()
	})
}

// Bytes survive any order of faults that come and go.
func TestBytesSurviveToggling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		sets := [][]Spec{
			nil,
			{made(t, KindLatency, map[string]any{"mean": 30, "stddev": 10, "scope": "chunk"})},
			{made(t, KindLatency, map[string]any{"mean": 100, "stddev": 0}), made(t, KindJitter, map[string]any{"frequency": 50})},
			{made(t, KindBlackhole, map[string]any{"heal": "retransmit"})},
			{made(t, KindJitter, map[string]any{"frequency": 100, "amplitude": 60})},
		}
		want := make([]byte, 0, 1<<20)
		for i := range cap(want) {
			want = append(want, byte(i*7+i>>8))
		}
		var toggling sync.WaitGroup
		toggling.Go(func() {
			for i := range 52 {
				w.activate(uint64(i), sets[i%len(sets)]...)
				time.Sleep(50 * ms)
			}
			w.activate(100)
		})
		go func() {
			for rest := want; len(rest) > 0; rest = rest[min(len(rest), 4000):] {
				if _, err := w.upstream.Write(rest[:min(len(rest), 4000)]); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * ms)
			}
			w.upstream.Close()
		}()
		var got []byte
		for a := range w.client.got {
			got = append(got, a.text...)
			if a.err != nil {
				if !errors.Is(a.err, io.EOF) {
					t.Error(a.err)
				}
				break
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes arrive, not the %d that were sent", len(got), len(want))
		}
		toggling.Wait()
		w.close()
	})
}

// One exchange, as the HTTP proxy sends it through the faults.
func TestExchange(t *testing.T) {
	for _, c := range []struct {
		name       string
		spec       Spec
		head, body time.Duration // of the response; -1: lost
	}{
		{"nothing", nil, 0, 0},
		{"latency", made(t, KindLatency, map[string]any{"mean": 300}), 300 * ms, 0},
		{"latency per chunk", made(t, KindLatency, map[string]any{"mean": 300, "global": false}), 300 * ms, 300 * ms},
		{"bandwidth", made(t, KindBandwidth, map[string]any{"rate": 1000}), 100 * ms, 4 * ms},
		{"hole", made(t, KindBlackhole, nil), -1, -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			var specs []Spec
			if c.spec != nil {
				specs = []Spec{c.spec}
			}
			r := newRig(t, &event.Flow{ID: 1, Kind: event.Exchange}, specs...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			options := stream.Options{Clock: stream.Runtime()}
			up := stream.NewReader(ctx, io.NopCloser(bytes.NewReader(nil)), stream.Up, r.flow.Path(), options)
			from := time.Now()
			if err := up.Head(200, true); err != nil || time.Since(from) != 0 {
				t.Errorf("%s: the request's head takes %v, %v", c.name, time.Since(from), err)
			}
			body, feed := io.Pipe()
			down := stream.NewReader(ctx, body, stream.Down, r.flow.Path(), options)
			err := down.Head(100, true)
			if c.head < 0 {
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(from) != time.Minute {
					t.Errorf("%s: the answer comes: %v after %v", c.name, err, time.Since(from))
				}
			} else if err != nil || time.Since(from) != c.head {
				t.Errorf("%s: the response's head takes %v, %v; want %v", c.name, time.Since(from), err, c.head)
			}
			go func() {
				time.Sleep(time.Second)
				_, _ = io.WriteString(feed, "body")
				feed.Close()
			}()
			if c.body >= 0 {
				from = time.Now()
				got := make([]byte, 10)
				n, err := down.Read(got)
				if string(got[:n]) != "body" || err != nil && !errors.Is(err, io.EOF) || time.Since(from) != time.Second+c.body {
					t.Errorf("%s: %q, %v after %v", c.name, got[:n], err, time.Since(from))
				}
				if rest, err := io.ReadAll(down); len(rest) > 0 || err != nil {
					t.Errorf("%s: then %q, %v", c.name, rest, err)
				}
			}
			down.Close()
			up.Close()
			body.Close()
			time.Sleep(2 * time.Second)
		})
	}
}
