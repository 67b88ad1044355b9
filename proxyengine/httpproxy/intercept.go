package httpproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// Intercept says which tunnels are opened: TLS inside of them ends at the proxy, which speaks TLS to the upstream itself, so that what
// goes through is exchanges. The functions are called concurrently.
type Intercept struct {
	// Match says whether a CONNECT to address (host:port) is opened.
	Match func(address string) bool
	// Certificate returns a certificate, of an authority that the clients trust, for a name or an IP address. When it fails the tunnel
	// is not opened, and the error is reported.
	Certificate func(host string) (*tls.Certificate, error)
}

// opened is a tunnel that was opened.
type opened struct {
	to     destination
	callID string
}

type openedKey struct{}

// openedBy finds the opened tunnel that a request came through, nil for none.
func openedBy(r *http.Request) *opened {
	o, _ := r.Context().Value(openedKey{}).(*opened)
	return o
}

// openedConn is the client's connection below the TLS that ends here.
type openedConn struct {
	aheadConn
	*opened
}

// interceptor serves what was opened.
type interceptor struct {
	Intercept
	sink   event.Sink
	tls    *tls.Config
	server *http.Server
	conns  handover

	mu   sync.Mutex
	told map[string]bool
}

// mostTold bounds what a client can make the proxy remember.
const mostTold = 1000

func newInterceptor(s *Server, i Intercept) *interceptor {
	in := &interceptor{
		Intercept: i, sink: s.cfg.Sink, told: map[string]bool{},
		conns: handover{conns: make(chan net.Conn), done: make(chan struct{})},
	}
	in.tls = &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return i.Certificate(hello.Conn.(*openedConn).to.serverName())
		},
	}
	in.server = &http.Server{
		Handler:                      s,
		ReadHeaderTimeout:            headTimeout,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     s.proxy.ErrorLog,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			o, _ := below[*openedConn](c)
			return context.WithValue(context.WithValue(ctx, connKey{}, c), openedKey{}, o.opened)
		},
	}
	return in
}

// serve serves the opened connections until stop was called. Their requests get contexts of base.
func (in *interceptor) serve(base context.Context) {
	in.server.BaseContext = func(net.Listener) context.Context { return base }
	_ = in.server.Serve(&in.conns) // ends with the listener, which does not fail
}

// drain lets what is open come to its end until ctx is done.
func (in *interceptor) drain(ctx context.Context) { _ = in.server.Shutdown(ctx) }

// stop breaks off what is still open.
func (in *interceptor) stop() { _ = in.server.Close() }

// wants says whether a CONNECT is to be opened.
func (in *interceptor) wants(address string) bool { return in != nil && in.Match(address) }

// tell reports something once.
func (in *interceptor) tell(text string) {
	in.mu.Lock()
	first := !in.told[text] && len(in.told) < mostTold
	if first {
		in.told[text] = true
	}
	in.mu.Unlock()
	if first {
		in.sink.Send(event.Notice{At: time.Now(), Text: text})
	}
}

// intercept opens the tunnel of a client that was told that it is there. What turns out not to be HTTP in TLS goes on as a tunnel.
func (s *Server) intercept(ctx context.Context, p passage) {
	in := s.interceptor
	p.established = true
	if _, err := io.WriteString(p.client, established); err != nil {
		s.abandon(p, err)
		return
	}
	hello, read, err := peekHello(ctx, p.client, p.early)
	p.early = read
	if err != nil {
		s.abandon(p, fmt.Errorf("%w: %w", tcpproxy.ErrLeft, err))
		return
	}
	if hello == nil || !speaksHTTP(hello) {
		s.carry(ctx, p)
		return
	}
	to, refusal := newDestination("https", p.info.Target)
	if refusal == nil && hello.ServerName != "" {
		to, refusal = named(to, hello.ServerName)
	}
	if refusal == nil {
		err = in.willing(to, hello)
	} else {
		err = errors.New(refusal.text)
	}
	if err != nil {
		in.tell(fmt.Sprintf("TLS to %s is not opened: %s", p.info.Target, oneLine(err.Error())))
		s.carry(ctx, p)
		return
	}
	s.terminate(ctx, p, to)
}

