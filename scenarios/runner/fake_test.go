package runner

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/stream"
	"github.com/fault-project/fault/scenarios"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEngine stands for the engine where time is virtual: it has the programs, and no network.
type fakeEngine struct {
	config   proxyengine.Config
	startErr error
	bindErr  error // of SetMappings
	fail     chan error

	mu       sync.Mutex
	log      []string // what was asked of it, in order
	program  proxyengine.Program
	origin   time.Time
	mappings []proxyengine.Mapping
}

func (e *fakeEngine) Start(context.Context) error { return e.startErr }

func (e *fakeEngine) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.fail:
		return err
	}
}

func (e *fakeEngine) Apply(p proxyengine.Program) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.program, e.origin = p, time.Now()
	if len(p.Faults) == 0 {
		e.log = append(e.log, "no faults")
	} else {
		e.log = append(e.log, "faults")
	}
	return nil
}

func (e *fakeEngine) Faults() []proxyengine.FaultState {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []proxyengine.FaultState
	for i, f := range e.program.Faults {
		list = append(list, proxyengine.FaultState{Fault: proxyengine.Fault{ID: strconv.Itoa(i), Spec: f}, Index: i})
	}
	return list
}

// SetFaults changes the faults; their schedules go on.
func (e *fakeEngine) SetFaults(list []proxyengine.Fault) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.program.Faults = nil
	for _, f := range list {
		e.program.Faults = append(e.program.Faults, f.Spec)
	}
	e.log = append(e.log, "other faults")
	return nil
}

func (e *fakeEngine) SetMappings(_ context.Context, m []proxyengine.Mapping) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bindErr != nil {
		return e.bindErr
	}
	e.mappings = m
	var names []string
	for _, m := range m {
		names = append(names, m.String())
	}
	e.log = append(e.log, "mappings "+strings.Join(names, " "))
	return nil
}

func (e *fakeEngine) ProxyAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4zero, Port: 3180}
}

func (e *fakeEngine) Seed() uint64 { return 42 }

func (e *fakeEngine) note(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log = append(e.log, what)
}

// active returns the faults that are active now.
func (e *fakeEngine) active() []fault.Spec {
	e.mu.Lock()
	defer e.mu.Unlock()
	var specs []fault.Spec
	for _, f := range e.program.Faults {
		s := f.Common().Schedule
		if s.Relative() && e.program.Timeless || s.ActiveAt(time.Since(e.origin), e.program.Total) {
			specs = append(specs, f)
		}
	}
	return specs
}

// applied reports that the fault of that index acted on the call of that request.
func (e *fakeEngine) applied(req *http.Request, index int, f fault.Spec, delay time.Duration) {
	e.config.Sink.Send(event.Applied{
		Flow: &event.Flow{Kind: event.Exchange, Target: req.URL.Host, CallID: req.Header.Get(callIDHeader), Start: time.Now()},
		At:   time.Now(), Fault: string(f.Kind()), Index: index, Side: "server", Direction: "ingress", Delay: delay,
	})
}

// roundTripper makes calls without a network. It must obey the request's context.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// respond answers after d, unless the call ends before.
func respond(req *http.Request, d time.Duration, status int, body string) (*http.Response, error) {
	select {
	case <-time.After(d):
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// onRuntime waits on the clock that testing/synctest replaces.
var onRuntime = waitOn(stream.Runtime())

// newFake returns a runner on a fake engine; serve stands for the network, the proxy's faults and the service.
func newFake(o Options, serve func(*fakeEngine, *http.Request) (*http.Response, error)) (*Runner, *fakeEngine) {
	e := &fakeEngine{fail: make(chan error)}
	r := New(o)
	r.wait = onRuntime
	r.newEngine = func(c proxyengine.Config) (engine, error) {
		e.config = c
		return e, nil
	}
	r.transport = func(*url.URL, bool) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) { return serve(e, req) })
	}
	return r, e
}

func parse(t *testing.T, text string) []scenarios.Scenario {
	t.Helper()
	list, err := scenarios.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// only returns the only item's result.
func only(t *testing.T, r *scenarios.Results) *scenarios.ItemResult {
	t.Helper()
	if r == nil || len(r.Results) != 1 || len(r.Results[0].Results) != 1 {
		t.Fatalf("results %+v: want those of one item", r)
	}
	return &r.Results[0].Results[0]
}

// mean is the mean delay of a latency fault.
func mean(f fault.Spec) time.Duration {
	return time.Duration(*f.(*fault.Latency).Mean * float64(time.Millisecond))
}
