package httpproxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
)

func TestUpgrade(t *testing.T) {
	addr := script(t, func(c net.Conn, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return
		}
		name := r.Header.Get("Upgrade")
		if r.URL.Path == "/other" {
			name = "other"
		}
		// The first bytes of the new protocol come in one piece with the answer.
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+name+"\r\nX-A: b\r\n\r\nhi")
		io.Copy(c, c)
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, "GET http://"+addr+"/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
		br := bufio.NewReader(c)
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("X-A") != "b" {
			t.Fatalf("%+v, %v", resp, err)
		}
		buf := make([]byte, 7)
		if _, err := io.ReadFull(br, buf); err != nil || string(buf) != "hiearly" {
			t.Fatalf("%q, %v", buf, err)
		}
		io.WriteString(c, "more")
		c.(*net.TCPConn).CloseWrite()
		rest, err := io.ReadAll(br)
		if string(rest) != "more" || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		if done := f.completed(t, 1)[0]; done.Status != 101 || done.Up != 9 || done.Down != 11 || done.Err != nil {
			t.Errorf("%+v", done)
		}
		got := f.conversation(t, "GET http://"+addr+"/other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 502 ") || !strings.Contains(got, "http_upgrade_failed") {
			t.Errorf("an upgrade to something else: %q", got)
		}
	})
}

func TestUpgradeOverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
		io.CopyN(c, brw, 4)
	}))
	defer srv.Close()
	to := mapped(srv)
	both(t, func(c *Config) { to(c); c.TLS = srv.Client().Transport.(*http.Transport).TLSClientConfig }, func(t *testing.T, f *fixture) {
		got := f.conversation(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nping")
		if !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.HasSuffix(got, "\r\n\r\nhiping") {
			t.Errorf("%q", got)
		}
	})
}

func TestUpgradedConnectionIsUnderFaults(t *testing.T) {
	addr := script(t, func(c net.Conn, r *http.Request) {
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, c)
	})
	f := serve(t, nil)
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET http://"+addr+"/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	br := bufio.NewReader(c)
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	round := func(patience time.Duration) error {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		io.WriteString(c, "ping")
		_, err := io.ReadFull(br, buf)
		return err
	}
	if err := round(time.Minute); err != nil {
		t.Fatal(err)
	}
	hole := &fault.Blackhole{Base: fault.Base{Side: fault.Server, Direction: fault.Ingress, Probability: 1}, Heal: fault.HealGap}
	f.live.Store(fault.Build([]fault.Active{{Spec: hole, Epoch: 1}}, 1, f.sink))
	if err := round(300 * time.Millisecond); err == nil {
		t.Error("a message came out of the hole")
	}
}
