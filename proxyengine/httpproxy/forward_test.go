package httpproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// h2c starts a server that speaks HTTP/2 without TLS, and HTTP/1 too unless only is set.
func h2c(t testing.TB, only bool, h http.HandlerFunc) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.Protocols.SetHTTP1(!only)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// h2cClient speaks HTTP/2 to addr whatever the URL says, as a client of an HTTP proxy without TLS does.
func h2cClient(t testing.TB, addr string) *http.Client {
	tr := &http.Transport{
		Protocols: new(http.Protocols), DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
	}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func TestHTTP2WithoutTLS(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s %s %s", r.Proto, r.Host, r.RequestURI, body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-In"))
	}
	for name, c := range map[string]struct {
		srv  *httptest.Server
		want string
	}{
		"to HTTP/2 alone": {h2c(t, true, answer), "HTTP/2.0"}, "to both": {h2c(t, false, answer), "HTTP/2.0"},
		"to HTTP/1": {upstream(t, answer), "HTTP/1.1"},
	} {
		for kind, change := range map[string]func(*Config){"forward": nil, "mapping": mapped(c.srv)} {
			t.Run(name+" "+kind, func(t *testing.T) {
				both(t, change, func(t *testing.T, f *fixture) {
					client := h2cClient(t, f.addr)
					host := strings.TrimPrefix(c.srv.URL, "http://")
					for _, method := range []string{"GET", "POST", "HEAD", "DELETE", "GET"} {
						sent := ""
						if method == "POST" {
							sent = "hello"
						}
						req, _ := http.NewRequest(method, c.srv.URL+"/a%2Fb?q=1", io.NopCloser(strings.NewReader(sent)))
						if sent == "" {
							req.Body = nil
						} else {
							req.Trailer = http.Header{"X-In": {"in"}}
						}
						resp, err := client.Do(req)
						if err != nil {
							t.Fatal(err)
						}
						body, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						want := fmt.Sprintf("%s %s /a%%2Fb?q=1 %s", c.want, host, sent)
						if method == "HEAD" {
							want = ""
						}
						if string(body) != want || err != nil || resp.ProtoMajor != 2 {
							t.Errorf("%s: %s %q, %v, want %q", method, resp.Proto, body, err, want)
						}
						if sent != "" && resp.Trailer.Get("X-Sum") != "in" {
							t.Errorf("trailer %v", resp.Trailer)
						}
					}
					for _, done := range f.completed(t, 5) {
						if done.Err != nil || done.Status != 200 || done.Flow.Target != host || done.Flow.URL != c.srv.URL+"/a%2Fb" {
							t.Errorf("%+v %+v", done, done.Flow)
						}
					}
				})
			})
		}
	}
}

// Both directions of a call flow at the same time, as gRPC has them.
func TestHTTP2FlowsBothWays(t *testing.T) {
	srv := h2c(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		buf := make([]byte, 5)
		for {
			if _, err := io.ReadFull(r.Body, buf); err != nil {
				return
			}
			fmt.Fprintf(w, "re %s", buf)
			w.(http.Flusher).Flush()
		}
	})
	both(t, mapped(srv), func(t *testing.T, f *fixture) {
		pr, pw := io.Pipe()
		req, _ := http.NewRequest(http.MethodPost, "http://"+f.addr, pr)
		resp, err := h2cClient(t, f.addr).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		buf := make([]byte, 8)
		for i := range 3 {
			fmt.Fprintf(pw, "msg %d", i)
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != fmt.Sprintf("re msg %d", i) {
				t.Fatalf("%q, %v", buf, err)
			}
		}
		pw.Close()
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// Exchanges that share a connection to the upstream do not share their fates.
func TestHTTP2LosesOneExchange(t *testing.T) {
	var connections atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	f := serve(t, mapped(srv))
	f.wrong(t, map[string]any{"type": "blackhole", "match": "/lost"}, map[string]any{"type": "httperror", "match": "/error"})
	client := h2cClient(t, f.addr)
	get := func(path string) (string, error) {
		patience := time.Minute
		if path == "/lost" {
			patience = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.addr+path, nil)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", string(body)), err
	}
	for range 2 {
		if got, err := get("/one"); got != "200 /one" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if got, err := get("/lost"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v", got, err)
		}
		if got, err := get("/error"); got != "500 " || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections to the upstream, want 1", n)
	}
}

// An upstream that closes without a word when it is asked in HTTP/2 is asked again in HTTP/1, each time: it may have closed for another
// reason.
func TestHTTP2ToAnUpstreamThatCloses(t *testing.T) {
	var prefaces atomic.Int32
	addr := script(t, func(c net.Conn, r *http.Request) {
		if r.Method == "PRI" { // nothing is said to the preface, and what follows it is no request
			prefaces.Add(1)
		} else {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	f := serve(t, nil)
	client := h2cClient(t, f.addr)
	for i := range 2 {
		resp, err := client.Post("http://"+addr, "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "ok" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		if n := prefaces.Load(); n != int32(i+1) {
			t.Errorf("time %d: %d connections were tried over HTTP/2, want one each time", i, n)
		}
	}
}

func TestVia(t *testing.T) {
	var got []string
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header["Via"]
		w.Header().Set("Via", "1.0 other")
	})
	f := serve(t, nil)
	answer := f.conversation(t, "GET "+srv.URL+" HTTP/1.0\r\nVia: 1.1 a, 1.1 b\r\n\r\n")
	if want := "1.1 a, 1.1 b|1.0 fault"; strings.Join(got, "|") != want {
		t.Errorf("the request has Via %q, want %q", got, want)
	}
	if !strings.Contains(answer, "Via: 1.0 other\r\nVia: 1.1 fault\r\n") {
		t.Errorf("%q", answer)
	}
	if resp, err := h2cClient(t, f.addr).Get(srv.URL); err != nil || strings.Join(got, "|") != "2 fault" {
		t.Errorf("the request over HTTP/2 has Via %q, %v", got, err)
	} else {
		resp.Body.Close()
	}
	f = serve(t, mapped(srv))
	if answer = f.conversation(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); got != nil || strings.Contains(answer, "fault") {
		t.Errorf("a mapping leaves Via %q, and %q", got, answer)
	}
}

func TestMaxForwards(t *testing.T) {
	var got []string
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header["Max-Forwards"]
		io.WriteString(w, "upstream")
	})
	f := serve(t, nil)
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, c := range []struct{ method, value, want, says string }{
		{"OPTIONS", "3", "2", "\r\n\r\nupstream"},
		{"TRACE", "1", "0", "\r\n\r\nupstream"},
		{"GET", "0", "0", "\r\n\r\nupstream"},
		{"OPTIONS", "x", "x", "\r\n\r\nupstream"},
		{"OPTIONS", "0", "", "Content-Length: 0\r\n"},
		{"TRACE", "0", "", "\r\n\r\nTRACE " + srv.URL + "/x HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nMax-Forwards: 0\r\n\r\n"},
	} {
		got = nil
		answer := f.conversation(t, c.method+" "+srv.URL+"/x HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\nCookie: secret\r\nMax-Forwards: "+
			c.value+"\r\n\r\n")
		if strings.Join(got, "|") != c.want || !strings.Contains(answer, c.says) || !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("%s %s: upstream got %q, client %q", c.method, c.value, got, answer)
		}
	}
}

