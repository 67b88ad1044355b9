//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// inspector is the newest MCP Inspector that runs with Node.js 20.
const inspector = "@modelcontextprotocol/inspector@0.15.0"

// session speaks MCP's stdio transport as bytes: one JSON message a line. It knows nothing of any library.
type session struct {
	*exec.Cmd
	in       io.WriteCloser
	messages chan message
	stderr   output
	done     chan struct{}
	id       int
}

type message struct {
	ID     *int            `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// connect starts `fault agent tool` and initializes it.
func connect(t *testing.T) *session {
	t.Helper()
	s := &session{Cmd: exec.Command(binary(t), "agent", "tool"), messages: make(chan message, 10_000), done: make(chan struct{})}
	s.Env, s.Dir, s.Stderr = environment(t), t.TempDir(), &s.stderr
	var err error
	if s.in, err = s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		defer close(s.messages)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var m message
			if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
				t.Errorf("stdout belongs to the protocol, but holds %q", lines.Text())
				continue
			}
			s.messages <- m
		}
		_ = s.Wait()
	}()
	t.Cleanup(func() {
		_ = s.Process.Kill()
		<-s.done
		if t.Failed() {
			t.Logf("stderr: %s", tail(s.stderr.String()))
		}
	})
	answer := s.answer(t, s.request(t, "initialize", map[string]any{
		"protocolVersion": "2025-06-18", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "e2e", "version": "1"},
	}))
	if answer.Error != nil || !strings.Contains(string(answer.Result), `"fault"`) {
		t.Fatalf("initialize: %+v %s", answer.Error, answer.Result)
	}
	s.send(t, map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})
	return s
}

func (s *session) send(t *testing.T, m any) {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.in.Write(append(data, '\n')); err != nil {
		t.Fatal(err)
	}
}

func (s *session) request(t *testing.T, method string, params any) int {
	t.Helper()
	s.id++
	s.send(t, map[string]any{"jsonrpc": "2.0", "id": s.id, "method": method, "params": params})
	return s.id
}

// call sends a tools/call with the progress token "p".
func (s *session) call(t *testing.T, tool string, arguments map[string]any) int {
	t.Helper()
	return s.request(t, "tools/call", map[string]any{
		"name": tool, "arguments": arguments, "_meta": map[string]any{"progressToken": "p"},
	})
}

// answer returns the answer to a request; what comes before it is dropped.
func (s *session) answer(t *testing.T, id int) message {
	t.Helper()
	return s.next(t, func(m message) bool { return m.ID != nil && *m.ID == id && m.Method == "" })
}

func (s *session) next(t *testing.T, wanted func(message) bool) message {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case m, ok := <-s.messages:
			if !ok {
				t.Fatalf("the server ended: %s", s.stderr.String())
			}
			if wanted(m) {
				return m
			}
		case <-limit:
			t.Fatal("no message within 30 s")
		}
	}
}

// counting is an endpoint that counts its requests.
func counting(t *testing.T) (url string, count *atomic.Int64) {
	count = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { count.Add(1) }))
	t.Cleanup(server.Close)
	return server.URL, count
}

// longLoad starts a scenario of a minute and returns the id of its request once the load runs.
func longLoad(t *testing.T, s *session, url string, count *atomic.Int64) int {
	t.Helper()
	id := s.call(t, "fault_run_latency_impact_scenario", map[string]any{
		"url": url, "latency": 10, "duration": "60s", "num_clients": 2, "rps": 20,
	})
	for range 1000 {
		if count.Load() > 30 {
			return id
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the load did not start")
	return 0
}

func TestCancellationStopsTheLoad(t *testing.T) {
	url, count := counting(t)
	s := connect(t)
	id := longLoad(t, s, url, count)
	s.send(t, map[string]any{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": map[string]any{"requestId": id}})
	time.Sleep(time.Second)
	after := count.Load()
	time.Sleep(time.Second)
	if more := count.Load() - after; more != 0 {
		t.Errorf("%d more calls later than a second after the cancellation", more)
	}
	ping := s.request(t, "ping", map[string]any{})
	if answer := s.answer(t, ping); answer.Error != nil {
		t.Errorf("the server does not answer any more: %+v", answer.Error)
	}
}

func TestServerEndsWithItsInput(t *testing.T) {
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("busy=%t", busy), func(t *testing.T) {
			url, count := counting(t)
			s := connect(t)
			if busy {
				longLoad(t, s, url, count)
			}
			start := time.Now()
			if err := s.in.Close(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-s.done:
				t.Logf("ended after %s", time.Since(start).Round(time.Millisecond))
			case <-time.After(5 * time.Second):
				t.Fatal("the server still runs 5 s after its input closed")
			}
			if code := s.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}

func TestServerEndsWithSIGTERM(t *testing.T) {
	s := connect(t)
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(5 * time.Second):
		t.Fatal("the server still runs 5 s after SIGTERM")
	}
	if code := s.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestProgressGrows(t *testing.T) {
	url, _ := counting(t)
	s := connect(t)
	id := s.call(t, "fault_run_latency_impact_scenario", map[string]any{"url": url, "latency": 10, "duration": "2s", "rps": 10})
	var progress []float64
	for {
		m := s.next(t, func(message) bool { return true })
		if m.ID != nil && *m.ID == id {
			if m.Error != nil || strings.Contains(string(m.Result), `"isError":true`) {
				t.Fatalf("%+v %s", m.Error, m.Result)
			}
			break
		}
		if m.Method == "notifications/progress" {
			var p struct {
				ProgressToken string  `json:"progressToken"`
				Progress      float64 `json:"progress"`
			}
			if err := json.Unmarshal(m.Params, &p); err != nil || p.ProgressToken != "p" {
				t.Fatalf("progress %s: %v", m.Params, err)
			}
			progress = append(progress, p.Progress)
		}
	}
	if len(progress) < 3 || !slices.IsSorted(progress) || len(slices.Compact(slices.Clone(progress))) != len(progress) {
		t.Errorf("progress %v, want a growing series", progress)
	}
}

func TestWrongArguments(t *testing.T) {
	s := connect(t)
	tests := []struct {
		name, tool string
		arguments  map[string]any
		want       []string
	}{
		{"unknown", "fault_extract_code_block", map[string]any{"file": "a.py", "function": "f"}, []string{"function", "func"}},
		{"missing", "fault_extract_code_block", map[string]any{"file": "a.py"}, []string{"func"}},
		{"wrong type", "fault_list_function_names", map[string]any{"file": 7}, []string{"file", "string"}},
		{
			"not in the list", "fault_run_latency_impact_scenario",
			map[string]any{"url": "http://127.0.0.1:1/", "latency": 1, "side": "sever"},
			[]string{"side", "server"},
		},
		{
			"out of range", "fault_run_latency_impact_scenario",
			map[string]any{"url": "http://127.0.0.1:1/", "latency": -1},
			[]string{"latency", "0"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := s.answer(t, s.call(t, test.tool, test.arguments))
			if answer.Error != nil || !strings.Contains(string(answer.Result), `"isError":true`) {
				t.Fatalf("want a tool error, got %+v %s", answer.Error, answer.Result)
			}
			for _, want := range test.want {
				if !strings.Contains(string(answer.Result), want) {
					t.Errorf("%q is not in %s", want, answer.Result)
				}
			}
		})
	}
}

// TestInspector drives the server with the MCP Inspector's command line.
func TestInspector(t *testing.T) {
	npx := peer(t, "npx")
	if r := command(t, t.TempDir(), npx, "-y", inspector, "--cli", "--help"); r.code != 0 {
		missing(t, "the MCP Inspector cannot be had: %s", tail(r.stderr))
	}
	inspect := func(t *testing.T, args ...string) result {
		t.Helper()
		return command(t, t.TempDir(), npx, append([]string{"-y", inspector, "--cli", binary(t), "agent", "tool"}, args...)...)
	}
	t.Run("list", func(t *testing.T) {
		r := inspect(t, "--method", "tools/list")
		var list struct{ Tools []struct{ Name string } }
		if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list.Tools) < 13 {
			t.Fatalf("%d tools, %v: %s%s", len(list.Tools), err, r.stdout, r.stderr)
		}
	})
	t.Run("call", func(t *testing.T) {
		file, err := filepath.Abs(filepath.Join("python", "project", "shop.py"))
		if err != nil {
			t.Fatal(err)
		}
		r := inspect(t, "--method", "tools/call", "--tool-name", "fault_extract_code_block", "--tool-arg", "file="+file, "func=Order.pay")
		var answer struct {
			Content           []struct{ Text string }
			StructuredContent struct{ Full, Body string }
			IsError           bool
		}
		if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil || answer.IsError || len(answer.Content) != 1 {
			t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
		}
		if !strings.Contains(answer.StructuredContent.Full, "def pay(self, gateway):\n        return gateway.invoice(self)") {
			t.Errorf("extracted %q", answer.StructuredContent.Full)
		}
	})
}
