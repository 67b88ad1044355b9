package fault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// scripted loses what is marked with an x, one mark for each segment, and nothing after that. What is sent again is lost with the
// probability again.
func scripted(t testing.TB, marks string, again float64) *losses {
	l := lossesOf(t, nil)
	l.state, l.loss, l.steps, l.longRun = 0, nil, nil, nil
	for i, m := range marks + "." {
		loss := 0.0
		if m == 'x' {
			loss = 1
		}
		step := make([]float64, len(marks)+1)
		step[min(i+1, len(marks))] = 1
		l.loss, l.steps, l.longRun = append(l.loss, loss), append(l.steps, step), append(l.longRun, 0)
	}
	l.longRun[0], l.loss[0] = again, max(l.loss[0], 1e-300) // the rate is again where the first segment is lost
	return l
}

// course drives a stage in virtual time: what it is given when, and what comes out when. Lengths stand for data.
type course struct {
	t     *testing.T
	stage stream.Stage
	now   time.Time
	out   []string
}

func (c *course) next(chunk stream.Chunk) {
	what := strconv.Itoa(chunk.Len())
	switch chunk.End {
	case stream.Fin:
		what = "fin"
	case stream.Rst:
		what = "rst"
	default:
	}
	c.out = append(c.out, fmt.Sprintf("%s@%d", what, chunk.At.Sub(start)/ms))
	chunk.Release()
}

// until lets the stage wake as it wants to.
func (c *course) until(at time.Time) {
	w := c.stage.(stream.Waker)
	for {
		wake, ok := w.Wake()
		if !ok || wake.After(at) {
			break
		}
		if wake.Before(c.now) {
			c.t.Errorf("wants to be woken at %v, which is over", wake.Sub(start))
		}
		c.now = wake
		before := len(c.out)
		w.Tick(wake, c.next)
		if len(c.out) == before {
			c.t.Fatalf("woken for nothing at %v", wake.Sub(start))
		}
	}
	c.now = at
}

// Each step is "LENGTH@MS", "fin@MS", "rst@MS" or "flush@MS".
func (c *course) run(steps string) string {
	for step := range strings.FieldsSeq(steps) {
		what, when, _ := strings.Cut(step, "@")
		var n, at int
		_, _ = fmt.Sscan(when, &at)
		c.until(start.Add(time.Duration(at) * ms))
		switch what {
		case "fin":
			c.stage.Push(stream.NewEnd(c.now, stream.Fin), c.next)
		case "flush":
			c.stage.(stream.Holder).Flush(c.now, c.next)
		default:
			_, _ = fmt.Sscan(what, &n)
			c.stage.Push(stream.NewChunk(c.now, make([]byte, n)), c.next)
		}
	}
	c.until(start.Add(time.Hour))
	return strings.Join(c.out, " ")
}

func TestPacketLossStalls(t *testing.T) {
	for _, c := range []struct {
		name, marks  string
		again        float64
		steps, want  string
		delays       []int // ms, of the segments that are lost, in order of their coming
		applications int
	}{
		{"nothing lost", "...", 0, "10@0 2000@5 fin@9", "10@0 1460@5 540@5 fin@9", nil, 0},
		{"a timeout", "x", 0, "10@0", "10@200", []int{200}, 1},
		{"all behind it wait", "x..", 0, "10@0 20@50 30@199 fin@199 40@250", "10@200 20@200 30@200 fin@200 40@250", []int{200}, 1},
		{"before it nothing waits", "..x", 0, "10@0 20@50 30@60", "10@0 20@50 30@260", []int{200}, 1},
		{"three segments follow at once", "x...", 0, "5000@0", "1460@50 1460@50 1460@50 620@50", []int{50}, 1},
		{"two segments follow at once", "x..", 0, "4000@0", "1460@200 1460@200 1080@200", []int{200}, 1},
		{"a third one comes later", "x...", 0, "3000@0 7@30", "1460@80 1460@80 80@80 7@80", []int{80}, 1},
		{"a third one comes too late to be sooner", "x...", 0, "3000@0 7@170", "1460@200 1460@200 80@200 7@200", []int{200}, 1},
		{"the end is no segment", "x..", 0, "3000@0 fin@30", "1460@200 1460@200 80@200 fin@200", []int{200}, 1},
		{"two in a row", "xx", 0, "10@0 20@100", "10@200 20@300", []int{200, 200}, 2},
		{"two in a row, fast", "xx...", 0, "10000@0", "1460@50 1460@50 1460@50 1460@50 1460@50 1460@50 1240@50", []int{50, 50}, 2},
		{"lost behind a lost one", "x..x...", 0, "10@0 20@0 30@0 40@10 50@20 60@30 70@40", // 40 follows as the third
			"10@60 20@60 30@60 40@90 50@90 60@90 70@90", []int{60, 80}, 2},
		{"lost for ever", "x", 1, "10@0 20@1 fin@2", "rst@12600", []int{12600}, 1},
		{"lost for ever, fast at first", "x...", 1, "5000@0", "rst@6250", []int{6250}, 1},
		{"nothing comes after a reset", "x", 1, "10@0 20@13000 fin@13000", "rst@12600", []int{12600}, 1},
		{"the fault ends", "x..", 0, "10@0 20@50 flush@120 30@130", "10@120 20@120 30@130", []int{120}, 1},
		{"the fault ends before a reset", "x..", 1, "10@0 20@50 flush@6000", "10@6000 20@6000", []int{6000}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &log{}
			e := &effect{sink: l.sink, flow: connection(1), kind: KindPacketLoss}
			k := &course{t: t, stage: &recovery{effect: e, losses: scripted(t, c.marks, c.again), rtt: 50 * ms}, now: start}
			if got := k.run(c.steps); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			var delays []int
			applications := 0
			slices.SortStableFunc(l.applied, func(a, b event.Applied) int { return a.At.Compare(b.At) })
			for _, a := range l.applied {
				if !a.Continued {
					applications++
				}
				if a.Delay > 0 {
					delays = append(delays, int(a.Delay/ms))
				}
			}
			if !slices.Equal(delays, c.delays) || applications != c.applications {
				t.Errorf("%d applications with delays %v, want %d with %v: %+v", applications, delays, c.applications, c.delays, l.applied)
			}
		})
	}
}

