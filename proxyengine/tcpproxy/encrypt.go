package tcpproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	// firstWord is how long after the accept a client may stay silent before it counts as one that lets the server speak first.
	firstWord = 100 * time.Millisecond
	// handshakeTimeout bounds the agreement about encryption with an upstream that does not answer.
	handshakeTimeout = 10 * time.Second
)

// The first message of a PostgreSQL client that asks for encryption is 8 bytes: its length, and one of these codes
// (PostgreSQL documentation, "Message Formats": SSLRequest, GSSENCRequest).
var (
	sslRequest    = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}
	gssEncRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30}
)

// verdict is what the first bytes of a client say about who encrypts.
type verdict uint8

const (
	undecided verdict = iota
	clientEncrypts
	proxyEncrypts
	asksForGSS // encryption by Kerberos, which is not what the upstream is to be reached with
)

// encrypt speaks TLS to the upstream, unless the client's first bytes show that the client does that itself: there is no TLS in
// TLS. It returns the connection to go on with and what was read from the client.
func (s *Server) encrypt(ctx context.Context, client, upstream net.Conn, early []byte, accepted time.Time) (net.Conn, []byte, error) {
	judge, until := judgeTLS, accepted.Add(firstWord)
	if s.cfg.Encryption == PostgresTLS {
		judge, until = judgePostgres, time.Time{} // there the client always speaks first
	}
	early, v, err := listen(ctx, client, early, judge, until)
	if err != nil {
		return nil, nil, err
	}
	if v == asksForGSS {
		// Refused here and not by the upstream: what the client says next, possibly in the clear, is then for the proxy to judge, too.
		// No fault acts on this one byte.
		if _, err := client.Write([]byte{'N'}); err != nil {
			return nil, nil, ErrLeft
		}
		if early, v, err = listen(ctx, client, early[len(gssEncRequest):], judge, until); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case v == asksForGSS:
		return nil, nil, fmt.Errorf("upstream %s: the client asked for GSSAPI encryption again after it was refused", s.cfg.Target)
	case v == clientEncrypts && s.cfg.Encryption == PostgresTLS:
		return &guarded{Conn: upstream, target: s.cfg.Target}, early, nil
	case v == clientEncrypts:
		return upstream, early, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if s.cfg.Encryption == PostgresTLS {
		if err := requestTLS(ctx, upstream); err != nil {
			return nil, nil, fmt.Errorf("upstream %s: %w", s.cfg.Target, err)
		}
	}
	host, _, err := net.SplitHostPort(s.cfg.Target)
	if err != nil {
		return nil, nil, err
	}
	cfg := s.cfg.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	conn := tls.Client(upstream, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("upstream %s: TLS: %w", s.cfg.Target, s.cfg.Trusting(err))
	}
	return conn, early, nil
}

// listen reads from the client until judge has decided, or until the deadline (zero: none) has passed.
func listen(ctx context.Context, client net.Conn, early []byte, judge func([]byte) verdict, until time.Time) ([]byte, verdict, error) {
	v := judge(early)
	if v != undecided {
		return early, v, nil
	}
	_ = client.SetReadDeadline(until)
	stop := context.AfterFunc(ctx, func() { _ = client.SetReadDeadline(past) })
	defer func() {
		stop()
		_ = client.SetReadDeadline(time.Time{})
	}()
	buf := make([]byte, 4<<10)
	for {
		n, err := client.Read(buf)
		early = append(early, buf[:n]...)
		if v = judge(early); v != undecided {
			return early, v, nil
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil, undecided, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return early, proxyEncrypts, nil
		case errors.Is(err, io.EOF):
			return early, proxyEncrypts, nil // a half-closed client may still want to listen
		default:
			return nil, undecided, ErrLeft
		}
	}
}

// tlsHandshake is the first byte of a connection that begins with TLS (RFC 8446, section 5.1).
const tlsHandshake = 22

// judgeTLS looks for the record header of a TLS handshake: type 22, major version 3 (RFC 8446, section 5.1).
func judgeTLS(b []byte) verdict {
	switch {
	case len(b) == 0, len(b) == 1 && b[0] == tlsHandshake:
		return undecided
	case b[0] == tlsHandshake && b[1] == 3:
		return clientEncrypts
	}
	return proxyEncrypts
}

// judgePostgres looks for a client that asks for encryption itself, or that opens with TLS at once (PostgreSQL 17).
func judgePostgres(b []byte) verdict {
	switch {
	case len(b) == 0:
		return undecided
	case b[0] == tlsHandshake:
		return judgeTLS(b)
	}
	switch {
	case bytes.HasPrefix(b, sslRequest):
		return clientEncrypts
	case bytes.HasPrefix(b, gssEncRequest):
		return asksForGSS
	case bytes.HasPrefix(sslRequest, b), bytes.HasPrefix(gssEncRequest, b):
		return undecided
	}
	return proxyEncrypts
}

// guarded is a connection to an upstream that a PostgreSQL client encrypts itself. A client that asked for TLS and does not get it may
// go on without (sslmode=prefer, libpq's default); that ends here, because the upstream is to be reached with TLS.
type guarded struct {
	net.Conn
	target string
	sent   int  // bytes of the request for TLS that were sent
	secure bool // TLS has begun
	ended  atomic.Bool
}

func (g *guarded) refusal() error {
	return fmt.Errorf("upstream %s: the client was about to go on without TLS, as it may when the server offers none; "+
		"use psql:// to speak to it without", g.target)
}

// Read fails when the client was refused, so that it is told by a reset: what ends there is no orderly end.
func (g *guarded) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if err != nil && g.ended.Load() {
		err = g.refusal()
	}
	return n, err
}

// Write passes on the client's request for TLS, and what follows it if that is TLS.
func (g *guarded) Write(b []byte) (int, error) {
	if !g.secure {
		if g.sent == 0 && len(b) > 0 && b[0] == tlsHandshake {
			g.sent = len(sslRequest) // a client that begins with TLS at once
		}
		request := min(len(b), len(sslRequest)-g.sent)
		g.sent += request
		if rest := b[request:]; len(rest) > 0 {
			if rest[0] != tlsHandshake {
				g.ended.Store(true)
				Reset(g.Conn)
				return 0, g.refusal()
			}
			g.secure = true
		}
	}
	return g.Conn.Write(b)
}

// CloseWrite ends the sending half.
func (g *guarded) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return g.Close()
}

// NetConn is the connection below.
func (g *guarded) NetConn() net.Conn { return g.Conn }

// requestTLS asks a PostgreSQL server for TLS. Exactly one byte is read: anything that follows it unencrypted could have been
// slipped in (CVE-2021-23222).
func requestTLS(ctx context.Context, upstream net.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = upstream.SetDeadline(past) })()
	if _, err := upstream.Write(sslRequest); err != nil {
		return fmt.Errorf("asking for TLS: %s", Reason(err))
	}
	var answer [1]byte
	if _, err := io.ReadFull(upstream, answer[:]); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("asking for TLS: %s", Reason(err))
	}
	if answer[0] != 'S' {
		return errors.New("the server does not offer TLS; use psql:// to speak to it without")
	}
	return nil
}
