package rag

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// The constants of BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009), as `make bench-retrieval` found them
// best: chunks are of one definition each, and a long one has more of every word without being more about it.
const (
	bm25K1 = 1.6
	bm25B  = 1
)

// The weights of the fields of a chunk: how often a term in it counts.
const (
	weightBody      = 1
	weightSignature = 1 // in addition to that of the body
	weightPath      = 1
	weightName      = 3
)

// lexical is an inverted index over chunks: for each term the chunks that have it and how often. It is immutable. Documents
// are numbered from 0 in the order of their chunk IDs.
type lexical struct {
	ids     []uint32 // chunk IDs, growing
	lengths []uint32 // weighted number of terms
	total   uint64   // sum of lengths
	// Term i is termText[termAt[i]:termAt[i+1]]; terms are sorted. Its postings are in postings[postAt[i]:postAt[i+1]]: for each
	// document the difference to the one before, then the weighted count, as varints.
	termAt, postAt []uint32
	termText       []byte
	postings       []byte
}

// lexicalBuilder collects documents in the order of their IDs.
type lexicalBuilder struct {
	ids, lengths []uint32
	terms        map[string]*postingList
}

type postingList struct {
	bytes []byte
	last  uint32 // the number of the last document, plus one
}

func newLexicalBuilder() *lexicalBuilder {
	return &lexicalBuilder{terms: map[string]*postingList{}}
}

// counted is what one chunk has of one term.
type counted struct {
	term  string
	count uint32
}

// count returns the weighted terms of a chunk.
func (t *tokenizer) count(c *Chunk) []counted {
	t.tally(c.Text, weightBody)
	t.tally(c.Header, weightBody)
	whole, _ := signature(c)
	t.tally(whole, weightSignature)
	t.tally(c.Path, weightPath)
	t.tally(c.Name, weightName)
	t.tally(routeText(c), weightPath)
	return t.tallied()
}

// add appends a document. IDs must grow.
func (b *lexicalBuilder) add(id uint32, terms []counted) {
	doc := uint32(len(b.ids))
	length := uint32(0)
	for _, t := range terms {
		list := b.terms[t.term]
		if list == nil {
			list = &postingList{}
			b.terms[t.term] = list
		}
		list.bytes = binary.AppendUvarint(list.bytes, uint64(doc+1-list.last))
		list.bytes = binary.AppendUvarint(list.bytes, uint64(t.count))
		list.last = doc + 1
		length += t.count
	}
	b.ids = append(b.ids, id)
	b.lengths = append(b.lengths, length)
}

