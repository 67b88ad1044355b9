package runner

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
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/scenarios"
)

const (
	// callIDHeader carries the identity of a call to the engine's HTTP proxy, which takes it out again.
	callIDHeader = "Fault-Call-Id"
	// maxBody bounds how much of one response is read. The bytes are counted and thrown away, so this bounds time, not memory.
	maxBody = 1 << 30
	// idleTimeout is below the shortest keep-alive timeout in common use (5 s: uvicorn, Node.js), so that a call does not meet a
	// connection that the service is closing at that moment.
	idleTimeout = 3 * time.Second
)

// errTimeout is the cause of a call's own deadline.
var errTimeout = errors.New("timeout")

// call is one call: what identifies it, and what became of it. Its goroutine owns all fields but the last group until the call
// is over.
type call struct {
	id string
	// intended is when the load's plan wanted the call to begin; the zero time outside loads.
	intended time.Time

	started, ended, firstByte time.Time
	status                    int // 0: no response
	length                    int64
	err                       error
	timedOut                  bool
	lookups                   []scenarios.DNSTiming // made by the call's own connection
	// repetition and faults are of a call of a repetition: its place, and what was configured for it.
	repetition *int
	faults     fault.List
	// abandoned says that the run was canceled meanwhile, so that the outcome says nothing about the service.
	abandoned bool

	// Guarded by the tracker.
	applied  []event.Applied
	unlisted int                   // further applications
	resolved []scenarios.DNSTiming // lookups made by the proxy
}

// caller makes the calls of one item.
type caller struct {
	call      scenarios.Call // resolved
	url       *url.URL
	transport http.RoundTripper
	proxied   bool
	maxBody   int64
}

// newTransport returns a transport with the settings of a measuring client: what arrives is what was sent, nothing is tried twice,
// and no environment variable reroutes it. A call that finds no idle connection opens one. With proxy nil, calls go straight to
// their target. With apart, each call has a connection of its own: where the engine does not read HTTP, faults are drawn once a
// connection, and each call shall meet them.
func newTransport(proxy *url.URL, apart bool) http.RoundTripper {
	t := &http.Transport{
		DialContext:         (&net.Dialer{}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		DisableCompression:  true,
		DisableKeepAlives:   apart,
		MaxIdleConnsPerHost: -1,
		IdleConnTimeout:     idleTimeout,
		Protocols:           new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if !apart {
		t.MaxIdleConnsPerHost = 1 << 20 // every connection that a load ever needed
	}
	if proxy != nil {
		t.Proxy = http.ProxyURL(proxy)
		t.GetProxyConnectHeader = func(ctx context.Context, _ *url.URL, _ string) (http.Header, error) {
			id, _ := ctx.Value(callIDKey{}).(string)
			return http.Header{callIDHeader: {id}}, nil
		}
		t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if refusedBy(resp) {
				return refusal(resp)
			}
			return nil
		}
	}
	return t
}

// callIDKey is the context key under which GetProxyConnectHeader finds the call that a tunnel is opened for.
type callIDKey struct{}

// do makes the call and fills in what became of it. It blocks until the response is read to its end, the call fails, its timeout
// is over, or ctx is done.
func (c *caller) do(ctx context.Context, rec *call) {
	rec.started = time.Now()
	deadline, cancel := context.WithTimeoutCause(ctx, c.call.Deadline(), errTimeout)
	defer cancel()
	trace := &callTrace{}
	err := c.exchange(httptrace.WithClientTrace(deadline, trace.hooks()), rec)
	rec.ended = time.Now()
	trace.copyTo(rec)
	if err == nil {
		return
	}
	rec.err = err
	switch {
	case ctx.Err() != nil:
		rec.abandoned = true
	case errors.Is(context.Cause(deadline), errTimeout):
		rec.timedOut = true
		rec.err = fmt.Errorf("no complete response within the timeout of %s", formatTimeout(c.call.Deadline()))
	}
}

func (c *caller) exchange(ctx context.Context, rec *call) error {
	if c.proxied {
		ctx = context.WithValue(ctx, callIDKey{}, rec.id)
	}
	req, err := c.request(ctx, rec.id)
	if err != nil {
		return err
	}
	resp, err := c.transport.RoundTrip(req)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the connection was closed before a response came")
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if c.proxied && refusedBy(resp) {
		return refusal(resp)
	}
	rec.status = resp.StatusCode
	rec.length, err = io.Copy(io.Discard, io.LimitReader(resp.Body, c.maxBody))
	if err != nil {
		return fmt.Errorf("reading the response: %w", err)
	}
	if rec.length == c.maxBody {
		if n, _ := resp.Body.Read(make([]byte, 1)); n > 0 {
			return fmt.Errorf("the response is longer than the %d bytes that are read of one", c.maxBody)
		}
	}
	return nil
}

func (c *caller) request(ctx context.Context, id string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.call.Method, c.url.String(), nil)
	if err != nil {
		return nil, err
	}
	// net/http repeats a request when the connection breaks and nothing would be sent twice; a body that cannot be had again
	// keeps it from that, and breaking connections is what some faults do.
	if body := c.call.Body; body != nil && *body != "" {
		req.Body, req.ContentLength = io.NopCloser(onlyReader{strings.NewReader(*body)}), int64(len(*body))
	} else if repeatable(c.call) {
		req.Body = io.NopCloser(onlyReader{strings.NewReader("")})
	}
	req.Header.Set("User-Agent", "fault")
	for name, value := range c.call.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	if u := c.url.User; u != nil && req.Header.Get("Authorization") == "" {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	if c.proxied && c.url.Scheme == "http" {
		req.Header.Set(callIDHeader, id)
	}
	return req, nil
}

// refusedBy reports whether the engine's proxy answered by itself, because it got no answer from where the call goes (RFC 9209).
func refusedBy(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Proxy-Status"), "fault; error=")
}

// refusal is the proxy's reason, which it gives in one line.
func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // a line that breaks off is better than none
	line, _, _ := strings.Cut(strings.TrimPrefix(string(text), "fault: "), "\n")
	if line == "" {
		line = resp.Status
	}
	return errors.New(line)
}

// repeatable reports whether net/http would repeat the call if it had no body (https://pkg.go.dev/net/http#Transport).
func repeatable(c scenarios.Call) bool {
	switch c.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	for name := range c.Headers {
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Idempotency-Key", "X-Idempotency-Key":
			return true
		}
	}
	return false
}

// onlyReader hides every method but Read.
type onlyReader struct{ io.Reader }

// callTrace collects what the transport reports of one call. Its hooks may still run when the call is over: connections are
// dialed in the background.
type callTrace struct {
	mu        sync.Mutex
	firstByte time.Time
	host      string
	asked     time.Time
	lookups   []scenarios.DNSTiming
}

func (t *callTrace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotFirstResponseByte: func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.firstByte.IsZero() {
				t.firstByte = time.Now()
			}
		},
		DNSStart: func(i httptrace.DNSStartInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.host, t.asked = i.Host, time.Now()
		},
		DNSDone: func(i httptrace.DNSDoneInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.lookups = append(t.lookups, scenarios.DNSTiming{
				Host: t.host, Duration: milliseconds(time.Since(t.asked)), Resolved: i.Err == nil && len(i.Addrs) > 0,
			})
		},
	}
}

func (t *callTrace) copyTo(rec *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rec.firstByte = t.firstByte
	rec.lookups = t.lookups
}
