// Package control serves the control API of a running engine: faults and mappings are listed, added, changed and removed while
// traffic flows, and what happened is read in numbers. All of it is JSON over HTTP, described by the document at
// /v1/openapi.json.
//
// The same listener answers the calls of toxiproxy's client libraries (/proxies, /populate, /reset, /version) as version 2.12
// of that program does. A proxy of theirs is a mapping, a toxic is a fault, or two, that act on that mapping only.
//
// Who reaches this API decides where traffic goes, so it binds to loopback and wants a token. Requests that a web page could have
// caused are refused, with a token or without one.
package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/fault-project/fault/proxyengine"
)

// NoToken as Options.Token says that no token is wanted. It goes with a loopback address only.
const NoToken = "none"

const (
	headTimeout  = 10 * time.Second
	readTimeout  = 15 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = time.Minute
	// farewell bounds how long requests may go on that are under way when Run is told to end.
	farewell = 2 * time.Second
	// mostHead and mostBody bound what a request may be.
	mostHead = 64 << 10
	mostBody = 1 << 20
)

// Options is what a server needs to know.
type Options struct {
	// Engine is controlled. Its mappings must not be changed by others while the server runs.
	Engine *proxyengine.Engine
	// Address is where to listen: host:port, or a port of 127.0.0.1; port 0 takes a free one.
	Address string
	// Token is what requests have to carry. "" makes a random one, and is refused for an address that other machines reach;
	// [NoToken] wants none, on loopback.
	Token string
	// Counters are what the engine's events are counted by; nil when nobody counts.
	Counters *Counters
	// Version is that of the program, for /v1/status.
	Version string
	// Logger gets what only a developer wants to know; nil discards it.
	Logger *slog.Logger
}

// Server is a control API. It is safe for concurrent use.
type Server struct {
	guard    guard
	state    *state
	counters *Counters
	version  string
	logger   *slog.Logger
	address  *net.TCPAddr
	ln       net.Listener // nil before Start
	began    time.Time
}

// New makes a server; it says what is wrong with the options. Nothing is bound yet.
func New(o Options) (*Server, error) {
	if o.Engine == nil {
		return nil, errors.New("a control API needs an engine")
	}
	address, err := resolve(o.Address)
	if err != nil {
		return nil, err
	}
	g := guard{token: o.Token, loopback: address.IP.IsLoopback()}
	switch {
	case !g.loopback && (o.Token == "" || o.Token == NoToken):
		return nil, fmt.Errorf("control API on %s: other machines reach that address; give a token, or use 127.0.0.1", o.Address)
	case o.Token == NoToken:
		g.token = ""
	case o.Token == "":
		g.token = rand.Text()
	case strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("the token of the control API has blanks or characters outside of ASCII; use letters and digits")
	}
	s := &Server{
		guard: g, state: newState(o.Engine), counters: o.Counters, version: o.Version, address: address,
		logger: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
	}
	if s.counters == nil {
		s.counters = NewCounters()
	}
	return s, nil
}

// resolve finds the address to bind. A host name is resolved here, once, so that what was judged is what is bound.
func resolve(s string) (*net.TCPAddr, error) {
	full := s
	if !strings.Contains(full, ":") {
		full = "127.0.0.1:" + full
	}
	addr, err := net.ResolveTCPAddr("tcp", full)
	if err != nil || strings.HasSuffix(full, ":") {
		return nil, fmt.Errorf("control API address %q: write host:port, such as 127.0.0.1:8474", s)
	}
	return addr, nil
}

// Start binds the address. Clients that connect wait until Run.
func (s *Server) Start(ctx context.Context) error {
	if s.ln != nil {
		return errors.New("the control API was started before")
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.address.String())
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		var call *os.SyscallError
		if errors.As(err, &call) {
			err = call.Err
		}
		return fmt.Errorf("bind %s: %w; choose another address for the control API", s.address, err)
	}
	s.ln, s.began = ln, time.Now()
	return nil
}

// Run serves until ctx is done, gives requests that are under way a moment, and returns nil; or it returns what the listener failed
// of. A server runs once, after Start.
func (s *Server) Run(ctx context.Context) error {
	if s.ln == nil {
		return errors.New("the control API was not started")
	}
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: headTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: mostHead, ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("control API on %s: %w", s.ln.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // what did not end in time is broken off
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control API on %s: %w", s.ln.Addr(), err)
	}
	return nil
}

// Addr is where the server listens; the zero value before Start.
func (s *Server) Addr() netip.AddrPort {
	if s.ln == nil {
		return netip.AddrPort{}
	}
	return s.ln.Addr().(*net.TCPAddr).AddrPort()
}

// Token is what requests have to carry, "" when none is wanted. It is a secret.
func (s *Server) Token() string { return s.guard.token }
