package scenarios

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/proxyengine/fault"
)

func TestStep(t *testing.T) {
	for _, c := range []struct {
		kind    string
		values  map[string]any
		key     string
		step    float64
		want    []any // nil: nothing to step
		stepped bool
	}{
		{"latency", map[string]any{"mean": 80, "stddev": 5, "side": "client"}, "mean", 30, []any{80.0, 110.0, 140.0}, true},
		{"latency", map[string]any{"mean": 80}, "mean", 86_400_000, []any{80.0, 86_400_000.0}, true},
		{"latency", map[string]any{"distribution": "uniform", "min": 1, "max": 2}, "max", 30, []any{2.0, 2.0}, false},
		{"jitter", map[string]any{"amplitude": 10.5}, "amplitude", 0.25, []any{10.5, 10.75, 11.0}, true},
		{"jitter", nil, "amplitude", 5, []any{20.0, 25.0}, true},
		{"bandwidth", map[string]any{"rate": 512, "unit": "KBps"}, "rate", 200.4, []any{512.0, 312.0, 111.0, 1.0, 1.0}, true},
		{"httperror", map[string]any{"probability": 0.5}, "probability", 0.25, []any{0.5, 0.75, nil, nil}, true},
		{"dns", nil, "rate", 0.25, []any{0.5, 0.75, 1.0, 1.0}, true},
		{"packetloss", map[string]any{"rate": 0.25}, "rate", 0.5, []any{0.25, 0.75, 1.0}, true},
		{"packetloss", nil, "mode", 0.1, []any{nil, nil}, false},
		{"blackhole", nil, "side", 5, []any{"server", "server"}, false},
	} {
		spec, err := fault.Decode(c.kind, c.values)
		if err != nil {
			t.Fatal(err)
		}
		before, err := json.Marshal(fault.List{spec})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.want {
			got, stepped := Step(spec, c.step, i)
			if value := fault.Encode(got)[c.key]; !cmp.Equal(value, want) || stepped != c.stepped {
				t.Errorf("%s %v, call %d: %s %v, stepped %t; want %v, %t", c.kind, c.values, i, c.key, value, stepped, want, c.stepped)
			}
		}
		if after, err := json.Marshal(fault.List{spec}); err != nil || string(after) != string(before) {
			t.Errorf("%s became %s, %v", before, after, err)
		}
	}
}
