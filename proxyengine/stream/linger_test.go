package stream_test

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// lid is a hole that says so, and that keeps nothing while nothing comes.
type lid struct {
	swallow
	open atomic.Bool
}

func (s *lid) Blocked() bool { return !s.open.Load() }
func (s *lid) Push(c stream.Chunk, next func(stream.Chunk)) {
	if s.open.Load() {
		next(c)
		return
	}
	s.swallow.Push(c, next)
}

// replacer lets other chunks go on than it was given.
type replacer struct{}

func (*replacer) Push(c stream.Chunk, next func(stream.Chunk)) {
	if c.End != stream.Open {
		next(c)
		return
	}
	next(stream.NewChunk(c.At, append([]byte(nil), c.Bytes()...)))
	c.Release()
}

// TestClosedConnectionIsReleasedFromHole closes the client while nothing of the answer can arrive: the end of the requests is
// delivered, so nothing but time tells that nobody waits any more.
func TestClosedConnectionIsReleasedFromHole(t *testing.T) {
	const linger = 20 * time.Second
	for name, c := range map[string]struct {
		stage  stream.Stage
		before bool // something is swallowed before the client closes
		every  time.Duration
		want   time.Duration

		arrives int
	}{
		"pouring into the hole":            {&swallow{}, true, 100 * ms, linger, 0},
		"silent hole, then pouring":        {&swallow{}, false, 100 * ms, 2 * linger, 0},
		"silent upstream, gapped":          {&swallow{}, true, 0, linger, 0},
		"silent upstream, declared hole":   {&lid{}, false, 0, linger, 0},
		"pouring into a declared hole":     {&lid{}, false, time.Second, linger, 0},
		"all was said, pouring all longer": {&ender{after: 1, end: stream.Fin}, true, time.Second, linger, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newHalfRig(t, stream.Options{Linger: linger}, nil, list(c.stage))
				g.send(g.client, "request")
				g.expect(g.upstream, "request", 0)
				if c.before {
					g.send(g.upstream, "answer")
				}
				if c.arrives > 0 {
					g.expect(g.client, "answer"[:c.arrives], 0)
				}
				time.Sleep(time.Second)
				closed := time.Now()
				_ = g.client.Close()
				if _, err := g.upstream.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Fatalf("the upstream reads %v, want the end", err)
				}
				for c.every > 0 {
					if _, err := io.WriteString(g.upstream, "x"); err != nil {
						break
					}
					time.Sleep(c.every)
				}
				s := <-g.stats
				if took := time.Since(closed); took < c.want || took > c.want+c.every {
					t.Errorf("released after %s, want %s", took, c.want)
				}
				if !errors.Is(s.Err, stream.ErrLinger) {
					t.Errorf("stats %+v", s)
				}
				g.end0()
			})
		})
	}
}

// end0 is end for a relay that has ended already.
func (g *rig) end0() {
	_ = g.upstream.Close()
	g.cancel()
}

// TestHalfClosedClientWaits closes only its sending half, and waits much longer than the linger time for an answer that can come.
func TestHalfClosedClientWaits(t *testing.T) {
	const linger = 20 * time.Second
	shut := &lid{}
	for name, c := range map[string]struct {
		stage stream.Stage
		late  time.Duration
		act   func()
	}{
		"no stage":                   {nil, 0, nil},
		"a delay":                    {&delay{time.Second}, time.Second, nil},
		"a delay beyond the linger":  {&delay{90 * time.Second}, 90 * time.Second, nil},
		"a stage that replaces":      {&replacer{}, 0, nil},
		"a hole that ends unnoticed": {shut, 0, func() { time.Sleep(linger - time.Second); shut.open.Store(true) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var down []stream.Stage
				if c.stage != nil {
					down = list(c.stage)
				}
				g := newHalfRig(t, stream.Options{Linger: linger}, nil, down)
				if c.act == nil {
					g.send(g.upstream, "hello")
					g.expect(g.client, "hello", c.late)
				}
				begin := time.Now()
				if err := g.client.(*duplex).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if c.act != nil {
					c.act()
				}
				time.Sleep(time.Hour - time.Since(begin))
				g.send(g.upstream, "answer")
				g.start = begin
				g.expect(g.client, "answer", time.Hour+c.late)
				_ = g.upstream.Close()
				if s := <-g.stats; s.Err != nil {
					t.Errorf("stats %+v", s)
				}
				_ = g.client.Close()
				g.cancel()
			})
		})
	}
}
