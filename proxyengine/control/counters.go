package control

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fault-project/fault/proxyengine/event"
)

// Counters count what an engine reports. They are safe for concurrent use, and fast enough to be fed on the data path.
type Counters struct {
	now atomic.Pointer[counts]

	// Flows that are open are known whatever was reset.
	open [len(kinds)]atomic.Int64
}

// kinds are the ways in which traffic comes, in the order of the arrays here.
var kinds = [...]event.Kind{event.Connection, event.Tunnel, event.Exchange}

func place(k event.Kind) int {
	return max(0, slices.Index(kinds[:], k))
}

// counts is what was counted since a moment.
type counts struct {
	since            time.Time
	flows            [len(kinds)]atomic.Int64
	bypassed, failed atomic.Int64
	up, down         atomic.Int64
	applied          sync.Map // subject → *tally

	mu                          sync.Mutex
	statuses                    map[int]int64
	connect, firstByte, overall *hdrhistogram.Histogram // µs
	notices                     []event.Notice
}

// subject is a configured fault.
type subject struct {
	kind  string
	index int
}

// tally is what a fault did.
type tally struct {
	times, delay, bytes atomic.Int64

	mu       sync.Mutex
	statuses map[int]int64
}

const (
	// longest is the longest time that a histogram tells from longer ones, digits how exact it is.
	longest = time.Hour
	digits  = 3
	// mostNotices bounds how many notices are kept.
	mostNotices = 50
)

// NewCounters returns counters that have counted nothing. Their Sink belongs into the configuration of the engine.
func NewCounters() *Counters {
	c := &Counters{}
	c.Reset()
	return c
}

// Reset counts from zero again. What is open stays counted as open.
func (c *Counters) Reset() {
	histogram := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest.Microseconds(), digits) }
	c.now.Store(&counts{
		since: time.Now(), statuses: map[int]int64{}, connect: histogram(), firstByte: histogram(), overall: histogram(),
	})
}

// Sink receives an event of the engine; it is an [event.Sink].
func (c *Counters) Sink(e event.Event) {
	n := c.now.Load()
	switch e := e.(type) {
	case event.Opened:
		c.open[place(e.Flow.Kind)].Add(1)
		n.flows[place(e.Flow.Kind)].Add(1)
		if e.Flow.Bypassed {
			n.bypassed.Add(1)
		}
	case event.Connected:
		if e.Err == nil {
			n.mu.Lock()
			record(n.connect, e.Took)
			n.mu.Unlock()
		}
	case event.Applied:
		n.add(e)
	case event.Completed:
		c.open[place(e.Flow.Kind)].Add(-1)
		n.complete(e)
	case event.Notice:
		n.mu.Lock()
		if len(n.notices) < mostNotices {
			n.notices = append(n.notices, e)
		}
		n.mu.Unlock()
	}
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(max(1, min(d, longest).Microseconds())) // always in range
}

func (n *counts) add(e event.Applied) {
	value, ok := n.applied.Load(subject{e.Fault, e.Index})
	if !ok {
		value, _ = n.applied.LoadOrStore(subject{e.Fault, e.Index}, &tally{})
	}
	t := value.(*tally)
	if !e.Continued {
		t.times.Add(1)
	}
	t.delay.Add(int64(e.Delay))
	t.bytes.Add(e.Bytes)
	if e.Status == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.statuses == nil {
		t.statuses = map[int]int64{}
	}
	t.statuses[e.Status]++
}

