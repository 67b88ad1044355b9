package httpproxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/authority"
	"github.com/fault-project/fault/proxyengine/event"
)

func TestClientsThatDoNotTrustAreReported(t *testing.T) {
	i := intercepting(t, nil)
	for range 2 {
		c := tls.Client(i.connect(t, "a.example:443"), &tls.Config{ServerName: "a.example", RootCAs: roots(i.real)})
		if err := c.Handshake(); err == nil {
			t.Fatal("trusted")
		}
		c.Close()
	}
	for _, done := range i.completed(t, 2) {
		if done.Flow.Kind != event.Tunnel || done.Flow.Target != "a.example:443" || done.Err == nil {
			t.Errorf("%+v of %+v", done, done.Flow)
		}
	}
	n := i.notices()
	if len(n) != 1 || !strings.HasPrefix(n[0], "a client of a.example refuses the certificate") {
		t.Error(n)
	}
}

func TestDistrust(t *testing.T) {
	for _, tc := range []struct {
		err    error
		reason string
		want   bool
	}{
		{&net.OpError{Op: "remote error", Err: tls.AlertError(48)}, "tls: unknown certificate authority", true},
		{&net.OpError{Op: "local error", Err: tls.AlertError(20)}, "unreadable alert", true},
		{&net.OpError{Op: "local error", Err: tls.AlertError(10)}, "tls: unexpected message", false},
		{io.EOF, "it closed the connection", true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "it closed the connection", true},
		{context.DeadlineExceeded, "no answer in time", false},
	} {
		if reason, refuses := distrust(tc.err); reason != tc.reason || refuses != tc.want {
			t.Errorf("%v: %q, %t", tc.err, reason, refuses)
		}
	}
}

// echo is a server of another protocol; it says hello first.
func echo(t testing.TB, cfg *tls.Config, hello string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg != nil {
		ln = tls.NewListener(ln, cfg)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { ln.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				defer context.AfterFunc(t.Context(), func() { c.Close() })()
				io.WriteString(c, hello)
				io.Copy(c, c)
			})
		}
	})
	return ln.Addr().String()
}

func TestWhatIsNotHTTPInTLSIsTunneled(t *testing.T) {
	bound, err := authority.New("only.example")
	if err != nil {
		t.Fatal(err)
	}
	i := intercepting(t, func(c *Config) {
		all := c.Intercept.Certificate
		c.Intercept.Certificate = func(host string) (*tls.Certificate, error) {
			if host == "bound.example" {
				return bound.Certificate(host)
			}
			return all(host)
		}
	})
	real := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.real.Certificate("127.0.0.1") }}
	named := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.real.Certificate("bound.example") }}
	protocol := real.Clone()
	protocol.NextProtos = []string{"imap"}
	for name, tc := range map[string]struct {
		upstream string
		client   *tls.Config // nil: no TLS
		say      string
		first    string // the server speaks first
	}{
		"plain":                          {echo(t, nil, ""), nil, "SSH-2.0-x\r\n", ""},
		"plain, one byte":                {echo(t, nil, ""), nil, "x", ""},
		"plain HTTP":                     {echo(t, nil, ""), nil, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		"not quite TLS":                  {echo(t, nil, ""), nil, "\x16\x03\x01\x00\x05hello", ""},
		"the server speaks first":        {echo(t, nil, "220 hello\r\n"), nil, "EHLO\r\n", "220 hello\r\n"},
		"other protocol by name":         {echo(t, protocol, ""), &tls.Config{RootCAs: roots(i.real), ServerName: "127.0.0.1", NextProtos: []string{"imap"}}, "a1 NOOP\r\n", ""},
		"other protocol in TLS":          {echo(t, real, ""), &tls.Config{RootCAs: roots(i.shown), ServerName: "127.0.0.1"}, "HELLO WORLD\r\n", ""},
		"the server speaks first in TLS": {echo(t, real, "* OK\r\n"), &tls.Config{RootCAs: roots(i.shown), ServerName: "127.0.0.1"}, "a1 NOOP\r\n", "* OK\r\n"},
		"no certificate to be had":       {echo(t, named, ""), &tls.Config{RootCAs: roots(i.real), ServerName: "bound.example"}, "GET / HTTP/1.1\r\n\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := i.connect(t, tc.upstream)
			if tc.client != nil {
				c = tls.Client(c, tc.client)
			}
			want := []byte(tc.first + tc.say)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got[:len(tc.first)]); err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, tc.say)
			if _, err := io.ReadFull(c, got[len(tc.first):]); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%q, %v", got, err)
			}
			if tc.client == nil {
				c.(*net.TCPConn).CloseWrite()
			} else {
				c.(*tls.Conn).CloseWrite()
			}
			if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
				t.Errorf("%q, %v", rest, err)
			}
		})
	}
	t.Cleanup(func() {
		for _, done := range i.completed(t, 9) {
			if done.Flow.Kind != event.Tunnel || done.Down == 0 || done.Err != nil {
				t.Errorf("%+v of %+v", done, done.Flow)
			}
		}
		n := i.notices()
		if len(n) != 1 || !strings.Contains(n[0], "cannot vouch for bound.example: it is bound to only.example") {
			t.Error(n)
		}
	})
}

