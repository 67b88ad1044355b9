package rag

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"
)

// Embedder turns texts into vectors that lie close to each other when the texts are alike. It is safe for concurrent use.
type Embedder interface {
	// Name identifies the model, with its provider and version: vectors of different names cannot be compared.
	Name() string
	// Dimension returns the length of the vectors, greater than 0. It may ask the provider once.
	Dimension(ctx context.Context) (int, error)
	// Embed returns one vector for each text, in their order. It does its own batching, pacing and retrying, and returns the error of
	// ctx soon after that ended.
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// questioner is what an Embedder also has when its model tells a question from the texts that answer it.
type questioner interface {
	EmbedQuery(ctx context.Context, text string) ([]float32, error)
}

// weigher is what an Embedder also has when defaultVectorWeight does not fit it.
type weigher interface {
	VectorWeight() float64
}

// defaultVectorWeight is the share of the vectors in the score of a chunk, the words having the rest. Models that were trained to
// retrieve find what words alone do not, and miss names that words find.
const defaultVectorWeight = 0.5

// nearEnough is where a chunk without a word of the question begins to be a result: between the average similarity (0) and the best (1).
const nearEnough = 0.5

// NoEmbedder is the name in the Manifest of an index without vectors.
const NoEmbedder = "none"

// EmbedError says that an embedder could not make vectors.
type EmbedError struct {
	Embedder string
	Err      error
}

func (e *EmbedError) Error() string { return "embed with " + e.Embedder + ": " + e.Err.Error() }

// Unwrap returns the embedder's error.
func (e *EmbedError) Unwrap() error { return e.Err }

// VectorKey is the identity of what a vector was made of. It depends on the text of a chunk and not on its place: a chunk
// keeps its vector when its file is moved, and gets it back when a branch is left and taken up again.
type VectorKey [sha256.Size]byte

// embedTextVersion is part of every VectorKey, and changes with embedText.
const embedTextVersion = "fault-embed-1\n"

// maxEmbedText is the most of a chunk that an embedder is given, in bytes. The usual models read 512 to 8192 tokens.
const maxEmbedText = 8000

// embedText returns what an embedder is given of a chunk.
func embedText(c *Chunk) string {
	var b strings.Builder
	if c.Name != "" {
		b.WriteString(c.Kind + " " + c.Name + "\n")
	}
	if c.Header != "" {
		b.WriteString(c.Header + "\n")
	}
	b.WriteString(c.Text)
	text := b.String()
	if len(text) <= maxEmbedText {
		return text
	}
	end := maxEmbedText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func keyOf(text string) VectorKey { return sha256.Sum256([]byte(embedTextVersion + text)) }

// Vector is a vector of length 1, or of zeros, and what it was made of.
type Vector struct {
	Key    VectorKey
	Values []float32
}

// embedAll returns normalized vectors of texts.
func embedAll(ctx context.Context, e Embedder, dimension int, texts []string) ([][]float32, error) {
	vectors, err := e.Embed(ctx, texts)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil && len(vectors) != len(texts) {
		err = fmt.Errorf("%d vectors came back for %d texts", len(vectors), len(texts))
	}
	for i := range vectors {
		if err != nil {
			break
		}
		err = normalize(vectors[i], dimension)
	}
	if err != nil {
		return nil, &EmbedError{e.Name(), err}
	}
	return vectors, nil
}

// embedQuery returns the normalized vector of a question.
func embedQuery(ctx context.Context, e Embedder, dimension int, text string) ([]float32, error) {
	q, ok := e.(questioner)
	if !ok {
		vectors, err := embedAll(ctx, e, dimension, []string{text})
		if err != nil {
			return nil, err
		}
		return vectors[0], nil
	}
	vector, err := q.EmbedQuery(ctx, text)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil {
		err = normalize(vector, dimension)
	}
	if err != nil {
		return nil, &EmbedError{e.Name(), err}
	}
	return vector, nil
}

// normalize gives a vector the length 1. One of zeros, for a text in which the model knows nothing, stays.
func normalize(vector []float32, dimension int) error {
	if len(vector) != dimension {
		return fmt.Errorf("a vector has %d dimensions, not %d: set the dimension of the model (--llm-embed-model-dim)",
			len(vector), dimension)
	}
	sum := 0.0
	for _, v := range vector {
		sum += float64(v) * float64(v)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return errors.New("a vector has values that are not numbers")
	}
	if sum == 0 {
		return nil
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range vector {
		vector[i] *= scale
	}
	return nil
}

// parallelProducts is how many multiplications are worth a goroutine.
const parallelProducts = 1 << 20

// similarities returns the cosine of a question and each vector; of a chunk without a vector it is 0.
func similarities(vectors [][]float32, question []float32) []float32 {
	out := make([]float32, len(vectors))
	share := max(parallelProducts/max(len(question), 1), (len(vectors)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0), 1)
	var wait sync.WaitGroup
	for start := 0; start < len(vectors); start += share {
		end := min(start+share, len(vectors))
		wait.Go(func() {
			for i := start; i < end; i++ {
				if len(vectors[i]) == len(question) {
					out[i] = dot(vectors[i], question)
				}
			}
		})
	}
	wait.Wait()
	return out
}

// dot returns the product of two vectors of the same length. The four sums do not wait for each other.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		x, y := a[i:i+4:i+4], b[i:i+4:i+4]
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
