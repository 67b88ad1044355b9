package rag

import (
	"context"
	"hash/fnv"
	"math"
)

// The hash embedder's vectors: their length, and what a run of three letters counts beside a word.
const (
	hashDimension   = 512
	hashGramWeight  = 0.25
	hashGram        = 3
	hashVectorShare = 0.2
)

// Hash is an Embedder without a model: it hashes the words of a text, and the runs of three letters in them, into a vector (Weinberger et
// al., Feature Hashing for Large Scale Multitask Learning, 2009). What it finds alike has letters in common; it knows nothing of
// meaning. It always gives the same vectors and needs nothing.
type Hash struct{}

// Name says that the vectors are lexical.
func (Hash) Name() string { return "hash-lexical-1" }

// Dimension returns 512.
func (Hash) Dimension(context.Context) (int, error) { return hashDimension, nil }

// VectorWeight is small: the words are already known, only their parts are new.
func (Hash) VectorWeight() float64 { return hashVectorShare }

// Embed does not fail unless ctx ends.
func (Hash) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	tokens := newTokenizer()
	out := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		counts := map[string]float64{}
		tokens.each(text, func(term string) { counts[term]++ })
		vector := make([]float32, hashDimension)
		for term, n := range counts {
			weight := 1 + math.Log(n)
			put(vector, "w"+term, weight)
			for j := 0; j+hashGram <= len(term); j++ {
				put(vector, "g"+term[j:j+hashGram], weight*hashGramWeight)
			}
		}
		out[i] = vector
	}
	return out, nil
}

// put adds a feature. The sign makes collisions cancel out on average. Weights are rounded, so that the sum of a vector does not
// depend on the order of its features.
func put(vector []float32, feature string, weight float64) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(feature)) // never fails
	sum := h.Sum64()
	w := float32(math.Round(weight*1024) / 1024)
	if sum>>63 == 1 {
		w = -w
	}
	vector[sum%uint64(len(vector))] += w
}
