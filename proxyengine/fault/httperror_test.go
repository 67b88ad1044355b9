package fault

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

func exchange(id uint64) *event.Flow {
	return &event.Flow{ID: id, Kind: event.Exchange, Target: "h:80"}
}

// ask opens an exchange under the chain and returns what it is answered with.
func ask(c *Chain, id uint64, r *Request) *Answer {
	live := NewLive()
	live.Store(c)
	f := live.Open(exchange(id))
	defer f.Close()
	f.Begin(*r)
	return f.Answer()
}

func TestHTTPErrorAnswers(t *testing.T) {
	for _, c := range []struct {
		values map[string]any
		want   Answer
		at     string
	}{
		{nil, Answer{Status: 500, Header: map[string]string{}}, "server ingress"},
		{
			map[string]any{"status_code": 503, "body": `{"error":1}`, "headers": map[string]any{"retry-after": 3}, "side": "client"},
			Answer{503, map[string]string{"Retry-After": "3", "Content-Type": "application/json"}, `{"error":1}`},
			"client egress",
		},
		{
			map[string]any{"body": "busy", "direction": "egress"},
			Answer{500, map[string]string{"Content-Type": "text/plain; charset=utf-8"}, "busy"},
			"server ingress",
		},
		{
			map[string]any{"body": "<p>", "headers": "content-type: text/html", "direction": "both"},
			Answer{500, map[string]string{"Content-Type": "text/html"}, "<p>"},
			"server ingress",
		},
	} {
		l := &log{}
		got := ask(Build([]Active{{made(t, KindHTTPError, c.values), 3, 1}}, 1, l.sink), 1, request("GET", "/"))
		if got == nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%v: answer %+v, want %+v", c.values, got, c.want)
		}
		if len(l.applied) != 1 || l.applied[0].Status != c.want.Status || l.applied[0].Index != 3 || l.applied[0].Fault != "httperror" ||
			l.applied[0].Side+" "+l.applied[0].Direction != c.at {
			t.Errorf("%v: events %+v", c.values, l.applied)
		}
	}
}

func TestHTTPErrorIsNotForStreams(t *testing.T) {
	l := &log{}
	chain := Build([]Active{
		{made(t, KindHTTPError, nil), 0, 1},
		{made(t, KindLatency, map[string]any{"mean": 5, "match": "/a"}), 1, 1},
		{made(t, KindJitter, nil), 2, 1},
	}, 1, l.sink)
	for _, kind := range []event.Kind{event.Connection, event.Tunnel, event.Connection} {
		live := NewLive()
		live.Store(chain)
		f := live.Open(&event.Flow{ID: 1, Kind: kind, Target: "db:5432"})
		if got := len(f.Stages(stream.Down)); got != 1 {
			t.Errorf("%s: %d stages, want the jitter's", kind, got)
		}
		if a := f.Answer(); a != nil {
			t.Errorf("%s: answered with %+v", kind, a)
		}
	}
	want := []string{
		"httperror acts on HTTP exchanges: the connection to db:5432 passes without it; write http:// or https:// in front of the " +
			"upstream if it speaks that",
		"latency is limited to some HTTP exchanges: the connection to db:5432 passes without it; write http:// or https:// in front of the " +
			"upstream if it speaks that",
	}
	if !slices.Equal(l.notices, want) {
		t.Errorf("notices %q, want %q", l.notices, want)
	}
}

// The first two of the exchanges that match are hit, however many come at the same time and however often the chain is built anew.
func TestCountersAreExact(t *testing.T) {
	l := &log{}
	b := NewBuilder(1, l.sink)
	first := Active{made(t, KindHTTPError, map[string]any{"match": "POST /orders first:20"}), 0, 7}
	var wg sync.WaitGroup
	var mu sync.Mutex
	answered := 0
	for i := range 200 {
		wg.Go(func() {
			list := []Active{first}
			if i%2 == 0 {
				list = append(list, Active{made(t, KindJitter, nil), 1, uint64(i)})
			}
			b.Keep(append(list, Active{Index: 1, Epoch: 1}))
			path := "/orders"
			if i%4 == 3 {
				path = "/other"
			}
			if ask(b.Build(list), uint64(i), request("POST", path)) != nil {
				mu.Lock()
				answered++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if answered != 20 || len(l.applied) != 20 {
		t.Errorf("%d exchanges were answered, %d events, want 20", answered, len(l.applied))
	}
	// Another activation counts anew; what is not active any more is forgotten.
	first.Epoch = 8
	b.Keep([]Active{first})
	if len(b.common.values) != 0 {
		t.Errorf("%d values are kept", len(b.common.values))
	}
	if ask(b.Build([]Active{first}), 1, request("POST", "/orders")) == nil {
		t.Error("a new activation does not count anew")
	}
}

// An exchange is counted once for an activation, when it begins, also by faults of the way back.
func TestCountedOnceInTheOrderOfBeginning(t *testing.T) {
	l := &log{}
	b := NewBuilder(1, l.sink)
	latency := Active{made(t, KindLatency, map[string]any{"mean": 5, "match": "first:1"}), 0, 1}
	live := []*Live{NewLive(), NewLive()}
	var flows []*Flow
	for i, lv := range live {
		lv.Store(b.Build([]Active{latency}))
		flows = append(flows, lv.Open(exchange(uint64(i))))
		flows[i].Begin(*request("GET", "/"))
	}
	for range 2 {
		if second, first := len(flows[1].Stages(stream.Down)), len(flows[0].Stages(stream.Down)); first != 1 || second != 0 {
			t.Errorf("stages of the first %d, of the second %d", first, second)
		}
		for _, lv := range live {
			lv.Store(b.Build([]Active{latency, {made(t, KindHTTPError, nil), 1, 1}}))
		}
	}
	// A fault that comes later decides about an exchange that has begun.
	latency.Epoch = 2
	for _, lv := range live {
		lv.Store(b.Build([]Active{latency}))
	}
	if second, first := len(flows[1].Stages(stream.Down)), len(flows[0].Stages(stream.Down)); first != 0 || second != 1 {
		t.Errorf("after a new activation: stages of the first %d, of the second %d", first, second)
	}
}

func TestMatchAndProbability(t *testing.T) {
	spec := made(t, KindHTTPError, map[string]any{"probability": 0.3, "match": "every:2"})
	var runs []string
	for range 2 {
		b := NewBuilder(5, nil)
		var hits strings.Builder
		for i := range 1000 {
			fmt.Fprint(&hits, map[bool]int{true: 1}[ask(b.Build([]Active{{spec, 0, 1}}), uint64(i), request("GET", "/")) != nil])
		}
		runs = append(runs, hits.String())
	}
	if runs[0] != runs[1] {
		t.Error("the same seed does not give the same answers")
	}
	// 500 exchanges are selected; 150 ± 4 standard deviations (10.2) of them are hit.
	if n := strings.Count(runs[0], "1"); n < 109 || n > 191 {
		t.Errorf("%d of 500 are hit", n)
	}
}
