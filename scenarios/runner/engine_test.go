package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/scenarios"
)

// The tests of this file run the real engine over loopback.

// freePort returns a port that nothing listens on, below those that systems hand out by themselves: one of these may be another
// process's a moment later.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 12000 + rand.IntN(18000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// upstream answers everything.
func upstream(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get(callIDHeader); id != "" {
			t.Errorf("the identity %q of a call reached the service", id)
		}
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(s.Close)
	return s
}

// application calls target for each request that it gets, with a client that keeps its connections, or with a new one each time.
func application(t *testing.T, target string, pooled bool) *httptest.Server {
	t.Helper()
	shared := &http.Transport{}
	t.Cleanup(shared.CloseIdleConnections)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		transport := shared
		if !pooled {
			transport = &http.Transport{}
			defer transport.CloseIdleConnections()
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, target, nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(s.Close)
	return s
}

// checkTime checks a time in milliseconds to 5 ms. A busy machine only adds to it.
func checkTime(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got < want-5 || exact && got > want+5 {
		t.Errorf("%s: %.2f ms, want %.0f ± 5 (or more, on a busy machine)", what, got, want)
	}
}

func TestLatencyMovesTheMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		pooled  bool
		mapping string // protocol; "" for the runner's own calls through the HTTP proxy
	}{
		{name: "own calls"},
		{name: "application with a pooled client, http mapping", pooled: true, mapping: "http://"},
		{name: "application with a client per call, http mapping", mapping: "http://"},
		{name: "application with a client per call, raw mapping", mapping: "tcp://"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := upstream(t)
			target, proxy := up.URL, ""
			if tt.mapping != "" {
				port := freePort(t)
				target = application(t, fmt.Sprintf("http://127.0.0.1:%d/", port), tt.pooled).URL
				proxy = fmt.Sprintf("\n      proxy: {disable_http_proxies: true, proxies: [\"%d=%s\"]}", port,
					tt.mapping+strings.TrimPrefix(up.URL, "http://"))
			}
			results, err := New(Options{BaselineCalls: 5}).Run(t.Context(), parse(t, fmt.Sprintf(`
title: Latency
items:
  - call: {method: GET, url: "%s/"}
    context:
      faults: [{type: latency, mean: 300, stddev: 0}]
      strategy: {mode: load, duration: 3s, clients: 1, rps: 2}%s
`, target, proxy)))
			if err != nil {
				t.Fatal(err)
			}
			item := only(t, results)
			if len(item.Results) != 6 || len(item.Baseline) != 5 || item.Load.AchievedRPS != 2 {
				t.Fatalf("%d calls, %d before; load %+v", len(item.Results), len(item.Baseline), item.Load)
			}
			for i, c := range append(item.Baseline, item.Results...) {
				if c.Metrics.Errored || c.Metrics.Protocol.Code != 200 || c.Metrics.Protocol.BodyLength != 5 {
					t.Errorf("call %d: %+v, errors %v", i, c.Metrics, c.Errors)
				}
			}
			if len(item.Applied) != 1 || item.Applied[0].Count != 6 {
				t.Errorf("applied %+v, want 6 delays", item.Applied)
			}
			for i, c := range item.Results {
				// The application's traffic belongs to a call for certain while no other is in flight, which takes a calm machine.
				if n := len(c.Metrics.Faults); n != 1 && (exact || tt.mapping == "") {
					t.Errorf("call %d: faults %+v, want one delay", i, c.Metrics.Faults)
				}
			}
			before := scenarios.Quantile(scenarios.ResponseTimes(item.Baseline), 0.5)
			with := scenarios.Quantile(scenarios.ResponseTimes(item.Results), 0.5)
			t.Logf("p50 %.2f ms without, %.2f ms with the fault: %+.2f ms", before, with, with-before)
			checkTime(t, "the median", with, 300)
			if exact {
				checkTime(t, "added to the median", with-before, 300)
			}
		})
	}
}

