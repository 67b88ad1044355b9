package proxyengine

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// effect is what a fault does to a probe.
type effect string

const (
	nothing  effect = "nothing"
	late     effect = "late"     // by exactly what the events say, at each point that it touches
	lost     effect = "lost"     // the client gives up
	stalled  effect = "stalled"  // late, or lost if that is too late for the client
	broken   effect = "broken"   // the connection breaks
	answered effect = "answered" // by the proxy, with the status of the case
	spoiled  effect = "spoiled"  // other content under a 200
	ending   effect = "ending"   // only the end of a stream is late
)

// matrixCase is one configuration of a fault, with what it does to an exchange and to a stream.
type matrixCase struct {
	name             string
	kind             fault.Kind
	values           map[string]any
	exchange, stream effect
	status           int
	// anywhere is a fault to which the direction, and where it has one the side, make no difference.
	anywhere bool
	// exact is how late a stream of n bytes becomes in each direction; nil where only the events know.
	exact func(n int64) time.Duration
}

// matrixCases are all faults, with each of their distributions, scopes and modes.
func matrixCases() []matrixCase {
	fixed := func(d time.Duration) func(int64) time.Duration { return func(int64) time.Duration { return d } }
	cases := []matrixCase{
		{name: "amplitude", kind: fault.KindJitter, values: map[string]any{"amplitude": 300, "frequency": 5}, exchange: late, stream: late},
		{name: "gap", kind: fault.KindBlackhole, exchange: lost, stream: lost},
		{name: "retransmit", kind: fault.KindBlackhole, values: map[string]any{"heal": "retransmit"}, exchange: lost, stream: lost},
		{name: "drop", kind: fault.KindPacketLoss, values: map[string]any{"rate": 1, "mode": "drop"}, exchange: lost, stream: lost},
		{name: "all lost", kind: fault.KindPacketLoss, values: map[string]any{"rate": 1}, exchange: stalled, stream: stalled},
		{name: "rate", kind: fault.KindPacketLoss, values: map[string]any{"rate": 0.4}, exchange: stalled, stream: stalled},
		{name: "burst", kind: fault.KindPacketLoss, values: map[string]any{"rate": 0.4, "burst": 3}, exchange: stalled, stream: stalled},
		{name: "chain", kind: fault.KindPacketLoss, exchange: stalled, stream: stalled},
		{name: "status", kind: fault.KindHTTPError, values: map[string]any{"status_code": 503}, exchange: answered, status: 503, stream: nothing, anywhere: true},
		{name: "replace", kind: fault.KindHTTPBody, values: map[string]any{"replace": "other"}, exchange: spoiled, stream: nothing, anywhere: true},
		{name: "truncate", kind: fault.KindHTTPBody, values: map[string]any{"truncate": 3}, exchange: spoiled, stream: nothing, anywhere: true},
		{name: "fails", kind: fault.KindDNS, values: map[string]any{"rate": 1}, exchange: answered, status: 502, stream: broken, anywhere: true},
		{
			name: "late", kind: fault.KindDNS, values: map[string]any{"rate": 0, "delay": 250}, exchange: late, stream: late, anywhere: true,
			exact: fixed(250 * time.Millisecond),
		},
		{name: "refuse", kind: fault.KindConnect, values: map[string]any{"refuse": true}, exchange: answered, status: 502, stream: broken, anywhere: true},
		{
			name: "delay", kind: fault.KindConnect, values: map[string]any{"delay": 250}, exchange: late, stream: late, anywhere: true,
			exact: fixed(250 * time.Millisecond),
		},
		{name: "at once", kind: fault.KindReset, exchange: broken, stream: broken},
		{name: "after bytes", kind: fault.KindReset, values: map[string]any{"after_bytes": 60}, exchange: broken, stream: broken},
		{name: "bytes", kind: fault.KindLimitData, values: map[string]any{"bytes": 60}, exchange: broken, stream: broken},
		{name: "delay", kind: fault.KindSlowClose, values: map[string]any{"delay": 250}, exchange: ending, stream: ending},
		{
			name: "pieces", kind: fault.KindSlicer, values: map[string]any{"size": 20, "delay": 10}, exchange: late, stream: late,
			exact: func(n int64) time.Duration { return time.Duration((n-1)/20) * 10 * time.Millisecond },
		},
	}
	for _, scope := range []string{"connection", "shared"} {
		cases = append(cases, matrixCase{
			name: scope, kind: fault.KindBandwidth, values: map[string]any{"rate": 1, "unit": "KBps", "scope": scope}, exchange: late, stream: late,
			exact: func(n int64) time.Duration { return time.Duration(n) * time.Millisecond },
		})
	}
	for name, values := range map[string]map[string]any{
		"fixed":        {"mean": 250, "stddev": 0},
		"normal":       {"mean": 250, "stddev": 40},
		"uniform":      {"min": 100, "max": 400},
		"pareto":       {"shape": 3, "scale": 60},
		"paretonormal": {"mean": 150, "stddev": 15, "shape": 3, "scale": 20},
	} {
		for _, scope := range []string{"connection", "turn", "chunk"} {
			c := matrixCase{name: name + ", " + scope, kind: fault.KindLatency, values: map[string]any{"scope": scope}, exchange: late, stream: late}
			maps.Copy(c.values, values)
			if name == "fixed" {
				c.exact = fixed(250 * time.Millisecond)
			} else {
				c.values["distribution"] = name
			}
			cases = append(cases, c)
		}
	}
	slices.SortFunc(cases, func(a, b matrixCase) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name)) })
	return cases
}

