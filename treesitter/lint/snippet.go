package lint

import (
	"context"
	"regexp"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

// CheckSnippet is [Check] for a part of a file: a function, a method without its type, a body, or some statements. Lines and edits
// are those of the snippet. What a rule wants to see elsewhere in the file, which is an import in most cases, counts as being
// there when the snippet has no imports at all.
func CheckSnippet(ctx context.Context, language treesitter.Language, snippet string, o Options) (*Report, error) {
	o.partial = !imports.MatchString(snippet)
	frames := framesOf(language, snippet)
	chosen, clean := frames[0], false
	for _, f := range frames {
		var err error
		if clean, err = treesitter.Clean(ctx, language, []byte(f.before+snippet+f.after)); err != nil {
			return nil, err
		}
		if clean {
			chosen = f
			break
		}
	}
	report, err := Check(ctx, language, "", []byte(chosen.before+snippet+chosen.after), o)
	if err != nil {
		return nil, err
	}
	chosen.unframe(report, snippet)
	if !clean {
		report.Warning = "the snippet has syntax errors; nothing is reported in functions that have one"
	}
	return report, nil
}

// imports matches what every file with an import has in the languages that have rules.
var imports = regexp.MustCompile(`(?m)^\s*(import\b|from\s+\S+\s+import\b|package\s+\w|(const|let|var)\b.*\brequire\()`)

// frame is what makes a file of a part of one.
type frame struct{ before, after string }

// definitionHead matches the first line of a snippet that is a definition in Python.
var definitionHead = regexp.MustCompile(`^\s*(@|def\b|async\s+def\b|class\b)`)

// framesOf lists what to put around a snippet until it parses, none first.
func framesOf(language treesitter.Language, snippet string) []frame {
	block := strings.HasPrefix(strings.TrimSpace(snippet), "{")
	plain := frame{}
	switch language {
	case treesitter.Python:
		before := "def _():\n"
		if definitionHead.MatchString(snippet) {
			before = "class _:\n"
		}
		// The source of a decorated method begins at its decorator, without the indentation that its other lines have.
		return []frame{plain, {before + missingIndent(snippet), ""}}
	case treesitter.Go:
		plain.after = "\n" // which ends a declaration
		if block {
			return []frame{{"func _() ", "\n"}, plain}
		}
		return []frame{plain, {"type (", "\n)\n"}}
	case treesitter.Java:
		if block {
			return []frame{{"class Part { void part() ", "\n}"}, {"class Part { Part() ", "\n}"}}
		}
		return []frame{plain, {"class Part {", "\n}"}, {"class Part { void part() {", "\n}}"}, {"class Part { Object part = ", ";\n}"}}
	case treesitter.TypeScript, treesitter.JavaScript:
		if block {
			return []frame{{"async function _() ", ""}, plain}
		}
		return []frame{plain, {"class _ {", "\n}"}, {"({", "\n})"}}
	default: // has no rules
	}
	return []frame{plain}
}

// missingIndent returns the indentation that the lines of a snippet have and its first line lacks.
func missingIndent(snippet string) string {
	first, rest, _ := strings.Cut(snippet, "\n")
	if strings.TrimLeft(first, " \t") != first {
		return ""
	}
	least, found := "    ", false
	for line := range strings.SplitSeq(rest, "\n") {
		text := strings.TrimLeft(line, " \t")
		if indent := line[:len(line)-len(text)]; strings.TrimSpace(text) != "" && (!found || len(indent) < len(least)) {
			least, found = indent, true
		}
	}
	return least
}

// unframe turns a report on a framed snippet into one on the snippet.
func (f frame) unframe(r *Report, snippet string) {
	lines := strings.Count(f.before, "\n")
	inLine := len(f.before) - strings.LastIndexByte(f.before, '\n') - 1
	r.Lines = strings.Count(strings.TrimSuffix(snippet, "\n"), "\n") + 1
	for i := range r.Findings {
		one := &r.Findings[i]
		one.Line, one.EndLine = max(1, one.Line-lines), min(max(1, one.EndLine-lines), r.Lines)
		if one.Line == 1 {
			one.Column = max(1, one.Column-inLine)
		}
		if fix := one.Fix; fix != nil {
			moved := Edit{Start: fix.Start - len(f.before), End: fix.End - len(f.before), New: fix.New}
			if one.Fix = &moved; moved.Start < 0 || moved.End > len(snippet) {
				one.Fix = nil
			}
		}
	}
}