// build returns what was collected.
func (b *lexicalBuilder) build() (*lexical, error) {
	terms := make([]string, 0, len(b.terms))
	for term := range b.terms {
		terms = append(terms, term)
	}
	slices.Sort(terms)
	l := &lexical{ids: b.ids, lengths: b.lengths, termAt: []uint32{0}, postAt: []uint32{0}}
	text, postings := 0, 0
	for term, list := range b.terms {
		text, postings = text+len(term), postings+len(list.bytes)
	}
	l.termText, l.postings = make([]byte, 0, text), make([]byte, 0, postings)
	for _, n := range b.lengths {
		l.total += uint64(n)
	}
	for _, term := range terms {
		if err := l.appendTerm([]byte(term), b.terms[term].bytes); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// appendTerm adds the next term in order.
func (l *lexical) appendTerm(term, postings []byte) error {
	l.termText = append(l.termText, term...)
	l.postings = append(l.postings, postings...)
	if len(l.termText) > math.MaxUint32 || len(l.postings) > math.MaxUint32 {
		return errors.New("too much text for one index: index a smaller directory")
	}
	l.termAt = append(l.termAt, uint32(len(l.termText)))
	l.postAt = append(l.postAt, uint32(len(l.postings)))
	return nil
}

func (l *lexical) terms() int        { return len(l.termAt) - 1 }
func (l *lexical) term(i int) []byte { return l.termText[l.termAt[i]:l.termAt[i+1]] }

func (l *lexical) posts(i int) postingReader {
	return postingReader{rest: l.postings[l.postAt[i]:l.postAt[i+1]], docs: uint32(len(l.ids))}
}

// mergeLexical joins indexes whose IDs follow each other, without the documents that keep refuses.
func mergeLexical(keep func(id uint32) bool, parts ...*lexical) (*lexical, error) {
	out := &lexical{termAt: []uint32{0}, postAt: []uint32{0}}
	type cursor struct {
		*lexical
		next    int      // term
		numbers []uint32 // new number of each document plus one, or 0
	}
	var cursors []*cursor
	for _, p := range parts {
		if p == nil {
			continue
		}
		c := &cursor{lexical: p, numbers: make([]uint32, len(p.ids))}
		for doc, id := range p.ids {
			if !keep(id) {
				continue
			}
			if n := len(out.ids); n > 0 && out.ids[n-1] >= id {
				return nil, fmt.Errorf("merge search terms: chunk %d comes after %d", id, out.ids[n-1])
			}
			out.ids = append(out.ids, id)
			out.lengths = append(out.lengths, p.lengths[doc])
			out.total += uint64(p.lengths[doc])
			c.numbers[doc] = uint32(len(out.ids))
		}
		cursors = append(cursors, c)
	}
	var postings []byte
	for {
		var least []byte
		for _, c := range cursors {
			if c.next < c.terms() && (least == nil || bytes.Compare(c.term(c.next), least) < 0) {
				least = c.term(c.next)
			}
		}
		if least == nil {
			return out, nil
		}
		postings = postings[:0]
		last := uint32(0)
		for _, c := range cursors {
			if c.next == c.terms() || !bytes.Equal(c.term(c.next), least) {
				continue
			}
			for r := c.posts(c.next); r.read(); {
				if n := c.numbers[r.doc]; n > 0 {
					postings = binary.AppendUvarint(postings, uint64(n-last))
					postings = binary.AppendUvarint(postings, uint64(r.count))
					last = n
				}
			}
			c.next++
		}
		if len(postings) == 0 {
			continue
		}
		if err := out.appendTerm(least, postings); err != nil {
			return nil, err
		}
	}
}

// postingReader reads the postings of a term one after the other. Damaged ones end early, and never name a document that is not
// there.
type postingReader struct {
	rest []byte
	docs uint32 // the number of documents
	// doc is the number of the document that was read last, count its count.
	doc, count uint32
	next       uint32
}

func (r *postingReader) read() bool {
	if len(r.rest) == 0 {
		return false
	}
	delta, n := binary.Uvarint(r.rest)
	count, m := binary.Uvarint(r.rest[max(n, 0):])
	if n <= 0 || m <= 0 {
		return false
	}
	r.rest = r.rest[n+m:]
	r.next += uint32(delta)
	r.doc, r.count = r.next-1, uint32(count)
	return r.doc < r.docs
}

// find returns the number of a term, or -1.
func (l *lexical) find(term string) int {
	i, ok := sort.Find(l.terms(), func(i int) int { return cmp.Compare(term, string(l.term(i))) })
	if !ok {
		return -1
	}
	return i
}

// leastIDF is what is left of the inverse document frequency of a term however little it says.
const leastIDF = 0.05

// score adds the BM25 score of a term that stands weight times in a question to the scores of all documents, and calls hit for each
// document that has it, in order, with what it added. evidence is added to the inverse document frequency, which takes no word
// to be likelier than another to be in what is asked for.
func (l *lexical) score(term string, weight, evidence float64, scores []float64, hit func(doc uint32, added float64)) {
	i := l.find(term)
	if i < 0 {
		return
	}
	frequency := 0
	for r := l.posts(i); r.read(); {
		frequency++
	}
	n := float64(len(l.ids))
	idf := math.Log(1 + (n-float64(frequency)+0.5)/(float64(frequency)+0.5))
	idf = max(idf+evidence, min(idf, leastIDF))
	average := float64(l.total) / n
	for r := l.posts(i); r.read(); {
		tf := float64(r.count)
		norm := bm25K1 * (1 - bm25B + bm25B*float64(l.lengths[r.doc])/average)
		added := weight * idf * tf * (bm25K1 + 1) / (tf + norm)
		scores[r.doc] += added
		hit(r.doc, added)
	}
}

// lexicalMagic begins the binary form and changes with it.
const lexicalMagic = "fault-terms-1\n"

// errDamaged says that the binary form cannot be read.
var errDamaged = fmt.Errorf("%w: its search terms cannot be read: index the directory again with rebuild", ErrDamaged)

// encode returns the binary form.
func (l *lexical) encode() []byte {
	size := len(lexicalMagic) + 4*8 + 4*(len(l.ids)*2+len(l.termAt)*2) + len(l.termText) + len(l.postings)
	out := make([]byte, 0, size)
	out = append(out, lexicalMagic...)
	for _, n := range []int{len(l.ids), len(l.termAt), len(l.termText), len(l.postings)} {
		out = binary.LittleEndian.AppendUint64(out, uint64(n))
	}
	for _, list := range [][]uint32{l.ids, l.lengths, l.termAt, l.postAt} {
		for _, v := range list {
			out = binary.LittleEndian.AppendUint32(out, v)
		}
	}
	out = append(out, l.termText...)
	return append(out, l.postings...)
}

// decodeLexical reads the binary form. The result shares memory with data. nil gives an empty index.
func decodeLexical(data []byte) (*lexical, error) {
	if len(data) == 0 {
		return &lexical{termAt: []uint32{0}, postAt: []uint32{0}}, nil
	}
	rest, ok := bytes.CutPrefix(data, []byte(lexicalMagic))
	if !ok || len(rest) < 4*8 {
		return nil, errDamaged
	}
	var sizes [4]uint64
	for i := range sizes {
		sizes[i] = binary.LittleEndian.Uint64(rest[8*i:])
		if sizes[i] > math.MaxUint32 {
			return nil, errDamaged
		}
	}
	rest = rest[4*8:]
	if uint64(len(rest)) != 8*sizes[0]+8*sizes[1]+sizes[2]+sizes[3] || sizes[1] == 0 {
		return nil, errDamaged
	}
	list := func(n uint64) []uint32 {
		out := make([]uint32, n)
		for i := range out {
			out[i] = binary.LittleEndian.Uint32(rest[4*i:])
		}
		rest = rest[4*n:]
		return out
	}
	l := &lexical{ids: list(sizes[0]), lengths: list(sizes[0]), termAt: list(sizes[1]), postAt: list(sizes[1])}
	l.termText, l.postings = rest[:sizes[2]], rest[sizes[2]:]
	for _, n := range l.lengths {
		l.total += uint64(n)
	}
	if !l.valid() {
		return nil, errDamaged
	}
	return l, nil
}

// valid reports whether all offsets stay inside: what is not valid must not be searched.
func (l *lexical) valid() bool {
	last := len(l.termAt) - 1
	if l.termAt[0] != 0 || l.postAt[0] != 0 || int(l.termAt[last]) != len(l.termText) || int(l.postAt[last]) != len(l.postings) {
		return false
	}
	if !slices.IsSorted(l.termAt) || !slices.IsSorted(l.postAt) || !slices.IsSorted(l.ids) {
		return false
	}
	return true
}