// windows are schedules over ten seconds, with when they are active: for longer than probes that begin in them last.
var windows = map[string][][2]time.Duration{
	"":                                       {{0, 10 * time.Second}},
	"start:2s,duration:2400ms":               {{2 * time.Second, 4400 * time.Millisecond}},
	"start:20%;duration:24%":                 {{2 * time.Second, 4400 * time.Millisecond}},
	"duration:2100ms;start:6s":               {{0, 2100 * time.Millisecond}, {6 * time.Second, 10 * time.Second}},
	"duration:21%;start:60%":                 {{0, 2100 * time.Millisecond}, {6 * time.Second, 10 * time.Second}},
	"start:40%,duration:2200ms;start:8400ms": {{4 * time.Second, 6200 * time.Millisecond}, {8400 * time.Millisecond, 10 * time.Second}},
}

const (
	matrixPatience = 1500 * time.Millisecond
	matrixBody     = 200
)

// TestMatrix: every fault, on every side, in every direction, with every distribution, scope and mode, and on every kind of schedule, does
// what it is to do to exchanges and to streams, when it is active and only then, exactly as long as it says.
func TestMatrix(t *testing.T) {
	seen := map[fault.Kind]map[string]int{}
	for _, c := range matrixCases() {
		if seen[c.kind] == nil {
			seen[c.kind] = map[string]int{}
		}
		for _, side := range []string{"client", "server"} {
			for _, direction := range []string{"ingress", "egress", "both"} {
				for sched, spans := range windows {
					values := map[string]any{"side": side, "direction": direction}
					maps.Copy(values, c.values)
					if sched != "" {
						values["period"] = sched
					}
					spec, err := fault.Decode(string(c.kind), values)
					if side == "client" && c.kind == fault.KindConnect {
						if err == nil {
							t.Errorf("%s takes the client side, where nothing is connected", c.kind)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					m := &matrixRun{matrixCase: c, name: fmt.Sprintf("%s (%s) %s %s %q", c.kind, c.name, side, direction, sched), spans: spans}
					m.points = touched(side, direction)
					m.run(t, spec)
					seen[c.kind][side+" "+direction]++
					seen[c.kind]["probes"] += m.probes
				}
			}
		}
	}
	for _, d := range fault.Definitions() {
		if seen[d.Kind] == nil {
			t.Errorf("%s is not in the matrix", d.Kind)
		}
	}
	t.Log("cases and schedules by side and direction\n" + table(seen))
}

func table(seen map[fault.Kind]map[string]int) string {
	var b strings.Builder
	columns := []string{
		"client ingress", "client egress", "client both", "server ingress", "server egress", "server both", "probes",
	}
	fmt.Fprintf(&b, "%-12s", "")
	for _, c := range columns {
		fmt.Fprintf(&b, "%16s", c)
	}
	for _, kind := range slices.Sorted(maps.Keys(seen)) {
		fmt.Fprintf(&b, "\n%-12s", kind)
		for _, c := range columns {
			fmt.Fprintf(&b, "%16d", seen[kind][c])
		}
	}
	return b.String()
}

// touched are the points at which bytes meet a fault: at "client ingress" and "server egress" those of requests.
func touched(side, direction string) []string {
	if direction == "both" {
		return []string{side + " ingress", side + " egress"}
	}
	return []string{side + " " + direction}
}

// matrixRun is one case at one place and on one schedule.
type matrixRun struct {
	matrixCase
	name   string
	points []string
	spans  [][2]time.Duration
	probes int
}

func (m *matrixRun) run(t *testing.T, spec fault.Spec) {
	total := 10 * time.Second
	if spec.Common().Schedule.IsZero() {
		total = 0
	}
	exchange, raw := mapping(t, "9090=http://up:80"), mapping(t, "9091=up:80")
	cfg := Config{Seed: 5, Mappings: []Mapping{exchange, raw}, Program: Program{Faults: []fault.Spec{spec}, Total: total}}
	inBubble(t, cfg, echoHandler, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		for i := range 5 {
			offset := time.Duration(500+2000*i) * time.Millisecond
			m.probes += 2
			all.Go(func() {
				time.Sleep(offset)
				var both sync.WaitGroup
				both.Go(func() { m.probe(t, w, offset, exchange, "127.0.0.1:9090", m.exchange) })
				both.Go(func() { m.probe(t, w, offset, raw, "127.0.0.1:9091", m.stream) })
				both.Wait()
			})
		}
		all.Wait()
	})
}

func (m *matrixRun) active(at time.Duration) bool {
	return slices.ContainsFunc(m.spans, func(s [2]time.Duration) bool { return at >= s[0] && at < s[1] })
}

// probe makes a request on a connection of its own and compares what becomes of it with what is to.
func (m *matrixRun) probe(t *testing.T, w *world, at time.Duration, by Mapping, address string, want effect) {
	client := w.client(t, false, false)
	client.Timeout = matrixPatience
	sent := strings.Repeat("b", matrixBody)
	begin := time.Now()
	resp, err := client.Post("http://"+address+"/", "text/plain", strings.NewReader(sent))
	status, got := 0, ""
	if err == nil {
		var body []byte
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		status, got = resp.StatusCode, string(body)
	}
	took := time.Since(begin)
	client.CloseIdleConnections()
	time.Sleep(400 * time.Millisecond) // the ends of connections may be late

	if !m.active(at) {
		want = nothing
	}
	givenUp, ok := errors.AsType[net.Error](err)
	p := probed{
		want: want, took: took, status: status, err: err, timedOut: ok && givenUp.Timeout(),
		whole: err == nil && status == http.StatusOK && got == "echo "+sent, exact: m.exactly(w, by, begin),
	}
	p.delays, p.events = m.delays(w, by, begin, took)
	if wrong := m.judge(&p); wrong != "" {
		t.Errorf("%s, %s at %s: %s\nafter %s: %d %.40q, %v; events %+v", m.name, by, at, wrong, took, status, got, err, p.events)
	}
}

// probed is what became of a probe.
type probed struct {
	want            effect
	took, exact     time.Duration // exact is 0 where only the events know
	status          int
	err             error
	timedOut, whole bool
	delays          map[string]time.Duration
	events          []event.Applied
}

// judge says what is wrong with a probe; "" when nothing is.
func (m *matrixRun) judge(p *probed) string {
	if p.want == nothing {
		if !p.whole || p.took != 0 || len(p.events) > 0 {
			return "want no effect"
		}
		return ""
	}
	if p.want == stalled {
		if len(p.events) == 0 && p.whole && p.took == 0 {
			return "" // nothing was lost
		}
		if p.want = late; p.timedOut {
			p.want = lost
		}
	}
	if len(p.events) == 0 {
		return "no event"
	}
	var sum time.Duration
	for point, d := range p.delays {
		if !m.anywhere && !slices.Contains(m.points, point) {
			return "it acted at " + point
		}
		sum += d
	}
	switch {
	case p.want == late && (!p.whole || p.took != sum):
		return fmt.Sprintf("want that it is late by %s", sum)
	case p.want == late && p.exact > 0 && p.took != p.exact:
		return fmt.Sprintf("want that it is late by %s", p.exact)
	case p.want == lost && (!p.timedOut || p.took != matrixPatience):
		return "want that nothing comes back"
	case p.want == broken && (p.err == nil || p.timedOut || p.took != 0):
		return "want a broken connection at once"
	case p.want == answered && (p.err != nil || p.status != m.status || p.took != 0):
		return fmt.Sprintf("want %d at once", m.status)
	case p.want == spoiled && (p.err != nil || p.status != http.StatusOK || p.whole || p.took != 0):
		return "want another body at once"
	case p.want == ending && (!p.whole || len(p.delays) != len(m.points)):
		return fmt.Sprintf("want that the ends at %v are late", m.points)
	}
	for point, d := range p.delays {
		if p.want == ending && d != 250*time.Millisecond {
			return fmt.Sprintf("the end is late by %s at %s", d, point)
		}
	}
	return ""
}

// delays is how late the fault made the probe at each point, by its events.
func (m *matrixRun) delays(w *world, by Mapping, begin time.Time, took time.Duration) (map[string]time.Duration, []event.Applied) {
	out := map[string]time.Duration{}
	var events []event.Applied
	for _, e := range of[event.Applied](&w.journal) {
		if e.Flow.Mapping != by.String() || e.Flow.Start.Before(begin) || e.Flow.Start.After(begin.Add(took)) {
			continue
		}
		events = append(events, e)
		point := e.Side + " " + e.Direction
		out[point] = max(out[point], e.Delay)
	}
	return out, events
}

// exactly is how late the probe has to be, as far as that can be said without the events; 0 where it cannot.
func (m *matrixRun) exactly(w *world, by Mapping, begin time.Time) time.Duration {
	if m.exact == nil {
		return 0
	}
	if m.anywhere {
		return m.exact(0)
	}
	if by.HTTP() && m.exact(1) != m.exact(1000) {
		return 0 // the sizes of the heads of an exchange are not counted
	}
	var sum time.Duration
	for _, c := range of[event.Completed](&w.journal) {
		if c.Flow.Mapping != by.String() || !c.Flow.Start.Equal(begin) {
			continue
		}
		for _, point := range m.points {
			if point == "client ingress" || point == "server egress" {
				sum += m.exact(c.Up)
			} else {
				sum += m.exact(c.Down)
			}
		}
	}
	return sum
}
