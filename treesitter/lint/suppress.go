package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

// suppressions are the rules that a comment waves through, by line. A comment holds for its own line and, where it stands alone,
// for the next one that is no comment.
type suppressions map[int][]string

var suppression = regexp.MustCompile(`fault:ignore\b[ \t]*([\w ,\t-]*)`)

func suppressionsOf(tree *treesitter.Tree) suppressions {
	out := suppressions{}
	if !strings.Contains(tree.Source, "fault:ignore") {
		return out
	}
	walk(tree.Root, func(n *treesitter.Node) bool {
		if !n.Comment() {
			return true
		}
		found := suppression.FindStringSubmatch(tree.Text(n))
		if found == nil {
			return false
		}
		// What follows a dash is the reason: fault:ignore some-rule -- it is bounded by the caller.
		names, _, _ := strings.Cut(found[1], "--")
		rules := strings.FieldsFunc(names, func(r rune) bool { return strings.ContainsRune(" ,\t", r) })
		if len(rules) == 0 {
			rules = []string{"all"}
		}
		line, _ := tree.Position(n.Start)
		last, _ := tree.Position(max(n.Start, n.End-1))
		out[line] = append(out[line], rules...)
		if strings.TrimSpace(tree.Source[lineStart(tree, n.Start):n.Start]) == "" {
			out[last+1] = append(out[last+1], rules...)
		}
		return false
	})
	return out
}

func lineStart(tree *treesitter.Tree, at int) int {
	return strings.LastIndexByte(tree.Source[:at], '\n') + 1
}

func (s suppressions) covers(f Finding) bool {
	return slices.ContainsFunc(s[f.Line], func(rule string) bool { return rule == f.Rule || rule == "all" })
}
