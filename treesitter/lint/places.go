package lint

import (
	"regexp"
	"slices"

	"github.com/fault-project/fault/treesitter"
)

// leaves is the predicate leaves?. A break counts only directly beside the statement: farther out it may leave no more than a switch.
func leaves(_ *match, n *treesitter.Node, _ []string) bool {
	ends := []string{"return_statement", "break_statement"}
	for p := n.Parent; p != nil && !slices.Contains(functionTypes, p.Type) && !slices.Contains(loopTypes, p.Type); p = p.Parent {
		all := p.NamedChildren()
		if (p.Type == "block" || p == n.Parent) && len(all) > 0 && slices.Contains(ends, lastStatement(all).Type) {
			return true
		}
		ends = ends[:1]
	}
	return false
}

// lastStatement returns the last of the nodes in a block, whose statements the grammar may hold in a list.
func lastStatement(all []*treesitter.Node) *treesitter.Node {
	last := all[len(all)-1]
	if inner := last.NamedChildren(); last.Type == "statement_list" && len(inner) > 0 {
		return inner[len(inner)-1]
	}
	return last
}

// guarded is the predicate guarded?. Functions inside have rejections of their own, and are left out.
func guarded(_ *match, function *treesitter.Node, args []string) bool {
	if function == nil {
		return false
	}
	seen, all := false, true
	walk(function, func(n *treesitter.Node) bool {
		if n != function && slices.Contains(functionTypes, n.Type) {
			return false
		}
		if slices.Contains(args, n.Type) {
			seen, all = true, all && tried(n, function)
		}
		return all
	})
	return seen && all
}

// tried reports whether a node stands in the body of a try statement within a function.
func tried(n, function *treesitter.Node) bool {
	for child, p := n, n.Parent; p != nil && child != function; child, p = p, p.Parent {
		if p.Type == "try_statement" && child.Field == "body" && p.Child("handler") != nil {
			return true
		}
	}
	return false
}

// localHost matches the beginning of a URL on this machine, with the prefixes and quotes of strings before it.
const localHost = "[fruFRU]{0,2}[\"'`]+https?://(localhost|127\\.0\\.0\\.1|\\[::1\\])"

// firstName matches the name that a URL begins with, bare or in a template.
var firstName = regexp.MustCompile("^(?:[fF]?[\"'`]+\\$?\\{)?([A-Za-z_]\\w*)(?:$|[^\\w(])")

// localURL is the predicate local-url?.
func localURL(m *match, list *treesitter.Node, _ []string) bool {
	if list == nil || len(list.NamedChildren()) == 0 {
		return false
	}
	url := m.code[list.NamedChildren()[0].Start:list.NamedChildren()[0].End]
	if m.matches(`^`+localHost, url) {
		return true
	}
	name := firstName.FindStringSubmatch(url)
	if name == nil {
		return false
	}
	re, err := regexp.Compile(`\b` + name[1] + `\s*:?=\s*` + localHost)
	return err == nil && re.MatchString(m.code)
}
