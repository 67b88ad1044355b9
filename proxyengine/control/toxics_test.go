package control

import (
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

// effect is what a client finds on a connection that was open when a toxic came, or when it went.
type effect func(t *testing.T, conn net.Conn)

// ping sends a line.
func ping(t *testing.T, conn net.Conn) time.Time {
	t.Helper()
	begin := time.Now()
	_ = conn.SetDeadline(begin.Add(time.Minute))
	if _, err := io.WriteString(conn, "ping\n"); err != nil {
		t.Fatal(err)
	}
	return begin
}

func quick(t *testing.T, conn net.Conn) { t.Helper(); round(t, conn) }

func slow(atLeast time.Duration) effect {
	return func(t *testing.T, conn net.Conn) {
		t.Helper()
		if took := round(t, conn); took < atLeast {
			t.Errorf("a round took %s, want %s or more", took, atLeast)
		}
	}
}

// silent sends a line, to which nothing comes.
func silent(t *testing.T, conn net.Conn) {
	t.Helper()
	ping(t, conn)
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := conn.Read(make([]byte, 10))
	if timeout, ok := errors.AsType[net.Error](err); n != 0 || !ok || !timeout.Timeout() {
		t.Errorf("read %d bytes, %v; want silence", n, err)
	}
}

// overdue expects what was withheld, and then that all is well.
func overdue(t *testing.T, conn net.Conn) {
	t.Helper()
	answer := make([]byte, 5)
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "ping\n" {
		t.Errorf("read %q, %v", answer, err)
	}
	round(t, conn)
}

// closed expects that the connection has ended, in whatever way.
func closed(t *testing.T, conn net.Conn) { t.Helper(); ends(t, conn) }

// answers sends a line and expects a part of it, and then the end, no sooner than a time after.
func answers(part string, end error, after time.Duration) effect {
	return func(t *testing.T, conn net.Conn) {
		t.Helper()
		begin := ping(t, conn)
		got, err := ends(t, conn)
		if got != part || !errors.Is(err, end) {
			t.Errorf("read %q, %v; want %q, %v", got, err, part, end)
		}
		if took := time.Since(begin); took < after {
			t.Errorf("the end came after %s, want %s or more", took, after)
		}
	}
}

// lateEnd closes one half and expects the end of the other no sooner than a time after.
func lateEnd(after time.Duration) effect {
	return func(t *testing.T, conn net.Conn) {
		t.Helper()
		round(t, conn)
		begin := time.Now()
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := ends(t, conn); got != "" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if took := time.Since(begin); took < after {
			t.Errorf("the end came after %s, want %s or more", took, after)
		}
	}
}

// What each toxic does to a connection that is open when it comes, and after it has gone.
func TestToxicsAct(t *testing.T) {
	const ms = time.Millisecond
	for name, tt := range map[string]struct {
		kind          string
		attrs         toxiproxy.Attributes
		during, after effect // after is nil where the connection has ended
	}{
		"latency":           {"latency", toxiproxy.Attributes{"latency": 300, "jitter": 50}, slow(249 * ms), quick},
		"bandwidth 0":       {"bandwidth", toxiproxy.Attributes{"rate": 0}, silent, overdue},
		"bandwidth":         {"bandwidth", toxiproxy.Attributes{"rate": 1000}, quick, quick},
		"timeout 0":         {"timeout", toxiproxy.Attributes{"timeout": 0}, silent, closed},
		"timeout":           {"timeout", toxiproxy.Attributes{"timeout": 300}, answers("", nil, 299*ms), nil},
		"timeout, removed":  {"timeout", toxiproxy.Attributes{"timeout": 60_000}, silent, closed},
		"limit_data inside": {"limit_data", toxiproxy.Attributes{"bytes": 7}, quick, quick},
		"limit_data 0":      {"limit_data", toxiproxy.Attributes{"bytes": 0}, answers("", nil, 0), nil},
		"reset_peer 0":      {"reset_peer", toxiproxy.Attributes{"timeout": 0}, answers("", syscall.ECONNRESET, 0), nil},
		"reset_peer":        {"reset_peer", toxiproxy.Attributes{"timeout": 300}, answers("", syscall.ECONNRESET, 299*ms), nil},
		"slow_close":        {"slow_close", toxiproxy.Attributes{"delay": 300}, lateEnd(299 * ms), nil},
		"slicer":            {"slicer", toxiproxy.Attributes{"average_size": 1, "delay": 80_000}, slow(319 * ms), quick},
		"noop":              {"noop", nil, quick, quick},
	} {
		for _, stream := range []string{"upstream", "downstream"} {
			t.Run(name+" "+stream, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				p, err := f.client().CreateProxy("p", "127.0.0.1:0", f.echo)
				if err != nil {
					t.Fatal(err)
				}
				conn := dial(t, p.Listen)
				round(t, conn)
				if _, err := p.AddToxic("x", tt.kind, stream, 1, tt.attrs); err != nil {
					t.Fatal(err)
				}
				time.Sleep(60 * ms) // what is read later than 50 ms after a change is under it
				tt.during(t, conn)
				if err := p.RemoveToxic("x"); err != nil {
					t.Fatal(err)
				}
				if tt.after == nil {
					conn = dial(t, p.Listen)
					round(t, conn)
					return
				}
				time.Sleep(60 * ms)
				tt.after(t, conn)
			})
		}
	}
}

