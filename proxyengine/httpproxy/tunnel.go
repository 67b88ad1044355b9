package httpproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// established is the answer to a CONNECT that succeeded (RFC 9110, section 9.3.6: no body, no framing).
const established = "HTTP/1.1 200 Connection established\r\n\r\n"

var errNotAuthority = errors.New("the CONNECT target is not host:port alone")

// farewell bounds how long a refused client may take to read why.
const farewell = time.Second

// tunnel carries a CONNECT request.
func (s *Server) tunnel(w http.ResponseWriter, r *http.Request, info *event.Flow) {
	address, err := parseAuthority(r.URL.Host)
	if err == nil && (r.URL.Path != "" || r.URL.RawQuery != "" || r.URL.User != nil || strings.HasPrefix(r.RequestURI, "/")) {
		err = errNotAuthority
	}
	if err != nil {
		(&refusal{http.StatusBadRequest, "http_request_error", oneLine(err.Error()) + "; write CONNECT host:port"}).write(w)
		return
	}
	ctx := r.Context()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		const text = "a tunnel takes a connection for itself; send CONNECT over HTTP/1.1, not HTTP/2"
		(&refusal{http.StatusNotImplemented, "proxy_internal_response", text}).write(w)
		return
	}
	info.Kind, info.Target, info.Method = event.Tunnel, address, ""
	p := passage{client: client, early: unread(buffered.Reader), info: info}
	if s.interceptor.wants(address) {
		s.intercept(ctx, p)
		return
	}
	s.carry(ctx, p)
}

// passage is a client that wants a tunnel.
type passage struct {
	client      net.Conn
	early       []byte // what was read from it already
	info        *event.Flow
	established bool         // it was told that the tunnel is there
	secured     *destination // its TLS ends here, and TLS to this server takes its place; nil for bytes as they are
}

// carry connects to where the client wants to go and relays what both say.
func (s *Server) carry(ctx context.Context, p passage) {
	f := s.cfg.Begin(p.info)
	ctx = f.Within(ctx)
	var stats stream.Stats
	defer func() { f.End(stats) }()

	// A client that closes before it has its answer has left: there is nothing yet to half-close.
	waiting := tcpproxy.Attend(ctx, p.client, 0)
	upstream, err := s.reach(waiting.Context(), f, p)
	early, left := waiting.End()
	if left != nil {
		if upstream != nil {
			upstream.Close()
		}
		p.client.Close()
		stats.Err = left
		return
	}
	if err != nil {
		stats.Err = err
		if ctx.Err() != nil {
			stats.Err = context.Cause(ctx)
		}
		s.cfg.Logger.Debug("tunnel fails", "target", p.info.Target, "error", err)
		if ctx.Err() != nil || p.established {
			p.client.Close()
			return
		}
		dismiss(p.client, refused(p.info.Target, err))
		return
	}
	if !p.established {
		if _, err := io.WriteString(p.client, established); err != nil {
			stats.Err = err
			upstream.Close()
			p.client.Close()
			return
		}
	}
	stats = f.Relay(ctx, p.client, upstream, append(p.early, early...))
}

// reach connects to the upstream of a tunnel.
func (s *Server) reach(ctx context.Context, f *tcpproxy.Flow, p passage) (net.Conn, error) {
	conn, err := f.Dial(ctx, p.info.Target)
	if err != nil || p.secured == nil {
		return conn, err
	}
	secured, err := s.transport.secure(ctx, &upstreamConn{Conn: conn}, p.secured.serverName(), nil)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("upstream %s: %w", p.info.Target, err)
	}
	return secured, nil
}

// dismiss answers with a refusal and closes, so that the answer is not lost to what the client had sent meanwhile: a socket that is
// closed with unread data resets the connection (RFC 9112, section 9.6).
func dismiss(client net.Conn, why *refusal) {
	defer client.Close()
	_ = client.SetDeadline(time.Now().Add(farewell))
	if why.respond(client) != nil {
		return
	}
	if half, ok := client.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, client, 256<<10)
	}
}
