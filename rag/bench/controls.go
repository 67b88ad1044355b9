//go:build cgo && unix

package main

import (
	"cmp"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fault-project/fault/rag"
)

// hit is one piece of source that a searcher offers, and about how many tokens it takes to read.
type hit struct {
	path, name string // name is "" when the piece is not a definition
	line, end  int
	tokens     int
}

// searcher returns the best hits for a question, best first. Within a budget of tokens only the hits that fit.
type searcher interface {
	search(text string, limit, budget int) ([]hit, error)
}

// overheadTokens is what the place and name of a hit take, as package rag counts it.
const overheadTokens = 30

func tokensOf(text string) int { return (len(text) + 3) / 4 }

// within cuts a list of hits at a budget. The first hit is always read.
func within(hits []hit, budget int) []hit {
	for i, h := range hits {
		if budget -= h.tokens + overheadTokens; budget < 0 && i > 0 {
			return hits[:i]
		}
	}
	return hits
}

// rawBM25 is BM25 (k1 1.2, b 0.75) over the words of the same chunks as they stand, in lower case.
type rawBM25 struct {
	chunks  []rag.Chunk
	posts   map[string]map[int]float64
	lengths []float64
	average float64
}

var rawWord = regexp.MustCompile(`\w+`)

func newRawBM25(chunks []rag.Chunk) *rawBM25 {
	r := &rawBM25{chunks: chunks, posts: map[string]map[int]float64{}, lengths: make([]float64, len(chunks))}
	for i := range chunks {
		for _, word := range rawWord.FindAllString(strings.ToLower(chunks[i].Text), -1) {
			if r.posts[word] == nil {
				r.posts[word] = map[int]float64{}
			}
			r.posts[word][i]++
			r.lengths[i]++
			r.average++
		}
	}
	r.average /= float64(max(len(chunks), 1))
	return r
}

func (r *rawBM25) search(text string, limit, budget int) ([]hit, error) {
	scores := map[int]float64{}
	n := float64(len(r.chunks))
	for _, word := range rawWord.FindAllString(strings.ToLower(text), -1) {
		frequency := float64(len(r.posts[word]))
		idf := math.Log(1 + (n-frequency+0.5)/(frequency+0.5))
		for i, tf := range r.posts[word] {
			scores[i] += idf * tf * 2.2 / (tf + 1.2*(0.25+0.75*r.lengths[i]/r.average))
		}
	}
	order := make([]int, 0, len(scores))
	for i := range scores {
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(scores[b], scores[a]), a-b) })
	order = order[:min(limit, len(order))]
	hits := make([]hit, 0, len(order))
	for _, i := range order {
		c := &r.chunks[i]
		hits = append(hits, hit{path: c.Path, name: c.Name, line: c.StartLine, end: c.EndLine, tokens: tokensOf(c.Text)})
	}
	return within(hits, budget), nil
}

// grep searches lines for the words of a question, as rg -i with one -e for each does, and reads around them: matches that are at most
// 2×around lines apart are one region, and regions with more different words come first. It is done here rather than by ripgrep,
// so that the control is the same on every machine.
type grep struct {
	paths []string
	lines [][]string // in lower case
	// found has the best regions for the questions that were asked: each is asked once for every budget.
	found sync.Map
}

// around is how many lines are read before and after a match.
const around = 10

func newGrep(dir string, chunks []rag.Chunk) (*grep, error) {
	g := &grep{}
	for i := range chunks {
		if path := chunks[i].Path; !slices.Contains(g.paths, path) {
			data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
			if err != nil {
				return nil, err
			}
			g.paths = append(g.paths, path)
			g.lines = append(g.lines, strings.Split(strings.ToLower(string(data)), "\n"))
		}
	}
	return g, nil
}

// prose are words that nobody would grep for.
var prose = strings.Fields(`a an and are as at be been but by can do does for from has have how if in into is it its may must no not of on
	only or should so such than that the their then there these they this to was were when where which who why will with would you your`)

type region struct {
	hit
	words   uint64
	matches int
}

func (g *grep) search(text string, limit, budget int) ([]hit, error) {
	if hits, ok := g.found.Load(text); ok {
		all := hits.([]hit) //nolint:forcetypeassert // nothing else is stored
		return within(all[:min(limit, len(all))], budget), nil
	}
	hits := g.regions(text)
	g.found.Store(text, hits)
	return within(hits[:min(limit, len(hits))], budget), nil
}

// regions returns the best regions for a question.
func (g *grep) regions(text string) []hit {
	var words []string
	for _, word := range rawWord.FindAllString(strings.ToLower(text), -1) {
		if len(word) > 1 && !slices.Contains(prose, word) && !slices.Contains(words, word) && len(words) < 64 {
			words = append(words, word)
		}
	}
	var regions []region
	for f, lines := range g.lines {
		var open *region
		for i, line := range lines {
			var set uint64
			for w, word := range words {
				if strings.Contains(line, word) {
					set |= 1 << w
				}
			}
			if set == 0 {
				continue
			}
			if open == nil || i+1-around > open.end+1 {
				regions = append(regions, region{hit: hit{path: g.paths[f], line: max(1, i+1-around)}})
				open = &regions[len(regions)-1]
			}
			open.words |= set
			open.matches++
			open.end = min(len(lines), i+1+around)
		}
	}
	slices.SortStableFunc(regions, func(a, b region) int {
		return cmp.Or(count(b.words)-count(a.words), (a.end-a.line)-(b.end-b.line))
	})
	regions = regions[:min(rag.MaxLimit, len(regions))]
	hits := make([]hit, 0, len(regions))
	for _, r := range regions {
		f := slices.Index(g.paths, r.path)
		for _, line := range g.lines[f][r.line-1 : r.end] {
			r.tokens += (len(line) + 1) / 4
		}
		hits = append(hits, r.hit)
	}
	return hits
}
