package rag

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/fault-project/fault/treesitter"
)

// maxChunk is the size of a chunk in bytes that are not space. It is about what fits a page of an editor, and below what the
// usual embedding models read.
const maxChunk = 2000

// The kinds of chunks beside those of definitions.
const (
	KindCode = "code"
	KindDocs = "docs"
)

// elision stands in a chunk for lines that another chunk holds.
const elision = "…"

// cutFile cuts a file into chunks without IDs. The error wraps treesitter.ErrNotUTF8 for what is not text, treesitter.ErrNoCgo, or is
// the context's.
func cutFile(ctx context.Context, rel, language string, src []byte) ([]Chunk, error) {
	c := &cutter{path: rel, language: language, src: string(src)}
	if l, ok := treesitter.ParseLanguage(language); ok {
		file, err := treesitter.Parse(ctx, l, src)
		switch {
		case err == nil:
			c.code(file)
			c.routes(file)
			return c.chunks, nil
		case !errors.Is(err, treesitter.ErrTooLarge) && !errors.Is(err, treesitter.ErrTooSlow):
			return nil, err
		}
	} else if !utf8.Valid(src) {
		return nil, treesitter.ErrNotUTF8
	}
	if documents[language] {
		c.document()
	} else {
		c.rest([]span{{0, len(c.src)}})
	}
	return c.chunks, nil
}

// span is a range of bytes.
type span struct{ start, end int }

type cutter struct {
	path, language, src string
	chunks              []Chunk

	// lineAt counts from what it counted last: offsets mostly grow.
	counted, line int
}

// lineAt returns the line of an offset, from 1.
func (c *cutter) lineAt(offset int) int {
	if offset < c.counted || c.line == 0 {
		c.counted, c.line = 0, 1
	}
	c.line += strings.Count(c.src[c.counted:offset], "\n")
	c.counted = offset
	return c.line
}

// code cuts along the definitions of a file, and then what is between them.
func (c *cutter) code(file *treesitter.File) {
	children := make(map[int][]int, len(file.Definitions))
	for i := range file.Definitions {
		p := file.Definitions[i].Parent
		children[p] = append(children[p], i)
	}
	gaps := make([]span, 0, len(children[-1])+1)
	at := 0
	for _, i := range children[-1] {
		d := &file.Definitions[i]
		start := max(c.lineStart(d.DocStart), at)
		gaps = append(gaps, span{at, start})
		c.definition(file, children, i, start)
		at = max(at, d.EndByte)
	}
	c.rest(append(gaps, span{at, len(c.src)}))
}

// lineStart moves an offset to the start of its line when only space is in between.
func (c *cutter) lineStart(offset int) int {
	start := strings.LastIndexByte(c.src[:offset], '\n') + 1
	if strings.TrimSpace(c.src[start:offset]) == "" {
		return start
	}
	return offset
}

// definition adds the chunks of a definition that begins, with its comment, at start: one for a function, nested ones included;
// for a type an outline in which the bodies of its methods are left out, and one for each of them.
func (c *cutter) definition(file *treesitter.File, children map[int][]int, index, start int) {
	d := &file.Definitions[index]
	whole := span{start, d.EndByte}
	chunk := Chunk{Kind: string(d.Kind), Name: d.Qualified, Header: d.Signature}
	if d.Kind.Callable() || len(children[index]) == 0 {
		c.add(chunk, whole, c.src[whole.start:whole.end])
		return
	}
	var outline strings.Builder
	at := whole.start
	for _, i := range children[index] {
		m := &file.Definitions[i]
		if m.BodyStart < at || m.StartByte < at {
			continue
		}
		outline.WriteString(c.src[at:m.BodyStart])
		at = m.EndByte
		if m.BodyStart < m.EndByte {
			outline.WriteString(elision)
		}
	}
	outline.WriteString(c.src[at:whole.end])
	c.add(chunk, whole, outline.String())
	for _, i := range children[index] {
		m := &file.Definitions[i]
		c.definition(file, children, i, c.lineStart(m.DocStart))
	}
}

