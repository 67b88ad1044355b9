package proxyengine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
)

// TestMain checks that nothing of an engine outlives it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal keeps the events of an engine.
type journal struct {
	mu     sync.Mutex
	events []event.Event
}

func (j *journal) sink(e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

// of returns the events of one type.
func of[E event.Event](j *journal) []E {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []E
	for _, e := range j.events {
		if e, ok := e.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

func mapping(t testing.TB, s string) Mapping {
	t.Helper()
	m, err := ParseMapping(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start runs an engine until the test ends, and checks that it ends well.
func start(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Drain == 0 {
		cfg.Drain = -1
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Run does not return")
		}
	})
	return e
}

func latency(ms float64, change ...func(*fault.Latency)) *fault.Latency {
	zero := 0.0
	l := &fault.Latency{
		Base:         fault.Base{Side: fault.Server, Direction: fault.Ingress, Probability: 1},
		Distribution: fault.Normal, Mean: &ms, StdDev: &zero, Scope: fault.ScopeConnection,
	}
	for _, c := range change {
		c(l)
	}
	return l
}

func hole(d fault.Direction, sched string) *fault.Blackhole {
	s, err := schedule.Parse(sched)
	if err != nil {
		panic(err)
	}
	return &fault.Blackhole{Base: fault.Base{Side: fault.Server, Direction: d, Probability: 1, Schedule: s}, Heal: fault.HealGap}
}

// through is a client that goes through the engine's HTTP proxy.
func through(t testing.TB, e *Engine) *http.Client {
	proxy := &url.URL{Scheme: "http", Host: e.ProxyAddr().String()}
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func get(t testing.TB, c *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func hello(t testing.TB) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s %s", r.Host, r.URL)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestEngineWaysIn(t *testing.T) {
	srv := hello(t)
	addr := srv.Listener.Addr().String()
	var j journal
	web, raw := mapping(t, "0=http://"+addr), mapping(t, "0="+addr)
	e := start(t, Config{ProxyAddress: "127.0.0.1:0", Mappings: []Mapping{web, raw}, Sink: j.sink})

	status, body := get(t, through(t, e), srv.URL+"/forward?a=b;c")
	if status != 200 || body != "hello "+addr+" /forward?a=b;c" {
		t.Errorf("forward: %d %q", status, body)
	}
	direct := &http.Client{Transport: &http.Transport{}}
	defer direct.CloseIdleConnections()
	status, body = get(t, direct, "http://"+e.MappingAddrs()[web.String()].String()+"/mapped")
	if status != 200 || body != "hello "+addr+" /mapped" {
		t.Errorf("http mapping: %d %q", status, body)
	}
	rawAddr := e.MappingAddrs()[raw.String()].String()
	status, body = get(t, direct, "http://"+rawAddr+"/raw")
	if status != 200 || body != "hello "+rawAddr+" /raw" {
		t.Errorf("raw mapping: %d %q", status, body)
	}
	tls := httptest.NewTLSServer(srv.Config.Handler)
	defer tls.Close()
	c := tls.Client()
	c.Transport.(*http.Transport).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: e.ProxyAddr().String()})
	status, body = get(t, c, tls.URL+"/tunnel")
	if status != 200 || body != "hello "+tls.Listener.Addr().String()+" /tunnel" {
		t.Errorf("CONNECT: %d %q", status, body)
	}
	c.CloseIdleConnections()
	direct.CloseIdleConnections()
	eventually(t, func() bool { return len(of[event.Completed](&j)) == 4 }, "4 completed flows")
	kinds := map[event.Kind]int{}
	for _, o := range of[event.Opened](&j) {
		kinds[o.Flow.Kind]++
	}
	if kinds[event.Exchange] != 2 || kinds[event.Connection] != 1 || kinds[event.Tunnel] != 1 {
		t.Errorf("flows opened: %v", kinds)
	}
}

func eventually(t testing.TB, ok func() bool, what string) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func TestNewErrors(t *testing.T) {
	relative, _ := schedule.Parse("start:45%,duration:10%")
	bad := latency(10, func(l *fault.Latency) { l.Schedule = relative })
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"nothing to do":     {Config{}, "nothing to listen on"},
		"address":           {Config{ProxyAddress: "nowhere:port"}, "host:port"},
		"mapping twice":     {Config{Mappings: []Mapping{mapping(t, "1=a:1"), mapping(t, "1=a:1")}}, "given twice"},
		"port twice":        {Config{Mappings: []Mapping{mapping(t, "1=a:1"), mapping(t, "1=b:1")}}, "its own port"},
		"empty mapping":     {Config{Mappings: []Mapping{{}}}, "not complete"},
		"relative schedule": {Config{ProxyAddress: "0", Program: Program{Faults: []fault.Spec{bad}}}, "give a duration"},
		"invalid fault":     {Config{ProxyAddress: "0", Program: Program{Faults: []fault.Spec{latency(-1)}}}, "latency"},
		"unknown mapping":   {Config{ProxyAddress: "0", Program: Program{Mappings: []string{"x"}}}, "LEFT=RIGHT"},
	} {
		_, err := New(tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, tt.want)
		}
	}
	if _, err := New(Config{ProxyAddress: "0", Program: Program{Faults: []fault.Spec{bad}, Timeless: true}}); err != nil {
		t.Errorf("a relative schedule without a length, timeless: %v", err)
	}
	if _, err := New(Config{ProxyAddress: "0", Program: Program{Faults: []fault.Spec{bad}, Total: time.Second}}); err != nil {
		t.Errorf("a relative schedule with a length: %v", err)
	}
}

func TestStartBindErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	free := mapping(t, "0=a:1")
	e, err := New(Config{ProxyAddress: taken, Mappings: []Mapping{free}})
	if err != nil {
		t.Fatal(err)
	}
	err = e.Start(t.Context())
	var be *BindError
	if !errors.As(err, &be) || be.Address != taken || !strings.HasPrefix(err.Error(), "bind "+taken+": address already in use: another process") {
		t.Errorf("Start = %v", err)
	}
	m := mapping(t, taken+"=a:1")
	e, err = New(Config{ProxyAddress: "127.0.0.1:0", Mappings: []Mapping{free, m}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); !errors.As(err, &be) || be.Mapping != m.String() {
		t.Errorf("Start = %v", err)
	}
	if err := e.Run(t.Context()); err == nil {
		t.Error("Run of an engine that did not start succeeds")
	}
	if fds := sockets(t); fds > 1 {
		t.Errorf("%d sockets are open after failed starts, want the test's own", fds)
	}
	e, err = New(Config{ProxyAddress: "192.0.2.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "does not have that address") {
		t.Errorf("Start = %v", err)
	}
}

func TestBindErrorTellsWhoHoldsThePort(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:3180": false, "127.0.0.1:34000": true, "[::1]:34000": true} {
		err := &BindError{Address: address, Err: syscall.EADDRINUSE}
		if got := strings.Contains(err.Error(), "or a connection goes out from there"); got != want {
			t.Errorf("%v", err)
		}
	}
}

func TestNewRefusesMappingOnTheProxysAddress(t *testing.T) {
	m := mapping(t, "3180=a:1")
	for address, refused := range map[string]bool{"3180": true, "127.0.0.1:3180": true, "127.0.0.1:0": false, "[::1]:3180": false} {
		_, err := New(Config{ProxyAddress: address, Mappings: []Mapping{m}})
		if got := err != nil && strings.Contains(err.Error(), "has the address of the HTTP proxy"); got != refused {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// sockets counts the process's listening and connected sockets.
func sockets(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	n := 0
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func TestSetMappings(t *testing.T) {
	srv := hello(t)
	addr := srv.Listener.Addr().String()
	a, b := mapping(t, "0=http://"+addr), mapping(t, "0=tcp://"+addr)
	e := start(t, Config{Mappings: []Mapping{a}})
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	kept := e.MappingAddrs()[a.String()].String()
	get(t, direct, "http://"+kept)

	if err := e.SetMappings(t.Context(), []Mapping{a, b}); err != nil {
		t.Fatal(err)
	}
	if got := e.MappingAddrs()[a.String()].String(); got != kept {
		t.Errorf("the mapping that stays moved from %s to %s", kept, got)
	}
	added := e.MappingAddrs()[b.String()].String()
	get(t, direct, "http://"+added)

	// A mapping whose address is taken changes nothing.
	if err := e.SetMappings(t.Context(), []Mapping{b, mapping(t, srv.Listener.Addr().String()+"=x:1")}); err == nil {
		t.Fatal("no error for an address in use")
	}
	get(t, direct, "http://"+kept)

	// The same address for another upstream.
	other := hello(t)
	port := e.MappingAddrs()[a.String()].(*net.TCPAddr).Port
	first := mapping(t, fmt.Sprintf("%d=http://%s", port, addr))
	second := mapping(t, fmt.Sprintf("%d=http://%s", port, other.Listener.Addr()))
	if err := e.SetMappings(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := direct.Get("http://" + added); err == nil {
		t.Error("a mapping that was taken away still answers")
	}
	for _, m := range []Mapping{first, second} {
		if err := e.SetMappings(t.Context(), []Mapping{m}); err != nil {
			t.Fatal(err)
		}
		_, body := get(t, direct, "http://"+kept)
		if !strings.Contains(body, m.Target()) {
			t.Errorf("%s leads to %q", m, body)
		}
	}
}

func TestSelection(t *testing.T) {
	up, err := ParseUpstreams([]string{"https://a", "b:81"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSelection(Program{Upstreams: up, Mappings: []string{"127.0.0.1:9=http://x:80"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flow event.Flow
		want bool
	}{
		{event.Flow{Kind: event.Tunnel, Target: "a:443"}, true},
		{event.Flow{Kind: event.Exchange, Target: "a:443", URL: "https://a/"}, true},
		{event.Flow{Kind: event.Exchange, Target: "a:443", URL: "http://a:443/"}, false},
		{event.Flow{Kind: event.Exchange, Target: "b:81", URL: "http://b:81/"}, true},
		{event.Flow{Kind: event.Tunnel, Target: "c:443"}, false},
		{event.Flow{Kind: event.Exchange, Target: "x:80", URL: "http://x/", Mapping: "9=http://x"}, true},
		{event.Flow{Kind: event.Connection, Target: "x:80", Mapping: "10=x:80"}, false},
	} {
		if got := s.selects(&tt.flow); got != tt.want {
			t.Errorf("selects(%+v) = %t", tt.flow, got)
		}
	}
}

// digest is what a transfer is compared by.
func digest(t testing.TB, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
