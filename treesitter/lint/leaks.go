package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

// readers are functions that take something to read from or to write to, and do not close it.
const readers = `^(io\.|ioutil\.|json\.|bufio\.|binary\.|xml\.|gob\.|csv\.|yaml\.|toml\.|hcl\.|` +
	`html\.|png\.|jpeg\.|gif\.|image\.|openpgp\.|expfmt\.|godotenv\.|fmt\.|log\.|len$|print|str$|repr$|int$|console\.|JSON\.)|` +
	`(^|\.)((?:New)?(?:Reader|Writer|Scanner|Decoder|Encoder|DocumentFromReader)|` +
	`(De|En)code\w*|Copy\w*|Read(All|Full|From|At|Lines|KeyRing|Entity)|` +
	`(Unm|M)arshal\w*|[Pp]arse\w*|Write\w+|Fprint\w*|Execute(Template)?|\w*(Digest|Hash|SHA256|Checksum)\w*|` +
	`[cC]heck\w*|\w*HTTPError\w*|[eE]xpand|[eE]xtract\w*)$`

// memberTypes are the nodes in which a dot stands.
var memberTypes = []string{"selector_expression", "attribute", "member_expression", "field_access"}

// leaks is the predicate leaks?. It follows names, not values: a variable that is given to a function, returned, stored or sent has a
// new owner, and nothing is said about it.
func leaks(m *match, name *treesitter.Node, args []string) bool {
	if name == nil || len(args) == 0 {
		return false
	}
	variable := m.tree.Text(name)
	if variable == "_" {
		return false
	}
	around := m.definition(name)
	if around == m.tree.Root {
		return false // what belongs to a module lives as long as the program
	}
	if m.matches(`\b{name}(\.\w+)*\??\.(`+args[0]+`)\b`, m.code[around.Start:around.End]) {
		return false
	}
	return !m.anyHandedOn(around, name.Start, variable, args[0], aliases)
}

// aliases is how many further names of a value are followed.
const aliases = 2

// anyHandedOn reports whether a variable is handed on anywhere in a function but where it is set. closers close it, under this or under
// another name that it gets, of which follow are looked at.
func (m *match) anyHandedOn(around *treesitter.Node, set int, variable, closers string, follow int) bool {
	handed := false
	walk(around, func(n *treesitter.Node) bool {
		if handed || n.Start == set || len(n.Children) != 0 || !isName(n) || m.tree.Text(n) != variable {
			return !handed
		}
		handed = m.handedOn(n)
		if alias := m.alias(around, n); alias != nil && alias.Start != set {
			other := regexp.QuoteMeta(m.tree.Text(alias))
			handed = follow == 0 || m.matches(`\b`+other+`(\.\w+)*\.(`+closers+`)\b`, m.code[around.Start:around.End]) ||
				m.anyHandedOn(around, alias.Start, m.tree.Text(alias), closers, follow-1)
		}
		return !handed
	})
	return handed
}

// alias returns the local variable that stands for a value from this place on, in Go: w in w = f, and in w := bufio.NewWriter(f).
func (m *match) alias(around, n *treesitter.Node) *treesitter.Node {
	if m.language != treesitter.Go || n.Parent == nil {
		return nil
	}
	if list := n.Parent; list.Type == "argument_list" && m.matches(`(^|\.)New\w*$`, m.callee(list)) && m.handsNothing(list, n) {
		n = list.Parent // what is made of it is as good as it
	}
	values := n.Parent
	if values == nil || values.Type != "expression_list" || values.Parent == nil || values.Field != "right" {
		return nil
	}
	left := values.Parent.Child("left")
	if left == nil || len(left.NamedChildren()) == 0 || left.NamedChildren()[0].Type != "identifier" {
		return nil
	}
	name := left.NamedChildren()[0]
	declared := `\bvar (\w+, )*{name}\b|\b{name}(, \w+)* :=|, {name} :=`
	declared = strings.ReplaceAll(declared, "{name}", regexp.QuoteMeta(m.tree.Text(name)))
	if m.tree.Text(name) == "_" || !m.matches(declared, m.code[around.Start:around.End]) {
		return nil // it is a result, a parameter, or belongs to somebody else
	}
	return name
}

// handsNothing reports whether a function leaves what it is given as this argument open: by its name, or, if it is declared in the same
// file, because it takes no more than a reader or a writer.
func (m *match) handsNothing(list, argument *treesitter.Node) bool {
	function := m.callee(list)
	if m.matches(readers, function) {
		return true
	}
	if m.language != treesitter.Go {
		return false
	}
	at := slices.IndexFunc(list.NamedChildren(), func(n *treesitter.Node) bool {
		return n.Start <= argument.Start && argument.End <= n.End
	})
	name := function[strings.LastIndexByte(function, '.')+1:]
	for _, d := range m.tree.Root.Children {
		declared := d.Child("name")
		if d.Type != "function_declaration" && d.Type != "method_declaration" || declared == nil || m.tree.Text(declared) != name {
			continue
		}
		kind := m.parameterType(d.Child("parameters"), at)
		return m.matches(`^io\.(Reader|Writer|ReadSeeker|WriteSeeker|ReadWriter|ReaderAt|WriterAt)$`, kind) &&
			!strings.Contains(m.code[d.Start:d.End], "Closer")
	}
	return false
}

