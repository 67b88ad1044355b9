//go:build cgo && unix

package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/duckdb"
)

// The index that vectors are measured with: about as many chunks as the goals speak of, vectors as long as those of usual models.
const (
	vectorChunks    = 20_000
	vectorDimension = 768
)

// synthetic is an Embedder whose vectors are as long as those of a model, have as few zeros, and cost next to nothing: each word of a text
// adds a few numbers to noise.
type synthetic struct{}

func (synthetic) Name() string                           { return "synthetic-768" }
func (synthetic) Dimension(context.Context) (int, error) { return vectorDimension, nil }

func (synthetic) Embed(_ context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		v := make([]float32, vectorDimension)
		noise := rand.New(rand.NewPCG(uint64(len(text)), 768))
		for at := range v {
			v[at] = noise.Float32() - 0.5
		}
		for word := range strings.FieldsSeq(text) {
			h := fnv.New64a()
			_, _ = io.WriteString(h, word) // never fails
			for sum, n := h.Sum64(), 0; n < 4; n++ {
				v[sum%vectorDimension] += float32(int(sum>>32%3)) - 1
				sum = sum*6364136223846793005 + 1442695040888963407
			}
		}
		out[i] = v
	}
	return out, nil
}

// measureVectors prints how long searches with vectors take: in one process, and in one that was just started, which is this program.
func measureVectors(ctx context.Context, dir string) (err error) {
	scratch, err := os.MkdirTemp("", "fault-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	root, at := filepath.Join(scratch, "part"), filepath.Join(scratch, "index")
	if err := copyPart(ctx, dir, root); err != nil {
		return err
	}
	index, err := openVectors(root, at)
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := index.Update(ctx, rag.Options{})
	if err != nil {
		return err
	}
	built := time.Since(began)
	program, err := os.Executable()
	if err != nil {
		return err
	}
	var cold []time.Duration
	for range rounds {
		took, _, err := timed(ctx, program, "-once", root, at)
		if err != nil {
			return err
		}
		cold = append(cold, took.wall)
	}
	warm, err := warmSearches(ctx, index)
	if err != nil {
		return err
	}
	slices.Sort(warm)
	fmt.Fprintf(stdout, "\n%d chunks with synthetic vectors of %d numbers:\n\n", s.Chunks, vectorDimension)
	fmt.Fprintln(stdout, "| | median | range |\n|---|---|---|")
	fmt.Fprintf(stdout, "| index from nothing | %.0f ms | |\n", ms(built))
	row("first search, whole cold process", cold)
	fmt.Fprintf(stdout, "| warm search (%d) | p50 %.2f ms | p95 %.2f ms |\n", len(warm), ms(median(warm)), ms(warm[len(warm)*95/100]))
	return nil
}

// row prints a line of a table.
func row(what string, d []time.Duration) {
	fmt.Fprintf(stdout, "| %s | %.0f ms | %.0f–%.0f ms |\n", what, ms(median(d)), ms(slices.Min(d)), ms(slices.Max(d)))
}

func openVectors(root, at string) (*rag.Index, error) {
	store, err := duckdb.Open(at)
	if err != nil {
		return nil, err
	}
	return rag.NewWithEmbedder(root, store, synthetic{})
}

// searchOnce is what the cold process does.
func searchOnce(ctx context.Context, root, at string) error {
	index, err := openVectors(root, at)
	if err != nil {
		return err
	}
	found, err := index.Search(ctx, rag.Query{Text: questions[0]})
	if err == nil && len(found.Results) == 0 {
		err = errors.New("nothing was found")
	}
	return err
}

// copyPart copies as many files of a directory, from all over it, as have about vectorChunks chunks.
func copyPart(ctx context.Context, dir, to string) error {
	files, _, err := rag.Files(ctx, dir, "go")
	if err != nil {
		return err
	}
	// A kilobyte of Go has about 1.4 chunks.
	const perByte = 1.42 / 1000
	size := int64(0)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			size += info.Size()
		}
	}
	share := vectorChunks / (float64(size) * perByte)
	for i := range files {
		if int(float64(i)*share) == int(float64(i+1)*share) {
			continue
		}
		data, err := os.ReadFile(files[i])
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, files[i])
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
