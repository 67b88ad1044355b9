package stream_test

import (
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// TestArrivalIsTheStamp lets bytes be read at times of which the kernel says that they were there before.
func TestArrivalIsTheStamp(t *testing.T) {
	const us = time.Microsecond
	type read struct{ at, stamp, want time.Duration } // since the line takes bytes; stamp 0: none
	for name, reads := range map[string][]read{
		"no stamp":                     {{10 * ms, 0, 10 * ms}},
		"the reader woke up late":      {{10 * ms, 9800 * us, 9800 * us}, {20 * ms, 15 * ms, 15 * ms}},
		"at that moment":               {{10 * ms, 10 * ms, 10 * ms}},
		"from the future":              {{10 * ms, 11 * ms, 10 * ms}},
		"the clock was set":            {{200 * ms, 149 * ms, 200 * ms}, {300 * ms, -3600_000 * ms, 300 * ms}},
		"before the line took bytes":   {{1 * ms, -2 * ms, 0}, {2 * ms, 500 * us, 500 * us}},
		"behind one that was missing":  {{10 * ms, 9 * ms, 9 * ms}, {10 * ms, 5 * ms, 9 * ms}, {12 * ms, 11 * ms, 11 * ms}},
		"stamps come and go":           {{10 * ms, 0, 10 * ms}, {20 * ms, 18 * ms, 18 * ms}, {30 * ms, 0, 30 * ms}},
		"a clock set in between twice": {{100 * ms, 1 * ms, 100 * ms}, {101 * ms, 100500 * us, 100500 * us}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			now := start
			clock := stream.Clock{Now: func() time.Time { return now }, NewTimer: stream.Runtime().NewTimer}
			p := &plan{}
			p.set(list(&delay{5 * ms}), nil)
			path := p.path()
			l := stream.NewTestLine(&path, stream.Options{Clock: clock, Budget: stream.NewBudget(1 << 20)})
			defer l.Close()
			l.Open()
			for i, r := range reads {
				now = start.Add(r.at)
				stamp := time.Time{}
				if r.stamp != 0 {
					stamp = start.Add(r.stamp).Round(0) // the wall clock only
				}
				l.PushStamped([]byte{byte(i)}, stamp)
			}
			now = start.Add(time.Hour)
			got := l.Pop()
			if len(got) != len(reads) {
				t.Fatalf("%d chunks, want %d", len(got), len(reads))
			}
			for i, c := range got {
				if arrived := c.Arrival.Sub(start); arrived != reads[i].want {
					t.Errorf("read %d arrived after %s, want %s", i, arrived, reads[i].want)
				}
				if due := c.At.Sub(start); due != reads[i].want+5*ms {
					t.Errorf("read %d is due after %s, want %s", i, due, reads[i].want+5*ms)
				}
			}
		})
	}
}

// TestWaitingForRoomIsNoDelay keeps bytes in the socket because the line is full: their delay begins when the line takes them.
func TestWaitingForRoomIsNoDelay(t *testing.T) {
	start := time.Now()
	now := start
	clock := stream.Clock{Now: func() time.Time { return now }, NewTimer: stream.Runtime().NewTimer}
	budget := stream.NewBudget(128 << 10)
	other := stream.NewTestAccount(budget, 64<<10)
	defer other.Close()
	p := &plan{}
	p.set(list(&delay{5 * ms}), nil)
	path := p.path()
	waited := false
	path.Full = func(stream.Dir) {
		waited = true
		now = start.Add(4 * ms)
		other.Give(64 << 10)
	}
	l := stream.NewTestLine(&path, stream.Options{Clock: clock, Budget: budget})
	defer l.Close()
	l.Open()
	if !l.Await() || waited {
		t.Fatal("there was room")
	}
	l.PushStamped(make([]byte, 64<<10), start.Round(0))
	if !l.Await() || !waited {
		t.Fatal("there was no room, and then there was")
	}
	l.PushStamped([]byte("late"), start.Add(3*ms).Round(0))
	now = start.Add(time.Hour)
	got := l.Pop()
	if len(got) != 2 {
		t.Fatalf("%d chunks, want 2", len(got))
	}
	if arrived := got[1].Arrival.Sub(start); arrived != 4*ms {
		t.Errorf("arrived after %s, want 4ms", arrived)
	}
}
