package httpproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
	"time"
)

const (
	// idleTimeout is shorter than the time after which common servers close idle connections (5 s), so that a request seldom
	// meets a connection that is just being closed.
	idleTimeout = 4 * time.Second
	// continueTimeout is how long a request waits for 100 Continue before its body is sent all the same, as curl does it.
	continueTimeout = time.Second
	// handshakeTimeout bounds a TLS handshake that is not answered.
	handshakeTimeout = 10 * time.Second
	// idleConns is how many idle connections are kept for each upstream.
	idleConns = 1024
)

// errUnanswered is what becomes of a request whose connection broke before there was an answer. It is never sent again behind
// the client's back: it may have been heard, and a fault that the client does not see is no fault.
var errUnanswered = errors.New("the connection broke before there was an answer")

// transport makes the connections to upstreams and keeps them in a pool, over HTTP/1.1: an exchange owns its connection, so that
// one that is lost can take it along without harm to another.
type transport struct {
	pooled *http.Transport
	// single is for requests that net/http would repeat on its own if they went over a connection that was used before.
	single *http.Transport
}

func newTransport(cfg Config) *transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			x, _ := ctx.Value(exchangeKey{}).(*exchange)
			conn, err := cfg.Dialer.DialFlow(ctx, x.info(), address, x.late())
			if err != nil {
				return nil, err
			}
			return &upstreamConn{Conn: conn}, nil
		},
		Protocols:             new(http.Protocols),
		TLSClientConfig:       cfg.TLS.Clone(),
		TLSHandshakeTimeout:   handshakeTimeout,
		DisableCompression:    true,
		MaxIdleConnsPerHost:   idleConns,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: continueTimeout,
	}
	t.Protocols.SetHTTP1(true)
	single := t.Clone()
	single.DisableKeepAlives = true
	return &transport{pooled: t, single: single}
}

func (t *transport) close() {
	t.pooled.CloseIdleConnections()
	t.single.CloseIdleConnections()
}

// send performs the exchange's request once.
func (t *transport) send(x *exchange, out *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{
		GotConn:      x.gotConn,
		WroteHeaders: func() { x.wrote.Store(true) },
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
	if out.Body == nil && repeatable(out) {
		return t.single.RoundTrip(out)
	}
	if out.Body != nil {
		body := out.Body
		out.GetBody = func() (io.ReadCloser, error) {
			if x.wrote.Load() || x.request.touched() {
				return nil, errUnanswered
			}
			return body, nil // nothing of the request was sent: the connection was closed while it was idle
		}
	}
	return t.pooled.RoundTrip(out)
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
	user atomic.Pointer[exchange]
}

// NetConn is the connection below.
func (c *upstreamConn) NetConn() net.Conn { return c.Conn }

// retire closes the connection, unless it already serves another exchange.
func (c *upstreamConn) retire(x *exchange) {
	if c.user.CompareAndSwap(x, nil) {
		c.Close()
	}
}
