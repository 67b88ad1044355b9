package httpproxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// heardConn is a connection on which these bytes arrive, and then the end.
type heardConn struct {
	net.Conn
	r *bytes.Reader
}

func (c heardConn) Read(p []byte) (int, error)      { return c.r.Read(p[:min(len(p), 7)]) }
func (c heardConn) SetReadDeadline(time.Time) error { return nil }

func FuzzPeekHello(f *testing.F) {
	var hello bytes.Buffer
	_ = tls.Client(&recorded{Writer: &hello}, &tls.Config{ServerName: "a.example", NextProtos: []string{"h2"}}).Handshake()
	f.Add(hello.Bytes(), 0)
	f.Add(hello.Bytes(), 300)
	f.Add(hello.Bytes()[:100], 50)
	f.Add(append(hello.Bytes(), "more"...), 1)
	for _, s := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x05hello", "\x16", "\x16\x03\x01\xff\xff"} {
		f.Add([]byte(s), 0)
	}
	f.Fuzz(func(t *testing.T, data []byte, early int) {
		if early < 0 || early > len(data) {
			return
		}
		rest := bytes.NewReader(data[early:])
		got, read, err := peekHello(t.Context(), heardConn{r: rest}, data[:early:early])
		left, _ := io.ReadAll(rest)
		if all := append(bytes.Clone(read), left...); err == nil && !bytes.Equal(all, data) {
			t.Fatalf("%q became %q", data, all)
		}
		if got != nil && (err != nil || data[0] != 22) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

// recorded is a connection whose other side is not there.
type recorded struct {
	net.Conn
	io.Writer
}

func (c *recorded) Read([]byte) (int, error)         { return 0, io.EOF }
func (c *recorded) Write(p []byte) (int, error)      { return c.Writer.Write(p) }
func (c *recorded) Close() error                     { return nil }
func (c *recorded) SetWriteDeadline(time.Time) error { return nil }

func TestOpensHTTP(t *testing.T) {
	for say, want := range map[string]bool{
		"GET / HTTP/1.1\r\n": true, "GET / HTTP/1.0\n": true, "OPTIONS * HTTP/1.1\r\nHost": true, "M-SEARCH * HTTP/1.1\r\n": true,
		"GET /" + strings.Repeat("a", mostLine): true, "PRI * HTTP/2.0\r\n": false, "EHLO example.com\r\n": false, "\n": false, " x": false,
		"a1 LOGIN x y\r\n": false, "*1\r\n": false, "\x00": false, "\x16\x03": false, strings.Repeat("a", mostLine): false, "GET\r\n": false,
	} {
		if is, decided := opensHTTP([]byte(say)); !decided || is != want {
			t.Errorf("%.30q: %t, decided %t", say, is, decided)
		}
	}
	for _, say := range []string{"", "G", "GET", "GET ", "GET / HTTP/1.1", "GET / HTTP/1.1\r"} {
		if _, decided := opensHTTP([]byte(say)); decided {
			t.Errorf("%q is decided", say)
		}
	}
}

func FuzzOpensHTTP(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\n", "EHLO x\r\n", "\x00", "a b", "A\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= mostLine {
			return
		}
		was, sure := false, false
		for n := range len(b) + 1 {
			is, decided := opensHTTP(b[:n])
			if sure && (!decided || is != was) {
				t.Fatalf("%q: the verdict changes at %d", b, n)
			}
			was, sure = is, decided
		}
	})
}
