package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fault-project/fault/cmd/internal/runreport"
	"github.com/fault-project/fault/cmd/internal/tally"
	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/schedule"
)

// meter tells how many flows end in a second, from counts that it is shown now and then.
type meter struct {
	samples []sample
}

type sample struct {
	at    time.Time
	flows int
}

// window is over how long a rate is measured.
const window = 2 * time.Second

func (m *meter) rate(now time.Time, flows int) float64 {
	m.samples = append(m.samples, sample{now, flows})
	for len(m.samples) > 2 && now.Sub(m.samples[1].at) >= window {
		m.samples = m.samples[1:]
	}
	oldest := m.samples[0]
	if took := now.Sub(oldest.at).Seconds(); took > 0 {
		return float64(flows-oldest.flows) / took
	}
	return 0
}

// rows sums up what happened so far; alive says that it goes on.
func (s *screen) rows(alive bool) []row {
	snapshot := s.session.tally.Snapshot()
	t := &snapshot.Traffic
	rows := []row{s.trafficRow(t, alive), errorRow(&snapshot)}
	if r := firstByteRow(t); r != nil {
		rows = append(rows, r)
	}
	rows = append(rows, entry("Bytes", span{runreport.Size(t.BytesUp) + " up, " + runreport.Size(t.BytesDown) + " down", plain}))
	rows = append(rows, faultRows(&snapshot, s.session.engine.Faults(), alive)...)
	if total := s.o.Duration; alive && s.live != nil && total > 0 && len(s.o.Command) == 0 {
		elapsed := min(time.Since(s.session.began), total)
		width, _ := s.live.size()
		done, left := bar(float64(elapsed)/float64(total), min(max(width-labelWidth-20, 5), 40))
		rows = append(rows, entry("Progress", span{done, green}, span{left, dim},
			span{fmt.Sprintf(" %s of %s", schedule.FormatDuration(elapsed.Truncate(time.Second)), schedule.FormatDuration(total)), plain}))
	}
	return rows
}

func (s *screen) trafficRow(t *tally.Traffic, alive bool) row {
	text := runreport.Ended(t)
	if t.Open > 0 {
		text += fmt.Sprintf("; %d open", t.Open)
	}
	if t.NotAffected > 0 {
		text += fmt.Sprintf("; %d not affected", t.NotAffected)
	}
	if alive {
		// An idle proxy shows no rate: the counts beside it may be a second old.
		if rate := s.rate.rate(time.Now(), t.Flows()); rate >= 0.05 {
			text += fmt.Sprintf("; %.1f/s", rate)
		}
	}
	return entry("Traffic", span{text, plain})
}

func errorRow(s *tally.Snapshot) row {
	var bad []string
	for _, status := range slices.Sorted(maps.Keys(s.Traffic.Statuses)) {
		if status >= "400" {
			bad = append(bad, fmt.Sprintf("%d with status %s", s.Traffic.Statuses[status], status))
		}
	}
	style := plain
	if s.Traffic.Failed > 0 || len(bad) > 0 {
		style = red
	}
	text := fmt.Sprintf("%d failed", s.Traffic.Failed)
	if len(s.Errors) > 0 {
		text += " (" + strings.Map(printable, s.Errors[0].Text) + ")"
	}
	return entry("Errors", span{strings.Join(append([]string{text}, bad...), ", "), style})
}

// firstByteRow is how long what passed waited for its answer to begin.
func firstByteRow(t *tally.Traffic) row {
	var parts []string
	for _, p := range []struct {
		what  string
		times *tally.Times
	}{{"", t.FirstByte}, {"connections ", t.FirstByteRaw}} {
		if p.times != nil {
			p50, p95 := runreport.Milliseconds(p.times.P50), runreport.Milliseconds(p.times.P95)
			parts = append(parts, fmt.Sprintf("%sp50 %s, p95 %s", p.what, p50, p95))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return entry("First byte", span{strings.Join(parts, "; "), plain})
}

// faultRows is a row for each fault that there is, or that did something.
func faultRows(s *tally.Snapshot, faults []proxyengine.FaultState, alive bool) []row {
	rows := make([]row, 0, len(faults)+len(s.Applied))
	for _, f := range faults {
		i := slices.IndexFunc(s.Applied, func(a tally.Applied) bool { return a.Index == f.Index })
		a := tally.Applied{Index: f.Index, Fault: string(f.Spec.Kind())}
		if i >= 0 {
			a = s.Applied[i]
			s.Applied = slices.Delete(s.Applied, i, i+1)
		}
		rows = append(rows, faultRow(f.ID, &a, f.Active, alive))
	}
	for i := range s.Applied { // faults that were removed
		rows = append(rows, faultRow(s.Applied[i].Fault, &s.Applied[i], false, alive))
	}
	return rows
}

func faultRow(name string, a *tally.Applied, active, alive bool) row {
	text := strings.TrimPrefix(runreport.Effect(a), a.Fault+" ")
	if a.Times == 0 {
		text = "not applied"
	}
	r := entry(name)
	switch {
	case !alive:
	case active:
		r = append(r, span{"● ", yellow})
	default:
		r = append(r, span{"○ ", dim})
	}
	return append(r, span{text, plain})
}
