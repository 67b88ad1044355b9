package stream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// rig is a relay between two pipes, with the runtime's clock, in a synctest bubble.
type rig struct {
	t                *testing.T
	plan             *plan
	client, upstream net.Conn // the far ends
	relay            *stream.Relay
	cancel           context.CancelFunc
	stats            chan stream.Stats
	start            time.Time
}

func newRig(t *testing.T, o stream.Options, up, down []stream.Stage) *rig {
	return rigOver(t, net.Pipe, o, up, down)
}

// newHalfRig is newRig with connections that can half-close.
func newHalfRig(t *testing.T, o stream.Options, up, down []stream.Stage) *rig {
	return rigOver(t, func() (net.Conn, net.Conn) {
		ar, aw := net.Pipe()
		br, bw := net.Pipe()
		return &duplex{Conn: ar, w: bw}, &duplex{Conn: br, w: aw}
	}, o, up, down)
}

// duplex is a connection made of a pipe for each direction.
type duplex struct {
	net.Conn // for reading
	w        net.Conn
}

func (d *duplex) Write(p []byte) (int, error)        { return d.w.Write(p) }
func (d *duplex) SetWriteDeadline(t time.Time) error { return d.w.SetWriteDeadline(t) }
func (d *duplex) CloseWrite() error                  { return d.w.Close() }
func (d *duplex) Close() error                       { return errors.Join(d.w.Close(), d.Conn.Close()) }

func rigOver(t *testing.T, pipe func() (net.Conn, net.Conn), o stream.Options, up, down []stream.Stage) *rig {
	g := &rig{t: t, plan: &plan{}, stats: make(chan stream.Stats, 1), start: time.Now()}
	var c, u net.Conn
	g.client, c = pipe()
	g.upstream, u = pipe()
	g.plan.set(up, down)
	if o.Clock.Now == nil {
		o.Clock = stream.Runtime()
	}
	g.relay = stream.NewRelay(c, u, g.plan.path(), o)
	g.plan.poke = g.relay.Poke
	ctx, cancel := context.WithCancel(t.Context())
	g.cancel = cancel
	go func() { g.stats <- g.relay.Run(ctx) }()
	return g
}

// end closes the far ends and returns what the relay said.
func (g *rig) end() stream.Stats {
	g.t.Helper()
	_ = g.client.Close()
	_ = g.upstream.Close()
	s := <-g.stats
	g.cancel()
	return s
}

func (g *rig) send(c net.Conn, s string) {
	g.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		g.t.Fatalf("write %q: %v", s, err)
	}
}

// expect reads want, and checks when it came.
func (g *rig) expect(c net.Conn, want string, after time.Duration) {
	g.t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(c, buf); err != nil {
		g.t.Fatalf("read %q: %v", want, err)
	}
	if string(buf) != want {
		g.t.Fatalf("got %q, want %q", buf, want)
	}
	if got := time.Since(g.start); got != after {
		g.t.Fatalf("%q came after %v, want %v", want, got, after)
	}
}

func (g *rig) expectSilence(c net.Conn, d time.Duration) {
	g.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(d))
	var b [1]byte
	if n, err := c.Read(b[:]); n > 0 || !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
		g.t.Fatalf("read %d bytes, %v; want nothing for %v", n, err, d)
	}
	_ = c.SetReadDeadline(time.Time{})
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

const ms = time.Millisecond

func TestRawPassesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{Early: []byte("early ")}, nil, nil)
		g.expect(g.upstream, "early ", 0)
		g.send(g.client, "ping")
		g.expect(g.upstream, "ping", 0)
		time.Sleep(time.Second)
		g.send(g.upstream, "pong")
		g.expect(g.client, "pong", time.Second)
		s := g.end()
		if s.Up != 10 || s.Down != 4 || s.Err != nil || s.FirstDown.Sub(g.start) != time.Second {
			t.Fatalf("stats %+v", s)
		}
	})
}

func TestDelayIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{}, list(&delay{30 * ms}), list(&delay{50 * ms}, &delay{7 * ms}))
		g.send(g.client, "a")
		time.Sleep(10 * ms)
		g.send(g.client, "b") // chunks are propagated, not serialised
		g.expect(g.upstream, "a", 30*ms)
		g.expect(g.upstream, "b", 40*ms)
		g.send(g.upstream, "c")
		g.expect(g.client, "c", 97*ms)
		if s := g.end(); s.Up != 2 || s.Down != 1 || s.Err != nil {
			t.Fatalf("stats %+v", s)
		}
	})
}

func TestEarlyBytesPassTheStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{Early: []byte("hello")}, list(&delay{30 * ms}), nil)
		g.expect(g.upstream, "hello", 30*ms)
		g.end()
	})
}

// TestEndKeepsItsPlace closes the client behind bytes that are still on their way.
func TestEndKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{}, list(&delay{30 * ms}), nil)
		g.send(g.client, "last words")
		_ = g.client.Close()
		g.expect(g.upstream, "last words", 30*ms)
		if _, err := g.upstream.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(g.start) != 30*ms {
			t.Fatalf("%v after %v", err, time.Since(g.start))
		}
		if s := <-g.stats; s.Err != nil {
			t.Fatalf("stats %+v", s)
		}
	})
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up, down := &spy{}, &spy{}
		g := newRig(t, stream.Options{}, nil, list(down))
		say := func(from, to net.Conn, s string) {
			g.send(from, s)
			g.expect(to, s, 0)
		}
		say(g.client, g.upstream, "q1") // raw: counts all the same
		say(g.upstream, g.client, "a1")
		say(g.upstream, g.client, "a2")
		g.plan.set(list(up), list(down))
		say(g.client, g.upstream, "q2")
		say(g.client, g.upstream, "q3")
		say(g.upstream, g.client, "a3")
		g.end()
		if u := turns(up); u != "TF" {
			t.Errorf("up %s", u)
		}
		if d := turns(down); d != "TFT" {
			t.Errorf("down %s", d)
		}
	})
}

func turns(s *spy) (out string) {
	for _, c := range s.seen {
		switch {
		case c.n == 0:
		case c.turn:
			out += "T"
		default:
			out += "F"
		}
	}
	return out
}

func TestHoleSwallowsThenLingers(t *testing.T) {
	for _, dir := range []stream.Dir{stream.Up, stream.Down} {
		synctest.Test(t, func(t *testing.T) {
			hole := &swallow{}
			var stages [2][]stream.Stage
			stages[dir] = list(hole)
			g := newRig(t, stream.Options{Linger: 20 * time.Second}, stages[0], stages[1])
			from, to := g.client, g.upstream
			if dir == stream.Down {
				from, to = to, from
			}
			g.send(from, "lost")
			g.expectSilence(to, time.Hour) // connections stay open as long as both owners want
			g.send(from, "lost")
			_ = from.Close()
			g.expectSilence(to, 19*time.Second)
			if _, err := to.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(g.start) != time.Hour+20*time.Second {
				t.Fatalf("%v after %v", err, time.Since(g.start))
			}
			s := <-g.stats
			if !errors.Is(s.Err, stream.ErrLinger) || s.Up+s.Down != 0 || hole.bytes != 8 || hole.ends != 1 {
				t.Fatalf("stats %+v, hole %+v", s, hole)
			}
		})
	}
}

// TestLingerWaitsForTheOtherDirection half-closes into a hole while an answer is still streaming.
func TestLingerWaitsForTheOtherDirection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newHalfRig(t, stream.Options{Linger: 10 * time.Second}, list(&swallow{}), nil)
		_ = g.client.(*duplex).CloseWrite()
		for i := range 10 {
			time.Sleep(9 * time.Second)
			g.send(g.upstream, "more")
			g.expect(g.client, "more", time.Duration(i+1)*9*time.Second)
		}
		_, err := g.client.Read(make([]byte, 1))
		if after := time.Since(g.start); !errors.Is(err, io.EOF) || after < 100*time.Second || after > 110*time.Second {
			t.Fatalf("%v after %v", err, after)
		}
		if s := g.end(); !errors.Is(s.Err, stream.ErrLinger) {
			t.Fatalf("stats %+v", s)
		}
	})
}

