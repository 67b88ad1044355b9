package proxyengine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

func TestLatencyCountsExchanges(t *testing.T) {
	for _, side := range []fault.Side{fault.Client, fault.Server} {
		for _, direction := range []fault.Direction{fault.Ingress, fault.Egress} {
			for _, scope := range []fault.Scope{fault.ScopeConnection, fault.ScopeTurn, fault.ScopeChunk} {
				l := latency(300, func(l *fault.Latency) { l.Side, l.Direction, l.Scope = side, direction, scope })
				cfg := Config{
					Mappings: []Mapping{mapping(t, "9090=http://up:80")}, Program: Program{Faults: []fault.Spec{l}},
				}
				t.Run(fmt.Sprintf("%s/%s/%s", side, direction, scope), func(t *testing.T) {
					inBubble(t, cfg, echoHandler, func(t *testing.T, w *world) {
						for _, pooled := range []bool{true, false} {
							for _, url := range []string{"http://127.0.0.1:9090/x", "http://up:80/x"} {
								proxied := strings.Contains(url, "up")
								c := w.client(t, pooled, proxied)
								for range 3 {
									for _, body := range []string{"", "hello"} {
										begin := time.Now()
										resp, err := c.Post(url, "text/plain", strings.NewReader(body))
										if err != nil {
											t.Fatal(err)
										}
										answer, _ := io.ReadAll(resp.Body)
										if string(answer) != "echo "+body {
											t.Errorf("%s: %q", url, answer)
										}
										if took := time.Since(begin); took != 300*time.Millisecond {
											t.Errorf("pooled %t, %s, body %q: took %s, want 300ms", pooled, url, body, took)
										}
									}
								}
							}
						}
						delays := of[event.Applied](&w.journal)
						if want := 24; len(delays) < want {
							t.Errorf("%d events of faults, want at least %d", len(delays), want)
						}
					})
				})
			}
		}
	}
}

func TestHoleCoversItsPartOfALoad(t *testing.T) {
	for _, direction := range []fault.Direction{fault.Ingress, fault.Egress, fault.Both} {
		t.Run(string(direction), func(t *testing.T) {
			cfg := Config{Program: Program{
				Faults: []fault.Spec{hole(direction, "start:45%,duration:10%")}, Total: 10 * time.Second,
			}, Mappings: []Mapping{mapping(t, "9090=http://up:80")}}
			var heard atomic.Int32
			handler := func(w http.ResponseWriter, r *http.Request) { heard.Add(1); echoHandler(w, r) }
			inBubble(t, cfg, handler, func(t *testing.T, w *world) {
				begin := time.Now()
				c := w.client(t, true, false)
				c.Timeout = time.Second
				var calls sync.WaitGroup
				for i := range 100 {
					calls.Go(func() {
						at := time.Duration(i)*100*time.Millisecond + 50*time.Millisecond
						time.Sleep(at)
						resp, err := c.Post("http://127.0.0.1:9090/", "", strings.NewReader("x"))
						lost := at >= 4500*time.Millisecond && at < 5500*time.Millisecond
						switch {
						case err != nil && !lost:
							t.Errorf("call at %s: %v", at, err)
						case err == nil && lost:
							t.Errorf("call at %s got through the hole", at)
						case err == nil:
							_, _ = io.Copy(io.Discard, resp.Body)
							resp.Body.Close()
						default:
							if took := time.Since(begin) - at; took != time.Second {
								t.Errorf("call at %s was given up after %s", at, took)
							}
						}
					})
				}
				calls.Wait()
				want := int32(100)
				if direction != fault.Ingress {
					want = 90
				}
				if heard.Load() != want {
					t.Errorf("the upstream heard %d calls, want %d", heard.Load(), want)
				}
				synctest.Wait()
				completed := of[event.Completed](&w.journal)
				if len(completed) != 100 {
					t.Errorf("%d exchanges completed, want 100: the lost ones must be released", len(completed))
				}
				if len(of[event.FaultsChanged](&w.journal)) != 3 {
					t.Errorf("changes: %+v", of[event.FaultsChanged](&w.journal))
				}
				for _, c := range of[event.FaultsChanged](&w.journal)[1:] {
					if c.Offset != 4500*time.Millisecond && c.Offset != 5500*time.Millisecond {
						t.Errorf("a change at %s", c.Offset)
					}
				}
			})
		})
	}
}

