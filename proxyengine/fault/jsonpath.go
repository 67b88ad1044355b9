package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonStep is one step of a path into a JSON document: a member of an object, an element of an array, or all of either.
type jsonStep struct {
	key   string
	index int // -1 for a member
	all   bool
}

// parseJSONPath reads the part of JSONPath (RFC 9535) that names places one by one: "$", ".name", "['name']", "[0]", "[*]" and
// ".*". The "$" may be left out.
func parseJSONPath(text string) ([]jsonStep, error) {
	rest := strings.TrimPrefix(text, "$")
	if rest == text && rest != "" && rest[0] != '[' && rest[0] != '.' {
		rest = "." + rest
	}
	switch {
	case text == "":
		return nil, errors.New(`a path is empty; "$" is the whole document`)
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("path %q is not UTF-8", text)
	}
	var steps []jsonStep
	for rest != "" {
		var step jsonStep
		var err error
		switch rest[0] {
		case '.':
			step, rest, err = nameStep(rest[1:])
		case '[':
			step, rest, err = bracketStep(rest[1:])
		default:
			err = fmt.Errorf("%q stands where . or [ is expected", rest)
		}
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", text, err)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func nameStep(rest string) (jsonStep, string, error) {
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	name := rest[:end]
	switch {
	case name == "":
		return jsonStep{}, "", errors.New("a dot has no name behind it")
	case strings.ContainsAny(name, `]'"`):
		return jsonStep{}, "", fmt.Errorf("the name %q has to stand in brackets, as in ['a.b']", name)
	case name == "*":
		return jsonStep{all: true}, rest[end:], nil
	}
	return jsonStep{key: name, index: -1}, rest[end:], nil
}

func bracketStep(rest string) (jsonStep, string, error) {
	if rest != "" && (rest[0] == '\'' || rest[0] == '"') {
		name, after, closed := strings.Cut(rest[1:], rest[:1]+"]")
		if !closed {
			return jsonStep{}, "", errors.New("a name in brackets does not end")
		}
		return jsonStep{key: name, index: -1}, after, nil
	}
	inner, after, closed := strings.Cut(rest, "]")
	if !closed {
		return jsonStep{}, "", errors.New("a [ has no ]")
	}
	if inner == "*" {
		return jsonStep{all: true}, after, nil
	}
	n, err := strconv.ParseUint(inner, 10, 31)
	if err != nil {
		return jsonStep{}, "", fmt.Errorf("[%s] is no index; write [0], [*] or ['name']", inner)
	}
	return jsonStep{index: int(n)}, after, nil
}

// patchJSON puts a value at the places that a path names, and says how many those are. A member that is missing from an object that
// is there is added. Everything else of the document, which must be valid, stays as it is, byte by byte.
func patchJSON(doc []byte, path []jsonStep, value []byte) (out []byte, places int) {
	p := patcher{doc: doc, value: value}
	p.walk(p.space(0), path)
	out = append(out, p.out...)
	return append(out, doc[p.copied:]...), p.places
}

// patcher copies a document up to the places of a patch, from the beginning to the end.
type patcher struct {
	doc, value, out []byte
	copied          int // how much of doc is in out
	places          int
}

// put replaces doc[from:to] by text.
func (p *patcher) put(from, to int, text ...[]byte) {
	p.out = append(p.out, p.doc[p.copied:from]...)
	for _, t := range text {
		p.out = append(p.out, t...)
	}
	p.copied = to
	p.places++
}

// walk goes along a path from the value that begins at i, and returns where that ends.
func (p *patcher) walk(i int, path []jsonStep) int {
	if len(path) == 0 {
		end := p.skip(i)
		p.put(i, end, p.value)
		return end
	}
	switch p.doc[i] {
	case '{':
		return p.object(i, path)
	case '[':
		return p.array(i, path)
	}
	return p.skip(i)
}

func (p *patcher) object(i int, path []jsonStep) int {
	step, found := path[0], false
	last := i + 1 // where another member would stand
	for i = p.space(i + 1); p.doc[i] != '}'; i = p.space(i) {
		if p.doc[i] == ',' {
			i++
			continue
		}
		end := p.skip(i)
		var key string
		_ = json.Unmarshal(p.doc[i:end], &key) // the document is valid
		i = p.space(p.space(end) + 1)          // behind the colon
		if step.all || step.index < 0 && key == step.key {
			found = true
			i = p.walk(i, path[1:])
		} else {
			i = p.skip(i)
		}
		last = i
	}
	if !found && !step.all && step.index < 0 && len(path) == 1 {
		key, _ := json.Marshal(step.key) // a string always can be
		comma := []byte(",")
		if p.doc[last-1] == '{' && p.space(last) == i {
			comma = nil
		}
		p.put(last, last, comma, key, []byte(":"), p.value)
	}
	return i + 1
}

func (p *patcher) array(i int, path []jsonStep) int {
	step, n := path[0], 0
	for i = p.space(i + 1); p.doc[i] != ']'; i = p.space(i) {
		if p.doc[i] == ',' {
			i++
			n++
			continue
		}
		if step.all || step.index == n {
			i = p.walk(i, path[1:])
		} else {
			i = p.skip(i)
		}
	}
	return i + 1
}

// space returns where the first byte at or behind i is that is no white space.
func (p *patcher) space(i int) int {
	for i < len(p.doc) && strings.IndexByte(" \t\r\n", p.doc[i]) >= 0 {
		i++
	}
	return i
}

// skip returns where the value that begins at i ends.
func (p *patcher) skip(i int) int {
	depth := 0
	for ; i < len(p.doc); i++ {
		switch p.doc[i] {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case '"':
			for i++; p.doc[i] != '"'; i++ {
				if p.doc[i] == '\\' {
					i++
				}
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			continue
		default: // a number or a word
			for i+1 < len(p.doc) && strings.IndexByte(",:]} \t\r\n", p.doc[i+1]) < 0 {
				i++
			}
		}
		if depth <= 0 {
			return i + 1
		}
	}
	return i
}
