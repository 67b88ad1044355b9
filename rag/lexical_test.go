package rag

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func termsOf(text string) []string {
	var out []string
	newTokenizer().each(text, func(term string) { out = append(out, term) })
	return out
}

func TestTokenizer(t *testing.T) {
	tests := []struct {
		text, want string
	}{
		{"parseURLQuery", "pars url queri parseurlquery"},
		{"HTTPServer2go", "http server 2 go httpserver2go"},
		{"snake_case_name", "snake case name snakecasename"},
		{"__init__", "initi"},
		{"sha256", "sha 256 sha256"},
		{"MAX_RETRIES", "maximum retri maxretries"},
		{"URLs of users", "url user"},
		{"userIDs", "user identifi userids"},
		{"retrying Retries", "retri" + " retri"},
		{"the of and", ""},
		{"a.b(c)", ""},
		{"x1", "1 x1"},
		{"überGröße straße", "über größe übergröße straße"},
		{"日本語", "日本語"},
		{"err != nil", "error"},
		{"", ""},
		{"_ __ -", ""},
		{strings.Repeat("a", maxToken+1), ""},
	}
	for _, tt := range tests {
		if got := strings.Join(termsOf(tt.text), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// What was remembered must not change what comes out.
func TestTokenizerRemembers(t *testing.T) {
	tokens := newTokenizer()
	collect := func(text string) (out []string) {
		tokens.each(text, func(term string) { out = append(out, term) })
		return out
	}
	for _, text := range []string{"getUserName", "Get_User_Name", "get user name", "GetUserName get"} {
		first, second := collect(text), collect(text)
		if !slices.Equal(first, second) || !slices.Equal(first, termsOf(text)) {
			t.Errorf("%q: %q, then %q, alone %q", text, first, second, termsOf(text))
		}
	}
}

func FuzzTokenizer(f *testing.F) {
	for _, s := range []string{"parseURLQuery", "a_b__c", "Ünïcode日本", "\xff\xfe", "A1b2C3", "ǅ", "x\u0301y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, term := range termsOf(text) {
			if term == "" || strings.ContainsAny(term, " _\n") {
				t.Fatalf("%q gives the term %q", text, term)
			}
		}
		for rest := text; rest != ""; {
			word, next := nextWord(rest)
			if len(next) >= len(rest) || len(word) > len(rest) {
				t.Fatalf("nextWord(%q) = %q, %q does not get on", rest, word, next)
			}
			rest = next
		}
	})
}

// naive is BM25 after the book: sums over documents, without an index.
func naive(docs [][]counted, query []string) []float64 {
	scores := make([]float64, len(docs))
	lengths := make([]float64, len(docs))
	total := 0.0
	tf := make([]map[string]float64, len(docs))
	for i, d := range docs {
		tf[i] = map[string]float64{}
		for _, c := range d {
			tf[i][c.term] += float64(c.count)
			lengths[i] += float64(c.count)
		}
		total += lengths[i]
	}
	for _, q := range query {
		df := 0.0
		for i := range docs {
			if tf[i][q] > 0 {
				df++
			}
		}
		if df == 0 {
			continue
		}
		idf := math.Log(1 + (float64(len(docs))-df+0.5)/(df+0.5))
		for i := range docs {
			if f := tf[i][q]; f > 0 {
				scores[i] += idf * f * 2.6 / (f + 1.6*lengths[i]*float64(len(docs))/total)
			}
		}
	}
	return scores
}

func randomDocs(r *rand.Rand, n int) [][]counted {
	docs := make([][]counted, n)
	for i := range docs {
		for _, term := range r.Perm(40)[:r.IntN(20)] {
			docs[i] = append(docs[i], counted{fmt.Sprintf("t%d", term), uint32(1 + r.IntN(6))})
		}
	}
	return docs
}

func buildFrom(t *testing.T, docs [][]counted, ids []uint32) *lexical {
	t.Helper()
	b := newLexicalBuilder()
	for i, d := range docs {
		b.add(ids[i], d)
	}
	l, err := b.build()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestBM25AgreesWithNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		docs := randomDocs(r, 1+r.IntN(60))
		ids := make([]uint32, len(docs))
		for i := range ids {
			ids[i] = uint32(i * 3)
		}
		l := buildFrom(t, docs, ids)
		for range 5 {
			query := []string{fmt.Sprintf("t%d", r.IntN(45)), fmt.Sprintf("t%d", r.IntN(45))}
			got := make([]float64, len(docs))
			for _, q := range query {
				l.score(q, 1, 0, got, func(uint32, float64) {})
			}
			for i, want := range naive(docs, query) {
				if math.Abs(got[i]-want) > 1e-9 {
					t.Fatalf("%d documents, query %v: document %d has %v, want %v", len(docs), query, i, got[i], want)
				}
			}
		}
	}
}

func TestLexicalEncodeDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	l := buildFrom(t, randomDocs(r, 30), sequence(30))
	data := l.encode()
	got, err := decodeLexical(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, got, cmp.AllowUnexported(lexical{})); diff != "" {
		t.Errorf("decode(encode) (-want +got):\n%s", diff)
	}
	if empty, err := decodeLexical(nil); err != nil || empty.terms() != 0 || empty.find("x") != -1 {
		t.Errorf("nothing decodes to %+v, %v", empty, err)
	}
	for n := range data {
		if _, err := decodeLexical(data[:n]); n > 0 && err == nil {
			t.Fatalf("%d of %d bytes decode", n, len(data))
		}
	}
}

func sequence(n int) []uint32 {
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(i)
	}
	return ids
}

func FuzzDecodeLexical(f *testing.F) {
	b := newLexicalBuilder()
	b.add(1, []counted{{"a", 1}, {"b", 2}})
	b.add(5, []counted{{"b", 1}})
	l, err := b.build()
	if err != nil {
		f.Fatal(err)
	}
	data := l.encode()
	f.Add(data)
	data = bytes.Clone(data)
	data[len(data)-2] = 200
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := decodeLexical(data)
		if err != nil {
			return
		}
		scores := make([]float64, len(l.ids))
		for i := range l.terms() {
			l.score(string(l.term(i)), 1, 0, scores, func(uint32, float64) {})
		}
		merged, err := mergeLexical(func(uint32) bool { return true }, l)
		if err != nil {
			return // IDs twice
		}
		if _, err := decodeLexical(merged.encode()); err != nil {
			t.Fatalf("what was merged cannot be read: %v", err)
		}
	})
}

// Merging parts and dropping documents must give what building the rest at once gives.
func TestMergeLexical(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		n := 3 + r.IntN(40)
		docs, ids := randomDocs(r, n), sequence(n)
		a, b := r.IntN(n), r.IntN(n)
		a, b = min(a, b), max(a, b)
		dropped := map[uint32]bool{}
		for range r.IntN(n) {
			dropped[uint32(r.IntN(n))] = true
		}
		keep := func(id uint32) bool { return !dropped[id] }
		got, err := mergeLexical(keep, buildFrom(t, docs[:a], ids[:a]), nil, buildFrom(t, docs[a:b], ids[a:b]), buildFrom(t, docs[b:], ids[b:]))
		if err != nil {
			t.Fatal(err)
		}
		var keptDocs [][]counted
		var keptIDs []uint32
		for i, d := range docs {
			if keep(uint32(i)) {
				keptDocs, keptIDs = append(keptDocs, d), append(keptIDs, uint32(i))
			}
		}
		want := buildFrom(t, keptDocs, keptIDs)
		if !bytes.Equal(got.encode(), want.encode()) {
			t.Fatalf("%d documents, cut at %d and %d, without %v: merged %+v, want %+v", n, a, b, slices.Sorted(maps.Keys(dropped)), got, want)
		}
	}
	first := buildFrom(t, randomDocs(r, 2), []uint32{4, 5})
	if _, err := mergeLexical(func(uint32) bool { return true }, first, first); err == nil {
		t.Error("documents twice, and no error")
	}
}
