// Package tcpproxy carries TCP connections from a local address to one upstream, with faults on the way: raw bytes, TLS to the
// upstream, and PostgreSQL's way of turning to TLS. It also has what the HTTP proxy needs for its tunnels: the dialer and the
// life of a flow.
package tcpproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// Encryption says how the proxy speaks to the upstream.
type Encryption uint8

const (
	// Plain relays bytes as they are.
	Plain Encryption = iota
	// TLS opens with a TLS handshake.
	TLS
	// PostgresTLS asks for TLS as PostgreSQL does: an SSLRequest, then the handshake.
	PostgresTLS
)

// Config is one mapping.
type Config struct {
	Env
	// Mapping is the mapping's text, for events.
	Mapping string
	// Target is the upstream as host:port.
	Target string
	// Encryption says how to speak to it.
	Encryption Encryption
	// TLS is the base of the TLS configuration; nil means verified certificates of the system's authorities. The server name is
	// filled in.
	TLS *tls.Config
}

// Server accepts the connections of one mapping.
type Server struct {
	cfg Config
}

// New returns a server; it does nothing before Serve.
func New(cfg Config) *Server { return &Server{cfg: cfg} }

// Serve accepts connections of ln, which it closes, until ctx is done. Then those that are open may go on for Config.Drain, are
// closed after that, and Serve returns nil. It returns an error when the listener fails before.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	flows, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	defer ln.Close()

	var open sync.WaitGroup
	err := s.accept(ctx, ln, func(conn net.Conn) { open.Go(func() { s.handle(flows, ln.Addr().String(), conn) }) })

	done := make(chan struct{})
	go func() { open.Wait(); close(done) }()
	grace := time.NewTimer(max(0, s.cfg.Drain))
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
		cancel()
		<-done
	}
	return err
}

// The pause after a failed accept doubles between these two.
const (
	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
)

// accept hands connections to serve until ctx is done. It survives that the process runs out of descriptors or memory: new
// connections then wait in the system's queue.
func (s *Server) accept(ctx context.Context, ln net.Listener, serve func(net.Conn)) error {
	var pause time.Duration
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				Reset(conn)
			}
			return nil
		}
		switch {
		case err == nil:
			pause = 0
			serve(conn)
			continue
		case !passing(err):
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		}
		if pause == 0 {
			s.cfg.Sink.Send(event.Notice{At: time.Now(), Text: fmt.Sprintf("new connections to %s have to wait: %v", ln.Addr(), err)})
		}
		pause = min(max(2*pause, shortestPause), longestPause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// passing says that an error of accept concerns one connection or the moment, not the listener.
func passing(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO,
		syscall.EPERM,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// handle carries one connection from the first to the last moment.
func (s *Server) handle(ctx context.Context, listener string, client net.Conn) {
	f := s.cfg.Begin(&event.Flow{
		Kind: event.Connection, Listener: listener, Mapping: s.cfg.Mapping, Client: client.RemoteAddr().String(),
		Target: s.cfg.Target, Start: time.Now(),
	})
	var stats stream.Stats
	defer func() { f.End(stats) }()
	ctx = f.Within(ctx)

	// In a goroutine of its own, whose stack is given back: dialing makes it big, and this one may be idle for days.
	var upstream net.Conn
	var early []byte
	var err error
	reached := make(chan struct{})
	go func() {
		defer close(reached)
		upstream, early, err = s.connect(ctx, f, client)
	}()
	<-reached
	if err != nil {
		s.cfg.Logger.Debug("connection ends", "mapping", s.cfg.Mapping, "client", f.Info().Client, "error", err)
		stats.Err = err
		if ctx.Err() != nil {
			stats.Err = context.Cause(ctx)
		}
		Reset(client)
		return
	}
	stats = f.Relay(ctx, client, upstream, early)
}

// connect reaches the upstream and comes to an agreement with it about encryption. early is what the client said meanwhile.
func (s *Server) connect(ctx context.Context, f *Flow, client net.Conn) (upstream net.Conn, early []byte, err error) {
	waiting := Attend(ctx, client, s.cfg.Linger())
	upstream, err = f.Dial(waiting.Context(), s.cfg.Target)
	early, left := waiting.End()
	if left != nil {
		if upstream != nil {
			upstream.Close()
		}
		return nil, nil, left
	}
	if err != nil {
		return nil, nil, err
	}
	if s.cfg.Encryption == Plain {
		return upstream, early, nil
	}
	encrypted, early, err := s.encrypt(ctx, client, upstream, early, f.Info().Start)
	if err != nil {
		upstream.Close()
		return nil, nil, err
	}
	return encrypted, early, nil
}

// Linger is how long a connection stays whose end may never be told to the other side.
func (e *Env) Linger() time.Duration {
	if e.Stream.Linger > 0 {
		return e.Stream.Linger
	}
	return stream.DefaultLinger
}

// Reset closes a connection so that its peer sees a reset where the transport has one, and nothing of an end that TLS would announce:
// what could not be carried must not look like an orderly end.
func Reset(conn net.Conn) {
	for below := conn; ; {
		if tcp, ok := below.(interface{ SetLinger(int) error }); ok {
			_ = tcp.SetLinger(0) // fails on a connection that is gone, which is what is wanted
			below.Close()
			break
		}
		over, ok := below.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		below = over.NetConn()
	}
	conn.Close()
}
