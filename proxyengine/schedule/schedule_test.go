package schedule

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func fixed(d time.Duration) *Spec { return &Spec{Fixed: d} }
func share100(n int) *Spec        { return &Spec{Percent: n, Relative: true} }

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Period
	}{
		{"", nil},
		{"start:30s;duration:3m", []Period{{fixed(30 * time.Second), fixed(3 * time.Minute)}}},
		{"start:30s,duration:3m", []Period{{fixed(30 * time.Second), fixed(3 * time.Minute)}}},
		{"start:2m;duration:25s", []Period{{fixed(2 * time.Minute), fixed(25 * time.Second)}}},
		{"start:30s", []Period{{Start: fixed(30 * time.Second)}}},
		{"duration:50s", []Period{{Duration: fixed(50 * time.Second)}}},
		{"start:30s;duration:3m;start:4m,duration:45s", []Period{
			{fixed(30 * time.Second), fixed(3 * time.Minute)}, {fixed(4 * time.Minute), fixed(45 * time.Second)},
		}},
		{"start:30s;duration:3m;start:4m", []Period{
			{fixed(30 * time.Second), fixed(3 * time.Minute)}, {Start: fixed(4 * time.Minute)},
		}},
		{"start:30s;duration:3m;start:90%,duration:5%", []Period{
			{fixed(30 * time.Second), fixed(3 * time.Minute)}, {share100(90), share100(5)},
		}},
		{"start:10%,duration:50%;start:75%,duration:20%", []Period{{share100(10), share100(50)}, {share100(75), share100(20)}}},
		{"duration:5s;duration:8s", []Period{{Duration: fixed(5 * time.Second)}, {Duration: fixed(8 * time.Second)}}},
		{"start:1s;start:5s;duration:1s", []Period{{Start: fixed(time.Second)}, {fixed(5 * time.Second), fixed(time.Second)}}},
		{"start: 10s, duration: 5s;", []Period{{fixed(10 * time.Second), fixed(5 * time.Second)}}},
		{"START:10,Duration:1m30s", []Period{{fixed(10 * time.Second), fixed(90 * time.Second)}}},
		{"start:0%,duration:100%", []Period{{share100(0), share100(100)}}},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want, s.periods); diff != "" {
			t.Errorf("%q: %s", c.text, diff)
		}
		again, err := Parse(s.String())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%q formats as %q, which reads as %v, %v", c.text, s, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"foo":                   "neither start:TIME nor duration:TIME",
		"start:":                "no length of time",
		"begin:5s":              `unknown word "begin"`,
		"start:5s,start:6s":     "semicolon",
		"start:5s;;duration:3s": "neither",
		"duration:5s,start:10s": "semicolon",
		"start:-5s":             "no length of time",
		"start:101%":            "no percentage",
		"start:5.5%":            "no percentage",
		"duration:0s":           "never be active",
		"duration:0%":           "never be active",
		"start:5y":              "no length of time",
		"start:99999999999w":    "too long",
		"duration:5s,":          "",
	} {
		_, err := Parse(text)
		switch {
		case says == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
			t.Errorf("%q: error %v does not say %q", text, err, says)
		}
	}
}

func TestActiveAt(t *testing.T) {
	const total = 10 * time.Second
	for _, c := range []struct {
		text      string
		on, off   []time.Duration
		total     time.Duration
		relative  bool
		spans     []Span
		spanTotal time.Duration
	}{
		{"", []time.Duration{-1, 0, forever}, nil, total, false, []Span{{0, total}}, total},
		{
			"start:2s",
			[]time.Duration{2 * time.Second, time.Hour},
			[]time.Duration{-1, 0, 2*time.Second - 1},
			0, false,
			[]Span{{2 * time.Second, forever}},
			0,
		},
		{
			"duration:2s",
			[]time.Duration{0, 2*time.Second - 1},
			[]time.Duration{-1, 2 * time.Second},
			0, false,
			[]Span{{0, 2 * time.Second}},
			0,
		},
		{
			"start:45%,duration:10%",
			[]time.Duration{4500 * time.Millisecond, 5499 * time.Millisecond},
			[]time.Duration{4499 * time.Millisecond, 5500 * time.Millisecond},
			total, true,
			[]Span{{4500 * time.Millisecond, 5500 * time.Millisecond}},
			total,
		},
		// Without a total a share of it has no meaning: active all the time.
		{"start:45%,duration:10%", []time.Duration{0, time.Hour}, nil, 0, true, []Span{{0, forever}}, 0},
		{
			"start:1s,duration:2s;start:2s,duration:4s;start:9s",
			[]time.Duration{time.Second, 5 * time.Second, 9 * time.Second},
			[]time.Duration{0, 6 * time.Second, 8 * time.Second},
			total, false,
			[]Span{{time.Second, 6 * time.Second}, {9 * time.Second, total}},
			total,
		},
		{"start:11s", nil, []time.Duration{10 * time.Second}, total, false, nil, total},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range c.on {
			if !s.ActiveAt(at, c.total) {
				t.Errorf("%q is not active at %v", c.text, at)
			}
		}
		for _, at := range c.off {
			if s.ActiveAt(at, c.total) {
				t.Errorf("%q is active at %v", c.text, at)
			}
		}
		if s.Relative() != c.relative {
			t.Errorf("%q: Relative is %v", c.text, s.Relative())
		}
		if got := s.Spans(c.spanTotal); len(got) != len(c.spans) || len(got) > 0 && !reflect.DeepEqual(got, c.spans) {
			t.Errorf("%q: spans %v, want %v", c.text, got, c.spans)
		}
	}
}

