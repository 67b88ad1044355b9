package lint

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fault-project/fault/treesitter"
)

// predicate decides about a match. Node is that of the first argument if that is a capture, nil if it captured nothing; args are the
// texts of the others, where a capture stands for its text.
type predicate func(m *match, node *treesitter.Node, args []string) bool

// predicates is the closed set of conditions that queries may use. With "not-" in front each means the opposite. Regular expressions
// (RE2) see the source without its comments, and may refer to captures as {name}, which are quoted. A definition is the outermost
// function around a place, a scope the innermost; outside of functions both are the whole file.
var predicates = map[string]predicate{
	// (#eq? @a "text" …): the text is one of these.
	"eq?": func(m *match, n *treesitter.Node, args []string) bool {
		return n != nil && slices.Contains(args, m.tree.Text(n))
	},
	// (#any-of? @a "text" …): the same, under the name that takes several.
	"any-of?": func(m *match, n *treesitter.Node, args []string) bool {
		return n != nil && slices.Contains(args, m.tree.Text(n))
	},
	// (#match? @a "re"): the text matches.
	"match?": func(m *match, n *treesitter.Node, args []string) bool {
		return n != nil && m.matches(args[0], m.code[n.Start:n.End])
	},
	// (#file? "re"): something in the file matches, or may match where it cannot be seen.
	"file?": func(m *match, _ *treesitter.Node, args []string) bool { return m.matches(args[0], m.code) },
	// (#definition? @a "re"), (#scope? @a "re"): something in the function around it matches.
	"definition?": func(m *match, n *treesitter.Node, args []string) bool {
		d := m.definition(n)
		return m.matches(args[0], m.code[d.Start:d.End])
	},
	"scope?": func(m *match, n *treesitter.Node, args []string) bool {
		s := m.scope(n)
		return m.matches(args[0], m.code[s.Start:s.End])
	},
	// (#head? @a "re"): name, parameters or decorators of the innermost function match. (#heads?) looks at any function around.
	"head?": func(m *match, n *treesitter.Node, args []string) bool { return m.matches(args[0], m.head(m.scope(n))) },
	"heads?": func(m *match, n *treesitter.Node, args []string) bool {
		for p := n.Parent; p != nil; p = p.Parent {
			if slices.Contains(functionTypes, p.Type) && m.matches(args[0], m.head(p)) {
				return true
			}
		}
		return false
	},
	// (#after? @a "re"), (#before? @a "re"): something behind or before it, in the definition, matches.
	"after?": func(m *match, n *treesitter.Node, args []string) bool {
		return m.matches(args[0], m.code[n.End:max(n.End, m.definition(n).End)])
	},
	"before?": func(m *match, n *treesitter.Node, args []string) bool {
		return m.matches(args[0], m.code[min(m.definition(n).Start, n.Start):n.Start])
	},
	// (#line? @a "re"): the line that it begins in matches, comments included.
	"line?": func(m *match, n *treesitter.Node, args []string) bool {
		line, _ := m.tree.Position(n.Start)
		return m.matches(args[0], m.tree.Line(line))
	},
	// (#argument? @args "name" …): the call has one of these named arguments or options, or hands over some that cannot be seen.
	"argument?": func(m *match, n *treesitter.Node, args []string) bool { return n != nil && m.argument(n, args) },
	// (#count? @args "0" …): the number of arguments is one of these.
	"count?": func(_ *match, n *treesitter.Node, args []string) bool {
		return n != nil && slices.Contains(args, strconv.Itoa(len(n.NamedChildren())))
	},
	// (#inside? @a "type" …): one of the nodes around it, within its function, is of such a type.
	"inside?": func(m *match, n *treesitter.Node, args []string) bool { return m.around(n, args) != nil },
	// (#parent? @a "type" …): the node directly around it is of such a type.
	"parent?": func(_ *match, n *treesitter.Node, args []string) bool {
		return n.Parent != nil && slices.Contains(args, n.Parent.Type)
	},
	// (#try? @handler "re"): the body of the try statement that it handles the exceptions of matches.
	"try?": func(m *match, n *treesitter.Node, args []string) bool {
		body := (*treesitter.Node)(nil)
		if n.Parent != nil {
			body = n.Parent.Child("body")
		}
		return body != nil && m.matches(args[0], m.code[body.Start:body.End])
	},
	// (#parents? @a "key"): it is below an option of that name.
	"parents?": func(m *match, n *treesitter.Node, args []string) bool {
		for p := m.around(n, []string{"pair"}); p != nil; p = m.around(p, []string{"pair"}) {
			if key := p.Child("key"); key != nil && m.tree.Text(key) == args[0] {
				return true
			}
		}
		return false
	},
	// (#leaves? @a): the block that the statement stands in ends by leaving the function or the loop, or one around that ends by
	// leaving the function, up to the loop.
	"leaves?": leaves,
	// (#guarded? @a "type"): there are nodes of that type in the function @a, and all stand in the body of a try statement.
	"guarded?": guarded,
	// (#local-url? @args): the first argument is a URL on this machine, or begins with a name that is set to one.
	"local-url?": localURL,
	// (#loop? @a): it runs again and again: in the body of a loop, in the same function.
	"loop?": func(m *match, n *treesitter.Node, _ []string) bool { return m.loop(n) != nil },
	// (#loop-text? @a "re"): the innermost loop around it matches.
	"loop-text?": func(m *match, n *treesitter.Node, args []string) bool {
		l := m.loop(n)
		return l != nil && m.matches(args[0], m.code[l.Start:l.End])
	},
	// (#function? @a): it stands in a function.
	"function?": func(m *match, n *treesitter.Node, _ []string) bool { return m.scope(n) != m.tree.Root },
	// (#goroutine? @a): it stands in a function that a go statement starts.
	"goroutine?": func(_ *match, n *treesitter.Node, _ []string) bool {
		for p := n.Parent; p != nil; p = p.Parent {
			if p.Type == "go_statement" {
				return true
			}
		}
		return false
	},
	// (#async? @a): the innermost function around it is asynchronous.
	"async?": func(m *match, n *treesitter.Node, _ []string) bool {
		s := m.scope(n)
		return s != m.tree.Root && strings.HasPrefix(strings.TrimLeft(m.code[s.Start:s.End], " "), "async ") ||
			s.Parent != nil && s.Type == "method_definition" && strings.Contains(m.head(s), "async ")
	},
	// (#comment? @a): there is a comment in it: somebody thought about this.
	"comment?": func(m *match, n *treesitter.Node, _ []string) bool {
		found := false
		walk(n, func(n *treesitter.Node) bool {
			found = found || n.Comment()
			return !found
		})
		return found || m.tree.Source[n.Start:n.End] != m.code[n.Start:n.End] || m.commentBeside(n)
	},
	// (#leaks? @name @statement "close|release"): what the variable holds is neither closed by one of these methods, nor handed on.
	"leaks?": leaks,
	// (#lock-held? @statement "re"): something matches while the lock @mu that the statement takes is held.
	"lock-held?": lockHeld,
}

