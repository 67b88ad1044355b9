//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestCurl goes all the ways that a client can take through the proxy to the demo application, with 200 ms of latency.
func TestCurl(t *testing.T) {
	peer(t, "curl")
	app := start(t, "demo", "run", "--port", "0")
	base := app.waitFor(t, `Demo application on (http://127\.0\.0\.1:\d+)`)[1]
	upstream := strings.TrimPrefix(base, "http://")
	proxy, parsed, raw := freePort(t), freePort(t), freePort(t)
	p := start(t, "run", "--no-ui", "--proxy-address", local(proxy),
		"--proxy", fmt.Sprintf("%d=%s", parsed, base), "--proxy", fmt.Sprintf("%d=%s", raw, upstream),
		"--with-latency", "--latency-mean", "200", "--latency-stddev", "0")
	for _, port := range []int{proxy, parsed, raw} {
		p.waitListening(t, local(port))
	}
	tests := []struct {
		name    string
		args    []string
		atLeast float64
		want    string
	}{
		{"direct", []string{base + "/"}, 0, "Hello, World!"},
		{"forward", []string{"-x", "http://" + local(proxy), base + "/"}, 0.2, "Hello, World!"},
		{"CONNECT", []string{"-p", "-x", "http://" + local(proxy), base + "/"}, 0.2, "Hello, World!"},
		{"HTTP mapping", []string{"http://" + local(parsed) + "/"}, 0.2, "Hello, World!"},
		{"TCP mapping", []string{"http://" + local(raw) + "/"}, 0.2, "Hello, World!"},
		{"body", []string{"-d", "shout", "http://" + local(parsed) + "/uppercase"}, 0.2, "SHOUT"},
		{"query", []string{"-x", "http://" + local(proxy), base + "/echo?a=%2F&b"}, 0.2, `"query":"a=%2F\u0026b"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"-sS", "--noproxy", "", "--max-time", "10", "-w", "\n%{http_code} %{time_total}"}, test.args...)
			r := command(t, t.TempDir(), "curl", args...)
			body, figures, _ := cutLast(strings.TrimSpace(r.stdout), "\n")
			status, seconds, _ := strings.Cut(figures, " ")
			took, err := strconv.ParseFloat(seconds, 64)
			if r.code != 0 || status != "200" || err != nil || !strings.Contains(body, test.want) {
				t.Fatalf("curl ended with %d: %s%s", r.code, r.stdout, r.stderr)
			}
			if took < test.atLeast || took > test.atLeast+0.15 {
				t.Errorf("took %.3f s, want %.1f s and little more", took, test.atLeast)
			}
		})
	}
	t.Run("log", func(t *testing.T) {
		app.waitFor(t, `(?m)^GET / 200 [0-9.]+(µs|ms)$`)
		app.waitFor(t, `(?m)^POST /uppercase 200 `)
	})
	if code := p.stop(t, os.Interrupt); code != 130 {
		t.Errorf("fault run: exit code %d after Ctrl-C, want 130", code)
	}
	if code := app.stop(t, os.Interrupt); code != 130 {
		t.Errorf("fault demo run: exit code %d after Ctrl-C, want 130", code)
	}
}

// TestRefusingUpstreamIsNamed: who calls through the proxy learns which upstream refused.
func TestRefusingUpstreamIsNamed(t *testing.T) {
	peer(t, "curl")
	refusing := local(freePort(t))
	proxy, mapping := freePort(t), freePort(t)
	p := start(t, "run", "--no-ui", "--proxy-address", local(proxy), "--proxy", fmt.Sprintf("%d=http://%s", mapping, refusing))
	p.waitListening(t, local(mapping))
	p.waitListening(t, local(proxy))
	for name, args := range map[string][]string{
		"forward": {"-x", "http://" + local(proxy), "http://" + refusing + "/"},
		"mapping": {"http://" + local(mapping) + "/"},
	} {
		t.Run(name, func(t *testing.T) {
			r := command(t, t.TempDir(), "curl", append([]string{"-sS", "--noproxy", "", "--max-time", "10", "-w", "\n%{http_code}"}, args...)...)
			body, status, _ := cutLast(strings.TrimSpace(r.stdout), "\n")
			if status != "502" || !strings.Contains(body, refusing) || strings.Count(strings.TrimSpace(body), "\n") != 0 {
				t.Errorf("status %s, body %q; want 502 and one line that names %s", status, body, refusing)
			}
		})
	}
}

// cutLast cuts s at the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return "", s, false
}
