package httpproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// refusal is an answer that the proxy gives itself: a status, the error type of RFC 9209 that says so to programs, and one line
// for people.
type refusal struct {
	status int
	kind   string
	text   string
}

func (r *refusal) header() http.Header {
	return http.Header{
		"Content-Type": {"text/plain; charset=utf-8"},
		"Proxy-Status": {"fault; error=" + r.kind},
		// The text names what the client asked for.
		"X-Content-Type-Options": {"nosniff"},
	}
}

func (r *refusal) body() string { return "fault: " + r.text + "\n" }

func (r *refusal) write(w http.ResponseWriter) {
	for k, v := range r.header() {
		w.Header()[k] = v
	}
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.body()) //nolint:gosec // plain text, and a client that is gone misses nothing
}

// respond writes the refusal to a connection that no longer belongs to the HTTP server.
func (r *refusal) respond(w io.Writer) error {
	resp := &http.Response{
		StatusCode: r.status, ProtoMajor: 1, ProtoMinor: 1, Header: r.header(), Close: true,
		Body: io.NopCloser(strings.NewReader(r.body())), ContentLength: int64(len(r.body())),
	}
	return resp.Write(w)
}

// refused makes the answer for an upstream that could not be had.
func refused(address string, err error) *refusal {
	reason := tcpproxy.Reason(err)
	var dns *net.DNSError
	out := &refusal{status: http.StatusBadGateway, kind: "connection_terminated"}
	switch {
	case errors.Is(err, tcpproxy.ErrLoop):
		out.status, out.kind = http.StatusLoopDetected, "proxy_loop_detected"
	case errors.Is(err, errNoClientCertificate):
		out.kind, reason = "tls_alert_received", errNoClientCertificate.Error()
	case errors.As(err, &dns):
		out.kind = "dns_error"
	case errors.Is(err, syscall.ECONNREFUSED):
		out.kind = "connection_refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		out.kind = "destination_ip_unroutable"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		out.kind = "connection_timeout"
	case strings.Contains(reason, "x509:"):
		out.kind = "tls_certificate_error"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errUnanswered):
		reason = "it closed the connection before it had answered"
	case strings.Contains(reason, "malformed HTTP"):
		out.kind = "http_protocol_error"
	}
	out.text = fmt.Sprintf("upstream %s: %s", address, oneLine(reason))
	return out
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// oneLine keeps what an upstream managed to put into an error from breaking out of its line.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
