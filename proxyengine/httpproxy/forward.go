package httpproxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Override is where the exchanges of the HTTP proxy go instead of where they are meant to; the zero value leaves them alone.
type Override struct {
	// Scheme is http or https, "" for that of the request.
	Scheme string
	// Target is host:port.
	Target string
}

// overridden is where a request goes that is meant to go to d.
func (s *Server) overridden(d destination) (destination, *refusal) {
	if s.cfg.Override.Target == "" || s.cfg.Mapping != "" {
		return d, nil
	}
	scheme := s.cfg.Override.Scheme
	if scheme == "" {
		scheme = d.scheme
	}
	return newDestination(scheme, s.cfg.Override.Target)
}

// origin is the authority that a request is for which does not name one in its target: over HTTP/2 it stands apart from the path
// (RFC 9113, section 8.3.1), and with an override it does not matter whether the client knows that it speaks to a proxy.
func (s *Server) origin(r *http.Request) (string, bool) {
	if r.URL.Host == "" && r.Host != "" && (r.ProtoMajor == 2 || s.cfg.Override.Target != "") {
		return r.Host, true
	}
	return "", false
}

// pseudonym is what the proxy calls itself in Via.
const pseudonym = "fault"

// forwards says whether the proxy is one that its client knows about. A mapping, and a tunnel that was opened, stand for the network
// on the way to the server, and leave no traces in messages.
func (x *exchange) forwards() bool { return x.s.cfg.Mapping == "" && openedBy(x.in) == nil }

// via adds the proxy to those that a message went through, as every proxy has to (RFC 9110, section 7.6.3). The version is that of
// the message as it was received.
func via(h http.Header, major, minor int) {
	version := strconv.Itoa(major)
	if major < 2 {
		version = fmt.Sprintf("%d.%d", major, minor)
	}
	h["Via"] = append(slices.Clone(h["Via"]), version+" "+pseudonym)
}

// secretFields are not told to whom a TRACE is answered (RFC 9110, section 9.3.8).
var secretFields = []string{"Authorization", "Cookie", "Proxy-Authorization"}

// lastHop counts Max-Forwards down, and answers the request itself where that was 0 (RFC 9110, section 7.6.2).
func lastHop(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions && r.Method != http.MethodTrace {
		return false
	}
	left, err := strconv.ParseUint(strings.TrimSpace(r.Header.Get("Max-Forwards")), 10, 31)
	if err != nil {
		return false // there is none, or none that means anything
	}
	if left > 0 {
		r.Header.Set("Max-Forwards", strconv.FormatUint(left-1, 10))
		return false
	}
	if r.Method == http.MethodOptions {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return true
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Proto, r.Host)
	shown := r.Header.Clone()
	for _, name := range secretFields {
		shown.Del(name)
	}
	_ = shown.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	w.Header().Set("Content-Type", "message/http")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(http.StatusOK)
	_, _ = io.Copy(w, &b) // a client that is gone misses nothing
	return true
}
