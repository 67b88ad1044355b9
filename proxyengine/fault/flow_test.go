package fault

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// touching says which directions through the proxy a fault touches by its side and direction.
var touching = map[Side]map[Direction][]stream.Dir{
	Client: {Ingress: {stream.Up}, Egress: {stream.Down}, Both: {stream.Up, stream.Down}},
	Server: {Ingress: {stream.Down}, Egress: {stream.Up}, Both: {stream.Up, stream.Down}},
}

// ends are the faults that act on the end of a stream, which have tests of their own.
var ends = []Kind{KindReset, KindLimitData, KindSlowClose}

// every is one valid configuration of each fault that acts on the data of streams, and of each distribution and scope of latency.
func every() map[string]Spec {
	out := map[string]Spec{}
	for _, d := range Definitions() {
		s := d.New()
		if _, ok := s.(streamFault); !ok || slices.Contains(ends, d.Kind) {
			continue
		}
		if p, ok := s.(*PacketLoss); ok {
			always := 1.0
			p.Rate, p.Mode = &always, LossDrop
		}
		if d.Kind == KindLatency {
			for name, values := range distributions {
				for _, scope := range []string{"connection", "turn", "chunk"} {
					values := parametersOf(name, values)
					values["scope"] = scope
					out["latency "+name+" "+scope], _ = Decode("latency", values)
				}
			}
			continue
		}
		out[string(d.Kind)] = s
	}
	return out
}

func TestEveryFaultActsOnItsSegmentOnly(t *testing.T) {
	for side, directions := range touching {
		for direction, dirs := range directions {
			for name, s := range every() {
				s.Common().Side, s.Common().Direction = side, direction
				r := newRig(t, connection(1), s)
				for _, d := range []stream.Dir{stream.Up, stream.Down} {
					want := slices.Contains(dirs, d)
					if got := len(r.flow.Stages(d)) > 0; got != want {
						t.Errorf("%s %s %s touches %v: %v, want %v", name, side, direction, d, got, want)
					}
					before := len(r.log.applied)
					r.push(d, stream.NewChunk(start, []byte("data")))
					if acted := len(r.log.applied) > before; acted != want {
						t.Errorf("%s %s %s acts on %v: %v, want %v", name, side, direction, d, acted, want)
						continue
					}
					if !want {
						continue
					}
					e := r.log.applied[before]
					p := points[d][0]
					if p.side != side {
						p = points[d][1]
					}
					if e.Side != string(p.side) || e.Direction != string(p.direction) || e.Fault != string(s.Kind()) || e.At != start {
						t.Errorf("%s %s %s on %v: event %+v", name, side, direction, d, e)
					}
				}
			}
		}
	}
}

func TestStagesStandInOrderOfCompositionAndOfSegments(t *testing.T) {
	base := func(side string) map[string]any { return map[string]any{"side": side, "direction": "both"} }
	latency := func(side string) map[string]any { return map[string]any{"side": side, "direction": "both", "mean": 1} }
	r := newRig(t, connection(1),
		made(t, KindJitter, base("server")), made(t, KindLatency, latency("client")), made(t, KindLatency, latency("server")),
		made(t, KindBlackhole, base("server")), made(t, KindJitter, base("client")))
	for d, want := range map[stream.Dir][]int{stream.Up: {1, 4, 3, 2, 0}, stream.Down: {3, 2, 0, 1, 4}} {
		var got []int
		r.flow.Stages(d)
		for _, s := range r.flow.stages[d] {
			got = append(got, s.index)
		}
		if !slices.Equal(got, want) {
			t.Errorf("direction %v passes the faults %v, want %v", d, got, want)
		}
	}
	if got := r.live.Load().Describe(); len(got) != 5 || got[0][:6] != "Jitter" || got[3][:9] != "Blackhole" {
		t.Errorf("labels %q are not in the order of configuration", got)
	}
}

func TestInstancesStayWhileTheirFaultIsActive(t *testing.T) {
	latency := made(t, KindLatency, map[string]any{"mean": 100})
	jitter := made(t, KindJitter, nil)
	r := newRig(t, connection(1), latency)
	generation := r.flow.Path().Generation()
	first := r.flow.Path().Stages(stream.Down)
	if r.flow.Path().Generation() != generation {
		t.Error("asking for the stages changes the generation")
	}
	r.delay(stream.Down, 0, true)

	// Another fault comes: the first keeps its instance, and with it that it has been applied.
	r.live.Store(Build([]Active{{latency, 0, 1}, {jitter, 1, 1}}, 1, r.log.sink))
	if r.flow.Path().Generation() == generation {
		t.Error("a new chain does not change the generation")
	}
	second := r.flow.Stages(stream.Down)
	if len(second) != 2 || second[0] != first[0] {
		t.Fatalf("stages %v became %v", first, second)
	}
	if again := r.flow.Stages(stream.Down); !slices.Equal(again, second) {
		t.Error("stages change from one look to the next")
	}
	// A new epoch is a new activation.
	r.live.Store(Build([]Active{{latency, 0, 2}}, 1, r.log.sink))
	if got := r.delay(stream.Down, time.Second, false); got != 100*ms {
		t.Errorf("the first data of a new activation is delayed by %v", got)
	}
	r.live.Store(nil)
	if r.flow.Stages(stream.Down) != nil {
		t.Error("no chain has stages")
	}
}

