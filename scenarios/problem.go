package scenarios

import (
	"fmt"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong, or worth knowing, in a scenario.
type Problem struct { //nolint:errname // a line of a list; "problem" is what users are told
	// File, Line and Column (from 1) say where; they are empty for scenarios built in code, and Line is 0 where only the file is
	// meant.
	File         string
	Line, Column int
	// Path is the place within the document ("items[0].context.slo[1].threshold"); "" for the document.
	Path string
	// Message is one line.
	Message string
	// Nearest is the accepted spelling closest to what was written; "" when nothing is close.
	Nearest string
}

// Error formats the problem in one line, in the form that editors jump to: file:line:column: message.
func (p Problem) Error() string {
	var b strings.Builder
	switch {
	case p.File != "" && p.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	case p.File != "":
		fmt.Fprintf(&b, "%s: ", p.File)
	case p.Path != "":
		fmt.Fprintf(&b, "%s: ", p.Path)
	}
	b.WriteString(oneLine(p.Message))
	if p.Nearest != "" {
		fmt.Fprintf(&b, "; did you mean %q?", p.Nearest)
	}
	return b.String()
}

// oneLine replaces control characters, line breaks among them, which names in a file may hold.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// Problems is the error of [Load], [Parse] and [Scenario.Validate]: everything that is wrong, in order of appearance.
type Problems []Problem //nolint:errname // as Problem

// Error has one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// err is nil where there are no problems: a nil Problems in an error is not a nil error.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// nearest returns the candidate with the fewest edits (insert, delete, replace, swap of neighbours) from word, "" when the best
// needs more than a third of the word's letters, at least one.
func nearest(word string, candidates []string) string {
	best, fewest := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := edits(strings.ToLower(word), strings.ToLower(c)); d < fewest {
			best, fewest = c, d
		}
	}
	return best
}

// edits is the optimal string alignment distance.
func edits(a, b string) int {
	s, t := []rune(a), []rune(b)
	if len(s) > 64 || len(t) > 64 {
		return 64 // no key is that long; the table would only cost time
	}
	prev2, prev, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(t)]
}
