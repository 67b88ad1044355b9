package httpproxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/authority"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// interception is a proxy that opens tunnels, in front of TLS servers of an authority that the proxy trusts and its clients do not.
type interception struct {
	*fixture
	shown *authority.Authority // of what the proxy shows to its clients
	real  *authority.Authority // of the servers
}

func intercepting(t testing.TB, change func(*Config)) *interception {
	t.Helper()
	i := &interception{}
	var err error
	if i.shown, err = authority.New(); err != nil {
		t.Fatal(err)
	}
	if i.real, err = authority.New(); err != nil {
		t.Fatal(err)
	}
	i.fixture = serve(t, func(c *Config) {
		c.TLS = &tls.Config{RootCAs: roots(i.real)}
		c.Intercept = &Intercept{Match: func(string) bool { return true }, Certificate: i.shown.Certificate}
		if change != nil {
			change(c)
		}
	})
	return i
}

func roots(list ...*authority.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, a := range list {
		pool.AppendCertsFromPEM(a.CertificatePEM())
	}
	return pool
}

// server starts a TLS server that is 127.0.0.1 and names.
func (i *interception) server(t testing.TB, h http.HandlerFunc, change func(*httptest.Server)) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.TLS = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "" {
			return i.real.Certificate("127.0.0.1")
		}
		return i.real.Certificate(hello.ServerName)
	}}
	if change != nil {
		change(srv)
	}
	srv.StartTLS()
	// Without a certificate of its own among the configured ones, the server would show that of the test package.
	srv.TLS.Certificates = nil
	t.Cleanup(srv.Close)
	return srv
}

// client is one that trusts what the proxy shows, and nothing else.
func (i *interception) client(t testing.TB, protocol string) *http.Client {
	tr := &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: i.addr}), DisableCompression: true, Protocols: new(http.Protocols),
		TLSClientConfig: &tls.Config{RootCAs: roots(i.shown)},
	}
	tr.Protocols.SetHTTP1(protocol == "HTTP/1.1")
	tr.Protocols.SetHTTP2(protocol == "HTTP/2.0")
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// connect makes a tunnel.
func (i *interception) connect(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", i.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nFault-Call-Id: outer\r\n\r\n", address, address)
	head := make([]byte, len(established))
	if _, err := io.ReadFull(c, head); err != nil || string(head) != established {
		t.Fatalf("%q, %v", head, err)
	}
	return c
}

var protocols = []string{"HTTP/1.1", "HTTP/2.0"}

func TestInterceptedExchanges(t *testing.T) {
	for _, protocol := range protocols {
		for _, served := range protocols {
			for _, faults := range []string{"clean", "latency"} {
				t.Run(fmt.Sprint(protocol, " to ", served, " ", faults), func(t *testing.T) {
					i := intercepting(t, nil)
					if faults == "latency" {
						slow(i.live)
					}
					testInterceptedExchanges(t, i, protocol, served)
				})
			}
		}
	}
}

func testInterceptedExchanges(t *testing.T, i *interception, protocol, served string) {
	var heard sync.Map
	srv := i.server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard.Store(r.Method+" "+r.URL.RequestURI(), fmt.Sprintf("%s %s %q %q", r.Proto, r.Host, r.Header.Get("Fault-Call-Id"), body))
		w.Header().Set("Trailer", "X-Said")
		w.Header()["X-Twice"] = []string{"a", "b"}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.TLS.ServerName, body)
		w.Header().Set("X-Said", "yes")
		w.Header().Set(http.TrailerPrefix+"X-Unsaid", "yes")
	}, func(s *httptest.Server) { s.EnableHTTP2 = served == "HTTP/2.0" })
	client := i.client(t, protocol)
	host := srv.Listener.Addr().String()
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		for call := range 3 {
			var say io.Reader
			if method == http.MethodPost {
				say = strings.NewReader("hello")
			}
			req, _ := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("https://%s/a%%2Fb?x=%d", host, call), say)
			req.Header.Set(CallIDHeader, "inner")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusAccepted || !strings.HasPrefix(string(body), method+" ") || resp.Proto != protocol {
				t.Errorf("%s: %s %s %q, %v", method, resp.Proto, resp.Status, body, err)
			}
			if len(resp.Header["X-Twice"]) != 2 || resp.Trailer.Get("X-Said") != "yes" || resp.Trailer.Get("X-Unsaid") != "yes" {
				t.Errorf("%v, trailer %v", resp.Header, resp.Trailer)
			}
			want := served
			if protocol == "HTTP/1.1" {
				want = protocol // a client that may upgrade gets an upstream that may
			}
			sent := ""
			if say != nil {
				sent = "hello"
			}
			got, _ := heard.Load(fmt.Sprintf("%s /a%%2Fb?x=%d", method, call))
			if got != fmt.Sprintf("%s %s %q %q", want, host, "", sent) {
				t.Errorf("the upstream heard %v, want %s", got, want)
			}
		}
	}
	for _, done := range i.completed(t, 9) {
		f := done.Flow
		if f.Kind != event.Exchange || f.Target != host || f.URL != "https://"+host+"/a%2Fb" || f.CallID != "inner" ||
			done.Status != http.StatusAccepted || done.Err != nil || f.Client == "" || f.Listener != i.addr {
			t.Errorf("%+v of %+v", done, f)
		}
	}
	if n := i.notices(); len(n) > 0 {
		t.Error(n)
	}
}