func TestRelativeOfALongRunDoesNotOverflow(t *testing.T) {
	const total = forever - 1
	if got := (Spec{Percent: 100, Relative: true}).Of(total); got != total {
		t.Errorf("100%% of %d is %d", total, got)
	}
	s, err := Parse("start:100%,duration:100%")
	if err != nil {
		t.Fatal(err)
	}
	if !s.ActiveAt(total, total) || s.ActiveAt(total-1, total) {
		t.Error("a period at the end of the longest run is wrong")
	}
}

// random draws a schedule whose times are whole milliseconds below 100.
func random(rt *rapid.T) Schedule {
	spec := func(lowest int, name string) *Spec {
		if rapid.Bool().Draw(rt, name+" relative") {
			return share100(rapid.IntRange(lowest, 100).Draw(rt, name))
		}
		return fixed(time.Duration(rapid.IntRange(lowest, 99).Draw(rt, name)) * time.Millisecond)
	}
	var s Schedule
	for range rapid.IntRange(0, 5).Draw(rt, "periods") {
		var p Period
		// A duration alone behind a start alone would be read as one period: the grammar has no such schedule.
		alone := len(s.periods) == 0 || s.periods[len(s.periods)-1].Duration != nil
		shape := rapid.IntRange(0, 2).Draw(rt, "shape")
		if shape != 2 || !alone {
			p.Start = spec(0, "start")
		}
		if shape != 0 {
			p.Duration = spec(1, "duration")
		}
		s.periods = append(s.periods, p)
	}
	return s
}

func TestFormatAndParse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := random(rt)
		text, err := s.MarshalText()
		if err != nil {
			rt.Fatal(err)
		}
		var again Schedule
		if err := again.UnmarshalText(text); err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(s, again) {
			rt.Fatalf("%v became %q became %v", s.periods, text, again.periods)
		}
	})
}

func TestNextAgreesWithActiveAt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := random(rt)
		total := time.Duration(rapid.SampledFrom([]int{0, 100, 200}).Draw(rt, "total")) * time.Millisecond
		from := time.Duration(rapid.IntRange(-3, 320).Draw(rt, "from")) * time.Millisecond
		// Every boundary is a whole millisecond, so looking at each of them finds every change.
		want, found := time.Duration(0), false
		for at := from + time.Millisecond; at < 500*time.Millisecond && !found; at += time.Millisecond {
			if s.ActiveAt(at, total) != s.ActiveAt(from, total) {
				want, found = at, true
			}
		}
		got, ok := s.Next(from, total)
		if ok != found || got != want {
			rt.Fatalf("%q of %v after %v: %v, %v; looking at every instant: %v, %v", s, total, from, got, ok, want, found)
		}
		for _, span := range s.Spans(total) {
			if !s.ActiveAt(span.Start, total) || !s.ActiveAt(span.End-1, total) || span.Start >= span.End {
				rt.Fatalf("%q: span %v is not active", s, span)
			}
		}
	})
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10s": 10 * time.Second, "1m30s": 90 * time.Second, "2d": 48 * time.Hour, "1w": 7 * 24 * time.Hour,
		"500ms": 500 * time.Millisecond, "45": 45 * time.Second, "0": 0, "1.5s": 1500 * time.Millisecond, "0.5ms": 500 * time.Microsecond,
		" 2H ": 2 * time.Hour, "1m 30s": 90 * time.Second, "1w1d1h1m1s1ms": 7*24*time.Hour + 25*time.Hour + 61*time.Second + time.Millisecond,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "s", "1x", "-1s", "1.s", ".5s", "1.0000000001s", "1..5s", "99999999999999999999", "1e3", "20000w", "5us"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is accepted as %v", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 48 * time.Hour: "2d", 1500 * time.Millisecond: "1s500ms", 1: "0.000001ms", -time.Second: "-1s",
		time.Duration(math.MinInt64): "-15250w1d23h47m16s854.775808ms",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}

func TestFormatAndParseDuration(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(rt, "d"))
		text := FormatDuration(d)
		if got, err := ParseDuration(text); err != nil || got != d {
			rt.Fatalf("%d formats as %q, which reads as %d, %v", d, text, got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"start:30s;duration:3m;start:4m,duration:45s", "start:5%;duration:30%;start:90%,duration:5%", "duration:1m30s", "start:30s",
		"start:0.5ms,duration:1w", "duration:5s;duration:8s", ";", "start::", "duration:0", "start:99999999999999999999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%q formats as %q, which reads as %v, %v", text, s, again.periods, err)
		}
		for _, total := range []time.Duration{0, time.Minute, forever} {
			if at, ok := s.Next(0, total); ok && s.ActiveAt(at, total) == s.ActiveAt(at-1, total) {
				t.Fatalf("%q of %v does not change at %v", text, total, at)
			}
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"10s", "1m30s", "2d", "1w", "500ms", "7", "1.25h", "0.000001ms", "9223372036s854.775807ms"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if err != nil {
			return
		}
		if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d || d < 0 {
			t.Fatalf("%q is %d, formats as %q, which reads as %d, %v", text, d, FormatDuration(d), again, err)
		}
	})
}
