// Package suite reads the results of a test suite in the JUnit form, which every test runner can write, and compares the runs of
// one suite with and without faults: which tests fail only under faults, which fail now and then, which never finished. It is pure:
// bytes and values in, values out.
package suite

// Outcome is how a test ended.
type Outcome string

// The outcomes, from best to worst. A test that broke outside its own assertions (in a fixture, by an exception) has failed, too.
const (
	Skipped Outcome = "skipped"
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
)

// Test is one test of one run.
type Test struct {
	// Name is the class, module or package and the test's own name, joined by "::".
	Name    string
	Outcome Outcome
	// Seconds is how long it took, as the runner says.
	Seconds float64
	// Message is the first line of what it failed with.
	Message string
	// Running says that the test had not come to an end when its runner did; where a runner tells, it counts as failed.
	Running bool
}

// Counts is how many tests ended which way.
type Counts struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

// Count counts tests by outcome.
func Count(tests []Test) Counts {
	var c Counts
	for _, t := range tests {
		switch t.Outcome {
		case Passed:
			c.Passed++
		case Failed:
			c.Failed++
		case Skipped:
			c.Skipped++
		}
	}
	return c
}

// Total is the number of tests.
func (c Counts) Total() int { return c.Passed + c.Failed + c.Skipped }

// Merge joins the results of several files, in order. A name that comes more than once (a test whose clean-up failed after it,
// one that ran in several workers) is one test: it has the worst outcome, and took as long as all of them together. The result is
// never nil.
func Merge(files ...[]Test) []Test {
	merged := []Test{}
	place := map[string]int{}
	for _, tests := range files {
		for _, t := range tests {
			i, known := place[t.Name]
			if !known {
				place[t.Name] = len(merged)
				merged = append(merged, t)
				continue
			}
			m := &merged[i]
			m.Seconds += t.Seconds
			if worse(t.Outcome, m.Outcome) {
				m.Outcome, m.Message = t.Outcome, t.Message
			}
			m.Running = m.Running || t.Running
		}
	}
	return merged
}

func worse(a, b Outcome) bool {
	rank := map[Outcome]int{Skipped: 0, Passed: 1, Failed: 2}
	return rank[a] > rank[b]
}
