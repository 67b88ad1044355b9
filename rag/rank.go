package rag

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
)

// maxTerms bounds the terms of a question; what is more is the text of a whole file, of which the first words say enough.
const maxTerms = 64

// What counts how much, as `make bench-retrieval` found it best.
const (
	// repeatPower is what the number of times that a word is said is raised to.
	repeatPower = 0.7
	// fileWeight is what the best chunks of a file, word by word, count for each of its chunks.
	fileWeight = 0.1
	// parameterWeight is what it adds to a score when the question has all of many parameters of a function: of n it has k, and
	// that adds k/(n+1) of it.
	parameterWeight = 0.6
	// privateFactor is what definitions count that only their own package or class should use: they are asked for less often.
	privateFactor = 0.85
)

// roleFactor is what the score of a chunk is multiplied with.
var roleFactor = map[role]float64{roleSource: 1, roleTest: 0.5, roleDocument: 0.6, roleExample: 0.7}

// reranked is how many of the best candidates are compared with the question once more, by their parameters.
const reranked = 100

// ranked is one candidate: a chunk, how it matched, and its score.
type ranked struct {
	doc   uint32
	chunk *Chunk // with its text
	tier  int
	score float64
	why   string
}

// The tiers: an exact identifier goes before everything that merely has its words.
const (
	tierWords = iota
	tierName  // the name in another letter case
	tierExact
)

// rank returns the best candidates, the best first. question is the vector of the query, and weight the share of the similarity to it in
// the score; nil means words alone.
func (l *loaded) rank(ctx context.Context, q Query, question []float32, weight float64) ([]ranked, error) {
	keep := l.filter(q)
	scores := make([]float64, len(l.snapshot.Chunks))
	hits := make([]uint64, len(scores))
	words := l.scoreWords(q.Text, scores, hits)
	names := identifiers(q.Text)
	if !meant(q.Text, len(words), len(names)) {
		names = nil
	}
	handles := map[uint32]string{}
	if o, ok := operationOf(q.Text); ok && meant(q.Text, len(words), 1) {
		for _, r := range l.handlers(o) {
			handles[r.doc] = r.why
		}
	}
	near := make([]bool, len(scores))
	if question != nil {
		similar, err := l.similar(ctx, question, scores, keep)
		if err != nil {
			return nil, err
		}
		near = fuse(scores, similar, weight)
	}
	var out []ranked
	for i := range scores {
		c := &l.snapshot.Chunks[i]
		tier, name := tierOf(c, names)
		if handles[uint32(i)] != "" {
			tier = tierExact
		}
		if hits[i] == 0 && !near[i] && tier == tierWords || !keep(uint32(i)) {
			continue
		}
		r := ranked{doc: uint32(i), tier: tier, score: scores[i] * l.factors[i]}
		if tier > tierWords {
			r.why = cmp.Or(handles[uint32(i)], "definition of "+name)
		}
		out = insert(out, r, max(reranked, q.Limit), l.better)
	}
	if err := l.addTexts(ctx, out); err != nil {
		return nil, err
	}
	parameters := l.rerank(q, out)
	out = out[:min(len(out), q.Limit)]
	for i := range out {
		if out[i].why != "" {
			continue
		}
		doc := out[i].doc
		var why []string
		if hits[doc] != 0 {
			why = append(why, "matches "+strings.Join(wordsOf(hits[doc], words), ", "))
		}
		if found := parameters[doc]; len(found) > 0 {
			why = append(why, "has the parameters "+strings.Join(found, ", "))
		}
		if near[doc] {
			why = append(why, "similar to the question")
		}
		out[i].why = strings.Join(why, "; ")
	}
	return out, nil
}

// rerank compares candidates with the question by their parameters and orders them anew. It returns which parameters each has of the
// question.
func (l *loaded) rerank(q Query, list []ranked) map[uint32][]string {
	said := spellings(q.Text)
	parameters := make(map[uint32][]string, len(list))
	for i := range list {
		r := &list[i]
		all, found := parametersIn(r.chunk, said)
		r.score *= 1 + parameterWeight*float64(len(found))/float64(all+1)
		parameters[r.doc] = found
	}
	slices.SortFunc(list, l.better)
	return parameters
}

