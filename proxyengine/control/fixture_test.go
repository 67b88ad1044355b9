package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/fault"
)

// TestMain checks that nothing outlives a server.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "open-sesame-open-sesame"

// fixture is an engine that runs, with a control API and an upstream that sends back lines.
type fixture struct {
	*Server
	t       testing.TB
	engine  *proxyengine.Engine
	echo    string
	answers http.Handler
}

// newFixture starts an engine with an HTTP proxy, and what change says, until the test ends.
func newFixture(t testing.TB, change ...func(*proxyengine.Config)) *fixture {
	t.Helper()
	counters := NewCounters()
	cfg := proxyengine.Config{ProxyAddress: "127.0.0.1:0", Drain: -1, Sink: counters.Sink, Seed: 7}
	for _, c := range change {
		c(&cfg)
	}
	e, err := proxyengine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	runs(t, e.Run)
	s, err := New(Options{Engine: e, Address: "127.0.0.1:0", Token: secret, Counters: counters, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Server: s, t: t, engine: e, echo: echo(t), answers: s.handler()}
}

// runs calls run until the test ends, and checks that it ends well.
func runs(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Run does not return")
		}
	})
}

// serve makes the API listen, and returns its address as host:port.
func (f *fixture) serve() string {
	f.t.Helper()
	if err := f.Start(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	runs(f.t, f.Run)
	return f.Addr().String()
}

// echo is an upstream that sends back lines.
func echo(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewReader(conn); ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					if _, err := io.WriteString(conn, line); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// call sends a request with the token, without a network.
func (f *fixture) call(method, path, body string) (int, string) {
	f.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	f.answers.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

// want calls, and checks the status and that the answer contains a text.
func (f *fixture) want(method, path, body string, status int, text string) string {
	f.t.Helper()
	got, answer := f.call(method, path, body)
	if status != 0 && got != status || !strings.Contains(answer, text) {
		f.t.Errorf("%s %s %s: %d %s, want %d with %s", method, path, body, got, answer, status, text)
	}
	return answer
}

// get calls and parses the answer.
func (f *fixture) get(path string, v any) {
	f.t.Helper()
	status, answer := f.call(http.MethodGet, path, "")
	if status != http.StatusOK {
		f.t.Fatalf("GET %s: %d %s", path, status, answer)
	}
	if err := json.Unmarshal([]byte(answer), v); err != nil {
		f.t.Fatalf("GET %s: %v in %s", path, err, answer)
	}
}

// dial connects to an address.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// round sends a line and says how long it took to come back.
func round(t testing.TB, conn net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	_ = conn.SetDeadline(begin.Add(time.Minute))
	if _, err := io.WriteString(conn, "ping\n"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 5)
	if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Equal(answer, []byte("ping\n")) {
		t.Fatalf("answer %q, %v", answer, err)
	}
	return time.Since(begin)
}

// ends checks that a connection ends, with what is read before, within a time that only a defect uses up.
func ends(t testing.TB, conn net.Conn) (string, error) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	data, err := io.ReadAll(conn)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		t.Fatalf("the connection does not end; read %q", data)
	}
	return string(data), err
}

// refused checks that nothing listens.
func refused(t testing.TB, address string) {
	t.Helper()
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Errorf("something listens on %s", address)
	}
}

func eventually(t testing.TB, ok func() bool, what string) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func latency(t testing.TB, values string) fault.Spec {
	t.Helper()
	var list fault.List
	if err := json.Unmarshal(fmt.Appendf(nil, `[{"type":"latency",%s}]`, values), &list); err != nil {
		t.Fatal(err)
	}
	return list[0]
}
