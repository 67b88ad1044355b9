//go:build cgo

package lint

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fault-project/fault/treesitter"
)

// Every rule finds something in its bad example, nothing in its good one, and its fix is what its file says.
func TestRules(t *testing.T) {
	for _, rule := range Rules() {
		for _, language := range rule.Languages {
			t.Run(string(language)+"/"+rule.ID, func(t *testing.T) {
				only := Options{Rules: []string{rule.ID}}
				bad, err := Check(t.Context(), language, "bad", []byte(rule.Bad), only)
				if err != nil {
					t.Fatal(err)
				}
				if len(bad.Findings) == 0 {
					t.Error("nothing found in the bad example")
				}
				if bad.Warning != "" {
					t.Error(bad.Warning)
				}
				var edits []Edit
				for _, f := range bad.Findings {
					if strings.Contains(f.Message, "{") {
						t.Errorf("message has a hole: %s", f.Message)
					}
					if f.Fix != nil {
						edits = append(edits, *f.Fix)
					}
				}
				if fixed, _ := Apply(rule.Bad, edits); rule.Fixed != "" {
					if diff := cmp.Diff(rule.Fixed, fixed); diff != "" {
						t.Errorf("fixed (-want +got):\n%s", diff)
					}
				}
				good, err := Check(t.Context(), language, "good", []byte(rule.Good), only)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range good.Findings {
					t.Errorf("found in the good example: line %d: %s", f.Line, f.Snippet)
				}
				if clean, err := treesitter.Clean(t.Context(), language, []byte(rule.Good)); err != nil || !clean {
					t.Errorf("the good example has syntax errors, %v", err)
				}
			})
		}
	}
}

// A predicate that is not known would only show where a source gets as far as to it.
func TestPredicatesAreKnown(t *testing.T) {
	written := regexp.MustCompile(`\(#([\w-]+\?)`)
	ids := map[string]bool{}
	for _, rule := range Rules() {
		ids[rule.ID] = true
		for _, found := range written.FindAllStringSubmatch(rule.Query, -1) {
			if predicates[strings.TrimPrefix(found[1], "not-")] == nil {
				t.Errorf("%v %s: unknown predicate %s", rule.Languages, rule.ID, found[1])
			}
		}
	}
	if len(ids) < 20 {
		t.Errorf("%d rules", len(ids))
	}
	t.Logf("%d rules", len(ids))
}
