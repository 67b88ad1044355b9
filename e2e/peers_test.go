//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// peer returns the path of a program that a test needs, under the first of its names. Where it is missing the test is left out with
// the reason; with CI set it fails.
func peer(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		// Debian keeps the servers of PostgreSQL out of the way, one folder for each major version.
		if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	missing(t, "%s is not installed", strings.Join(names, " or "))
	return ""
}

// missing leaves the test out, or fails it with CI set.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// way is a running fault with its addresses: the HTTP proxy, and a mapping to each upstream.
type way struct {
	*process
	proxy    string
	mappings []string
}

// through starts fault run with a mapping to each upstream and with flags.
func through(t *testing.T, upstreams []string, flags ...string) *way {
	t.Helper()
	return throughWith(t, nil, upstreams, flags...)
}

// throughWith is through with additions to the environment.
func throughWith(t *testing.T, env, upstreams []string, flags ...string) *way {
	t.Helper()
	w := &way{proxy: local(freePort(t))}
	args := []string{"run", "--no-ui", "--proxy-address", w.proxy}
	for _, upstream := range upstreams {
		port := freePort(t)
		w.mappings = append(w.mappings, local(port))
		args = append(args, "--proxy", fmt.Sprintf("%d=%s", port, upstream))
	}
	w.process = startWith(t, env, append(args, flags...)...)
	for _, address := range append([]string{w.proxy}, w.mappings...) {
		w.waitListening(t, address)
	}
	return w
}

// steady runs an attempt that returns what is wrong with the figures that it measured, four times at most: of a machine that has other
// work at that moment the figures are those of its scheduler. What no load excuses is checked by noSooner.
func steady(t *testing.T, attempt func() error) {
	t.Helper()
	for i := range 4 {
		err := attempt()
		if err == nil {
			return
		}
		if i == 3 {
			t.Error(err)
			return
		}
		t.Logf("attempt %d: %v; load %.1f", i, err, load())
		time.Sleep(5 * time.Second)
	}
}

// noSooner fails the test when something took less time than the delay in its way, and returns the figures.
func noSooner(t *testing.T, than float64, figures []float64) []float64 {
	t.Helper()
	if least := slices.Min(figures); least < than {
		t.Errorf("%.4g ms are less than the delay of %.4g ms", least, than)
	}
	return figures
}

// load is how many processes wanted to run during the last minute, on average; 0 where the system does not tell.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	n, _ := strconv.ParseFloat(first, 64)
	return n
}

// between says what is wrong with a figure that should lie between two others.
func between(what string, got, low, high float64) error {
	if got >= low && got <= high {
		return nil
	}
	return fmt.Errorf("%s: %.4g, want between %.4g and %.4g", what, got, low, high)
}

// added is by how much the quickest of the delayed is slower than the quickest of the others: what a busy machine adds to single
// ones does not count.
func added(delayed, control []float64) float64 { return slices.Min(delayed) - slices.Min(control) }

// several collects n figures.
func several(n int, measure func() float64) []float64 {
	var all []float64
	for range n {
		all = append(all, measure())
	}
	return all
}