func TestHoleSwallowsLargeRequests(t *testing.T) {
	for _, side := range []fault.Side{fault.Client, fault.Server} {
		for _, expect := range []bool{false, true} {
			b := hole(fault.Both, "")
			b.Side = side
			inBubble(t, Config{Program: Program{Faults: []fault.Spec{b}}}, echoHandler, func(t *testing.T, w *world) {
				c := w.client(t, true, true)
				c.Timeout = 30 * time.Second
				body := bytes.NewReader(make([]byte, 10<<20))
				req, _ := http.NewRequest(http.MethodPost, "http://up:80/", body)
				if expect {
					req.Header.Set("Expect", "100-continue")
				}
				_, err := c.Do(req)
				if err == nil {
					t.Fatal("an answer came out of the hole")
				}
				if body.Len() != 0 {
					t.Errorf("%d bytes could not be sent into the hole", body.Len())
				}
				synctest.Wait()
				if got := of[event.Completed](&w.journal); len(got) != 1 || got[0].Err == nil {
					t.Errorf("completed: %+v", got)
				}
				if w.conns.Load() != 0 {
					t.Error("the upstream was contacted")
				}
			})
		}
	}
}

func TestLostAnswerRetiresItsConnection(t *testing.T) {
	for _, body := range []string{"", "some"} {
		handler := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
		inBubble(t, Config{Program: Program{Faults: []fault.Spec{hole(fault.Ingress, "")}}}, handler, func(t *testing.T, w *world) {
			c := w.client(t, true, true)
			c.Timeout = time.Second
			if _, err := c.Get("http://up:80/"); err == nil {
				t.Fatal("an answer came out of the hole")
			}
			synctest.Wait()
			if w.conns.Load() != 1 || w.closed.Load() != 1 {
				t.Errorf("body %q: %d upstream connections, %d of them closed; want 1 and 1", body, w.conns.Load(), w.closed.Load())
			}
		})
	}
}

// While an answer is lost, its connection is nobody else's, even if the answer is short. One that is only late leaves it to others.
func TestConnectionOfALostAnswerIsNotShared(t *testing.T) {
	for name, c := range map[string]struct {
		kind   string
		values map[string]any
		conns  int32
	}{
		"hole":  {"blackhole", map[string]any{"match": "/lost"}, 2},
		"cut":   {"packetloss", map[string]any{"match": "/lost", "rate": 1, "mode": "drop"}, 2},
		"reset": {"reset", map[string]any{"match": "/lost", "after_bytes": 10}, 2},
		"late":  {"latency", map[string]any{"match": "/lost", "mean": 5000}, 1},
	} {
		spec, err := fault.Decode(c.kind, c.values)
		if err != nil {
			t.Fatal(err)
		}
		handler := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "short") }
		inBubble(t, Config{Program: Program{Faults: []fault.Spec{spec}}}, handler, func(t *testing.T, w *world) {
			client := w.client(t, true, true)
			client.Timeout = 10 * time.Second
			done := make(chan struct{})
			go func() {
				defer close(done)
				if resp, err := client.Get("http://up:80/lost"); err == nil {
					resp.Body.Close()
				}
			}()
			time.Sleep(time.Second)
			resp, err := client.Get("http://up:80/other")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := w.conns.Load(); got != c.conns {
				t.Errorf("%s: the upstream has seen %d connections, want %d", name, got, c.conns)
			}
			<-done
		})
	}
}