func TestOverride(t *testing.T) {
	var got *http.Request
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { got = r; io.WriteString(w, "instead") })
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, scheme := range []string{"", "http"} {
		f := serve(t, func(c *Config) { c.Override = Override{Scheme: scheme, Target: host} })
		asked := map[string]string{
			"GET http://api.example/x?y=1 HTTP/1.1\r\nHost: api.example": "http://api.example/x",
			"GET /x?y=1 HTTP/1.1\r\nHost: api.example:8080":              "http://api.example:8080/x",
		}
		if scheme != "" {
			asked["GET https://api.example/x?y=1 HTTP/1.1\r\nHost: api.example"] = "https://api.example/x"
		}
		n := 0
		for say, url := range asked {
			n++
			answer := f.conversation(t, say+"\r\nConnection: close\r\n\r\n")
			if !strings.HasSuffix(answer, "\r\n\r\ninstead") || got.Host != host || got.RequestURI != "/x?y=1" {
				t.Errorf("%q: %q, upstream got %+v", say, answer, got)
			}
			if flow := f.completed(t, n)[n-1].Flow; flow.URL != url || !strings.HasPrefix(flow.Target, "api.example:") {
				t.Errorf("%q: %+v", say, flow)
			}
		}
	}
}

// A reset that the upstream, or a fault, makes reaches the client: nothing is sent again behind its back.
func TestResetsReachTheClient(t *testing.T) {
	var heard atomic.Int64
	addr := script(t, func(c net.Conn, _ *http.Request) {
		if heard.Add(1)%2 == 1 { // every other request is answered, so that the connection is one that worked before
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	f := serve(t, nil)
	client := f.client(t)
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "TRACE"} {
		for i := range 2 {
			before := heard.Load()
			var written atomic.Int64
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { written.Add(1) }})
			req, _ := http.NewRequestWithContext(ctx, method, "http://"+addr, nil)
			req.Header.Set("Idempotency-Key", "1")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			resp.Body.Close()
			if want := []int{200, 502}[i]; resp.StatusCode != want || heard.Load() != before+1 || written.Load() != 1 {
				t.Errorf("%s: status %d, want %d; the upstream heard %d requests", method, resp.StatusCode, want, heard.Load()-before)
			}
		}
	}
}

// A connection over HTTP/2 on which nothing happens does not hold up the end; what is under way on one may come to its end.
func TestHTTP2Drains(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(reached)
			<-release
		}
		io.WriteString(w, "ok")
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var cfg Config
	f := serve(t, func(c *Config) {
		mapped(srv)(c)
		c.Drain = 2 * time.Minute
		cfg = *c
	})
	f.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New(cfg).Serve(ctx, ln) }()
	idle, busy := h2cClient(t, f.addr), h2cClient(t, f.addr)
	resp, err := idle.Get("http://" + f.addr)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	answered := make(chan string, 1)
	go func() {
		resp, err := busy.Get("http://" + f.addr + "/slow")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	<-reached
	cancel()
	time.AfterFunc(100*time.Millisecond, func() { close(release) })
	if got := <-answered; got != "ok" {
		t.Errorf("what was under way ends with %q", got)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the idle connection is waited for")
	}
}
