package proxyengine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
)

func scheduled(t *testing.T, ms float64, text string) *fault.Latency {
	t.Helper()
	s, err := schedule.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return latency(ms, func(l *fault.Latency) { l.Schedule = s })
}

func describe(list []FaultState) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s/%d/%t ", f.ID, f.Index, f.Active)
	}
	return strings.TrimSpace(b.String())
}

func TestSetFaultsKeepsWhatStays(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }
	program := Program{Faults: []fault.Spec{latency(100), scheduled(t, 10, "start:10s,duration:10s"), scheduled(t, 1, "start:50%")}, Total: time.Minute}
	inBubble(t, Config{Program: program}, answer, func(t *testing.T, w *world) {
		check := func(want string) {
			t.Helper()
			synctest.Wait() // a step of the schedules may be due at this very moment
			if got := describe(w.Faults()); got != want {
				t.Errorf("at %s: faults %q, want %q", w.Offset(), got, want)
			}
		}
		check("latency/0/true latency-2/1/false latency-3/2/false")
		time.Sleep(5 * time.Second)
		// The first leaves, the second stays in its schedule, the third changes but its schedule goes on, one comes.
		list := []Fault{
			{ID: "new", Spec: scheduled(t, 20, "start:2s,duration:2s")},
			{ID: "latency-2", Spec: scheduled(t, 10, "start:10s,duration:10s")},
			{ID: "latency-3", Spec: scheduled(t, 7, "start:50%")},
		}
		if err := w.SetFaults(list); err != nil {
			t.Fatal(err)
		}
		check("new/3/false latency-2/1/false latency-3/2/false")
		time.Sleep(3 * time.Second) // 8 s of the run, 3 s of the new one
		check("new/3/true latency-2/1/false latency-3/2/false")
		time.Sleep(3 * time.Second)
		check("new/3/false latency-2/1/true latency-3/2/false")

		list[1].Spec = scheduled(t, 99, "start:10s,duration:10s") // another delay in the same schedule
		if err := w.SetFaults(list[1:]); err != nil {
			t.Fatal(err)
		}
		check("latency-2/1/true latency-3/2/false")
		list[1].Spec = scheduled(t, 99, "start:5s") // another schedule: it begins now
		if err := w.SetFaults(list[1:]); err != nil {
			t.Fatal(err)
		}
		check("latency-2/1/false latency-3/2/false")
		time.Sleep(5 * time.Second)
		check("latency-2/1/true latency-3/2/false")
		time.Sleep(15 * time.Second) // more than half of the run
		check("latency-2/1/true latency-3/2/true")
	})
}

func TestSetFaultsErrorsChangeNothing(t *testing.T) {
	e, err := New(Config{ProxyAddress: "0", Program: Program{Faults: []fault.Spec{latency(1), latency(2)}}})
	if err != nil {
		t.Fatal(err)
	}
	before := describe(e.Faults())
	for name, list := range map[string][]Fault{
		"no ID":       {{Spec: latency(1)}},
		"same ID":     {{ID: "a", Spec: latency(1)}, {ID: "a", Spec: latency(2)}},
		"no fault":    {{ID: "a"}},
		"invalid":     {{ID: "a", Spec: latency(-1)}},
		"mapping":     {{ID: "a", Spec: latency(1), Mappings: []string{"nonsense"}}},
		"alone":       {{ID: "a", Spec: latency(1), With: "b"}},
		"with itself": {{ID: "a", Spec: latency(1), With: "a"}},
		"in a ring":   {{ID: "a", Spec: latency(1), With: "b"}, {ID: "b", Spec: latency(1), With: "a"}},
		"other odds":  {{ID: "a", Spec: latency(1)}, {ID: "b", Spec: latency(1, func(l *fault.Latency) { l.Probability = 0.5 }), With: "a"}},
		"percentages": {{ID: "a", Spec: scheduled(t, 1, "start:5%")}},
	} {
		if err := e.SetFaults(list); err == nil {
			t.Errorf("%s: no error", name)
		}
		if after := describe(e.Faults()); after != before {
			t.Errorf("%s: faults are %s, were %s", name, after, before)
		}
	}
}

