package httpproxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
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
	for range 500 {
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

func TestRequestArrivesAsItWasSent(t *testing.T) {
	var got *http.Request
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { got = r; w.WriteHeader(http.StatusNoContent) })
	host := strings.TrimPrefix(srv.URL, "http://")
	head := "Host: ignored.example\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: x\r\n" +
		"Fault-Call-Id: call 1\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Multi: a\r\nX-Multi: b\r\n" +
		"Accept-Encoding: br\r\nTe: trailers\r\n\r\n"
	for _, path := range []string{"/a%2Fb;x=1?q=1;2&p=%zz&empty", "/a|b", "/%41?", "//double//", "/é", "/"} {
		both(t, nil, func(t *testing.T, f *fixture) {
			answer := f.conversation(t, "GET http://user:secret@"+host+path+" HTTP/1.1\r\n"+head)
			if !strings.HasPrefix(answer, "HTTP/1.1 204") {
				t.Fatal(answer)
			}
			if got.RequestURI != path {
				t.Errorf("the path %q arrived as %q", path, got.RequestURI)
			}
			want := http.Header{
				"X-Forwarded-For": {"1.2.3.4"}, "Forwarded": {"for=1.2.3.4"}, "X-Multi": {"a", "b"}, "Accept-Encoding": {"br"},
				"Te": {"trailers"},
			}
			if !maps.EqualFunc(got.Header, want, slices.Equal) {
				t.Errorf("header %v, want %v", got.Header, want)
			}
			if got.Host != host {
				t.Errorf("Host = %q, want %q", got.Host, host)
			}
			flow := f.completed(t, 1)[0].Flow
			if flow.CallID != "call 1" || strings.Contains(flow.URL, "secret") || strings.Contains(flow.URL, "?") || flow.Target != host {
				t.Errorf("%+v", flow)
			}
		})
	}
}

func TestMappingSetsHost(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Host, r.RequestURI) })
	f := serve(t, mapped(srv))
	for _, tt := range []struct{ say, want string }{
		{"GET /x HTTP/1.1\r\nHost: somewhere.else\r\nConnection: close\r\n\r\n", strings.TrimPrefix(srv.URL, "http://") + " /x"},
		{"GET /x HTTP/1.0\r\n\r\n", strings.TrimPrefix(srv.URL, "http://") + " /x"},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", " *"},
		{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n", "405 Method"},
	} {
		if got := f.conversation(t, tt.say); !strings.Contains(got, tt.want) && !strings.HasPrefix(tt.want, " *") {
			t.Errorf("%q: %q, want %q", tt.say, got, tt.want)
		} else if strings.HasPrefix(tt.want, " *") && !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("%q: %q", tt.say, got)
		}
	}
}

func TestResponseArrivesAsItWasSent(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing made up": "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-A: 1\r\nX-A: 2\r\n\r\n<html>",
		"empty":           "HTTP/1.1 204 No Content\r\n\r\n",
		"not modified":    "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n",
		"zero length":     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"encoded":         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
		"strange status":  "HTTP/1.1 599 What\r\nContent-Length: 2\r\n\r\nok",
	} {
		ln := script(t, func(c net.Conn, r *http.Request) { io.WriteString(c, raw) })
		both(t, nil, func(t *testing.T, f *fixture) {
			got := f.conversation(t, "GET http://"+ln+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			want := strings.Replace(raw, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
			if !sameMessage(got, want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		})
	}
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

func TestChunkedAndTrailersBothWays(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) == 0 {
			t.Errorf("the request is not chunked: %v", r.Header)
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s|", body)
		w.(http.Flusher).Flush()
		fmt.Fprintf(w, "%s", r.Trailer.Get("X-In"))
		w.Header().Set("X-Sum", "out")
		w.Header().Set(http.TrailerPrefix+"X-Late", "unannounced")
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		pr, pw := io.Pipe()
		req, _ := http.NewRequest(http.MethodPost, srv.URL, pr)
		req.Trailer = http.Header{"X-In": nil}
		go func() {
			for _, s := range []string{"a", "b", "c"} {
				io.WriteString(pw, s)
			}
			req.Trailer.Set("X-In", "in")
			pw.Close()
		}()
		resp, err := f.client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if string(body) != "abc|in" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		if resp.Trailer.Get("X-Sum") != "out" || resp.Trailer.Get("X-Late") != "unannounced" {
			t.Errorf("trailer %v", resp.Trailer)
		}
		if done := f.completed(t, 1)[0]; done.Up != 3 || done.Down != 6 || done.Status != 200 || done.Err != nil || done.TTFB <= 0 {
			t.Errorf("%+v", done)
		}
	})
}

func TestEmptyBodiesKeepTheirFraming(t *testing.T) {
	var got *http.Request
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { got = r })
	f := serve(t, nil)
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH", "TRACE", "PROPFIND", "BREW"} {
		for _, key := range []string{"", "Idempotency-Key: 1\r\n"} {
			length := ""
			if method == "POST" || method == "PUT" || method == "PATCH" {
				length = "Content-Length: 0\r\n"
			}
			f.conversation(t, method+" http://"+host+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+key+length+"\r\n")
			if got.Method != method || len(got.TransferEncoding) != 0 || got.ContentLength != 0 ||
				(got.Header.Get("Content-Length") == "0") != (length != "") {
				t.Errorf("%s: %+v", method, got)
			}
		}
	}
}

