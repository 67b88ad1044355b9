//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary is the fault that is tested.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("FAULT_BIN")
	if path == "" {
		path = filepath.Join("..", "bin", "fault")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no binary to test: %v; run make build", err)
	}
	return path
}

// environment is the test's own without what would change fault's behavior, with a cache of the test's own.
func environment(t *testing.T) []string {
	t.Helper()
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToUpper(entry), "=")
		if strings.HasSuffix(name, "_PROXY") || strings.HasPrefix(name, "FAULT_") || name == "OPENAI_API_KEY" {
			continue
		}
		env = append(env, entry)
	}
	return append(env, "XDG_CACHE_HOME="+t.TempDir(), "NO_COLOR=1")
}

// output collects what a process writes.
type output struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.String()
}

// process is a running fault.
type process struct {
	*exec.Cmd
	stdout, stderr output
	done           chan struct{}
}

// start runs fault in the background; it is killed when the test ends, if it still runs then.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, nil, args...)
}

// startWith is start with additions to the environment.
func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(binary(t), args...), done: make(chan struct{})}
	p.Env, p.Dir = append(environment(t), env...), t.TempDir()
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Wait(); close(p.done) }()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("fault %s\nstdout: %s\nstderr: %s", strings.Join(args, " "), tail(p.stdout.String()), tail(p.stderr.String()))
		}
	})
	return p
}

func tail(s string) string {
	const limit = 4000
	return s[max(0, len(s)-limit):]
}

// children returns the ids of the processes that p started, nil where the system does not tell.
func (p *process) children(t *testing.T) []string {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, task := range tasks { // a thread may end meanwhile: then it has no children
		if list, err := os.ReadFile(task); err == nil {
			ids = append(ids, strings.Fields(string(list))...)
		}
	}
	return ids
}

// stop sends the signal and returns the exit code; the process has ten seconds.
func (p *process) stop(t *testing.T, sig os.Signal) int {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	return p.exit(t, 10*time.Second)
}

// exit waits for the process to end by itself and returns its exit code.
func (p *process) exit(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		t.Fatalf("fault still runs after %s", within)
	}
	return p.ProcessState.ExitCode()
}

// waitFor returns the first match of pattern in what the process has written to stdout.
func (p *process) waitFor(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for range 1000 {
		if match := re.FindStringSubmatch(p.stdout.String()); match != nil {
			return match
		}
		select {
		case <-p.done:
			t.Fatalf("fault ended with %d before it wrote %s", p.ProcessState.ExitCode(), pattern)
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("fault did not write %s", pattern)
	return nil
}

// waitListening returns once the address accepts connections.
func (p *process) waitListening(t *testing.T, address string) {
	t.Helper()
	for range 1000 {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-p.done:
			t.Fatalf("fault ended with %d before it listened on %s: %s", p.ProcessState.ExitCode(), address, p.stderr.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("nothing listens on %s", address)
}

// result is a finished command.
type result struct {
	code           int
	stdout, stderr string
}

// run runs fault to its end, for at most two minutes.
func run(t *testing.T, dir string, args ...string) result {
	t.Helper()
	return command(t, dir, binary(t), args...)
}

func command(t *testing.T, dir, name string, args ...string) result {
	t.Helper()
	return commandWith(t, dir, nil, name, args...)
}

// commandWith is command with something on standard input.
func commandWith(t *testing.T, dir string, stdin io.Reader, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, environment(t), stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", name, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// freePort returns a port that nothing listens on, below those that systems hand out to outgoing connections.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 12000 + rand.IntN(18000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// local is the loopback address with a port.
func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// serve accepts connections until the test ends and handles each in a goroutine; the handler owns the connection.
func serve(t *testing.T, handle func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go handle(conn.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

// dial connects and gives the connection a deadline.
func dial(t *testing.T, address string, deadline time.Duration) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}