// Once a delay in front has gone, what it held up does not hold up what comes after.
func TestAStageThatLeavesHoldsNobodyUp(t *testing.T) {
	latency := made(t, KindLatency, map[string]any{"mean": 10_000})
	jitter := made(t, KindJitter, map[string]any{"amplitude": 1, "frequency": 1})
	r := newRig(t, connection(1))
	r.live.Store(Build([]Active{{latency, 0, 1}, {jitter, 1, 1}}, 1, r.log.sink))
	if got := r.delay(stream.Down, 0, true); got < 10*time.Second {
		t.Fatalf("delayed by %v", got)
	}
	r.live.Store(Build([]Active{{jitter, 1, 1}}, 1, r.log.sink))
	if got := r.delay(stream.Down, 100*ms, false); got != 0 {
		t.Errorf("data that came after the latency is delayed by %v", got)
	}
}

func TestProbabilityIsDrawnOnceAScope(t *testing.T) {
	const n = 20_000
	spec := made(t, KindLatency, map[string]any{"mean": 5, "direction": "both", "probability": 0.3})
	live := NewLive()
	live.Store(Build([]Active{{spec, 0, 1}}, 7, nil))
	hits := 0
	for id := range uint64(n) {
		f := live.Open(connection(id))
		up, down := f.Stages(stream.Up), f.Stages(stream.Down)
		if len(up) != len(down) {
			t.Fatal("the directions of a connection differ")
		}
		live.Store(live.Load())
		if len(f.Stages(stream.Up)) != len(up) {
			t.Fatal("the decision changes")
		}
		hits += len(up)
	}
	if off := math.Abs(float64(hits) - 0.3*n); off > 2.576*math.Sqrt(n*0.3*0.7) {
		t.Errorf("%d of %d connections are hit, want about %.0f", hits, n, 0.3*n)
	}
	never := made(t, KindLatency, map[string]any{"mean": 5, "probability": 0})
	live.Store(Build([]Active{{never, 0, 1}}, 7, nil))
	if live.Open(connection(1)).Stages(stream.Down) != nil {
		t.Error("a probability of 0 hits")
	}
}

// decisions is the log of what some faults do to some flows, drawn with a seed.
func decisions(t *testing.T, seed uint64, flow func(i int) *event.Flow, order []int) map[int]string {
	l := &log{}
	live := NewLive()
	live.Store(Build([]Active{
		{made(t, KindLatency, parametersOf("paretonormal", map[string]any{"scope": "chunk", "direction": "both"})), 0, 1},
		{made(t, KindJitter, map[string]any{"probability": 0.5, "direction": "both"}), 1, 1},
		{made(t, KindLatency, parametersOf("normal", map[string]any{"probability": 0.5})), 2, 1},
	}, seed, l.sink))
	out := map[int]string{}
	for _, i := range order {
		r := &rig{t: t, live: live, flow: live.Open(flow(i)), log: l}
		l.applied = nil
		for k := range 20 {
			r.push(stream.Dir(k%2), stream.NewChunk(start.Add(time.Duration(k)*100*ms), []byte("x")))
		}
		for _, e := range l.applied {
			e.Flow = nil
			out[i] += fmt.Sprintln(e)
		}
	}
	return out
}

func TestTheSeedDecidesEverything(t *testing.T) {
	byID := func(i int) *event.Flow { return connection(uint64(i)) }
	one := decisions(t, 42, byID, []int{1, 2, 3, 4})
	if again := decisions(t, 42, byID, []int{4, 2, 3, 1}); fmt.Sprint(one) != fmt.Sprint(again) {
		t.Error("the same seed decides differently")
	}
	other := decisions(t, 43, byID, []int{1, 2, 3, 4})
	for i := range one {
		if one[i] == other[i] {
			t.Errorf("flow %d: two seeds decide the same", i)
		}
	}
	if one[1] == one[2] {
		t.Error("two flows get the same draws")
	}
	// A call keeps its draws, whatever the number that it arrives as.
	number := uint64(100)
	byCall := func(i int) *event.Flow {
		number++
		return &event.Flow{ID: number, Kind: event.Exchange, CallID: fmt.Sprint("call-", i)}
	}
	first := decisions(t, 42, byCall, []int{1, 2, 3})
	if second := decisions(t, 42, byCall, []int{3, 1, 2}); fmt.Sprint(first) != fmt.Sprint(second) {
		t.Error("the draws of a call depend on the order of arrival")
	}
}

func TestStorePokesOpenFlows(t *testing.T) {
	live := NewLive()
	f := live.Open(connection(1))
	var pokes int
	f.OnChange(func() { pokes++ })
	f.OnChange(func() { pokes += 10 })
	live.Store(nil)
	live.Store(Build(nil, 1, nil))
	if pokes != 22 {
		t.Errorf("%d, want both called twice", pokes)
	}
	f.Close()
	live.Store(nil)
	if pokes != 22 {
		t.Error("a closed flow is poked")
	}
	if len(live.flows) != 0 {
		t.Error("a closed flow is remembered")
	}
}

func TestFullBufferIsReportedOnce(t *testing.T) {
	r := newRig(t, connection(1), made(t, KindLatency, map[string]any{"mean": 5}))
	full := r.flow.Path().Full
	full(stream.Down)
	if len(r.log.applied) != 0 {
		t.Error("reported before there are stages")
	}
	r.flow.Stages(stream.Down)
	full(stream.Down)
	full(stream.Down)
	full(stream.Up)
	if len(r.log.applied) != 1 || r.log.applied[0].Detail != "buffer full" || r.log.applied[0].Fault != "latency" {
		t.Errorf("events %+v", r.log.applied)
	}
	r.live.Store(r.live.Load())
	full(stream.Down)
	if len(r.log.applied) != 2 {
		t.Errorf("events %+v", r.log.applied)
	}
}
