package runner

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/scenarios"
)

// maxListed is how many applications of faults a call lists one by one. A fault that acts on every chunk of a large body would
// otherwise fill results.json by itself.
const maxListed = 1000

// tracker keeps the calls of one item and attributes what the proxy reports to them. Traffic of the runner carries the identity of
// its call; traffic of the application under test does not, and belongs to a call for certain only while there is no other.
type tracker struct {
	prefix string // of the identities of this item's calls
	began  time.Time

	mu     sync.Mutex
	calls  map[string]*call
	flying map[*call]struct{}
	totals []scenarios.AppliedTotal // by index of the fault; grows as faults act
	notes  []string
}

func newTracker(prefix string) *tracker {
	return &tracker{prefix: prefix, began: time.Now(), calls: map[string]*call{}, flying: map[*call]struct{}{}}
}

// begin registers a call that is about to be made.
func (t *tracker) begin(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[c.id] = c
	t.flying[c] = struct{}{}
}

// end says that a call is over. Events that carry its identity are still attributed to it.
func (t *tracker) end(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.flying, c)
}

func (t *tracker) receive(e event.Event) {
	switch e := e.(type) {
	case event.Applied:
		t.applied(e)
	case event.Resolved:
		t.resolved(e)
	case event.Notice:
		t.note(e.Text)
	}
}

// owner returns the call that a flow belongs to, or nil when that is not certain. ours is false for what an earlier item left
// behind. A nil flow is traffic that is known to be shared.
func (t *tracker) owner(f *event.Flow) (c *call, ours bool) {
	if f != nil && f.CallID != "" {
		return t.calls[f.CallID], strings.HasPrefix(f.CallID, t.prefix)
	}
	if f != nil && f.Kind == event.Exchange && f.Start.Before(t.began) {
		return nil, false
	}
	if len(t.flying) == 1 {
		for c := range t.flying {
			return c, true
		}
	}
	return nil, true
}

func (t *tracker) applied(e event.Applied) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ours := t.owner(e.Flow)
	if !ours || e.Index < 0 {
		return
	}
	for len(t.totals) <= e.Index {
		t.totals = append(t.totals, scenarios.AppliedTotal{Index: len(t.totals)})
	}
	total := &t.totals[e.Index]
	total.Type = e.Fault
	total.Bytes += e.Bytes
	if e.Delay > 0 {
		total.Delay += milliseconds(e.Delay)
		total.Delayed++
	}
	if e.Continued {
		if c != nil {
			c.goesOn(e)
		}
		return
	}
	total.Count++
	switch {
	case c == nil:
		total.Unattributed++
	case len(c.applied) < maxListed:
		c.applied = append(c.applied, e)
	default:
		c.unlisted++
	}
}

// goesOn adds what a fault went on doing to what is listed of it.
func (c *call) goesOn(e event.Applied) {
	for i := range slices.Backward(c.applied) {
		a := &c.applied[i]
		if a.Flow == e.Flow && a.Index == e.Index && a.Side == e.Side && a.Direction == e.Direction {
			a.Delay += e.Delay
			a.Bytes += e.Bytes
			return
		}
	}
}

func (t *tracker) resolved(e event.Resolved) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ours := t.owner(e.Flow); ours && c != nil {
		c.resolved = append(c.resolved, scenarios.DNSTiming{Host: e.Host, Duration: milliseconds(e.Took), Resolved: e.Err == nil})
	}
}

// note keeps a sentence for the item's result, once.
func (t *tracker) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text != "" && !slices.Contains(t.notes, text) {
		t.notes = append(t.notes, text)
	}
}
