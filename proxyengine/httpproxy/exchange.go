package httpproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/stream"
	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// connKey finds the client's connection in a request's context.
type connKey struct{}

// exchangeKey finds the exchange in a request's context, across the reverse proxy and the transport.
type exchangeKey struct{}

// exchange is one request with its response on its way through the proxy.
type exchange struct {
	s    *Server
	ctx  context.Context // of the client's request, without what the reverse proxy adds
	stop context.CancelCauseFunc
	in   *http.Request
	to   destination
	flow *tcpproxy.Flow
	w    *writer

	request, answer virtual // the sources of up and down
	up, down        *stream.Reader
	lookup          time.Duration // how late faults made the lookup of the upstream
	wrote           atomic.Bool   // the request's head was written
	void            atomic.Bool   // the latest connection is one that was retired: nothing can be written to it
	sent            atomic.Int64
	conn            *upstreamConn                // the latest connection
	dialed          atomic.Pointer[upstreamConn] // the latest that was made for the exchange, which may have become another's
	multiplexed     bool                         // goes by way of HTTP/2
	twoWays         bool                         // the answer may begin before the request has ended
	secured         net.Conn                     // what is above it when it is encrypted, else nil
	outTrailer      http.Header                  // of the outgoing request, nil for none

	mu    sync.Mutex
	err   error
	stats stream.Stats // of an upgraded connection
}

// exchange carries one request and its response.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, info *event.Flow, to destination) {
	x := &exchange{
		s: s, in: r, to: to, flow: s.cfg.Begin(info), w: &writer{ResponseWriter: w, left: -1},
	}
	ctx, stop := context.WithCancelCause(x.flow.Within(context.WithValue(r.Context(), exchangeKey{}, x)))
	x.ctx, x.stop = ctx, stop
	path := x.flow.Faults().Path()
	x.up = stream.NewReader(ctx, &x.request, stream.Up, path, s.cfg.Stream)
	x.down = stream.NewReader(ctx, &x.answer, stream.Down, path, s.cfg.Stream)
	x.flow.Faults().OnChange(func() { x.up.Poke(); x.down.Poke() })
	defer func() {
		x.w.finish()
		x.drain()
		_ = x.up.Close() // what these return was told to who reads them
		_ = x.down.Close()
		x.end()
		stop(nil)
	}()
	x.flow.Faults().Begin(fault.Request{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header.Values})
	if err := x.flow.AwaitDial(ctx, to.address); err != nil {
		x.abandon(err)
		return
	}
	if a := x.flow.Faults().Answer(); a != nil {
		x.answerWith(a)
		return
	}
	x.flow.Faults().OnReset(x.reset)
	x.flow.Faults().OnChange(x.arm)
	x.arm()
	x.duplex()
	s.proxy.ServeHTTP(x.w, r.WithContext(ctx))
}

// arm has the faults begin in both directions, because some act by the time, whether there is something to read yet or not.
func (x *exchange) arm() {
	x.flow.Faults().Stages(stream.Up)
	x.flow.Faults().Stages(stream.Down)
}

// reset breaks the exchange off, whatever it waits for.
func (x *exchange) reset() {
	x.fail(stream.ErrReset)
	x.stop(stream.ErrReset)
	var conn net.Conn
	if x.in.ProtoMajor == 1 {
		conn, _ = x.in.Context().Value(connKey{}).(net.Conn)
	}
	x.w.reset(conn)
}

// answerWith answers in the upstream's place.
func (x *exchange) answerWith(a *fault.Answer) {
	for name, value := range a.Header {
		x.w.Header().Set(name, value)
	}
	x.w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat)) // RFC 9110, section 6.6.1: whoever makes a response says when
	if body := a.Body; a.Status != http.StatusNoContent && a.Status != http.StatusNotModified && a.Status != http.StatusResetContent {
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(a.Status)
	_, err := io.WriteString(x.w, a.Body)
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		x.fail(err)
	}
}

// info is the flow for events; nil where there is no exchange.
func (x *exchange) info() *event.Flow {
	if x == nil {
		return nil
	}
	return x.flow.Info()
}

// late is how long faults have delayed the lookup of the upstream.
func (x *exchange) late() time.Duration {
	if x == nil {
		return 0
	}
	return x.lookup
}

// fail notes what went wrong; the first failure counts.
func (x *exchange) fail(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil {
		x.err = err
	}
}

