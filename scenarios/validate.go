package scenarios

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
)

// checker collects what is wrong with a scenario's meaning.
type checker struct{ problems Problems }

func (c *checker) add(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// Validate reports everything that is wrong with s, as a [Problems] with paths but no lines; nil when nothing is.
func (s Scenario) Validate() error {
	var c checker
	if strings.TrimSpace(s.Title) == "" {
		c.add("title", "the scenario has no title")
	}
	if len(s.Items) == 0 {
		c.add("items", "the scenario has no items: list at least one call under items")
	}
	if s.Config != nil && s.Config.HTTP != nil {
		c.headers("config.http.headers", s.Config.HTTP.Headers)
	}
	for i := range s.Items {
		c.item(fmt.Sprintf("items[%d]", i), &s.Items[i], s.Config)
	}
	return c.problems.err()
}

func (c *checker) item(path string, it *Item, config *Config) {
	c.call(path+".call", it.Call, config)
	c.context(path+".context", &it.Context)
	if e := it.Expect; e != nil {
		if e.Status != nil && (*e.Status < 100 || *e.Status > 599) {
			c.add(path+".expect.status", "status %d is no HTTP status: use 100 to 599", *e.Status)
		}
		if t := e.ResponseTimeUnder; t != nil && !(*t > 0) {
			c.add(path+".expect.response_time_under", "response_time_under is %s: use milliseconds above 0", formatNumber(*t))
		}
		if e.AllSLOAreValid != nil && *e.AllSLOAreValid && len(it.Context.SLO) == 0 {
			c.add(path+".expect.all_slo_are_valid", "all_slo_are_valid needs SLOs: list them under context.slo")
		}
	}
}

func (c *checker) call(path string, call Call, config *Config) {
	switch {
	case call.Method == "":
		c.add(path+".method", "the call has no method: write method: GET or another HTTP method")
	case !isToken(call.Method) || call.Method == "CONNECT": //nolint:usestdlibvars // net/http stays out of this package
		c.add(path+".method", "%q is no method of a call: use GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS", shorten(call.Method))
	}
	if call.URL == "" {
		c.add(path+".url", "the call has no url")
	} else if reason := badURL(call.URL, config); reason != "" {
		c.add(path+".url", "url %q %s", shorten(MaskText(call.URL)), reason)
	}
	if t := call.Timeout; t != nil && (!(*t > 0) || *t > float64(24*time.Hour/time.Millisecond)) {
		c.add(path+".timeout", "timeout is %s: use milliseconds, above 0 and up to a day (86400000)", formatNumber(*t))
	}
	c.headers(path+".headers", call.Headers)
}

// badURL says what is wrong with a call's URL. Placeholders without a value are not: those are found when the call is resolved.
func badURL(raw string, config *Config) string {
	expanded, _ := expandURL(raw, config.segments())
	u, err := url.Parse(placeholder.ReplaceAllString(expanded, "x"))
	switch {
	case err != nil:
		return "cannot be read: write it as http://host:port/path"
	case u.Scheme != "http" && u.Scheme != "https":
		return "does not begin with http:// or https://"
	case u.Hostname() == "":
		return "names no host"
	}
	return ""
}

// headers checks names and values as RFC 9110 section 5 has them.
func (c *checker) headers(path string, headers map[string]string) {
	for name, value := range sortedMap(headers) {
		if !isToken(name) {
			c.add(join(path, name), "%q is no header name", shorten(name))
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			c.add(join(path, name), "the value of header %s holds a line break or another control character", name)
		}
	}
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"
	return s != "" && strings.Trim(s, letters) == ""
}

func (c *checker) context(path string, ctx *Context) {
	for i, upstream := range ctx.Upstreams {
		if strings.TrimSpace(upstream) == "" {
			c.add(fmt.Sprintf("%s.upstreams[%d]", path, i), "an upstream is a host, host:port, a URL or *, not empty")
		}
	}
	for i, spec := range ctx.Faults {
		if spec == nil {
			c.add(fmt.Sprintf("%s.faults[%d]", path, i), "the fault is nil")
		} else if err := spec.Validate(); err != nil {
			c.add(fmt.Sprintf("%s.faults[%d]", path, i), "%s", err)
		}
	}
	if ctx.Proxy != nil {
		for i, mapping := range ctx.Proxy.Proxies {
			if left, right, ok := strings.Cut(mapping, "="); !ok || left == "" || right == "" {
				c.add(fmt.Sprintf("%s.proxy.proxies[%d]", path, i), "%q is no mapping: write PORT=HOST:PORT, as in 8443=example.com:443",
					shorten(MaskText(mapping)))
			}
		}
	}
	if ctx.Strategy != nil {
		c.strategy(path+".strategy", ctx.Strategy)
	}
	for i, slo := range ctx.SLO {
		c.slo(fmt.Sprintf("%s.slo[%d]", path, i), slo)
	}
}

func (c *checker) strategy(path string, s *Strategy) {
	switch s.Mode {
	case ModeLoad:
		c.load(path, s)
	case ModeRepeat:
		c.repeat(path, s)
	case ModeSingle, "":
		if s.Duration != "" || s.Clients != 0 || s.RPS != 0 {
			c.add(path+".mode", "duration, clients and rps belong to a load: write mode: load")
		} else if s.Count != 0 || s.Step != 0 {
			c.add(path+".mode", "step and count belong to a repetition, not to a single call")
		}
	default:
		known := []string{string(ModeSingle), string(ModeRepeat), string(ModeLoad)}
		c.problems = append(c.problems, Problem{
			Path: path + ".mode", Nearest: nearest(string(s.Mode), known),
			Message: fmt.Sprintf("unknown mode %q; known are single, repeat and load", shorten(string(s.Mode))),
		})
	}
}

func (c *checker) load(path string, s *Strategy) {
	d, err := schedule.ParseDuration(s.Duration)
	switch {
	case s.Duration == "":
		c.add(path+".duration", "a load needs a duration, such as 10s")
	case err != nil:
		c.add(path+".duration", "duration %s", err)
	case d <= 0:
		c.add(path+".duration", "duration is %s: use more than 0", s.Duration)
	}
	if s.Clients < 1 || s.Clients > MaxClients {
		c.add(path+".clients", "a load has 1 to %d clients, not %d", MaxClients, s.Clients)
	}
	if s.RPS < 1 || s.RPS > MaxRPS {
		c.add(path+".rps", "a client makes 1 to %d requests per second (rps), not %d", MaxRPS, s.RPS)
	}
	if s.Step != 0 || s.Count != 0 {
		c.add(path+".mode", "step and count belong to a repetition, not to a load")
	}
	if calls := d.Seconds() * float64(s.Clients) * float64(s.RPS); err == nil && calls > MaxPlannedCalls {
		c.add(path, "the load plans %.0f calls, more than the %d that results can hold: lower duration, clients or rps",
			math.Ceil(calls), MaxPlannedCalls)
	}
}

func (c *checker) repeat(path string, s *Strategy) {
	if s.Count < 1 || s.Count > MaxPlannedCalls {
		c.add(path+".count", "a repetition makes 1 to %d calls (count), not %d", MaxPlannedCalls, s.Count)
	}
	if !(s.Step >= 0) {
		c.add(path+".step", "step is %s: use 0 or more", formatNumber(s.Step))
	}
	if w := s.Wait; w != nil && (!(*w >= 0) || *w > float64(24*time.Hour/time.Millisecond)) {
		c.add(path+".wait", "wait is %s: use milliseconds, 0 up to a day (86400000)", formatNumber(*w))
	}
	if s.Duration != "" || s.Clients != 0 || s.RPS != 0 {
		c.add(path+".mode", "duration, clients and rps belong to a load, not to a repetition: write count for the number of calls")
	}
}

func (c *checker) slo(path string, s SLO) {
	known := []string{string(SLOLatency), string(SLOError), string(SLOAvailability)}
	switch {
	case s.Type == "":
		c.add(path+".slo_type", "the SLO has no slo_type: write latency, error or availability")
	case !slices.Contains(known, string(s.Type)):
		c.problems = append(c.problems, Problem{
			Path: path + ".slo_type", Nearest: nearest(string(s.Type), known),
			Message: fmt.Sprintf("unknown slo_type %q; known are latency, error and availability", shorten(string(s.Type))),
		})
	case s.Type == SLOLatency && !(s.Threshold > 0):
		c.add(path+".threshold", "a latency SLO needs a threshold in milliseconds above 0, not %s", formatNumber(s.Threshold))
	case s.Type == SLOError && !(s.Threshold > 0 && s.Threshold <= 100):
		c.add(path+".threshold", "an error SLO needs a threshold in percent, above 0 and up to 100, not %s", formatNumber(s.Threshold))
	}
	if !(s.Objective > 0 && s.Objective <= 100) {
		c.add(path+".objective", "an objective is in percent, above 0 and up to 100, not %s", formatNumber(s.Objective))
	}
}

// Notes returns what a reader of the scenario's results should know in advance: see [Item.Notes], and placeholders without a value.
func (s Scenario) Notes() []Problem {
	var notes []Problem
	for i, it := range s.Items {
		path := fmt.Sprintf("items[%d]", i)
		if _, missing := expandURL(it.Call.URL, s.Config.segments()); len(missing) > 0 {
			notes = append(notes, Problem{Path: path + ".call.url", Message: missingError(missing).Error()})
		}
		for _, note := range it.notes() {
			note.Path = join(path, note.Path)
			notes = append(notes, note)
		}
	}
	return notes
}

// Notes returns what a reader of the item's results should know, one sentence each: expectations that its strategy does not decide,
// and schedules that mean something else than they may seem to.
func (it Item) Notes() []string {
	problems := it.notes()
	notes := make([]string, len(problems))
	for i, p := range problems {
		notes[i] = p.Message
	}
	return notes
}

func (it Item) notes() []Problem {
	var notes []Problem
	load := it.Mode() == ModeLoad
	if it.Mode() == ModeRepeat {
		notes = append(notes, it.stepNotes()...)
	}
	if e := it.Expect; e != nil && load && (e.Status != nil || e.ResponseTimeUnder != nil) {
		notes = append(notes, Problem{
			Path:    "expect",
			Message: "Under load, status and response_time_under of expect are not decided; the SLOs are.",
		})
	}
	for i, spec := range it.Context.Faults {
		if message := scheduleNote(spec, load, it.LoadDuration()); message != "" {
			notes = append(notes, Problem{Path: fmt.Sprintf("context.faults[%d].period", i), Message: message})
		}
	}
	return notes
}

func scheduleNote(spec fault.Spec, load bool, total time.Duration) string {
	sched := spec.Common().Schedule
	switch {
	case sched.IsZero():
		return ""
	case !load && sched.Relative():
		return fmt.Sprintf("The schedule %s of the %s fault is a share of a total that only a load has: "+
			"the fault is active during the whole call.", sched, spec.Kind())
	case load && total > 0 && len(sched.Spans(total)) == 0:
		return fmt.Sprintf("The schedule %s of the %s fault holds no moment of the %s that the load lasts: the fault is never active.",
			sched, spec.Kind(), schedule.FormatDuration(total))
	}
	return ""
}
