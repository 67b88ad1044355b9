package httpproxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestConnectOverHTTP2: no server of the proxy announces that it takes WebSockets over HTTP/2 (RFC 8441, section 3: setting 8), so
// that browsers open a connection for them, and CONNECT over HTTP/2 is refused without harm to the connection.
func TestConnectOverHTTP2(t *testing.T) {
	srv := h2c(t, false, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	i := intercepting(t, nil)
	dial := func(f *fixture) net.Conn {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, c := range map[string]struct {
		conn   net.Conn
		status string
	}{
		"HTTP proxy": {dial(serve(t, nil)), "501"},
		"mapping":    {dial(serve(t, mapped(srv))), "405"},
		"opened tunnel": {tls.Client(i.connect(t, "one.example:443"), &tls.Config{
			RootCAs: roots(i.shown), ServerName: "one.example", NextProtos: []string{"h2"},
		}), "405"},
	} {
		t.Run(name, func(t *testing.T) {
			defer c.conn.Close()
			_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := c.conn.Write(preface); err != nil {
				t.Fatal(err)
			}
			f := http2.NewFramer(c.conn, c.conn)
			f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			if err := f.WriteSettings(); err != nil {
				t.Fatal(err)
			}
			ask := func(stream uint32, pseudo ...string) {
				var block bytes.Buffer
				e := hpack.NewEncoder(&block)
				for k := 0; k < len(pseudo); k += 2 {
					_ = e.WriteField(hpack.HeaderField{Name: pseudo[k], Value: pseudo[k+1]})
				}
				if err := f.WriteHeaders(http2.HeadersFrameParam{
					StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: false,
				}); err != nil {
					t.Fatal(err)
				}
			}
			ask(1, ":method", "CONNECT", ":authority", "127.0.0.1:9")
			ask(3, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "one.example")
			got := map[uint32]string{}
			for len(got) < 2 {
				frame, err := f.ReadFrame()
				if err != nil {
					t.Fatal(err, got)
				}
				switch frame := frame.(type) {
				case *http2.SettingsFrame:
					if v, announced := frame.Value(http2.SettingEnableConnectProtocol); announced && v != 0 {
						t.Error("WebSocket over HTTP/2 is announced, and not spoken")
					}
				case *http2.MetaHeadersFrame:
					got[frame.StreamID] = frame.PseudoValue("status")
				case *http2.RSTStreamFrame:
					if _, answered := got[frame.StreamID]; !answered {
						got[frame.StreamID] = frame.ErrCode.String()
					}
				case *http2.GoAwayFrame:
					t.Fatalf("the connection ends: %v %s", frame, frame.DebugData())
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(map[uint32]string{1: c.status, 3: "PROTOCOL_ERROR"}) {
				t.Errorf("answers %v, want %s, and PROTOCOL_ERROR for what was not announced", got, c.status)
			}
		})
	}
}

// TestConnectSelects: which tunnels are opened goes by the host of the CONNECT, whatever server the client asks for inside of it.
func TestConnectSelects(t *testing.T) {
	var address string
	i := intercepting(t, func(c *Config) { c.Intercept.Match = func(a string) bool { return a == address } })
	handler := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.TLS.ServerName) }
	matched, other := i.server(t, handler, nil), i.server(t, handler, nil)
	address = matched.Listener.Addr().String()
	for name, c := range map[string]struct {
		address string
		opened  bool
	}{
		"to the host":     {address, true},
		"to another host": {other.Listener.Addr().String(), false},
	} {
		shows := i.real
		if c.opened {
			shows = i.shown
		}
		conn := tls.Client(i.connect(t, c.address), &tls.Config{RootCAs: roots(shows), ServerName: "one.example"})
		if err := conn.Handshake(); err != nil {
			t.Errorf("%s: %v; opened: want %t", name, err, c.opened)
		}
		conn.Close()
	}
}
