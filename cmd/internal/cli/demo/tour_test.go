package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/mcp"
	"github.com/fault-project/fault/scenarios"
)

// fakeServer answers the tour's calls, and leaves results as the real server does.
type fakeServer struct {
	t      *testing.T
	calls  []string
	fail   string // a tool that answers with an error
	hang   string // a tool that answers only when the call is canceled
	hung   chan struct{}
	closed int
	// results is the folder that measurements are to leave their results in.
	results string
}

func (s *fakeServer) dial(_ context.Context, args []string, root string, _ io.Writer) (session, error) {
	if args[0] != "agent" || args[1] != "tool" {
		s.t.Errorf("the server is started with %q", args)
	}
	if i := slices.Index(args, "--results"); i > 0 {
		s.results = args[i+1]
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		s.t.Errorf("the root is no project: %v", err)
	}
	return s, nil
}

func (s *fakeServer) Tools(context.Context) ([]mcp.ToolInfo, error) {
	return make([]mcp.ToolInfo, 7), nil
}

func (s *fakeServer) Close() error { s.closed++; return nil }

func (s *fakeServer) Call(ctx context.Context, tool string, _ map[string]any, _ func(float64, float64, string)) (*mcp.Result, error) {
	s.calls = append(s.calls, tool)
	switch tool {
	case s.fail:
		return &mcp.Result{IsError: true, Text: "no such thing; do another"}, nil
	case s.hang:
		close(s.hung)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	structured := map[string]string{
		"fault_index_source_code":             `{"files":6,"chunks":41}`,
		"fault_list_function_names":           `{"functions":["a","b","c","d","e"]}`,
		"fault_extract_code_block":            `{"full":"func (a *App) callUpstream() {\n\treturn\n}"}`,
		"fault_search_code":                   `{"results":[{"path":"/x/upstream.go","name":"App.callUpstream","line":43}]}`,
		"fault_run_latency_impact_scenario":   `{"calls":20,"errors":0,"p50_ms":301.2,"baseline_calls":5,"baseline_p50_ms":1.1,"added_p50_ms":300.1}`,
		"fault_run_blackhole_impact_scenario": `{"calls":20,"errors":5,"timeouts":5,"p50_ms":1.4,"baseline_calls":5,"baseline_p50_ms":1.2}`,
	}[tool]
	if fault, ok := strings.CutSuffix(strings.TrimPrefix(tool, "fault_run_"), "_impact_scenario"); ok {
		structured = strings.TrimSuffix(structured, "}") + fmt.Sprintf(`,"saved":%q}`, s.leave(fault))
	}
	return &mcp.Result{Structured: []byte(structured)}, nil
}

// leave writes results of five calls a second; those from 1.6 s to 2.4 s fail.
func (s *fakeServer) leave(fault string) string {
	calls := make([]scenarios.CallResult, 20)
	for i := range calls {
		calls[i] = scenarios.CallResult{IntendedStart: 1_000_000 + int64(i)*200_000, Metrics: &scenarios.Metrics{
			TotalTime: 1.5, Protocol: &scenarios.Protocol{Type: "http", Code: 200},
		}}
		if i >= 8 && i <= 12 {
			calls[i].Metrics = &scenarios.Metrics{Errored: true, TimedOut: true, TotalTime: 1000.4}
		}
	}
	folder := filepath.Join(s.results, fault)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		s.t.Fatal(err)
	}
	err := scenarios.WriteResults(filepath.Join(folder, "results.json"), &scenarios.Results{Start: 1, End: 2, Results: []scenarios.ScenarioResult{{
		Results: []scenarios.ItemResult{{Results: calls}},
	}}})
	if err != nil {
		s.t.Fatal(err)
	}
	return folder
}

