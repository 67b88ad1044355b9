package httpproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

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
	const nowhere = "127.0.0.1:1"
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
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
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

func TestClientThatLeaves(t *testing.T) {
	reached, gone := make(chan struct{}), make(chan struct{})
	srv := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		<-r.Context().Done()
		close(gone)
	})
	f := serve(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	go func() { <-reached; cancel() }()
	if _, err := f.client(t).Do(req); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	select {
	case <-gone:
	case <-time.After(time.Minute):
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
