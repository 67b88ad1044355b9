package run

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/schedule"
)

// screen is the plain-text output of `fault run`: what is set up, lines when something changes, and a summary. Events are counted
// on the data path and printed elsewhere, so that a slow terminal never slows traffic: lines that nobody reads in time are
// dropped, and counted.
type screen struct {
	o   *Options
	out io.Writer

	lines   chan string
	printed sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	changed bool // the faults did, at least once
	dropped int
	began   time.Time
	tally   tally
}

// tally is what the summary shows.
type tally struct {
	flows    map[event.Kind]int
	failed   int
	bypassed int
	up, down int64
	applied  map[int]*applied
}

type applied struct {
	fault  string
	count  int
	delay  time.Duration
	delays int
	bytes  int64
}

func newScreen(o *Options) *screen {
	s := &screen{o: o, out: o.f.Out, lines: make(chan string, 1024), began: time.Now()}
	if o.NoUI {
		s.out = io.Discard
	}
	s.tally.flows = map[event.Kind]int{}
	s.tally.applied = map[int]*applied{}
	return s
}

// prelude says what is set up, with the addresses that are really listened on.
func (s *screen) prelude(engine *proxyengine.Engine) {
	fmt.Fprintf(s.out, "fault %s\n\n", s.o.f.Version)
	if addr := engine.ProxyAddr(); addr != nil {
		fmt.Fprintf(s.out, "HTTP proxy  %s\n", addr)
	} else {
		fmt.Fprint(s.out, "HTTP proxy  disabled\n")
	}
	addresses := engine.MappingAddrs()
	names := make([]string, 0, len(addresses))
	for name := range addresses {
		names = append(names, name)
	}
	slices.Sort(names)
	rows(s.out, "Mappings", names, func(name string) string {
		_, upstream, _ := strings.Cut(name, "=")
		return fmt.Sprintf("%s → %s", addresses[name], upstream)
	})
	upstreams := "all"
	if len(s.o.Upstreams) > 0 {
		upstreams = strings.Join(s.o.Upstreams, ", ")
	}
	fmt.Fprintf(s.out, "Upstreams   %s\n", upstreams)
	if len(s.o.Faults) == 0 {
		fmt.Fprint(s.out, "Faults      none (see fault run --help)\n")
	}
	for i, spec := range s.o.Faults {
		label := ""
		if i == 0 {
			label = "Faults"
		}
		base := spec.Common()
		when := "always"
		if !base.Schedule.IsZero() {
			when = base.Schedule.String()
		}
		fmt.Fprintf(s.out, "%-11s %s (%s, %s; %s)\n", label, spec.Describe(), base.Side, base.Direction, when)
	}
	if s.o.Duration > 0 {
		fmt.Fprintf(s.out, "Duration    %s\n", schedule.FormatDuration(s.o.Duration))
	}
	fmt.Fprintf(s.out, "Seed        %d\n\n", engine.Seed())
}

func rows(w io.Writer, label string, items []string, text func(string) string) {
	for i, item := range items {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(w, "%-11s %s\n", label, text(item))
	}
}

// start begins to print the lines that events make.
func (s *screen) start() {
	s.printed.Go(func() {
		for line := range s.lines {
			fmt.Fprintln(s.out, line)
		}
	})
}

// finish prints what is left and the summary.
func (s *screen) finish() {
	s.mu.Lock()
	s.stopped = true
	close(s.lines)
	s.mu.Unlock()
	s.printed.Wait()
	s.summary()
}

// sink receives the engine's events; see [event.Sink].
func (s *screen) sink(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	switch e := e.(type) {
	case event.Applied:
		s.tally.add(e)
	case event.Completed:
		s.tally.complete(e)
		if s.o.Tail {
			s.print(tailLine(e))
		}
	case event.FaultsChanged:
		// That faults without a schedule begin is what the prelude said.
		if s.changed || s.scheduled() {
			s.print(changeLine(e))
		}
		s.changed = true
	case event.Notice:
		s.print("note: " + e.Text)
	}
}