// factorOf returns what the score of a chunk is multiplied with for what it is.
func factorOf(c *Chunk, r role) float64 {
	if private(c) {
		return roleFactor[r] * privateFactor
	}
	return roleFactor[r]
}

// better orders candidates, the best first.
func (l *loaded) better(a, b ranked) int {
	if a.tier != b.tier {
		return b.tier - a.tier
	}
	if a.tier > tierWords && l.roles[a.doc] != l.roles[b.doc] {
		return int(l.roles[a.doc]) - int(l.roles[b.doc])
	}
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.doc, b.doc))
}

// insert puts a candidate into a sorted list of at most limit.
func insert(list []ranked, r ranked, limit int, order func(a, b ranked) int) []ranked {
	if len(list) == limit {
		if order(r, list[limit-1]) >= 0 {
			return list
		}
		list = list[:limit-1]
	}
	i, _ := slices.BinarySearchFunc(list, r, order)
	return slices.Insert(list, i, r)
}

// weighted is a term of a question, or one that goes with those, and how much it counts.
type weighted struct {
	term   string
	weight float64
}

// questionTerms returns the terms of a text, in their order, and after those what goes with them. asked is the number of the former. What
// goes with several words, or is one itself, counts as much as by the strongest.
func questionTerms(tokens *tokenizer, text string) (terms []weighted, asked int) {
	at := map[string]int{}
	tokens.each(text, func(term string) {
		i, ok := at[term]
		if !ok {
			if len(terms) == maxTerms {
				return
			}
			i, at[term] = len(terms), len(terms)
			terms = append(terms, weighted{term: term})
		}
		terms[i].weight++
	})
	asked = len(terms)
	said := make([]float64, asked)
	for i := range terms {
		said[i] = math.Pow(terms[i].weight, repeatPower)
		terms[i].weight = said[i]
	}
	for i := range said {
		for _, a := range associations[terms[i].term] {
			k, ok := at[a.term]
			if !ok {
				k, at[a.term] = len(terms), len(terms)
				terms = append(terms, weighted{term: a.term})
			}
			terms[k].weight = max(terms[k].weight, said[i]*a.weight)
		}
	}
	return terms, asked
}

// scoreWords adds up the scores of the words of a text. Bit i of hits says that the chunk has word i of those that it returns.
func (l *loaded) scoreWords(text string, scores []float64, hits []uint64) (words []string) {
	tokens := newTokenizer()
	terms, asked := questionTerms(tokens, text)
	files := make([]float64, len(scores))
	for i, t := range terms {
		bit := uint64(0)
		if i < asked {
			bit = 1 << i
		}
		l.scoreTerm(t, scores, files, func(doc uint32) { hits[doc] |= bit })
	}
	for doc := range scores {
		if hits[doc] != 0 {
			scores[doc] += fileWeight * files[l.files[doc]]
		}
	}
	// The stems are shown as the words that they come from.
	shown := make([]string, asked)
	for i := range shown {
		shown[i] = terms[i].term
	}
	for word, term := range tokens.terms {
		i := slices.IndexFunc(terms[:asked], func(t weighted) bool { return t.term == term })
		if i < 0 {
			continue
		}
		if w := strings.ToLower(strings.TrimSpace(word)); shown[i] == term || w < shown[i] {
			shown[i] = w
		}
	}
	return shown
}

// scoreTerm adds the score of a term to those of the chunks, and the best of each file to that of the file, which stands under the
// number of the file's first chunk.
func (l *loaded) scoreTerm(t weighted, scores, files []float64, hit func(doc uint32)) {
	file, best := uint32(0), 0.0
	l.terms.score(t.term, t.weight, evidence[t.term], scores, func(doc uint32, added float64) {
		if f := l.files[doc]; f != file {
			files[file] += best
			file, best = f, 0
		}
		best = max(best, added)
		hit(doc)
	})
	if int(file) < len(files) { // an index may be empty
		files[file] += best
	}
}

func wordsOf(hits uint64, words []string) []string {
	var out []string
	for i, w := range words {
		if hits&(1<<i) != 0 && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