func TestContinue(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "too large", http.StatusExpectationFailed)
			return
		}
		io.Copy(w, r.Body)
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		for path, want := range map[string]int{"/yes": 200, "/no": 417} {
			var continued atomic.Bool
			body := &watched{Reader: strings.NewReader("body")}
			req, _ := http.NewRequest(http.MethodPost, srv.URL+path, body)
			req.ContentLength = 4
			req.Header.Set("Expect", "100-continue")
			req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got100Continue: func() { continued.Store(true) },
			}))
			resp, err := f.client(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want || want == 200 && string(answer) != "body" {
				t.Errorf("%s: %s %q", path, resp.Status, answer)
			}
			if continued.Load() != (want == 200) || body.read.Load() != (want == 200) {
				t.Errorf("%s: 100 Continue %t, body read %t", path, continued.Load(), body.read.Load())
			}
		}
	})
}

type watched struct {
	io.Reader
	read atomic.Bool
}

func (w *watched) Read(p []byte) (int, error) { w.read.Store(true); return w.Reader.Read(p) }

func TestProvisionalAnswers(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		var early []string
		req, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
		req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				early = append(early, fmt.Sprint(code, h.Get("Link")))
				return nil
			},
		}))
		resp, err := f.client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if len(early) != 1 || early[0] != "103</style.css>; rel=preload" || resp.Header.Get("Link") != "" {
			t.Errorf("early %q, then %v", early, resp.Header)
		}
	})
}

func TestEventsAreFlushedAtOnce(t *testing.T) {
	for _, length := range []string{"", "11"} {
		next := make(chan struct{})
		srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			if length != "" {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Content-Length", length)
			}
			w.(http.Flusher).Flush()
			<-next
			io.WriteString(w, "one\n\n")
			w.(http.Flusher).Flush()
			<-next
			io.WriteString(w, "two!!\n")
		})
		both(t, nil, func(t *testing.T, f *fixture) {
			resp, err := f.client(t).Get(srv.URL) // returns only when the head has come, ahead of the body
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			next <- struct{}{}
			buf := make([]byte, 6)
			if _, err := io.ReadFull(resp.Body, buf[:5]); err != nil || string(buf[:5]) != "one\n\n" {
				t.Fatalf("%q, %v", buf, err)
			}
			next <- struct{}{}
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "two!!\n" {
				t.Fatalf("%q, %v", buf, err)
			}
		})
	}
}

func TestNothingIsSentTwice(t *testing.T) {
	for _, request := range []string{
		"GET %s HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS %s HTTP/1.1\r\nHost: x\r\n\r\n",
		"TRACE %s HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE %s HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"POST %s HTTP/1.1\r\nHost: x\r\nIdempotency-Key: 1\r\nContent-Length: 0\r\n\r\n",
		"PUT %s HTTP/1.1\r\nHost: x\r\nIdempotency-Key: 1\r\nContent-Length: 2\r\n\r\nhi",
	} {
		for _, reset := range []bool{false, true} {
			var heard atomic.Int32
			addr := script(t, func(c net.Conn, r *http.Request) {
				if r.URL.Path == "/warm" {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					return
				}
				heard.Add(1)
				if reset {
					_ = c.(*net.TCPConn).SetLinger(0)
				}
				c.Close()
			})
			f := serve(t, nil)
			// First a request that leaves a connection in the pool: only over such a one would net/http repeat a request.
			got := f.conversation(t, "GET http://"+addr+"/warm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 200") {
				t.Fatal(got)
			}
			say := fmt.Sprintf(request, "http://"+addr+"/")
			got = f.conversation(t, strings.Replace(say, "Host: x\r\n", "Host: x\r\nConnection: close\r\n", 1))
			if !strings.HasPrefix(got, "HTTP/1.1 502 ") {
				t.Errorf("%q: %q", request, got)
			}
			if heard.Load() != 1 {
				t.Errorf("%q, reset %t: the upstream heard it %d times", request, reset, heard.Load())
			}
		}
	}
}

