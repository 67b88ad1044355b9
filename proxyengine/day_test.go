package proxyengine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
)

// rhythm is a fault that is active for a while in every period.
type rhythm struct {
	spec      fault.Spec
	every, on time.Duration
	first     time.Duration
	delay     time.Duration // of a message
	outage    bool          // a message waits until it is over
}

// schedule writes all periods of a day out.
func (r *rhythm) schedule(t *testing.T, day time.Duration) {
	t.Helper()
	var periods []string
	for at := r.first; at < day; at += r.every {
		periods = append(periods, fmt.Sprintf("start:%s,duration:%s", schedule.FormatDuration(at), schedule.FormatDuration(r.on)))
	}
	if err := r.spec.Common().Schedule.UnmarshalText([]byte(strings.Join(periods, ";"))); err != nil {
		t.Fatal(err)
	}
}

// phase is how far into its period the fault is at the time t, and whether it is active.
func (r *rhythm) phase(t time.Duration) (since time.Duration, active bool) {
	if t < r.first {
		return 0, false
	}
	since = (t - r.first) % r.every
	return since, since < r.on
}

// boundary is the time until the fault comes or goes next.
func (r *rhythm) boundary(t time.Duration) time.Duration {
	since, active := r.phase(t)
	switch {
	case t < r.first:
		return r.first - t
	case active:
		return r.on - since
	}
	return r.every - since
}

// TestADayOfChanges lets faults come and go on one connection for a day, some five thousand times. Every byte arrives, and exactly
// when the faults of its time say, wherever no change comes in between.
func TestADayOfChanges(t *testing.T) {
	const day, size = 24 * time.Hour, 1000
	const rate = 100 // KB/s: 10 ms for a message
	limit := &fault.Bandwidth{Base: latency(0).Base, Rate: rate, Unit: "KBps", Scope: fault.ScopeConnection}
	outage := hole(fault.Ingress, "")
	outage.Heal = fault.HealRetransmit
	chunks := func(l *fault.Latency) { l.Scope = fault.ScopeChunk }
	all := []*rhythm{
		{spec: latency(100, chunks), every: 2 * time.Minute, on: 50 * time.Second, delay: 100 * time.Millisecond},
		{spec: latency(70, chunks), every: 190 * time.Second, on: 80 * time.Second, first: 3 * time.Second, delay: 70 * time.Millisecond},
		{spec: limit, every: 66 * time.Second, on: 34 * time.Second, first: 500 * time.Millisecond, delay: size * time.Second / (rate * 1000)},
		{spec: outage, every: 10 * time.Minute, on: 5 * time.Second, first: time.Minute + 250*time.Millisecond, outage: true},
	}
	var program Program
	changes := map[time.Duration]bool{}
	for _, r := range all {
		r.schedule(t, day)
		program.Faults = append(program.Faults, r.spec)
		for at := r.first; at < day; at += r.every {
			changes[at] = true
			if at+r.on < day {
				changes[at+r.on] = true
			}
		}
	}
	program.Total = day
	cfg := Config{Program: program, Mappings: []Mapping{mapping(t, "9000=echo:7")}}
	inBubble(t, cfg, nil, func(t *testing.T, w *world) {
		begin := time.Now()
		ln := w.net.listen("echo:7")
		defer ln.Close()
		go func() {
			if c, err := ln.Accept(); err == nil {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}
		}()
		conn, err := w.net.dial(t.Context(), "", "127.0.0.1:9000")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		sent, got := sha256.New(), sha256.New()
		message, answer := make([]byte, size), make([]byte, size)
		checked := 0
		for n := uint64(0); time.Since(begin) < day-time.Minute; n++ {
			time.Sleep(19_700 * time.Millisecond)
			at := time.Since(begin)
			binary.BigEndian.PutUint64(message, n)
			sent.Write(message)
			go func() { _, _ = conn.Write(message) }()
			if _, err := io.ReadFull(conn, answer); err != nil {
				t.Fatalf("message %d at %s: %v", n, at, err)
			}
			got.Write(answer)
			took := time.Since(begin) - at
			want := time.Duration(0)
			quiet := true // no change while the message may be on its way
			for _, r := range all {
				quiet = quiet && r.boundary(at) > time.Second
				since, active := r.phase(at)
				switch {
				case active && r.outage:
					want += r.on - since // and the delays of that time, so:
					quiet = false
				case active:
					want += r.delay
				}
			}
			if quiet {
				checked++
				if took != want {
					t.Fatalf("message %d at %s took %s, want %s", n, at, took, want)
				}
			}
			if !slices.Equal(message, answer) {
				t.Fatalf("message %d at %s comes back as another", n, at)
			}
		}
		if checked < 3000 {
			t.Errorf("only %d messages were checked", checked)
		}
		if string(sent.Sum(nil)) != string(got.Sum(nil)) {
			t.Error("other bytes came back than were sent")
		}
		time.Sleep(day - time.Since(begin) - time.Nanosecond)
		if n := len(of[event.FaultsChanged](&w.journal)); n < len(changes) || n > len(changes)+1 {
			t.Errorf("the faults changed %d times, want %d", n, len(changes))
		}
	})
}