// end reports the exchange.
func (x *exchange) end() {
	left := context.Cause(x.ctx) // closing the flow ends the context, too
	x.flow.Close()
	x.w.mu.Lock()
	done := event.Completed{
		Flow: x.info(), At: time.Now(), Up: x.sent.Load() + x.stats.Up, Down: x.w.sent + x.stats.Down, Status: x.w.status,
	}
	if !x.w.first.IsZero() {
		done.TTFB = x.w.first.Sub(done.Flow.Start)
	}
	x.w.mu.Unlock()
	x.mu.Lock()
	done.Err = x.err
	x.mu.Unlock()
	if x.conn != nil && (done.Err != nil || left != nil) {
		x.conn.retire(x)
	}
	if errors.Is(done.Err, stream.ErrReset) {
		if conn, _, err := http.NewResponseController(x.w).Hijack(); err == nil {
			tcpproxy.Reset(conn)
		}
	}
	if done.Err == nil && done.Status == 0 {
		done.Err = left
	}
	x.s.cfg.Sink.Send(done)
}

// rewrite makes the outgoing request the incoming one, as far as HTTP lets a proxy do so.
func rewrite(pr *httputil.ProxyRequest) {
	x := pr.In.Context().Value(exchangeKey{}).(*exchange)
	out := pr.Out
	out.URL.Scheme, out.URL.Host, out.URL.User = x.to.scheme, x.to.pool(), nil
	out.URL.RawQuery = pr.In.URL.RawQuery
	out.Host = x.to.host
	if x.to.opened && pr.In.Host != "" {
		out.Host = pr.In.Host // what the client says to whom it believes to speak to
	}
	keepPath(out, pr.In)
	named := strings.ToLower(strings.Join(pr.In.Header["Connection"], ","))
	for _, k := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		// The library takes these for claims of a client that is not trusted; this proxy is to be invisible.
		if v, ok := pr.In.Header[k]; ok && !strings.Contains(named, strings.ToLower(k)) {
			out.Header[k] = v
		}
	}
	if x.forwards() {
		via(out.Header, pr.In.ProtoMajor, pr.In.ProtoMinor)
	}
	if len(pr.In.Trailer) > 0 {
		x.outTrailer = make(http.Header, len(pr.In.Trailer))
		for k := range pr.In.Trailer {
			x.outTrailer[k] = nil
		}
		out.Trailer = x.outTrailer
	}
}

// keepPath keeps the path byte for byte where parsing and formatting it would change its escapes.
func keepPath(out, in *http.Request) {
	path := in.RequestURI
	if !strings.HasPrefix(path, "/") {
		_, rest, ok := strings.Cut(path, "://")
		if !ok {
			return
		}
		if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i] == '/' {
			path = rest[i:]
		} else {
			return
		}
	}
	path, _, _ = strings.Cut(path, "?")
	if path != out.URL.EscapedPath() && !strings.HasPrefix(path, "//") && !strings.Contains(path, "#") {
		out.URL.Opaque = path
	}
}

// passTrailer copies the trailer of the request, which arrives behind its body.
func (x *exchange) passTrailer() {
	for k := range x.outTrailer {
		x.outTrailer[k] = x.in.Trailer[k]
	}
}

func (x *exchange) gotConn(info httptrace.GotConnInfo) {
	c, ok := below[*upstreamConn](info.Conn)
	if !ok {
		return
	}
	x.conn, x.secured = c, nil
	if info.Conn != net.Conn(c) {
		x.secured = info.Conn
	}
	x.void.Store(!c.shared && !c.claim(x))
}

