package control

import (
	"math"
	"reflect"

	"github.com/fault-project/fault/proxyengine/fault"
)

// attributes are what a kind of toxic can be told: a pointer to one of the structs below, which JSON fills in.
type attributes interface {
	// parts says which faults do the toxic's work.
	parts() []part
	// severs says that open connections end when the toxic is removed.
	severs() bool
}

// part is a fault, without what a toxic says of all its faults: the direction and the probability.
type part struct {
	kind   string
	values map[string]any
}

// toxicKinds are the toxics of toxiproxy.
var toxicKinds = []struct {
	name  string
	fresh func() attributes
}{
	{"bandwidth", func() attributes { return &bandwidthToxic{} }},
	{"latency", func() attributes { return &latencyToxic{} }},
	{"limit_data", func() attributes { return &limitDataToxic{} }},
	{"noop", func() attributes { return &noopToxic{} }},
	{"reset_peer", func() attributes { return &resetPeerToxic{} }},
	{"slicer", func() attributes { return &slicerToxic{} }},
	{"slow_close", func() attributes { return &slowCloseToxic{} }},
	{"timeout", func() attributes { return &timeoutToxic{} }},
}

// attributesOf are the attributes that a kind of toxic begins with; nil for a kind that is not known.
func attributesOf(kind string) attributes {
	for _, k := range toxicKinds {
		if k.name == kind {
			return k.fresh()
		}
	}
	return nil
}

// specs makes the faults that do a toxic's work. They sit between the client and the proxy, so that none of them keeps the proxy
// from reaching the upstream: a toxic acts on connections that are there.
func (t *toxic) specs() ([]fault.Spec, error) {
	direction := "egress"
	if t.upstream() {
		direction = "ingress"
	}
	// Decimal, so that a share of 0.2 is not 0.20000000298.
	probability := math.Round(math.Max(0, math.Min(1, float64(t.toxicity)))*1e6) / 1e6
	var specs []fault.Spec
	for _, p := range t.attributes.parts() {
		p.values["side"], p.values["direction"], p.values["probability"] = "client", direction, probability
		s, err := fault.Decode(p.kind, p.values)
		if err != nil {
			return nil, err
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// sameSpec says whether two faults have the same settings.
func sameSpec(a, b fault.Spec) bool { return reflect.DeepEqual(fault.Encode(a), fault.Encode(b)) }

// bandwidthToxic lets through no more than Rate KB a second; nothing with a rate of 0, until it is removed.
type bandwidthToxic struct {
	Rate int64 `json:"rate"`
}

func (a *bandwidthToxic) parts() []part {
	if a.Rate <= 0 {
		return []part{{"blackhole", map[string]any{"heal": fault.HealRetransmit}}}
	}
	return []part{{"bandwidth", map[string]any{"rate": a.Rate, "unit": "KBps"}}}
}

func (*bandwidthToxic) severs() bool { return false }

// latencyToxic delays data by Latency, give or take Jitter, both in milliseconds.
type latencyToxic struct {
	Latency int64 `json:"latency"`
	Jitter  int64 `json:"jitter"`
}

func (a *latencyToxic) parts() []part {
	values := map[string]any{"scope": "chunk"}
	if a.Jitter > 0 {
		values["distribution"] = "uniform"
		values["min"], values["max"] = max(0, a.Latency-a.Jitter), a.Latency+a.Jitter
	} else {
		values["mean"] = a.Latency
	}
	return []part{{"latency", values}}
}

func (*latencyToxic) severs() bool { return false }

// noopToxic does nothing.
type noopToxic struct{}

func (*noopToxic) parts() []part { return nil }
func (*noopToxic) severs() bool  { return false }

// timeoutToxic lets nothing through, and closes the connection Timeout ms after the first data that it swallowed; with 0 not before
// it is removed.
type timeoutToxic struct {
	Timeout int64 `json:"timeout"`
}

func (a *timeoutToxic) parts() []part {
	if a.Timeout <= 0 {
		return []part{{"blackhole", map[string]any{}}}
	}
	return []part{late(a.Timeout), {"limit_data", map[string]any{"bytes": 0}}}
}

func (*timeoutToxic) severs() bool { return true }

// late keeps the first data back, and with it what it leads to.
func late(ms int64) part {
	return part{"latency", map[string]any{"mean": ms}}
}

// resetPeerToxic resets the connection Timeout ms after the first data, which is lost.
type resetPeerToxic struct {
	Timeout int64 `json:"timeout"`
}

func (a *resetPeerToxic) parts() []part {
	reset := part{"reset", map[string]any{"after_bytes": 0}}
	if a.Timeout <= 0 {
		return []part{reset}
	}
	return []part{late(a.Timeout), reset}
}

func (*resetPeerToxic) severs() bool { return false }

// limitDataToxic closes the connection after Bytes bytes.
type limitDataToxic struct {
	Bytes int64 `json:"bytes"`
}

func (a *limitDataToxic) parts() []part {
	return []part{{"limit_data", map[string]any{"bytes": max(0, a.Bytes)}}}
}

func (*limitDataToxic) severs() bool { return false }

// slowCloseToxic delays the end of the connection by Delay ms.
type slowCloseToxic struct {
	Delay int64 `json:"delay"`
}

func (a *slowCloseToxic) parts() []part {
	return []part{{"slow_close", map[string]any{"delay": max(0, a.Delay)}}}
}

func (*slowCloseToxic) severs() bool { return false }

// slicerToxic cuts data into pieces of AverageSize bytes, give or take SizeVariation, with Delay microseconds between them.
type slicerToxic struct {
	AverageSize   int64 `json:"average_size"`
	SizeVariation int64 `json:"size_variation"`
	Delay         int64 `json:"delay"`
}

func (a *slicerToxic) parts() []part {
	size := max(1, a.AverageSize)
	return []part{{"slicer", map[string]any{
		"size": size, "variation": max(0, min(a.SizeVariation, size-1)), "delay": float64(max(0, a.Delay)) / 1000,
	}}}
}

func (*slicerToxic) severs() bool { return false }
