package httpproxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
)

// TestGreet: what comes back, whenever it does, decides; silence does not.
func TestGreet(t *testing.T) {
	settings := "\x00\x00\x06\x04\x00\x00\x00\x00\x00"
	for name, c := range map[string]struct {
		answer string
		ends   bool
		heard  int
		err    string
	}{
		"HTTP/2":                      {answer: settings, heard: 9},
		"HTTP/1":                      {answer: "HTTP/1.1 400 Bad Request\r\n\r\n", heard: 9, err: errNotH2C.Error()},
		"acknowledges nothing":        {answer: "\x00\x00\x00\x04\x01\x00\x00\x00\x00", heard: 9, err: errNotH2C.Error()},
		"closes":                      {ends: true, err: "EOF"},
		"closes in the middle of one": {answer: settings[:4], ends: true, heard: 4, err: "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				near, far := net.Pipe()
				defer near.Close()
				go func() {
					defer far.Close()
					got := make([]byte, len(preface))
					if _, err := io.ReadFull(far, got); err != nil || string(got) != string(preface) {
						t.Errorf("the upstream got %q, %v", got, err)
					}
					time.Sleep(time.Minute) // a fault behind the proxy, say
					io.WriteString(far, c.answer)
					if !c.ends {
						<-ctx.Done()
					}
				}()
				read, err := greet(ctx, near)
				text := ""
				if err != nil {
					text = err.Error()
				}
				if len(read) != c.heard || text != c.err {
					t.Errorf("read %q, %v; want %d bytes, %q", read, err, c.heard, c.err)
				}
				cancel()
			})
		})
	}
}

// flaky is a server without TLS that does as it is told with the first connections, and then speaks HTTP/2.
type flaky struct {
	net.Listener
	first func(i int64, c net.Conn) (done bool)
	n     atomic.Int64
}

func (l *flaky) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || !l.first(l.n.Add(1), c) {
			return c, err
		}
	}
}

// TestProtocolIsKept: an upstream that is slow, or that closed for a reason of its own, is still spoken to in HTTP/2 by clients that do.
func TestProtocolIsKept(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }
	for name, first := range map[string]func(int64, net.Conn) bool{
		"slow": func(i int64, _ net.Conn) bool {
			if i == 1 {
				time.Sleep(1200 * time.Millisecond)
			}
			return false
		},
		"closed before": func(i int64, c net.Conn) bool {
			if i <= 2 { // the one with the preface, and the one that tries without
				c.Close()
			}
			return i <= 2
		},
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{Handler: http.HandlerFunc(answer), Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute}
			srv.Protocols.SetUnencryptedHTTP2(true)
			srv.Protocols.SetHTTP1(true)
			go func() { _ = srv.Serve(&flaky{Listener: ln, first: first}) }()
			defer srv.Close()
			f := serve(t, func(c *Config) { c.Mapping, c.Scheme, c.Target = "m", "http", ln.Addr().String() })
			client := h2cClient(t, f.addr)
			for i := range 2 {
				resp, err := client.Get("http://" + f.addr)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				broken := name == "closed before" && i == 0
				if got := string(body); !broken && got != "HTTP/2.0" || broken && resp.StatusCode != http.StatusBadGateway {
					t.Errorf("exchange %d: %s %q", i, resp.Status, got)
				}
			}
		})
	}
}

// TestFaultsKeepTheProtocol: no fault makes an exchange go another way than it would without.
func TestFaultsKeepTheProtocol(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }
	ms, zero := 1300.0, 0.0
	base := fault.Base{Side: fault.Server, Direction: fault.Both, Probability: 1}
	for name, spec := range map[string]fault.Spec{
		"latency": &fault.Latency{Base: base, Distribution: fault.Normal, Mean: &ms, StdDev: &zero, Scope: fault.ScopeConnection},
		"connect": &fault.Connect{Base: base, Delay: 1300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := h2c(t, true, answer)
			f := serve(t, mapped(srv))
			f.live.Store(fault.Build([]fault.Active{{Spec: spec, Epoch: 1}}, 1, nil))
			resp, err := h2cClient(t, f.addr).Get("http://" + f.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); string(body) != "HTTP/2.0" || err != nil {
				t.Errorf("%s %q, %v", resp.Status, body, err)
			}
		})
	}
	t.Run("blackhole that heals", func(t *testing.T) {
		t.Parallel()
		srv := h2c(t, true, answer)
		f := serve(t, mapped(srv))
		hole := &fault.Blackhole{Base: base, Heal: fault.HealRetransmit}
		f.live.Store(fault.Build([]fault.Active{{Spec: hole, Epoch: 1}}, 1, nil))
		time.AfterFunc(1300*time.Millisecond, func() { f.live.Store(fault.Build(nil, 1, nil)) })
		resp, err := h2cClient(t, f.addr).Get("http://" + f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); string(body) != "HTTP/2.0" || err != nil {
			t.Errorf("%s %q, %v", resp.Status, body, err)
		}
	})
}

// TestSilentUpstreamIsLeft: who gives up waiting takes the connection along.
func TestSilentUpstreamIsLeft(t *testing.T) {
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	left := make(chan error, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err = io.ReadFull(c, make([]byte, len(preface))); err == nil {
			giveUp()
			_, err = io.Copy(io.Discard, c)
		}
		left <- err
	}()
	f := serve(t, func(c *Config) { c.Mapping, c.Scheme, c.Target = "m", "http", ln.Addr().String() })
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.addr, http.NoBody)
	if resp, err := h2cClient(t, f.addr).Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
	if done := f.completed(t, 1); done[0].Err == nil {
		t.Error("completed without an error")
	}
	if err := <-left; err != nil {
		t.Errorf("the upstream's connection: %v, want that it was closed", err)
	}
}

// TestVersionsAreAskedAgain: what was no HTTP/2 server without TLS once may be one later.
func TestVersionsAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr transport
		for scheme, again := range map[string]bool{"http": true, "https": false} {
			x := &exchange{in: &http.Request{ProtoMajor: 2}, to: destination{scheme: scheme, host: "a:1", address: "a:1"}}
			for _, speaks := range []bool{true, false} {
				tr.versions.Store(x.to.server(), version{speaks, time.Now()})
				if got := tr.multiplexes(x); got != speaks {
					t.Errorf("%s: multiplexed %t, want %t", scheme, got, speaks)
				}
			}
			time.Sleep(forget - 1)
			if tr.multiplexes(x) {
				t.Errorf("%s: asked again too early", scheme)
			}
			time.Sleep(time.Nanosecond)
			if got := tr.multiplexes(x); got != again {
				t.Errorf("%s: asked again %t, want %t", scheme, got, again)
			}
		}
	})
}
