package stream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fault-project/fault/proxyengine/stream"
)

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a = dial(t, l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, c.(*net.TCPConn)
}

// tcpRig is a relay between TCP connections with the clock of production.
type tcpRig struct {
	client, upstream *net.TCPConn // the far ends
	plan             *plan
	relay            *stream.Relay
	stats            chan stream.Stats
}

func newTCPRig(t *testing.T, o stream.Options) *tcpRig {
	t.Helper()
	g := &tcpRig{plan: &plan{}, stats: make(chan stream.Stats, 1)}
	var c, u *net.TCPConn
	g.client, c = tcpPair(t)
	g.upstream, u = tcpPair(t)
	g.relay = stream.NewRelay(c, u, g.plan.path(), o)
	g.plan.poke = g.relay.Poke
	go func() { g.stats <- g.relay.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = g.client.Close()
		_ = g.upstream.Close()
	})
	return g
}

// pour writes n pseudo-random bytes in writes of random sizes, half-closes, and returns their hash.
func pour(c net.Conn, n int, seed uint64) ([]byte, error) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var key [32]byte
	key[0] = byte(seed)
	src := rand.NewChaCha8(key)
	sum := sha256.New()
	buf := make([]byte, 256<<10)
	for n > 0 {
		part := buf[:min(n, 1+rnd.IntN(len(buf)))]
		_, _ = src.Read(part)
		sum.Write(part)
		if _, err := c.Write(part); err != nil {
			return nil, err
		}
		n -= len(part)
	}
	return sum.Sum(nil), c.(interface{ CloseWrite() error }).CloseWrite()
}

// TestBulkKeepsItsBytesWhileStagesChange moves megabytes both ways while stages come and go every few milliseconds.
func TestBulkKeepsItsBytesWhileStagesChange(t *testing.T) {
	const size = 48 << 20
	for _, change := range []bool{false, true} {
		g := newTCPRig(t, stream.Options{Budget: stream.NewBudget(8 << 20)})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		if change {
			wg.Go(func() { toggle(g.plan, stop) })
		}
		var sums [2][]byte
		var got [2][]byte
		var moving sync.WaitGroup
		for d, pair := range [2][2]net.Conn{{g.client, g.upstream}, {g.upstream, g.client}} {
			moving.Go(func() {
				sum, err := pour(pair[0], size, uint64(d))
				if err != nil {
					t.Error(err)
				}
				sums[d] = sum
			})
			moving.Go(func() {
				sum := sha256.New()
				if n, err := io.Copy(sum, pair[1]); err != nil || n != size {
					t.Errorf("%d bytes, %v", n, err)
				}
				got[d] = sum.Sum(nil)
			})
		}
		moving.Wait()
		close(stop)
		wg.Wait()
		for d := range sums {
			if !bytes.Equal(sums[d], got[d]) {
				t.Errorf("changing %v, direction %d: other bytes came than were sent", change, d)
			}
		}
		if s := <-g.stats; s.Err != nil || s.Up != size || s.Down != size {
			t.Errorf("stats %+v", s)
		}
	}
}

// toggle changes the stages of both directions every few milliseconds.
func toggle(p *plan, stop <-chan struct{}) {
	rnd := rand.New(rand.NewPCG(7, 7))
	keep := [2]*delay{{2 * time.Millisecond}, {3 * time.Millisecond}}
	for i := uint64(0); ; i++ {
		var lists [2][]stream.Stage
		for d := range lists {
			for range rnd.IntN(3) {
				switch rnd.IntN(3) {
				case 0:
					lists[d] = append(lists[d], &delay{time.Duration(rnd.IntN(3000)) * time.Microsecond})
				case 1:
					lists[d] = append(lists[d], &jumble{whole: 8 << 10, rnd: rand.New(rand.NewPCG(i, uint64(d)))})
				case 2:
					lists[d] = append(lists[d], &hold{})
				}
			}
			if rnd.IntN(2) == 0 {
				lists[d] = append(lists[d], keep[d])
			}
		}
		if i%3 == 0 {
			lists = [2][]stream.Stage{}
		}
		p.set(lists[0], lists[1])
		select {
		case <-stop:
			p.set(nil, nil)
			return
		case <-time.After(time.Duration(1+rnd.IntN(4)) * time.Millisecond):
		}
	}
}

// TestResetTravels resets one side, idle and after data, raw and delayed: the other side must see a reset, not an end.
func TestResetTravels(t *testing.T) {
	for name, stages := range map[string][2][]stream.Stage{
		"raw":  {},
		"line": {list(&delay{time.Millisecond}), list(&delay{time.Millisecond})},
	} {
		for _, from := range []string{"client", "upstream"} {
			t.Run(name+"/"+from, func(t *testing.T) {
				g := newTCPRig(t, stream.Options{})
				g.plan.set(stages[0], stages[1])
				a, b := g.client, g.upstream
				if from == "upstream" {
					a, b = b, a
				}
				if _, err := a.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(b, make([]byte, 5)); err != nil {
					t.Fatal(err)
				}
				_ = a.SetLinger(0)
				_ = a.Close()
				if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the other side saw %v", err)
				}
				if s := <-g.stats; !errors.Is(s.Err, syscall.ECONNRESET) {
					t.Errorf("stats %+v", s)
				}
			})
		}
	}
}