func TestInterceptedNames(t *testing.T) {
	i := intercepting(t, nil)
	srv := i.server(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS.ServerName, " ", r.Host) }, nil)
	address := srv.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	ask := func(name, host string) string {
		c := tls.Client(i.connect(t, address), &tls.Config{RootCAs: roots(i.shown), ServerName: name})
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	for _, tc := range []struct{ name, host, want string }{
		{"one.example", "one.example:443", "one.example one.example:443"},
		{"two.example", "other.example:1", "two.example other.example:1"},
		{"one.example", "one.example:443", "one.example one.example:443"}, // not over the connection of two.example
		{"127.0.0.1", "x", " x"},
	} {
		if got := ask(tc.name, tc.host); got != tc.want {
			t.Errorf("%s, Host %s: %q", tc.name, tc.host, got)
		}
	}
	for n, want := range []string{"one.example", "two.example", "one.example", "127.0.0.1"} {
		if done := i.completed(t, 4)[n]; done.Flow.URL != "https://"+want+":"+port+"/" || done.Flow.Target != address || done.Flow.CallID != "outer" {
			t.Errorf("%+v", done.Flow)
		}
	}
}

func TestInterceptedUpstreamsAreVerified(t *testing.T) {
	i := intercepting(t, nil)
	quiet := func(s *httptest.Server) { s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) }
	stranger, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	untrusted := i.server(t, nil, func(s *httptest.Server) {
		quiet(s)
		s.TLS.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return stranger.Certificate("127.0.0.1") }
	})
	another := i.server(t, nil, func(s *httptest.Server) {
		quiet(s)
		s.TLS.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.real.Certificate("another.example") }
	})
	selfMade := i.server(t, nil, func(s *httptest.Server) { // of the very authority that clients trust: that is for the proxy alone
		quiet(s)
		s.TLS.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.shown.Certificate("127.0.0.1") }
	})
	mutual13 := i.server(t, nil, func(s *httptest.Server) { quiet(s); s.TLS.ClientAuth = tls.RequireAnyClientCert })
	mutual12 := i.server(t, nil, func(s *httptest.Server) {
		quiet(s)
		s.TLS.ClientAuth, s.TLS.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
	})
	plain := upstream(t, nil)
	const nowhere = "127.0.0.1:1"
	for address, want := range map[string][]string{
		untrusted.Listener.Addr().String(): {"tls_certificate_error", "x509: certificate signed by unknown authority"},
		another.Listener.Addr().String():   {"tls_certificate_error", "x509: cannot validate certificate for 127.0.0.1"},
		selfMade.Listener.Addr().String():  {"tls_certificate_error", "x509: certificate signed by unknown authority"},
		mutual13.Listener.Addr().String():  {"tls_alert_received", "it asks for a client certificate, which only the client has"},
		mutual12.Listener.Addr().String():  {"tls_alert_received", "it asks for a client certificate, which only the client has"},
		plain.Listener.Addr().String():     {"", "tls: first record does not look like a TLS handshake"},
		nowhere:                            {"connection_refused", "connection refused; nothing listens there"},
		i.addr:                             {"proxy_loop_detected", "this proxy itself"},
	} {
		for _, protocol := range protocols {
			resp, err := i.client(t, protocol).Get("https://" + address + "/")
			if err != nil {
				t.Errorf("%s, %s: %v", want, protocol, err)
				continue
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if status := resp.StatusCode; status != http.StatusBadGateway && status != http.StatusLoopDetected ||
				!strings.HasPrefix(string(body), "fault: upstream "+address+": ") || !strings.Contains(string(body), want[1]) ||
				!strings.Contains(resp.Header.Get("Proxy-Status"), want[0]) || strings.Count(string(body), "\n") != 1 {
				t.Errorf("%s, %s: %s %q %q", want, protocol, resp.Status, resp.Header["Proxy-Status"], body)
			}
		}
	}
}