// add appends the text of one definition, in several chunks if it is long. Text that is not the source of its span (an
// outline) keeps the lines of the whole span.
func (c *cutter) add(chunk Chunk, s span, text string) {
	chunk.Path, chunk.Language = c.path, c.language
	header := chunk.Header
	exact := text == c.src[s.start:s.end] // an outline may be as long by chance
	first := c.lineAt(s.start)
	last := c.lineAt(s.end)
	line := first
	for i, part := range split(text) {
		if !hasWord(part) {
			line += strings.Count(part, "\n")
			continue
		}
		chunk.Text, chunk.Header = strings.TrimRight(part, " \t\r\n"), ""
		if i > 0 {
			chunk.Header = header
		}
		chunk.StartLine, chunk.EndLine = first, last
		if exact {
			blank := part[:len(part)-len(strings.TrimLeft(part, "\r\n"))]
			chunk.Text = strings.TrimLeft(chunk.Text, "\r\n")
			chunk.StartLine = line + strings.Count(blank, "\n")
			chunk.EndLine = chunk.StartLine + strings.Count(chunk.Text, "\n")
		}
		line += strings.Count(part, "\n")
		c.chunks = append(c.chunks, chunk)
	}
}

// rest adds what is left of a file. Neighbours are merged while they fit, with a line of elision between them.
func (c *cutter) rest(gaps []span) {
	chunk := Chunk{Kind: KindCode}
	var text strings.Builder
	merged, size := span{-1, -1}, 0
	pieces := 0
	flush := func() {
		if pieces > 0 {
			c.add(chunk, merged, text.String())
		}
		text.Reset()
		merged, size, pieces = span{-1, -1}, 0, 0
	}
	for _, g := range gaps {
		piece := strings.TrimRight(c.src[g.start:g.end], " \t\r\n")
		lead := len(piece) - len(strings.TrimLeft(piece, "\r\n"))
		piece = piece[lead:]
		if !hasWord(piece) {
			continue
		}
		n := solid(piece)
		if size > 0 && size+n > maxChunk {
			flush()
		}
		if pieces > 0 {
			text.WriteString("\n" + elision + "\n")
		} else {
			merged.start = g.start + lead
		}
		text.WriteString(piece)
		merged.end = g.start + lead + len(piece)
		size += n
		pieces++
	}
	flush()
}

// document cuts prose at its headings, and names each piece after the heading above it.
func (c *cutter) document() {
	chunk := Chunk{Kind: KindDocs}
	start, fenced := 0, false
	flush := func(end int) {
		if hasWord(c.src[start:end]) {
			c.add(chunk, span{start, end}, c.src[start:end])
		}
		start = end
	}
	for at := 0; at < len(c.src); {
		end := at + 1 + strings.IndexByte(c.src[at:], '\n')
		if end == at {
			end = len(c.src)
		}
		line := c.src[at:end]
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if title := strings.TrimLeft(line, "#"); !fenced && len(title) < len(line) && strings.HasPrefix(title, " ") {
			flush(at)
			chunk.Name = strings.TrimSpace(strings.Trim(title, "# \r\n"))
		}
		at = end
	}
	flush(len(c.src))
}

// split cuts text into parts of at most maxChunk solid bytes, at line ends and if possible at a blank line. Joined, the parts are the
// text.
func split(text string) []string {
	if len(text) <= maxChunk {
		return []string{text}
	}
	var parts []string
	for len(text) > 0 {
		end := cutPoint(text)
		parts = append(parts, text[:end])
		text = text[end:]
	}
	return parts
}

// cutPoint returns where the first part of a text ends.
func cutPoint(text string) int {
	size, lineEnd, blank := 0, 0, 0
	for i := 0; i < len(text); i++ {
		b := text[i]
		if b == '\n' {
			if lineEnd > 0 && size > maxChunk/2 && strings.TrimSpace(text[lineEnd:i]) == "" {
				blank = i + 1
			}
			lineEnd = i + 1
			continue
		}
		if b == ' ' || b == '\t' || b == '\r' {
			continue
		}
		if size++; size <= maxChunk {
			continue
		}
		switch {
		case blank > 0:
			return blank
		case lineEnd > 0:
			return lineEnd
		}
		for i > 0 && !utf8.RuneStart(text[i]) {
			i--
		}
		return i
	}
	return len(text)
}

// solid counts the bytes that are not space.
func solid(text string) int {
	n := 0
	for i := range len(text) {
		if b := text[i]; b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			n++
		}
	}
	return n
}

// hasWord reports whether there is anything to search for in a text.
func hasWord(text string) bool {
	for i := range len(text) {
		b := text[i]
		if b >= utf8.RuneSelf || 'a' <= b|0x20 && b|0x20 <= 'z' {
			return true
		}
	}
	return false
}
