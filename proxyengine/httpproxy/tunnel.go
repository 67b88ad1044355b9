package httpproxy

import (
	"errors"
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
		(&refusal{http.StatusNotImplemented, "proxy_internal_response", "no CONNECT over this connection: " + err.Error()}).write(w)
		return
	}
	info.Kind, info.Target, info.Method = event.Tunnel, address, ""
	f := s.cfg.Begin(info)
	var stats stream.Stats
	defer func() { f.End(stats) }()

	// A client that closes before it has its answer has left: there is nothing yet to half-close.
	waiting := tcpproxy.Attend(ctx, client, 0)
	upstream, err := f.Dial(waiting.Context(), address)
	early, left := waiting.End()
	if left != nil {
		if upstream != nil {
			upstream.Close()
		}
		client.Close()
		stats.Err = left
		return
	}
	if err != nil {
		stats.Err = err
		s.cfg.Logger.Debug("tunnel fails", "target", address, "error", err)
		if ctx.Err() != nil {
			client.Close()
			return
		}
		dismiss(client, refused(address, err))
		return
	}
	if _, err := io.WriteString(client, established); err != nil {
		stats.Err = err
		upstream.Close()
		client.Close()
		return
	}
	stats = f.Relay(ctx, client, upstream, append(unread(buffered.Reader), early...))
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
