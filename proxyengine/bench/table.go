//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// results are all samples, by row and contender, in the order of the rounds.
type results map[string]map[string][]float64

func (r results) add(row, who string, v float64) {
	if r[row] == nil {
		r[row] = map[string][]float64{}
	}
	r[row][who] = append(r[row][who], v)
}

// goal is what fault has to reach.
type goal struct {
	against string // a contender; "" compares the value itself, without its sign
	atLeast bool   // else at most
	limit   float64
}

// line is one row of a table.
type line struct {
	id, title string
	digits    int
	goals     []goal
}

// table is one of the two.
type table struct {
	title   string
	columns []string // contenders
	lines   []line
}

var fast = []goal{{toxi, true, 2.5}, {plain, true, 0.95}}

var tables = []table{
	{"no fault active", []string{direct, plain, toxi, ours}, []line{
		{"gib1", "GiB/s, 1 connection", 2, fast},
		{"gib8", "GiB/s, 8 connections", 2, fast},
		{"cpu8", "proxy CPU s/GiB, 8 connections", 3, []goal{{"", false, 0.3}}},
		{"rtt", "RTT 64 B p50, µs", 1, []goal{{plain, false, 1.1}}},
		{"connect", "connect + echo + close /s", 0, []goal{{toxi, true, 1.7}}},
		{"connectcpu", "proxy CPU µs a connection", 1, nil},
		{"idlekb", "idle connection, RSS kB each", 1, []goal{{"", false, 25}}},
		{"idlefd", "idle connection, descriptors each", 2, []goal{{"", false, 2.01}}},
		{"bulkkb", "idle again after bulk, RSS kB each", 1, []goal{{"", false, 25}}},
		{"bulkfd", "idle again after bulk, descriptors each", 2, []goal{{"", false, 2.01}}},
		{"http", "HTTP forward 1 KiB, 32 keep-alive, calls/s", 0, []goal{{plain, true, 0.9}}},
		{"httpcpu", "HTTP forward, proxy CPU µs a call", 1, nil},
	}},
	{"with a fault", []string{direct, plain, toxi, ours}, []line{
		{"late1", "latency 1 ms, error p50, ms¹", 3, []goal{{"", false, 0.2}}},
		{"late5", "latency 5 ms, error p50, ms¹", 3, []goal{{"", false, 0.3}}},
		{"late20", "latency 20 ms, error p50, ms¹", 3, []goal{{"", false, 0.4}}},
		{"late100", "latency 100 ms, error p50, ms¹", 3, []goal{{"", false, 0.4}}},
		{"delayed", "bulk through 100 ms, GiB/s", 2, []goal{{toxi, true, 3}}},
		{"peak", "its peak of memory above idle, MB", 0, []goal{{"", false, 400}}},
		{"rate100", "bandwidth 100 KB/s, error %", 2, []goal{{"", false, 0.5}}},
		{"rate1000", "bandwidth 1 MB/s, error %", 2, []goal{{"", false, 0.5}}},
		{"rate10000", "bandwidth 10 MB/s, error %", 2, []goal{{"", false, 0.5}}},
		{"rate100000", "bandwidth 100 MB/s, error %", 2, []goal{{"", false, 2}}},
	}},
}

// headings are what the columns are called.
var headings = map[string]string{direct: "direct", plain: "plain proxy", toxi: "toxiproxy 2.12", ours: "fault"}

// summary is the median of samples with the range that they are in.
func summary(samples []float64, digits int) string {
	if len(samples) == 0 {
		return "–"
	}
	s := fmt.Sprintf("%.*f", digits, median(samples))
	if len(samples) > 1 {
		s += fmt.Sprintf(" (%.*f…%.*f)", digits, slices.Min(samples), digits, slices.Max(samples))
	}
	return s
}

