package llm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// The files of a static model, how many tokens of a text it reads, and how long its vectors may be.
const (
	staticModelFile = "model.safetensors"
	staticWordsFile = "tokenizer.json"
	staticTokens    = 512
	// maxStaticDimension is more than any model has.
	maxStaticDimension = 1 << 16
)

// staticWeight is the share of a static model in the score of a search: it knows words, not their order.
const staticWeight = 0.3

// Static is an embedder that has one vector for each token and takes the mean: a folder as Model2Vec (github.com/MinishLab/model2vec)
// writes it. It needs no server. It is safe for concurrent use.
type Static struct {
	dir  string
	load func() (*staticData, error)
}

type staticData struct {
	name      string
	tokenizer *wordPiece
	dimension int
	values    []float32
	weights   []float32 // of each token, nil for all the same
	mapping   []float32 // from tokens to rows, nil for the same
}

// NewStatic returns the embedder in a folder. The files must be there; they are read when they are needed.
func NewStatic(dir string) (*Static, error) {
	for _, name := range []string{staticModelFile, staticWordsFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("a static model is a folder with %s and %s: %w", staticModelFile, staticWordsFile, err)
		}
	}
	return &Static{dir: dir, load: sync.OnceValues(func() (*staticData, error) { return loadStatic(dir) })}, nil
}

func loadStatic(dir string) (*staticData, error) {
	model, err := os.ReadFile(filepath.Join(dir, staticModelFile))
	if err != nil {
		return nil, err
	}
	description, err := os.ReadFile(filepath.Join(dir, staticWordsFile))
	if err != nil {
		return nil, err
	}
	s := &staticData{}
	if s.tokenizer, err = parseTokenizer(description); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, staticWordsFile), err)
	}
	if err := s.read(model); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, staticModelFile), err)
	}
	sum := sha256.New()
	_, _ = sum.Write(model)       // never fails
	_, _ = sum.Write(description) // never fails
	s.name = "static:" + hex.EncodeToString(sum.Sum(nil)[:8])
	return s, nil
}

func (s *staticData) read(model []byte) error {
	tensors, err := parseSafetensors(model)
	if err != nil {
		return err
	}
	embeddings := tensors["embeddings"]
	if len(embeddings.Shape) != 2 || embeddings.Shape[1] <= 0 || embeddings.Shape[1] > maxStaticDimension {
		return errors.New("it has no table with the name embeddings")
	}
	s.dimension = embeddings.Shape[1]
	if s.values, err = embeddings.floats(); err != nil {
		return err
	}
	for name, into := range map[string]*[]float32{"weights": &s.weights, "mapping": &s.mapping} {
		if t, ok := tensors[name]; ok {
			if *into, err = t.floats(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Name names the content of the folder, wherever it is.
func (e *Static) Name() string {
	s, err := e.load()
	if err != nil {
		return "static:" + e.dir
	}
	return s.name
}

// VectorWeight is less than that of a model that reads whole texts.
func (e *Static) VectorWeight() float64 { return staticWeight }

// Dimension returns the length of the model's vectors.
func (e *Static) Dimension(context.Context) (int, error) {
	s, err := e.load()
	if err != nil {
		return 0, err
	}
	return s.dimension, nil
}

// Embed returns the mean of the vectors of a text's tokens, of zeros where none is known.
func (e *Static) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	s, err := e.load()
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out[i] = s.embed(text)
	}
	return out, nil
}

func (s *staticData) embed(text string) []float32 {
	out := make([]float32, s.dimension)
	tokens := s.tokenizer.tokens(text)
	tokens = tokens[:min(len(tokens), staticTokens)]
	for _, token := range tokens {
		row, weight := token, float32(1)
		if token < 0 {
			continue
		}
		if token < len(s.weights) {
			weight = s.weights[token]
		}
		if s.mapping != nil {
			if token >= len(s.mapping) {
				continue
			}
			row = int(s.mapping[token])
		}
		if row < 0 || row >= len(s.values)/s.dimension {
			continue
		}
		for j, v := range s.values[row*s.dimension : (row+1)*s.dimension] {
			out[j] += weight * v / float32(len(tokens))
		}
	}
	return out
}