func TestConnectionsThatWereClosedWhileIdle(t *testing.T) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	f := serve(t, nil)
	for i := range 20 {
		resp, err := f.client(t).Post(srv.URL, "", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("call %d: %s", i, resp.Status)
		}
		srv.CloseClientConnections()
		time.Sleep(2 * time.Millisecond)
	}
	if conns.Load() < 20 {
		t.Errorf("%d connections: the test did not close them", conns.Load())
	}
}

func TestUpstreamErrors(t *testing.T) {
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	nowhere := ln.Addr().String()
	ln.Close()
	closing := script(t, func(c net.Conn, _ *http.Request) { c.Close() })
	garbage := script(t, func(c net.Conn, _ *http.Request) { io.WriteString(c, "what?\r\nnew\r\n\r\n"); c.Close() })
	tls := httptest.NewTLSServer(nil)
	defer tls.Close()
	tls.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	f := serve(t, nil)
	for target, want := range map[string][]string{
		"http://" + nowhere:      {"502", "connection_refused", "upstream " + nowhere + ": connection refused; nothing listens there"},
		"http://" + closing:      {"502", "connection_terminated", "upstream " + closing + ": it closed the connection before"},
		"http://" + garbage:      {"502", "http_protocol_error", "malformed HTTP"},
		"http://no.invalid":      {"502", "dns_error", "upstream no.invalid:80: "},
		"http://" + f.addr:       {"508", "proxy_loop_detected", "this proxy itself"},
		tls.URL:                  {"502", "tls_certificate_error", "x509"},
		"ftp://x":                {"400", "http_request_denied", "http and https"},
		"http://a_b%20c":         {"400", "", ""},
		"http://[fe80::1%25x]:1": {"400", "http_request_error", "not a host"},
		"http://x:99999":         {"400", "", "port"},
		"":                       {"400", "http_request_denied", "HTTP_PROXY"},
	} {
		got := f.conversation(t, "GET "+target+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 "+want[0]) || !strings.Contains(head, want[1]) || !strings.Contains(body, want[2]) ||
			strings.Count(body, "\n") > 1 {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

func TestHostileConnects(t *testing.T) {
	f := serve(t, nil)
	for say, want := range map[string]string{
		"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n":                                                   "HTTP/1.1 400",
		"CONNECT x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                              "HTTP/1.1 400",
		"CONNECT x:0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                            "HTTP/1.1 400",
		"CONNECT http://x:1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                    "HTTP/1.1 400",
		"CONNECT u@x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                          "HTTP/1.1 400",
		"CONNECT [::1]:x HTTP/1.1\r\nHost: x\r\n\r\n":                                             "HTTP/1.1 400",
		"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n" + strings.Repeat("x", 100_000):          "HTTP/1.1 502",
		"GET http://x/ HTTP/1.1\r\nHost: x\r\nX-Huge: " + strings.Repeat("x", 2<<20) + "\r\n\r\n": "HTTP/1.1 431",
	} {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(c, say) // may be cut short by the answer
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		line, err := bufio.NewReader(c).ReadString('\n')
		if !strings.HasPrefix(line, want) {
			t.Errorf("%.60q: %q, %v; want %s", say, line, err, want)
		}
		c.Close()
	}
}

func FuzzParseAuthority(f *testing.F) {
	for _, s := range []string{"a:1", "[::1]:443", "x", ":80", "a:b:c", "[::1%eth0]:1", "a:00080", "\x00:1", "a:+1", "[[::1]]:1", "é:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		address, err := parseAuthority(s)
		if err != nil {
			return
		}
		again, err := parseAuthority(address)
		if err != nil || again != address {
			t.Fatalf("%q → %q → %q, %v", s, address, again, err)
		}
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" || port[0] == '0' {
			t.Fatalf("%q → %q is not host:port", s, address)
		}
		d, refusal := newDestination("http", address)
		if refusal != nil || d.address != address {
			t.Fatalf("%q is a CONNECT target but %+v as a URL's: %+v", address, d, refusal)
		}
	})
}

func TestUpgrade(t *testing.T) {
	addr := script(t, func(c net.Conn, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return
		}
		name := r.Header.Get("Upgrade")
		if r.URL.Path == "/other" {
			name = "other"
		}
		// The first bytes of the new protocol come in one piece with the answer.
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+name+"\r\nX-A: b\r\n\r\nhi")
		io.Copy(c, c)
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, "GET http://"+addr+"/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
		br := bufio.NewReader(c)
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("X-A") != "b" {
			t.Fatalf("%+v, %v", resp, err)
		}
		buf := make([]byte, 7)
		if _, err := io.ReadFull(br, buf); err != nil || string(buf) != "hiearly" {
			t.Fatalf("%q, %v", buf, err)
		}
		io.WriteString(c, "more")
		c.(*net.TCPConn).CloseWrite()
		rest, err := io.ReadAll(br)
		if string(rest) != "more" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		if done := f.completed(t, 1)[0]; done.Status != 101 || done.Up != 9 || done.Down != 11 || done.Err != nil {
			t.Errorf("%+v", done)
		}
		got := f.conversation(t, "GET http://"+addr+"/other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 502 ") || !strings.Contains(got, "http_upgrade_failed") {
			t.Errorf("an upgrade to something else: %q", got)
		}
	})
}

func TestUpgradeOverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
		io.CopyN(c, brw, 4)
	}))
	defer srv.Close()
	to := mapped(srv)
	both(t, func(c *Config) { to(c); c.TLS = srv.Client().Transport.(*http.Transport).TLSClientConfig }, func(t *testing.T, f *fixture) {
		got := f.conversation(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nping")
		if !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.HasSuffix(got, "\r\n\r\nhiping") {
			t.Errorf("%q", got)
		}
	})
}

func TestUpgradedConnectionIsUnderFaults(t *testing.T) {
	addr := script(t, func(c net.Conn, r *http.Request) {
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, c)
	})
	f := serve(t, nil)
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET http://"+addr+"/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	br := bufio.NewReader(c)
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	round := func() error {
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		io.WriteString(c, "ping")
		_, err := io.ReadFull(br, buf)
		return err
	}
	if err := round(); err != nil {
		t.Fatal(err)
	}
	hole := &fault.Blackhole{Base: fault.Base{Side: fault.Server, Direction: fault.Ingress, Probability: 1}, Heal: fault.HealGap}
	f.live.Store(fault.Build([]fault.Active{{Spec: hole, Epoch: 1}}, 1, f.sink))
	if err := round(); err == nil {
		t.Error("a message came out of the hole")
	}
}

func TestClientThatLeaves(t *testing.T) {
	gone := make(chan struct{})
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	})
	f := serve(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	go func() { time.Sleep(50 * time.Millisecond); cancel() }()
	if _, err := f.client(t).Do(req); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("the upstream's connection stays when the client has left")
	}
	if done := f.completed(t, 1)[0]; done.Err == nil || done.Status != 0 {
		t.Errorf("%+v", done)
	}
}

func TestBrokenBodyBreaksTheAnswer(t *testing.T) {
	addr := script(t, func(c net.Conn, r *http.Request) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		c.Close()
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		resp, err := f.client(t).Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if string(body) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q, %v", body, err)
		}
		if done := f.completed(t, 1)[0]; done.Err == nil || done.Down != 4 {
			t.Errorf("%+v", done)
		}
	})
}

func TestLargeHeaders(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Back", r.Header.Get("X-Large")) })
	large := strings.Repeat("x", 500_000)
	both(t, nil, func(t *testing.T, f *fixture) {
		for _, body := range []io.Reader{nil, bytes.NewReader(make([]byte, 100_000))} {
			req, _ := http.NewRequest(http.MethodPost, srv.URL, body)
			req.Header.Set("X-Large", large)
			resp, err := f.client(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.Header.Get("X-Back") != large {
				t.Errorf("%d bytes came back", len(resp.Header.Get("X-Back")))
			}
		}
	})
}
