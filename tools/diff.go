package tools

import (
	"fmt"
	"strings"
)

// diffContext is how many lines stand around a change, as git shows them.
const diffContext = 3

// change is a run of lines that differ: old lines from a to b, new lines from c to d.
type change struct{ a, b, c, d int }

// unifiedDiff returns the difference of two texts in the unified format, as git apply takes it, "" when there is none. It is meant for
// texts that differ in a few places: lines are compared in place, and after a difference the nearest pair of equal lines is
// looked for.
func unifiedDiff(path, before, after string) string {
	if before == after {
		return ""
	}
	x, y := diffLines(before), diffLines(after)
	changes := diffChanges(x, y)
	var b strings.Builder
	path = strings.TrimPrefix(path, "/")
	if strings.Contains(path, " ") {
		path += "\t" // so that git knows where the name ends
	}
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", path, path)
	for i := 0; i < len(changes); {
		j := i + 1
		for j < len(changes) && changes[j].a-changes[j-1].b <= 2*diffContext {
			j++
		}
		writeHunk(&b, x, y, changes[i:j])
		i = j
	}
	return b.String()
}

func diffLines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func diffChanges(x, y []string) []change {
	var out []change
	for i, j := 0, 0; i < len(x) || j < len(y); {
		if i < len(x) && j < len(y) && x[i] == y[j] {
			i++
			j++
			continue
		}
		p, q := resync(x[i:], y[j:])
		out = append(out, change{i, i + p, j, j + q})
		i, j = i+p, j+q
	}
	return out
}

// resync returns how many lines of each text to leave out until they are equal again: two lines in a row, or the rest.
func resync(x, y []string) (int, int) {
	same := func(i, j int) bool {
		if i == len(x) || j == len(y) {
			return i == len(x) && j == len(y)
		}
		return x[i] == y[j] && (i+1 == len(x) && j+1 == len(y) || i+1 < len(x) && j+1 < len(y) && x[i+1] == y[j+1])
	}
	for sum := 1; sum < len(x)+len(y); sum++ {
		for i := max(0, sum-len(y)); i <= min(sum, len(x)); i++ {
			if same(i, sum-i) {
				return i, sum - i
			}
		}
	}
	return len(x), len(y)
}

func writeHunk(b *strings.Builder, x, y []string, changes []change) {
	first, last := changes[0], changes[len(changes)-1]
	start, end := max(0, first.a-diffContext), min(len(x), last.b+diffContext)
	newStart := first.c - (first.a - start)
	newEnd := last.d + (end - last.b)
	fmt.Fprintf(b, "@@ -%s +%s @@\n", diffRange(start, end), diffRange(newStart, newEnd))
	at := start
	for _, c := range changes {
		writeDiffLines(b, " ", x[at:c.a])
		writeDiffLines(b, "-", x[c.a:c.b])
		writeDiffLines(b, "+", y[c.c:c.d])
		at = c.b
	}
	writeDiffLines(b, " ", x[at:end])
}

// diffRange is "line,count"; an empty one is named by the line before it.
func diffRange(start, end int) string {
	if start == end {
		return fmt.Sprintf("%d,0", start)
	}
	return fmt.Sprintf("%d,%d", start+1, end-start)
}

func writeDiffLines(b *strings.Builder, mark string, lines []string) {
	for _, line := range lines {
		b.WriteString(mark + line)
		if !strings.HasSuffix(line, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
