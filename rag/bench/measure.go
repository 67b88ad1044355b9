//go:build cgo && unix

package main

import (
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/fault-project/fault/rag"
)

func count(set uint64) int { return bits.OnesCount64(set) }

// budgets are the token budgets under which recall is measured.
var budgets = [...]int{1000, 2000, 4000}

// answer is how a searcher did on one question.
type answer struct {
	// rank is where the function stands among the first ten, from 1; 0 if it is not there.
	rank int
	// within says for each budget whether the function was among what fits it.
	within [len(budgets)]bool
}

// ask puts one question to a searcher.
func ask(s searcher, q *query) (answer, error) {
	var a answer
	hits, err := s.search(q.text, 10, rag.MaxMaxTokens)
	if err != nil {
		return a, err
	}
	a.rank = slices.IndexFunc(hits, q.is) + 1
	for i, budget := range budgets {
		if hits, err = s.search(q.text, rag.MaxLimit, budget); err != nil {
			return a, err
		}
		a.within[i] = slices.ContainsFunc(hits, q.is)
	}
	return a, nil
}

// is reports whether a hit is one of the functions: the definition itself or, for searchers that do not know definitions, any piece
// that shares a line with it.
func (q *query) is(h hit) bool {
	return slices.ContainsFunc(q.targets, func(t target) bool {
		return h.path == t.path && (h.name == t.name || h.name == "") && h.line <= t.end && h.end >= t.line
	})
}

// The measures of a list of answers, each in [0,1].
const (
	mrr10 = iota
	recall1
	recall5
	recall10
	recall1k
	recall2k
	recall4k
	measures
)

// of returns the measures of one answer.
func (a answer) of() (m [measures]float64) {
	if a.rank > 0 {
		m[mrr10] = 1 / float64(a.rank)
		m[recall10] = 1
	}
	if a.rank == 1 {
		m[recall1] = 1
	}
	if a.rank > 0 && a.rank <= 5 {
		m[recall5] = 1
	}
	for i, found := range a.within {
		if found {
			m[recall1k+i] = 1
		}
	}
	return m
}

// estimate is a mean with its 95 % bootstrap interval (percentile method, Efron 1979).
type estimate struct{ mean, low, high float64 }

const resamples = 1000

// estimates returns the measures of a list of answers.
func estimates(answers []answer) (out [measures]estimate) {
	n := len(answers)
	if n == 0 {
		return out
	}
	values := make([][measures]float64, n)
	for i, a := range answers {
		values[i] = a.of()
		for m, v := range values[i] {
			out[m].mean += v
		}
	}
	for m := range out {
		out[m].mean /= float64(n)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var means [measures][]float64
	for range resamples {
		var sum [measures]float64
		for range n {
			for m, v := range values[random.IntN(n)] {
				sum[m] += v
			}
		}
		for m := range sum {
			means[m] = append(means[m], sum[m]/float64(n))
		}
	}
	for m := range means {
		slices.Sort(means[m])
		out[m].low, out[m].high = means[m][resamples*25/1000], means[m][resamples*975/1000-1]
	}
	return out
}
