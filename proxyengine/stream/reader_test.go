package stream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// exchange is a reader whose source the test writes, in a synctest bubble.
type exchange struct {
	t      *testing.T
	plan   *plan
	src    net.Conn // the far end of the source
	r      *stream.Reader
	ctx    context.Context
	cancel context.CancelFunc
	start  time.Time
}

func newExchange(t *testing.T, o stream.Options, stages ...stream.Stage) *exchange {
	x := &exchange{t: t, plan: &plan{}, start: time.Now()}
	x.plan.set(nil, stages)
	near, far := net.Pipe()
	x.src = far
	x.ctx, x.cancel = context.WithCancel(t.Context())
	o.Clock = stream.Runtime()
	x.r = stream.NewReader(x.ctx, near, stream.Down, x.plan.path(), o)
	x.plan.poke = x.r.Poke
	t.Cleanup(func() {
		_ = x.r.Close()
		_ = far.Close()
		x.cancel()
	})
	return x
}

// send writes the parts, each in one write, and closes the source.
func (x *exchange) send(parts ...string) {
	go func() {
		for _, p := range parts {
			if _, err := io.WriteString(x.src, p); err != nil {
				return
			}
		}
		_ = x.src.Close()
	}()
}

func (x *exchange) expect(want string, after time.Duration) {
	x.t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(x.r, buf); err != nil || string(buf) != want {
		x.t.Fatalf("got %q, %v, want %q", buf, err, want)
	}
	x.elapsed(after)
}

func (x *exchange) elapsed(want time.Duration) {
	x.t.Helper()
	if got := time.Since(x.start); got != want {
		x.t.Fatalf("after %v, want %v", got, want)
	}
}

func (x *exchange) expectErr(want error, after time.Duration) {
	x.t.Helper()
	for range 2 { // it stays
		if n, err := x.r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, want) {
			x.t.Fatalf("read %d bytes, %v, want %v", n, err, want)
		}
	}
	x.elapsed(after)
}

func TestReaderWithoutStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, stream.Options{})
		if err := x.r.Head(100, true); err != nil {
			t.Fatal(err)
		}
		x.send("body")
		x.expect("body", 0)
		x.expectErr(io.EOF, 0)
	})
}

func TestReaderZeroPath(t *testing.T) {
	r := stream.NewReader(t.Context(), nil, stream.Up, stream.Path{}, stream.Options{})
	if err := r.Head(10, true); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = stream.NewReader(t.Context(), io.NopCloser(strings.NewReader("x")), stream.Up, stream.Path{}, stream.Options{})
	buf := make([]byte, 1)
	if allocs := testing.AllocsPerRun(100, func() { _, _ = r.Read(buf) }); allocs > 0 {
		t.Errorf("%v allocations in a read without stages", allocs)
	}
}

func TestReaderDelaysHeadAndBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		note := &spy{}
		x := newExchange(t, stream.Options{}, note, &delay{30 * ms})
		if err := x.r.Head(100, true); err != nil {
			t.Fatal(err)
		}
		x.elapsed(30 * ms)
		x.send("one", "two")
		x.expect("on", 60*ms) // a short read keeps the rest
		x.expect("etwo", 60*ms)
		x.expectErr(io.EOF, 60*ms)
		if c := note.seen[0]; c.n != 100 || !c.turn {
			t.Errorf("the stage saw the head as %+v", c)
		}
		if c := note.seen[1]; c.n != 3 || c.turn {
			t.Errorf("the stage saw the body as %+v", c)
		}
	})
}

func TestReaderHeadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, stream.Options{}, &cutter{size: 10, gap: ms})
		if err := x.r.Head(95, true); err != nil {
			t.Fatal(err)
		}
		x.elapsed(9 * ms)
	})
}

func TestReaderHeadInAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, stream.Options{}, &swallow{})
		time.AfterFunc(time.Minute, func() { x.plan.set(nil, nil) }) // too late for this exchange
		time.AfterFunc(time.Hour, x.cancel)
		if err := x.r.Head(95, true); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		x.elapsed(time.Hour)
	})
}

func TestReaderBodyInAHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, stream.Options{}, &swallow{})
		x.send("lost")
		time.AfterFunc(time.Minute, func() { x.plan.set(nil, nil) })
		time.AfterFunc(time.Hour, x.cancel)
		x.expectErr(context.Canceled, time.Hour)
	})
}

