//go:build cgo && unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/duckdb"
)

type bench struct {
	python, only   string
	most           int
	misses, tuning bool
	how            asking
}

// The goals on what the ranking was not tuned on.
const (
	goalMean  = 0.40
	goalLeast = 0.35
	goalRatio = 1.8
)

// systems are what answers, in the order of the columns.
var systems = []string{"fault", "raw-word BM25", "grep, then read"}

// outcome is what a corpus gave: answers by system.
type outcome struct {
	corpus  corpus
	chunks  int
	answers [][]answer
}

func (b *bench) run(ctx context.Context) error {
	var outcomes []outcome
	for _, c := range corpora {
		if b.only != "" && b.only != c.name || b.tuning && !c.tuned {
			continue
		}
		o, err := b.corpus(ctx, c)
		if errors.Is(err, errAbsent) {
			fmt.Fprintf(stdout, "skipped %s: %v\n", c.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		outcomes = append(outcomes, *o)
		fmt.Fprintf(os.Stderr, "%s: %.3f\n", c.name, estimates(o.answers[0])[mrr10].mean)
	}
	fmt.Fprintln(stdout)
	for s, name := range systems {
		printSystem(name, s, outcomes)
	}
	judge(outcomes)
	return nil
}

// library searches with package rag.
type library struct {
	index *rag.Index
	kind  string
}

func (l library) search(text string, limit, budget int) ([]hit, error) {
	found, err := l.index.Search(context.Background(), rag.Query{Text: text, Kind: l.kind, Limit: limit, MaxTokens: budget})
	if err != nil {
		return nil, err
	}
	hits := make([]hit, len(found.Results))
	for i, r := range found.Results {
		hits[i] = hit{path: r.Path, name: r.Name, line: r.StartLine, end: r.EndLine}
	}
	return hits, nil
}

// corpus measures all systems on one corpus.
func (b *bench) corpus(ctx context.Context, c corpus) (_ *outcome, err error) {
	dir, err := os.MkdirTemp("", "fault-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source := filepath.Join(dir, "source")
	queries, err := c.prepare(ctx, b.python, source, b.how)
	if err != nil {
		return nil, err
	}
	store, err := duckdb.Open(filepath.Join(dir, "index"))
	if err != nil {
		return nil, err
	}
	index, err := rag.New(source, store)
	if err != nil {
		return nil, err
	}
	if _, err := index.Update(ctx, rag.Options{}); err != nil {
		return nil, err
	}
	snapshot, err := store.Load(ctx, 0)
	if err != nil {
		return nil, err
	}
	queries = sample(queries, snapshot.Chunks, b.most)
	lines, err := newGrep(source, snapshot.Chunks)
	if err != nil {
		return nil, err
	}
	o := &outcome{corpus: c, chunks: len(snapshot.Chunks)}
	// Who asks for a function says so, and BM25 over raw words gets the same help.
	kind, chunks := "function", snapshot.Chunks
	if b.how.hard {
		kind = ""
	} else {
		chunks = slices.DeleteFunc(slices.Clone(chunks), func(c rag.Chunk) bool { return c.Kind != "function" && c.Kind != "method" })
	}
	for _, s := range []searcher{library{index, kind}, newRawBM25(chunks), lines} {
		answers, err := askAll(ctx, s, queries)
		if err != nil {
			return nil, err
		}
		o.answers = append(o.answers, answers)
	}
	if b.misses {
		for i, a := range o.answers[0] {
			if a.rank == 0 {
				fmt.Fprintf(stdout, "%s %v: %s\n", c.name, queries[i].targets, queries[i].text)
			}
		}
	}
	return o, nil
}

// sample keeps the questions whose function is in the index (not in a generated file, nor inside of another function), and
// draws no more of them than most.
func sample(queries []query, chunks []rag.Chunk, most int) []query {
	type key struct{ path, name string }
	known := map[key]bool{}
	for i := range chunks {
		known[key{chunks[i].Path, chunks[i].Name}] = true
	}
	queries = slices.DeleteFunc(queries, func(q query) bool {
		return !slices.ContainsFunc(q.targets, func(t target) bool { return known[key{t.path, t.name}] })
	})
	random := rand.New(rand.NewPCG(7, 7))
	random.Shuffle(len(queries), func(i, j int) { queries[i], queries[j] = queries[j], queries[i] })
	return queries[:min(most, len(queries))]
}

func askAll(ctx context.Context, s searcher, queries []query) ([]answer, error) {
	answers := make([]answer, len(queries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range queries {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			answers[i], err = ask(s, &queries[i])
			return err
		})
	}
	return answers, group.Wait()
}

func printSystem(name string, s int, outcomes []outcome) {
	fmt.Fprintf(stdout, "### %s\n\n", name)
	fmt.Fprintln(stdout, "| | chunks | queries | MRR@10 (95 %) | recall@1 | @5 | @10 | in 1k tokens | 2k | 4k (95 %) |")
	fmt.Fprintln(stdout, "|---|---|---|---|---|---|---|---|---|---|")
	var held []outcome
	for _, o := range outcomes {
		label := o.corpus.name
		if o.corpus.tuned {
			label += " (tuned on)"
		} else {
			held = append(held, o)
		}
		printRow(label, strconv.Itoa(o.chunks), len(o.answers[s]), estimates(o.answers[s]))
	}
	if len(held) > 0 {
		mean, queries := meanOf(held, s)
		printRow("**mean of those not tuned on**", "", queries, mean)
	}
	fmt.Fprintln(stdout)
}

func printRow(label, chunks string, queries int, e [measures]estimate) {
	span := func(m int) string {
		if e[m].high == 0 {
			return fmt.Sprintf("%.3f", e[m].mean)
		}
		return fmt.Sprintf("%.3f (%.2f–%.2f)", e[m].mean, e[m].low, e[m].high)
	}
	fmt.Fprintf(stdout, "| %s | %s | %d | %s | %.2f | %.2f | %.2f | %.2f | %.2f | %s |\n", label, chunks, queries, span(mrr10),
		e[recall1].mean, e[recall5].mean, e[recall10].mean, e[recall1k].mean, e[recall2k].mean, span(recall4k))
}

// meanOf averages over corpora, so that none counts more for being large.
func meanOf(outcomes []outcome, s int) (mean [measures]estimate, queries int) {
	for _, o := range outcomes {
		e := estimates(o.answers[s])
		for m := range mean {
			mean[m].mean += e[m].mean / float64(len(outcomes))
		}
		queries += len(o.answers[s])
	}
	return mean, queries
}

// judge prints how the goals stand on the corpora that the ranking was not tuned on.
func judge(outcomes []outcome) {
	held := slices.DeleteFunc(slices.Clone(outcomes), func(o outcome) bool { return o.corpus.tuned })
	if len(held) == 0 {
		return
	}
	ours, _ := meanOf(held, 0)
	raw, _ := meanOf(held, 1)
	least, worst := 1.0, ""
	for _, o := range held {
		if v := estimates(o.answers[0])[mrr10].mean; v < least {
			least, worst = v, o.corpus.name
		}
	}
	ratio := ours[mrr10].mean / raw[mrr10].mean
	verdict := map[bool]string{true: "met", false: "missed"}
	fmt.Fprintf(stdout, "MRR@10 on what was not tuned on: mean %.3f (goal %.2f: %s), least %.3f in %s (goal %.2f: %s), "+
		"%.2f × raw-word BM25 (goal %.1f: %s)\n",
		ours[mrr10].mean, goalMean, verdict[ours[mrr10].mean >= goalMean], least, worst, goalLeast, verdict[least >= goalLeast],
		ratio, goalRatio, verdict[ratio >= goalRatio])
}
