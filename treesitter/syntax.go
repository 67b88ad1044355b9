package treesitter

import (
	"sort"
	"strings"
	"sync"
)

// Node is one node of a [Tree]. Trees are plain values, independent of the parser; nobody may change them.
type Node struct {
	// Type is the grammar's name of the node, Field the name of the place that it has in its parent, "" for none.
	Type, Field string
	// Named nodes are those that the grammar names; the others are keywords and punctuation.
	Named bool
	// Broken marks what could not be parsed, or was made up by the parser.
	Broken bool
	// Start and End delimit the source text of the node, in bytes.
	Start, End int
	Parent     *Node
	Children   []*Node
}

// Child returns the child that has a field's name, or nil.
func (n *Node) Child(field string) *Node {
	for _, c := range n.Children {
		if c.Field == field {
			return c
		}
	}
	return nil
}

// NamedChildren returns the named children without comments.
func (n *Node) NamedChildren() []*Node {
	out := make([]*Node, 0, len(n.Children))
	for _, c := range n.Children {
		if c.Named && !c.Comment() {
			out = append(out, c)
		}
	}
	return out
}

// Comment reports whether the node is a comment.
func (n *Node) Comment() bool { return strings.HasSuffix(n.Type, "comment") }

// Tree is the syntax tree of a source text.
type Tree struct {
	Source string
	Root   *Node
	// Broken says that the source has syntax errors.
	Broken bool

	lines []int // where each line begins
}

// Text returns the source text of a node.
func (t *Tree) Text(n *Node) string { return t.Source[n.Start:n.End] }

// Position returns the line and column of an offset, both from 1; columns count bytes.
func (t *Tree) Position(offset int) (line, column int) {
	at := sort.SearchInts(t.lines, offset+1)
	return at, offset - t.lines[at-1] + 1
}

// Line returns the text of a line, counted from 1, without its end.
func (t *Tree) Line(line int) string {
	start, end := t.lines[line-1], len(t.Source)
	if line < len(t.lines) {
		end = t.lines[line] - 1
	}
	return strings.TrimSuffix(t.Source[start:end], "\r")
}

// Lines counts the lines of the source; a last one without any text does not count.
func (t *Tree) Lines() int {
	if n := len(t.lines); n > 1 && t.lines[n-1] == len(t.Source) {
		return n - 1
	}
	return len(t.lines)
}

func newTree(source string) *Tree {
	t := &Tree{Source: source, lines: []int{0}}
	for at := 0; ; {
		next := strings.IndexByte(source[at:], '\n')
		if next < 0 {
			return t
		}
		at += next + 1
		t.lines = append(t.lines, at)
	}
}

// Patterns are queries for one language, in the parser's query language, compiled when they are first used. They may be used
// concurrently.
type Patterns struct {
	language Language
	queries  []string
	compile  sync.Once
	compiled []*compiledPatterns // one for each parser of the language
	err      error
}

// NewPatterns returns the patterns of some queries.
func NewPatterns(language Language, queries []string) *Patterns {
	return &Patterns{language: language, queries: queries}
}

// PatternMatch is a place where a pattern fits.
type PatternMatch struct {
	// Query is the index of the query.
	Query int
	// Captures holds the nodes by the name of the capture, in the order of the source.
	Captures map[string][]*Node
	// Predicates are those of the pattern, in order. None is applied.
	Predicates []Predicate
}

// Predicate is a condition that a pattern writes down, such as (#eq? @a "b").
type Predicate struct {
	// Name has no # in front.
	Name string
	Args []PredicateArg
}

// PredicateArg is an argument of a predicate: the name of a capture, or a text.
type PredicateArg struct {
	Capture bool
	Text    string
}
