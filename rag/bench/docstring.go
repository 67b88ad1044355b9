//go:build cgo && unix

package main

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/kljensen/snowball/english"

	"github.com/fault-project/fault/treesitter"
)

// strip blanks out the docstring of a function, keeping its lines, and returns its text.
func strip(src []byte, d *treesitter.Definition, language treesitter.Language) string {
	doc := string(src[d.DocStart:d.StartByte])
	blank(src[d.DocStart:d.StartByte])
	if language == treesitter.Python {
		start, end := pythonDocstring(string(src[d.BodyStart:d.BodyEnd]))
		doc = string(src[d.BodyStart+start : d.BodyStart+end])
		blank(src[d.BodyStart+start : d.BodyStart+end])
		copy(src[d.BodyStart+start:d.BodyStart+end], "...") // a body must not be empty
		return strings.Trim(strings.TrimLeft(doc, "rRuUbB"), `"'`)
	}
	var lines []string
	for line := range strings.SplitSeq(doc, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "//go:") || strings.HasPrefix(line, "// +build") {
			continue
		}
		for _, mark := range []string{"//", "/*"} {
			line = strings.TrimPrefix(line, mark)
		}
		lines = append(lines, strings.TrimSuffix(line, "*/"))
	}
	return strings.Join(lines, "\n")
}

func blank(text []byte) {
	for i, b := range text {
		if b != '\n' {
			text[i] = ' '
		}
	}
}

var docstringStart = regexp.MustCompile(`^\s*[rRuUbB]{0,2}("""|'''|"|')`)

// pythonDocstring returns the range of the string that a body begins with.
func pythonDocstring(body string) (start, end int) {
	m := docstringStart.FindStringSubmatchIndex(body)
	if m == nil {
		return 0, 0
	}
	start = len(body) - len(strings.TrimLeft(body, " \t\r\n"))
	quote := body[m[2]:m[3]]
	for i := m[3]; i < len(body); i++ {
		if body[i] == '\\' {
			i++
		} else if strings.HasPrefix(body[i:], quote) {
			return start, i + len(quote)
		}
	}
	return 0, 0
}

// asking is how questions are made of docstrings.
type asking struct {
	// hard asks with the first paragraph only, and without any word that has the stem of one in the name; otherwise it is the whole
	// docstring without the very words of the name.
	hard bool
}

// fewest is how many different words of three letters or more a question must keep.
func (a asking) fewest() int {
	if a.hard {
		return 4
	}
	return 15
}

var wordShape = regexp.MustCompile(`[\pL_][\pL\pN_]*`)

// question returns a docstring without the words of the function's name, or "" if too little is left.
func (a asking) question(doc, name string) string {
	if a.hard {
		doc, _, _ = strings.Cut(strings.TrimSpace(strings.ReplaceAll(doc, "\r", "")), "\n\n")
	}
	type namePart struct{ word, stem string }
	parts := splitName(name)
	taken := make([]namePart, len(parts))
	for i, word := range parts {
		taken[i] = namePart{word, english.Stem(word, false)}
	}
	words := map[string]bool{}
	text := wordShape.ReplaceAllStringFunc(doc, func(token string) string {
		for _, word := range splitName(token) {
			stem := english.Stem(word, false)
			for _, t := range taken {
				if word == t.word || a.hard && alike(stem, t.stem) {
					return ""
				}
			}
		}
		if len(token) > 2 {
			words[strings.ToLower(token)] = true
		}
		return token
	})
	if len(words) < a.fewest() {
		return ""
	}
	return strings.Join(strings.Fields(text), " ")
}

// alike reports whether two stems are of the same word: parser and parse give parser and pars.
func alike(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a == b || len(a) >= 4 && strings.HasPrefix(b, a)
}

// splitName splits an identifier into its words in lower case.
func splitName(name string) []string {
	var words []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = word[:0]
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case r == '_' || unicode.IsDigit(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return words
}