func (n *counts) complete(e event.Completed) {
	n.up.Add(e.Up)
	n.down.Add(e.Down)
	if e.Err != nil {
		n.failed.Add(1)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.Status != 0 {
		n.statuses[e.Status]++
	}
	if e.TTFB > 0 {
		record(n.firstByte, e.TTFB)
	}
	record(n.overall, e.At.Sub(e.Flow.Start))
}

// numbers is the answer of /v1/counters.
type numbers struct {
	Since    time.Time           `json:"since"`
	Flows    flowNumbers         `json:"flows"`
	Bytes    byteNumbers         `json:"bytes"`
	Statuses map[string]int64    `json:"statuses"`
	Latency  latencies           `json:"latency"`
	Applied  map[string]*applied `json:"applied"`
	Faults   map[string]*applied `json:"faults"`
	Notices  []string            `json:"notices"`
}

type flowNumbers struct {
	Open     map[event.Kind]int64 `json:"open"`
	Total    map[event.Kind]int64 `json:"total"`
	Failed   int64                `json:"failed"`
	Bypassed int64                `json:"bypassed"`
}

type byteNumbers struct {
	Up   int64 `json:"up"`
	Down int64 `json:"down"`
}

type latencies struct {
	Connect   quantiles `json:"connect"`
	FirstByte quantiles `json:"first_byte"`
	Total     quantiles `json:"total"`
}

// quantiles are milliseconds.
type quantiles struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// applied is what faults did: how often, and the sums of the delays (ms) and of the bytes that were lost or withheld.
type applied struct {
	Times    int64            `json:"times"`
	Delay    float64          `json:"delay"`
	Bytes    int64            `json:"bytes"`
	Statuses map[string]int64 `json:"statuses,omitempty"`
}

func (a *applied) add(t *tally) {
	a.Times += t.times.Load()
	a.Delay += milliseconds(t.delay.Load() / int64(time.Microsecond))
	a.Bytes += t.bytes.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	for status, n := range t.statuses {
		if a.Statuses == nil {
			a.Statuses = map[string]int64{}
		}
		a.Statuses[strconv.Itoa(status)] += n
	}
}

func milliseconds(us int64) float64 { return float64(us) / 1000 }

func quantilesOf(h *hdrhistogram.Histogram) quantiles {
	return quantiles{
		Count: h.TotalCount(), Mean: float64(int64(h.Mean())) / 1000, P50: milliseconds(h.ValueAtQuantile(50)),
		P95: milliseconds(h.ValueAtQuantile(95)), P99: milliseconds(h.ValueAtQuantile(99)), Max: milliseconds(h.Max()),
	}
}

// read makes the answer. names are the names of the faults that there are now, by index.
func (c *Counters) read(names map[int]string) numbers {
	n := c.now.Load()
	out := numbers{
		Since: n.since, Statuses: map[string]int64{}, Applied: map[string]*applied{}, Faults: map[string]*applied{}, Notices: []string{},
		Flows: flowNumbers{
			Open: map[event.Kind]int64{}, Total: map[event.Kind]int64{}, Failed: n.failed.Load(), Bypassed: n.bypassed.Load(),
		},
		Bytes: byteNumbers{n.up.Load(), n.down.Load()},
	}
	for i, k := range kinds {
		out.Flows.Open[k], out.Flows.Total[k] = c.open[i].Load(), n.flows[i].Load()
	}
	for _, name := range names {
		out.Faults[name] = &applied{}
	}
	n.applied.Range(func(key, value any) bool {
		s, t := key.(subject), value.(*tally)
		if out.Applied[s.kind] == nil {
			out.Applied[s.kind] = &applied{}
		}
		out.Applied[s.kind].add(t)
		if name, ok := names[s.index]; ok {
			out.Faults[name].add(t)
		}
		return true
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	for status, count := range n.statuses {
		out.Statuses[strconv.Itoa(status)] = count
	}
	out.Latency = latencies{quantilesOf(n.connect), quantilesOf(n.firstByte), quantilesOf(n.overall)}
	for _, notice := range n.notices {
		out.Notices = append(out.Notices, notice.Text)
	}
	return out
}

func (s *Server) readCounters(*request) (any, error) {
	names := map[int]string{}
	for _, f := range s.state.engine.Faults() {
		names[f.Index] = f.ID
	}
	return s.counters.read(names), nil
}

func (s *Server) resetCounters(*request) (any, error) {
	s.counters.Reset()
	return nil, nil
}
