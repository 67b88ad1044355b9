package proxyengine

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

func TestIPv6(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6: ", err)
	}
	srv := &httptest.Server{Listener: ln, Config: &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }),
		ReadHeaderTimeout: time.Minute,
	}}
	srv.Start()
	defer srv.Close()
	upstream := ln.Addr().String()
	web, raw := mapping(t, "[::1]:0=http://"+upstream), mapping(t, "[::1]:0="+upstream)
	e := start(t, Config{ProxyAddress: "[::1]:0", Mappings: []Mapping{web, raw}})
	if got := raw.String(); !strings.HasPrefix(got, "[::1]:0=[::1]:") {
		t.Errorf("mapping %q", got)
	}
	proxied := through(t, e)
	if status, body := get(t, proxied, "http://"+upstream); status != 200 || body != upstream {
		t.Errorf("forward: %d %q", status, body)
	}
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, m := range []Mapping{web, raw} {
		addr := e.MappingAddrs()[m.String()].String()
		want := upstream
		if m == raw {
			want = addr // what the client says goes through
		}
		if status, body := get(t, direct, "http://"+addr); status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", m, status, body, want)
		}
	}
	c, err := net.Dial("tcp", e.ProxyAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\nGET / HTTP/1.1\r\nHost: inside\r\nConnection: close\r\n\r\n", upstream, upstream)
	if got, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 ") || !strings.HasSuffix(string(got), "inside") {
		t.Errorf("tunnel: %q, %v", got, err)
	}
}

func TestHTTPUpstreamOverride(t *testing.T) {
	srv := hello(t)
	other := hello(t)
	var events journal
	selected, err := ParseUpstreams([]string{"api.example"})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := fault.Decode("httperror", map[string]any{"match": "/error"})
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, Config{
		ProxyAddress: "0", HTTPUpstreamOverride: srv.URL + "/", Sink: events.sink,
		Mappings: []Mapping{mapping(t, "0="+other.URL)}, Program: Program{Faults: []fault.Spec{spec}, Upstreams: selected},
	})
	c := through(t, e)
	for path, want := range map[string]int{"http://api.example/": 200, "http://api.example/error": 500, "http://other.example/error": 200} {
		if status, _ := get(t, c, path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	for _, done := range of[event.Completed](&events) {
		if !strings.Contains(done.Flow.Target, ".example:80") || done.Flow.Bypassed != strings.Contains(done.Flow.URL, "other") {
			t.Errorf("%+v", done.Flow)
		}
	}
}

func TestHTTPUpstreamOverrideErrors(t *testing.T) {
	for text, says := range map[string]string{
		"host":          "has no port",
		"psql://host":   "write http:// or https://",
		"http://":       "upstream override",
		"http://h:0":    "port",
		"https://a b":   "upstream override",
		"http://h/path": "upstream override",
	} {
		if _, err := New(Config{ProxyAddress: "0", HTTPUpstreamOverride: text}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v does not say %q", text, err, says)
		}
	}
	for text, want := range map[string]string{"HTTPS://h": "https h:443", "h:1": " h:1", "http://[::1]": "http [::1]:80"} {
		if o, err := parseOverride(text); err != nil || o.Scheme+" "+o.Target != want {
			t.Errorf("%q: %+v, %v, want %q", text, o, err, want)
		}
	}
}

// Counters belong to the activation of a fault: neither calls nor other faults that come and go in between change that, and a new
// activation counts anew.
func TestCountersOfARun(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }
	first, err := fault.Decode("httperror", map[string]any{"match": "/ first:2", "period": "duration:10s;start:20s"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Program:  Program{Faults: []fault.Spec{first, scheduled(t, 1, "duration:1500ms;start:3s,duration:1s")}},
		Mappings: []Mapping{mapping(t, "9090=http://up:80")},
	}
	inBubble(t, cfg, answer, func(t *testing.T, w *world) {
		direct, proxied := w.client(t, false, false), w.client(t, true, true)
		var got []string
		call := func(c *http.Client, url string) {
			status, _ := get(t, c, url)
			got = append(got, strconv.Itoa(status))
		}
		call(direct, "http://127.0.0.1:9090/other")
		call(direct, "http://127.0.0.1:9090/")
		time.Sleep(2 * time.Second)
		call(proxied, "http://up:80/")
		time.Sleep(2 * time.Second)
		call(proxied, "http://up:80/")
		call(direct, "http://127.0.0.1:9090/")
		time.Sleep(8 * time.Second) // not active
		call(direct, "http://127.0.0.1:9090/")
		time.Sleep(10 * time.Second) // active again
		for range 3 {
			call(direct, "http://127.0.0.1:9090/")
		}
		if want := "200 500 500 200 200 200 500 500 200"; strings.Join(got, " ") != want {
			t.Errorf("statuses %v, want %s", got, want)
		}
	})
}

func TestHTTP2ThroughTheEngine(t *testing.T) {
	srv := hello(t)
	m := mapping(t, "0="+srv.URL)
	e := start(t, Config{ProxyAddress: "0", Mappings: []Mapping{m}})
	for addr, want := range map[net.Addr]int{
		e.MappingAddrs()[m.String()]: http.StatusOK,
		e.ProxyAddr():                http.StatusLoopDetected, // whoever asks the HTTP proxy itself goes round in circles
	} {
		tr := &http.Transport{Protocols: new(http.Protocols)}
		tr.Protocols.SetUnencryptedHTTP2(true)
		defer tr.CloseIdleConnections()
		if status, body := get(t, &http.Client{Transport: tr}, "http://"+addr.String()); status != want {
			t.Errorf("%s: %d %q, want %d", addr, status, body, want)
		}
	}
}
