package proxyengine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

func decode(t testing.TB, kind fault.Kind, values map[string]any) fault.Spec {
	t.Helper()
	s, err := fault.Decode(string(kind), values)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ways are an engine with every way to one web server, over real sockets.
type ways struct {
	*Engine
	journal
	heard atomic.Int32
	addr  string // of the server
	raw   Mapping
	web   Mapping
}

func newWays(t testing.TB, handler http.HandlerFunc, faults ...fault.Spec) *ways {
	w := &ways{}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.heard.Add(1)
		handler(rw, r)
	}))
	t.Cleanup(srv.Close)
	w.addr = srv.Listener.Addr().String()
	w.raw, w.web = mapping(t, "0="+w.addr), mapping(t, "0=http://"+w.addr)
	w.Engine = start(t, Config{
		ProxyAddress: "127.0.0.1:0", Mappings: []Mapping{w.raw, w.web}, Sink: w.sink, Program: Program{Faults: faults},
	})
	return w
}

// all are the ways by name; exchanges says which of them are HTTP to the proxy.
var all = []struct {
	name      string
	exchanges bool
}{{"mapping", false}, {"tunnel", false}, {"forward", true}, {"http mapping", true}}

// open connects on one of the ways, and returns what to write in front of a path in a request's first line. A tunnel stands when
// it returns, or err is what the proxy answered.
func (w *ways) open(t testing.TB, name string) (conn net.Conn, prefix string, err error) {
	t.Helper()
	to := w.ProxyAddr().String()
	switch name {
	case "mapping":
		to = w.MappingAddrs()[w.raw.String()].String()
	case "http mapping":
		to = w.MappingAddrs()[w.web.String()].String()
	case "forward":
		prefix = "http://" + w.addr
	}
	if conn, err = net.Dial("tcp", to); err != nil {
		return nil, "", err
	}
	opened := conn
	t.Cleanup(func() { opened.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if name == "tunnel" {
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", w.addr)
		answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
		if _, err := io.ReadFull(conn, answer); err != nil {
			return nil, "", err
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
			rest, _ := io.ReadAll(conn)
			return nil, "", errors.New(string(answer) + string(rest))
		}
	}
	return conn, prefix, nil
}

// ask sends a request and returns all that comes until the connection ends.
func (w *ways) ask(t testing.TB, name, method string, body string) (string, error) {
	t.Helper()
	conn, prefix, err := w.open(t, name)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "%s %s/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", method, prefix, w.addr, len(body), body)
	if err != nil { // a reset is only told once
		return "", err
	}
	got, err := io.ReadAll(conn)
	return string(got), err
}

const answerText = "an answer of some length, so that there is something to break off in the middle of it"

func answering(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	rw.Header()["Date"] = nil
	io.WriteString(rw, answerText)
}

// An injected reset reaches the client every time, over every way, and no request is repeated behind its back.
func TestInjectedResetsReachTheClient(t *testing.T) {
	const times = 10
	for name, values := range map[string]map[string]any{
		"at once":                {},
		"in the request":         {"after_bytes": 20, "direction": "egress"},
		"in the head":            {"after_bytes": 10},
		"in the body":            {"after_bytes": 120},
		"at the client":          {"after_bytes": 120, "side": "client", "direction": "egress"},
		"a while after the head": {"after_bytes": 1, "delay": 30},
	} {
		for _, way := range all {
			t.Run(name+" "+way.name, func(t *testing.T) {
				t.Parallel()
				slowly := func(rw http.ResponseWriter, r *http.Request) {
					answering(rw, r)
					rw.(http.Flusher).Flush()
					select {
					case <-time.After(time.Minute):
					case <-r.Context().Done():
					}
				}
				w := newWays(t, slowly, decode(t, fault.KindReset, values))
				for i := range times {
					method := []string{http.MethodGet, http.MethodPost}[i%2]
					if got, err := w.ask(t, way.name, method, "hello"); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
						t.Fatalf("%s: the client gets %q, %v; want a reset", method, got, err)
					}
				}
				if heard := w.heard.Load(); heard > times {
					t.Errorf("the upstream heard %d requests, %d were sent", heard, times)
				}
				eventually(t, func() bool { return len(of[event.Completed](&w.journal)) == times }, "as many flows as requests")
				resets := 0
				for _, a := range of[event.Applied](&w.journal) {
					if a.Detail == "reset" {
						resets++
					}
				}
				if resets != times {
					t.Errorf("%d resets were reported, want %d", resets, times)
				}
			})
		}
	}
}

// A reset does not wait: not for an answer that takes its time, and not for a client that does not read.
func TestResetDoesNotWait(t *testing.T) {
	for _, way := range all {
		for _, reading := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, reading %t", way.name, reading), func(t *testing.T) {
				t.Parallel()
				handler := func(rw http.ResponseWriter, r *http.Request) {
					for !reading {
						if _, err := rw.Write(make([]byte, 1<<20)); err != nil {
							return
						}
					}
					select {
					case <-time.After(time.Minute):
					case <-r.Context().Done():
					}
				}
				w := newWays(t, handler, decode(t, fault.KindReset, map[string]any{"delay": 300}))
				conn, prefix, err := w.open(t, way.name)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\n\r\n", prefix)
				if !reading {
					eventually(t, func() bool { return len(of[event.Completed](&w.journal)) == 1 }, "the end of the flow")
				}
				if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the client sees %v, want a reset", err)
				}
				if took := time.Since(begin); took > 20*time.Second { // a connection that lingers takes 30
					t.Errorf("after %s", took)
				}
			})
		}
	}
}