// A loss is reported when it happens, and its delay when that is known.
func TestPacketLossIsReportedAtOnce(t *testing.T) {
	l := &log{}
	e := &effect{sink: l.sink, flow: connection(1), kind: KindPacketLoss}
	s := &recovery{effect: e, losses: scripted(t, "x", 0), rtt: 50 * ms}
	drop := func(c stream.Chunk) { c.Release() }
	s.Push(stream.NewChunk(start, make([]byte, 99)), drop)
	if len(l.applied) != 1 || l.applied[0].Bytes != 99 || l.applied[0].Delay != 0 || l.applied[0].Continued {
		t.Fatalf("events %+v", l.applied)
	}
	s.Tick(start.Add(200*ms), drop)
	if len(l.applied) != 2 || l.applied[1].Bytes != 0 || l.applied[1].Delay != 200*ms || !l.applied[1].Continued {
		t.Fatalf("events %+v", l.applied)
	}
}

func TestPacketLossDrops(t *testing.T) {
	r := newRig(t, connection(1))
	e := &effect{sink: r.log.sink, flow: connection(1), kind: KindPacketLoss}
	s := &severed{gap: gap{effect: e}, losses: scripted(t, ".x.", 0)}
	k := &course{t: t, stage: s}
	s.Push(stream.NewChunk(start, make([]byte, 4000)), k.next)
	s.Push(stream.NewChunk(start.Add(ms), make([]byte, 10)), k.next)
	s.Push(stream.NewEnd(start.Add(2*ms), stream.Fin), k.next)
	if got := strings.Join(k.out, " "); got != "1460@0" {
		t.Errorf("%s arrives, want the first segment", got)
	}
	var lost int64
	for i, a := range r.log.applied {
		lost += a.Bytes
		if a.Continued != (i > 0) {
			t.Errorf("event %+v", a)
		}
	}
	if lost != 2550 || s.leave() || !s.Blocked() {
		t.Errorf("%d bytes lost, events %+v; left %t, blocked %t", lost, r.log.applied, s.leave(), s.Blocked())
	}
	whole := &severed{gap: gap{effect: e}, losses: scripted(t, "..", 0)}
	whole.Push(stream.NewChunk(start, make([]byte, 10)), k.next)
	if whole.Blocked() || !whole.leave() {
		t.Error("a stream without a gap is cut")
	}
}

// Whatever is lost on the way, every byte arrives in order, and the same seed loses the same.
func TestPacketLossLosesNoByte(t *testing.T) {
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(i*7 + i>>8)
	}
	run := func(values map[string]any) (events string, took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t, made(t, KindPacketLoss, values))
			from := time.Now()
			go func() {
				for rest := want; len(rest) > 0; rest = rest[min(len(rest), 5000):] {
					if _, err := w.upstream.Write(rest[:min(len(rest), 5000)]); err != nil {
						t.Error(err)
						return
					}
					time.Sleep(3 * ms)
				}
				w.upstream.Close()
			}()
			got := sha256.New()
			for a := range w.client.got {
				_, _ = io.WriteString(got, a.text)
				if a.err != nil {
					if !errors.Is(a.err, io.EOF) {
						t.Error(a.err)
					}
					break
				}
			}
			took = time.Since(from)
			if sum := sha256.Sum256(want); !bytes.Equal(got.Sum(nil), sum[:]) {
				t.Errorf("%v: what arrives is not what was sent", values)
			}
			var list strings.Builder
			for _, a := range w.log.applied {
				fmt.Fprintln(&list, a.At.Sub(from), a.Delay, a.Bytes, a.Detail, a.Continued)
			}
			events = list.String()
			w.close()
		})
		return events, took
	}
	for _, values := range []map[string]any{
		nil, {"rate": 0.02}, {"rate": 0.1, "burst": 6}, {"rate": 0.05, "rtt": 300},
	} {
		one, took := run(values)
		if again, _ := run(values); again != one || one == "" {
			t.Errorf("%v: two runs with a seed differ:\n%s\n%s", values, one, again)
		}
		if took < 630*ms {
			t.Errorf("%v: nothing stalls", values)
		}
	}
}

