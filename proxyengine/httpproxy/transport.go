package httpproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// idleTimeout is shorter than the time after which common servers close idle connections (5 s), so that a request seldom
	// meets a connection that is just being closed.
	idleTimeout = 4 * time.Second
	// continueTimeout is how long a request waits for 100 Continue before its body is sent all the same, as curl does it. The server
	// that reads the body then tells the client so, which the library leaves no choice about, also where faults let nothing through.
	continueTimeout = time.Second
	// handshakeTimeout bounds a TLS handshake that is not answered.
	handshakeTimeout = 10 * time.Second
	// idleConns is how many idle connections are kept for each upstream.
	idleConns = 1024
)

// errUnanswered is what becomes of a request whose connection broke before there was an answer. It is never sent again behind
// the client's back: it may have been heard, and a fault that the client does not see is no fault.
var errUnanswered = errors.New("the connection broke before there was an answer")

// errRetired is what becomes of a request that was given a connection while that was being retired: nothing of it was sent.
var errRetired = errors.New("the connection was retired")

// errNoClientCertificate is why an upstream that knows its clients by their certificates cannot be had: only the client has the key.
var errNoClientCertificate = errors.New(
	"it asks for a client certificate, which only the client has: leave its host out of what is opened",
)

// transport makes the connections to upstreams and keeps them in pools. Over HTTP/1.1 an exchange owns its connection, so that one
// that is lost can take it along without harm to another.
type transport struct {
	cfg    Config
	pooled *http.Transport
	// single is for requests that net/http would repeat on its own if they went over a connection that was used before.
	single *http.Transport
	// multiplexed speaks HTTP/2 with upstreams that do, for clients that do. Nothing is sent twice there, either: HTTP/2 repeats
	// what the upstream says it has not looked at (RFC 9113, section 8.7).
	multiplexed *http.Transport
	// clear is the same without TLS.
	clear *http.Transport
	// versions remembers which upstreams do, by [destination.server]: a version.
	versions sync.Map
}

// version says whether an upstream speaks HTTP/2, as it was at a time.
type version struct {
	multiplexed bool
	at          time.Time
}

// forget is after how long an upstream without TLS that did not speak HTTP/2 is asked again: another server may have taken its place, and
// what answered may have been one that only said that it was not there yet.
const forget = 30 * time.Second

func newTransport(cfg Config) *transport {
	t := &transport{cfg: cfg}
	t.pooled = &http.Transport{
		DialContext:           t.dial,
		DialTLSContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return t.dialTLS(ctx, "http/1.1") },
		Protocols:             new(http.Protocols),
		DisableCompression:    true,
		MaxIdleConnsPerHost:   idleConns,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: continueTimeout,
	}
	t.pooled.Protocols.SetHTTP1(true)
	t.single = t.pooled.Clone()
	t.single.DisableKeepAlives = true
	t.multiplexed = t.pooled.Clone()
	t.multiplexed.Protocols.SetHTTP2(true)
	t.multiplexed.DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return t.dialTLS(ctx, "h2", "http/1.1")
	}
	t.clear = t.pooled.Clone()
	t.clear.Protocols = new(http.Protocols)
	t.clear.Protocols.SetUnencryptedHTTP2(true)
	t.clear.DialContext = t.dialH2C
	return t
}

func (t *transport) close() {
	t.pooled.CloseIdleConnections()
	t.single.CloseIdleConnections()
	t.multiplexed.CloseIdleConnections()
	t.clear.CloseIdleConnections()
}

// dial connects for an exchange.
func (t *transport) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return t.connect(ctx, ctx.Value(exchangeKey{}).(*exchange))
}

func (t *transport) connect(ctx context.Context, x *exchange) (*upstreamConn, error) {
	conn, err := t.cfg.Dialer.DialFlow(ctx, x.info(), x.to.address, x.late())
	if err != nil {
		return nil, err
	}
	c := &upstreamConn{Conn: conn}
	x.dialed.Store(c)
	return c, nil
}

// dialTLS connects for an exchange and agrees on TLS and one of the protocols.
func (t *transport) dialTLS(ctx context.Context, protocols ...string) (net.Conn, error) {
	x := ctx.Value(exchangeKey{}).(*exchange)
	below, err := t.connect(ctx, x)
	if err != nil {
		return nil, err
	}
	conn, err := t.secure(ctx, below, x.to.serverName(), protocols)
	if err != nil {
		below.Close()
		return nil, err
	}
	below.shared = conn.ConnectionState().NegotiatedProtocol == "h2"
	if len(protocols) > 1 {
		t.versions.Store(x.to.server(), version{below.shared, time.Now()})
	}
	return conn, nil
}

// secure agrees on TLS with an upstream, whose certificate has to be one for name.
func (t *transport) secure(ctx context.Context, below *upstreamConn, name string, protocols []string) (*tls.Conn, error) {
	cfg := t.cfg.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = name
	}
	cfg.NextProtos = protocols
	if cfg.GetClientCertificate == nil && len(cfg.Certificates) == 0 {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			below.asked.Store(true)
			return &tls.Certificate{}, nil
		}
	}
	conn := tls.Client(below, cfg)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, t.cfg.Trusting(below.explain(err, true))
	}
	return conn, nil
}

