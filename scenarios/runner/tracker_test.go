package runner

import (
	"errors"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
)

func TestTrackerAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		flow   func(*tracker) *event.Flow
		flying []string // of the calls "1.1.0" and "1.1.1"
		owner  string
		counts bool
	}{
		{
			name: "by identity", flying: []string{"1.1.0", "1.1.1"}, owner: "1.1.1", counts: true,
			flow: func(*tracker) *event.Flow { return &event.Flow{CallID: "1.1.1"} },
		},
		{
			name: "by identity, after the call's end", owner: "1.1.0", counts: true,
			flow: func(*tracker) *event.Flow { return &event.Flow{CallID: "1.1.0"} },
		},
		{
			name: "identity of an earlier item", flying: []string{"1.1.0"},
			flow: func(*tracker) *event.Flow { return &event.Flow{CallID: "1.0.0"} },
		},
		{
			name: "application, one call in flight", flying: []string{"1.1.1"}, owner: "1.1.1", counts: true,
			flow: func(t *tracker) *event.Flow { return &event.Flow{Kind: event.Exchange, Start: t.began} },
		},
		{
			name: "application, two calls in flight", flying: []string{"1.1.0", "1.1.1"}, counts: true,
			flow: func(t *tracker) *event.Flow { return &event.Flow{Kind: event.Exchange, Start: t.began} },
		},
		{
			name: "application, no call in flight", counts: true,
			flow: func(t *tracker) *event.Flow { return &event.Flow{Kind: event.Exchange, Start: t.began} },
		},
		{
			name: "exchange of an earlier item", flying: []string{"1.1.0"},
			flow: func(t *tracker) *event.Flow {
				return &event.Flow{Kind: event.Exchange, Start: t.began.Add(-time.Second)}
			},
		},
		{
			name: "connection from an earlier item", flying: []string{"1.1.0"}, owner: "1.1.0", counts: true,
			flow: func(t *tracker) *event.Flow {
				return &event.Flow{Kind: event.Connection, Start: t.began.Add(-time.Second)}
			},
		},
		{name: "no flow", flying: []string{"1.1.0"}, owner: "1.1.0", counts: true, flow: func(*tracker) *event.Flow { return nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr := newTracker("1.1.")
			calls := map[string]*call{"1.1.0": {id: "1.1.0"}, "1.1.1": {id: "1.1.1"}}
			for _, c := range calls {
				tr.begin(c)
				tr.end(c)
			}
			for _, id := range tt.flying {
				tr.begin(calls[id])
			}
			flow := tt.flow(tr)
			tr.receive(event.Applied{Flow: flow, At: time.Now(), Fault: "latency", Index: 1, Delay: 5 * time.Millisecond, Bytes: 7})
			tr.receive(event.Resolved{Flow: flow, Host: "db.internal", Took: time.Millisecond, Err: errors.New("no such host")})
			for id, c := range calls {
				want := 0
				if id == tt.owner {
					want = 1
				}
				if len(c.applied) != want || len(c.resolved) != want {
					t.Errorf("call %s has %d applications and %d lookups, want %d", id, len(c.applied), len(c.resolved), want)
				}
			}
			if !tt.counts {
				if len(tr.totals) != 0 {
					t.Errorf("counted %+v", tr.totals)
				}
				return
			}
			unattributed := 1
			if tt.owner != "" {
				unattributed = 0
			}
			if len(tr.totals) != 2 {
				t.Fatalf("counted %+v, want the fault with index 1", tr.totals)
			}
			got := tr.totals[1]
			if got.Type != "latency" || got.Count != 1 || got.Unattributed != unattributed || got.Delay != 5 || got.Delayed != 1 || got.Bytes != 7 {
				t.Errorf("counted %+v, want %d unattributed", got, unattributed)
			}
		})
	}
}

func TestTrackerBoundsLists(t *testing.T) {
	t.Parallel()
	tr := newTracker("1.1.")
	c := &call{id: "1.1.0"}
	tr.begin(c)
	for range maxListed + 5 {
		tr.receive(event.Applied{Flow: &event.Flow{CallID: c.id}, Fault: "latency", Delay: time.Millisecond})
	}
	if len(c.applied) != maxListed || c.unlisted != 5 || tr.totals[0].Count != maxListed+5 {
		t.Errorf("%d listed, %d not, %d counted", len(c.applied), c.unlisted, tr.totals[0].Count)
	}
}

// What goes on is one application with all of its amounts.
func TestTrackerAddsWhatGoesOn(t *testing.T) {
	t.Parallel()
	tr := newTracker("1.")
	c := &call{id: "1.0"}
	tr.begin(c)
	flow := &event.Flow{CallID: "1.0"}
	hole := event.Applied{Flow: flow, Fault: "blackhole", Side: "server", Direction: "ingress", Bytes: 100}
	other := hole
	other.Direction = "egress"
	more := hole
	more.Continued, more.Bytes, more.Delay = true, 23, time.Millisecond
	for _, e := range []event.Applied{hole, other, more, more} {
		tr.receive(e)
	}
	if len(c.applied) != 2 || c.applied[0].Bytes != 146 || c.applied[0].Delay != 2*time.Millisecond || c.applied[1].Bytes != 100 {
		t.Errorf("listed %+v", c.applied)
	}
	if total := tr.totals[0]; total.Count != 2 || total.Bytes != 246 || total.Delay != 2 {
		t.Errorf("total %+v", total)
	}
}

func TestTrackerNotesOnce(t *testing.T) {
	t.Parallel()
	tr := newTracker("1.1.")
	for range 3 {
		tr.receive(event.Notice{Text: "no effect here"})
		tr.receive(event.Completed{})
	}
	if len(tr.notes) != 1 || tr.notes[0] != "no effect here" {
		t.Errorf("notes %q", tr.notes)
	}
}

func TestAppliedFaults(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	a, b := &event.Flow{Target: "a:80"}, &event.Flow{Target: "b:80"}
	groups := appliedFaults([]event.Applied{
		{Flow: a, At: at.Add(2), Fault: "latency", Side: "server", Direction: "ingress", Delay: 1500 * time.Microsecond},
		{Flow: b, At: at, Fault: "blackhole", Side: "server", Direction: "egress", Bytes: 120, Detail: "lost"},
		{Flow: a, At: at.Add(3), Fault: "httperror", Status: 503},
	})
	if len(groups) != 2 || groups[0].URL != "b:80" || groups[1].URL != "a:80" || len(groups[1].Applied) != 2 {
		t.Fatalf("groups %+v", groups)
	}
	if e := groups[0].Applied[0].Event; e.Type != "blackhole" || e.Delay != nil || e.Bytes != 120 || e.Detail != "lost" || e.Direction != "egress" {
		t.Errorf("hole %+v", e)
	}
	if e := groups[1].Applied[0].Event; e.Type != "latency" || *e.Delay != 1.5 || e.Side != "server" {
		t.Errorf("delay %+v", e)
	}
	if e := groups[1].Applied[1].Event; e.Status != 503 {
		t.Errorf("error %+v", e)
	}
	if groups := appliedFaults(nil); groups == nil || len(groups) != 0 {
		t.Errorf("no events: %#v, want an empty list", groups)
	}
}
