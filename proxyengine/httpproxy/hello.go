package httpproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// silence is after how long a client that says nothing counts as one that lets the server speak first. A client that wants TLS
	// or HTTP speaks as soon as it may.
	silence = time.Second
	// mostLine is how much of a first line is looked at.
	mostLine = 8 << 10
)

// errSeen ends the reading of a ClientHello: that is all that is wanted.
var errSeen = errors.New("seen")

// listenUntil reads until judge has decided, and returns what was read and whether it did: not when the client is silent too long, or
// has ended its half. It returns an error when the client has left, or when ctx is done.
func listenUntil(ctx context.Context, client net.Conn, early []byte, judge func([]byte) bool) (read []byte, decided bool, err error) {
	if len(early) > 0 && judge(early) {
		return early, true, nil
	}
	defer interruptible(ctx, client, silence)()
	buf := make([]byte, 2<<10)
	for {
		n, err := client.Read(buf)
		if early = append(early, buf[:n]...); n > 0 && judge(early) {
			return early, true, nil
		}
		if err != nil {
			return early, false, departure(ctx, early, err)
		}
	}
}

// interruptible bounds what is read from conn by a time and by ctx, until the function that it returns is called.
func interruptible(ctx context.Context, conn net.Conn, bound time.Duration) (restore func()) {
	_ = conn.SetReadDeadline(time.Now().Add(bound))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(past) })
	return func() {
		stop()
		_ = conn.SetReadDeadline(time.Time{})
	}
}

// departure tells a client that is silent, or has no more to say, from one that has left.
func departure(ctx context.Context, read []byte, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded), len(read) > 0:
		return nil
	}
	return err
}

// peekHello reads the ClientHello that a TLS client opens with, and gives everything back that it has read. The hello is nil when the
// client speaks something else. The library reads it; it gets no chance to answer.
func peekHello(ctx context.Context, client net.Conn, early []byte) (hello *tls.ClientHelloInfo, read []byte, err error) {
	const handshake = 22 // the record's type (RFC 8446, section 5.1)
	read, spoke, err := listenUntil(ctx, client, early, func([]byte) bool { return true })
	if err != nil || !spoke || read[0] != handshake {
		return nil, read, err
	}
	defer interruptible(ctx, client, handshakeTimeout)()
	kept := &mute{aheadConn: aheadConn{Conn: client, ahead: read}}
	reading := tls.Server(kept, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			hello = h
			return nil, errSeen
		},
	})
	err = reading.HandshakeContext(ctx)
	read = slices.Concat(kept.read, kept.ahead)
	if ctx.Err() != nil || hello == nil && kept.left {
		return nil, read, err
	}
	return hello, read, nil
}

// mute is a connection on which nothing can be said, and that keeps what was heard.
type mute struct {
	aheadConn
	read []byte
	left bool // the client did
}

// Read returns what was read before, then what comes.
func (c *mute) Read(p []byte) (int, error) {
	n, err := c.aheadConn.Read(p)
	c.read = append(c.read, p[:n]...)
	c.left = err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}

// Write says nothing.
func (c *mute) Write(p []byte) (int, error) { return len(p), nil }

// Close leaves the connection open.
func (c *mute) Close() error { return nil }

// speaksHTTP says whether a client may want HTTP inside of TLS, as far as its ClientHello tells: a list of protocols (RFC 7301) that
// has no HTTP in it is about something else.
func speaksHTTP(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 0 || slices.Contains(hello.SupportedProtos, "h2") ||
		slices.Contains(hello.SupportedProtos, "http/1.1")
}

// opensHTTP judges the first bytes of a client that may speak HTTP/1: whether they are a request line (RFC 9112, section 3), and
// whether that can be said yet.
func opensHTTP(b []byte) (is, decided bool) {
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	method, rest, found := bytes.Cut(line, []byte{' '})
	if bytes.ContainsFunc(method, func(r rune) bool { return !isTokenRune(r) }) || found && len(method) == 0 {
		return false, true
	}
	if whole {
		rest = bytes.TrimSuffix(rest, []byte{'\r'})
		return bytes.HasSuffix(rest, []byte(" HTTP/1.1")) || bytes.HasSuffix(rest, []byte(" HTTP/1.0")), true
	}
	return found, len(line) >= mostLine
}

// isTokenRune is RFC 9110, section 5.6.2.
func isTokenRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
