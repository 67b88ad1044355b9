package fault

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
)

func TestDNS(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		fails  bool
		late   time.Duration
		detail string
	}{
		"fails":         {map[string]any{"rate": 1}, true, 0, "lookup of db.example fails"},
		"late":          {map[string]any{"rate": 0, "delay": 250}, false, 250 * ms, "lookup of db.example is late"},
		"fails late":    {map[string]any{"rate": 1, "delay": 1.5}, true, 1500 * time.Microsecond, "lookup of db.example fails"},
		"neither":       {map[string]any{"rate": 0}, false, 0, ""},
		"never applied": {map[string]any{"rate": 1, "probability": 0}, false, 0, ""},
	} {
		for _, f := range []*event.Flow{connection(1), exchange(1)} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, f, made(t, KindDNS, c.values))
				begin := time.Now()
				late, err := r.flow.Lookup(t.Context(), "db.example")
				var dns *net.DNSError
				if errors.As(err, &dns) != c.fails || late != c.late || time.Since(begin) != c.late {
					t.Errorf("%s: late %v, %v, after %v", name, late, err, time.Since(begin))
				}
				if c.fails && (!dns.IsTemporary || dns.IsNotFound || dns.Name != "db.example") {
					t.Errorf("%s: %+v", name, dns)
				}
				if (c.detail == "") != (len(r.log.applied) == 0) {
					t.Fatalf("%s: events %+v", name, r.log.applied)
				}
				if c.detail == "" {
					return
				}
				if a := r.log.applied[0]; a.Detail != c.detail || a.Delay != c.late || a.Fault != "dns" || a.Side != "server" {
					t.Errorf("%s: event %+v", name, a)
				}
			})
		}
	}
}

func TestDNSLeavesAddressesAlone(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindDNS, map[string]any{"rate": 1, "delay": 1e6}))
	for _, host := range []string{"127.0.0.1", "::1", "192.0.2.1"} {
		if late, err := r.flow.Lookup(t.Context(), host); late != 0 || err != nil {
			t.Errorf("%s: late %v, %v", host, late, err)
		}
	}
	if want := "dns acts on lookups of names: 127.0.0.1 is an address and needs none"; len(r.log.notices) != 1 || r.log.notices[0] != want {
		t.Errorf("notices %q, want %q", r.log.notices, want)
	}
	if len(r.log.applied) != 0 {
		t.Errorf("events %+v", r.log.applied)
	}
}

func TestDNSWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, connection(1), made(t, KindDNS, map[string]any{"rate": 0, "delay": 1e6}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := r.flow.Lookup(ctx, "h"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// The share of lookups that fail is the rate, and the same ones fail again with the same seed.
func TestDNSRate(t *testing.T) {
	spec := made(t, KindDNS, nil)
	var runs [2][2000]bool
	failed := 0
	for i := range runs {
		b := NewBuilder(9, nil)
		for k := range runs[i] {
			live := NewLive()
			live.Store(b.Build([]Active{{spec, 0, 1}}))
			_, err := live.Open(exchange(uint64(k))).Lookup(t.Context(), "h")
			if runs[i][k] = err != nil; err != nil && i == 0 {
				failed++
			}
		}
	}
	// 1000 ± 4 standard deviations (22.4).
	if runs[0] != runs[1] || failed < 910 || failed > 1090 {
		t.Errorf("%d of 2000 fail; the same again: %v", failed, runs[0] == runs[1])
	}
}
