//go:build unix

package run

import (
	"bufio"
	"context"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/runreport"
)

// running is a command that runs, with the lines that it prints.
type running struct {
	t       *testing.T
	lines   *bufio.Scanner
	signals chan os.Signal
	ended   chan runreport.Exit
}

func start(t *testing.T, c *child, args ...string) *running {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, lines: bufio.NewScanner(reader), signals: make(chan os.Signal, 4), ended: make(chan runreport.Exit, 1)}
	c.path, c.args = os.Args[0], append([]string{"command"}, args...)
	c.env = append(os.Environ(), childVariable+"=1")
	c.streams = cli.Streams{Out: writer, Err: os.Stderr}
	c.signals = r.signals
	if c.foreground == nil {
		c.foreground = func() bool { return false }
	}
	go func() {
		e, err := c.run(t.Context())
		if err != nil {
			t.Error(err)
		}
		writer.Close()
		r.ended <- e
	}()
	return r
}

func (r *running) line() string {
	r.t.Helper()
	if !r.lines.Scan() {
		r.t.Fatalf("the output ended: %v", r.lines.Err())
	}
	return r.lines.Text()
}

func (r *running) exit() runreport.Exit {
	r.t.Helper()
	select {
	case e := <-r.ended:
		return e
	case <-time.After(time.Minute):
		r.t.Fatal("it does not end")
		return runreport.Exit{}
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	for _, tc := range []struct {
		signal os.Signal
		want   runreport.Exit
	}{
		{os.Interrupt, runreport.Exit{Code: 5, Interrupted: true}},
		{syscall.SIGTERM, runreport.Exit{Code: 6, Interrupted: true}},
		{syscall.SIGHUP, runreport.Exit{Code: 129, Signal: "SIGHUP", Interrupted: true}},
		{syscall.SIGUSR1, runreport.Exit{Code: 7}},
	} {
		t.Run(tc.signal.String(), func(t *testing.T) {
			if signal.Ignored(tc.signal) {
				t.Skipf("%v is ignored here, as nohup does, and a command inherits that", tc.signal)
			}
			r := start(t, new(child), "wait")
			r.line()
			r.signals <- tc.signal
			if got := r.exit(); got != tc.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	for range 12000 {
		if err := syscall.Kill(pid, 0); err != nil {
			return
		}
		if data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil && strings.Contains(string(data), ") Z ") {
			return // ended, and whoever adopted it has not looked yet
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
}

// The second Ctrl-C kills the command and what it started.
func TestSecondInterruptKills(t *testing.T) {
	r := start(t, new(child), "stubborn")
	var pids []int
	for range 2 {
		pid, err := strconv.Atoi(strings.TrimPrefix(r.line(), "ready "))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	r.signals <- os.Interrupt
	r.signals <- os.Interrupt
	if got, want := r.exit(), (runreport.Exit{Code: 130, Signal: "SIGKILL", Interrupted: true}); got != want {
		t.Errorf("%+v", got)
	}
	for _, pid := range pids {
		gone(t, pid)
	}
}

// In the foreground of a terminal that has told the command itself, it is not told again; when it is killed, so is what it started.
func TestForeground(t *testing.T) {
	r := start(t, &child{foreground: func() bool { return true }}, "wait")
	r.line()
	r.signals <- os.Interrupt
	r.signals <- syscall.SIGTERM // which no key sends
	if got, want := r.exit(), (runreport.Exit{Code: 6, Interrupted: true}); got != want {
		t.Errorf("%+v", got)
	}
	r = start(t, &child{foreground: func() bool { return true }, timeout: 3 * time.Second, grace: 100 * time.Millisecond}, "stubborn")
	var pids []int
	for range 2 {
		pid, err := strconv.Atoi(strings.TrimPrefix(r.line(), "ready "))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if got, want := r.exit(), (runreport.Exit{Code: 124, Signal: "SIGKILL", TimedOut: true}); got != want {
		t.Errorf("%+v", got)
	}
	if descendants(os.Getpid()) != nil { // where the system tells
		for _, pid := range pids {
			gone(t, pid)
		}
	}
}

func TestTimeout(t *testing.T) {
	r := start(t, &child{timeout: 3 * time.Second, grace: time.Minute}, "wait")
	if got, want := r.exit(), (runreport.Exit{Code: 124, TimedOut: true}); got != want {
		t.Errorf("%+v", got)
	}
}

// When the proxy is gone, the command has no reason to go on.
func TestEndOfTheProxyEndsTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &child{
		path: os.Args[0], args: []string{"x", "wait"}, env: append(os.Environ(), childVariable+"=1"), foreground: func() bool { return false },
	}
	e, err := c.run(ctx)
	if err != nil || e.Code != 6 && e.Code != 143 { // it may not have come to listen for the signal
		t.Errorf("%+v, %v", e, err)
	}
}
