package proxyengine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Mapping says that what connects to a local address goes to an upstream: "9090=https://www.example.com" or
// "0.0.0.0:15432=psql://db.internal:5432". Parse one with [ParseMapping]; the zero value is not a mapping.
type Mapping struct {
	// Bind is the local address. Port 0 asks the system for a free one.
	Bind netip.AddrPort
	// Protocol is "" (bytes of any kind), or one of http, https, psql, psqls, tls, tcp.
	Protocol string
	// Host is the upstream's name or IP address, without brackets.
	Host string
	// Port is the upstream's port, 1–65535.
	Port uint16
}

// protocol describes one protocol of the right side of a mapping.
type protocol struct {
	name string
	port uint16 // default port; 0: it has to be written
	http bool   // parsed as HTTP
}

// protocols are the accepted protocols, in the order in which errors name them.
var protocols = []protocol{
	{name: "http", port: 80, http: true},
	{name: "https", port: 443, http: true},
	{name: "psql", port: 5432},
	{name: "psqls", port: 5432},
	{name: "tls"},
	{name: "tcp"},
}

func protocolNamed(name string) (protocol, bool) {
	i := slices.IndexFunc(protocols, func(p protocol) bool { return p.name == name })
	if i < 0 {
		return protocol{}, false
	}
	return protocols[i], true
}

// ParseMapping parses LEFT=RIGHT. LEFT is a port, which binds to 127.0.0.1, or an IP address and a port; RIGHT is host:port or
// protocol://host[:port] with one of http (80), https (443), psql and psqls (5432), tls and tcp (the port must be written).
// IPv6 addresses stand in brackets on both sides.
func ParseMapping(s string) (Mapping, error) {
	m, err := parseMapping(strings.TrimSpace(s))
	if err != nil {
		return Mapping{}, fmt.Errorf("mapping %q: %w", s, err)
	}
	return m, nil
}

func parseMapping(s string) (Mapping, error) {
	left, right, ok := strings.Cut(s, "=")
	if !ok {
		return Mapping{}, fmt.Errorf("no %q in it; write LEFT=RIGHT, such as 9090=https://www.example.com", "=")
	}
	bind, err := parseBind(left)
	if err != nil {
		return Mapping{}, err
	}
	m := Mapping{Bind: bind}
	var std uint16
	if name, rest, found := strings.Cut(right, "://"); found {
		p, known := protocolNamed(strings.ToLower(name))
		if !known {
			return Mapping{}, fmt.Errorf("unknown protocol %q; use one of %s", name, protocolNames())
		}
		m.Protocol, std, right = p.name, p.port, rest
		if p.http {
			right = strings.TrimSuffix(right, "/")
		}
	}
	m.Host, m.Port, err = parseTarget(right, std)
	return m, err
}

func protocolNames() string {
	names := make([]string, len(protocols))
	for i, p := range protocols {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

func parseBind(left string) (netip.AddrPort, error) {
	if left == "" {
		return netip.AddrPort{}, fmt.Errorf("no local port before %q; write it as in 9090=…", "=")
	}
	if !strings.Contains(left, ":") {
		port, err := parsePort(left, 0)
		if err != nil {
			return netip.AddrPort{}, err
		}
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port), nil
	}
	host, text, err := net.SplitHostPort(left)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("local address %q: write port, ip:port or [ipv6]:port", left)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf(
			"local address %q: %q is not an IP address; use 127.0.0.1 for this machine only, 0.0.0.0 for all", left, host)
	}
	port, err := parsePort(text, 0)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ip, port), nil
}

// parseTarget splits the upstream's host and port; std is the port where none is written, 0 when one has to be.
func parseTarget(right string, std uint16) (string, uint16, error) {
	if right == "" {
		return "", 0, errors.New("no upstream in it; write LEFT=host:port or LEFT=protocol://host")
	}
	host, text, found := splitTarget(right)
	if !found {
		if strings.Contains(host, ":") && host == right {
			return "", 0, fmt.Errorf("upstream %q is neither host:port nor [ipv6]:port", right)
		}
		if std == 0 {
			return "", 0, fmt.Errorf("upstream %q has no port; write host:port", right)
		}
		return host, std, checkHost(host)
	}
	port, err := parsePort(text, 1)
	if err != nil {
		return "", 0, err
	}
	return host, port, checkHost(host)
}

// splitTarget splits host[:port], the host in brackets when it is an IPv6 address. A text that is neither comes back whole, as
// a host that checkHost refuses.
func splitTarget(s string) (host, port string, found bool) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, port, true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return s[1 : len(s)-1], "", false
	}
	return s, "", false
}

// checkHost refuses what can be neither a host name nor an IP address.
func checkHost(host string) error {
	if host == "" {
		return errors.New("the upstream has no host; write host:port")
	}
	if strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		if err != nil || !ip.Is6() {
			return fmt.Errorf("upstream %q is neither host:port nor [ipv6]:port", host)
		}
		// A zone is free text; these would not come back from [host]:port as they were.
		if strings.ContainsAny(ip.Zone(), "[]=/@?#") || strings.ContainsFunc(ip.Zone(), notPrintable) {
			return fmt.Errorf("upstream %q: the zone of the address has a character that does not belong there", host)
		}
		return nil
	}
	if i := strings.IndexAny(host, "/?#@=[]\\%*"); i >= 0 {
		return fmt.Errorf("upstream %q: %q does not belong into a host; only host and port are mapped, no path, user or wildcard",
			host, host[i:i+1])
	}
	if strings.ContainsFunc(host, notPrintable) {
		return fmt.Errorf("upstream %q: blanks and control characters do not belong into a host", host)
	}
	return nil
}

func notPrintable(r rune) bool {
	return unicode.IsSpace(r) || !unicode.IsPrint(r)
}

func parsePort(s string, low uint64) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n < low || s[0] == '+' {
		return 0, fmt.Errorf("port %q is not a number from %d to 65535", s, low)
	}
	return uint16(n), nil
}

// HTTP says whether the traffic is parsed as HTTP, so that faults are counted by exchange and not by connection.
func (m Mapping) HTTP() bool {
	p, ok := protocolNamed(m.Protocol)
	return ok && p.http
}

// Target is the upstream as host:port.
func (m Mapping) Target() string {
	return net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port)))
}

// String formats the mapping in its shortest form; [ParseMapping] gives the same mapping back.
func (m Mapping) String() string {
	var b strings.Builder
	if m.Bind.Addr() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		b.WriteString(strconv.Itoa(int(m.Bind.Port())))
	} else {
		b.WriteString(m.Bind.String())
	}
	b.WriteByte('=')
	p, ok := protocolNamed(m.Protocol)
	if !ok {
		b.WriteString(m.Target())
		return b.String()
	}
	b.WriteString(p.name + "://")
	switch {
	case p.port == 0 || p.port != m.Port:
		b.WriteString(m.Target())
	case strings.Contains(m.Host, ":"):
		b.WriteString("[" + m.Host + "]")
	default:
		b.WriteString(m.Host)
	}
	return b.String()
}

// MarshalText formats the mapping as String does.
func (m Mapping) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText parses a mapping as [ParseMapping] does.
func (m *Mapping) UnmarshalText(text []byte) error {
	parsed, err := ParseMapping(string(text))
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}
