package control

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/proxyengine/event"
)

func TestCounters(t *testing.T) {
	c := NewCounters()
	begin := time.Now()
	flow := func(k event.Kind, bypassed bool) *event.Flow {
		f := &event.Flow{Kind: k, Bypassed: bypassed, Start: begin}
		c.Sink(event.Opened{Flow: f})
		return f
	}
	a, b, d := flow(event.Connection, false), flow(event.Exchange, true), flow(event.Tunnel, false)
	flow(event.Connection, false)
	for i := range 100 {
		c.Sink(event.Applied{Flow: a, Fault: "latency", Index: 1, Delay: time.Duration(i) * time.Millisecond})
	}
	c.Sink(event.Applied{Flow: a, Fault: "latency", Index: 4, Delay: 250 * time.Microsecond})
	c.Sink(event.Applied{Flow: b, Fault: "blackhole", Index: 2, Bytes: 3})
	c.Sink(event.Applied{Flow: b, Fault: "blackhole", Index: 2, Bytes: 4, Continued: true})
	c.Sink(event.Applied{Flow: b, Fault: "httperror", Index: 3, Status: 503})
	c.Sink(event.Applied{Flow: b, Fault: "httperror", Index: 3, Status: 503})
	c.Sink(event.Connected{Flow: a, Took: 3 * time.Millisecond})
	c.Sink(event.Connected{Flow: a, Took: time.Second, Err: io.EOF})
	c.Sink(event.Completed{Flow: a, At: begin.Add(40 * time.Millisecond), Up: 10, Down: 20, TTFB: 30 * time.Millisecond})
	c.Sink(event.Completed{Flow: b, At: begin.Add(60 * time.Millisecond), Up: 1, Down: 2, Status: 503})
	c.Sink(event.Completed{Flow: d, At: begin.Add(3 * time.Hour), Err: io.EOF})
	c.Sink(event.Notice{Text: "no effect"})
	c.Sink(event.FaultsChanged{})
	c.Sink(event.Resolved{})

	got := c.read(map[int]string{1: "slow", 2: "hole", 9: "idle"})
	want := numbers{
		Since: got.Since,
		Flows: flowNumbers{
			Open:   map[event.Kind]int64{"connection": 1, "tunnel": 0, "exchange": 0},
			Total:  map[event.Kind]int64{"connection": 2, "tunnel": 1, "exchange": 1},
			Failed: 1, Bypassed: 1,
		},
		Bytes: byteNumbers{11, 22}, Statuses: map[string]int64{"503": 1},
		Applied: map[string]*applied{
			"latency":   {Times: 101, Delay: 4950.25},
			"blackhole": {Times: 1, Bytes: 7},
			"httperror": {Times: 2, Statuses: map[string]int64{"503": 2}},
		},
		Faults:  map[string]*applied{"slow": {Times: 100, Delay: 4950}, "hole": {Times: 1, Bytes: 7}, "idle": {}},
		Latency: got.Latency, Notices: []string{"no effect"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	within := func(name string, q quantiles, count int64, p50, highest float64) {
		t.Helper()
		near := func(got, want float64) bool { return got >= want*0.998 && got <= want*1.002 }
		if q.Count != count || !near(q.P50, p50) || !near(q.Max, highest) {
			t.Errorf("%s: %+v, want %d with median %v and maximum %v", name, q, count, p50, highest)
		}
	}
	within("connect", got.Latency.Connect, 1, 3, 3)
	within("first byte", got.Latency.FirstByte, 1, 30, 30)
	within("total", got.Latency.Total, 3, 60, 3600_000) // more than an hour counts as one

	c.Reset()
	got = c.read(nil)
	if got.Flows.Open["connection"] != 1 || got.Flows.Total["connection"] != 0 || got.Latency.Total.Count != 0 || len(got.Applied) != 0 {
		t.Errorf("after a reset %+v", got)
	}
	if data, err := json.Marshal(got); err != nil {
		t.Errorf("%s, %v", data, err)
	}
}

func TestQuantiles(t *testing.T) {
	c := NewCounters()
	for i := range 1000 {
		c.Sink(event.Connected{Took: time.Duration(i+1) * time.Millisecond})
	}
	q := c.read(nil).Latency.Connect
	for name, x := range map[string][2]float64{"p50": {q.P50, 500}, "p95": {q.P95, 950}, "p99": {q.P99, 990}, "mean": {q.Mean, 500.5}} {
		if got, want := x[0], x[1]; got < want*0.998 || got > want*1.002 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestCountersAreSafe(t *testing.T) {
	c := NewCounters()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				f := &event.Flow{Kind: event.Exchange, Start: time.Now()}
				c.Sink(event.Opened{Flow: f})
				c.Sink(event.Applied{Flow: f, Fault: "httperror", Index: i % 3, Status: 500 + i})
				c.Sink(event.Completed{Flow: f, At: time.Now(), Status: 500 + i})
				if i == 0 {
					c.read(map[int]string{0: "x"})
				}
			}
		})
	}
	all.Wait()
	if got := c.read(nil); got.Flows.Open["exchange"] != 0 || got.Flows.Total["exchange"] != 1600 || got.Applied["httperror"].Times != 1600 {
		t.Errorf("%+v", got.Flows)
	}
}

// The counters of an engine through which requests went.
func TestReadCounters(t *testing.T) {
	f := newFixture(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	defer upstream.Close()
	proxy := &url.URL{Scheme: "http", Host: f.engine.ProxyAddr().String()}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	defer client.CloseIdleConnections()
	for range 3 {
		resp, err := client.Get(upstream.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	var n numbers
	eventually(t, func() bool {
		f.get("/v1/counters", &n)
		return n.Flows.Open["exchange"] == 0 && n.Flows.Total["exchange"] == 3
	}, "3 exchanges have ended")
	if n.Statuses["200"] != 3 || n.Bytes.Down != 15 || n.Latency.FirstByte.Count != 3 || n.Latency.FirstByte.P95 <= 0 || n.Flows.Failed != 0 {
		t.Errorf("counters %+v", n)
	}
	f.want("DELETE", "/v1/counters", "", 204, "")
	f.want("GET", "/v1/counters", "", 200, `"total":{"connection":0,"exchange":0,"tunnel":0}`)
}
