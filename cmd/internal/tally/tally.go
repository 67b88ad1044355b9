// Package tally counts what passes through an engine and what the faults do to it, from the engine's events. What it keeps grows
// with the flows that are open and the faults that there are, not with the traffic.
package tally

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fault-project/fault/proxyengine/event"
)

// Tally is the counts since it was made. The zero value is empty and ready to use. It is safe for concurrent use.
type Tally struct {
	mu      sync.Mutex
	traffic Traffic
	answers answers
	faults  map[int]*counted
	errors  map[string]int
	open    map[uint64]*flow
}

// answers are the times to the first byte, in microseconds.
type answers struct {
	exchanges, connections *hdrhistogram.Histogram
}

// flow is a connection or exchange that has not ended.
type flow struct {
	effects []Effect
}

type counted struct {
	Applied
	delays *hdrhistogram.Histogram
	total  time.Duration
}

// Effect is what one fault did to one flow.
type Effect struct {
	// Fault is the fault's kind, Index its number among the engine's faults.
	Fault string
	Index int
	// Times is how often it was applied; Delay and Bytes are the sums of what that added or withheld.
	Times int
	Delay time.Duration
	Bytes int64
	// Status is the last HTTP status that it returned, 0 where it returned none.
	Status int
	// Detail is the last thing else that there was to know.
	Detail string
}

// longest is the greatest time that is told from others; finest how fine the times are told apart at the least.
const (
	longest = time.Hour
	finest  = time.Microsecond
)

// distinct is how many different texts (errors, details) are told apart; what comes after goes by the name others.
const (
	distinct = 20
	others   = "others"
)

func histogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(longest/finest), 2)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(int64(min(max(d, 0), longest) / finest)) // always within its range
}

// Add counts an event. For the end of a flow it returns what the faults did to it, in the order in which they first did; the
// caller may keep that.
func (t *Tally) Add(e event.Event) []Effect {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := e.(type) {
	case event.Opened:
		if t.open == nil {
			t.open = map[uint64]*flow{}
		}
		t.open[e.Flow.ID] = &flow{}
		t.traffic.Open++
	case event.Applied:
		t.applied(e)
	case event.Completed:
		return t.completed(e)
	}
	return nil
}

func (t *Tally) applied(e event.Applied) {
	c := t.faults[e.Index]
	if c == nil {
		if t.faults == nil {
			t.faults = map[int]*counted{}
		}
		c = &counted{Applied: Applied{Index: e.Index, Fault: e.Fault}}
		t.faults[e.Index] = c
	}
	if !e.Continued {
		c.Times++
	}
	c.Bytes += e.Bytes
	if e.Delay > 0 {
		if c.delays == nil {
			c.delays = histogram()
		}
		record(c.delays, e.Delay)
		c.total += e.Delay
	}
	if e.Status != 0 {
		count(&c.Statuses, strconv.Itoa(e.Status))
	}
	if e.Detail != "" {
		count(&c.Details, e.Detail)
	}
	if e.Flow == nil {
		return
	}
	// A fault may still be applied to a flow of which the end was counted: then only the count above grows.
	if f := t.open[e.Flow.ID]; f != nil && f.add(e) {
		c.Flows++
	}
}

// add adds e to what the faults did to f, and reports whether it is the first thing that this fault did.
func (f *flow) add(e event.Applied) (first bool) {
	i := slices.IndexFunc(f.effects, func(x Effect) bool { return x.Index == e.Index })
	if first = i < 0; first {
		i = len(f.effects)
		f.effects = append(f.effects, Effect{Fault: e.Fault, Index: e.Index})
	}
	x := &f.effects[i]
	if !e.Continued {
		x.Times++
	}
	x.Delay += e.Delay
	x.Bytes += e.Bytes
	if e.Status != 0 {
		x.Status = e.Status
	}
	if e.Detail != "" {
		x.Detail = e.Detail
	}
	return first
}

func (t *Tally) completed(e event.Completed) []Effect {
	s := &t.traffic
	switch e.Flow.Kind {
	case event.Exchange:
		s.Exchanges++
	case event.Tunnel:
		s.Tunnels++
	case event.Connection:
		s.Connections++
	}
	s.BytesUp += e.Up
	s.BytesDown += e.Down
	if e.Flow.Bypassed {
		s.NotAffected++
	}
	if e.Status != 0 {
		count(&s.Statuses, strconv.Itoa(e.Status))
	}
	switch {
	case e.Err != nil:
		s.Failed++
		count(&t.errors, ErrorText(e.Err))
	case e.TTFB > 0 && !e.Flow.Bypassed:
		h := &t.answers.connections
		if e.Flow.Kind == event.Exchange {
			h = &t.answers.exchanges
		}
		if *h == nil {
			*h = histogram()
		}
		record(*h, e.TTFB)
	}
	f := t.open[e.Flow.ID]
	if f == nil {
		return nil
	}
	delete(t.open, e.Flow.ID)
	s.Open--
	return f.effects
}

// count counts text in m, which it makes on first use and keeps small.
func count(m *map[string]int, text string) {
	if *m == nil {
		*m = map[string]int{}
	}
	if _, known := (*m)[text]; !known && len(*m) >= distinct {
		text = others
	}
	(*m)[text]++
}

// ErrorText is an error without the addresses of the connection that it happened on: those differ each time.
func ErrorText(err error) string {
	if errors.Is(err, context.Canceled) {
		return "the client left"
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