func TestTour(t *testing.T) {
	for _, color := range []bool{false, true} {
		t.Run(fmt.Sprintf("color=%t", color), func(t *testing.T) {
			var out bytes.Buffer
			server := &fakeServer{t: t}
			f := newFactory(&out, nil)
			f.Color = color
			o := TourOptions{Output: filepath.Join(t.TempDir(), "new", "folder"), f: f, dial: server.dial}
			if err := o.run(t.Context()); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			if strings.Contains(out.String(), "\x1b[") != color {
				t.Errorf("escape sequences in the output, want %t", color)
			}
			text := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(out.String(), "")
			for _, want := range []string{
				" 1  Start the demo application     http://127.0.0.1:",
				" 3  Start the MCP server           fault agent tool, over stdio: 7 tools, ready in ",
				" 4  Index the source               41 functions in 6 files, in ",
				"upstream.go has 5: a, b, c, d, …",
				"    without the fault   p50      1.1 ms   5 calls\n",
				"    with the fault      p50    301.2 ms   20 calls, 0 failed\n",
				"    added                      300.1 ms\n",
				"    outside the hole    p50      1.5 ms   15 calls, 0 failed\n",
				"    inside the hole     p50   1000.4 ms   5 calls, 5 failed, 5 of them by waiting in vain\n",
				"Left in " + o.Output + "\n  latency/ and blackhole/, each with\n",
				`"context_servers"`,
				".kilocode/mcp.json",
				"~/.cursor/mcp.json",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in:\n%s", want, text)
				}
			}
			if server.closed != 1 {
				t.Errorf("the session was closed %d times", server.closed)
			}
		})
	}
}

func TestTourFails(t *testing.T) {
	t.Run("a tool", func(t *testing.T) {
		var out bytes.Buffer
		server := &fakeServer{t: t, fail: "fault_search_code"}
		o := TourOptions{Output: t.TempDir(), f: newFactory(&out, nil), dial: server.dial}
		err := o.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "fault_search_code: no such thing; do another") {
			t.Errorf("error %v", err)
		}
		if !strings.HasSuffix(out.String(), "\n") {
			t.Errorf("the error would stand behind the step: %q", out.String())
		}
		if server.closed != 1 || slices.Contains(server.calls, "fault_run_latency_impact_scenario") {
			t.Errorf("the tour went on: closed %d times, called %q", server.closed, server.calls)
		}
	})
	t.Run("the server", func(t *testing.T) {
		dial := func(_ context.Context, _ []string, _ string, stderr io.Writer) (session, error) {
			_, _ = io.WriteString(stderr, "first\nfault: cannot open the index\n")
			return nil, errors.New("broken pipe")
		}
		o := TourOptions{Output: t.TempDir(), f: newFactory(io.Discard, nil), dial: dial}
		if err := o.run(t.Context()); err == nil || err.Error() !=
			"start the MCP server: broken pipe (its last words: fault: cannot open the index)" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the folder", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		o := TourOptions{Output: filepath.Join(file, "below"), f: newFactory(io.Discard, nil)}
		if err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), "create the folder for the results") {
			t.Errorf("error %v", err)
		}
	})
}

func TestTourInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := &fakeServer{t: t, hang: "fault_run_latency_impact_scenario", hung: make(chan struct{})}
	o := TourOptions{Output: t.TempDir(), f: newFactory(io.Discard, nil), dial: server.dial}
	done := make(chan error, 1)
	go func() { done <- o.run(ctx) }()
	<-server.hung
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if server.closed != 1 {
		t.Errorf("the session was closed %d times", server.closed)
	}
}

func TestCommandFor(t *testing.T) {
	dir := t.TempDir()
	executable := filepath.Join(dir, "fault")
	if err := os.WriteFile(executable, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if command, installed := commandFor(executable); command != "fault" || !installed {
		t.Errorf("on PATH: %q, %t", command, installed)
	}
	t.Setenv("PATH", "")
	hash := strings.Repeat("0123456789abcdef", 4)
	for path, want := range map[string]struct {
		command   string
		installed bool
	}{
		executable:                        {executable, true},
		"/tmp/go-build123/b001/exe/fault": {"fault", false},
		"/home/me/.cache/go-build/3f/" + hash + "-d/fault": {"fault", false},
		"/ci/cache/3f/" + hash + "-d/fault":                {"fault", false},
		"/home/me/go-builds/fault":                         {"/home/me/go-builds/fault", true},
	} {
		if command, installed := commandFor(path); command != want.command || installed != want.installed {
			t.Errorf("commandFor(%q) = %q, %t; want %q, %t", path, command, installed, want.command, want.installed)
		}
	}
}

func TestEditorSettingsEscapePaths(t *testing.T) {
	if text := editorSettings(`C:\Program Files\fault.exe`); strings.Count(text, `"command": "C:\\Program Files\\fault.exe"`) != 2 {
		t.Errorf("settings are not JSON:\n%s", text)
	}
}
