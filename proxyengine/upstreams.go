package proxyengine

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Upstreams selects the HTTP traffic that faults act on, by where it goes. The zero value selects all of it.
type Upstreams struct {
	patterns []pattern
}

// pattern is one selected upstream; empty fields match anything.
type pattern struct {
	any    bool // "*"
	scheme string
	host   string
	port   uint16
}

// ParseUpstreams parses patterns, each of them a host (any scheme and port), host:port (any scheme), an http or https URL (its
// scheme, host and port; a path does not count) or "*" (everything). An entry may hold several, separated by commas; no pattern
// at all selects everything. Names are compared as text, in any letter case: nothing is looked up.
func ParseUpstreams(list []string) (Upstreams, error) {
	var u Upstreams
	for _, entry := range list {
		for s := range strings.SplitSeq(entry, ",") {
			if s = strings.TrimSpace(s); s == "" {
				continue
			}
			p, err := parsePattern(s)
			if err != nil {
				return Upstreams{}, fmt.Errorf("upstream %q: %w", s, err)
			}
			if !slices.Contains(u.patterns, p) {
				u.patterns = append(u.patterns, p)
			}
		}
	}
	return u, nil
}

func parsePattern(s string) (pattern, error) {
	if s == "*" {
		return pattern{any: true}, nil
	}
	if strings.Contains(s, "://") {
		return parseURLPattern(s)
	}
	s = strings.TrimSuffix(s, "/")
	host, text, found := splitTarget(s)
	if _, err := netip.ParseAddr(s); err == nil {
		host, found = s, false // IPv6 without brackets
	}
	host = canonicalHost(host)
	if err := checkPatternHost(host); err != nil {
		return pattern{}, err
	}
	p := pattern{host: host}
	if found {
		port, err := parsePort(text, 1)
		if err != nil {
			return pattern{}, err
		}
		p.port = port
	}
	return p, nil
}

func parseURLPattern(s string) (pattern, error) {
	u, err := url.Parse(s)
	if err != nil {
		return pattern{}, errors.New("not a URL; write a host, host:port, an http or https URL, or *")
	}
	p := pattern{scheme: canonicalScheme(u.Scheme), host: canonicalHost(u.Hostname()), port: defaultPort(u.Scheme)}
	if p.port == 0 {
		return pattern{}, fmt.Errorf("scheme %q is not http or https; write host:port for other traffic", u.Scheme)
	}
	if p.host == "*" && u.Port() == "" {
		p.host = "" // every host of that scheme, on its default port
		return p, nil
	}
	if strings.Contains(p.host, "%") {
		return pattern{}, errors.New("an address with a zone does not belong into a URL here; write [address%zone]:port")
	}
	if err := checkPatternHost(p.host); err != nil {
		return pattern{}, err
	}
	if u.Port() != "" {
		if p.port, err = parsePort(u.Port(), 1); err != nil {
			return pattern{}, err
		}
	}
	return p, nil
}

func checkPatternHost(host string) error {
	if strings.Contains(host, "*") {
		return fmt.Errorf("%q stands for everything and only alone; write whole host names otherwise", "*")
	}
	return checkHost(host)
}

// Match says whether traffic to host and port is selected. The scheme is "" where it is not known (a CONNECT tunnel): then a
// URL pattern matches by host and port alone.
func (u Upstreams) Match(scheme, host string, port uint16) bool {
	if len(u.patterns) == 0 {
		return true
	}
	scheme, host = canonicalScheme(scheme), canonicalHost(host)
	for _, p := range u.patterns {
		if p.any {
			return true
		}
		if (p.scheme == "" || scheme == "" || p.scheme == scheme) && (p.host == "" || p.host == host) &&
			(p.port == 0 || p.port == port) {
			return true
		}
	}
	return false
}

// All says whether everything is selected.
func (u Upstreams) All() bool {
	return len(u.patterns) == 0 || slices.ContainsFunc(u.patterns, func(p pattern) bool { return p.any })
}

// Strings formats the patterns so that [ParseUpstreams] gives the same selection back.
func (u Upstreams) Strings() []string {
	out := make([]string, 0, len(u.patterns))
	for _, p := range u.patterns {
		out = append(out, p.String())
	}
	return out
}

// String is the patterns in one line, "*" when everything is selected.
func (u Upstreams) String() string {
	if u.All() {
		return "*"
	}
	return strings.Join(u.Strings(), ",")
}

func (p pattern) String() string {
	if p.any {
		return "*"
	}
	host := p.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if host == "" {
		host = "*" // every host of a scheme
	}
	if p.port != 0 && (p.scheme == "" || p.port != defaultPort(p.scheme)) {
		host = fmt.Sprintf("%s:%d", host, p.port)
	}
	if p.scheme != "" {
		return p.scheme + "://" + host
	}
	return host
}

// canonicalScheme folds the WebSocket schemes into those they travel over (RFC 6455, section 3).
func canonicalScheme(s string) string {
	switch s = strings.ToLower(s); s {
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return s
}

// canonicalHost makes two spellings of one name equal: letter case, trailing dots, forms of an IP address.
func canonicalHost(h string) string {
	h = strings.TrimRight(strings.ToLower(h), ".")
	if ip, err := netip.ParseAddr(h); err == nil {
		return ip.Unmap().String()
	}
	return h
}

func defaultPort(scheme string) uint16 {
	switch canonicalScheme(scheme) {
	case "http":
		return 80
	case "https":
		return 443
	}
	return 0
}
