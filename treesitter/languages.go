package treesitter

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Language is the name of a language that can be parsed, in lower case.
type Language string

// grammar is one language of the table.
type grammar struct {
	language Language
	// aliases are other accepted names, in lower case.
	aliases []string
	// extensions have their dot and are in lower case; filenames are whole base names; interpreters are program names of
	// a #! line without version digits.
	extensions, filenames, interpreters []string
	// comments are the prefixes of a line that is a comment, blocks says that there are comments between /* and */; used to find the
	// comment above a definition.
	comments []string
	blocks   bool
	// query captures definitions. The capture around a definition is named after its Kind; @scope and @extension are no definitions, but
	// their name is part of the qualified names inside, and functions in an extension are methods. Inside, @name is the bare name, @body
	// the block (or @open its first token, if it ends with the definition), @receiver the type that a method belongs to where the
	// method stands outside of it. If @keyword is captured, keywords tells the kind by its text, and that nothing is defined if the text
	// is not there.
	query    string
	keywords map[string]Kind
	// flat are the node types at the top of a file that are a function with the fields name, body and receiver, and hold no other
	// definition if nested does not suspect one in the text of the body. The query then need not look into them, which it would do
	// at the cost of half a parse; nor into those of hollow, if nested does not suspect one in their text.
	flat   map[string]Kind
	nested func(body string) bool
	hollow []string
	// declarators are the node types around a name that @name captures with it, as in int *(*f(int))(int).
	declarators []string
	// receiver reduces the text of a receiver to a name, "" for none; nil is baseType.
	receiver func(text string) string
	// separators stand between the parts of a name that is written with what it stands in, such as A::b.
	separators []string
	// prefix is no part of a name that begins with it.
	prefix string
	// wrappers are the node types around a definition that belong to it, such as exports; beside are those that may stand in a wrapper
	// next to the definition without being one.
	wrappers, beside []string
	// attributes are the node types of decorators at the beginning of a definition, directly or in a node of type modifiers; leading are
	// those that stand before it as siblings, of which leads accepts some by their text (nil: all).
	attributes, leading []string
	leads               func(text string) bool
	// top matches the beginning of what people write at the beginning of a line only at the top of a file; nil where nothing is such.
	top *regexp.Regexp
	// indented languages have bodies without braces: a body starts at the start of its line.
	indented bool
}

// The captures that are no definitions.
const (
	kindScope     Kind = "scope"
	kindExtension Kind = "extension"
)

// grammars is the closed set of languages. Adding one: its file with the entry, a line here, a line in parse_cgo.go, its
// testdata.
var grammars = []*grammar{
	&python, &golang, &typescript, &javascript, &java, &rust, &kotlin, &csharp, &ruby, &php, &elixir, &c, &cpp,
}

// Languages returns the languages that can be parsed, in a fixed order.
func Languages() []Language {
	out := make([]Language, len(grammars))
	for i, g := range grammars {
		out[i] = g.language
	}
	return out
}

// ParseLanguage returns the language that a name or one of its usual other names means, in any letter case.
func ParseLanguage(name string) (Language, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, g := range grammars {
		if name == string(g.language) {
			return g.language, true
		}
		for _, alias := range g.aliases {
			if name == alias {
				return g.language, true
			}
		}
	}
	return "", false
}

// Aliases returns the other accepted names of a language.
func Aliases(l Language) []string {
	if g := grammarOf(l); g != nil {
		return slices.Clone(g.aliases)
	}
	return nil
}

// LanguageOf returns the language of a file from its extension, its name, or the #! line at the beginning of head. head may
// be nil, or any prefix of the file.
func LanguageOf(file string, head []byte) (Language, bool) {
	base := path.Base(filepath.ToSlash(file))
	extension := strings.ToLower(path.Ext(base))
	program := interpreter(head)
	for _, g := range grammars {
		for _, e := range g.extensions {
			if e == extension {
				return g.language, true
			}
		}
		for _, name := range g.filenames {
			if name == base {
				return g.language, true
			}
		}
	}
	// A file with an extension of its own is what it says; #! only decides for the others.
	if program == "" || extension != "" {
		return "", false
	}
	for _, g := range grammars {
		for _, p := range g.interpreters {
			if p == program {
				return g.language, true
			}
		}
	}
	return "", false
}

// interpreter returns the program of a #! line without directory and version: "#!/usr/bin/env -S python3.12 -u" is python.
func interpreter(head []byte) string {
	line, _, _ := strings.Cut(string(head[:min(len(head), 256)]), "\n")
	line, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return ""
	}
	for word := range strings.FieldsSeq(line) {
		name := path.Base(word)
		if name == "env" || strings.HasPrefix(word, "-") || strings.Contains(word, "=") {
			continue
		}
		return strings.TrimRight(name, "0123456789.")
	}
	return ""
}

func grammarOf(l Language) *grammar {
	for _, g := range grammars {
		if g.language == l {
			return g
		}
	}
	return nil
}