func TestBlackholeTakesWhatIsInside(t *testing.T) {
	t.Parallel()
	for _, direction := range []string{"ingress", "egress"} {
		for _, mapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, mapped %v", direction, mapped), func(t *testing.T) {
				t.Parallel()
				up := upstream(t)
				target, proxy := up.URL, ""
				if mapped {
					port := freePort(t)
					target = application(t, fmt.Sprintf("http://127.0.0.1:%d/", port), true).URL
					proxy = fmt.Sprintf("\n      proxy: {disable_http_proxies: true, proxies: [\"%d=%s\"]}", port, up.URL)
				}
				// The hole is from 1.8 to 4.8 s. When it really began and ended is what the engine says.
				var changes []change
				events := func(e event.Event) {
					if c, ok := e.(event.FaultsChanged); ok {
						changes = append(changes, change{before: c.At, after: time.Now(), hole: len(c.Active) > 0})
					}
				}
				results, err := New(Options{Events: events}).Run(t.Context(), parse(t, fmt.Sprintf(`
title: Hole
items:
  - call: {method: GET, url: "%s/", timeout: %d}
    context:
      faults: [{type: blackhole, direction: %s, period: "start:30%%,duration:50%%"}]
      strategy: {mode: load, duration: 6s, clients: 1, rps: 2}%s
`, target, patience, direction, proxy)))
				if err != nil {
					t.Fatal(err)
				}
				item := only(t, results)
				if len(item.Results) != 12 {
					t.Fatalf("%d calls, want 12", len(item.Results))
				}
				begin := slices.IndexFunc(changes, func(c change) bool { return c.hole })
				if begin < 0 || begin+1 == len(changes) {
					t.Fatalf("the hole does not begin and end: %+v", changes)
				}
				begins, ends := changes[begin], changes[begin+1]
				lost := 0
				for i, c := range item.Results {
					from := time.UnixMicro(c.Start)
					to := time.UnixMicro(c.IntendedStart).Add(time.Duration((c.Metrics.TotalTime + 1) * float64(time.Millisecond)))
					if c.Metrics.Errored != c.Metrics.TimedOut {
						t.Errorf("call %d: errors %v, want none or a timeout", i, c.Errors)
					}
					switch inside := from.After(begins.after) && to.Before(ends.before); {
					case c.Metrics.TimedOut:
						lost++
						checkTime(t, "a call that ends by its timeout", c.Metrics.TotalTime, patience)
						if from.After(ends.after) || to.Before(begins.before) || exact && len(c.Metrics.Faults) == 0 {
							t.Errorf("call %d, from %v to %v, is lost; the hole: %v to %v; faults %+v", i, from, to, begins, ends, c.Metrics.Faults)
						}
					case inside || len(c.Metrics.Faults) > 0:
						t.Errorf("call %d, from %v to %v, is answered; the hole: %v to %v; faults %+v", i, from, to, begins, ends, c.Metrics.Faults)
					}
				}
				if lost == 0 || exact && lost != 6 {
					t.Errorf("%d calls were lost, want the 6 that begin inside", lost)
				}
			})
		}
	}
}

// change is a change of what faults are active: it came between two times.
type change struct {
	before, after time.Time
	hole          bool
}

// TestItemsKeepConnections has an application with one connection to a mapping that two items share.
func TestItemsKeepConnections(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	port := freePort(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	var opened, calls atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
			if !i.Reused {
				opened.Add(1)
			}
		}})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(w, resp.Body)
		_ = resp.Body.Close()
	}))
	t.Cleanup(app.Close)
	for _, protocol := range []string{"http://", "tcp://"} {
		opened.Store(0)
		calls.Store(0)
		item := fmt.Sprintf(`
  - call: {method: GET, url: "%s/"}
    context:
      faults: [{type: latency, mean: 20}]
      proxy: {disable_http_proxies: true, proxies: ["%d=%s"]}
    expect: {status: 200}`, app.URL, port, protocol+strings.TrimPrefix(up.URL, "http://"))
		results, err := New(Options{BaselineCalls: 2}).Run(t.Context(), parse(t, "title: Two\nitems:"+item+item))
		if err != nil {
			t.Fatal(err)
		}
		if results.Failed() || calls.Load() != 6 || opened.Load() != 1 {
			t.Errorf("%s: %d calls over %d connections, failed %v; want 6 over 1", protocol, calls.Load(), opened.Load(), results.Failed())
		}
		transport.CloseIdleConnections()
	}
}

func TestTunneledCallsMeetTheFault(t *testing.T) {
	t.Parallel()
	up := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(up.Close)
	r := New(Options{BaselineCalls: 1})
	r.transport = func(proxy *url.URL, apart bool) http.RoundTripper {
		tr := newTransport(proxy, apart).(*http.Transport)
		tr.TLSClientConfig = up.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		return tr
	}
	results, err := r.Run(t.Context(), parse(t, fmt.Sprintf(`
title: Tunnel
items:
  - call: {method: GET, url: "%s/"}
    context:
      faults: [{type: latency, mean: 100}]
      strategy: {mode: load, duration: 1s, clients: 1, rps: 5}
`, up.URL)))
	if err != nil {
		t.Fatal(err)
	}
	item := only(t, results)
	for i, c := range item.Results {
		if c.Metrics.Errored || c.Metrics.TotalTime < 100 || len(c.Metrics.Faults) != 1 || len(c.Metrics.Faults[0].Applied) != 1 {
			t.Errorf("call %d: %+v, errors %v", i, c.Metrics, c.Errors)
		}
	}
	if !slices.ContainsFunc(item.Notes, func(n string) bool { return strings.Contains(n, "tunneled") }) {
		t.Errorf("notes %q", item.Notes)
	}
}

