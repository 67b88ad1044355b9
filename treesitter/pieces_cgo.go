//go:build cgo

package treesitter

import (
	"bytes"
	"context"
	"regexp"
	"strings"
)

// maxPieces and maxPieced bound what is read piece by piece, in pieces and in bytes.
const (
	maxPieces = 5000
	maxPieced = 1 << 20
)

// decoratorsOnly matches what stands between a decorator and what it decorates.
var decoratorsOnly = regexp.MustCompile(`^(?:@[^\n]*\n\s*)+$`)

// pieces reads a source with syntax errors piece by piece: one brace too few makes the parser take everything after it for a part of
// one function, but people begin the next one at the beginning of a line. It returns nothing for a language that has no such lines.
func (p *parser) pieces(ctx context.Context, src []byte) ([]Definition, error) {
	g := p.grammar
	if g.top == nil || len(src) > maxPieced {
		return nil, nil
	}
	starts := []int{0}
	for _, at := range g.top.FindAllIndex(src, maxPieces) {
		if last := starts[len(starts)-1]; at[0] > last && !decoratorsOnly.Match(src[last:at[0]]) {
			starts = append(starts, at[0])
		}
	}
	text := string(src)
	var out []Definition
	for i, start := range starts {
		end := len(src)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		file, err := p.parse(ctx, src[start:end])
		if err != nil {
			return nil, err
		}
		lines, before := bytes.Count(src[:start], []byte{'\n'}), len(out)
		for _, d := range file.Definitions {
			d.StartByte, d.EndByte, d.BodyStart, d.BodyEnd = d.StartByte+start, d.EndByte+start, d.BodyStart+start, d.BodyEnd+start
			d.Line, d.NameLine, d.EndLine = d.Line+lines, d.NameLine+lines, d.EndLine+lines
			if d.Parent >= 0 {
				d.Parent += before
			}
			d.DocStart = g.commentAbove(text, d.StartByte)
			d.Doc = strings.TrimSpace(text[d.DocStart:d.StartByte])
			out = append(out, d)
		}
	}
	return out, nil
}

// readsMore reports whether a has more functions and methods than b, or as many of which more stand at the top.
func readsMore(a, b []Definition) bool {
	count := func(definitions []Definition) (all, top int) {
		for i := range definitions {
			if definitions[i].Kind.Callable() {
				all++
			}
			if definitions[i].Parent < 0 {
				top++
			}
		}
		return all, top
	}
	allA, topA := count(a)
	allB, topB := count(b)
	return allA > allB || allA == allB && topA > topB
}