// passHead lets the head of n bytes that was attached in front of a body pass the faults of one direction, and returns when it has.
// A head that is lost never does: then it returns the context's error, once the client has given up.
func passHead(r *stream.Reader, n int) error {
	buf := buffers.Get()
	defer buffers.Put(buf)
	for n > 0 {
		k, err := r.Read(buf[:min(n, len(buf))])
		n -= k
		if err != nil && n > 0 {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// roundTripper is the transport with the faults of the exchange around it.
type roundTripper struct{ s *Server }

// RoundTrip performs the exchange that the request belongs to.
func (t roundTripper) RoundTrip(out *http.Request) (*http.Response, error) {
	x := out.Context().Value(exchangeKey{}).(*exchange)
	var err error
	if x.lookup, err = x.flow.Lookup(x.ctx, x.to.address); err != nil {
		return nil, err
	}
	if err := x.passRequest(out); err != nil {
		return nil, err
	}
	if x.flow.Faults().WantsPlain() {
		out.Header.Set("Accept-Encoding", "identity") // without the field any encoding would do
	}
	resp, err := t.s.transport.send(x, out)
	if err != nil {
		return nil, err
	}
	return x.passResponse(x.spoil(resp))
}

// spoil lets the faults that change responses have this one.
func (x *exchange) spoil(resp *http.Response) *http.Response {
	r := fault.Response{
		Status: resp.StatusCode, Head: x.in.Method == http.MethodHead, Header: textproto.MIMEHeader(resp.Header),
		Length: resp.ContentLength, Body: resp.Body,
	}
	if !x.flow.Faults().Spoil(&r) {
		return resp
	}
	out := *resp
	out.ContentLength, out.Body = r.Length, r.Body
	if r.Head {
		out.Body = http.NoBody
	}
	// What the trailer says was about the body that there was.
	out.Trailer = nil
	out.Header.Del("Trailer")
	return &out
}

// passRequest lets the head of the request pass the faults, and prepares its body to.
func (x *exchange) passRequest(out *http.Request) error {
	n := requestHeadSize(out)
	if out.Body == nil {
		return x.up.Head(n, true)
	}
	x.request.attach(n, out.Body)
	if strings.EqualFold(out.Header.Get("Expect"), "100-continue") {
		// A client that waits for a sign sends its body without one after a while: from then on it must be taken, because a
		// client that leaves is noticed only behind what it has sent.
		x.request.hold()
		time.AfterFunc(continueTimeout, x.request.release)
	}
	out.Body = &requestBody{x}
	return passHead(x.up, n)
}

// passResponse lets the head of the response pass the faults, and prepares its body to.
func (x *exchange) passResponse(resp *http.Response) (*http.Response, error) {
	if x.forwards() {
		via(resp.Header, resp.ProtoMajor, resp.ProtoMinor)
	}
	n := responseHeadSize(resp.StatusCode, resp.Header)
	out := *resp
	hasBody := resp.Body != http.NoBody && resp.StatusCode != http.StatusSwitchingProtocols
	var err error
	if hasBody {
		if resp.Trailer != nil {
			out.Trailer = make(http.Header, len(resp.Trailer))
			for k := range resp.Trailer {
				out.Trailer[k] = nil
			}
		}
		out.Body = &responseBody{x: x, from: resp, to: &out}
		if !x.multiplexed { // there, what one exchange leaves unread could be in the way of others
			x.answer.lost = func() bool { return x.flow.Faults().Severed(stream.Down) }
		}
		x.answer.attach(n, resp.Body)
		err = passHead(x.down, n)
	} else {
		err = x.down.Head(n, true)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, &switched{resp}
	}
	if resp.ContentLength >= 0 {
		x.w.left = resp.ContentLength
	}
	return &out, nil
}

// failed answers for an exchange that came to nothing.
func (s *Server) failed(_ http.ResponseWriter, out *http.Request, err error) {
	x := out.Context().Value(exchangeKey{}).(*exchange)
	if up, ok := errors.AsType[*switched](err); ok {
		x.upgrade(up.resp)
		return
	}
	x.abandon(err)
}

// abandon answers for an exchange that came to nothing, or ends its connection.
func (x *exchange) abandon(err error) {
	if x.ctx.Err() != nil {
		x.fail(context.Cause(x.ctx))
		panic(http.ErrAbortHandler) // the client has left, or everything ends: there is nobody to answer
	}
	x.fail(err)
	if errors.Is(err, stream.ErrReset) || errors.Is(err, stream.ErrCut) {
		panic(http.ErrAbortHandler) // end resets the client's connection, or the server closes it
	}
	x.s.cfg.Logger.Debug("exchange fails", "url", x.info().URL, "error", err)
	answer := refused(x.to.address, err)
	x.fail(errors.New(answer.text))
	answer.write(x.w)
}

// requestHeadSize is how long the head of the request is on the wire.
func requestHeadSize(r *http.Request) int {
	return len(r.Method) + len(r.URL.RequestURI()) + len("  HTTP/1.1\r\nHost: \r\n\r\n") + len(r.Host) + headerSize(r.Header)
}

func responseHeadSize(status int, h http.Header) int {
	return len("HTTP/1.1 ") + len(strconv.Itoa(status)) + len(" \r\n\r\n") + len(http.StatusText(status)) + headerSize(h)
}

func headerSize(h http.Header) int {
	n := 0
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(": \r\n") + len(v)
		}
	}
	return n
}
