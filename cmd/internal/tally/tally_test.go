package tally

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fault-project/fault/proxyengine/event"
)

func TestTally(t *testing.T) {
	var tally Tally
	began := time.Now()
	exchange := func(id uint64, ttfb time.Duration, status int, err error, applied ...event.Applied) []Effect {
		f := &event.Flow{ID: id, Kind: event.Exchange, Start: began}
		tally.Add(event.Opened{Flow: f})
		for _, a := range applied {
			a.Flow = f
			tally.Add(a)
		}
		return tally.Add(event.Completed{Flow: f, Status: status, TTFB: ttfb, Up: 10, Down: 100, Err: err})
	}
	latency := func(d time.Duration) event.Applied { return event.Applied{Fault: "latency", Index: 1, Delay: d} }
	got := exchange(1, 100*time.Millisecond, 200, nil, latency(80*time.Millisecond), latency(20*time.Millisecond),
		event.Applied{Fault: "httperror", Status: 503})
	want := []Effect{
		{Fault: "latency", Index: 1, Times: 2, Delay: 100 * time.Millisecond}, {Fault: "httperror", Times: 1, Status: 503},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	exchange(2, 200*time.Millisecond, 200, nil)
	refused := &net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}
	exchange(3, 300*time.Millisecond, 502, fmt.Errorf("upstream: %w", refused), latency(50*time.Millisecond))
	raw := &event.Flow{ID: 4, Kind: event.Connection}
	bypassed := &event.Flow{ID: 6, Kind: event.Tunnel, Bypassed: true}
	tally.Add(event.Opened{Flow: raw})
	tally.Add(event.Opened{Flow: &event.Flow{ID: 5, Kind: event.Tunnel}})
	tally.Add(event.Completed{Flow: raw, TTFB: 5 * time.Millisecond})
	tally.Add(event.Completed{Flow: bypassed, TTFB: 9 * time.Millisecond, Err: nil})
	tally.Add(event.Completed{Flow: bypassed, Err: fmt.Errorf("x: %w", context.Canceled)})
	tally.Add(event.Applied{Flow: raw, Fault: "latency", Index: 1, Bytes: 7, Detail: "buffer full"}) // after its end
	tally.Add(event.Applied{Fault: "latency", Index: 1})
	tally.Add(event.Applied{Fault: "latency", Index: 1, Bytes: 30, Continued: true})
	if extra := tally.Add(event.Completed{Flow: raw}); extra != nil {
		t.Errorf("a flow ended twice: %v", extra)
	}

	snapshot := tally.Snapshot()
	wantSnapshot := Snapshot{
		Traffic: Traffic{
			Exchanges: 3, Tunnels: 2, Connections: 2, Open: 1, Failed: 2, NotAffected: 2, BytesUp: 30, BytesDown: 300,
			Statuses:     map[string]int{"200": 2, "502": 1},
			FirstByte:    &Times{Count: 2, Mean: 150, P50: 100, P95: 200, P99: 200, Max: 200},
			FirstByteRaw: &Times{Count: 1, Mean: 5, P50: 5, P95: 5, P99: 5, Max: 5},
		},
		Applied: []Applied{
			{Index: 0, Fault: "httperror", Times: 1, Flows: 1, Statuses: map[string]int{"503": 1}},
			{
				Index: 1, Fault: "latency", Times: 5, Flows: 2, Delay: &Times{Count: 3, Mean: 50, P50: 50, P95: 80, P99: 80, Max: 80},
				Bytes: 37, Details: map[string]int{"buffer full": 1},
			},
		},
		Errors: []Error{{Text: "dial: connect: connection refused", Count: 1}, {Text: "the client left", Count: 1}},
	}
	near := cmp.Comparer(func(a, b float64) bool { return a == b || max(a, b)/min(a, b) < 1.011 })
	if diff := cmp.Diff(wantSnapshot, snapshot, near); diff != "" {
		t.Error(diff)
	}
	if snapshot.Traffic.Flows() != 7 {
		t.Error(snapshot.Traffic.Flows())
	}
	snapshot.Traffic.Statuses["200"] = 99
	if again := tally.Snapshot(); again.Traffic.Statuses["200"] != 2 {
		t.Error("a snapshot shares what it holds with the tally")
	}
}

func TestTallyOfNothing(t *testing.T) {
	if diff := cmp.Diff(Snapshot{}, new(Tally).Snapshot(), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestTallyStaysSmall(t *testing.T) {
	var tally Tally
	for i := range 1000 {
		f := &event.Flow{ID: uint64(i), Kind: event.Exchange}
		tally.Add(event.Opened{Flow: f})
		tally.Add(event.Applied{Flow: f, Fault: "latency", Detail: strconv.Itoa(i), Delay: 100 * time.Hour})
		tally.Add(event.Completed{Flow: f, Err: fmt.Errorf("error %d", i), TTFB: 2 * longest})
	}
	s := tally.Snapshot()
	if len(tally.open) != 0 || len(s.Errors) != distinct+1 || s.Errors[0] != (Error{Text: others, Count: 1000 - distinct}) ||
		len(s.Applied[0].Details) != distinct+1 {
		t.Errorf("%d open, %d errors, %+v", len(tally.open), len(s.Errors), s.Applied)
	}
}

func TestTallyConcurrently(t *testing.T) {
	var tally Tally
	var all sync.WaitGroup
	for i := range uint64(8) {
		all.Go(func() {
			for j := range uint64(200) {
				f := &event.Flow{ID: i*1000 + j, Kind: event.Tunnel}
				tally.Add(event.Opened{Flow: f})
				tally.Add(event.Applied{Flow: f, Index: int(i)})
				tally.Add(event.Completed{Flow: f, TTFB: time.Millisecond, Err: errors.New("x")})
				tally.Snapshot()
			}
		})
	}
	all.Wait()
	if s := tally.Snapshot(); s.Traffic.Tunnels != 1600 || s.Traffic.Open != 0 || len(s.Applied) != 8 || s.Errors[0].Count != 1600 {
		t.Errorf("%+v", s)
	}
}
