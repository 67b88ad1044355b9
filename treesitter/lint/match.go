package lint

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/fault-project/fault/treesitter"
)

// checker holds what the matches in one source text share.
type checker struct {
	tree *treesitter.Tree
	// code is the source with comments turned to spaces.
	code         string
	language     treesitter.Language
	path         string
	suppressions suppressions
	// partial says that the source is a part of a file, whose imports are elsewhere.
	partial bool
}

// match is one place where a rule's query fits.
type match struct {
	*checker
	rule     *Rule
	captures map[string][]*treesitter.Node
}

// finding applies the predicates, and returns the finding with its fix if all hold.
func (m *match) finding(predicates []treesitter.Predicate) (Finding, *Edit, bool) {
	at := m.captures["at"]
	if len(at) == 0 || m.broken(at[0]) {
		return Finding{}, nil, false
	}
	for _, p := range predicates {
		if !m.holds(p) {
			return Finding{}, nil, false
		}
	}
	node := at[0]
	line, column := m.tree.Position(node.Start)
	column = utf8.RuneCountInString(m.tree.Line(line)[:column-1]) + 1
	end, _ := m.tree.Position(max(node.Start, node.End-1))
	snippet, _, _ := strings.Cut(m.tree.Text(node), "\n")
	return Finding{
		Rule: m.rule.ID, Severity: m.rule.Severity, Concerns: m.rule.Concerns, Message: m.expand(m.rule.Message, short), Why: m.rule.Why,
		Reference: m.rule.Reference, Path: m.path, Line: line, Column: column, EndLine: end, Snippet: clip(strings.TrimSpace(snippet), 160),
	}, m.edit(), true
}

// broken reports whether the definition around a node has a syntax error: nothing that it lacks can be told then.
func (m *match) broken(n *treesitter.Node) bool {
	if !m.tree.Broken {
		return false
	}
	found := false
	walk(m.definition(n), func(n *treesitter.Node) bool {
		found = found || n.Broken
		return !found
	})
	return found
}

var reference = regexp.MustCompile(`\{(\w+)\}`)

// expand puts the text of captures in the place of {name}; what is no capture stays.
func (m *match) expand(text string, change func(string) string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		nodes := m.captures[ref[1:len(ref)-1]]
		if len(nodes) == 0 {
			return ref
		}
		value := m.tree.Text(nodes[0])
		if change != nil {
			value = change(value)
		}
		return value
	})
}

// short makes the text of a capture fit into a message.
func short(text string) string { return clip(strings.Join(strings.Fields(text), " "), 60) }

func clip(text string, limit int) string {
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit-1]) + "…"
}

// walk calls visit for a node and what is below it as long as it returns true, outer before inner.
func walk(n *treesitter.Node, visit func(*treesitter.Node) bool) {
	stack := []*treesitter.Node{n}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !visit(n) {
			continue
		}
		for i := len(n.Children) - 1; i >= 0; i-- {
			stack = append(stack, n.Children[i])
		}
	}
}

// blank returns the source with comments turned to spaces, so that offsets stay.
func blank(tree *treesitter.Tree) string {
	out := []byte(tree.Source)
	walk(tree.Root, func(n *treesitter.Node) bool {
		if !n.Comment() {
			return true
		}
		for i := n.Start; i < n.End; i++ {
			if out[i] != '\n' {
				out[i] = ' '
			}
		}
		return false
	})
	return string(out)
}