// What a hole keeps from ending does not keep the engine from ending; what is only late is waited for.
func TestHolesDoNotHoldUpTheEnd(t *testing.T) {
	retransmit := hole(fault.Both, "")
	retransmit.Heal = fault.HealRetransmit
	for name, c := range map[string]struct {
		spec fault.Spec
		want time.Duration
	}{
		"lost answer":   {hole(fault.Ingress, ""), 0},
		"lost request":  {hole(fault.Egress, ""), 0},
		"gap for good":  {hole(fault.Both, "duration:500ms"), 0},
		"withheld":      {retransmit, 0},
		"late":          {latency(3000), 2 * time.Second},
		"longer than 5": {latency(30_000), 5 * time.Second},
	} {
		m := mapping(t, "1001=up:80")
		cfg := Config{Program: Program{Faults: []fault.Spec{c.spec}}, Mappings: []Mapping{m}, Drain: DefaultDrain}
		inBubble(t, cfg, echoHandler, func(t *testing.T, w *world) {
			for _, address := range []string{"127.0.0.1:1001", "127.0.0.1:3180", "tunnel"} {
				tunnel := address == "tunnel"
				if tunnel {
					address = "127.0.0.1:3180"
				}
				conn := w.connect(t, address)
				go func() { _, _ = io.Copy(io.Discard, conn); conn.Close() }()
				go func() {
					if tunnel {
						io.WriteString(conn, "CONNECT up:80 HTTP/1.1\r\nHost: up\r\n\r\n")
					}
					io.WriteString(conn, "GET http://up:80/ HTTP/1.1\r\nHost: up\r\nConnection: close\r\n\r\n")
				}()
			}
			time.Sleep(time.Second)
			begin := time.Now()
			w.stop()
			<-w.over
			if took := time.Since(begin).Round(500 * time.Millisecond); took != c.want {
				t.Errorf("%s: the engine has ended after %s, want %s", name, took, c.want)
			}
			ended := of[event.Completed](&w.journal)
			for _, got := range ended {
				waited := name == "gap for good" && got.Flow.Kind != event.Exchange // for the hole to end, before it had lost anything
				if c.want == 0 && !waited && !errors.Is(got.Err, errBlocked) {
					t.Errorf("%s: the %s has ended with %v, want %v", name, got.Flow.Kind, got.Err, errBlocked)
				}
			}
			if len(ended) != 3 {
				t.Errorf("%s: %d have ended, want 3", name, len(ended))
			}
		})
	}
}

func TestApplyReachesBodiesInFlight(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		for range 10 {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
		}
	}
	inBubble(t, Config{}, handler, func(t *testing.T, w *world) {
		c := w.client(t, true, true)
		begin := time.Now()
		resp, err := c.Get("http://up:80/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var at []time.Duration
		buf := make([]byte, 1)
		for i := range 10 {
			if i == 3 {
				go func() {
					time.Sleep(500 * time.Millisecond)
					l := latency(100, func(l *fault.Latency) { l.Scope = fault.ScopeChunk })
					if err := w.Apply(Program{Faults: []fault.Spec{l}}); err != nil {
						t.Error(err)
					}
					time.Sleep(3 * time.Second)
					if err := w.Apply(Program{}); err != nil {
						t.Error(err)
					}
				}()
			}
			if _, err := io.ReadFull(resp.Body, buf); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(begin))
		}
		for i, got := range at {
			want := time.Duration(i) * time.Second
			if i >= 3 && i < 6 {
				want += 100 * time.Millisecond
			}
			if got != want {
				t.Errorf("byte %d arrives at %s, want %s", i, got, want)
			}
		}
	})
}

func TestTunnelIsAStream(t *testing.T) {
	l := latency(300)
	inBubble(t, Config{Program: Program{Faults: []fault.Spec{l}}}, nil, func(t *testing.T, w *world) {
		ln := w.net.listen("echo:7")
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() { io.Copy(c, c); c.Close() }()
			}
		}()
		defer ln.Close()
		conn, err := w.net.dial(t.Context(), "", "127.0.0.1:3180")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.WriteString(conn, "CONNECT echo:7 HTTP/1.1\r\nHost: echo:7\r\nFault-Call-Id: call-7\r\n\r\n")
		answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
		if _, err := io.ReadFull(conn, answer); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Fatalf("%q, %v", answer, err)
		}
		for i, want := range []time.Duration{300 * time.Millisecond, 0} {
			begin := time.Now()
			go io.WriteString(conn, "ping")
			if _, err := io.ReadFull(conn, answer[:4]); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("round %d took %s, want %s", i, took, want)
			}
		}
		opened := of[event.Opened](&w.journal)
		if f := opened[0].Flow; f.Kind != event.Tunnel || f.CallID != "call-7" || f.Target != "echo:7" {
			t.Errorf("%+v", f)
		}
	})
}

