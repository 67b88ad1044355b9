package tally

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Snapshot is a tally at an instant.
type Snapshot struct {
	Traffic Traffic `json:"traffic"`
	// Applied is what the faults did, by index.
	Applied []Applied `json:"applied"`
	// Errors are what flows failed with, the most frequent first.
	Errors []Error `json:"errors"`
}

// Traffic is what passed, or tried to. Bytes of exchanges are those of the bodies.
type Traffic struct {
	Exchanges   int `json:"exchanges"`
	Tunnels     int `json:"tunnels"`
	Connections int `json:"connections"`
	// Open is how many flows had not ended.
	Open int `json:"open"`
	// Failed flows ended with an error of the transport; an answer with a bad status is an answer.
	Failed int `json:"failed"`
	// NotAffected flows were out of reach of the faults: their upstream was not selected.
	NotAffected int   `json:"not_affected"`
	BytesUp     int64 `json:"bytes_up"`
	BytesDown   int64 `json:"bytes_down"`
	// Statuses counts the HTTP statuses of exchanges.
	Statuses map[string]int `json:"statuses,omitempty"`
	// FirstByte is how long exchanges that were in reach of the faults and did not fail waited for the first byte of the answer, and
	// FirstByteRaw tunnels and connections; nil when there were none.
	FirstByte    *Times `json:"first_byte,omitempty"`
	FirstByteRaw *Times `json:"first_byte_raw,omitempty"`
}

// Flows is how many flows ended.
func (t *Traffic) Flows() int { return t.Exchanges + t.Tunnels + t.Connections }

// Times sums up times, in milliseconds. Percentiles are accurate to 1 %.
type Times struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Applied is what one fault did.
type Applied struct {
	// Index is its number among the engine's faults, Fault its kind.
	Index int    `json:"index"`
	Fault string `json:"fault"`
	// Times is how often it was applied, Flows to how many connections and exchanges.
	Times int `json:"times"`
	Flows int `json:"flows"`
	// Delay sums up the delays that it drew, nil when it drew none.
	Delay *Times `json:"delay,omitempty"`
	// Bytes were lost or withheld.
	Bytes int64 `json:"bytes,omitempty"`
	// Statuses counts the HTTP statuses that it returned, Details what else there was to know.
	Statuses map[string]int `json:"statuses,omitempty"`
	Details  map[string]int `json:"details,omitempty"`
}

// Error is what flows failed with.
type Error struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

// Snapshot returns the counts so far. The caller owns them.
func (t *Tally) Snapshot() Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Snapshot{Traffic: t.traffic, Applied: make([]Applied, 0, len(t.faults)), Errors: make([]Error, 0, len(t.errors))}
	s.Traffic.Statuses = maps.Clone(t.traffic.Statuses)
	s.Traffic.FirstByte = times(t.answers.exchanges)
	s.Traffic.FirstByteRaw = times(t.answers.connections)
	for _, c := range t.faults {
		a := c.Applied
		a.Statuses, a.Details = maps.Clone(c.Statuses), maps.Clone(c.Details)
		if a.Delay = times(c.delays); a.Delay != nil {
			a.Delay.Mean = milliseconds(c.total) / float64(a.Delay.Count)
		}
		s.Applied = append(s.Applied, a)
	}
	slices.SortFunc(s.Applied, func(a, b Applied) int { return cmp.Compare(a.Index, b.Index) })
	for text, n := range t.errors {
		s.Errors = append(s.Errors, Error{Text: text, Count: n})
	}
	slices.SortFunc(s.Errors, func(a, b Error) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text)) })
	return s
}

func times(h *hdrhistogram.Histogram) *Times {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) float64 { return milliseconds(time.Duration(h.ValueAtQuantile(q)) * finest) }
	return &Times{
		Count: int(h.TotalCount()), Mean: h.Mean() * float64(finest) / float64(time.Millisecond),
		P50: at(50), P95: at(95), P99: at(99), Max: milliseconds(time.Duration(h.Max()) * finest),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
