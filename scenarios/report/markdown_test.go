package report

import (
	"strings"
	"testing"
	"time"
)

func TestElapsed(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 ms":                                  0,
		"464 ms":                                464*time.Millisecond + 999*time.Microsecond,
		"1 second":                              time.Second,
		"1 second and 968 ms":                   1968 * time.Millisecond,
		"10 seconds and 329 ms":                 10329 * time.Millisecond,
		"1 minute and 1 ms":                     time.Minute + time.Millisecond,
		"2 minutes, 5 seconds and 20 ms":        125*time.Second + 20*time.Millisecond,
		"1 day, 2 hours, 1 minute and 1 second": 26*time.Hour + 61*time.Second,
	} {
		if got := elapsed(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"P95 Latency < 110ms, 5% & more":  "P95 Latency < 110ms, 5% & more",
		"http://localhost:7070/a_b?c=1&d": "http://localhost:7070/a_b?c=1&d",
		"a|b`c`":                          "a\\|b\\`c\\`",
		"line\nbreak\r\u2028\ttab":        "line break   tab",
		"<script>x</script> <!-- -->":     `\<script>x\</script> \<!-- -->`,
		"_it_ *is* ~~so~~":                `\_it\_ \*is\* \~\~so\~\~`,
		"[x](javascript:y)":               `\[x\](javascript:y)`,
		`\|`:                              `\\\|`,
		"&lt; &#60; &":                    `\&lt; \&#60; &`,
		"➡️🖧, Mean: 80.00 ms":             "➡️🖧, Mean: 80.00 ms",
	} {
		if got := escape(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := code("GE`T|\n"); got != "`GET  `" {
		t.Errorf("code: %q", got)
	}
}

// FuzzEscape: whatever stands in a title, the report keeps its form: one line, cells intact.
func FuzzEscape(f *testing.F) {
	f.Add("a|b\nc`d\\")
	f.Fuzz(func(t *testing.T, text string) {
		got := escape(text)
		if strings.ContainsAny(got, "\n\r\u2028\u2029") {
			t.Errorf("%q is not one line", got)
		}
		open := false
		for i := 0; i < len(got); i++ {
			switch got[i] {
			case '\\':
				i++
			case '|', '`':
				open = true
			}
		}
		if open {
			t.Errorf("%q leaves a cell or a code span open", got)
		}
	})
}