func TestTunnelWaitsForAHoleToEnd(t *testing.T) {
	cfg := Config{Program: Program{Faults: []fault.Spec{hole(fault.Ingress, "start:0s,duration:5s")}}}
	inBubble(t, cfg, echoHandler, func(t *testing.T, w *world) {
		open := func() net.Conn {
			conn, err := w.net.dial(t.Context(), "", "127.0.0.1:3180")
			if err != nil {
				t.Fatal(err)
			}
			go io.WriteString(conn, "CONNECT up:80 HTTP/1.1\r\nHost: up:80\r\n\r\n")
			return conn
		}
		begin := time.Now()
		leaving, staying := open(), open()
		time.Sleep(2 * time.Second)
		leaving.Close()
		synctest.Wait()
		if got := of[event.Completed](&w.journal); len(got) != 1 || got[0].Err == nil {
			t.Errorf("the client that left is still there: %+v", got)
		}
		answer := make([]byte, 12)
		if _, err := io.ReadFull(staying, answer); err != nil || string(answer) != "HTTP/1.1 200" {
			t.Errorf("%q, %v", answer, err)
		}
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("the tunnel stood after %s, want 5s", took)
		}
		staying.Close()
		synctest.Wait()
		if w.conns.Load() != 1 {
			t.Errorf("%d connections to the upstream, want 1", w.conns.Load())
		}
	})
}

func TestSelectionChangesUnderOpenTunnels(t *testing.T) {
	other, _ := ParseUpstreams([]string{"other"})
	one, _ := ParseUpstreams([]string{"echo:7"})
	slow := []fault.Spec{latency(100, func(l *fault.Latency) { l.Scope = fault.ScopeTurn })}
	inBubble(t, Config{Program: Program{Faults: slow, Upstreams: other}}, nil, func(t *testing.T, w *world) {
		ln := w.net.listen("echo:7")
		defer ln.Close()
		go func() {
			c, err := ln.Accept()
			if err == nil {
				io.Copy(c, c)
				c.Close()
			}
		}()
		conn, _ := w.net.dial(t.Context(), "", "127.0.0.1:3180")
		defer conn.Close()
		go io.WriteString(conn, "CONNECT echo:7 HTTP/1.1\r\nHost: echo:7\r\n\r\n")
		answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
		io.ReadFull(conn, answer)
		if !of[event.Opened](&w.journal)[0].Flow.Bypassed {
			t.Error("the tunnel is not bypassed")
		}
		round := func(want time.Duration) {
			t.Helper()
			time.Sleep(time.Second)
			begin := time.Now()
			go io.WriteString(conn, "ping")
			if _, err := io.ReadFull(conn, answer[:4]); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took != want {
				t.Errorf("a round took %s, want %s", took, want)
			}
		}
		round(0)
		if err := w.Apply(Program{Faults: slow, Upstreams: one}); err != nil {
			t.Fatal(err)
		}
		round(100 * time.Millisecond)
		if err := w.Apply(Program{Faults: slow, Upstreams: other}); err != nil {
			t.Fatal(err)
		}
		round(0)
	})
}

func TestStepListsAllActiveFaults(t *testing.T) {
	a, b, c := latency(1), latency(2), latency(3)
	for _, x := range []struct {
		l *fault.Latency
		s string
	}{{a, "start:10%,duration:30%"}, {b, "start:2s,duration:4s;start:8s"}} {
		if err := x.l.Schedule.UnmarshalText([]byte(x.s)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := newRunning(Program{Faults: []fault.Spec{a, b, c}, Total: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	r.origin = time.Unix(1000, 0)
	var k clock
	var got []string
	at, more := r.origin, true
	for more {
		var active []fault.Active
		var line strings.Builder
		fmt.Fprintf(&line, "%s:", at.Sub(r.origin))
		active, at, more = r.step(&k, at)
		for _, x := range active {
			fmt.Fprintf(&line, " %d/%d", x.Index, x.Epoch)
		}
		got = append(got, line.String())
	}
	want := []string{"0s: 2/1", "1s: 0/2 2/1", "2s: 0/2 1/3 2/1", "4s: 1/3 2/1", "6s: 2/1", "8s: 1/4 2/1"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
