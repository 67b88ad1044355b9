// Package treesitter turns source text into the functions and types that it defines.
//
// It is the only user of the parser binding. Each language is one entry of the table in languages.go, written in a file
// of its own: its names, the files that it lives in, and one query that finds definitions. Everything else (qualified
// names, duplicates, signatures, decorators) follows from where the definitions stand, and is the same for all.
//
// Parsing needs cgo. Without it Parse returns ErrNoCgo; LanguageOf and the rest of the table still work.
//
// All functions of the package may be called concurrently: a parser lives as long as one call of Parse.
package treesitter

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the largest source that Parse reads. A function that a person or a model can still work on does not
// live in a larger file; a syntax tree takes some fifteen times the size of its source.
const MaxBytes = 8 << 20

// Errors that Parse returns, wrapped with what is known of the place.
var (
	// ErrNoCgo says that the program was built without the parsers.
	ErrNoCgo = errors.New("this build cannot parse source code (built without cgo): build with CGO_ENABLED=1 and a C compiler")
	// ErrNotUTF8 says that the source is not UTF-8 text.
	ErrNotUTF8 = errors.New("not UTF-8 text")
	// ErrTooLarge says that the source has more than MaxBytes bytes.
	ErrTooLarge = errors.New("file too large to parse")
	// ErrTooSlow says that the parser gave up; no known source written by people does that.
	ErrTooSlow = errors.New("parsing took too long")
)

// Kind says what a Definition defines.
type Kind string

// The kinds of definitions. Traits and protocols are interfaces, records and objects classes; unions are structs.
const (
	KindFunction  Kind = "function"
	KindMethod    Kind = "method"
	KindClass     Kind = "class"
	KindStruct    Kind = "struct"
	KindInterface Kind = "interface"
	KindEnum      Kind = "enum"
	KindType      Kind = "type"
	KindModule    Kind = "module"
)

// Callable reports whether the kind is a function or a method rather than a type.
func (k Kind) Callable() bool { return k == KindFunction || k == KindMethod }

// Definition is a function, a method or a type in a source text. All text is exact source: nothing is dedented, no line
// ending is changed.
type Definition struct {
	// Name is the bare name, Qualified the name with what it stands in: Class.method, Type.Method, outer.inner.
	Name, Qualified string
	Kind            Kind
	// Line and EndLine are the first and last line of Full, counted from 1. NameLine is the line that carries the name,
	// which is later than Line where there are decorators.
	Line, NameLine, EndLine int
	// StartByte and EndByte delimit Full, BodyStart and BodyEnd delimit Body, DocStart is where the comment directly above
	// begins (StartByte if there is none).
	StartByte, EndByte, BodyStart, BodyEnd, DocStart int
	// Signature is the definition up to its body, without decorators. It may span lines.
	Signature string
	// Decorators are the decorators, annotations or attributes of the definition, Doc is the comment directly above it.
	Decorators []string
	Doc        string
	// Full is the whole definition with its decorators; Body is its block without the signature: in languages with
	// braces they are part of it; in Python the body begins at the start of its first line, indentation included, unless it
	// stands on the line of the signature.
	Full, Body string
	// Parent is the index in File.Definitions of the definition around this one, or -1.
	Parent int
}

// File is what could be read of a source text.
type File struct {
	Language Language
	// Definitions holds functions, methods and types in the order of the source, outer before inner.
	Definitions []Definition
	// Routes holds the operations that the file registers handlers for, in the order of the source.
	Routes []Route
	// Mounts holds what it puts below a prefix that other files register handlers with, in the order of the source.
	Mounts []Mount
	// Warning is empty, or says where the source has syntax errors and that the rest was read all the same.
	Warning string
}

// Functions returns the functions and methods in the order of the source.
func (f *File) Functions() []Definition {
	out := make([]Definition, 0, len(f.Definitions))
	for i := range f.Definitions {
		if f.Definitions[i].Kind.Callable() {
			out = append(out, f.Definitions[i])
		}
	}
	return out
}

// Names returns one name for each function and method, in the order of the source. Find returns exactly that function for
// each (of several on one line, those): the name is qualified, and carries @line where several functions share it.
func (f *File) Names() []string {
	functions := f.Functions()
	count := make(map[string]int, len(functions))
	for i := range functions {
		count[functions[i].Qualified]++
	}
	names := make([]string, len(functions))
	for i := range functions {
		names[i] = functions[i].Qualified
		if count[names[i]] > 1 {
			names[i] = functions[i].At()
		}
	}
	return names
}

// At returns the name that tells the definition from others of the same name: Qualified@NameLine.
func (d *Definition) At() string { return d.Qualified + "@" + strconv.Itoa(d.NameLine) }

// Find returns the definitions that a name means: those with that qualified name; if none, those with that bare name or whose
// qualified name ends in it. name@line keeps those whose head (decorators to name) touches the line. Functions win over types.
// The spellings (*T).M, T::m and a trailing () are understood.
func (f *File) Find(name string) []Definition {
	name = strings.TrimSpace(name)
	line := 0
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		if n, err := strconv.Atoi(name[at+1:]); err == nil {
			name, line = name[:at], n
		}
	}
	if name == "" {
		return nil
	}
	spellings := []string{name, strings.ReplaceAll(name, "::", "."), nameSpelling.Replace(strings.TrimSuffix(name, "()"))}
	tests := []func(d *Definition) bool{
		func(d *Definition) bool { return slices.Contains(spellings, d.Qualified) },
		func(d *Definition) bool {
			return slices.ContainsFunc(spellings, func(name string) bool {
				return name != "" && (d.Name == name || strings.HasSuffix(d.Qualified, "."+name))
			})
		},
	}
	for _, test := range tests {
		var callables, others []Definition
		for i := range f.Definitions {
			d := &f.Definitions[i]
			switch {
			case !test(d), line != 0 && (line < d.Line || line > d.NameLine):
			case d.Kind.Callable():
				callables = append(callables, *d)
			default:
				others = append(others, *d)
			}
		}
		if len(callables) > 0 {
			return callables
		}
		if len(others) > 0 {
			return others
		}
	}
	return nil
}

var nameSpelling = strings.NewReplacer("(*", "", "(", "", ")", "", "*", "", "::", ".", "#", ".")

// check refuses what no parser should see.
func check(src []byte) error {
	if len(src) > MaxBytes {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(src), MaxBytes)
	}
	if utf8.Valid(src) {
		return nil
	}
	at := 0
	for at < len(src) {
		r, size := utf8.DecodeRune(src[at:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return fmt.Errorf("%w: byte 0x%02x in line %d; convert the file to UTF-8", ErrNotUTF8, src[at], 1+bytes.Count(src[:at], []byte{'\n'}))
}