// Part of an answer passes a limit that ends in it.
func TestLimitDataCutsAnAnswer(t *testing.T) {
	f := newFixture(t)
	p, err := f.client().CreateProxy("p", "127.0.0.1:0", f.echo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddToxic("", "limit_data", "downstream", 1, toxiproxy.Attributes{"bytes": 3}); err != nil {
		t.Fatal(err)
	}
	answers("pin", nil, 0)(t, dial(t, p.Listen))
}

// A toxic with a toxicity of 0 hits nothing; with one between, a share of the connections, and then all of it acts.
func TestToxicity(t *testing.T) {
	f := newFixture(t)
	p, err := f.client().CreateProxy("p", "127.0.0.1:0", f.echo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddToxic("x", "reset_peer", "downstream", 0, toxiproxy.Attributes{"timeout": 1}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		round(t, dial(t, p.Listen))
	}
	if _, err := p.UpdateToxic("x", 0.5, toxiproxy.Attributes{"timeout": 20}); err != nil {
		t.Fatal(err)
	}
	var hits int
	for range 60 {
		conn := dial(t, p.Listen)
		begin := ping(t, conn)
		answer := make([]byte, 5)
		_, err := io.ReadFull(conn, answer)
		took := time.Since(begin)
		switch {
		case err == nil:
			conn.Close()
		case errors.Is(err, syscall.ECONNRESET) && took >= 19*time.Millisecond:
			hits++
		default:
			t.Errorf("read %q, %v after %s", answer, err, took)
		}
	}
	if hits < 10 || hits > 50 {
		t.Errorf("%d of 60 connections were hit, want about half", hits)
	}
	// What acts on the others is neither the delay without the reset nor the reset without the delay.
	var n numbers
	f.get("/v1/counters", &n)
	if got := []int64{n.Faults["p.x"].Times, n.Faults["p.x-2"].Times}; !slices.Equal(got, []int64{int64(hits), int64(hits)}) {
		t.Errorf("the parts of the toxic acted %v times, want %d each", got, hits)
	}
}

// Attributes of any size make faults that are valid, as toxiproxy accepts them.
func TestAttributes(t *testing.T) {
	f := newFixture(t)
	f.want("POST", "/proxies", `{"name":"p","listen":"127.0.0.1:0","upstream":"`+f.echo+`","enabled":false}`, 201, "")
	for _, body := range []string{
		`{"type":"limit_data","attributes":{"bytes":-1}}`, `{"type":"slow_close","attributes":{"delay":-1}}`, `{"type":"slicer"}`,
		`{"type":"slicer","attributes":{"average_size":4,"size_variation":9,"delay":1}}`, `{"type":"bandwidth","attributes":{"rate":-1}}`,
		`{"type":"latency","attributes":{"latency":5,"jitter":50}}`, `{"type":"timeout","attributes":null}`, `{"type":"reset_peer"}`,
		`{"type":"reset_peer","stream":"upstream","toxicity":7,"attributes":{"unknown":1,"timeout":5}}`,
	} {
		f.want("POST", "/proxies/p/toxics", body, 200, `"attributes":{`)
		f.want("POST", "/reset", "", 204, "")
		f.want("POST", "/proxies/p", `{"enabled":false}`, 200, "")
	}
}
