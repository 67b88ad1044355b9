package fault

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

var update = flag.Bool("update", false, "write the golden files")

// start is the origin of the virtual time of tests that drive stages themselves.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const ms = time.Millisecond

// made makes a valid fault from its keys.
func made(t testing.TB, kind Kind, values map[string]any) Spec {
	t.Helper()
	s, err := Decode(string(kind), values)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// log collects events. Where other goroutines apply faults, it is read with its lock held.
type log struct {
	mu      sync.Mutex
	applied []event.Applied
	notices []string
}

func (l *log) sink(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := e.(event.Notice); ok {
		l.notices = append(l.notices, n.Text)
		return
	}
	l.applied = append(l.applied, e.(event.Applied))
}

// rig is one flow under one or more faults, driven by hand.
type rig struct {
	t    testing.TB
	live *Live
	flow *Flow
	log  *log
}

func newRig(t testing.TB, f *event.Flow, specs ...Spec) *rig {
	r := &rig{t: t, live: NewLive(), log: &log{}}
	r.flow = r.live.Open(f)
	r.activate(1, specs...)
	return r
}

func (r *rig) activate(epoch uint64, specs ...Spec) {
	active := make([]Active, len(specs))
	for i, s := range specs {
		active[i] = Active{Spec: s, Index: i, Epoch: epoch}
	}
	r.live.Store(Build(active, 1, r.log.sink))
}

// push lets a chunk pass the stages of a direction and returns what comes out, in order.
func (r *rig) push(d stream.Dir, c stream.Chunk) []stream.Chunk {
	out := []stream.Chunk{c}
	for _, s := range r.flow.Stages(d) {
		var passed []stream.Chunk
		for _, c := range out {
			s.Push(c, func(c stream.Chunk) { passed = append(passed, c) })
		}
		out = passed
	}
	return out
}

// delay pushes data that arrives at the offset and returns how much later it is due.
func (r *rig) delay(d stream.Dir, offset time.Duration, turn bool) time.Duration {
	r.t.Helper()
	c := stream.NewChunk(start.Add(offset), []byte("data"))
	c.Turn = turn
	out := r.push(d, c)
	if len(out) != 1 {
		r.t.Fatalf("%d chunks came out, want 1", len(out))
	}
	return out[0].At.Sub(start.Add(offset))
}

func connection(id uint64) *event.Flow { return &event.Flow{ID: id, Kind: event.Connection} }

func TestDefinitionsGolden(t *testing.T) {
	raw, err := json.MarshalIndent(struct{ Faults any }{golden()}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "definitions.json")
	raw = append(raw, '\n')
	if *update {
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, want) {
		t.Errorf("the definitions are not those of %s; look at what changed and run the test with -update:\n%s", path, raw)
	}
}

func golden() []any {
	var out []any
	for _, d := range Definitions() {
		out = append(out, struct {
			Kind, Title, Summary string
			Enable               Field
			Fields               []Field
		}{string(d.Kind), d.Title, d.Summary, d.Enable, d.Fields})
	}
	return out
}

func TestDefinitionsAreConsistent(t *testing.T) {
	flags, envs := map[string]string{}, map[string]string{}
	for _, d := range Definitions() {
		keys := map[string]bool{}
		for _, f := range append([]Field{d.Enable}, d.Fields...) {
			name := string(d.Kind) + "." + f.Name
			if other, taken := flags[f.Flag]; taken && f.Flag != "" {
				t.Errorf("%s and %s share the flag %s", name, other, f.Flag)
			}
			if other, taken := envs[f.Env]; taken && f.Env != "" {
				t.Errorf("%s and %s share the variable %s", name, other, f.Env)
			}
			flags[f.Flag], envs[f.Env] = name, name
			if (f.Flag == "") != (f.Env == "") {
				t.Errorf("%s has a flag or a variable without the other", name)
			}
			for _, key := range append([]string{f.Name}, f.Aliases...) {
				if keys[fold(key)] {
					t.Errorf("%s: the key %s is taken", name, key)
				}
				keys[fold(key)] = true
			}
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s: usage %q", name, f.Usage)
			}
			if f.of != "" && f.onto == nil {
				t.Errorf("%s stands for %s, which is no setting", name, f.of)
			}
		}
		s := d.New()
		if s.Kind() != d.Kind || s.Common().Probability != 1 || s.Common().Side != Server || s.Common().Direction != Ingress {
			t.Errorf("%s: defaults are %+v", d.Kind, s.Common())
		}
		if got, err := New(d.Kind); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("New(%s) = %v, %v", d.Kind, got, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		values map[string]any
		want   string
	}{
		{KindLatency, map[string]any{"mean": 80, "stddev": 5}, "Latency: ➡️🖧, Per Read/Write Op.: false, Mean: 80.00 ms, Stddev: 5.00 ms"},
		{KindLatency, map[string]any{"mean": 90, "global": false}, "Latency: ➡️🖧, Per Read/Write Op.: true, Mean: 90.00 ms"},
		{
			KindLatency,
			map[string]any{"distribution": "uniform", "min": 3, "max": 5.5, "side": "client", "direction": "egress"},
			"Latency: ⬅️💻, Per Read/Write Op.: false, Min: 3.00 ms, Max: 5.50 ms",
		},
		{
			KindLatency,
			map[string]any{"distribution": "pareto", "shape": 1.5, "scale": 20, "direction": "both", "scope": "turn"},
			"Latency: ↔️🖧, Per Read/Write Op.: false, Per Turn: true, Shape: 1.50, Scale: 20.00 ms",
		},
		{KindJitter, map[string]any{"amplitude": 150}, "Jitter: ➡️🖧Amplitude: 150.00ms, Frequency 5.00Hz"},
		{KindJitter, map[string]any{"probability": 0.125}, "Jitter: ➡️🖧Amplitude: 20.00ms, Frequency 5.00Hz, Probability: 12.5%"},
		{KindBlackhole, nil, "Blackhole: ➡️🖧"},
		{KindHTTPBody, map[string]any{"truncate": 10, "match": "/a"}, "HTTP Body: Truncate: 10 bytes, On: /a"},
		{KindHTTPBody, map[string]any{"replace": "abc"}, "HTTP Body: Replace: 3 bytes"},
		{KindHTTPBody, map[string]any{"patch": map[string]any{"b": 1, "a": nil}}, "HTTP Body: Patch: a, b"},
		{KindDNS, nil, "DNS: Rate: 50%"},
		{KindDNS, map[string]any{"rate": 0.125, "delay": 20, "probability": 0.5}, "DNS: Rate: 12.5%, Delay: 20.00 ms, Probability: 50%"},
		{KindPacketLoss, nil, "Packet Loss: ➡️🖧"},
		{KindPacketLoss, map[string]any{"rate": 0.05, "burst": 4}, "Packet Loss: ➡️🖧, Rate: 5%, Burst: 4.00"},
		{
			KindPacketLoss,
			map[string]any{"rate": 0.125, "mode": "drop", "probability": 0.5},
			"Packet Loss: ➡️🖧, Rate: 12.50%, Mode: drop, Probability: 50%",
		},
		{KindReset, nil, "Reset: ➡️🖧, Delay: 0.00 ms"},
		{KindReset, map[string]any{"after_bytes": 10}, "Reset: ➡️🖧, After: 10 bytes"},
		{KindReset, map[string]any{"after_bytes": 10, "delay": 5}, "Reset: ➡️🖧, After: 10 bytes, Delay: 5.00 ms"},
		{KindLimitData, map[string]any{"bytes": 1000}, "Limit Data: ➡️🖧, Bytes: 1000"},
		{KindSlowClose, nil, "Slow Close: ➡️🖧, Delay: 1000.00 ms"},
		{KindSlicer, map[string]any{"variation": 16}, "Slicer: ➡️🖧, Size: 64 bytes, Variation: 16 bytes, Delay: 10.00 ms"},
		{KindConnect, map[string]any{"delay": 500, "refuse": true}, "Connect: ➡️🖧, Delay: 500.00 ms, Refuse: true"},
		{KindHTTPError, nil, "HTTP Response: Status: 500"},
		{
			KindHTTPError,
			map[string]any{"status_code": 599, "probability": 0.05, "match": "/a first:1"},
			"HTTP Response: Status: 599, Probability: 5%, On: /a first:1",
		},
		{KindBlackhole, map[string]any{"heal": "retransmit", "probability": 0.05}, "Blackhole: ➡️🖧, Heal: retransmit, Probability: 5%"},
	} {
		if got := made(t, c.kind, c.values).Describe(); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.kind, c.values, got, c.want)
		}
	}
}
