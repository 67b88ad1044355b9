//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
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
	case <-time.After(20 * time.Second):
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
			began := time.Now()
			if err := tc.end(cmd, in); err != nil {
				t.Fatal(err)
			}
			if got := exitCodeOf(t, cmd); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
