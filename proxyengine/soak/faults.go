//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// menu is what comes and goes: each harmless to the bytes, which may be late but never wrong. A fault that this build does not know
// is left out.
var menu = []struct {
	kind   string
	values map[string]any
}{
	{"latency", map[string]any{"mean": 60, "stddev": 20, "per_read_write": true}},
	{"latency", map[string]any{"mean": 150, "side": "client", "direction": "both"}},
	{"jitter", map[string]any{"amplitude": 80, "frequency": 20, "direction": "both"}},
	{"bandwidth", map[string]any{"rate": 400, "unit": "KBps"}},
	{"bandwidth", map[string]any{"rate": 300, "unit": "KBps", "direction": "egress"}},
	{"packetloss", map[string]any{"rate": 0.01}},
	{"packetloss", map[string]any{"rate": 0.02, "burst": 2, "direction": "egress"}},
	{"slicer", map[string]any{"size": 8192, "variation": 4096, "delay": 1}},
}

// offered are the faults of the menu that there are.
func offered() ([]fault.Spec, error) {
	var specs []fault.Spec
	for _, m := range menu {
		if _, ok := fault.Lookup(m.kind); !ok {
			continue
		}
		s, err := fault.Decode(m.kind, m.values)
		if err != nil {
			return nil, err
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// toggle changes the faults again and again, and notes what the process holds, until the time is up.
func toggle(ctx context.Context, e *proxyengine.Engine, o options, s *samples) (changes int, err error) {
	specs, err := offered()
	if err != nil {
		return 0, err
	}
	rnd := rand.New(rand.NewPCG(o.seed, 1))
	end := time.NewTimer(o.length)
	defer end.Stop()
	change := time.NewTicker(o.every)
	defer change.Stop()
	sample := time.NewTicker(max(o.length/120, time.Second))
	defer sample.Stop()
	begin := time.Now()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return changes, ctx.Err()
		case <-end.C:
			return changes, nil
		case <-change.C:
			var active []fault.Spec
			for _, spec := range specs {
				if rnd.IntN(3) == 0 {
					active = append(active, spec)
				}
			}
			if err := e.Apply(proxyengine.Program{Faults: active}); err != nil {
				return changes, err
			}
			changes++
		case <-sample.C:
			u := look()
			s.all = append(s.all, u)
			if n++; n%10 == 0 {
				fmt.Fprintf(os.Stderr, "soak: %s: %.1f MB, %d goroutines, %d files\n", time.Since(begin).Round(time.Second),
					float64(u.bytes)/1e6, u.goroutines, u.files)
			}
		}
	}
}

// samples are what the process held over time.
type samples struct{ all []usage }

// thirds are the medians of the first third, without the start, and of the last one.
func (s *samples) thirds() (first, last usage) {
	n := len(s.all)
	return middle(s.all[n/10 : max(n/10+1, n/3)]), middle(s.all[min(n-1, n-n/3):])
}

func middle(all []usage) usage {
	pick := func(of func(usage) int) int {
		values := make([]int, len(all))
		for i, u := range all {
			values[i] = of(u)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return usage{
		bytes:      uint64(pick(func(u usage) int { return int(u.bytes) })),
		goroutines: pick(func(u usage) int { return u.goroutines }),
		files:      pick(func(u usage) int { return u.files }),
	}
}

// growth is how much more may be held in the end than in the beginning, for the draw of the faults is another.
const growth = 1.15

func (s *samples) check() error {
	if len(s.all) < 6 {
		return fmt.Errorf("only %d looks at the process; let it run longer", len(s.all))
	}
	first, last := s.thirds()
	if float64(last.bytes) > float64(first.bytes)*growth+4e6 {
		return fmt.Errorf("memory grew from %.1f to %.1f MB", float64(first.bytes)/1e6, float64(last.bytes)/1e6)
	}
	if float64(last.files) > float64(first.files)*growth || float64(last.goroutines) > float64(first.goroutines)*growth {
		return fmt.Errorf("files grew from %d to %d, goroutines from %d to %d", first.files, last.files, first.goroutines, last.goroutines)
	}
	return nil
}

func (s *samples) summary(base, left usage) string {
	if len(s.all) == 0 {
		return "never looked"
	}
	first, last := s.thirds()
	return fmt.Sprintf("%.1f → %.1f → %.1f → %.1f MB, %d → %d → %d → %d goroutines, %d → %d → %d → %d files",
		float64(base.bytes)/1e6, float64(first.bytes)/1e6, float64(last.bytes)/1e6, float64(left.bytes)/1e6,
		base.goroutines, first.goroutines, last.goroutines, left.goroutines, base.files, first.files, last.files, left.files)
}

// counter counts what the faults did, by kind, and what connections ended with.
type counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counter) sink(e event.Event) {
	var what string
	switch e := e.(type) {
	case event.Applied:
		if what = e.Fault; e.Detail != "" {
			what += " (" + e.Detail + ")"
		}
	case event.Completed:
		if e.Err == nil {
			return
		}
		what = "connection ended with " + e.Err.Error()
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	if len(c.counts) < 50 || c.counts[what] > 0 {
		c.counts[what]++
	}
}

func (c *counter) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	parts := make([]string, 0, len(c.counts))
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, c.counts[what]))
	}
	return strings.Join(parts, ", ")
}
