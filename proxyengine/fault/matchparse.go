package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// knownMethods may be written in small letters, too. Others are taken in capitals only, because a word in small letters is more
// likely a path without its slash.
var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}

// matchKeys are the keys of a match that is written as an object.
var matchKeys = []string{"method", "path", "header", "first", "after", "every"}

// ParseMatch reads the text of a match, or the JSON object that stands for one.
func ParseMatch(text string) (Match, error) {
	var m Match
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		return m, m.parseObject(text)
	}
	words, err := splitWords(text)
	if err != nil {
		return m, err
	}
	seen := map[string]bool{}
	for i, w := range words {
		kind, err := m.parseWord(w, i == 0)
		if err != nil {
			return Match{}, err
		}
		if kind != "header" && seen[kind] {
			return Match{}, fmt.Errorf("%q: there is more than one %s", text, kind)
		}
		seen[kind] = true
	}
	return m, nil
}

// UnmarshalText parses the text; the receiver is not changed by one that is wrong.
func (m *Match) UnmarshalText(text []byte) error {
	parsed, err := ParseMatch(string(text))
	if err == nil {
		*m = parsed
	}
	return err
}

func (*Match) isObject() bool { return false } // an object is accepted, the text is written

// objectSchema has the keys of matchKeys.
func (*Match) objectSchema() map[string]any {
	text := func(usage string) map[string]any { return map[string]any{"type": "string", "description": usage} }
	method := text("a method, or several with commas between")
	properties := map[string]any{
		"method": map[string]any{"anyOf": []any{method, map[string]any{"type": "array", "items": map[string]any{"type": "string"}}}},
		"path":   text("compared segment by segment: * is one segment or a part of one, ** any number of them"),
		"header": map[string]any{
			"type":                 "object",
			"additionalProperties": map[string]any{"type": []any{"string", "number", "boolean", "null"}},
			"description":          "fields that the request must have, with their values, in which * is anything; null is any value",
		},
	}
	usage := map[string]string{
		"after": "let that many of them pass", "first": "end after that many were taken", "every": "then take each one of that number",
	}
	for _, c := range new(Match).counters() {
		properties[c.name] = map[string]any{
			"type": "integer", "minimum": c.least, "maximum": math.MaxInt32, "description": usage[c.name],
		}
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

// parseWord reads one word and says what it was.
func (m *Match) parseWord(w string, first bool) (kind string, err error) {
	name, value, pair := strings.Cut(w, ":")
	switch {
	case strings.HasPrefix(w, "/"):
		return "path", m.setPath(w)
	case w == "*" && first:
		return "method", nil
	case w == "*":
		return "path", nil
	case pair && name == "header":
		return "header", m.addHeaderWord(value)
	case pair:
		for _, c := range m.counters() {
			if c.name == name {
				return name, c.set(value)
			}
		}
		return "", fmt.Errorf("unknown word %q: use header, first, after and every", name+":")
	case first:
		return "method", m.setMethods(w)
	}
	return "", fmt.Errorf("%q is not understood: a method comes first, a path begins with /, the rest is name:value", w)
}

func (m *Match) setMethods(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		upper := strings.ToUpper(name)
		if name != upper && !slices.Contains(knownMethods, upper) {
			return fmt.Errorf("%q is no request method; a path begins with /", name)
		}
		if upper == "*" {
			continue
		}
		if !isToken(upper) {
			return fmt.Errorf("%q is no request method", name)
		}
		if !slices.Contains(m.Methods, upper) {
			m.Methods = append(m.Methods, upper)
		}
	}
	return nil
}

func (m *Match) setPath(text string) (err error) {
	m.path, err = parsePath(text)
	m.Path = text
	return err
}

// addHeaderWord reads NAME or NAME=VALUE.
func (m *Match) addHeaderWord(text string) error {
	name, value, given := strings.Cut(text, "=")
	if given && strings.HasPrefix(value, `"`) {
		unquoted, err := strconv.Unquote(value)
		if err != nil {
			return fmt.Errorf("the value %s of header %s is not well quoted", value, name)
		}
		value = unquoted
	}
	return m.addHeader(name, value)
}

func (m *Match) addHeader(name, value string) error {
	if !isToken(name) {
		return fmt.Errorf("%q is no name of a header field", name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("the value of header %s has control characters", name)
	}
	if value = textproto.TrimString(value); strings.Trim(value, "*") == "" {
		value = "" // any
	}
	m.Headers = append(m.Headers, HeaderMatch{Name: textproto.CanonicalMIMEHeaderKey(name), Value: value})
	return nil
}

// parseObject reads the keys of matchKeys.
func (m *Match) parseObject(text string) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || decoder.More() {
		return fmt.Errorf("%q is not an object with the keys %s", text, strings.Join(matchKeys, ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if object[key] == nil {
			continue
		}
		if err := m.setKey(strings.ToLower(key), object[key]); err != nil {
			return err
		}
	}
	return nil
}

func (m *Match) setKey(key string, value any) error {
	switch key {
	case "method", "methods":
		return m.setMethodValue(value)
	case "path":
		if text, ok := value.(string); ok && (text == "" || text == "*") {
			return nil
		}
		return m.setPath(fmt.Sprint(value))
	case "header", "headers":
		object, ok := value.(map[string]any)
		if !ok {
			return errors.New("header is an object with names and values")
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			text := ""
			switch value := object[name].(type) {
			case nil:
			case map[string]any, []any:
				return fmt.Errorf("header %s: the value is a text", name)
			default:
				text = fmt.Sprint(value)
			}
			if err := m.addHeader(name, text); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range m.counters() {
		if c.name == key {
			return c.set(fmt.Sprint(value))
		}
	}
	return &KeyError{Fault: "match", Key: key, Nearest: nearest(key, matchKeys), Known: matchKeys}
}

func (m *Match) setMethodValue(value any) error {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, v := range list {
		if text := strings.ReplaceAll(fmt.Sprint(v), " ", ""); text != "" {
			if err := m.setMethods(text); err != nil {
				return err
			}
		}
	}
	return nil
}

// splitWords splits at spaces that do not stand in double quotes, which must follow an equals sign.
func splitWords(text string) ([]string, error) {
	var words []string
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return words, nil
		}
		end := strings.IndexAny(text, " \t\r\n")
		if end < 0 {
			end = len(text)
		}
		if i := strings.Index(text[:end], `="`); i >= 0 {
			quoted, err := strconv.QuotedPrefix(text[i+1:])
			if err != nil {
				return nil, fmt.Errorf("the quotes of %s do not end", text[i+1:])
			}
			if end = i + 1 + len(quoted); end < len(text) && !strings.ContainsRune(" \t\r\n", rune(text[end])) {
				return nil, fmt.Errorf("a space is missing after %s", text[:end])
			}
		}
		words, text = append(words, text[:end]), text[end:]
	}
}

// quoteWord puts a value in quotes where it would not be one word otherwise.
func quoteWord(value string) string {
	plain := bytes.IndexFunc([]byte(value), func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) < 0
	if plain {
		return value
	}
	return strconv.Quote(value)
}

// isToken reports whether s is a token as RFC 9110, section 5.6.2, has it: a method, or the name of a header field.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
