package scenarios

import (
	"math"
	"slices"
)

// Quantile returns the p-quantile, p in [0, 1], of sorted (ascending) by definition R-6 of Hyndman and Fan, "Sample Quantiles in
// Statistical Packages" (1996): linear interpolation at (n+1)·p, the smallest and largest value beyond the ends. Of nothing it is 0.
func Quantile(sorted []float64, p float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	h := float64(n+1) * p
	k := int(math.Floor(h))
	switch {
	case k < 1:
		return sorted[0]
	case k >= n:
		return sorted[n-1]
	}
	low, high := sorted[k-1], sorted[k]
	return low + (h-float64(k))*(high-low)
}

// SLOOutcome is an SLO compared with calls.
type SLOOutcome struct {
	SLO SLO
	Met bool
	// Actual is what was compared: milliseconds for latency, percent of calls for error (that failed) and availability (that
	// succeeded). Limit is what it was compared with, in the same unit.
	Actual, Limit float64
	// Over counts the calls on the wrong side: slower than the threshold, or in error.
	Over, Calls int
}

// JudgeSLOs compares the SLOs of an item with its calls. Every call counts, failed ones with the time that they took. Without
// any call nothing is shown, and no SLO is met.
func JudgeSLOs(item *Item, calls []CallResult) []SLOOutcome {
	if len(item.Context.SLO) == 0 {
		return nil
	}
	times := ResponseTimes(calls)
	errors := 0
	for i := range calls {
		if calls[i].Erred(item.ExpectedStatus()) {
			errors++
		}
	}
	out := make([]SLOOutcome, len(item.Context.SLO))
	for i, slo := range item.Context.SLO {
		o := SLOOutcome{SLO: slo, Calls: len(calls), Over: errors, Limit: slo.Threshold}
		failed := 0.0
		if len(calls) > 0 {
			failed = 100 * float64(errors) / float64(len(calls))
		}
		switch slo.Type {
		case SLOLatency:
			o.Actual = Quantile(times, slo.Objective/100)
			o.Met = o.Actual < slo.Threshold
			o.Over = len(times) - countUpTo(times, slo.Threshold)
		case SLOAvailability:
			o.Actual, o.Limit = 100-failed, slo.Objective
			o.Met = o.Actual >= slo.Objective
		default:
			o.Actual = failed
			o.Met = failed < slo.Threshold
		}
		o.Met = o.Met && len(calls) > 0
		out[i] = o
	}
	return out
}

// ResponseTimes returns the response times of all calls that have one, in milliseconds, ascending.
func ResponseTimes(calls []CallResult) []float64 {
	times := make([]float64, 0, len(calls))
	for i := range calls {
		if m := calls[i].Metrics; m != nil {
			times = append(times, m.TotalTime)
		}
	}
	slices.Sort(times)
	return times
}

// ExpectedStatus returns the status that the item's calls are expected to have, nil for none.
func (it *Item) ExpectedStatus() *int {
	if it.Expect == nil {
		return nil
	}
	return it.Expect.Status
}

// countUpTo counts the values of sorted that are not above limit.
func countUpTo(sorted []float64, limit float64) int {
	n, _ := slices.BinarySearchFunc(sorted, limit, func(v, limit float64) int {
		if v <= limit {
			return -1
		}
		return 1
	})
	return n
}