func TestTunnelsThatAreNotOpened(t *testing.T) {
	i := intercepting(t, func(c *Config) {
		c.Intercept.Match = func(address string) bool { return strings.HasPrefix(address, "no.example:") }
	})
	srv := i.server(t, func(w http.ResponseWriter, r *http.Request) {}, nil)
	client := i.client(t, "HTTP/2.0")
	client.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots(i.real)
	resp, err := client.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	client.CloseIdleConnections()
	if done := i.completed(t, 1)[0]; done.Flow.Kind != event.Tunnel {
		t.Errorf("%+v", done.Flow)
	}
}

func TestHostileRequestsInOpenedTunnels(t *testing.T) {
	i := intercepting(t, nil)
	srv := i.server(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host, r.URL) }, nil)
	address := srv.Listener.Addr().String()
	for say, want := range map[string]string{
		"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n":        "HTTP/1.1 405",
		"GET https://other.example/x HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n": "HTTP/1.1 200",
		"GET / HTTP/1.0\r\n\r\n": "HTTP/1.0 200",
		"GET / HTTP/1.1\r\n\r\n": "HTTP/1.1 400",
	} {
		c := tls.Client(i.connect(t, address), &tls.Config{RootCAs: roots(i.shown), ServerName: "127.0.0.1"})
		io.WriteString(c, say)
		line, err := bufio.NewReader(c).ReadString('\n')
		if !strings.HasPrefix(line, want) {
			t.Errorf("%q: %q, %v", say, line, err)
		}
		c.Close()
	}
	for _, done := range i.completed(t, 2) {
		if done.Flow.Target != address {
			t.Errorf("%+v", done.Flow)
		}
	}
}

func TestOpenedTunnelsEndWithTheProxy(t *testing.T) {
	for _, protocol := range protocols {
		for _, patient := range []bool{true, false} {
			t.Run(fmt.Sprint(protocol, ", patient ", patient), func(t *testing.T) {
				i := intercepting(t, func(c *Config) {
					if patient {
						c.Drain = 20 * time.Second
					}
				})
				release := make(chan struct{})
				srv := i.server(t, func(w http.ResponseWriter, r *http.Request) {
					w.(http.Flusher).Flush()
					<-release
					io.WriteString(w, "ok")
				}, nil)
				defer sync.OnceFunc(func() { close(release) })()
				idle := tls.Client(i.connect(t, srv.Listener.Addr().String()), &tls.Config{
					RootCAs: roots(i.shown), ServerName: "127.0.0.1", NextProtos: []string{"h2"},
				})
				if err := idle.Handshake(); err != nil {
					t.Fatal(err)
				}
				_ = i.connect(t, "silent.example:443")
				resp, err := i.client(t, protocol).Get(srv.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				i.stop()
				if patient {
					time.AfterFunc(50*time.Millisecond, func() { release <- struct{}{} })
				}
				body, err := io.ReadAll(resp.Body)
				if patient && (err != nil || string(body) != "ok") || !patient && err == nil {
					t.Errorf("%q, %v", body, err)
				}
			})
		}
	}
}
