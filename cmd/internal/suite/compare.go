package suite

import (
	"cmp"
	"slices"
)

// Run is one run of the suite.
type Run struct {
	// Faults says that the run was under faults; Seed is then what they were drawn from.
	Faults bool
	Seed   uint64
	// Tests are the results that the run left, nil when it left none.
	Tests []Test
	// Cut says that the run was ended from outside, so that tests which are missing had not finished.
	Cut bool
}

// Finding is a test with the runs in which it did not do well.
type Finding struct {
	Test string `json:"test"`
	// Failed and Passed are the seeds of the runs under faults in which the test failed and passed. Skipped tests are in neither.
	Failed []uint64 `json:"failed_seeds"`
	Passed []uint64 `json:"passed_seeds"`
	// Flaky says that it failed in some of the runs under faults and passed in others.
	Flaky bool `json:"flaky"`
	// Without is its outcome without faults, "" when that is not known.
	Without Outcome `json:"without_faults,omitempty"`
	// Message is what it failed with: first under faults, else without.
	Message string `json:"message,omitempty"`
}

// Slow is a test that passed and took longer under faults.
type Slow struct {
	Test string `json:"test"`
	// Without and With are its times in seconds: without faults, and the longest under faults.
	Without float64 `json:"without_faults_seconds"`
	With    float64 `json:"with_faults_seconds"`
}

// Unfinished is what a run that was cut had not finished.
type Unfinished struct {
	Seed   uint64 `json:"seed"`
	Faults bool   `json:"faults"`
	// Running are the tests that were running, where the test runner tells.
	Running []string `json:"running"`
	// Missing are the tests that other runs have results of and this one has not, in the order of those. When Running is empty, and
	// tests run one after the other, the first of them was running; the others had not begun.
	Missing []string `json:"missing"`
}

// Comparison is what several runs of a suite say together.
type Comparison struct {
	// Baseline says that there are results of a run without faults.
	Baseline bool `json:"baseline"`
	// OnlyUnderFaults are the tests that passed without faults, or were not there, and failed under faults.
	OnlyUnderFaults []Finding `json:"only_under_faults"`
	// UnderFaults are the tests that failed under faults, where it is not known how they do without.
	UnderFaults []Finding `json:"under_faults"`
	// WithoutFaults are the tests that failed without faults already: faults are not to blame.
	WithoutFaults []Finding    `json:"also_without_faults"`
	Unfinished    []Unfinished `json:"unfinished"`
	// Slower are the tests that the faults cost most, at most ten, the worst first.
	Slower []Slow `json:"slower"`
}

// Slower lists tests from this many seconds on, and that many of them.
const (
	slowerBy    = 0.1
	slowerCount = 10
)

// Compare compares the runs of a suite. Runs without results take no part. The lists are never nil.
func Compare(runs []Run) Comparison {
	c := Comparison{
		OnlyUnderFaults: []Finding{}, UnderFaults: []Finding{}, WithoutFaults: []Finding{}, Unfinished: []Unfinished{}, Slower: []Slow{},
	}
	var under []indexed
	baseline := map[string]Test{}
	for _, r := range runs {
		switch {
		case r.Tests == nil:
		case r.Faults:
			under = append(under, indexed{seed: r.Seed, cut: r.Cut, tests: byName(r.Tests)})
		default:
			c.Baseline, baseline = true, byName(r.Tests)
		}
	}
	for _, name := range names(runs) {
		before, known := baseline[name]
		f, slow := finding(name, under)
		f.Without = before.Outcome
		switch {
		case before.Outcome == Failed:
			f.Message = cmp.Or(f.Message, before.Message)
			c.WithoutFaults = append(c.WithoutFaults, f)
		case len(f.Failed) > 0 && c.Baseline:
			c.OnlyUnderFaults = append(c.OnlyUnderFaults, f)
		case len(f.Failed) > 0:
			c.UnderFaults = append(c.UnderFaults, f)
		}
		if known && before.Outcome == Passed && slow-before.Seconds >= slowerBy {
			c.Slower = append(c.Slower, Slow{Test: name, Without: before.Seconds, With: slow})
		}
	}
	slices.SortStableFunc(c.Slower, func(a, b Slow) int { return cmp.Compare(b.With-b.Without, a.With-a.Without) })
	c.Slower = c.Slower[:min(len(c.Slower), slowerCount)]
	c.Unfinished = append(c.Unfinished, unfinished(runs)...)
	return c
}

// indexed is a run under faults with its tests by name.
type indexed struct {
	seed  uint64
	cut   bool
	tests map[string]Test
}

func byName(tests []Test) map[string]Test {
	m := make(map[string]Test, len(tests))
	for _, t := range tests {
		m[t.Name] = t
	}
	return m
}

// finding gathers what the runs under faults say about a test, and the longest time that it took to pass.
func finding(name string, under []indexed) (f Finding, slowest float64) {
	f = Finding{Test: name, Failed: []uint64{}, Passed: []uint64{}}
	for _, r := range under {
		t := r.tests[name]
		if t.Running && r.cut {
			continue // it is no fault of the test that it was cut short: see unfinished
		}
		switch t.Outcome {
		case Failed:
			f.Failed = append(f.Failed, r.seed)
			f.Message = cmp.Or(f.Message, t.Message)
		case Passed:
			f.Passed = append(f.Passed, r.seed)
			slowest = max(slowest, t.Seconds)
		case Skipped:
		}
	}
	f.Flaky = len(f.Failed) > 0 && len(f.Passed) > 0
	return f, slowest
}

// names lists all tests in the order in which they first came.
func names(runs []Run) []string {
	var list []string
	seen := map[string]bool{}
	for _, r := range runs {
		for _, t := range r.Tests {
			if !seen[t.Name] {
				seen[t.Name] = true
				list = append(list, t.Name)
			}
		}
	}
	return list
}

// unfinished lists, for each run that was cut and left results, the tests that had not finished. A run that left no results lacks
// them all, which says nothing.
func unfinished(runs []Run) []Unfinished {
	var list []Unfinished
	for i, r := range runs {
		if !r.Cut || r.Tests == nil {
			continue
		}
		u := Unfinished{Seed: r.Seed, Faults: r.Faults, Running: []string{}, Missing: []string{}}
		has := map[string]bool{}
		for _, t := range r.Tests {
			has[t.Name] = true
			if t.Running {
				u.Running = append(u.Running, t.Name)
			}
		}
		for _, name := range names(slices.Delete(slices.Clone(runs), i, i+1)) {
			if !has[name] {
				u.Missing = append(u.Missing, name)
			}
		}
		if len(u.Running)+len(u.Missing) > 0 {
			list = append(list, u)
		}
	}
	return list
}

// Hung are the tests that were running when the run was cut, and how many more had not begun. They are certain where the test runner
// tells; else it is the first that is missing, provided that tests run one after the other.
func (u *Unfinished) Hung() (tests []string, more int, certain bool) {
	if len(u.Running) > 0 {
		return u.Running, len(u.Missing), true
	}
	return u.Missing[:1], len(u.Missing) - 1, false
}
