package rag

import (
	"strings"
	"testing"
)

// Words of one stem share an entry: what is listed twice would count as the last list says.
func TestEvidenceIsListedOnce(t *testing.T) {
	if len(evidence) < 300 {
		t.Fatalf("%d terms", len(evidence))
	}
	for term, v := range evidence {
		if v == 0 || v < -3 || v > 3 {
			t.Errorf("%s counts %v", term, v)
		}
	}
	levels := map[float64]string{-1: "parses others", 2: "parse"}
	if got := evidenceOf(levels); got["pars"] != 2 || got["other"] != -1 {
		t.Errorf("evidence %v: the higher level must hold", got)
	}
	if evidence["whether"] >= 0 || evidence["token"] <= 0 {
		t.Errorf("whether %v, token %v", evidence["whether"], evidence["token"])
	}
}

func TestAssociations(t *testing.T) {
	for term, list := range associations {
		for i, a := range list {
			if a.term == term || a.weight <= 0 || a.weight > 1.5 || strings.Contains(a.term, " ") {
				t.Errorf("%s goes with %+v", term, a)
			}
			for _, b := range list[:i] {
				if a.term == b.term {
					t.Errorf("%s goes with %s twice", term, a.term)
				}
			}
		}
	}
	terms, asked := questionTerms(newTokenizer(), "reports whether the file is open, open")
	got := map[string]float64{}
	for _, w := range terms {
		got[w.term] = w.weight
	}
	if asked != 4 || len(terms) != 5 || got["boolean"] != 1.2 || got["file"] != 1 || got["open"] <= 1.6 || got["open"] >= 1.7 {
		t.Errorf("%d asked, %v", asked, got)
	}
}