func TestFaultsOnInterceptedExchanges(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			i := intercepting(t, nil)
			var heard atomic.Int32
			srv := i.server(t, func(w http.ResponseWriter, r *http.Request) { heard.Add(1); io.WriteString(w, "ok") }, nil)
			client := i.client(t, protocol)
			get := func(ctx context.Context) error {
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
				resp, err := client.Do(req)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
				return err
			}
			if err := get(t.Context()); err != nil {
				t.Fatal(err)
			}
			mean, zero := 60.0, 0.0
			i.live.Store(fault.Build([]fault.Active{{Spec: &fault.Latency{
				Base:         fault.Base{Side: fault.Server, Direction: fault.Ingress, Probability: 1},
				Distribution: fault.Normal, Mean: &mean, StdDev: &zero, Scope: fault.ScopeConnection,
			}, Epoch: 1}}, 1, i.sink))
			for range 3 { // every exchange is late, not only the first of a connection
				start := time.Now()
				if err := get(t.Context()); err != nil || time.Since(start) < 60*time.Millisecond {
					t.Errorf("after %s: %v", time.Since(start), err)
				}
			}
			hole := &fault.Blackhole{Base: fault.Base{Side: fault.Server, Direction: fault.Egress, Probability: 1}, Heal: fault.HealGap}
			i.live.Store(fault.Build([]fault.Active{{Spec: hole, Epoch: 2}}, 1, i.sink))
			before := heard.Load()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := get(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("out of the hole: %v", err)
			}
			if heard.Load() != before {
				t.Error("the upstream heard of a request that was lost")
			}
			i.live.Store(nil)
			if err := get(t.Context()); err != nil {
				t.Error("after the hole:", err)
			}
			applied := map[string]int{}
			i.mu.Lock()
			for _, e := range i.events {
				if a, ok := e.(event.Applied); ok && a.Flow.Kind == event.Exchange {
					applied[a.Fault]++
				}
			}
			i.mu.Unlock()
			if applied["latency"] != 3 || applied["blackhole"] == 0 {
				t.Error(applied)
			}
		})
	}
}

func TestLostExchangeLeavesOthersOfItsConnectionAlone(t *testing.T) {
	i := intercepting(t, nil)
	release := make(chan struct{})
	var conns sync.Map
	srv := i.server(t, func(w http.ResponseWriter, r *http.Request) {
		conns.Store(r.RemoteAddr, true)
		if r.URL.Path == "/long" {
			w.(http.Flusher).Flush()
			<-release
		}
		io.WriteString(w, "ok")
	}, nil)
	client := i.client(t, "HTTP/2.0")
	long, err := client.Get(srv.URL + "/long")
	if err != nil {
		t.Fatal(err)
	}
	defer long.Body.Close()
	hole := &fault.Blackhole{Base: fault.Base{Side: fault.Server, Direction: fault.Ingress, Probability: 1}, Heal: fault.HealGap}
	i.live.Store(fault.Build([]fault.Active{{Spec: hole, Epoch: 1}}, 1, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
		t.Error("out of the hole:", resp.Status)
	}
	i.live.Store(nil)
	close(release)
	if body, err := io.ReadAll(long.Body); string(body) != "ok" || err != nil {
		t.Errorf("the other exchange: %q, %v", body, err)
	}
	n := 0
	conns.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d connections to the upstream", n)
	}
}

func TestInterceptedConversation(t *testing.T) {
	i := intercepting(t, nil)
	srv := i.server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Te-Was", r.Header.Get("Te"))
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		buf := make([]byte, 16)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				_, _ = w.Write(bytes.ToUpper(buf[:n]))
				_ = http.NewResponseController(w).Flush()
			}
			if err != nil {
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
				return
			}
		}
	}, nil)
	for _, faults := range []string{"clean", "latency"} {
		if faults == "latency" {
			slow(i.live)
		}
		out, in := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, out)
		req.Header.Set("Te", "trailers")
		resp, err := i.client(t, "HTTP/2.0").Do(req) // before anything of the body was said
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Te-Was"); got != "trailers" {
			t.Errorf("TE: %q", got)
		}
		buf := make([]byte, 4)
		for _, say := range []string{"ping", "pong", "more"} {
			io.WriteString(in, say)
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != strings.ToUpper(say) {
				t.Fatalf("%q, %v", buf, err)
			}
		}
		in.Close()
		rest, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if len(rest) > 0 || err != nil || resp.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%q, %v, trailer %v", rest, err, resp.Trailer)
		}
	}
}

func TestInterceptedWebSocket(t *testing.T) {
	i := intercepting(t, nil)
	srv := i.server(t, func(w http.ResponseWriter, r *http.Request) {
		c, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
		io.Copy(c, brw)
	}, nil)
	address := srv.Listener.Addr().String()
	for _, offered := range [][]string{nil, {"http/1.1"}} {
		c := tls.Client(i.connect(t, address), &tls.Config{RootCAs: roots(i.shown), ServerName: "127.0.0.1", NextProtos: offered})
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
		br := bufio.NewReader(c)
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		io.WriteString(c, "more")
		got := make([]byte, 11)
		if _, err := io.ReadFull(br, got); err != nil || string(got) != "hiearlymore" {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
	}
	for _, done := range i.completed(t, 2) {
		if done.Status != 101 || done.Up != 9 || done.Down != 11 {
			t.Errorf("%+v", done)
		}
	}
}
