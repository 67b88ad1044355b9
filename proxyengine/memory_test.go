package proxyengine

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// memory is a network of pipes inside a synctest bubble: addresses are names, dialing takes no time.
type memory struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
}

type memoryListener struct {
	net   *memory
	name  memoryAddr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type memoryAddr string

func (memoryAddr) Network() string { return "memory" }

func (a memoryAddr) String() string { return string(a) }

func newMemory() *memory { return &memory{listeners: map[string]*memoryListener{}} }

func (m *memory) listen(name string) *memoryListener {
	l := &memoryListener{net: m, name: memoryAddr(name), conns: make(chan net.Conn), done: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listeners[name] = l
	return l
}

func (m *memory) dial(ctx context.Context, _, name string) (net.Conn, error) {
	m.mu.Lock()
	l := m.listeners[name]
	m.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("nothing listens on %s", name)
	}
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error { l.once.Do(func() { close(l.done) }); return nil }

func (l *memoryListener) Addr() net.Addr { return l.name }

// world is an engine with an upstream "up:80", all in memory, in virtual time.
type world struct {
	*Engine
	net     *memory
	journal journal
	conns   atomic.Int32 // of the upstream, ever
	closed  atomic.Int32
	stop    func()        // tells the engine to end
	over    chan struct{} // closed when it has
}

// inBubble runs test in virtual time, with an engine that has cfg, the HTTP proxy "127.0.0.1:3180" and whatever mappings cfg has.
func inBubble(t *testing.T, cfg Config, upstream http.HandlerFunc, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{net: newMemory(), over: make(chan struct{})}
		cfg.ProxyAddress, cfg.Sink, cfg.Drain = "127.0.0.1:3180", w.journal.sink, cmp.Or(cfg.Drain, -1)
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w.Engine = e
		e.bind = func(_ context.Context, address, _ string) (net.Listener, error) { return w.net.listen(address), nil }
		e.options.Clock = stream.Runtime()
		e.env.Stream = e.options
		e.env.Dialer.Connect = w.net.dial
		srv := &http.Server{Handler: upstream, ConnState: func(_ net.Conn, s http.ConnState) {
			w.conns.Add(map[http.ConnState]int32{http.StateNew: 1}[s])
			w.closed.Add(map[http.ConnState]int32{http.StateClosed: 1}[s])
		}}
		go func() { _ = srv.Serve(w.net.listen("up:80")) }()
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		w.stop = cancel
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx); close(w.over) }()
		synctest.Wait()
		test(t, w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		srv.Close()
		time.Sleep(time.Minute) // handlers of the upstream may still sleep
	})
}

// client is an HTTP client in the memory network; addresses of mappings are dialed as they are, the rest goes through the proxy.
func (w *world) client(t *testing.T, pooled, proxied bool) *http.Client {
	tr := &http.Transport{DialContext: w.net.dial, DisableKeepAlives: !pooled}
	if proxied {
		tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:3180"})
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func echoHandler(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Write(append([]byte("echo "), body...))
}