// Connections that are open by two mappings follow, each for itself, what acts on its mapping.
func TestFaultsOfAMapping(t *testing.T) {
	a, b := mapping(t, "1001=up:7"), mapping(t, "1002=up:7")
	inBubble(t, Config{Mappings: []Mapping{a, b}}, nil, func(t *testing.T, w *world) {
		echo(t, w, "up:7")
		one, two := w.connect(t, "127.0.0.1:1001"), w.connect(t, "127.0.0.1:1002")
		check := func(want1, want2 time.Duration) {
			t.Helper()
			time.Sleep(time.Second)
			if got := round(t, one); got != want1 {
				t.Errorf("%s: a round took %s, want %s", a, got, want1)
			}
			if got := round(t, two); got != want2 {
				t.Errorf("%s: a round took %s, want %s", b, got, want2)
			}
		}
		set := func(list ...Fault) {
			t.Helper()
			if err := w.SetFaults(list); err != nil {
				t.Fatal(err)
			}
		}
		every := func(ms float64) *fault.Latency {
			return latency(ms, func(l *fault.Latency) { l.Scope = fault.ScopeChunk })
		}
		const ms = time.Millisecond
		check(0, 0)
		set(Fault{ID: "a", Spec: every(100), Mappings: []string{"127.0.0.1:1001=up:7"}})
		check(100*ms, 0)
		set(Fault{ID: "a", Spec: every(100), Mappings: []string{a.String()}}, Fault{ID: "all", Spec: every(10)})
		check(110*ms, 10*ms)
		set(Fault{ID: "a", Spec: every(100), Mappings: []string{b.String()}}, Fault{ID: "all", Spec: every(10)})
		check(10*ms, 110*ms)
		set(Fault{ID: "a", Spec: every(100), Mappings: []string{}})
		check(0, 0)
		if n := len(of[event.Opened](&w.journal)); n != 2 {
			t.Errorf("%d connections in all, want the 2 that stay open", n)
		}
		one.Close()
		two.Close()
	})
}

// Faults that belong together hit the same connections, half of them.
func TestFaultsThatBelongTogether(t *testing.T) {
	m := mapping(t, "1001=up:7")
	half := func(ms float64) *fault.Latency {
		return latency(ms, func(l *fault.Latency) { l.Probability = 0.5 })
	}
	inBubble(t, Config{Mappings: []Mapping{m}}, nil, func(t *testing.T, w *world) {
		echo(t, w, "up:7")
		took := func(list ...Fault) map[time.Duration]int {
			t.Helper()
			if err := w.SetFaults(list); err != nil {
				t.Fatal(err)
			}
			out := map[time.Duration]int{}
			for range 200 {
				conn := w.connect(t, "127.0.0.1:1001")
				out[round(t, conn)]++
				conn.Close()
			}
			return out
		}
		const ms = time.Millisecond
		apart := took(Fault{ID: "a", Spec: half(1)}, Fault{ID: "b", Spec: half(10)})
		if len(apart) != 4 {
			t.Errorf("apart they give %v, want all four", apart)
		}
		together := took(Fault{ID: "b", Spec: half(10), With: "a"}, Fault{ID: "a", Spec: half(1)})
		if len(together) != 2 || together[0] < 60 || together[11*ms] < 60 {
			t.Errorf("together they give %v, want about as often none as both", together)
		}
	})
}

func TestDisconnect(t *testing.T) {
	a, b := mapping(t, "1001=up:7"), mapping(t, "1002=up:7")
	inBubble(t, Config{Mappings: []Mapping{a, b}}, nil, func(t *testing.T, w *world) {
		echo(t, w, "up:7")
		one, two := w.connect(t, "127.0.0.1:1001"), w.connect(t, "127.0.0.1:1002")
		round(t, one)
		round(t, two)
		if n := w.Disconnect(a.String()); n != 1 {
			t.Errorf("%d connections ended, want 1", n)
		}
		if _, err := one.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still there")
		}
		round(t, two)
		again := w.connect(t, "127.0.0.1:1001")
		round(t, again)
		for _, c := range []net.Conn{one, two, again} {
			c.Close()
		}
	})
}

// An exchange that is under way by an HTTP mapping ends too.
func TestDisconnectExchange(t *testing.T) {
	m := mapping(t, "1001=http://up:80")
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	inBubble(t, Config{Mappings: []Mapping{m}}, silent, func(t *testing.T, w *world) {
		conn := w.connect(t, "127.0.0.1:1001")
		go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		if n := w.Disconnect(m.String()); n != 1 {
			t.Errorf("%d exchanges ended, want 1", n)
		}
		if answer, err := io.ReadAll(conn); len(answer) != 0 || err != nil {
			t.Errorf("answer %q, %v", answer, err)
		}
		done := of[event.Completed](&w.journal)
		if len(done) != 1 || done[0].Err == nil {
			t.Errorf("completed: %+v", done)
		}
	})
}

func (w *world) connect(t *testing.T, name string) net.Conn {
	t.Helper()
	conn, err := w.net.dial(t.Context(), "tcp", name)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// echo is an upstream that sends back lines.
func echo(t *testing.T, w *world, name string) {
	ln := w.net.listen(name)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					fmt.Fprintln(conn, lines.Text())
				}
			}()
		}
	}()
}

// round sends a line and waits for it to come back.
func round(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	go io.WriteString(conn, "ping\n")
	answer := make([]byte, 5)
	if _, err := io.ReadFull(conn, answer); err != nil || !slices.Equal(answer, []byte("ping\n")) {
		t.Fatalf("answer %q, %v", answer, err)
	}
	return time.Since(begin)
}
