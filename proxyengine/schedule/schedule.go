// Package schedule says when a fault is active: a small grammar of periods, fixed or relative to the length of a run, and pure
// functions over it. Nothing here sleeps or reads a clock; a caller asks [Schedule.ActiveAt] about an offset and
// [Schedule.Next] for the next offset at which the answer changes.
//
//	schedule = period { ";" period } .
//	period   = "start:" time [ ("," | ";") "duration:" time ]  |  "duration:" time .
//	time     = integer "%" | duration .
//
// A duration that directly follows a start without one belongs to it, whichever separator stands between. A duration alone
// runs from the beginning, a start alone runs to the end. All periods count; where they overlap they are one.
package schedule

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// Schedule is a set of periods, measured from an origin that the caller chose. The zero value is always active. Schedules are
// immutable and may be shared.
type Schedule struct {
	periods []Period
}

// Period is one stretch of time. A nil Start is the origin, a nil Duration lasts to the end; at least one is set.
type Period struct {
	Start, Duration *Spec
}

// Spec is a point or a length of time: fixed, or a percentage of the whole run.
type Spec struct {
	// Fixed is the time when Relative is false; never negative.
	Fixed time.Duration
	// Percent, 0 to 100, is the share of the total when Relative is true.
	Percent int
	// Relative says which of the two holds.
	Relative bool
}

// Span is a stretch of time [Start, End) from the origin.
type Span struct {
	Start, End time.Duration
}

// forever is the end of a period without one.
const forever = time.Duration(math.MaxInt64)

// Of returns the time that s stands for in a run of the given total. Without a total (≤ 0) a relative Spec is 0.
func (s Spec) Of(total time.Duration) time.Duration {
	if !s.Relative {
		return s.Fixed
	}
	if total <= 0 {
		return 0
	}
	// Divided first, so that a long total cannot overflow.
	return total/100*time.Duration(s.Percent) + total%100*time.Duration(s.Percent)/100
}

// String formats s as the grammar's time.
func (s Spec) String() string {
	if s.Relative {
		return strconv.Itoa(s.Percent) + "%"
	}
	return FormatDuration(s.Fixed)
}

// IsZero reports whether s has no period, which means that it is always active.
func (s Schedule) IsZero() bool { return len(s.periods) == 0 }

// Relative reports whether any part of s is a percentage, so that it needs the total length of the run.
func (s Schedule) Relative() bool { return slices.ContainsFunc(s.periods, Period.relative) }

func (p Period) relative() bool {
	return p.Start != nil && p.Start.Relative || p.Duration != nil && p.Duration.Relative
}

// Periods returns the periods in the order in which they were written. What they point to must not be modified.
func (s Schedule) Periods() []Period { return slices.Clone(s.periods) }

// span resolves a period. Without a total a relative period is all of the time: a single call has no length of which a share
// could be taken, so there it means "during the call".
func (p Period) span(total time.Duration) Span {
	if total <= 0 && p.relative() {
		return Span{0, forever}
	}
	out := Span{0, forever}
	if p.Start != nil {
		out.Start = p.Start.Of(total)
	}
	if p.Duration != nil {
		if d := p.Duration.Of(total); d < forever-out.Start {
			out.End = out.Start + d
		}
	}
	return out
}

// ActiveAt reports whether s is active at the offset t from the origin, in a run that lasts total (≤ 0: unknown; relative
// periods then cover all of the time). A period contains its start and not its end. Before the origin only a schedule without
// periods is active.
func (s Schedule) ActiveAt(t, total time.Duration) bool {
	if s.IsZero() {
		return true
	}
	return slices.ContainsFunc(s.periods, func(p Period) bool {
		span := p.span(total)
		return span.Start <= t && t < span.End
	})
}

// Next returns the first offset after t at which the answer of ActiveAt changes; ok is false when it never changes again.
func (s Schedule) Next(t, total time.Duration) (at time.Duration, ok bool) {
	for _, span := range s.merged(total) {
		if span.Start > t {
			return span.Start, true
		}
		if span.End > t && span.End != forever {
			return span.End, true
		}
	}
	return 0, false
}

// Spans returns the stretches of time in which s is active: sorted, merged where they touch, and clipped to total when that is
// positive. Without a total the last one may end at the largest Duration.
func (s Schedule) Spans(total time.Duration) []Span {
	spans := s.merged(total)
	if s.IsZero() {
		spans = []Span{{0, forever}}
	}
	if total <= 0 {
		return spans
	}
	clipped := spans[:0]
	for _, span := range spans {
		span.End = min(span.End, total)
		if span.Start < span.End {
			clipped = append(clipped, span)
		}
	}
	return clipped
}

func (s Schedule) merged(total time.Duration) []Span {
	var spans []Span
	for _, p := range s.periods {
		if span := p.span(total); span.Start < span.End {
			spans = append(spans, span)
		}
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	var out []Span
	for _, span := range spans {
		if n := len(out); n > 0 && span.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, span.End)
			continue
		}
		out = append(out, span)
	}
	return out
}