// TestHalfClose lets an answer come long after the question has ended, raw and delayed.
func TestHalfClose(t *testing.T) {
	for name, stages := range map[string][]stream.Stage{"raw": nil, "line": list(&delay{20 * ms})} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				late := time.Duration(len(stages)) * 20 * ms
				g := newHalfRig(t, stream.Options{}, stages, nil)
				g.send(g.client, "question")
				_ = g.client.(*duplex).CloseWrite()
				g.expect(g.upstream, "question", late)
				if _, err := g.upstream.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(g.start) != late {
					t.Fatalf("%v after %v", err, time.Since(g.start))
				}
				time.Sleep(time.Hour)
				g.send(g.upstream, "answer")
				g.expect(g.client, "answer", time.Hour+late)
				_ = g.upstream.(*duplex).CloseWrite()
				if _, err := g.client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				if s := <-g.stats; s.Err != nil {
					t.Fatalf("stats %+v", s)
				}
			})
		})
	}
}

// TestLiveChange toggles stages while the relay is blocked in reads.
func TestLiveChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{}, nil, nil)
		say := func(s string, after time.Duration) {
			g.t.Helper()
			g.start = time.Now()
			g.send(g.client, s)
			g.expect(g.upstream, s, after)
		}
		for range 3 {
			say("raw", 0)
			synctest.Wait() // blocked in the read again
			g.plan.set(list(&delay{10 * ms}), nil)
			say("late", 10*ms)
			g.plan.set(list(&delay{20 * ms}, &delay{1 * ms}), nil)
			say("later", 21*ms)
			g.plan.set(nil, nil)
			synctest.Wait()
			say("raw", 0)
		}
		g.relay.Poke() // with nothing changed
		say("raw", 0)
		g.end()
	})
}

// TestChangeGovernsBytesReadAfterIt changes the generation without any poke: what is read next must see it.
func TestChangeGovernsBytesReadAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{}, nil, nil)
		g.plan.poke = nil
		synctest.Wait()
		g.plan.set(list(&delay{10 * ms}), nil)
		g.send(g.client, "x")
		g.expect(g.upstream, "x", 10*ms)
		g.end()
	})
}

func TestQueuedChunksAreReDued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &delay{100 * ms}
		g := newRig(t, stream.Options{}, list(first), nil)
		g.send(g.client, "x")
		time.Sleep(10 * ms)
		// The draw of the stage that stays is kept, the new one's is added: to the arrival, not to now.
		g.plan.set(list(first, &delay{50 * ms}), nil)
		synctest.Wait()
		first.d = 0
		time.Sleep(10 * ms)
		g.send(g.client, "y") // would be due at 70: order is kept
		g.expect(g.upstream, "xy", 150*ms)

		g.start = time.Now()
		g.send(g.client, "z")
		synctest.Wait()
		time.Sleep(20 * ms)
		g.plan.set(nil, nil)
		g.expect(g.upstream, "z", 20*ms)

		g.start = time.Now()
		hole := &swallow{}
		g.plan.set(list(&delay{100 * ms}), nil)
		g.send(g.client, "lost")
		synctest.Wait()
		g.plan.set(list(hole), nil)
		g.expectSilence(g.upstream, time.Second)
		g.end()
		if hole.bytes != 4 {
			t.Fatalf("hole %+v", hole)
		}
	})
}

// TestHolderIsFlushedWhenItLeaves withholds bytes for the time of an outage.
func TestHolderIsFlushedWhenItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := &delay{10 * ms}
		g := newRig(t, stream.Options{}, list(&hold{}, late), nil)
		g.send(g.client, "one ")
		g.send(g.client, "two")
		time.Sleep(time.Minute)
		g.plan.set(list(late), nil)
		g.expect(g.upstream, "one two", time.Minute+10*ms)
		g.end()
	})
}

// TestWakerWithAnEmptyQueue lets a stage act when nothing else happens.
func TestWakerWithAnEmptyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{}, list(&hold{until: time.Now().Add(40 * ms)}, &delay{5 * ms}), nil)
		g.send(g.client, "held")
		g.expect(g.upstream, "held", 45*ms)
		g.end()
	})
}

func TestCutChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{}, list(&cutter{size: 2, gap: 10 * ms}, &delay{5 * ms}), nil)
		g.send(g.client, "abcde")
		g.expect(g.upstream, "ab", 5*ms)
		g.expect(g.upstream, "cd", 15*ms)
		g.expect(g.upstream, "e", 25*ms)
		g.end()
	})
}

func TestStageEndsTheStream(t *testing.T) {
	for _, end := range []stream.End{stream.Fin, stream.Rst} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, stream.Options{}, nil, list(&ender{after: 3, end: end}))
			g.send(g.upstream, "abcdef")
			g.expect(g.client, "abc", 0)
			if _, err := g.client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			s := g.end()
			if s.Down != 3 || errors.Is(s.Err, stream.ErrReset) != (end == stream.Rst) {
				t.Fatalf("stats %+v", s)
			}
		})
	}
}

func TestBudgetStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := stream.NewBudget(0) // the floor is left
		g := newRig(t, stream.Options{Budget: budget}, list(&hold{}), nil)
		sent := make(chan int, 1)
		go func() {
			n := 0
			for {
				if _, err := g.client.Write(make([]byte, 4<<10)); err != nil {
					sent <- n
					return
				}
				n += 4 << 10
			}
		}()
		synctest.Wait()
		if used := budget.Used(); used < 64<<10 || used > 128<<10 {
			t.Errorf("%d bytes are kept", used)
		}
		if got := g.plan.full[stream.Up].Load(); got != 1 {
			t.Errorf("told %d times that it is full", got)
		}
		// The other direction and other flows have their floor.
		g.send(g.upstream, "answer")
		g.expect(g.client, "answer", 0)
		// Room comes back with the stage's leaving.
		got := make(chan int64)
		go func() {
			n, _ := io.CopyN(io.Discard, g.upstream, 1<<20)
			got <- n
		}()
		g.plan.set(list(&delay{ms}), nil)
		if n := <-got; n != 1<<20 {
			t.Errorf("%d bytes came", n)
		}
		g.end()
		<-sent
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes are still charged", used)
		}
	})
}

// TestBudgetIsReturnedByAbort cancels a relay that waits for room, with bytes in a stage that never gives them back.
func TestBudgetIsReturnedByAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := stream.NewBudget(0)
		g := newRig(t, stream.Options{Budget: budget}, list(&hold{}), nil)
		go func() {
			_, _ = g.client.Write(make([]byte, 1<<20))
		}()
		synctest.Wait()
		g.cancel()
		if s := <-g.stats; !errors.Is(s.Err, context.Canceled) || budget.Used() != 0 {
			t.Fatalf("stats %+v, %d bytes charged", s, budget.Used())
		}
	})
}

// TestCancelWhileBlocked cancels with reads, raw writes and delayed writes that nobody takes.
func TestCancelWhileBlocked(t *testing.T) {
	for name, stages := range map[string][]stream.Stage{"raw": nil, "line": list(&delay{ms}), "hole": list(&swallow{})} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, stream.Options{}, stages, nil)
				go func() { _, _ = g.client.Write(make([]byte, 1<<20)) }()
				time.Sleep(time.Second)
				g.plan.set(list(&delay{time.Second}), nil) // a change does not interrupt a write
				synctest.Wait()
				g.cancel()
				if s := <-g.stats; !errors.Is(s.Err, context.Canceled) {
					t.Fatalf("stats %+v", s)
				}
				if _, err := g.upstream.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestSameStageComesBack removes a stage and puts the very instance back: what is queued must meet it anew.
func TestSameStageComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &delay{100 * ms}, &delay{50 * ms}
		g := newRig(t, stream.Options{}, list(a, b), nil)
		g.send(g.client, "x")
		synctest.Wait()
		g.plan.set(list(b), nil)
		synctest.Wait()
		a.d = 200 * ms
		g.plan.set(list(a, b), nil)
		g.expect(g.upstream, "x", 250*ms)
		g.end()
	})
}