// TestResetOfABlockedWriter resets the receiver while the relay cannot write to it.
func TestResetOfABlockedWriter(t *testing.T) {
	for name, stages := range map[string][]stream.Stage{"raw": nil, "line": list(&delay{time.Millisecond})} {
		t.Run(name, func(t *testing.T) {
			g := newTCPRig(t, stream.Options{Budget: stream.NewBudget(1 << 20)})
			g.plan.set(stages, nil)
			wrote := make(chan error, 1)
			go func() {
				_, err := g.client.Write(make([]byte, 64<<20))
				wrote <- err
			}()
			if _, err := io.ReadFull(g.upstream, make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
			_ = g.upstream.SetLinger(0)
			_ = g.upstream.Close()
			if err := <-wrote; err == nil {
				t.Error("the sender did not notice")
			}
			if s := <-g.stats; s.Err == nil {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// TestStageResetReachesBothSockets injects a reset.
func TestStageResetReachesBothSockets(t *testing.T) {
	g := newTCPRig(t, stream.Options{})
	g.plan.set(nil, list(&ender{after: 2, end: stream.Rst}))
	if _, err := g.upstream.Write([]byte("abcd")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{g.client, g.upstream} {
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("saw %v", err)
		}
	}
	if s := <-g.stats; !errors.Is(s.Err, stream.ErrReset) {
		t.Errorf("stats %+v", s)
	}
}

// TestTLS relays over a TLS connection, which is neither spliced nor waited for: its reads are interrupted all the same.
func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	near, far := tcpPair(t)
	upstream := tls.Server(far, &tls.Config{Certificates: server.TLS.Certificates})
	dialed := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- upstream.Handshake() }()
	if err := errors.Join(dialed.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	client, c := tcpPair(t)
	p := &plan{}
	relay := stream.NewRelay(c, dialed, p.path(), stream.Options{})
	p.poke = relay.Poke
	stats := make(chan stream.Stats, 1)
	go func() { stats <- relay.Run(context.Background()) }()

	const size = 4 << 20
	for round := range 20 {
		want := bytes.Repeat([]byte{byte(round)}, size/20)
		go func() { _, _ = client.Write(want) }()
		echo := make([]byte, len(want))
		if _, err := io.ReadFull(upstream, echo); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = upstream.Write(echo) }()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(client, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("other bytes came back")
		}
		if round%2 == 0 {
			p.set(list(&delay{time.Millisecond}), list(&delay{time.Millisecond}))
		} else {
			p.set(nil, nil)
		}
	}
	_ = client.CloseWrite()
	if _, err := upstream.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("upstream saw %v", err)
	}
	_ = upstream.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("client saw %v", err)
	}
	if s := <-stats; s.Err != nil {
		t.Errorf("stats %+v", s)
	}
}

// TestSpliceIsUsed looks, while bulk is moving, whether its direction splices.
func TestSpliceIsUsed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("splice is a system call of Linux")
	}
	g := newTCPRig(t, stream.Options{})
	const size = 64 << 20
	go func() { _, _ = pour(g.client, size, 1) }()
	used := false
	for range size >> 20 {
		if _, err := io.CopyN(io.Discard, g.upstream, 1<<20); err != nil {
			t.Fatal(err)
		}
		used = used || stream.Splicing() > 0
	}
	if !used {
		t.Error("bulk was not spliced")
	}
	if n, err := io.Copy(io.Discard, g.upstream); err != nil || n != 0 {
		t.Errorf("%d bytes more, %v", n, err)
	}
	_ = g.upstream.Close()
	<-g.stats
	if n := stream.Splicing(); n != 0 {
		t.Errorf("%d directions still count as splicing", n)
	}
}

// TestNothingIsLeft looks for goroutines and descriptors after many connections with and without faults.
func TestNothingIsLeft(t *testing.T) {
	stream.Precise() // opens the process's timerfd
	settle := func() int {
		runtime.GC() // pipes of former splices are closed by finalizers
		runtime.GC()
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(fds)
	}
	ignore := goleak.IgnoreCurrent()
	before := settle()
	ends := []func(*tcpRig){
		func(g *tcpRig) { _ = g.client.Close() },
		func(g *tcpRig) { _ = g.upstream.CloseWrite() },
		func(g *tcpRig) { _ = g.client.SetLinger(0); _ = g.client.Close() },
		func(g *tcpRig) { _ = g.client.Close(); _ = g.upstream.Close() },
	}
	for round := range 50 {
		var wg sync.WaitGroup
		for i := range 20 {
			g := newTCPRig(t, stream.Options{Linger: time.Millisecond})
			wg.Go(func() {
				switch i % 4 {
				case 1:
					g.plan.set(list(&delay{time.Millisecond}), list(&hold{}))
				case 2:
					g.plan.set(list(&swallow{}), nil)
				case 3:
					g.plan.set(list(&delay{time.Millisecond}), nil)
					g.plan.set(nil, nil)
				}
				_, _ = g.client.Write(make([]byte, 1000))
				_, _ = g.upstream.Write(make([]byte, 1000))
				ends[(round+i/4)%len(ends)](g)
				_ = g.upstream.Close()
				_ = g.client.Close()
				<-g.stats
			})
		}
		wg.Wait()
	}
	goleak.VerifyNone(t, ignore)
	for range 100 { // finalizers run in their own time
		if settle() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d descriptors before, %d after", before, settle())
}
