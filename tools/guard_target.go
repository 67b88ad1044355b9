package tools

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// TargetGuard decides which endpoints may be given load: those on this machine's loopback interface, and those that the person
// who started fault allowed by name (--allow-target). The decision is made on what is written, never on what a name resolves to
// at the moment, so that no name server can turn a foreign host into a local one. The zero value allows loopback only. A
// TargetGuard is immutable and safe for concurrent use.
type TargetGuard struct {
	allowed []targetRule
}

// targetRule is one allowed target. Empty parts match anything.
type targetRule struct {
	scheme string // "", "http" or "https"
	host   string // lower case, no trailing dot; ".example.com" for every name below example.com
	port   string
}

// NewTargetGuard parses what may be called beside loopback: host, host:port, an http or https URL (its path does not count), or
// *.domain for every name below a domain. IPv6 literals with a port stand in brackets. The error is a *[UserError].
func NewTargetGuard(allow []string) (*TargetGuard, error) {
	g := &TargetGuard{}
	for _, a := range allow {
		r, err := parseTargetRule(strings.TrimSpace(a))
		if err != nil {
			return nil, err
		}
		g.allowed = append(g.allowed, r)
	}
	return g, nil
}

func parseTargetRule(text string) (targetRule, error) {
	bad := func(why string) (targetRule, error) {
		return targetRule{}, &UserError{
			Argument: "--allow-target",
			Message:  fmt.Sprintf("%q %s", text, why),
			Hint:     "give a host, host:port, http(s)://host[:port] or *.domain",
		}
	}
	var r targetRule
	rest := text
	if scheme, after, ok := strings.Cut(text, "://"); ok {
		r.scheme = strings.ToLower(scheme)
		if r.scheme != "http" && r.scheme != "https" {
			return bad("has a scheme that no load is sent with")
		}
		rest, _, _ = strings.Cut(after, "/")
	}
	if strings.ContainsAny(rest, "/@?# ") {
		return bad("is not a target")
	}
	host, port := rest, ""
	if _, err := netip.ParseAddr(rest); err != nil { // a bare IPv6 literal has colons, but no port
		if h, p, err := net.SplitHostPort(rest); err == nil {
			host, port = h, p
		} else if strings.Contains(rest, ":") && !strings.HasPrefix(rest, "[") {
			return bad("has no valid port")
		}
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return bad("has no valid port")
		}
	}
	r.host, r.port = canonicalHost(host), port
	if below, ok := strings.CutPrefix(r.host, "*."); ok {
		r.host = "." + below
	}
	if strings.Trim(r.host, ".") == "" || strings.Contains(r.host, "*") {
		return bad("names no host")
	}
	return r, nil
}

// Check returns the parsed URL of a target that may be given load. proxies are the mappings (LEFT=RIGHT) that will listen
// meanwhile: where the URL is the listening end of one of them, the load reaches the mapping's far end, which then must be
// allowed too. The error is a *[UserError] about the argument url.
func (g *TargetGuard) Check(raw string, proxies []string) (*url.URL, error) {
	u, err := parseTarget(raw)
	if err != nil {
		return nil, err
	}
	if !g.allows(u.Scheme, u.Hostname(), portOf(u)) {
		return nil, g.refuse(u.Hostname(), portOf(u), "")
	}
	for _, p := range proxies {
		scheme, host, port, ok := farEnd(p, u)
		if ok && !g.allows(scheme, host, port) {
			return nil, g.refuse(host, port, fmt.Sprintf(" (the url is the listening end of proxy %q)", p))
		}
	}
	return u, nil
}

func parseTarget(raw string) (*url.URL, error) {
	const hint = "give an absolute address such as http://localhost:9090/"
	if strings.TrimSpace(raw) == "" {
		return nil, &UserError{Argument: "url", Message: "is missing", Hint: hint}
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil, &UserError{Argument: "url", Message: "cannot be parsed", Hint: hint} // the text may hold a password
	}
	if s := strings.ToLower(u.Scheme); s != "http" && s != "https" {
		return nil, &UserError{Argument: "url", Message: fmt.Sprintf("%q is no http or https address", u.Redacted()), Hint: hint}
	}
	if u.Hostname() == "" {
		return nil, &UserError{Argument: "url", Message: fmt.Sprintf("%q names no host", u.Redacted()), Hint: hint}
	}
	return u, nil
}

func (g *TargetGuard) refuse(host, port, why string) error {
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		return &UserError{
			Argument: "url",
			Message:  host + " is an address to listen on, not one to call",
			Hint:     "use 127.0.0.1 or localhost",
		}
	}
	target := net.JoinHostPort(host, port)
	return &UserError{
		Argument: "url",
		Message:  fmt.Sprintf("load is sent to this machine only, and %s is not allowed%s", target, why),
		Hint:     "start fault with --allow-target " + target + " to allow it",
	}
}

func (g *TargetGuard) allows(scheme, host, port string) bool {
	host = canonicalHost(host)
	if isLoopback(host) {
		return true
	}
	if g == nil {
		return false
	}
	for _, r := range g.allowed {
		if r.scheme != "" && r.scheme != scheme || r.port != "" && r.port != port {
			continue
		}
		// A URL without a port allows the default port of its scheme, not every port of the host.
		if r.scheme != "" && r.port == "" && port != defaultPort(r.scheme) {
			continue
		}
		if r.host == host || r.host[0] == '.' && strings.HasSuffix(host, r.host) {
			return true
		}
	}
	return false
}

// isLoopback reports whether host can only be this machine: a loopback literal, localhost, or a name below it (RFC 6761, 6.3).
func isLoopback(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func canonicalHost(h string) string {
	h = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]")
	if a, err := netip.ParseAddr(h); err == nil {
		return a.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(h, "."))
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return defaultPort(strings.ToLower(u.Scheme))
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// farEnd returns where the load on u goes if mapping listens on u's address. It reads only as much of a mapping as that takes;
// whoever opens the mapping validates it.
func farEnd(mapping string, u *url.URL) (scheme, host, port string, ok bool) {
	left, right, found := strings.Cut(mapping, "=")
	if !found {
		return "", "", "", false
	}
	listen, listenPort := "127.0.0.1", strings.TrimSpace(left)
	if h, p, err := net.SplitHostPort(listenPort); err == nil {
		listen, listenPort = h, p
	}
	if listenPort != portOf(u) || !sameMachine(canonicalHost(listen), canonicalHost(u.Hostname())) {
		return "", "", "", false
	}
	scheme = "http"
	right = strings.TrimSpace(right)
	if s, rest, found := strings.Cut(right, "://"); found {
		right = rest
		if s = strings.ToLower(s); s == "https" || s == "tls" {
			scheme = "https"
		}
	}
	host, port = right, defaultPort(scheme)
	if h, p, err := net.SplitHostPort(right); err == nil {
		host, port = h, p
	}
	return scheme, host, port, true
}

// sameMachine reports whether a connection to host may be accepted by a listener on listen.
func sameMachine(listen, host string) bool {
	if listen == host || isLoopback(listen) && isLoopback(host) {
		return true
	}
	a, err := netip.ParseAddr(listen)
	return err == nil && a.IsUnspecified()
}