// Loss comes and goes under an open connection: what waits goes on when it goes.
func TestPacketLossComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		defer w.close()
		all := made(t, KindPacketLoss, map[string]any{"rate": 1, "direction": "both"})
		for i := range uint64(3) {
			for _, way := range [][2]*end{{w.client, w.upstream}, {w.upstream, w.client}} {
				if got := w.between(way[0], way[1], "before"); got != 0 {
					t.Fatalf("without loss data takes %v", got)
				}
				w.activate(2*i+1, all)
				time.AfterFunc(time.Second, func() { w.activate(2*i + 2) })
				if got := w.between(way[0], way[1], "during"); got != time.Second {
					t.Fatalf("data takes %v, want to the end of the loss", got)
				}
			}
		}
	})
}

// What is lost six times resets the connection, and an exchange the same way.
func TestPacketLossResets(t *testing.T) {
	everything := map[string]any{"rate": 1}
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, made(t, KindPacketLoss, everything))
		from := time.Now()
		if _, err := io.WriteString(w.upstream, "x"); err != nil {
			t.Fatal(err)
		}
		if s := <-w.done; !errors.Is(s.Err, stream.ErrReset) || time.Since(from) != 12600*ms {
			t.Errorf("%v after %v", s.Err, time.Since(from))
		}
		w.done <- stream.Stats{}
		w.close()
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &event.Flow{ID: 1, Kind: event.Exchange}, made(t, KindPacketLoss, everything))
		down := stream.NewReader(context.Background(), nil, stream.Down, r.flow.Path(), stream.Options{Clock: stream.Runtime()})
		defer down.Close()
		from := time.Now()
		if err := down.Head(100, true); !errors.Is(err, stream.ErrReset) || time.Since(from) != 12600*ms {
			t.Errorf("%v after %v", err, time.Since(from))
		}
	})
}

// Any pattern of arrivals and losses keeps the order and the bytes, never goes back in time, and comes to an end.
func FuzzPacketLoss(f *testing.F) {
	f.Add([]byte("abcdefgh"), uint16(0x1234))
	f.Add([]byte{0, 255, 3, 17, 200, 200, 200, 1}, uint16(0xffff))
	f.Fuzz(func(t *testing.T, arrivals []byte, marks uint16) {
		e := &effect{flow: connection(1), kind: KindPacketLoss}
		pattern := strings.Map(func(r rune) rune {
			if r == '1' {
				return 'x'
			}
			return '.'
		}, fmt.Sprintf("%b", marks))
		s := &recovery{effect: e, losses: scripted(t, pattern, 0.3), rtt: 50 * ms}
		var sent, got int
		var last time.Time
		var ended, reset bool
		next := func(c stream.Chunk) {
			if c.At.Before(last) || ended {
				t.Fatalf("goes on at %v after %v, ended %t", c.At, last, ended)
			}
			for i, b := range c.Bytes() {
				if b != byte(got+i) {
					t.Fatal("bytes out of order")
				}
			}
			last, ended, reset = c.At, c.End != stream.Open, c.End == stream.Rst
			got += c.Len()
			c.Release()
		}
		now := start
		for _, a := range arrivals {
			now = now.Add(time.Duration(a%16) * 20 * ms)
			data := make([]byte, int(a)*30)
			for i := range data {
				data[i] = byte(sent + i)
			}
			if at, ok := s.Wake(); ok && !at.After(now) {
				s.Tick(now, next)
			}
			if len(data) > 0 {
				s.Push(stream.NewChunk(now, data), next)
				sent += len(data)
			}
		}
		s.Push(stream.NewEnd(now, stream.Fin), next)
		for range 1000 {
			at, ok := s.Wake()
			if !ok {
				break
			}
			s.Tick(at, next)
		}
		if !ended || !reset && got != sent || len(s.held) > 0 {
			t.Fatalf("%d of %d bytes, ended %t, reset %t, %d held", got, sent, ended, reset, len(s.held))
		}
	})
}