func (m *match) holds(p treesitter.Predicate) bool {
	name, negate := strings.CutPrefix(p.Name, "not-")
	check := predicates[name]
	if check == nil {
		panic("lint: rule " + m.rule.ID + " uses the unknown predicate " + p.Name) // a test applies every rule
	}
	var node *treesitter.Node
	var args []string
	for i, a := range p.Args {
		switch {
		case !a.Capture:
			args = append(args, a.Text)
		case i == 0:
			if nodes := m.captures[a.Text]; len(nodes) > 0 {
				node = nodes[0]
			}
		default:
			if nodes := m.captures[a.Text]; len(nodes) > 0 {
				args = append(args, m.tree.Text(nodes[0]))
			}
		}
	}
	if node == nil && len(p.Args) > 0 && p.Args[0].Capture {
		return negate // what is not there has no property
	}
	if m.partial && p.Name == "file?" {
		return true
	}
	return check(m, node, args) != negate
}

// expressions are the compiled regular expressions of the rules. There are as many as the rules write down.
var expressions sync.Map

func (m *match) matches(expression, text string) bool {
	if reference.MatchString(expression) {
		// The names of a source text are not kept.
		expanded := m.expand(expression, regexp.QuoteMeta)
		if expanded != expression {
			re, err := regexp.Compile(expanded)
			return err == nil && re.MatchString(text)
		}
	}
	re, ok := expressions.Load(expression)
	if !ok {
		re, _ = expressions.LoadOrStore(expression, regexp.MustCompile(expression))
	}
	return re.(*regexp.Regexp).MatchString(text)
}

