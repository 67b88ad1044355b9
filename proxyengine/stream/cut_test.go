package stream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// Both sides of a connection that is cut are told at once, behind what was delivered, and what they still say is heard by nobody.
func TestCutClosesBothSides(t *testing.T) {
	for name, up := range map[string][]stream.Stage{"other direction raw": nil, "other direction staged": list(&delay{5 * ms})} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newHalfRig(t, stream.Options{}, up, list(&ender{after: 3, end: stream.Cut}, &delay{20 * ms}))
				g.send(g.upstream, "answer")
				g.expect(g.client, "ans", 20*ms)
				for _, side := range []net.Conn{g.client, g.upstream} {
					if n, err := side.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) || time.Since(g.start) != 20*ms {
						t.Errorf("a side reads %d bytes, %v after %s", n, err, time.Since(g.start))
					}
				}
				g.send(g.client, "who is there?")
				g.send(g.upstream, "more")
				s := <-g.stats
				if took := time.Since(g.start); took != time.Second+20*ms {
					t.Errorf("closed after %s", took)
				}
				if s.Up != 0 || s.Down != 3 || !errors.Is(s.Err, stream.ErrCut) {
					t.Errorf("stats %+v", s)
				}
				g.end0()
			})
		})
	}
}

// A connection whose peers close it does not wait.
func TestCutEndsWithItsPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newHalfRig(t, stream.Options{}, nil, list(&ender{after: 3, end: stream.Cut}))
		g.send(g.upstream, "answer")
		g.expect(g.client, "ans", 0)
		_ = g.client.Close()
		_ = g.upstream.Close()
		if s := <-g.stats; time.Since(g.start) != 0 || !errors.Is(s.Err, stream.ErrCut) {
			t.Errorf("closed after %s, stats %+v", time.Since(g.start), s)
		}
		g.end0()
	})
}

func TestCutReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, stream.Options{}, &ender{after: 12, end: stream.Cut})
		x.send("body and more")
		if err := x.r.Head(10, true); err != nil {
			t.Fatal(err)
		}
		x.expect("bo", 0)
		x.expectErr(stream.ErrCut, 0)
		y := newExchange(t, stream.Options{}, &ender{after: 5, end: stream.Cut})
		if err := y.r.Head(10, true); !errors.Is(err, stream.ErrCut) {
			t.Errorf("a head that is cut: %v", err)
		}
	})
}

// Bytes that go apart are not written together, even when they are due at the same time.
func TestApartIsWrittenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, stream.Options{}, list(&apart{size: 2}), nil)
		g.send(g.client, "abcde")
		for _, want := range []string{"ab", "cd", "e"} {
			buf := make([]byte, 10)
			if n, err := g.upstream.Read(buf); string(buf[:n]) != want || err != nil {
				t.Errorf("%q, %v; want %q", buf[:n], err, want)
			}
		}
		g.end()
	})
}

// apart cuts what it is given, and marks the pieces.
type apart struct{ size int }

func (s *apart) Push(c stream.Chunk, next func(stream.Chunk)) {
	for c.Len() > 0 {
		var head stream.Chunk
		head, c = c.Cut(s.size)
		head.Apart = true
		next(head)
	}
}

// A relay whose context says so ends with a reset that the client sees, over TCP.
func TestResetByContext(t *testing.T) {
	client, clientSide := tcpPair(t)
	upstream, upstreamSide := tcpPair(t)
	defer client.Close()
	defer upstream.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	stats := make(chan stream.Stats, 1)
	go func() { stats <- stream.NewRelay(clientSide, upstreamSide, stream.Path{}, stream.Options{}).Run(ctx) }()
	if _, err := io.WriteString(client, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(upstream, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel(stream.ErrReset)
	for _, side := range []net.Conn{client, upstream} {
		if _, err := side.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a side reads %v, want a reset", err)
		}
	}
	if s := <-stats; !errors.Is(s.Err, stream.ErrReset) {
		t.Errorf("stats %+v", s)
	}
}
