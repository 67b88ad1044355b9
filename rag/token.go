package rag

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kljensen/snowball/english"
)

// maxToken is the length above which a run of letters is data rather than a word, in bytes.
const maxToken = 64

// stopWords carry no meaning in a question, and keywords of most languages say nothing about one piece of code.
var stopWords = wordSet(`a an and are as at be but by can do does for from has have how i if in into is it its me my no not of on or our
	so such that the their then there these this to was we what when where which who why will with you your
	func function def return var let const class struct self nil none null true false end else elif try`)

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// tokenizer turns text into search terms. It remembers the words that it has seen, and is not safe for concurrent use.
type tokenizer struct {
	// terms maps a word, as it stands in a text, to its term; the empty term means a stop word.
	terms  map[string]string
	buffer []byte
	// What follows serves count. known maps a run of letters to its terms, as indices into names; ids maps these back. counts has for
	// each of them how often the text at hand has it, and touched are those of which that is not 0.
	known   map[string][]uint32
	ids     map[string]uint32
	names   []string
	counts  []uint32
	touched []uint32
}

func newTokenizer() *tokenizer {
	return &tokenizer{terms: map[string]string{}, known: map[string][]uint32{}, ids: map[string]uint32{}}
}

// maxRemembered bounds a tokenizer's memory, in words, maxKnown in runs of letters and in terms.
const (
	maxRemembered = 1 << 18
	maxKnown      = 1 << 15
)

// each calls add with every term of a text. An identifier gives the stems of its words (parseURLQuery: pars, url, queri) and, if it has
// several, itself in lower case without underscores.
func (t *tokenizer) each(text string, add func(term string)) {
	runs(text, func(run string) { t.identifier(run, add) })
}

// tally counts every term of a text weight times.
func (t *tokenizer) tally(text string, weight uint32) {
	runs(text, func(run string) {
		ids, ok := t.known[run]
		if !ok {
			ids = t.identify(run)
		}
		for _, id := range ids {
			if t.counts[id] == 0 {
				t.touched = append(t.touched, id)
			}
			t.counts[id] += weight
		}
	})
}

// identify finds the terms of a run, and remembers them: a look into a map for every run, not for all words in it, is a good part of the
// time that indexing takes.
func (t *tokenizer) identify(run string) []uint32 {
	ids := []uint32{}
	t.identifier(run, func(term string) {
		id, ok := t.ids[term]
		if !ok {
			id = uint32(len(t.names))
			t.ids[term] = id
			t.names, t.counts = append(t.names, term), append(t.counts, 0)
		}
		ids = append(ids, id)
	})
	if len(t.known) >= maxKnown {
		clear(t.known)
	}
	t.known[strings.Clone(run)] = ids
	return ids
}

// tallied returns what was counted, and begins anew.
func (t *tokenizer) tallied() []counted {
	out := make([]counted, len(t.touched))
	for i, id := range t.touched {
		out[i] = counted{t.names[id], t.counts[id]}
		t.counts[id] = 0
	}
	t.touched = t.touched[:0]
	if len(t.names) >= maxKnown {
		clear(t.known)
		clear(t.ids)
		t.names, t.counts = nil, nil
	}
	return out
}

// runs calls each with every run of letters, digits and underscores in a text that is not too long.
func runs(text string, each func(run string)) {
	for i := 0; i < len(text); {
		start := i
		for i < len(text) {
			if b := text[i]; b < utf8.RuneSelf {
				if !wordByte[b] {
					break
				}
				i++
				continue
			}
			r, size := utf8.DecodeRuneInString(text[i:])
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
				break
			}
			i += size
		}
		if i == start {
			_, size := utf8.DecodeRuneInString(text[i:])
			i += size
			continue
		}
		if i-start <= maxToken {
			each(text[start:i])
		}
	}
}

var wordByte = func() (set [utf8.RuneSelf]bool) {
	for b := range set {
		c := rune(b)
		set[b] = c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c)
	}
	return set
}()

// identifier gives the terms of one identifier.
func (t *tokenizer) identifier(text string, add func(term string)) {
	words := 0
	for rest := text; rest != ""; {
		var word string
		word, rest = nextWord(rest)
		if word == "" {
			continue
		}
		words++
		if term := t.term(word); term != "" {
			add(term)
		}
	}
	if words > 1 {
		t.buffer = t.buffer[:0]
		for i := range len(text) {
			if text[i] != '_' {
				t.buffer = append(t.buffer, text[i])
			}
		}
		if term := t.whole(t.buffer); term != "" {
			add(term)
		}
	}
}

// nextWord cuts the first word off an identifier: at underscores, before a capital after a small letter, before the last capital of
// a run that a small letter follows (HTTPServer: HTTP, Server), and between letters and digits.
func nextWord(text string) (word, rest string) {
	start := 0
	for start < len(text) && text[start] == '_' {
		start++
	}
	previous := classOf(text[start:])
	for i := start; i < len(text); {
		size := 1
		if text[i] >= utf8.RuneSelf {
			_, size = utf8.DecodeRuneInString(text[i:])
		}
		class := classOf(text[i:])
		if i > start {
			switch {
			case class == classNone:
				return text[start:i], text[i:]
			case class == classDigit != (previous == classDigit):
				return text[start:i], text[i:]
			case class == classUpper && previous == classLower:
				return text[start:i], text[i:]
			case class == classUpper && previous == classUpper && classOf(text[i+size:]) == classLower && !pluralS(text[i+size:]):
				return text[start:i], text[i:]
			}
		}
		previous = class
		i += size
	}
	return text[start:], ""
}

// pluralS reports whether a run of capitals ends in a lone small s, as in URLs or IDsByName.
func pluralS(text string) bool {
	return text[0] == 's' && (len(text) == 1 || classOf(text[1:]) != classLower)
}

type charClass byte

const (
	classNone charClass = iota
	classLower
	classUpper
	classDigit
)

func classOf(text string) charClass {
	if text == "" {
		return classNone
	}
	b := text[0]
	switch {
	case 'a' <= b && b <= 'z':
		return classLower
	case 'A' <= b && b <= 'Z':
		return classUpper
	case '0' <= b && b <= '9':
		return classDigit
	case b < utf8.RuneSelf:
		return classNone
	}
	r, _ := utf8.DecodeRuneInString(text)
	switch {
	case unicode.IsUpper(r):
		return classUpper
	case unicode.IsDigit(r):
		return classDigit
	}
	return classLower
}

// term returns the stem of a word, or "" for a stop word.
func (t *tokenizer) term(word string) string {
	if term, ok := t.terms[word]; ok {
		return term
	}
	lower := strings.ToLower(word)
	term := ""
	switch {
	case stopWords[lower] || len(lower) == 1 && lower[0] < utf8.RuneSelf && (lower[0] < '0' || lower[0] > '9'):
	case lower[0] >= '0' && lower[0] <= '9':
		term = lower
	default:
		if full, ok := abbreviations[lower]; ok {
			lower = full
		}
		term = english.Stem(lower, false)
	}
	t.remember(word, term)
	return term
}

// whole returns the term of a whole identifier. The key cannot be taken for a word: it ends in a blank.
func (t *tokenizer) whole(text []byte) string {
	text = append(text, ' ')
	if term, ok := t.terms[string(text)]; ok {
		return term
	}
	term := strings.ToLower(string(text[:len(text)-1]))
	t.remember(string(text), term)
	return term
}

func (t *tokenizer) remember(key, term string) {
	if len(t.terms) >= maxRemembered {
		clear(t.terms)
	}
	t.terms[strings.Clone(key)] = strings.Clone(term)
}
