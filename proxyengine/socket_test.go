package proxyengine

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// toggle applies faults and takes them away again every 50 ms until ctx is done.
func toggle(ctx context.Context, t testing.TB, e *Engine) {
	frequency, amplitude := 50.0, 20.0
	jitter := &fault.Jitter{
		Base: fault.Base{Side: fault.Client, Direction: fault.Both, Probability: 1}, Amplitude: amplitude, Frequency: frequency,
	}
	slow := latency(10, func(l *fault.Latency) { l.Scope, l.Direction = fault.ScopeChunk, fault.Both })
	sets := [][]fault.Spec{{slow}, {slow, jitter}, nil, {jitter}}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := e.Apply(Program{Faults: sets[i%len(sets)]}); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestBytesSurviveTogglingFaults(t *testing.T) {
	const size = 64 << 20
	data := make([]byte, size)
	_, _ = rand.Read(data)
	want := digest(t, bytes.NewReader(data))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.WriteString(w, digest(t, r.Body))
			return
		}
		for part := data; len(part) > 0; { // paced, so that the faults have time to change under it
			n := min(len(part), 1<<20)
			if _, err := w.Write(part[:n]); err != nil {
				return
			}
			part = part[n:]
			time.Sleep(5 * time.Millisecond)
		}
	}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	raw, web := mapping(t, "0="+addr), mapping(t, "0=http://"+addr)
	e := start(t, Config{ProxyAddress: "127.0.0.1:0", Mappings: []Mapping{raw, web}})
	ctx, cancel := context.WithCancel(t.Context())
	var toggling sync.WaitGroup
	toggling.Go(func() { toggle(ctx, t, e) })
	defer toggling.Wait()
	defer cancel()

	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	secure := httptest.NewTLSServer(srv.Config.Handler)
	defer secure.Close()
	tunneled := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: e.ProxyAddr().String()}),
	}}
	var transfers sync.WaitGroup
	for name, way := range map[string]struct {
		client *http.Client
		url    string
	}{
		"raw mapping":  {direct, "http://" + e.MappingAddrs()[raw.String()].String()},
		"http mapping": {direct, "http://" + e.MappingAddrs()[web.String()].String()},
		"forward":      {through(t, e), srv.URL},
		"tunnel":       {tunneled, secure.URL},
	} {
		transfers.Go(func() {
			resp, err := way.client.Get(way.url)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			defer resp.Body.Close()
			if got := digest(t, resp.Body); got != want {
				t.Errorf("%s: what was received is not what was sent", name)
			}
			up, err := way.client.Post(way.url, "", bytes.NewReader(data))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			defer up.Body.Close()
			if got, _ := io.ReadAll(up.Body); string(got) != want {
				t.Errorf("%s: what the upstream received is not what was sent", name)
			}
		})
	}
	transfers.Wait()
}

func TestHalfClosedConnectionGetsItsReply(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() { // answers only once it has heard everything
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				heard, _ := io.ReadAll(c)
				c.Write(bytes.ToUpper(heard))
			}()
		}
	}()
	m := mapping(t, "0="+ln.Addr().String())
	for name, faults := range map[string][]fault.Spec{"nothing wrong": nil, "latency": {latency(20), latency(20, func(l *fault.Latency) {
		l.Direction = fault.Egress
	})}} {
		e := start(t, Config{ProxyAddress: "127.0.0.1:0", Mappings: []Mapping{m}, Program: Program{Faults: faults}})
		for _, tunnel := range []bool{false, true} {
			to := e.MappingAddrs()[m.String()].String()
			say := "half "
			if tunnel {
				to = e.ProxyAddr().String()
				// The request and what follows come in one piece: what is buffered must come first.
				say = "CONNECT " + ln.Addr().String() + " HTTP/1.1\r\nHost: x\r\n\r\nhalf "
			}
			c, err := net.Dial("tcp", to)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, say)
			if tunnel {
				head := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
				if _, err := io.ReadFull(c, head); err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
					t.Fatalf("%q, %v", head, err)
				}
			}
			io.WriteString(c, "closed")
			c.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(c)
			if string(got) != "HALF CLOSED" || err != nil {
				t.Errorf("%s, tunnel %t: %q, %v", name, tunnel, got, err)
			}
			c.Close()
		}
	}
}

