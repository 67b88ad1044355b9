package httpproxy

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// TestMain checks that nothing is left running. The library itself keeps a refused connection for half a second, so that the
// refusal is read.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// fixture is a proxy in front of one upstream.
type fixture struct {
	addr   string // of the proxy
	live   *fault.Live
	stop   func() // begins to end it
	mu     sync.Mutex
	events []event.Event
}

func (f *fixture) sink(e event.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

func (f *fixture) completed(t *testing.T, n int) []event.Completed {
	t.Helper()
	for range 6000 {
		var out []event.Completed
		f.mu.Lock()
		for _, e := range f.events {
			if c, ok := e.(event.Completed); ok {
				out = append(out, c)
			}
		}
		f.mu.Unlock()
		if len(out) >= n {
			return out
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never %d completed exchanges", n)
	return nil
}

// serve starts a proxy; change may turn it into a mapping.
func serve(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	f := &fixture{live: fault.NewLive()}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	var id atomic.Uint64
	cfg := Config{Env: tcpproxy.Env{
		Open: func(info *event.Flow) (*fault.Flow, func()) {
			info.ID = id.Add(1)
			flow := f.live.Open(info)
			f.sink(event.Opened{Flow: info})
			return flow, flow.Close
		},
		Sink: f.sink, Logger: slog.New(slog.DiscardHandler),
		Dialer: &tcpproxy.Dialer{Sink: f.sink, Own: func(_ *event.Flow, a netip.AddrPort) bool { return a.String() == f.addr }},
	}}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	done := make(chan error, 1)
	go func() { done <- New(cfg).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return f
}

func mapped(srv *httptest.Server) func(*Config) {
	u, _ := url.Parse(srv.URL)
	return func(c *Config) { c.Mapping, c.Scheme, c.Target = "0="+srv.URL, u.Scheme, u.Host }
}

func (f *fixture) client(t testing.TB) *http.Client {
	tr := &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: f.addr}), DisableCompression: true,
		ExpectContinueTimeout: 5 * time.Second,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// conversation sends bytes and returns all that comes back.
func (f *fixture) conversation(t testing.TB, say string) string {
	t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, say); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %q: %v", got, err)
	}
	return string(got)
}

// slow puts a little latency everywhere, so that a test runs through the stages, too.
func slow(live *fault.Live) {
	ms, zero := 1.0, 0.0
	live.Store(fault.Build([]fault.Active{{Spec: &fault.Latency{
		Base:         fault.Base{Side: fault.Server, Direction: fault.Both, Probability: 1},
		Distribution: fault.Normal, Mean: &ms, StdDev: &zero, Scope: fault.ScopeChunk,
	}, Epoch: 1}}, 1, nil))
}

// both runs a test with nothing wrong, and with latency.
func both(t *testing.T, change func(*Config), test func(t *testing.T, f *fixture)) {
	for _, name := range []string{"clean", "latency"} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, change)
			if name == "latency" {
				slow(f.live)
			}
			test(t, f)
		})
	}
}

// upstream starts a server that keeps the requests' heads as they came.
func upstream(t testing.TB, h http.HandlerFunc) *httptest.Server {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// sameMessage compares messages without regard to the order of header fields and the wording of the reason.
func sameMessage(a, b string) bool {
	split := func(s string) (string, []string, string) {
		head, body, _ := strings.Cut(s, "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		fields := lines[1:]
		slices.Sort(fields)
		return lines[0][:min(12, len(lines[0]))], fields, body
	}
	s1, h1, b1 := split(a)
	s2, h2, b2 := split(b)
	return s1 == s2 && slices.Equal(h1, h2) && b1 == b2
}

// script is an upstream that answers each request on a connection with a function.
func script(t testing.TB, answer func(net.Conn, *http.Request)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { ln.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				stop := context.AfterFunc(t.Context(), func() { c.Close() })
				defer stop()
				br := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					answer(c, r)
				}
			})
		}
	})
	return ln.Addr().String()
}

type watched struct {
	io.Reader
	read atomic.Bool
}

func (w *watched) Read(p []byte) (int, error) { w.read.Store(true); return w.Reader.Read(p) }
