package httpproxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// destination is where a request goes.
type destination struct {
	scheme  string // http or https
	host    string // what goes into Host: the name, with a port that is not the scheme's
	address string // host:port
	// name is the server that the client asks for in a TLS session that was opened, "" for the host of the address; opened says
	// that it is one.
	name   string
	opened bool
}

// serverName is whose certificate an upstream has to show.
func (d destination) serverName() string {
	if d.name != "" {
		return d.name
	}
	host, _, _ := net.SplitHostPort(d.address) // always host:port
	return host
}

// pool is what goes into the URL of requests, which decides about the connections that they share: none with those to another
// address, or to another server that is asked for there.
func (d destination) pool() string {
	host, port, _ := net.SplitHostPort(d.address) // always host:port
	if d.name == "" || d.name == host {
		return d.host
	}
	return net.JoinHostPort(d.name+"|"+host, port) // "|" is in no name
}

// server names the server that requests go to: what pool names, with the scheme.
func (d destination) server() string { return d.scheme + "://" + d.pool() }

// display is the request's URL as events show it: without user information and query, which may hold secrets.
func (d destination) display(u *url.URL) string {
	return d.scheme + "://" + d.host + u.EscapedPath()
}

// destination finds out where a request goes, or why it goes nowhere.
func (s *Server) destination(r *http.Request) (destination, *refusal) {
	if o := openedBy(r); o != nil {
		if r.Method == http.MethodConnect {
			return destination{}, &refusal{
				http.StatusMethodNotAllowed, "http_request_denied", "there is no tunnel to be had inside of a tunnel to " + o.to.address,
			}
		}
		return o.to, nil
	}
	if s.cfg.Mapping != "" {
		if r.Method == http.MethodConnect {
			return destination{}, &refusal{
				http.StatusMethodNotAllowed, "http_request_denied",
				"this address leads to " + s.cfg.Target + " and is not a proxy; CONNECT belongs to the HTTP proxy's address",
			}
		}
		return newDestination(s.cfg.Scheme, s.cfg.Target)
	}
	if authority, ok := s.origin(r); ok {
		return newDestination("http", authority)
	}
	switch {
	case r.URL.Host == "":
		return destination{}, &refusal{
			http.StatusBadRequest, "http_request_denied",
			"this address is an HTTP proxy: it wants whole URLs; give it to the client as HTTP_PROXY",
		}
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return destination{}, &refusal{
			http.StatusBadRequest, "http_request_denied",
			fmt.Sprintf("the proxy does not speak %q; it forwards http and https URLs, and tunnels anything with CONNECT", r.URL.Scheme),
		}
	}
	return newDestination(r.URL.Scheme, r.URL.Host)
}

// newDestination completes an authority (host, or host:port) with the scheme's port.
func newDestination(scheme, authority string) (destination, *refusal) {
	port := "80"
	if scheme == "https" {
		port = "443"
	}
	std := port
	host := authority
	if h, p, err := net.SplitHostPort(authority); err == nil {
		host, port = h, p
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if port == "" {
		port = std // "host:" is allowed by RFC 3986, section 3.2.3
	}
	address, err := joinAddress(host, port)
	if err != nil {
		return destination{}, &refusal{http.StatusBadRequest, "http_request_error", err.Error()}
	}
	d := destination{scheme: scheme, host: address, address: address}
	if port == std {
		d.host = host
		if strings.Contains(host, ":") {
			d.host = "[" + host + "]"
		}
	}
	return d, nil
}

// parseAuthority checks the target of a CONNECT, which is host:port with nothing left out (RFC 9110, section 9.3.6).
func parseAuthority(s string) (address string, err error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("CONNECT target %q is not host:port", s)
	}
	return joinAddress(host, port)
}

func joinAddress(host, port string) (string, error) {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
		return "", fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	if !validHost(host) {
		return "", fmt.Errorf("%q is not a host", host)
	}
	return net.JoinHostPort(host, strings.TrimLeft(port, "0")), nil
}

// validHost accepts IP addresses and names of letters, digits and what else is found in names, without anything that could mean
// something else to whoever reads it next.
func validHost(host string) bool {
	if strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Zone() == ""
	}
	if host == "" || len(host) > 255 {
		return false
	}
	for _, r := range host {
		if r <= ' ' || r == 0x7f || strings.ContainsRune("/?#@[]\\%<>\"^`{|}*,;=&$!'()+", r) || r == 0xfffd {
			return false
		}
	}
	return true
}
