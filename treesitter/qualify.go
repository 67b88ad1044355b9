package treesitter

import (
	"slices"
	"strings"
)

// qualify orders definitions by their place, drops those that two patterns found, and gives each its parent and its
// qualified name. receivers names the type of the methods that stand outside of it, by StartByte.
func qualify(found []Definition, receivers map[int]string) []Definition {
	slices.SortStableFunc(found, func(a, b Definition) int {
		if a.StartByte != b.StartByte {
			return a.StartByte - b.StartByte
		}
		return b.EndByte - a.EndByte
	})
	found = slices.CompactFunc(found, func(a, b Definition) bool {
		return a.StartByte == b.StartByte && a.EndByte == b.EndByte && a.Name == b.Name
	})
	var open []int // the definitions around the current one, outermost first
	for i := range found {
		d := &found[i]
		for len(open) > 0 && found[open[len(open)-1]].EndByte < d.EndByte {
			open = open[:len(open)-1]
		}
		for len(open) > 0 && found[open[len(open)-1]].EndByte <= d.StartByte {
			open = open[:len(open)-1]
		}
		d.Parent, d.Qualified = -1, d.Name
		if len(open) > 0 {
			d.Parent = open[len(open)-1]
			parent := &found[d.Parent]
			d.Qualified = parent.Qualified + "." + d.Name
			if d.Kind == KindFunction && !parent.Kind.Callable() {
				d.Kind = KindMethod
			}
		}
		if r := receivers[d.StartByte]; r != "" && d.Kind == KindMethod {
			d.Qualified = r + "." + d.Name
		}
		open = append(open, i)
	}
	return found
}

// baseType reduces a receiver's type to its name: *List[K, V] is List.
func baseType(text string) string {
	text = strings.Trim(text, "*() \t\r\n")
	text, _, _ = strings.Cut(text, "[")
	return strings.TrimSpace(text)
}

// receiverType returns the type in a receiver as Go writes it: (l *List[K, V]) is List. It reports false for what it does not
// understand.
func receiverType(text string) (string, bool) {
	text, ok := strings.CutPrefix(text, "(")
	if !ok || strings.Contains(text, "/") {
		return "", false
	}
	text, _, _ = strings.Cut(text, "[")
	fields := strings.Fields(strings.TrimRight(strings.TrimSpace(text), ",) \t\r\n"))
	if len(fields) == 0 || len(fields) > 2 {
		return "", false
	}
	name := baseType(fields[len(fields)-1])
	return name, name != ""
}

// commentAbove returns where the block of comment lines directly above offset begins, or offset.
func (g *grammar) commentAbove(src string, offset int) int {
	lineStart := strings.LastIndexByte(src[:offset], '\n') + 1
	if strings.TrimSpace(src[lineStart:offset]) != "" {
		return offset
	}
	start := offset
	for lineStart > 0 {
		previous := strings.LastIndexByte(src[:lineStart-1], '\n') + 1
		line := strings.TrimSpace(src[previous : lineStart-1])
		if !slices.ContainsFunc(g.comments, func(prefix string) bool { return strings.HasPrefix(line, prefix) }) {
			break
		}
		lineStart, start = previous, previous
	}
	return start
}