func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// judge says how a goal stands: the ratio is the median of the ratios of the rounds, so that a load that comes and goes touches both
// sides of each.
func (g goal) judge(by map[string][]float64) (text string, met bool) {
	mine := by[ours]
	if len(mine) == 0 {
		return "not measured", false
	}
	sign := "≤"
	if g.atLeast {
		sign = "≥"
	}
	if g.against == "" {
		value := math.Abs(median(mine))
		return verdict(fmt.Sprintf("%s %g", sign, g.limit), g.holds(value))
	}
	theirs := by[g.against]
	ratios := make([]float64, 0, len(mine))
	for i := range min(len(mine), len(theirs)) {
		ratios = append(ratios, mine[i]/theirs[i])
	}
	if len(ratios) == 0 {
		return "not measured", false
	}
	ratio := median(ratios)
	return verdict(fmt.Sprintf("%.2f × %s %s (%s %g)", ratio, headings[g.against], spread(ratios), sign, g.limit), g.holds(ratio))
}

func spread(ratios []float64) string {
	return fmt.Sprintf("[%.2f…%.2f]", slices.Min(ratios), slices.Max(ratios))
}

func (g goal) holds(v float64) bool {
	if g.atLeast {
		return v >= g.limit
	}
	return v <= g.limit
}

func verdict(text string, met bool) (string, bool) {
	if met {
		return text + ": met", true
	}
	return text + ": NOT MET", false
}

// cells are a table with its heading; rows that were not measured are left out.
func (t table) cells(r results) [][]string {
	head := make([]string, 0, len(t.columns)+2)
	head = append(head, t.title)
	for _, c := range t.columns {
		head = append(head, headings[c])
	}
	out := [][]string{append(head, "goal")}
	for _, l := range t.lines {
		by, ok := r[l.id]
		if !ok {
			continue
		}
		row := make([]string, 0, len(head)+1)
		row = append(row, l.title)
		for _, c := range t.columns {
			row = append(row, summary(by[c], l.digits))
		}
		goals := make([]string, 0, len(l.goals))
		for _, g := range l.goals {
			text, _ := g.judge(by)
			goals = append(goals, text)
		}
		if len(goals) == 0 {
			goals = []string{"–"}
		}
		out = append(out, append(row, strings.Join(goals, "; ")))
	}
	return out
}

// missed lists the goals that are not met.
func missed(r results) (out []string, all int) {
	for _, t := range tables {
		for _, l := range t.lines {
			for _, g := range l.goals {
				if r[l.id] == nil {
					continue
				}
				all++
				if text, met := g.judge(r[l.id]); !met {
					out = append(out, l.title+": "+summary(r[l.id][ours], l.digits)+"; "+text)
				}
			}
		}
	}
	return out, all
}

func writeText(w io.Writer, head []string, r results) {
	for _, l := range head {
		fmt.Fprintln(w, l)
	}
	for _, t := range tables {
		rows := t.cells(r)
		if len(rows) == 1 {
			continue
		}
		width := make([]int, len(rows[0]))
		for _, row := range rows {
			for i, cell := range row {
				width[i] = max(width[i], utf8.RuneCountInString(cell))
			}
		}
		fmt.Fprintln(w)
		for _, row := range rows {
			var b strings.Builder
			for i, cell := range row {
				b.WriteString(cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2))
			}
			fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		}
	}
	fmt.Fprintln(w)
	fmt.Fprint(w, closing(r))
}

// closing is how many goals are met, and which are not.
func closing(r results) string {
	bad, all := missed(r)
	var text strings.Builder
	if r["late1"] != nil {
		fmt.Fprint(&text, "¹ What a round trip takes beyond the delay. Under direct and plain proxy, which delay nothing: what a round "+
			"trip takes at the same pace.\n\n")
	}
	fmt.Fprintf(&text, "%d of %d goals met.\n", all-len(bad), all)
	for _, m := range bad {
		fmt.Fprintf(&text, "- missed: %s\n", m)
	}
	return text.String()
}

func writeMarkdown(w io.Writer, head []string, r results) {
	for _, l := range head {
		fmt.Fprintf(w, "- %s\n", l)
	}
	for _, t := range tables {
		rows := t.cells(r)
		if len(rows) == 1 {
			continue
		}
		fmt.Fprintln(w)
		for i, row := range rows {
			fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintln(w, strings.Repeat("|---", len(row))+"|")
			}
		}
	}
	fmt.Fprintf(w, "\n%s", closing(r))
}
