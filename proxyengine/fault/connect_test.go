package fault

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
)

func TestConnect(t *testing.T) {
	for _, kind := range []event.Kind{event.Connection, event.Tunnel, event.Exchange} {
		for _, c := range []struct {
			values map[string]any
			took   time.Duration
			err    error
			detail string
		}{
			{map[string]any{"refuse": true}, 0, ErrRefused, "refused"},
			{map[string]any{"delay": 1500}, 1500 * ms, nil, ""},
			{map[string]any{"delay": 20, "refuse": true, "direction": "both"}, 20 * ms, ErrRefused, "refused"},
			{map[string]any{"refuse": true, "probability": 0}, 0, nil, "-"},
		} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, &event.Flow{ID: 1, Kind: kind}, made(t, KindConnect, c.values))
				from := time.Now()
				if err := r.flow.AwaitDial(t.Context()); !errors.Is(err, c.err) || time.Since(from) != c.took {
					t.Errorf("%s %v: %v after %v", kind, c.values, err, time.Since(from))
				}
				if c.detail == "-" {
					if len(r.log.applied) > 0 {
						t.Errorf("events %+v", r.log.applied)
					}
					return
				}
				if l := r.log.applied; len(l) != 1 || l[0].Delay != c.took || l[0].Detail != c.detail || l[0].At != from ||
					l[0].Side != "server" || l[0].Direction == "both" || l[0].Fault != "connect" {
					t.Errorf("%s %v: events %+v", kind, c.values, l)
				}
			})
		}
	}
	if !errors.Is(fmt.Errorf("dial: %w", ErrRefused), syscall.ECONNREFUSED) || errors.Is(ErrRefused, syscall.ECONNRESET) {
		t.Error("a refusal is no refused connection")
	}
}

// Faults keep a connection waiting one after the other, those that come meanwhile, too, and let it go when they end.
func TestConnectComposesAndChanges(t *testing.T) {
	late := func(delay int) Spec { return made(t, KindConnect, map[string]any{"delay": delay}) }
	hole := made(t, KindBlackhole, nil)
	for _, c := range []struct {
		name    string
		begin   []Spec
		changes map[time.Duration][]Spec
		took    time.Duration
		err     error
	}{
		{"two delays", []Spec{late(100), late(50)}, nil, 150 * ms, nil},
		{"a delay, then a hole", []Spec{hole, late(100)}, map[time.Duration][]Spec{400 * ms: nil}, 400 * ms, nil},
		{"a delay that ends early", []Spec{late(1000)}, map[time.Duration][]Spec{300 * ms: nil}, 300 * ms, nil},
		{"a change that leaves it", []Spec{late(1000)}, map[time.Duration][]Spec{300 * ms: {late(1000)}}, 1000 * ms, nil},
		{
			"refused after a hole", []Spec{hole}, map[time.Duration][]Spec{
				300 * ms: {hole, made(t, KindConnect, map[string]any{"refuse": true})},
			}, 300 * ms, ErrRefused,
		},
		{"for ever", []Spec{hole}, nil, time.Minute, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, connection(1), c.begin...)
				for at, specs := range c.changes {
					time.AfterFunc(at, func() { r.activate(1, specs...) })
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				from := time.Now()
				if err := r.flow.AwaitDial(ctx); !errors.Is(err, c.err) || time.Since(from) != c.took {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(from), c.err, c.took)
				}
			})
		})
	}
}
