//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestBadInput: each gives one clear line on stderr, at most one more with a hint, and the right exit code.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	item := "title: t\nitems:\n  - call: {method: GET, url: 'http://127.0.0.1:1/'}\n    context:\n      faults:\n        - %s\n"
	write("unknown-fault.yaml", fmt.Sprintf(item, "{type: latncy, mean: 10}"))
	write("unknown-key.yaml", fmt.Sprintf(item, "{type: latency, meen: 10}"))
	write("broken.yaml", "title: [\n")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port

	tests := []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"unknown command", []string{"rnu"}, 2, []string{"rnu", "run"}},
		{"unknown flag", []string{"run", "--latency-meen", "3"}, 2, []string{"latency-meen", "--latency-mean"}},
		{"fault option without its fault", []string{"run", "--latency-mean", "3"}, 2, []string{"--latency-mean", "--with-latency"}},
		{"fault without its parameter", []string{"run", "--with-latency"}, 2, []string{"--latency-mean"}},
		{"value out of range", []string{"run", "--with-latency", "--latency-mean", "-1"}, 2, []string{"latency-mean"}},
		{
			"relative schedule without a duration",
			[]string{"run", "--with-blackhole", "--blackhole-sched", "start:10%,duration:20%"},
			2,
			[]string{"--duration"},
		},
		{"bad schedule", []string{"run", "--with-blackhole", "--blackhole-sched", "begin:1s"}, 2, []string{"begin:1s", "start"}},
		{"bad mapping", []string{"run", "--proxy", "nonsense"}, 2, []string{"nonsense", "="}},
		{"port in use", []string{"run", "--proxy-address", local(port)}, 1, []string{local(port), "in use"}},
		{
			"port of a mapping in use",
			[]string{"run", "--proxy-address", "127.0.0.1:0", "--proxy", fmt.Sprintf("%d=127.0.0.1:1", port)},
			1,
			[]string{local(port), "in use"},
		},
		{"port of the demo in use", []string{"demo", "run", "--port", strconv.Itoa(port)}, 1, []string{local(port), "in use"}},
		{"address of the demo", []string{"demo", "run", "8080"}, 2, []string{"8080", "127.0.0.1 7070"}},
		{"upstream of the demo", []string{"demo", "run", "--upstream", "localhost"}, 2, []string{"localhost", "http://"}},
		{"missing scenario", []string{"scenario", "run", "--scenario", "missing.yaml"}, 2, []string{"missing.yaml"}},
		{
			"unknown fault in a scenario",
			[]string{"scenario", "run", "--scenario", "unknown-fault.yaml"},
			2,
			[]string{"unknown-fault.yaml:6", "latncy", "latency"},
		},
		{
			"unknown key in a scenario",
			[]string{"scenario", "run", "--scenario", "unknown-key.yaml"},
			2,
			[]string{"unknown-key.yaml:6", "meen", "mean"},
		},
		{"broken YAML", []string{"scenario", "run", "--scenario", "broken.yaml"}, 2, []string{"broken.yaml:"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := run(t, dir, test.args...)
			if r.code != test.code {
				t.Errorf("exit code %d, want %d", r.code, test.code)
			}
			lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
			if len(lines) > 2 || !strings.HasPrefix(lines[0], "fault: ") || (len(lines) == 2 && !strings.HasPrefix(lines[1], "hint: ")) {
				t.Errorf("want one line, and a hint at most:\n%s", r.stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("%q is not in:\n%s", want, r.stderr)
				}
			}
			if r.stdout != "" {
				t.Errorf("an error belongs to stderr, stdout has: %s", r.stdout)
			}
		})
	}
}

// TestSignals: Ctrl-C ends with 130, SIGTERM ends a server with 0.
func TestSignals(t *testing.T) {
	commands := map[string][]string{
		"run":      {"run", "--no-ui"},
		"demo run": {"demo", "run", "--port", "0"},
	}
	for name, args := range commands {
		for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 0} {
			t.Run(fmt.Sprintf("%s/%s", name, sig), func(t *testing.T) {
				args := args
				port := freePort(t)
				if name == "run" {
					args = append(args, "--proxy-address", local(port))
				}
				p := start(t, args...)
				if name == "run" {
					p.waitListening(t, local(port))
				} else {
					p.waitFor(t, `Demo application on`)
				}
				if code := p.stop(t, sig); code != want {
					t.Errorf("exit code %d, want %d", code, want)
				}
			})
		}
	}
}

// TestTour runs the whole tour with its output in a pipe.
func TestTour(t *testing.T) {
	steady(t, func() error {
		dir := filepath.Join(t.TempDir(), "tour")
		r := run(t, t.TempDir(), "demo", "tour", "--output", dir)
		if r.code != 0 {
			t.Fatalf("exit code %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
		if strings.Contains(r.stdout, "\x1b") {
			t.Error("piped output has escape sequences")
		}
		for _, want := range []string{dir, "report.md", "results.json", "mcpServers", "context_servers", ".kilocode/mcp.json", binary(t)} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%q is not in the output:\n%s", want, r.stdout)
			}
		}
		// What the measurements left, and what the output says of them.
		for _, fault := range []string{"latency", "blackhole"} {
			folders, err := filepath.Glob(filepath.Join(dir, "*-"+fault))
			if err != nil || len(folders) != 1 || !strings.Contains(r.stdout, filepath.Base(folders[0])+"/") {
				t.Fatalf("%s left %q, %v:\n%s", fault, folders, err, r.stdout)
			}
			for _, name := range []string{"report.md", "results.json"} {
				if info, err := os.Stat(filepath.Join(folders[0], name)); err != nil || info.Size() < 1000 {
					t.Errorf("%s/%s: %v, %v", folders[0], name, info, err)
				}
			}
		}
		m := regexp.MustCompile(`added\s+(\d+\.\d)`).FindStringSubmatch(r.stdout)
		if m == nil {
			t.Fatalf("the tour does not say what was added:\n%s", r.stdout)
		}
		ms, _ := strconv.ParseFloat(m[1], 64)
		return between("ms added", ms, 299, 302)
	})
}

// TestTourInterrupted: Ctrl-C in the middle of a measurement ends everything that the tour started.
func TestTourInterrupted(t *testing.T) {
	p := start(t, "demo", "tour", "--output", filepath.Join(t.TempDir(), "tour"))
	application := p.waitFor(t, `http://(127\.0\.0\.1:\d+)`)[1]
	p.waitFor(t, `GET /ping, 5 times a second`)
	children := p.children(t)
	if runtime.GOOS == "linux" && len(children) == 0 {
		t.Error("the tour has no child process")
	}
	if code := p.stop(t, os.Interrupt); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	for _, pid := range children {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("process %s, the MCP server, is still there", pid)
		}
	}
	if conn, err := net.Dial("tcp", application); err == nil {
		conn.Close()
		t.Error("the demo application still listens")
	}
}