// parameterType returns the type of a parameter in Go, "" if there is none at this place.
func (m *match) parameterType(list *treesitter.Node, at int) string {
	if list == nil || at < 0 {
		return ""
	}
	for _, p := range list.NamedChildren() {
		kind := p.Child("type")
		if kind == nil {
			continue
		}
		at -= max(1, len(p.NamedChildren())-1)
		if at < 0 {
			return m.tree.Text(kind)
		}
	}
	return ""
}

func isName(n *treesitter.Node) bool {
	return n.Type == "identifier" || n.Type == "shorthand_property_identifier"
}

// handedOn reports whether the value that a name stands for goes to somebody else at this place.
func (m *match) handedOn(n *treesitter.Node) bool {
	if n.Type == "shorthand_property_identifier" {
		return true
	}
	// resp.Body stands for resp.
	for p := n.Parent; p != nil && slices.Contains(memberTypes, p.Type); p = n.Parent {
		if p.Children[0] != n || n.Parent.Parent != nil && n.Parent.Parent.Type == "call_expression" && p.Field == "function" {
			return false
		}
		if last := m.tree.Text(p.Children[len(p.Children)-1]); !slices.Contains([]string{"Body", "body", "raw"}, last) {
			return false
		}
		n = p
	}
	child := n
	for p := n.Parent; p != nil; child, p = p, p.Parent {
		switch p.Type {
		case "argument_list", "arguments":
			function := m.callee(p)
			if function == "" {
				return true
			}
			return !m.handsNothing(p, n) || strings.Contains(function, ".New") && m.returned(p.Parent)
		case "return_statement", "yield", "send_statement", "composite_literal", "literal_value", "pair", "array", "list", "dictionary",
			"object", "with_item", "await", "list_comprehension", "delete_statement", "global_statement", "nonlocal_statement",
			"assignment_pattern", "as_pattern", "with_clause", "resource", "yield_expression", "keyed_element", "raise_statement", "set":
			return true
		case "assignment", "assignment_statement", "short_var_declaration", "assignment_expression", "variable_declarator", "var_spec":
			// On the right it is given away, but to a name that is followed. On the left it is set again: then it is not known which value
			// is meant.
			if m.alias(m.definition(n), n) != nil {
				return false
			}
			return child.Field == "right" || child.Field == "value" || p.Type == "assignment" || p.Type == "assignment_statement"
		case "as_pattern_target":
			return false // the name gets another value
		case "binary_expression", "comparison_operator", "boolean_operator", "unary_expression", "not_operator", "parenthesized_expression",
			"expression_list", "keyword_argument", "tuple", "literal_element", "spread_element",
			"conditional_expression",
			"ternary_expression", "expression_statement", "list_splat":
			if strings.HasPrefix(p.Type, "binary") || strings.HasPrefix(p.Type, "comparison") || p.Type == "not_operator" {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// returned reports whether a call's own result, and not what is made of it, is returned.
func (m *match) returned(call *treesitter.Node) bool {
	return call.Parent != nil && !slices.Contains(memberTypes, call.Parent.Type) && m.around(call, []string{"return_statement"}) != nil
}

// callee returns the text of the function that a list of arguments belongs to.
func (m *match) callee(list *treesitter.Node) string {
	if list.Parent == nil {
		return ""
	}
	if f := list.Parent.Child("function"); f != nil {
		return m.tree.Text(f)
	}
	return ""
}

// lockHeld is the predicate lock-held?: between a call of Lock on a Go mutex, captured as a statement, and the Unlock that follows, or
// the end of the block if that is deferred, one of the statements of the same block matches.
func lockHeld(m *match, statement *treesitter.Node, args []string) bool {
	block := statement.Parent
	if block == nil || len(args) == 0 {
		return false
	}
	at := slices.Index(block.Children, statement)
	var held strings.Builder
	for _, n := range block.Children[at+1:] {
		text := m.code[n.Start:n.End]
		if n.Type == "expression_statement" && m.matches(`^{mu}\.R?Unlock\(`, text) {
			break
		}
		if m.matches(`{mu}\.R?Unlock\(`, text) && n.Type != "defer_statement" {
			break // one of the ways on gives the lock back
		}
		if n.Type == "go_statement" || n.Type == "defer_statement" || strings.Contains(text, "func(") {
			continue
		}
		held.WriteString(text + "\n")
	}
	return m.matches(args[0], held.String())
}
