package lint

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

// Fix is how the finding of a rule is put right.
type Fix struct {
	// Action is one of:
	//   add-argument: Text becomes the last argument of the captured list of arguments
	//   replace: Text takes the place of the captured node
	//   context: the captured Go function becomes its variant with a context, which Text is
	//   line-after: Text becomes a line after the captured statement
	//   line-after-check: the same, after the check of the error that follows the statement in Go
	Action string
	// Capture names the node, Text may refer to captures as {name}.
	Capture, Text string
}

func parseFix(text string) (Fix, error) {
	action, rest, _ := strings.Cut(text, " ")
	capture, text, _ := strings.Cut(rest, " ")
	known := []string{"add-argument", "replace", "context", "line-after", "line-after-check"}
	if !slices.Contains(known, action) || !strings.HasPrefix(capture, "@") || text == "" {
		return Fix{}, fmt.Errorf("a fix is: %s @capture text", strings.Join(known, "|"))
	}
	return Fix{Action: action, Capture: capture[1:], Text: text}, nil
}

// Edit is a change of a source text: New takes the place of the bytes from Start to End.
type Edit struct {
	Start int    `json:"start"`
	End   int    `json:"end"`
	New   string `json:"new"`
}

// edit returns the change that a rule proposes, nil when it has none for this place.
func (m *match) edit() *Edit {
	fix := m.rule.Fix
	nodes := m.captures[fix.Capture]
	if fix.Action == "" || len(nodes) == 0 {
		return nil
	}
	node, text := nodes[0], m.expand(fix.Text, nil)
	switch fix.Action {
	case "add-argument":
		return m.addArgument(node, text)
	case "context":
		return m.withContext(node, text)
	case "replace":
		return &Edit{Start: node.Start, End: node.End, New: text}
	case "line-after-check":
		node = afterCheck(m.tree, node)
		fallthrough
	case "line-after":
		line, _ := m.tree.Position(node.Start)
		source := m.tree.Line(line)
		indent := source[:len(source)-len(strings.TrimLeft(source, " \t"))]
		return &Edit{Start: node.End, End: node.End, New: "\n" + indent + text}
	}
	return nil
}

func (m *match) addArgument(list *treesitter.Node, text string) *Edit {
	if len(list.Children) < 2 || m.tree.Text(list.Children[len(list.Children)-1]) != ")" {
		return nil
	}
	closing := list.Children[len(list.Children)-1]
	arguments := list.NamedChildren()
	if len(arguments) == 0 {
		return &Edit{Start: closing.Start, End: closing.Start, New: text}
	}
	last := arguments[len(arguments)-1]
	if last.Type == "generator_expression" || last.Type == "ERROR" {
		return nil
	}
	// Before a comma that is already there, and before a comment, as a list over several lines has them.
	return &Edit{Start: last.End, End: last.End, New: ", " + text}
}

// withContext turns f(a) into fContext(ctx, a), by the names that the standard library gives these pairs.
func (m *match) withContext(function *treesitter.Node, text string) *Edit {
	list := function.Parent.Child("arguments")
	name := m.tree.Text(function)
	if name == "http.NewRequest" {
		name += "With"
	}
	if list == nil {
		return nil
	}
	if len(list.NamedChildren()) > 0 {
		text += ", "
	}
	return &Edit{Start: function.Start, End: list.Start + 1, New: name + "Context(" + text}
}

// afterCheck returns the statement after which a result may be used: the check of the error, if one follows.
func afterCheck(tree *treesitter.Tree, statement *treesitter.Node) *treesitter.Node {
	if statement.Parent == nil {
		return statement
	}
	after := statement.Parent.Children[slices.Index(statement.Parent.Children, statement)+1:]
	for _, n := range after {
		switch {
		case !n.Named || n.Comment():
		case n.Type == "if_statement" && strings.Contains(tree.Text(n), "err != nil"):
			return n
		default:
			return statement
		}
	}
	return statement
}

// parses reports whether a source text without syntax errors has none after the edit, either.
func (e *Edit) parses(ctx context.Context, language treesitter.Language, tree *treesitter.Tree) bool {
	if tree.Broken {
		return false
	}
	clean, err := treesitter.Clean(ctx, language, []byte(tree.Source[:e.Start]+e.New+tree.Source[e.End:]))
	return err == nil && clean
}

// Apply applies edits to the text that they were made for. Of two that touch the same place the first one wins; it reports how many
// were applied.
func Apply(source string, edits []Edit) (string, int) {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit) int { return a.Start - b.Start })
	var b strings.Builder
	at, applied := 0, 0
	for i, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(source) || i > 0 && e == edits[i-1] {
			continue
		}
		b.WriteString(source[at:e.Start])
		b.WriteString(e.New)
		at = e.End
		applied++
	}
	b.WriteString(source[at:])
	return b.String(), applied
}
