package run

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/tally"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
)

// screen is what a person sees of the proxy: what is set up, lines when something happens, a summary at the end and, on a terminal,
// the summary all the time. Events are counted on the data path and printed elsewhere, so that a slow terminal never slows
// traffic: lines that nobody reads in time are dropped, and counted.
type screen struct {
	o     *Options
	out   io.Writer
	color bool
	live  *live // nil where the output is no terminal

	session *session
	lines   chan string
	stop    chan struct{}
	printed sync.WaitGroup

	mu      sync.Mutex
	stopped bool
	changed bool // the faults did, at least once
	dropped int

	rate meter // of the live summary
}

// refresh is how often the live summary is drawn.
const refresh = 200 * time.Millisecond

func newScreen(o *Options, streams cli.Streams) *screen {
	s := &screen{o: o, out: streams.Out, color: streams.Color, lines: make(chan string, 1024), stop: make(chan struct{})}
	switch {
	case o.NoUI:
		s.out, s.color = io.Discard, false
	case streams.Terminal != nil:
		s.live = &live{out: streams.Out, size: streams.Terminal, color: streams.Color}
	}
	return s
}

// labelWidth is the column where the values begin.
const labelWidth = 12

// entry is a row with a label.
func entry(label string, value ...span) row {
	return append(row{{fmt.Sprintf("%-*s ", labelWidth-1, label), dim}}, value...)
}

func (s *screen) write(r row) {
	text, _ := r.render(1<<16, s.color)
	fmt.Fprintln(s.out, text)
}

// prelude says what is set up, with the addresses that are really listened on.
func (s *screen) prelude(session *session) {
	s.session = session
	engine := session.engine
	s.write(row{{"fault " + s.o.f.Version + "\n", bold}})
	if addr := engine.ProxyAddr(); addr != nil {
		s.write(entry("HTTP proxy", span{addr.String(), bold}))
	} else {
		s.write(entry("HTTP proxy", span{"disabled", plain}))
	}
	addresses := engine.MappingAddrs()
	for i, m := range session.mappings {
		_, upstream, _ := strings.Cut(m.String(), "=")
		s.write(entry(first(i, "Mappings"), span{addresses[m.String()].String(), bold}, span{" → " + upstream, plain}))
	}
	if url := session.apiURL(); url != "" {
		token := ""
		if s.o.APIToken == "" {
			token = " (token " + session.api.Token() + ")"
		}
		s.write(entry("Control API", span{url, bold}, span{token, plain}))
	}
	if s.o.HTTPS.authority != nil {
		s.write(entry("Intercepts", span{s.o.HTTPS.describe(), bold}))
	}
	upstreams := "all"
	if len(s.o.Upstreams) > 0 {
		upstreams = strings.Join(s.o.Upstreams, ", ")
	}
	s.write(entry("Upstreams", span{upstreams, plain}))
	faults := s.o.Faults
	if !session.faults {
		faults = nil
	}
	if len(faults) == 0 {
		s.write(entry("Faults", span{"none (see fault run --help)", plain}))
	}
	for i, spec := range faults {
		s.write(entry(first(i, "Faults"), span{faultText(spec, s.o.Duration), plain}))
	}
	if s.o.Duration > 0 {
		s.write(entry("Duration", span{schedule.FormatDuration(s.o.Duration), plain}))
	}
	s.write(entry("Seed", span{strconv.FormatUint(engine.Seed(), 10), plain}))
	fmt.Fprintln(s.out)
}

// first is a label for the first of several rows.
func first(i int, label string) string {
	if i > 0 {
		return ""
	}
	return label
}

// faultText describes a fault with its segment and its schedule; shares of the whole are shown as times, too.
func faultText(spec fault.Spec, total time.Duration) string {
	base := spec.Common()
	when := "always"
	if !base.Schedule.IsZero() {
		when = base.Schedule.String()
	}
	if base.Schedule.Relative() && total > 0 {
		list := base.Schedule.Spans(total)
		spans := make([]string, len(list))
		for i, span := range list {
			spans[i] = schedule.FormatDuration(span.Start.Round(time.Millisecond)) + " to " +
				schedule.FormatDuration(span.End.Round(time.Millisecond))
		}
		when += ", which is " + strings.Join(spans, " and ")
	}
	return fmt.Sprintf("%s (%s, %s; %s)", spec.Describe(), base.Side, base.Direction, when)
}

// start begins to print what happens.
func (s *screen) start() {
	s.printed.Go(func() {
		if s.live == nil {
			for line := range s.lines {
				fmt.Fprintln(s.out, line)
			}
			return
		}
		ticker := time.NewTicker(refresh)
		defer ticker.Stop()
		for {
			s.live.draw(s.pending(), s.rows(true))
			select {
			case <-s.stop:
				s.live.draw(s.pending(), nil)
				return
			case <-ticker.C:
			}
		}
	})
}

// pending takes the lines that wait to be printed.
func (s *screen) pending() []string {
	var lines []string
	for {
		select {
		case line, open := <-s.lines:
			if !open {
				return lines
			}
			lines = append(lines, line)
		default:
			return lines
		}
	}
}

// finish prints what is left, and the summary. Events that come later are not shown.
func (s *screen) finish() {
	s.mu.Lock()
	s.stopped = true
	close(s.lines)
	s.mu.Unlock()
	close(s.stop)
	s.printed.Wait()
	s.write(row{{fmt.Sprintf("\nSummary after %s", time.Since(s.session.began).Round(100*time.Millisecond)), bold}})
	for _, r := range s.rows(false) {
		s.write(r)
	}
	if s.dropped > 0 {
		s.write(entry("Output", span{fmt.Sprintf("%d lines were dropped, the terminal was slower than the traffic", s.dropped), plain}))
	}
}

// watch shows an event; see [watcher].
func (s *screen) watch(e event.Event, effects []tally.Effect) {
	switch e := e.(type) {
	case event.Completed:
		if s.o.Tail {
			s.print(tailLine(e, effects))
		}
	case event.FaultsChanged:
		s.mu.Lock()
		again := s.changed
		s.changed = true
		s.mu.Unlock()
		// That faults without a schedule begin is what the prelude said.
		if again || slices.ContainsFunc(s.o.Faults, func(f fault.Spec) bool { return !f.Common().Schedule.IsZero() }) {
			s.print(changeLine(e))
		}
	case event.Notice:
		s.print("note: " + strings.Map(printable, e.Text))
	}
}

// print queues a line.
func (s *screen) print(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	select {
	case s.lines <- line:
	default:
		s.dropped++
	}
}