func TestNothingIsLeftOfAThousandConnections(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	raw, web := mapping(t, "0="+addr), mapping(t, "0=http://"+addr)
	var j journal
	e := start(t, Config{
		ProxyAddress: "127.0.0.1:0", Mappings: []Mapping{raw, web}, Sink: j.sink, Program: Program{Faults: []fault.Spec{latency(1)}},
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	proxied := through(t, e)
	proxied.Transport.(*http.Transport).DisableKeepAlives = true
	for _, a := range e.MappingAddrs() {
		get(t, client, "http://"+a.String())
	}
	get(t, proxied, srv.URL)
	srv.CloseClientConnections() // those that the engine keeps for later
	eventually(t, func() bool { return len(of[event.Completed](&j)) == 3 && sockets(t) <= 4 }, "an idle engine")
	time.Sleep(100 * time.Millisecond)
	goroutines, fds := runtime.NumGoroutine(), sockets(t)
	work := make(chan int)
	var workers sync.WaitGroup
	for range 20 {
		workers.Go(func() {
			for i := range work {
				c, url := client, "http://"+e.MappingAddrs()[raw.String()].String()
				switch i % 5 {
				case 1:
					url = "http://" + e.MappingAddrs()[web.String()].String()
				case 2:
					c, url = proxied, srv.URL
				case 3: // leaves in the middle of its request
					conn, err := net.Dial("tcp", e.MappingAddrs()[raw.String()].String())
					if err == nil {
						io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfive")
						conn.Close()
					}
					continue
				case 4:
					conn, err := net.Dial("tcp", e.ProxyAddr().String())
					if err == nil {
						io.WriteString(conn, "CONNECT "+addr+" HTTP/1.1\r\nHost: x\r\n\r\nGET")
						conn.Close()
					}
					continue
				}
				resp, err := c.Post(url, "", strings.NewReader("hello"))
				if err != nil {
					t.Error(err)
					continue
				}
				if body, _ := io.ReadAll(resp.Body); string(body) != "hello" {
					t.Errorf("%q", body)
				}
				resp.Body.Close()
			}
		})
	}
	for i := range 1000 {
		work <- i
	}
	close(work)
	workers.Wait()
	eventually(t, func() bool { return len(of[event.Completed](&j)) == 1003 }, "1000 more completed flows")
	srv.CloseClientConnections()
	eventually(t, func() bool { return sockets(t) <= fds }, "as many sockets as before")
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines }, "as many goroutines as before")
}

// unused is an address that nothing listens on, with a port below those that systems hand out by themselves: one of these may be
// another process's a moment later.
func unused(t testing.TB) string {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+mathrand.IntN(18000)))
		if err == nil {
			ln.Close()
			return ln.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

func TestRefusedUpstreamResetsARawConnection(t *testing.T) {
	nowhere := unused(t)
	m := mapping(t, "0="+nowhere)
	var j journal
	e := start(t, Config{Mappings: []Mapping{m}, Sink: j.sink})
	c, err := net.Dial("tcp", e.MappingAddrs()[m.String()].String())
	if err == nil { // the reset may even come before the connect returns
		_, err = io.ReadAll(c)
		c.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("the client sees %v, want a reset", err)
	}
	eventually(t, func() bool { return len(of[event.Completed](&j)) == 1 }, "a completed flow")
	want := "upstream " + nowhere + ": connection refused; nothing listens there"
	if done := of[event.Completed](&j)[0]; done.Err == nil || done.Err.Error() != want {
		t.Errorf("Err = %v, want %s", done.Err, want)
	}
}

func TestLoopsAreRefused(t *testing.T) {
	e := start(t, Config{ProxyAddress: "127.0.0.1:0"})
	_, port, _ := net.SplitHostPort(e.ProxyAddr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "127.0.0.2"} {
		resp, err := through(t, e).Get("http://" + net.JoinHostPort(host, port) + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if host == "127.0.0.2" { // another address, where nothing listens
			if resp.StatusCode != http.StatusBadGateway {
				t.Errorf("%s: %s", host, resp.Status)
			}
			continue
		}
		if resp.StatusCode != http.StatusLoopDetected || !strings.Contains(string(body), "this proxy itself") {
			t.Errorf("%s: %s %q", host, resp.Status, body)
		}
	}
	c, err := net.Dial("tcp", e.ProxyAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "CONNECT localhost:"+port+" HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 508 ") {
		t.Errorf("CONNECT: %q, %v", got, err)
	}

	// Two mappings that lead to each other, and one that leads to the HTTP proxy.
	first, second := unused(t), unused(t)
	back := mapping(t, "0=http://"+e.ProxyAddr().String())
	if err := e.SetMappings(t.Context(), []Mapping{mapping(t, first+"="+second), mapping(t, second+"="+first), back}); err != nil {
		t.Fatal(err)
	}
	raw, err := net.Dial("tcp", first)
	if err == nil {
		_, err = io.ReadAll(raw)
		raw.Close()
	}
	if err == nil {
		t.Error("a loop of mappings is not reset")
	}
	status, _ := get(t, http.DefaultClient, "http://"+e.MappingAddrs()[back.String()].String())
	http.DefaultClient.CloseIdleConnections()
	if status != http.StatusLoopDetected {
		t.Errorf("a mapping to the proxy: %d", status)
	}
	// The HTTP proxy may lead to a mapping.
	srv := hello(t)
	m := mapping(t, "0="+srv.Listener.Addr().String())
	if err := e.SetMappings(t.Context(), []Mapping{m}); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, through(t, e), "http://"+e.MappingAddrs()[m.String()].String()); status != 200 {
		t.Errorf("through the proxy to a mapping: %d", status)
	}
}

func TestDrain(t *testing.T) {
	reached, release := make(chan struct{}, 2), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-release
		io.WriteString(w, "done")
	}))
	defer srv.Close()
	m := mapping(t, "0="+srv.Listener.Addr().String())
	e, err := New(Config{ProxyAddress: "127.0.0.1:0", Mappings: []Mapping{m}, Drain: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	var calls sync.WaitGroup
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for c, url := range map[*http.Client]string{through(t, e): srv.URL, direct: "http://" + e.MappingAddrs()[m.String()].String()} {
		calls.Go(func() {
			if _, body := get(t, c, url); body != "done" {
				t.Errorf("%s: %q", url, body)
			}
		})
	}
	<-reached
	<-reached
	cancel()
	eventually(t, func() bool {
		c, err := net.Dial("tcp", e.ProxyAddr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	}, "an engine that accepts no connections")
	close(release)
	calls.Wait()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
