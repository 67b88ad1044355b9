//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// newRedis starts a Redis server that keeps nothing and returns its address.
func newRedis(t *testing.T) string {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command(peer(t, "redis-server"), "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", t.TempDir(), "--daemonize", "no")
	var log output
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	for range 300 {
		if conn, err := net.Dial("tcp", local(port)); err == nil {
			conn.Close()
			return local(port)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("Redis does not listen: %s", log.String())
	return ""
}

// redisCLI sends commands, one after the other in one session, and returns what came back and after how long.
func redisCLI(t *testing.T, address, commands string, flags ...string) (result, time.Duration) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	start := time.Now()
	r := commandWith(t, t.TempDir(), strings.NewReader(commands), peer(t, "redis-cli"), append([]string{"-h", host, "-p", port}, flags...)...)
	return r, time.Since(start)
}

// TestRedis: redis-cli and redis-benchmark through mappings to a real Redis.
func TestRedis(t *testing.T) {
	peer(t, "redis-cli")
	t.Parallel()
	address := newRedis(t)

	t.Run("latency of each turn", func(t *testing.T) {
		const pings = 10
		w := through(t, []string{address}, "--with-latency", "--latency-mean", "30", "--latency-stddev", "0", "--latency-scope", "turn")
		session := func(address string) func() float64 {
			return func() float64 {
				r, took := redisCLI(t, address, strings.Repeat("PING\n", pings))
				if r.code != 0 || r.stdout != strings.Repeat("PONG\n", pings) {
					t.Fatalf("redis-cli ended with %d: %q %s", r.code, r.stdout, r.stderr)
				}
				return float64(took.Microseconds()) / 1000 / pings
			}
		}
		steady(t, func() error {
			delayed := noSooner(t, 30, several(3, session(w.mappings[0])))
			return between("ms added to a command", added(delayed, several(3, session(address))), 29, 34)
		})
	})
	t.Run("mass insertion while faults come and go", func(t *testing.T) {
		const keys = 100_000
		w := through(t, []string{address},
			"--with-latency", "--latency-mean", "10", "--latency-direction", "both", "--latency-per-read-write", "--latency-sched", toggling(0),
			"--with-jitter", "--jitter-amplitude", "10", "--jitter-frequency", "50", "--jitter-direction", "both", "--jitter-sched", toggling(50))
		var commands strings.Builder
		for i := range keys {
			fmt.Fprintf(&commands, "SET key:%d %d\r\n", i, i*i)
		}
		r, _ := redisCLI(t, w.mappings[0], commands.String(), "--pipe")
		if r.code != 0 || !strings.Contains(r.stdout, fmt.Sprintf("errors: 0, replies: %d", keys)) {
			t.Errorf("redis-cli ended with %d: %s%s", r.code, r.stdout, r.stderr)
		}
		if r, _ := redisCLI(t, w.mappings[0], "DBSIZE\nGET key:99999\n"); r.stdout != fmt.Sprintf("%d\n%d\n", keys, 99999*99999) {
			t.Errorf("afterwards: %q %s", r.stdout, r.stderr)
		}
	})
	t.Run("messages that nobody asked for", func(t *testing.T) {
		w := through(t, []string{address}, "--with-latency", "--latency-mean", "400", "--latency-stddev", "0", "--latency-per-read-write")
		host, port, _ := net.SplitHostPort(w.mappings[0])
		cmd := exec.Command(peer(t, "redis-cli"), "-h", host, "-p", port, "SUBSCRIBE", "news")
		var out output
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		seen := func(text string) time.Time {
			for range 2000 {
				if strings.Contains(out.String(), text) {
					return time.Now()
				}
				time.Sleep(2 * time.Millisecond)
			}
			t.Fatalf("the subscriber did not receive %q: %s", text, out.String())
			return time.Time{}
		}
		seen("subscribe\nnews\n1\n")
		number := 0
		steady(t, func() error {
			number++
			text := fmt.Sprintf("message %d", number)
			if r, _ := redisCLI(t, address, fmt.Sprintf("PUBLISH news %q\n", text)); r.stdout != "1\n" {
				t.Fatalf("%s subscribers: %s", r.stdout, r.stderr)
			}
			published := time.Now() // and received by Redis before
			late := float64(seen(text).Sub(published).Milliseconds())
			return between("ms until the message arrived", late, 380, 430)
		})
	})
	t.Run("reset", func(t *testing.T) {
		w := through(t, []string{address}, "--with-reset", "--reset-after-bytes", "0")
		for range 10 {
			r, _ := redisCLI(t, w.mappings[0], "PING\n")
			if strings.Contains(r.stdout, "PONG") || !strings.Contains(r.stdout+r.stderr, "Connection reset by peer") {
				t.Errorf("redis-cli ended with %d: %q %q; want a reset", r.code, r.stdout, r.stderr)
			}
		}
	})
	t.Run("benchmark", func(t *testing.T) {
		w := through(t, []string{address})
		host, port, _ := net.SplitHostPort(w.mappings[0])
		r := command(t, t.TempDir(), peer(t, "redis-benchmark"), "-h", host, "-p", port, "-q", "-t", "set,get,lpush", "-n", "20000", "-c", "50", "-P", "8")
		if r.code != 0 || strings.Count(r.stdout, "requests per second") != 3 {
			t.Errorf("redis-benchmark ended with %d: %s%s", r.code, r.stdout, r.stderr)
		}
	})
}
