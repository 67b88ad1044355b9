package stream_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// copyBoth is what any proxy is measured against: io.Copy both ways.
func copyBoth(client, upstream net.Conn) {
	var wg sync.WaitGroup
	for _, pair := range [][2]net.Conn{{upstream, client}, {client, upstream}} {
		wg.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].(*net.TCPConn).CloseWrite()
		})
	}
	wg.Wait()
	_ = client.Close()
	_ = upstream.Close()
}

func relayWith(path func() stream.Path, clock stream.Clock) func(client, upstream net.Conn) {
	return func(client, upstream net.Conn) {
		stream.NewRelay(client, upstream, path(), stream.Options{Clock: clock}).Run(context.Background())
	}
}

func noFault() stream.Path { return stream.Path{} }

func delayedDown(d time.Duration) func() stream.Path {
	return func() stream.Path {
		down := []stream.Stage{&delay{d}}
		return stream.Path{Stages: func(d stream.Dir) []stream.Stage {
			if d == stream.Up {
				return nil
			}
			return down
		}}
	}
}

// proxy listens and hands each pair of connections to serve.
func proxy(tb testing.TB, upstream string, serve func(client, upstream net.Conn)) string {
	return listen(tb, func(c net.Conn) {
		u, err := net.Dial("tcp", upstream)
		if err != nil {
			tb.Error(err)
			_ = c.Close()
			return
		}
		serve(c, u)
	})
}

func listen(tb testing.TB, serve func(net.Conn)) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(c) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func dial(tb testing.TB, addr string) *net.TCPConn {
	tb.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	return c.(*net.TCPConn)
}

var contenders = []struct {
	name  string
	serve func(client, upstream net.Conn)
}{
	{"io.Copy", copyBoth},
	{"relay", relayWith(noFault, stream.Precise())},
}

func BenchmarkRelayBulk(b *testing.B) {
	for _, conns := range []int{1, 8} {
		for _, c := range contenders {
			b.Run(fmt.Sprintf("%s/%d", c.name, conns), func(b *testing.B) { bulk(b, conns, c.serve) })
		}
	}
}

func BenchmarkRelayBulkDelayed(b *testing.B) {
	bulk(b, 1, relayWith(delayedDown(100*time.Millisecond), stream.Precise()))
}

// bulk downloads 1 MiB per iteration and connection.
func bulk(b *testing.B, conns int, serve func(client, upstream net.Conn)) {
	total := int64(b.N) << 20
	source := listen(b, func(c net.Conn) {
		buf := make([]byte, 256<<10)
		for left := total; left > 0; left -= int64(len(buf)) {
			if _, err := c.Write(buf[:min(left, int64(len(buf)))]); err != nil {
				b.Error(err)
				break
			}
		}
		_ = c.Close()
	})
	addr := proxy(b, source, serve)
	b.SetBytes(int64(conns) << 20)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c := dial(b, addr)
			defer c.Close()
			buf := make([]byte, 256<<10)
			var got int64
			for {
				n, err := c.Read(buf)
				got += int64(n)
				if err != nil {
					break
				}
			}
			if got != total {
				b.Errorf("%d of %d bytes", got, total)
			}
		})
	}
	wg.Wait()
}

func BenchmarkRelayRTT(b *testing.B) {
	for _, c := range contenders {
		b.Run(c.name, func(b *testing.B) { b.ReportMetric(roundTrips(b, b.N, c.serve).Seconds()*1e6, "p50-µs") })
	}
}

// BenchmarkLatencyError reports how late a chunk is beyond its delay, less the round trip without any.
func BenchmarkLatencyError(b *testing.B) {
	base := roundTrips(b, 2000, relayWith(noFault, stream.Precise()))
	for _, c := range []struct {
		name  string
		clock stream.Clock
	}{{"runtime", stream.Runtime()}, {"precise", stream.Precise()}} {
		for _, d := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond} {
			b.Run(fmt.Sprintf("%s/%v", c.name, d), func(b *testing.B) {
				late := roundTrips(b, b.N, relayWith(delayedDown(d), c.clock)) - d - base
				b.ReportMetric(late.Seconds()*1e6, "late-p50-µs")
			})
		}
	}
}

// roundTrips returns the median of n round trips of 64 bytes.
func roundTrips(b *testing.B, n int, serve func(client, upstream net.Conn)) time.Duration {
	echo := listen(b, func(c net.Conn) {
		_, _ = io.Copy(c, c)
		_ = c.Close()
	})
	c := dial(b, proxy(b, echo, serve))
	defer c.Close()
	took := make([]time.Duration, 0, n)
	msg := make([]byte, 64)
	for range n {
		start := time.Now()
		if _, err := c.Write(msg); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, msg); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[n/2]
}

// BenchmarkRelayIdle reports what a connection costs the proxy while it is idle: fresh, after bulk, and after a fault came and
// went. Both ends and the proxy are in this process, so the other ends' four descriptors a connection are taken off.
func BenchmarkRelayIdle(b *testing.B) {
	for b.Loop() {
		const conns = 500
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		pair := func() (near, far *net.TCPConn) {
			near = dial(b, l.Addr().String())
			c, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			return near, c.(*net.TCPConn)
		}
		type flow struct{ client, upstream, c, u *net.TCPConn }
		flows := make([]flow, conns)
		for i := range flows {
			flows[i].client, flows[i].c = pair()
			flows[i].upstream, flows[i].u = pair()
		}
		before, fds := footprint(b)
		report := func(when string) {
			time.Sleep(300 * time.Millisecond) // a splice in progress ends after 100 ms
			after, now := footprint(b)
			b.ReportMetric(float64(after-before)/conns, when+"-B/conn")
			b.ReportMetric(2+float64(now-fds)/conns, when+"-fds/conn")
		}
		var wg sync.WaitGroup
		plans := make([]plan, conns)
		for i, f := range flows {
			r := stream.NewRelay(f.c, f.u, plans[i].path(), stream.Options{})
			plans[i].poke = r.Poke
			wg.Go(func() { r.Run(context.Background()) })
		}
		report("fresh")
		for round := range 2 {
			for i := range plans {
				if round == 1 {
					plans[i].set(list(&delay{time.Millisecond}), list(&delay{time.Millisecond}))
				}
			}
			var moving sync.WaitGroup
			for _, f := range flows {
				moving.Go(func() { _, _ = f.upstream.Write(make([]byte, 4<<20)) })
				moving.Go(func() { _, _ = io.CopyN(io.Discard, f.client, 4<<20) })
			}
			moving.Wait()
			for i := range plans {
				plans[i].set(nil, nil)
			}
			report([]string{"after-bulk", "after-fault"}[round])
		}
		for _, f := range flows {
			_ = f.client.Close()
			_ = f.upstream.Close()
		}
		wg.Wait()
		_ = l.Close()
	}
}

// footprint is the memory in use after collection, stacks included, and the number of open descriptors.
func footprint(b *testing.B) (bytes int64, fds int) {
	for range 4 { // pools empty in two steps, and finalizers take one more
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		b.Skip(err)
	}
	return int64(m.HeapAlloc + m.StackInuse), len(open)
}
