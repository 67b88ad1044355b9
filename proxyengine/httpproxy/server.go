// Package httpproxy carries HTTP through faults: as a forward proxy (absolute URLs and CONNECT), and as a mapping to one http or
// https upstream.
//
// A request with its response is an exchange, and faults are counted by exchange, whatever connections carry it. An exchange is
// two virtual streams, a head followed by a body, that pass the stages of its faults on their way. CONNECT tunnels and connections
// that an exchange has upgraded (WebSocket) are streams of bytes.
package httpproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// CallIDHeader carries the identity that a load driver gives to its own calls; it is never forwarded.
const CallIDHeader = "Fault-Call-Id"

// headTimeout bounds how long a client may take to send the head of a request.
const headTimeout = time.Minute

// Config is one listener: the HTTP proxy when Mapping is empty, else a mapping.
type Config struct {
	tcpproxy.Env
	// Mapping is the mapping's text, for events.
	Mapping string
	// Scheme (http or https) and Target (host:port) are where a mapping leads.
	Scheme, Target string
	// TLS is the base of the TLS configuration towards upstreams; nil means verified certificates of the system's authorities.
	TLS *tls.Config
	// Intercept, if not nil, opens tunnels; not for a mapping.
	Intercept *Intercept
	// Override is where exchanges go instead, also those of tunnels that are opened; not for a mapping.
	Override Override
}

// Server serves one listener.
type Server struct {
	cfg       Config
	transport *transport
	proxy     *httputil.ReverseProxy
	open      gate
	// interceptor serves what goes through tunnels that are opened; nil when none are.
	interceptor *interceptor
}

// New returns a server; it does nothing before Serve.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, transport: newTransport(cfg)}
	s.proxy = &httputil.ReverseProxy{
		Rewrite:      rewrite,
		Transport:    roundTripper{s},
		ErrorHandler: s.failed,
		BufferPool:   &buffers,
		ErrorLog:     slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	if cfg.Intercept != nil && cfg.Mapping == "" {
		s.interceptor = newInterceptor(s, *cfg.Intercept)
	}
	return s
}

// Serve serves the connections of ln, which it closes, until ctx is done. Then exchanges and tunnels that are open may go on for
// Config.Drain, are broken off after that, and Serve returns nil. It returns an error when the listener fails before. A server
// serves once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler:                      s,
		Protocols:                    new(http.Protocols),
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnContext:                  func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ReadHeaderTimeout:            headTimeout,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is for the upstream
		ErrorLog:                     s.proxy.ErrorLog,
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	var failure error
	served := make(chan struct{})
	go func() {
		defer close(served)
		err := server.Serve(&noticing{Listener: ln, sink: s.cfg.Sink})
		if ctx.Err() == nil && !errors.Is(err, http.ErrServerClosed) {
			failure = fmt.Errorf("serve %s: %w", ln.Addr(), err)
		}
	}()
	var inside sync.WaitGroup
	if s.interceptor != nil {
		inside.Go(func() { s.interceptor.serve(base) })
	}
	select {
	case <-ctx.Done():
	case <-served:
	}
	grace, stop := context.WithTimeout(base, max(0, s.cfg.Drain))
	defer stop()
	if s.interceptor != nil {
		inside.Go(func() { s.interceptor.drain(grace) })
	}
	_ = server.Shutdown(grace) // what it could not wait for is broken off next
	s.open.wait(grace)         // tunnels are not the server's any more
	cancel()
	_ = server.Close()
	if s.interceptor != nil {
		s.interceptor.stop()
	}
	inside.Wait()
	s.open.shut()
	s.transport.close()
	<-served
	return failure
}

// ServeHTTP carries one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	if !s.open.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.open.leave()
	callID := r.Header.Get(CallIDHeader)
	r.Header.Del(CallIDHeader)
	if o := openedBy(r); o != nil && callID == "" {
		callID = o.callID
	}
	info := &event.Flow{
		Kind: event.Exchange, Listener: localAddr(r), Mapping: s.cfg.Mapping, Client: r.RemoteAddr, Method: r.Method, CallID: callID,
		Start: start,
	}
	if r.Method == http.MethodConnect && s.cfg.Mapping == "" && openedBy(r) == nil {
		s.tunnel(w, r, info)
		return
	}
	to, refusal := s.destination(r)
	if refusal != nil {
		refusal.write(w)
		return
	}
	info.Target, info.URL = to.address, to.display(r.URL)
	if to, refusal = s.overridden(to); refusal != nil {
		refusal.write(w)
		return
	}
	if s.cfg.Mapping == "" && openedBy(r) == nil && lastHop(w, r) {
		return
	}
	s.exchange(w, r, info, to)
}

func localAddr(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return ""
}

// noticing reports when the process runs out of descriptors, once for each time; the HTTP server itself tries again by and by.
type noticing struct {
	net.Listener
	sink event.Sink
	told bool
}

// Accept belongs to one goroutine.
func (l *noticing) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.told = false
		return conn, nil
	}
	if passing, ok := errors.AsType[net.Error](err); ok && !l.told && !errors.Is(err, net.ErrClosed) && !passing.Timeout() {
		l.told = true
		l.sink.Send(event.Notice{At: time.Now(), Text: fmt.Sprintf("new connections to %s have to wait: %v", l.Addr(), err)})
	}
	return nil, err
}

// gate counts the requests that are being carried, and lets nobody in any more once it is shut.
type gate struct {
	mu     sync.Mutex
	inside int
	closed bool
	empty  chan struct{} // closed when inside falls to 0; nil when nobody waits
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// wait blocks until nobody is inside, or until ctx is done.
func (g *gate) wait(ctx context.Context) {
	g.mu.Lock()
	if g.inside == 0 {
		g.mu.Unlock()
		return
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	empty := g.empty
	g.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// shut lets nobody in any more and blocks until everybody is out.
func (g *gate) shut() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wait(context.Background())
}