// multiplexes says whether the exchange goes by way of HTTP/2, as far as is known.
func (t *transport) multiplexes(x *exchange) bool {
	if x.in.ProtoMajor != 2 {
		return false
	}
	found, known := t.versions.Load(x.to.server())
	if !known {
		return true
	}
	v := found.(version)
	return v.multiplexed || x.to.scheme == "http" && time.Since(v.at) >= forget
}

// send performs the exchange's request once.
func (t *transport) send(x *exchange, out *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { x.void.Store(false) },
		GotConn: x.gotConn,
		WroteHeaders: func() {
			if !x.void.Load() {
				x.wrote.Store(true)
			}
		},
	}
	if outer := httptrace.ContextClientTrace(out.Context()); outer != nil && outer.Got1xxResponse != nil {
		trace.Got1xxResponse = func(code int, header textproto.MIMEHeader) error {
			// A provisional answer is data on the way back like any other.
			if err := x.down.Head(responseHeadSize(code, http.Header(header)), true); err != nil {
				return err
			}
			return outer.Got1xxResponse(code, header)
		}
	}
	// The exchange's own context: the one of out carries the trace that is called above.
	out = out.WithContext(httptrace.WithClientTrace(x.ctx, trace))
	x.multiplexed = t.multiplexes(x)
	resp, err := t.pool(x, out).RoundTrip(framed(x, out))
	if errors.Is(err, errNotH2C) {
		x.multiplexed = false
		resp, err = t.pool(x, out).RoundTrip(framed(x, out))
	}
	for err != nil && x.void.Load() && x.ctx.Err() == nil {
		resp, err = t.pool(x, out).RoundTrip(framed(x, out)) // ends because a retired connection leaves the pool
	}
	if err != nil && x.ctx.Err() == nil {
		if c := x.dialed.Load(); c != nil {
			err = c.explain(err, true)
		} else if x.conn != nil {
			err = x.conn.explain(err, false)
		}
	}
	return resp, err
}

// pool is where the connection for a request comes from.
func (t *transport) pool(x *exchange, out *http.Request) *http.Transport {
	switch {
	case x.multiplexed && x.to.scheme == "http":
		return t.clear
	case x.multiplexed:
		return t.multiplexed
	case out.Body == nil && repeatable(out) && !lacksBody(out.Method):
		return t.single
	}
	return t.pooled
}

// framed is the request with the body that keeps net/http from repeating it once it may have been heard.
func framed(x *exchange, out *http.Request) *http.Request {
	framed := *out
	if out.Body == nil && lacksBody(out.Method) && !x.multiplexed {
		framed.Body = empty{}
	}
	if framed.Body != nil {
		framed.GetBody = func() (io.ReadCloser, error) {
			if x.wrote.Load() || x.request.touched() {
				return nil, errUnanswered
			}
			return framed.Body, nil // nothing of the request was sent: the connection was closed while it was idle
		}
	}
	return &framed
}

// lacksBody says whether net/http sends no framing for an empty body of such a request (transfer.go, requestMethodUsuallyLacksBody):
// then the body need not be nil.
func lacksBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions, "PROPFIND", "SEARCH":
		return true
	}
	return false
}

// repeatable says whether net/http considers a request without a body repeatable (request.go, isReplayable).
func repeatable(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}

// upstreamConn is a connection in the pool; it knows whose turn it is.
type upstreamConn struct {
	net.Conn
	user   atomic.Pointer[exchange] // the latest that it was given to; nobody when it is retired
	shared bool                     // by exchanges at the same time: HTTP/2
	asked  atomic.Bool              // the upstream asked for a client certificate
}

// explain says why an upstream that asked for a client certificate did not go on without one. Over TLS 1.3 it says so only after the
// handshake (RFC 8446, section 4.4.2), if the answer to what was sent meanwhile leaves it the time: on a fresh connection the reason
// is hardly another.
func (c *upstreamConn) explain(err error, fresh bool) error {
	remote, ok := errors.AsType[*net.OpError](err)
	if c.asked.Load() && (fresh || ok && remote.Op == "remote error") && !errors.Is(err, errNoClientCertificate) {
		return fmt.Errorf("%w: %w", errNoClientCertificate, err)
	}
	return err
}

// NetConn is the connection below.
func (c *upstreamConn) NetConn() net.Conn { return c.Conn }

// nobody is the user of a connection that is retired.
var nobody = new(exchange)

// claim gives the connection to x. It is false when the connection was retired, which the pool may learn too late.
func (c *upstreamConn) claim(x *exchange) bool {
	for {
		user := c.user.Load()
		if user == nobody {
			return false
		}
		if c.user.CompareAndSwap(user, x) {
			return true
		}
	}
}

// Write sends nothing once the connection is retired. That it says so with nothing written lets net/http take another one.
func (c *upstreamConn) Write(p []byte) (int, error) {
	if c.user.Load() == nobody {
		return 0, errRetired
	}
	return c.Conn.Write(p)
}

// retire closes the connection, unless it serves another exchange.
func (c *upstreamConn) retire(x *exchange) {
	if !c.shared && c.user.CompareAndSwap(x, nobody) {
		c.Close()
	}
}
