package rag

import (
	"regexp"
	"strings"
)

// identifierShape is what nobody writes who does not mean a name in the code: inner capitals, underscores, or a dotted or called name.
var identifierShape = regexp.MustCompile(`^(?:\w*[a-z0-9][A-Z]\w*|\w+_\w+|(?:\w+(?:\.|::|#))+\w+|\w+\(\))$`)

// plainName is a question that is one name, dotted or not.
var plainName = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

// receiverSpelling is how Go's own messages write a method's name.
var receiverSpelling = strings.NewReplacer("(*", "", ")", "", "(", "", "::", ".", "#", ".")

// identifiers returns the names in a question that are meant as such.
func identifiers(text string) []string {
	fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;:?!\"'`", r) && r != ':' })
	var names []string
	for _, f := range fields {
		f = strings.TrimRight(f, ".:")
		f = strings.ReplaceAll(f, "(*", "")
		bare := receiverSpelling.Replace(f)
		if identifierShape.MatchString(strings.ReplaceAll(f, ").", ".")) || len(fields) == 1 && plainName.MatchString(bare) {
			names = append(names, bare)
		}
	}
	return names
}

// Names and operations lead to their definitions in a question of few terms, or when one in so many words is one (a stack trace): where
// they are fewer, they are only mentioned.
const (
	fewTerms      = 12
	wordsForAName = 5
)

// meant reports whether so many names are what a question of so many terms asks for.
func meant(text string, terms, names int) bool {
	return terms <= fewTerms || names*wordsForAName >= len(strings.Fields(text))
}

// tierOf says whether a chunk defines one of the names, and which.
func tierOf(c *Chunk, names []string) (int, string) {
	tier, matched := tierWords, ""
	if c.Name == "" || c.Kind == KindDocs {
		return tier, matched
	}
	for _, name := range names {
		if len(name) > len(c.Name) {
			continue
		}
		tail := c.Name[len(c.Name)-len(name):]
		if len(tail) < len(c.Name) && c.Name[len(c.Name)-len(name)-1] != '.' {
			continue
		}
		switch {
		case tail == name:
			return tierExact, c.Name
		case strings.EqualFold(tail, name):
			tier, matched = tierName, c.Name
		}
	}
	return tier, matched
}