func (s *screen) scheduled() bool {
	for _, spec := range s.o.Faults {
		if !spec.Common().Schedule.IsZero() {
			return true
		}
	}
	return false
}

// print queues a line; the caller holds mu.
func (s *screen) print(line string) {
	select {
	case s.lines <- line:
	default:
		s.dropped++
	}
}

func changeLine(e event.FaultsChanged) string {
	active := "no fault is active"
	if len(e.Active) > 0 {
		active = "active: " + strings.Join(e.Active, " · ")
	}
	return fmt.Sprintf("[%s] %s", clock(e.Offset), active)
}

// clock formats an offset as minutes, seconds and tenths.
func clock(d time.Duration) string {
	d = d.Round(100 * time.Millisecond)
	return fmt.Sprintf("%02d:%04.1f", int(d.Minutes()), (d % time.Minute).Seconds())
}

// tailLine shows one connection or exchange that ended. The URL has neither user information nor query.
func tailLine(e event.Completed) string {
	what := fmt.Sprintf("%s %s", e.Flow.Kind, e.Flow.Target)
	if e.Flow.Kind == event.Exchange {
		what = fmt.Sprintf("%s %s", e.Flow.Method, e.Flow.URL)
	}
	result := ""
	if e.Status != 0 {
		result = fmt.Sprintf(" %d", e.Status)
	}
	line := fmt.Sprintf("%s%s %s ↑%s ↓%s", what, result, e.At.Sub(e.Flow.Start).Round(time.Millisecond/10), size(e.Up), size(e.Down))
	if e.Flow.Bypassed {
		line += " (not affected)"
	}
	if e.Err != nil {
		line += " error: " + e.Err.Error()
	}
	return strings.Map(printable, line)
}

// printable keeps what strangers send from moving the cursor or forging lines.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

func (t *tally) add(e event.Applied) {
	a := t.applied[e.Index]
	if a == nil {
		a = &applied{fault: e.Fault}
		t.applied[e.Index] = a
	}
	if !e.Continued {
		a.count++
	}
	a.bytes += e.Bytes
	if e.Delay > 0 {
		a.delay += e.Delay
		a.delays++
	}
}

func (t *tally) complete(e event.Completed) {
	t.flows[e.Flow.Kind]++
	t.up += e.Up
	t.down += e.Down
	if e.Err != nil {
		t.failed++
	}
	if e.Flow.Bypassed {
		t.bypassed++
	}
}

func (s *screen) summary() {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tally
	fmt.Fprintf(s.out, "\nSummary after %s\n", time.Since(s.began).Round(100*time.Millisecond))
	fmt.Fprintf(s.out, "Traffic     %d HTTP exchanges, %d tunnels, %d connections; %s up, %s down; %d failed, %d not affected\n",
		t.flows[event.Exchange], t.flows[event.Tunnel], t.flows[event.Connection], size(t.up), size(t.down), t.failed, t.bypassed)
	indexes := make([]int, 0, len(t.applied))
	for index := range t.applied {
		indexes = append(indexes, index)
	}
	slices.SortFunc(indexes, cmp.Compare)
	for _, index := range indexes {
		a := t.applied[index]
		line := fmt.Sprintf("%-11s applied %d times", a.fault, a.count)
		if a.delays > 0 {
			line += fmt.Sprintf(", mean delay %.1f ms", float64(a.delay)/float64(a.delays)/float64(time.Millisecond))
		}
		if a.bytes > 0 {
			line += ", " + size(a.bytes) + " withheld"
		}
		fmt.Fprintln(s.out, line)
	}
	if s.dropped > 0 {
		fmt.Fprintf(s.out, "Output      %d lines were dropped, the terminal was slower than the traffic\n", s.dropped)
	}
}

// size formats a number of bytes in decimal units.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