var (
	functionTypes = []string{
		"function_definition", "lambda", // Python
		"function_declaration", "method_declaration", "func_literal", // Go, and Java
		"function_expression", "function", "arrow_function", "method_definition", "generator_function", "generator_function_declaration",
		"constructor_declaration", "lambda_expression", "compact_constructor_declaration",
	}
	loopTypes = []string{
		"for_statement", "while_statement", "for_in_statement", "do_statement", "enhanced_for_statement", "for_in_clause",
	}
)

// scope returns the innermost function around a node, or the root.
func (m *match) scope(n *treesitter.Node) *treesitter.Node {
	for p := n.Parent; p != nil; p = p.Parent {
		if slices.Contains(functionTypes, p.Type) && len(p.Children) > 0 {
			return p
		}
	}
	return m.tree.Root
}

// definition returns the outermost function around a node, or the root.
func (m *match) definition(n *treesitter.Node) *treesitter.Node {
	out := m.tree.Root
	for p := n.Parent; p != nil; p = p.Parent {
		if slices.Contains(functionTypes, p.Type) && len(p.Children) > 0 {
			out = p
		}
	}
	return out
}

// head returns the text of a function before its body, decorators included.
func (m *match) head(f *treesitter.Node) string {
	body := f.Child("body")
	if f == m.tree.Root || body == nil {
		return ""
	}
	start := f.Start
	if f.Parent != nil && slices.Contains([]string{"decorated_definition", "variable_declarator", "pair"}, f.Parent.Type) {
		start = f.Parent.Start // decorators, and the name of a function that is assigned
	}
	return m.code[start:body.Start]
}

// around returns the innermost node of some types around a node, within its function.
func (m *match) around(n *treesitter.Node, types []string) *treesitter.Node {
	for p := n.Parent; p != nil && !slices.Contains(functionTypes, p.Type); p = p.Parent {
		if slices.Contains(types, p.Type) {
			return p
		}
	}
	return nil
}

// loop returns the innermost loop in whose body a node stands.
func (m *match) loop(n *treesitter.Node) *treesitter.Node {
	child := n
	for p := n.Parent; p != nil && !slices.Contains(functionTypes, p.Type) && p.Type != "class_definition"; child, p = p, p.Parent {
		if slices.Contains(loopTypes, p.Type) && child.Field == "body" {
			return p
		}
	}
	return nil
}

// argument reports whether a list of arguments has a named one, or may have it unseen.
func (m *match) argument(list *treesitter.Node, names []string) bool {
	found := false
	walk(list, func(n *treesitter.Node) bool {
		switch n.Type {
		case "dictionary_splat", "list_splat", "spread_element":
			found = true
		case "keyword_argument", "pair":
			for _, field := range []string{"name", "key"} {
				if k := n.Child(field); k != nil {
					found = found || slices.Contains(names, strings.Trim(m.tree.Text(k), `"'`))
				}
			}
			return n.Type == "pair"
		case "shorthand_property_identifier":
			found = found || slices.Contains(names, m.tree.Text(n))
		case "arrow_function", "function_expression":
			return false
		}
		return !found
	})
	return found
}

// firstLines returns the lines above some nodes.
func (m *match) firstLines(nodes ...*treesitter.Node) []int {
	var out []int
	for _, n := range nodes {
		if first, _ := m.tree.Position(n.Start); first > 1 {
			out = append(out, first-1)
		}
	}
	return out
}

// commentBeside reports whether there is a comment on the last line of a node, or on the line above it or above its try statement.
func (m *match) commentBeside(n *treesitter.Node) bool {
	line, _ := m.tree.Position(max(n.Start, n.End-1))
	text := m.tree.Line(line)
	head := n
	if n.Parent != nil && n.Parent.Type == "try_statement" {
		head = n.Parent // what stands above the whole statement counts, too
	}
	for _, first := range m.firstLines(n, head) {
		above := strings.TrimSpace(m.tree.Line(first))
		if strings.HasPrefix(above, "#") || strings.HasPrefix(above, "//") || strings.HasSuffix(above, "*/") {
			return true
		}
	}
	for _, mark := range []string{"#", "//", "/*"} {
		if strings.Contains(text, mark) {
			return true
		}
	}
	return false
}