// named is d for a client that asks for the server of that name there.
func named(d destination, name string) (destination, *refusal) {
	if !validHost(name) {
		return d, &refusal{text: fmt.Sprintf("%q is not a server name", name)}
	}
	address, port, _ := net.SplitHostPort(d.address) // always host:port
	if name = strings.ToLower(name); strings.EqualFold(name, address) {
		return d, nil
	}
	shown, refusal := newDestination("https", net.JoinHostPort(name, port))
	d.name, d.host = name, shown.host
	return d, refusal
}

// willing says why a client cannot be shown a certificate that it would take.
func (in *interceptor) willing(to destination, hello *tls.ClientHelloInfo) error {
	cert, err := in.Certificate(to.serverName())
	if err != nil {
		return err
	}
	return hello.SupportsCertificate(cert)
}

// terminate ends the client's TLS and hands the connection over to be served. A client that does not begin with a request is given a
// tunnel, with TLS on either side.
func (s *Server) terminate(ctx context.Context, p passage, to destination) {
	in := s.interceptor
	to.opened = true
	o := &openedConn{aheadConn: aheadConn{Conn: p.client, ahead: p.early}, opened: &opened{to: to, callID: p.info.CallID}}
	conn := tls.Server(o, in.tls)
	shake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(shake); err != nil {
		reason, refuses := distrust(err)
		if refuses {
			in.tell(fmt.Sprintf("a client of %s refuses the certificate that it is shown (%s); "+
				"make it trust the authority that issued it, or leave this host out of what is opened", to.host, reason))
		}
		s.abandon(p, fmt.Errorf("TLS with the client: %s", reason))
		return
	}
	if conn.ConnectionState().NegotiatedProtocol != "" {
		in.conns.give(conn)
		return
	}
	is := false
	read, _, err := listenUntil(ctx, conn, nil, func(b []byte) (decided bool) {
		is, decided = opensHTTP(b)
		return decided
	})
	p.client, p.early, p.secured = conn, read, &to
	switch {
	case err != nil:
		s.abandon(p, fmt.Errorf("%w: %w", tcpproxy.ErrLeft, err))
	case is:
		in.conns.give(&aheadConn{Conn: conn, ahead: read})
	default:
		s.carry(ctx, p)
	}
}

// distrust says why a handshake with a client failed, and whether that is because it does not take the certificate.
func distrust(err error) (reason string, refuses bool) {
	reason = tcpproxy.Reason(err)
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "it closed the connection", true // as Node does
	case ok && op.Op == "remote error":
		return reason, true
	case ok && op.Op == "local error" && strings.Contains(reason, "bad record MAC"):
		// OpenSSL 3.0 encrypts the alert that says so with keys that are not in force yet.
		return "unreadable alert", true
	}
	return reason, false
}

// abandon reports a tunnel that came to nothing, and closes it.
func (s *Server) abandon(p passage, err error) {
	p.client.Close()
	s.cfg.Logger.Debug("tunnel is not opened", "target", p.info.Target, "error", err)
	s.cfg.Begin(p.info).End(stream.Stats{Err: err})
}

// below finds the connection of a type under others.
func below[T any](conn net.Conn) (found T, ok bool) {
	for {
		if found, ok = conn.(T); ok {
			return found, true
		}
		over, is := conn.(interface{ NetConn() net.Conn })
		if !is {
			return found, false
		}
		conn = over.NetConn()
	}
}

// handover is a listener whose connections are given to it.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// give hands a connection over, or closes it when nobody takes any more.
func (h *handover) give(conn net.Conn) {
	select {
	case h.conns <- conn:
	case <-h.done:
		conn.Close()
	}
}

// Accept returns the next connection.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends the taking of connections.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr is of no use here.
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }
