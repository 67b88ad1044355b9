package run

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Styles of a span: the parameters of the terminal's SGR sequence (ECMA-48 8.3.117).
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// span is a piece of a row in one style. Its characters are one column wide each.
type span struct{ text, style string }

// row is a line of the live region.
type row []span

// live draws rows below everything else that is printed, and draws them anew in the same place. The terminal is never put into
// another mode and its cursor is never hidden, so that there is nothing to restore, however the process ends.
type live struct {
	out   io.Writer
	size  func() (width, height int)
	color bool
	drawn []int // the columns of each row that stands on the screen
}

// draw replaces the region by rows, with lines above it that stay. All of it is one write, so that nothing flickers.
func (l *live) draw(lines []string, rows []row) {
	width, height := l.size()
	var b strings.Builder
	l.erase(&b, width)
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	l.drawn = l.drawn[:0]
	for _, r := range rows[:min(len(rows), max(height-1, 0))] {
		text, columns := r.render(width-1, l.color)
		b.WriteString(text + "\n")
		l.drawn = append(l.drawn, columns)
	}
	_, _ = io.WriteString(l.out, b.String())
}

// erase goes up to where the region begins and clears from there. A terminal that became narrower has broken rows in two.
func (l *live) erase(b *strings.Builder, width int) {
	up := 0
	for _, columns := range l.drawn {
		up += max(1, (columns+width-1)/width)
	}
	if up > 0 {
		fmt.Fprintf(b, "\r\x1b[%dA\x1b[J", up)
	}
}

// render makes a row fit into width columns.
func (r row) render(width int, color bool) (text string, columns int) {
	var b strings.Builder
	for _, s := range r {
		room := width - columns
		if room <= 0 {
			break
		}
		t := s.text
		if n := utf8.RuneCountInString(t); n > room {
			t = string([]rune(t)[:room-1]) + "…"
		}
		columns += utf8.RuneCountInString(t)
		if color && s.style != plain {
			t = "\x1b[" + s.style + "m" + t + "\x1b[0m"
		}
		b.WriteString(t)
	}
	return b.String(), columns
}

// bar draws how much of a whole is done, in width columns.
func bar(share float64, width int) (done, left string) {
	n := int(min(max(share, 0), 1)*float64(width) + 0.5)
	return strings.Repeat("━", n), strings.Repeat("─", width-n)
}