// What a limit lets through arrives to the byte, then the connection is closed like any other.
func TestLimitedDataArrives(t *testing.T) {
	for _, way := range all {
		for _, body := range []int{0, 1, 50, len(answerText), len(answerText) + 10} {
			t.Run(fmt.Sprint(way.name, " ", body), func(t *testing.T) {
				t.Parallel()
				w := newWays(t, answering)
				// How long the head is shows where nothing is wrong.
				clean, err := w.ask(t, way.name, http.MethodGet, "")
				if err != nil {
					t.Fatal(err)
				}
				size := len(clean) - len(answerText)
				if way.exchanges { // that is about the client's connection, and no part of the exchange
					size -= len("Connection: close\r\n")
				}
				if err := w.Apply(Program{Faults: []fault.Spec{
					decode(t, fault.KindLimitData, map[string]any{"bytes": size + body}),
				}}); err != nil {
					t.Fatal(err)
				}
				for range 5 {
					got, err := w.ask(t, way.name, http.MethodGet, "")
					if err != nil {
						t.Fatalf("%q, %v; want an orderly end", got, err)
					}
					_, arrived, _ := strings.Cut(got, "\r\n\r\n")
					if want := answerText[:min(body, len(answerText))]; arrived != want {
						t.Errorf("%q arrives, want %q", got, want)
					}
				}
			})
		}
	}
}

func TestRefusedConnects(t *testing.T) {
	for _, way := range all {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := newWays(t, answering)
			if _, err := w.ask(t, way.name, http.MethodGet, ""); err != nil { // a connection is in the pool now
				t.Fatal(err)
			}
			eventually(t, func() bool { return len(of[event.Completed](&w.journal)) == 1 }, "a flow")
			if err := w.Apply(Program{Faults: []fault.Spec{decode(t, fault.KindConnect, map[string]any{"refuse": true})}}); err != nil {
				t.Fatal(err)
			}
			got, err := w.ask(t, way.name, http.MethodPost, "x")
			if err != nil {
				got += err.Error()
			}
			wants := []string{"HTTP/1.1 502 Bad Gateway", "error=connection_refused", "upstream " + w.addr + ": connection refused by a fault"}
			if way.name == "mapping" {
				wants = []string{"reset"}
			}
			for _, want := range wants {
				if !strings.Contains(got, want) {
					t.Errorf("the client gets %q, which lacks %q", got, want)
				}
			}
			if w.heard.Load() != 1 {
				t.Errorf("the upstream heard %d requests, want 1", w.heard.Load())
			}
			eventually(t, func() bool { return len(of[event.Completed](&w.journal)) == 2 }, "two flows")
			if done := of[event.Completed](&w.journal)[1]; done.Err == nil || !strings.Contains(done.Err.Error(), "refused by a fault") {
				t.Errorf("completed with %v", done.Err)
			}
		})
	}
}

// Under loss, stalls and slices everything still arrives, over every way.
func TestStreamFaultsKeepTheBytes(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	want := digest(t, bytes.NewReader(data))
	handler := func(rw http.ResponseWriter, r *http.Request) {
		sum := digest(t, r.Body)
		rw.Header().Set("Sum", sum)
		_, _ = rw.Write(data)
	}
	both := func(values map[string]any) map[string]any { values["direction"] = "both"; return values }
	w := newWays(t, handler,
		decode(t, fault.KindPacketLoss, both(map[string]any{"rate": 0.01, "rtt": 2})),
		decode(t, fault.KindSlicer, both(map[string]any{"size": 10_000, "variation": 9_000, "delay": 0.5})),
		decode(t, fault.KindSlowClose, both(map[string]any{"delay": 50})),
		decode(t, fault.KindConnect, map[string]any{"delay": 20}),
		decode(t, fault.KindLimitData, both(map[string]any{"bytes": 10_000_000})),
		decode(t, fault.KindReset, both(map[string]any{"after_bytes": 10_000_000})))
	var asking sync.WaitGroup
	for _, way := range all {
		asking.Go(func() {
			conn, prefix, err := w.open(t, way.name)
			if err != nil {
				t.Error(err)
				return
			}
			go func() {
				fmt.Fprintf(conn, "POST %s/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", prefix, len(data))
				_, _ = conn.Write(data)
			}()
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s: %v", way.name, err)
				return
			}
			defer resp.Body.Close()
			if got := digest(t, resp.Body); got != want || resp.Header.Get("Sum") != want {
				t.Errorf("%s: the answer is %s, the request was %s; want %s", way.name, got, resp.Header.Get("Sum"), want)
			}
		})
	}
	asking.Wait()
}