// TestReaderHoleEndsBeforeTheRest loses the first part; what the source sends later is passed on, by a read that was waiting.
func TestReaderHoleEndsBeforeTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, stream.Options{}, &swallow{})
		go func() {
			_, _ = io.WriteString(x.src, "lost")
			time.Sleep(time.Second)
			x.plan.set(nil, nil)
			_, _ = io.WriteString(x.src, "seen")
			time.Sleep(time.Second)
			_, _ = io.WriteString(x.src, "more")
			_ = x.src.Close()
		}()
		x.expect("seen", time.Second)
		x.expect("more", 2*time.Second)
		x.expectErr(io.EOF, 2*time.Second)
	})
}

func TestReaderStageEndsIt(t *testing.T) {
	for end, want := range map[stream.End]error{stream.Rst: stream.ErrReset, stream.Fin: io.EOF} {
		synctest.Test(t, func(t *testing.T) {
			x := newExchange(t, stream.Options{}, &ender{after: 3, end: end})
			x.send("abcdef")
			x.expect("abc", 0)
			x.expectErr(want, 0)
		})
	}
	for end, want := range map[stream.End]error{stream.Rst: stream.ErrReset, stream.Fin: io.ErrUnexpectedEOF} {
		synctest.Test(t, func(t *testing.T) {
			x := newExchange(t, stream.Options{}, &ender{after: 3, end: end})
			if err := x.r.Head(10, true); !errors.Is(err, want) {
				t.Fatal(err)
			}
		})
	}
}

// failing is a source that breaks.
type failing struct{ err error }

func (f failing) Read(p []byte) (int, error) { return copy(p, "part"), f.err }
func (f failing) Close() error               { return nil }

func TestReaderSourceFails(t *testing.T) {
	broken := errors.New("the source broke")
	for name, stages := range map[string][]stream.Stage{"raw": nil, "line": list(&delay{ms})} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &plan{}
				p.set(stages, nil)
				r := stream.NewReader(t.Context(), failing{broken}, stream.Up, p.path(), stream.Options{Clock: stream.Runtime()})
				got, err := io.ReadAll(r)
				if string(got) != "part" || !errors.Is(err, broken) {
					t.Fatalf("%q, %v", got, err)
				}
				_ = r.Close()
			})
		})
	}
}

// TestReaderLiveChange has a read blocked in the source when stages come, and one blocked on a delay when they go.
func TestReaderLiveChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, stream.Options{})
		go func() {
			time.Sleep(time.Second)
			x.plan.set(nil, list(&delay{10 * ms}))
			_, _ = io.WriteString(x.src, "one")
			time.Sleep(time.Second)
			x.plan.set(nil, list(&delay{time.Hour}))
			_, _ = io.WriteString(x.src, "two")
			time.Sleep(time.Second)
			x.plan.set(nil, nil)
			time.Sleep(time.Second)
			_, _ = io.WriteString(x.src, "three")
			_ = x.src.Close()
		}()
		x.expect("one", time.Second+10*ms)
		x.expect("two", 3*time.Second)
		x.expect("three", 4*time.Second)
		x.expectErr(io.EOF, 4*time.Second)
	})
}

func TestReaderCloseUnblocks(t *testing.T) {
	for name, stages := range map[string][]stream.Stage{
		"source": nil, "delay": list(&delay{time.Hour}), "hole": list(&swallow{}), "held": list(&hold{}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := stream.NewBudget(0)
				x := newExchange(t, stream.Options{Budget: budget}, stages...)
				if stages != nil {
					x.send(strings.Repeat("x", 1<<20))
				}
				done := make(chan error, 1)
				go func() {
					_, err := x.r.Read(make([]byte, 1))
					done <- err
				}()
				synctest.Wait()
				if err := x.r.Close(); err != nil {
					t.Error(err)
				}
				if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
					t.Error(err)
				}
				synctest.Wait()
				if used := budget.Used(); used != 0 {
					t.Errorf("%d bytes are still charged", used)
				}
				x.expectErr(io.ErrClosedPipe, 0)
			})
		})
	}
}

func TestReaderBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := stream.NewBudget(0)
		x := newExchange(t, stream.Options{Budget: budget}, &delay{time.Second})
		x.send(strings.Repeat("x", 1<<20))
		n, err := io.Copy(io.Discard, x.r)
		if n != 1<<20 || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		if x.plan.full[stream.Down].Load() == 0 || time.Since(x.start) < 8*time.Second || budget.Used() != 0 {
			t.Errorf("told %d times; took %v; %d bytes charged", x.plan.full[stream.Down].Load(), time.Since(x.start), budget.Used())
		}
	})
}
