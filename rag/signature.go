package rag

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSignature bounds how much of a definition is taken for its signature, in bytes.
const maxSignature = 2000

// callable reports whether a chunk is of a function.
func callable(c *Chunk) bool { return c.Kind == "function" || c.Kind == "method" }

// bareName returns the name of a definition without the names of what it belongs to.
func bareName(c *Chunk) string { return c.Name[strings.LastIndexByte(c.Name, '.')+1:] }

// private reports whether a chunk is a definition that others should not use: by a small first letter in Go, and by an underscore
// elsewhere.
func private(c *Chunk) bool {
	if c.Kind == KindDocs || c.Kind == KindCode || c.Name == "" {
		return false
	}
	name := bareName(c)
	if c.Language == "go" {
		r, _ := utf8.DecodeRuneInString(name)
		return !unicode.IsUpper(r)
	}
	return strings.HasPrefix(name, "_")
}

// signature returns the signature of a function from the line of its name to its body, and what follows the name in it. Both
// are empty where the text has none.
func signature(c *Chunk) (whole, after string) {
	if !callable(c) {
		return "", ""
	}
	text := c.Header
	if text == "" {
		text = c.Text
	}
	name := bareName(c)
	for at := 0; at < len(text) && at < maxSignature; {
		line, _, _ := strings.Cut(text[at:], "\n")
		if i := nameIn(line[:min(len(line), maxSignature)], name); i >= 0 {
			text = text[at:min(len(text), at+maxSignature)]
			end := signatureEnd(text, i+len(name))
			return text[:end], text[i+len(name) : end]
		}
		at += len(line) + 1
	}
	return "", ""
}

// commentMarks begin lines that are no code, decorators included.
var commentMarks = []string{"//", "#", "*", "/*", "@", "--", `"""`, "'''"}

// nameIn returns where a line of code has a name, or -1.
func nameIn(line, name string) int {
	trimmed := strings.TrimLeft(line, " \t")
	for _, mark := range commentMarks {
		if strings.HasPrefix(trimmed, mark) {
			return -1
		}
	}
	for from := 0; ; {
		i := strings.Index(line[from:], name)
		if i < 0 || name == "" {
			return -1
		}
		i += from
		from = i + len(name)
		if (i == 0 || !wordAt(line, i-1)) && !wordAt(line, from) {
			return i
		}
	}
}

func wordAt(text string, i int) bool {
	return i < len(text) && (text[i] >= utf8.RuneSelf || wordByte[text[i]])
}

// signatureEnd returns where a signature ends: before the brace or at the end of the line that comes after all brackets are closed.
func signatureEnd(text string, from int) int {
	depth := 0
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case '{', '\n', ';':
			if depth <= 0 {
				return i
			}
		}
	}
	return len(text)
}

// typeFirst are the languages in which the name of a parameter comes after its type.
var typeFirst = map[string]bool{"java": true, "csharp": true, "c": true, "cpp": true, "php": true}

// generics are the languages in which commas between < and > do not part parameters.
var generics = map[string]bool{"java": true, "csharp": true, "cpp": true, "typescript": true, "tsx": true, "rust": true, "kotlin": true}

// modifiers come before the name of a parameter, or stand for the object itself.
var modifiers = wordSet("self cls this mut ref val var const final public private protected readonly")

// parameters returns the names of the parameters of a function as they are written.
func parameters(c *Chunk) []string {
	_, after := signature(c)
	open := strings.IndexByte(after, '(')
	if open < 0 {
		return nil
	}
	var names []string
	depth, start := 0, open+1
	for i := open; i < len(after); i++ {
		switch b := after[i]; {
		case b == '(' || b == '[' || b == '{' || b == '<' && generics[c.Language]:
			depth++
		case b == ')' || b == ']' || b == '}' || b == '>' && generics[c.Language] && after[i-1] != '-' && after[i-1] != '=': // no arrow
			depth--
		}
		if depth == 0 || depth == 1 && after[i] == ',' {
			if name := parameter(after[start:i], typeFirst[c.Language]); name != "" {
				names = append(names, name)
			}
			start = i + 1
		}
		if depth == 0 {
			break
		}
	}
	return names
}

// parameter returns the name in one declaration of a parameter, or "".
func parameter(text string, last bool) string {
	text, _, _ = strings.Cut(text, "=")
	name := ""
	for word := range identifiersOf(text) {
		if modifiers[word] {
			continue
		}
		if name = word; !last {
			break
		}
	}
	return name
}

// identifiersOf calls yield with each run of letters, digits and underscores.
func identifiersOf(text string) func(yield func(string) bool) {
	return strings.FieldsFuncSeq(text, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// spellings returns the words of a question as they are written, without those that say nothing.
func spellings(text string) map[string]bool {
	set := map[string]bool{}
	for word := range identifiersOf(text) {
		if !stopWords[word] && len(word) <= maxToken {
			set[word] = true
		}
	}
	return set
}

// parametersIn returns how many parameters a function has, and which of them the question says letter by letter.
func parametersIn(c *Chunk, said map[string]bool) (all int, found []string) {
	names := parameters(c)
	for _, name := range names {
		if said[name] && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return len(names), found
}