func TestCallsToARawMappingMeetTheFault(t *testing.T) {
	t.Parallel()
	up, port := upstream(t), freePort(t)
	for _, strategy := range []string{"mode: load, duration: 1s, clients: 1, rps: 4", "mode: repeat, step: 0, count: 4"} {
		results, err := New(Options{BaselineCalls: 1}).Run(t.Context(), parse(t, fmt.Sprintf(`
title: Raw
items:
  - call: {method: GET, url: "http://localhost:%d/"}
    context:
      faults: [{type: latency, mean: 50}]
      strategy: {%s}
      proxy: {disable_http_proxies: true, proxies: ["%d=tcp://%s"]}
`, port, strategy, port, strings.TrimPrefix(up.URL, "http://"))))
		if err != nil {
			t.Fatal(err)
		}
		item := only(t, results)
		if len(item.Results) != 4 {
			t.Errorf("%s: %d calls", strategy, len(item.Results))
		}
		for i, c := range item.Results {
			if c.Metrics.Errored || c.Metrics.TotalTime < 50 {
				t.Errorf("%s: call %d: %+v, errors %v", strategy, i, c.Metrics, c.Errors)
			}
		}
		if !slices.ContainsFunc(item.Notes, func(n string) bool { return strings.Contains(n, "does not read HTTP") }) {
			t.Errorf("%s: notes %q", strategy, item.Notes)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	port := taken.Addr().(*net.TCPAddr).Port
	up := upstream(t)
	item := func(disabled bool) string {
		return fmt.Sprintf("title: T\nitems:\n  - call: {method: GET, url: \"%s\"}\n    context: {faults: [], proxy: "+
			"{disable_http_proxies: %v, proxies: [\"%d=http://127.0.0.1:1\"]}}\n", up.URL, disabled, port)
	}
	for name, run := range map[string]func() (*scenarios.Results, error){
		"proxy": func() (*scenarios.Results, error) {
			return New(Options{ProxyAddress: taken.Addr().String()}).Run(t.Context(), parse(t, item(false)))
		},
		"mapping":         func() (*scenarios.Results, error) { return New(Options{}).Run(t.Context(), parse(t, item(false))) },
		"mapping at once": func() (*scenarios.Results, error) { return New(Options{}).Run(t.Context(), parse(t, item(true))) },
	} {
		_, err := run()
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("bind 127.0.0.1:%d", port)) {
			t.Errorf("%s: error %v does not name the address", name, err)
		}
	}
}

func TestServiceThatIsNotThere(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	results, err := New(Options{}).Run(t.Context(), parse(t, fmt.Sprintf(`
title: Nobody
items:
  - call: {method: GET, url: "http://127.0.0.1:%d/"}
    context: {faults: []}
    expect: {status: 502}
`, port)))
	if err != nil {
		t.Fatal(err)
	}
	c := only(t, results).Results[0]
	if !c.Metrics.Errored || c.Metrics.Protocol != nil || !results.Failed() {
		t.Errorf("call %+v; want an error, not an answer of the service", c.Metrics)
	}
	if len(c.Errors) != 1 || !strings.Contains(c.Errors[0].Message, fmt.Sprintf("upstream 127.0.0.1:%d", port)) {
		t.Errorf("errors %v do not name the upstream", c.Errors)
	}
}

func TestCanceledRunEndsSoon(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	port := freePort(t)
	app := application(t, fmt.Sprintf("http://127.0.0.1:%d/", port), true)
	ctx, cancel := context.WithCancel(t.Context())
	canceled := make(chan time.Time, 1)
	var answered, lost sync.Once // calls were answered, and others hang in the hole
	both := make(chan struct{}, 2)
	o := Options{
		Progress: func(p Progress) {
			if p.Phase == Calling && p.Done > p.Errors {
				answered.Do(func() { both <- struct{}{} })
			}
		},
		Events: func(e event.Event) {
			if a, ok := e.(event.Applied); ok && a.Fault == "blackhole" {
				lost.Do(func() { both <- struct{}{} })
			}
		},
	}
	go func() {
		<-both
		<-both
		canceled <- time.Now()
		cancel()
	}()
	results, err := New(o).Run(ctx, parse(t, fmt.Sprintf(`
title: Canceled
items:
  - call: {method: GET, url: "%s/"}
    context:
      faults: [{type: blackhole, period: "start:1500ms"}]
      proxy: {proxies: ["%d=%s"]}
      strategy: {mode: load, duration: 1m, clients: 2, rps: 10}
`, app.URL, port, up.URL)))
	if took := time.Since(<-canceled); took > endsAfter {
		t.Errorf("returned %v after the cancellation", took)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if n := only(t, results).RequestsCount; n == 0 || !results.Interrupted {
		t.Errorf("%d calls, interrupted %v", n, results.Interrupted)
	}
}
