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
	var open []int // what is around the current one, outermost first
	for i := range found {
		d := &found[i]
		for len(open) > 0 && found[open[len(open)-1]].EndByte < d.EndByte {
			open = open[:len(open)-1]
		}
		for len(open) > 0 && found[open[len(open)-1]].EndByte <= d.StartByte {
			open = open[:len(open)-1]
		}
		d.Parent, d.Qualified = -1, d.Name
		if r := receivers[d.StartByte]; r != "" && d.Kind != kindScope && d.Kind != kindExtension {
			d.Qualified = r + "." + d.Name
			if d.Kind == KindFunction {
				d.Kind = KindMethod
			}
		}
		if len(open) > 0 {
			d.Parent = open[len(open)-1]
			parent := &found[d.Parent]
			d.Qualified = parent.Qualified + "." + d.Qualified
			if d.Kind == KindFunction && !parent.Kind.Callable() && parent.Kind != kindScope && parent.Kind != KindModule {
				d.Kind = KindMethod
			}
		}
		open = append(open, i)
	}
	return withoutScopes(found)
}

// withoutScopes leaves out what only gave its name to others.
func withoutScopes(found []Definition) []Definition {
	place := make([]int, len(found)) // of each, or that of the definition around it
	kept := found[:0]
	for i := range found {
		d := found[i]
		if d.Parent >= 0 {
			d.Parent = place[d.Parent]
		}
		if d.Kind == kindScope || d.Kind == kindExtension {
			place[i] = d.Parent
			continue
		}
		place[i] = len(kept)
		kept = append(kept, d)
	}
	return kept
}

// baseType reduces a type to its name: *List[K, V] is List, &'a mut shop::Cart<T> is shop.Cart, String? is String.
func baseType(text string) string {
	var b strings.Builder
	depth := 0
	for i, r := range text {
		switch {
		case r == '<' || r == '[' || r == '(' && i > 0:
			depth++
		case r == '>' || r == ']' || r == ')':
			depth = max(depth-1, 0)
		case depth == 0:
			b.WriteRune(r)
		}
	}
	words := strings.Fields(b.String())
	if len(words) == 0 {
		return ""
	}
	return strings.Trim(strings.ReplaceAll(words[len(words)-1], "::", "."), "*&().?")
}

// receiverName reduces the text of what methods belong to.
func (g *grammar) receiverName(text string) string {
	if g.receiver != nil {
		return g.receiver(text)
	}
	return baseType(text)
}

// splitName takes a name apart that is written with what it stands in: shop::Cart<T>::add is add in shop.Cart.
func (g *grammar) splitName(name, receiver string) (string, string) {
	rest := name
	// The signs of an operator are no separators.
	if at := strings.Index(name, "operator"); at >= 0 && (at == 0 || name[at-1] == ':') {
		rest = name[:at]
	}
	for _, separator := range g.separators {
		if at := strings.LastIndex(rest, separator); at > 0 {
			name, receiver = strings.TrimSpace(name[at+len(separator):]), g.receiverName(strings.ReplaceAll(rest[:at], separator, "."))
			break
		}
	}
	if !strings.HasPrefix(name, "operator") {
		name, _, _ = strings.Cut(name, "<")
	} else if head, _, ok := strings.Cut(name, "("); ok && strings.Contains(head, " ") {
		name = head // operator bool() const
	}
	return strings.TrimSpace(name), receiver
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

// maxComment bounds a block comment above a definition, in bytes.
const maxComment = 64 << 10

// commentAbove returns where the comments directly above offset begin, or offset.
func (g *grammar) commentAbove(src string, offset int) int {
	lineStart := strings.LastIndexByte(src[:offset], '\n') + 1
	if strings.TrimSpace(src[lineStart:offset]) != "" {
		return offset
	}
	start := offset
	for lineStart > 0 {
		previous := strings.LastIndexByte(src[:lineStart-1], '\n') + 1
		line := strings.TrimSpace(src[previous : lineStart-1])
		if g.blocks && strings.HasSuffix(line, "*/") {
			floor := max(0, lineStart-maxComment) // a search to the beginning, for each of many definitions, takes too long
			begin := floor + strings.LastIndex(src[floor:lineStart-1], "/*")
			if begin < floor {
				break
			}
			previous = strings.LastIndexByte(src[:begin], '\n') + 1
			if strings.TrimSpace(src[previous:begin]) != "" {
				break // the comment ends a line of code
			}
		} else if !g.lineComment(line) {
			break
		}
		lineStart, start = previous, previous
	}
	return start
}

// lineComment reports whether a line is a comment; one that names the interpreter is about the file.
func (g *grammar) lineComment(line string) bool {
	return !strings.HasPrefix(line, "#!") &&
		slices.ContainsFunc(g.comments, func(prefix string) bool { return strings.HasPrefix(line, prefix) })
}
