package tools

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fault-project/fault/internal/nearest"
	"github.com/fault-project/fault/treesitter"
)

// fileArgument is the argument of the operations on one source file.
var fileArgument = Argument{Name: "file", Type: "string", Required: true, Usage: "absolute path of the source file, plain or file://"}

// languageArgument restricts an operation to one language.
var languageArgument = func() Argument {
	a := Argument{Name: "lang", Type: "string", Usage: "only files of this language; all without it"}
	for _, l := range treesitter.Languages() {
		a.Enum = append(a.Enum, string(l))
		a.Also = append(a.Also, treesitter.Aliases(l)...)
	}
	return a
}()

// languageNames lists the accepted names of languages.
func languageNames() []string {
	languages := treesitter.Languages()
	names := make([]string, 0, 4*len(languages))
	for _, l := range languages {
		names = append(names, string(l))
		names = append(names, treesitter.Aliases(l)...)
	}
	return names
}

// language returns the language that an argument means, "" for an empty one. The error is a *[UserError].
func language(argument, name string) (string, error) {
	if strings.TrimSpace(name) == "" {
		return "", nil
	}
	l, ok := treesitter.ParseLanguage(name)
	if !ok {
		hint := "accepted are " + strings.Join(languageNames(), ", ")
		if near := nearest.Of(name, languageNames()); near != "" {
			hint = fmt.Sprintf("did you mean %q? %s", near, hint)
		}
		return "", &UserError{Argument: argument, Message: fmt.Sprintf("unknown language %q", name), Hint: hint}
	}
	return string(l), nil
}

// parsed reads and parses the source file that an argument names.
func (g *FileGuard) parsed(ctx context.Context, argument, path string, roots []string) (*treesitter.File, allowedFile, error) {
	f, err := g.file(argument, path, roots)
	if err != nil {
		return nil, f, err
	}
	src, err := f.read(treesitter.MaxBytes + 1)
	if err != nil {
		return nil, f, &UserError{Argument: argument, Message: fmt.Sprintf("cannot read %s: %v", path, reason(err)), Hint: "check the path"}
	}
	l, ok := treesitter.LanguageOf(f.path, src)
	if !ok {
		return nil, f, &UserError{
			Argument: argument, Message: path + " is not in a language that can be read",
			Hint: "have " + joinLanguages(),
		}
	}
	file, err := treesitter.Parse(ctx, l, src)
	switch {
	case errors.Is(err, treesitter.ErrNotUTF8), errors.Is(err, treesitter.ErrTooLarge), errors.Is(err, treesitter.ErrTooSlow):
		return nil, f, &UserError{Argument: argument, Message: fmt.Sprintf("%s: %v", path, err)}
	case err != nil:
		return nil, f, err
	}
	return file, f, nil
}

func joinLanguages() string {
	languages := treesitter.Languages()
	names := make([]string, len(languages))
	for i, l := range languages {
		names[i] = string(l)
	}
	return strings.Join(names, ", ")
}

// nearFunctions returns at most three of the names that are most like a word, the most alike first. A method is often asked for
// without its type.
func nearFunctions(word string, names []string) []string {
	words := map[string][]string{} // what may have been meant, to the names
	var candidates []string
	for _, name := range names {
		plain, _, _ := strings.Cut(name, "@")
		for _, c := range []string{plain, plain[strings.LastIndexByte(plain, '.')+1:]} {
			if words[c] == nil {
				candidates = append(candidates, c)
			}
			words[c] = append(words[c], name)
		}
	}
	var out []string
	for len(out) < 3 {
		near := nearest.Of(word, candidates)
		if near == "" {
			break
		}
		for _, name := range words[near] {
			if !slices.Contains(out, name) && len(out) < 3 {
				out = append(out, name)
			}
		}
		candidates = slices.DeleteFunc(candidates, func(c string) bool { return c == near })
	}
	return out
}
