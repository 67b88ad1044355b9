package httpproxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// wrong activates faults, given by their keys.
func (f *fixture) wrong(t testing.TB, list ...map[string]any) {
	t.Helper()
	var active []fault.Active
	for i, values := range list {
		s, err := fault.DecodeObject(values)
		if err != nil {
			t.Fatal(err)
		}
		active = append(active, fault.Active{Spec: s, Index: i, Epoch: 1})
	}
	f.live.Store(fault.Build(active, 1, f.sink))
}

func (f *fixture) applied() (out []event.Applied) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if a, ok := e.(event.Applied); ok {
			out = append(out, a)
		}
	}
	return out
}

func (f *fixture) notices() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if n, ok := e.(event.Notice); ok {
			out = append(out, n.Text)
		}
	}
	return out
}

func TestHTTPErrorOnTheWire(t *testing.T) {
	contacted := false
	srv := upstream(t, func(http.ResponseWriter, *http.Request) { contacted = true })
	for _, c := range []struct {
		values map[string]any
		method string
		want   string
	}{
		{map[string]any{}, "GET", "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
		{
			map[string]any{"status_code": 503, "body": "busy\n", "headers": map[string]any{"Retry-After": "3"}},
			"POST",
			"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n" +
				"Connection: close\r\n\r\nbusy\n",
		},
		{
			map[string]any{"status_code": 503, "body": "busy\n"},
			"HEAD",
			"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
		},
		{
			map[string]any{"status_code": 204, "body": "{}"},
			"GET",
			"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n",
		},
	} {
		for name, change := range map[string]func(*Config){"forward": nil, "mapping": mapped(srv)} {
			f := serve(t, change)
			c.values["type"] = "httperror"
			// The others come after it: a hole, and a delay that no test waits for.
			f.wrong(t, map[string]any{"type": "blackhole", "direction": "both"}, c.values, map[string]any{"type": "latency", "mean": 1e6})
			got := f.conversation(t, c.method+" "+srv.URL+"/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab")
			head, date, _ := strings.Cut(got, "\r\nDate: ")
			_, rest, ok := strings.Cut(date, "\r\n")
			got = head + "\r\n" + rest
			if !ok || !sameMessage(got, c.want) {
				t.Errorf("%s %s %v: got %q, want %q", name, c.method, c.values, got, c.want)
			}
			done := f.completed(t, 1)[0]
			if a := f.applied(); len(a) != 1 || a[0].Fault != "httperror" || a[0].Flow != done.Flow || a[0].Status != done.Status {
				t.Errorf("events %+v, and %+v", a, done)
			}
			if done.Err != nil || contacted {
				t.Errorf("%+v; upstream contacted: %v", done, contacted)
			}
		}
	}
}

// "Fail the first two calls to POST /orders, then recover."
func TestFirstTwoCallsFail(t *testing.T) {
	var served atomic.Int64
	srv := upstream(t, func(w http.ResponseWriter, _ *http.Request) { served.Add(1); io.WriteString(w, "ok") })
	for name, change := range map[string]func(*Config){"forward": nil, "mapping": mapped(srv)} {
		served.Store(0)
		f := serve(t, change)
		f.wrong(t, map[string]any{"type": "httperror", "status_code": 503, "match": "POST /orders first:2"})
		client, url := f.client(t), srv.URL
		if change != nil {
			client, url = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+f.addr
		}
		var got []string
		for _, call := range []string{"GET /orders", "POST /orders?x=1", "POST /orders/7", "POST /orders", "POST /orders", "POST /orders"} {
			method, path, _ := strings.Cut(call, " ")
			req, _ := http.NewRequest(method, url+path, strings.NewReader("{}"))
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			got = append(got, strconv.Itoa(resp.StatusCode))
		}
		if want := "200 503 200 503 200 200"; strings.Join(got, " ") != want || served.Load() != 4 {
			t.Errorf("%s: %v, %d served, want %s", name, got, served.Load(), want)
		}
	}
}

func TestTunnelsPassFaultsOfExchanges(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	host := strings.TrimPrefix(srv.URL, "http://")
	f := serve(t, nil)
	f.wrong(t, map[string]any{"type": "httperror"}, map[string]any{"type": "blackhole", "direction": "both", "match": "/"})
	for range 2 {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
		buf := make([]byte, len(established))
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != established {
			t.Fatalf("%q, %v", buf, err)
		}
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "\r\n\r\nok") {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
	}
	f.completed(t, 2)
	if n := f.notices(); len(n) != 2 || !strings.HasPrefix(n[0], "httperror acts on HTTP exchanges: the tunnel to "+host) ||
		!strings.HasPrefix(n[1], "blackhole is limited to some HTTP exchanges: the tunnel to ") {
		t.Errorf("notices %q", n)
	}
}

func TestDNSFailureIsTold(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	_, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	url := "http://localhost:" + port
	for name, c := range map[string]struct {
		change func(*Config)
		say    string
	}{
		"forward": {nil, "GET " + url + "/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
		"tunnel":  {nil, "CONNECT localhost:" + port + " HTTP/1.1\r\nHost: x\r\n\r\n"},
		"mapping": {
			func(c *Config) { c.Mapping, c.Scheme, c.Target = "m", "http", "localhost:"+port },
			"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		},
	} {
		f := serve(t, c.change)
		// A pool that has a connection must make no difference.
		if name == "forward" {
			f.conversation(t, c.say)
		}
		f.wrong(t, map[string]any{"type": "dns", "rate": 1})
		for range 2 {
			got := f.conversation(t, c.say)
			if want := "fault: upstream localhost:" + port + ": name lookup failed: server misbehaving\n"; !strings.HasPrefix(got, "HTTP/1.1 502 ") ||
				!strings.HasSuffix(got, want) || !strings.Contains(got, "error=dns_error") {
				t.Errorf("%s: %q", name, got)
			}
		}
		if a := f.applied(); len(a) != 2 || a[0].Fault != "dns" {
			t.Errorf("%s: events %+v", name, a)
		}
	}
}

func TestLateLookupIsReported(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	_, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	f := serve(t, nil)
	f.wrong(t, map[string]any{"type": "dns", "rate": 0, "delay": 20})
	got := f.conversation(t, "GET http://localhost:"+port+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") || f.completed(t, 1)[0].TTFB < 20*time.Millisecond {
		t.Errorf("%q", got)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if r, ok := e.(event.Resolved); ok && (r.Took < 20*time.Millisecond || r.Host != "localhost" || r.Err != nil) {
			t.Errorf("%+v", r)
		}
	}
}
