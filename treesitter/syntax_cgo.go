//go:build cgo

package treesitter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	sitter "github.com/smacker/go-tree-sitter"
)

// compiledPatterns are all queries of some Patterns, as one, for one parser.
type compiledPatterns struct {
	query      *sitter.Query
	captures   []string
	of         []int // the query that a pattern came from
	predicates [][]Predicate
}

// Search parses a source text and returns its tree and where the patterns fit, in the order of the source. The tree is nil when none
// does and the source has no syntax errors: making it costs more than a parse. Errors are those of [Parse], and that of a query that
// makes no sense.
func (p *Patterns) Search(ctx context.Context, src []byte) (*Tree, []PatternMatch, error) {
	p.compile.Do(func() { p.compiled, p.err = compilePatterns(p.language, p.queries) })
	if p.err != nil {
		return nil, nil, p.err
	}
	tree, which, err := parseBest(ctx, p.language, src)
	if err != nil {
		return nil, nil, err
	}
	defer tree.Close()
	c := p.compiled[which]
	cursor := sitter.NewQueryCursor()
	defer cursor.Close()
	cursor.Exec(c.query, tree.RootNode())
	var copied *copiedTree
	var matches []PatternMatch
	for {
		m, ok := cursor.NextMatch()
		if !ok {
			break
		}
		if copied == nil {
			copied = copyTree(tree.RootNode(), string(src))
		}
		match := PatternMatch{
			Query: c.of[m.PatternIndex], Captures: make(map[string][]*Node, len(m.Captures)), Predicates: c.predicates[m.PatternIndex],
		}
		for _, capture := range m.Captures {
			name := c.captures[capture.Index]
			if node := copied.nodes[capture.Node.ID()]; node != nil {
				match.Captures[name] = append(match.Captures[name], node)
			}
		}
		matches = append(matches, match)
	}
	switch {
	case copied == nil && !tree.RootNode().HasError():
		return nil, nil, nil
	case copied == nil:
		copied = copyTree(tree.RootNode(), string(src))
	}
	return copied.tree, matches, nil
}

// Clean reports whether a source text has no syntax errors.
func Clean(ctx context.Context, language Language, src []byte) (bool, error) {
	tree, _, err := parseBest(ctx, language, src)
	if err != nil {
		return false, err
	}
	defer tree.Close()
	return !tree.RootNode().HasError(), nil
}

// parseBest parses with the first parser of the language that finds no syntax error, else with the first of all.
func parseBest(ctx context.Context, language Language, src []byte) (*sitter.Tree, int, error) {
	candidates := parsers[language]
	if len(candidates) == 0 {
		return nil, 0, fmt.Errorf("no parser for language %q: have %v", language, Languages())
	}
	if err := check(src); err != nil {
		return nil, 0, err
	}
	var first *sitter.Tree
	for i, p := range candidates {
		tree, err := parseWith(ctx, p.language(), src)
		switch {
		case err != nil && first == nil:
			return nil, 0, err
		case err != nil:
			return first, 0, ctx.Err()
		case !tree.RootNode().HasError():
			if first != nil {
				first.Close()
			}
			return tree, i, nil
		case first == nil:
			first = tree
		default:
			tree.Close()
		}
	}
	return first, 0, nil
}

func parseWith(ctx context.Context, language *sitter.Language, src []byte) (*sitter.Tree, error) {
	sp := sitter.NewParser()
	defer sp.Close()
	sp.SetLanguage(language)
	sp.SetOperationLimit(int(parseLimit / time.Microsecond))
	tree, err := sp.ParseCtx(ctx, nil, src)
	if errors.Is(err, sitter.ErrOperationLimit) {
		return nil, fmt.Errorf("%w: more than %v", ErrTooSlow, parseLimit)
	}
	return tree, err
}

func compilePatterns(language Language, queries []string) ([]*compiledPatterns, error) {
	out := make([]*compiledPatterns, 0, 2)
	for _, p := range parsers[language] {
		c := &compiledPatterns{}
		var all strings.Builder
		for i, text := range queries {
			one, err := sitter.NewQuery([]byte(text), p.language())
			if err != nil {
				return nil, fmt.Errorf("query %d of %s: %w", i, language, err)
			}
			c.of = append(c.of, slices.Repeat([]int{i}, int(one.PatternCount()))...)
			one.Close()
			all.WriteString(text + "\n")
		}
		var err error
		if c.query, err = sitter.NewQuery([]byte(all.String()), p.language()); err != nil {
			return nil, fmt.Errorf("queries of %s: %w", language, err)
		}
		for i := range c.query.CaptureCount() {
			c.captures = append(c.captures, c.query.CaptureNameForId(i))
		}
		for i := range c.query.PatternCount() {
			c.predicates = append(c.predicates, c.predicatesOf(i))
		}
		out = append(out, c)
	}
	return out, nil
}

func (c *compiledPatterns) predicatesOf(pattern uint32) []Predicate {
	steps := c.query.PredicatesForPattern(pattern)
	out := make([]Predicate, 0, len(steps))
	for _, steps := range steps {
		var p Predicate
		for i, s := range steps {
			switch {
			case s.Type == sitter.QueryPredicateStepTypeDone:
			case i == 0:
				p.Name = c.query.StringValueForId(s.ValueId)
			case s.Type == sitter.QueryPredicateStepTypeCapture:
				p.Args = append(p.Args, PredicateArg{Capture: true, Text: c.captures[s.ValueId]})
			default:
				p.Args = append(p.Args, PredicateArg{Text: c.query.StringValueForId(s.ValueId)})
			}
		}
		out = append(out, p)
	}
	return out
}

// copiedTree is a tree with the way from the parser's nodes to its own.
type copiedTree struct {
	tree  *Tree
	nodes map[uintptr]*Node
}

// copyTree copies a tree without recursion: source may nest deeper than a stack is meant to.
func copyTree(root *sitter.Node, source string) *copiedTree {
	c := &copiedTree{tree: newTree(source), nodes: map[uintptr]*Node{}}
	c.tree.Broken = root.HasError()
	cursor := sitter.NewTreeCursor(root)
	defer cursor.Close()
	types := map[sitter.Symbol]string{}
	var parent *Node
	for {
		n := cursor.CurrentNode()
		symbol := n.Symbol()
		name, known := types[symbol]
		if !known {
			name = n.Type()
			types[symbol] = name
		}
		node := &Node{
			Type: name, Field: cursor.CurrentFieldName(), Named: n.IsNamed(), Broken: n.IsError() || n.IsMissing(),
			Start: int(n.StartByte()), End: min(int(n.EndByte()), len(source)), Parent: parent,
		}
		c.nodes[n.ID()] = node
		if parent == nil {
			c.tree.Root = node
		} else {
			parent.Children = append(parent.Children, node)
		}
		if cursor.GoToFirstChild() {
			parent = node
			continue
		}
		for !cursor.GoToNextSibling() {
			if !cursor.GoToParent() {
				return c
			}
			parent = parent.Parent
		}
	}
}
