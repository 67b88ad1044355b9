package demo

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// titleWidth is the column, counted from the step's title, where its outcome begins.
const titleWidth = 31

// page prints the tour: numbered steps with an outcome, details below them. Without color it writes plain text only.
type page struct {
	out   io.Writer
	color bool
	steps int
	open  bool // the current step's line has no outcome yet
}

func (p *page) printf(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

func (p *page) style(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *page) bold(text string) string { return p.style("1", text) }
func (p *page) dim(text string) string  { return p.style("2", text) }

// step begins a step. Its outcome follows on the same line.
func (p *page) step(title string) {
	p.close()
	p.steps++
	p.open = true
	padding := strings.Repeat(" ", max(1, titleWidth-utf8.RuneCountInString(title)))
	p.printf("%s  %s%s", p.bold(fmt.Sprintf("%2d", p.steps)), p.bold(title), padding)
}

// outcome ends the step's line.
func (p *page) outcome(format string, args ...any) {
	p.printf(format+"\n", args...)
	p.open = false
}

// detail adds a line below the step.
func (p *page) detail(format string, args ...any) {
	p.close()
	p.printf("    "+format+"\n", args...)
}

// close ends a step's line that got no outcome, so that an error does not stand behind it.
func (p *page) close() {
	if p.open {
		p.printf("\n")
		p.open = false
	}
}

// milliseconds formats a measured time so that a column of them is aligned at the unit.
func milliseconds(ms float64) string { return fmt.Sprintf("%8.1f ms", ms) }

// seconds is a short duration as a person says it.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + " s"
}

// count joins a number and its noun: 1 call, 2 calls.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
