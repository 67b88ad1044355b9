//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// start runs fault in the background and waits for a line of its output that begins with mark.
func start(t *testing.T, mark string, args ...string) (cmd *exec.Cmd, rest func() string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), "fault", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q: %v", mark, err)
		}
		if strings.HasPrefix(line, mark) {
			break
		}
	}
	return cmd, func() string {
		data, err := io.ReadAll(lines)
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
}

func exitCodeOf(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	select {
	case <-ended:
		return cmd.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		t.Fatal("it does not end")
		return -1
	}
}

func TestSignals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		signal os.Signal
		want   int
	}{
		{"Ctrl-C", os.Interrupt, 130},
		{"SIGTERM", syscall.SIGTERM, 0},
	} {
		t.Run("run "+tc.name, func(t *testing.T) {
			cmd, rest := start(t, "Seed", "run", "--proxy-address", "127.0.0.1:0")
			if err := cmd.Process.Signal(tc.signal); err != nil {
				t.Fatal(err)
			}
			if out := rest(); !strings.Contains(out, "Summary after") {
				t.Errorf("no summary in %q", out)
			}
			if got := exitCodeOf(t, cmd); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
		})
	}
}

// The first Ctrl-C waits for open connections, the second does not.
func TestSecondInterrupt(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	cmd, rest := start(t, "Seed", "run", "--disable-http-proxy", "--proxy", listen+"="+silent.Addr().String())
	client, err := net.Dial("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	upstream, err := silent.Accept() // the connection is through
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for { // two signals at once may be one, so that the first must have come
		conn, err := net.Dial("tcp", listen)
		if err != nil {
			break
		}
		conn.Close()
		time.Sleep(5 * time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatalf("it did not wait for the open connection: %v", err)
	}
	if out := rest(); strings.Contains(out, "Summary after") {
		t.Errorf("it drained: %q", out)
	}
	if got := exitCodeOf(t, cmd); got != 130 {
		t.Errorf("exit code %d", got)
	}
}

// A scenario that is interrupted keeps what was done.
func TestScenarioInterrupted(t *testing.T) {
	var calls atomic.Int32
	enough := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if calls.Add(1) == 6 {
			close(enough)
		}
	}))
	defer upstream.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "s.yaml")
	text := "title: Long\nitems:\n  - call: {method: GET, url: " + upstream.URL + "}\n    context:\n      strategy: " +
		"{mode: load, duration: 60s, clients: 1, rps: 20}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(dir, "results.json")
	cmd, rest := start(t, "Scenario 1/1", "scenario", "run", "--scenario", file, "--proxy-address", "127.0.0.1:0",
		"--result", results, "--report", filepath.Join(dir, "report.md"))
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Error("no calls are made")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest()
	if got := exitCodeOf(t, cmd); got != 130 {
		t.Errorf("exit code %d", got)
	}
	data, err := os.ReadFile(results)
	if err != nil || !bytes.Contains(data, []byte(`"interrupted"`)) || bytes.Count(data, []byte(`"ttfb"`)) < 3 {
		t.Errorf("results %.300s, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "report.md")); err != nil {
		t.Error(err)
	}
}

// A server over stdio ends by itself when its client goes, and at once on a signal.
func TestAgentEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(*exec.Cmd, io.Closer) error
		want int
	}{
		{"client closes", func(_ *exec.Cmd, in io.Closer) error { return in.Close() }, 0},
		{"Ctrl-C", func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(os.Interrupt) }, 130},
		{"SIGTERM", func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGTERM) }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "fault", "agent", "tool")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},` +
				`"clientInfo":{"name":"t","version":"1"}}}` + "\n"
			if _, err := io.WriteString(in, hello); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, `"serverInfo"`) {
				t.Fatalf("%q, %v", line, err)
			}
			if err := tc.end(cmd, in); err != nil {
				t.Fatal(err)
			}
			if got := exitCodeOf(t, cmd); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
		})
	}
}
