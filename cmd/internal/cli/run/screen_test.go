package run

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/proxyengine/event"
)

// options are those of a command line, with the streams that a test reads.
func options(t *testing.T, args string, out, errs io.Writer) *Options {
	t.Helper()
	o, err := parse(t, args, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.f = &cli.Factory{Streams: cli.Streams{Out: out, Err: errs}, Version: "1.2.3", Log: slog.New(slog.DiscardHandler), Environ: os.Environ}
	return o
}

// opened is a session with nothing served, for what shows it.
func opened(t *testing.T, o *Options, s *screen) *session {
	t.Helper()
	session, err := o.open(t.Context(), 7, true, s.watch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.close)
	return session
}

const setup = "--proxy-address 127.0.0.1:0 --seed 7 "

func TestScreen(t *testing.T) {
	var out bytes.Buffer
	o := options(t, setup+"--tail --duration 1m --proxy 0=db:5432 --upstream a --upstream b --api-address 127.0.0.1:0 "+
		"--with-jitter --with-blackhole --blackhole-sched start:50%,duration:25%", &out, nil)
	s := newScreen(o, o.f.Streams)
	session := opened(t, o, s)
	s.prelude(session)
	s.start()
	began := time.Now()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	flow := &event.Flow{
		ID: 1, Kind: event.Exchange, Method: "GET", URL: "http://h/\x1b[2J\nfake\u202e", Client: "1.2.3.4:5", Start: at.Add(-1500 * time.Millisecond),
	}
	raw := &event.Flow{ID: 2, Kind: event.Connection, Target: "db:5432", Client: "1.2.3.4:6", Start: at, Bypassed: true}
	send := func(events ...event.Event) {
		for _, e := range events {
			s.watch(e, session.tally.Add(e))
		}
	}
	send(
		event.FaultsChanged{Offset: 61250 * time.Millisecond, Active: []string{"Latency: x", "Jitter: y"}},
		event.FaultsChanged{Offset: 70 * time.Second},
		event.Opened{Flow: flow}, event.Opened{Flow: raw},
		event.Applied{Flow: flow, Index: 1, Fault: "jitter", Delay: 100 * time.Millisecond},
		event.Applied{Flow: flow, Index: 1, Fault: "jitter", Delay: 200 * time.Millisecond},
		event.Applied{Flow: flow, Index: 0, Fault: "blackhole", Bytes: 2_500_000, Detail: "buffer full"},
		event.Applied{Flow: flow, Index: 4, Fault: "httperror", Status: 503},
		event.Completed{Flow: flow, At: at, Status: 502, Up: 12, Down: 3_000, Err: errors.New("refused")},
		event.Completed{Flow: raw, At: at, TTFB: 20 * time.Millisecond},
		event.Completed{Flow: &event.Flow{ID: 3, Kind: event.Exchange}, At: began, TTFB: 20 * time.Millisecond},
		event.Notice{Text: "no effect \x1b here"},
	)
	s.finish()
	send(event.Notice{Text: "too late"})
	got := out.String()
	for _, want := range []string{
		`^fault 1\.2\.3\n\nHTTP proxy  127\.0\.0\.1:\d+\nMappings    127\.0\.0\.1:\d+ → db:5432\nControl API http://127\.0\.0\.1:\d+ \(token \w{20,}\)\n` +
			`Upstreams   a, b\n`,
		`\nFaults      Blackhole: \S+ \(server, ingress; start:50%,duration:25%, which is 30s to 45s\)\n            Jitter: .* \(server, ingress; always\)\n` +
			`Duration    1m\nSeed        7\n\n`,
		`\n\[01:01\.3\] active: Latency: x · Jitter: y\n`,
		`\n\[01:10\.0\] no fault is active\n`,
		`\n03:04:05\.006 1\.2\.3\.4:5 → GET http://h/ \[2J fake  502 in 1500 ms ↑12 B ↓3\.0 KB · jitter \+300 ms ×2 · ` +
			`blackhole 2\.5 MB withheld \(buffer full\) · httperror status 503 · error: refused\n`,
		`\n03:04:05\.006 1\.2\.3\.4:6 → connection db:5432 in 0\.00 ms ↑0 B ↓0 B · bypassed\n`,
		`\nnote: no effect   here\n`,
		`\nSummary after 0?\d*m?s\nTraffic     2 HTTP exchanges, 1 connection; 1 not affected\nErrors      1 failed \(refused\), 1 with status 502\n` +
			`First byte  p50 20\.\d ms, p95 20\.\d ms\nBytes       12 B up, 3\.0 KB down\nblackhole   applied once, 2\.5 MB withheld\n` +
			`jitter      applied 2 times on 1 flow, mean delay 150 ms\nhttperror   applied once, status 503 × 1\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "too late") || strings.Contains(got, "\x1b") || strings.Contains(got, "\u202e") {
		t.Errorf("too much in\n%q", got)
	}
}

// That faults without a schedule begin is no news.
func TestScreenSaysWhatIsNews(t *testing.T) {
	var out bytes.Buffer
	o := options(t, setup+"--with-jitter --api-address 127.0.0.1:0 --api-token mine", &out, nil)
	s := newScreen(o, o.f.Streams)
	s.prelude(opened(t, o, s))
	s.start()
	s.watch(event.FaultsChanged{Active: []string{"at first"}}, nil)
	s.watch(event.FaultsChanged{Active: []string{"by order"}}, nil)
	s.watch(event.Completed{Flow: &event.Flow{}}, nil)
	s.finish()
	got := out.String()
	if strings.Contains(got, "at first") || !strings.Contains(got, "active: by order\n") || strings.Contains(got, " → ") ||
		strings.Contains(got, "mine") || !strings.Contains(got, "jitter      not applied\n") || !strings.Contains(got, "Traffic     none\n") {
		t.Errorf("%s", got)
	}
}

// A terminal that does not read never blocks the data path.
func TestScreenNeverBlocks(t *testing.T) {
	var out bytes.Buffer
	o := options(t, setup, &out, nil)
	s := newScreen(o, o.f.Streams)
	s.session = opened(t, o, s)
	for range 2000 {
		s.watch(event.Notice{Text: "again"}, nil)
	}
	s.start()
	s.finish()
	if !strings.Contains(out.String(), "976 lines were dropped") {
		t.Errorf("summary:\n%s", out.String()[max(0, out.Len()-300):])
	}
}

func TestQuietScreen(t *testing.T) {
	var out bytes.Buffer
	o := options(t, setup+"--no-ui --with-jitter", &out, nil)
	o.f.Terminal = func() (int, int) { return 80, 24 }
	o.f.Color = true
	s := newScreen(o, o.f.Streams)
	s.prelude(opened(t, o, s))
	s.start()
	s.watch(event.Notice{Text: "x"}, nil)
	s.finish()
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}

// display is a terminal of some width: it understands what the live region sends and breaks lines that are too long.
type display struct {
	width int
	lines []string
	row   int
}

func (d *display) write(t *testing.T, s string) {
	t.Helper()
	for _, line := range strings.SplitAfter(s, "\n") {
		if rest, ok := strings.CutPrefix(line, "\r\x1b["); ok {
			n := 0
			for rest[0] != 'A' {
				n, rest = n*10+int(rest[0]-'0'), rest[1:]
			}
			d.row -= n
			if d.row < 0 || !strings.HasPrefix(rest, "A\x1b[J") {
				t.Fatalf("to row %d by %q", d.row, s)
			}
			d.lines = d.lines[:d.row]
			line = strings.TrimPrefix(rest, "A\x1b[J")
		}
		text, ended := strings.CutSuffix(line, "\n")
		if !ended && text == "" {
			continue
		}
		runes := []rune(text)
		for len(runes) > d.width {
			d.lines, runes = append(d.lines, string(runes[:d.width])), runes[d.width:]
		}
		d.lines = append(d.lines, string(runes))
		d.row = len(d.lines)
	}
}

func TestLive(t *testing.T) {
	var out bytes.Buffer
	width, height := 20, 10
	l := &live{out: &out, size: func() (int, int) { return width, height }}
	d := &display{width: width}
	step := func(lines []string, rows ...string) {
		var list []row
		for _, r := range rows {
			list = append(list, row{{r[:1], bold}, {r[1:], plain}})
		}
		l.draw(lines, list)
		d.width = width
		d.write(t, out.String())
		out.Reset()
	}
	want := func(lines ...string) {
		t.Helper()
		if got := strings.Join(d.lines, "\n"); got != strings.Join(lines, "\n") {
			t.Errorf("the screen shows\n%s\nwant\n%s", got, strings.Join(lines, "\n"))
		}
	}
	step(nil, "a", "b")
	want("a", "b")
	step([]string{"first"}, "a2", "b2", "c2")
	want("first", "a2", "b2", "c2")
	step([]string{"a line that is longer than the terminal"}, strings.Repeat("x", 30), "b3")
	want("first", "a line that is longe", "r than the terminal", strings.Repeat("x", 18)+"…", "b3")

	// It becomes narrow: the terminal breaks what stands there.
	width = 8
	d.lines = []string{"first", "a line t", "hat is l", "onger th", "an the t", "erminal", "xxxxxxxx", "xxxxxxxx", "xx…", "b3"}
	d.row = len(d.lines)
	step(nil, "narrowed", "b4")
	want("first", "a line t", "hat is l", "onger th", "an the t", "erminal", "narrow…", "b4")

	// It becomes low: rows that do not fit are left out.
	height = 3
	step(nil, "1", "2", "3", "4")
	want("first", "a line t", "hat is l", "onger th", "an the t", "erminal", "1", "2")
	step([]string{"end"})
	want("first", "a line t", "hat is l", "onger th", "an the t", "erminal", "end")
}

func TestRender(t *testing.T) {
	r := row{{"ab", dim}, {"cde", plain}, {"f", red}}
	for width, want := range map[int]string{9: "abcdef", 6: "abcdef", 5: "abcde", 4: "abc…", 2: "ab", 1: "…", 0: "", -1: ""} {
		if got, columns := r.render(width, false); got != want || columns != len([]rune(want)) {
			t.Errorf("%d: %q, %d columns", width, got, columns)
		}
	}
	if got, columns := r.render(80, true); got != "\x1b[2mab\x1b[0mcde\x1b[31mf\x1b[0m" || columns != 6 {
		t.Errorf("%q, %d", got, columns)
	}
	for share, want := range map[float64]string{-1: "────", 0: "────", 0.5: "━━──", 1: "━━━━", 9: "━━━━"} {
		if done, left := bar(share, 4); done+left != want {
			t.Errorf("%v: %s%s", share, done, left)
		}
	}
}

func TestMeter(t *testing.T) {
	var m meter
	now := time.Now()
	for i, want := range []float64{0, 10, 10, 10} {
		if got := m.rate(now.Add(time.Duration(i)*time.Second), i*10); got != want {
			t.Errorf("%d: %v", i, got)
		}
	}
	if got := m.rate(now.Add(4*time.Second), 30); got != 5 { // nothing more in the last of two seconds
		t.Error(got)
	}
	if len(m.samples) > 4 {
		t.Errorf("%d samples", len(m.samples))
	}
}

func TestLiveRows(t *testing.T) {
	o := options(t, setup+"--duration 10s --with-jitter --with-blackhole --blackhole-sched start:5s", new(bytes.Buffer), nil)
	o.f.Terminal = func() (int, int) { return 50, 24 }
	s := newScreen(o, o.f.Streams)
	s.session = opened(t, o, s)
	s.session.tally.Add(event.Applied{Index: 9, Fault: "gone", Delay: time.Second})
	s.session.tally.Add(event.Opened{Flow: &event.Flow{ID: 1}})
	var lines []string
	for elapsed := time.Hour; elapsed > 5400*time.Millisecond; elapsed = time.Since(s.session.began) { // again when it was held up
		s.session.began = time.Now().Add(-5 * time.Second)
		lines = nil
		for _, r := range s.rows(true) {
			text, _ := r.render(80, false)
			lines = append(lines, text)
		}
	}
	want := []string{
		"Traffic     none; 1 open", "Errors      0 failed", "Bytes       0 B up, 0 B down", "blackhole   ○ not applied",
		"jitter      ○ not applied", "gone        ○ applied once, mean delay 1000 ms", "Progress    ━━━━━━━━━───────── 5s of 10s",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("%s", got)
	}
}

// The proxy by itself: traffic, a report, and the end by its duration.
func TestRunProxy(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer upstream.Close()
	path := filepath.Join(t.TempDir(), "r.json")
	reader, writer := io.Pipe()
	o := options(t, setup+"--report "+path+" --proxy 0="+upstream.URL+" --with-latency --latency-mean 1", writer, nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- o.run(ctx)
		writer.Close()
	}()
	lines := bufio.NewScanner(reader)
	for lines.Scan() {
		if label, value, _ := strings.Cut(lines.Text(), " "); label == "Mappings" {
			address, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			go func() {
				defer stop()
				response, err := http.Get("http://" + address)
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
			}()
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(data, []byte(`"exchanges": 1,`)) || !bytes.Contains(data, []byte(`"times": 1,`)) {
		t.Errorf("%v\n%s", err, data)
	}
}

func TestRunProxyEndsByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.md")
	var out bytes.Buffer
	o := options(t, setup+"--report "+path+" --duration 20ms", &out, nil)
	if err := o.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), "| Seed | 7 |") || strings.Contains(string(data), "interrupted") {
		t.Errorf("%v\n%s", err, data)
	}
	if !strings.Contains(out.String(), "Summary after") {
		t.Errorf("%s", out.String())
	}
	o = options(t, setup+"--report "+filepath.Join(path, "x", "r.md"), &out, nil)
	if err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), "--report: cannot write to the folder "+filepath.Join(path, "x")+": ") {
		t.Error(err)
	}
}
