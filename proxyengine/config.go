package proxyengine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/httpproxy"
)

// DefaultDrain is how long open connections may finish when Config.Drain is 0.
const DefaultDrain = 5 * time.Second

// Config is all that an engine needs to know. It is copied by [New].
type Config struct {
	// ProxyAddress is where the HTTP proxy listens (forward and CONNECT), as host:port or a port of 127.0.0.1. "" means that there
	// is none.
	ProxyAddress string
	// Mappings are the addresses that lead to one upstream each.
	Mappings []Mapping
	// Program is what happens from the moment that Run begins; Apply replaces it.
	Program Program
	// Seed decides the random draws; 0 means a random one, see [Engine.Seed].
	Seed uint64
	// Sink gets the engine's events; may be nil.
	Sink event.Sink
	// Drain is how long open connections may go on when Run is told to end; 0 means DefaultDrain, a negative value not at all.
	Drain time.Duration
	// HTTPUpstreamOverride, if not "", is [scheme://]host:port, with http or https: the exchanges of the HTTP proxy go there, whatever
	// they are meant for, with the Host of that upstream. Without a scheme that of the request holds. Which of them faults act on,
	// and what events say, is about what they were meant for. Tunnels, unless they are opened, and mappings go where they do.
	HTTPUpstreamOverride string
	// Intercept opens tunnels of the HTTP proxy; the zero value opens none.
	Intercept Intercept
	// UpstreamRoots are the authorities whose certificates are taken from upstreams; nil means those of the system.
	UpstreamRoots *x509.CertPool
	// UnknownAuthority is what clients and reports are told to do about an upstream whose certificate is of another authority, in a
	// few words; "" for nothing.
	UnknownAuthority string
	// Logger gets what only a developer wants to know; nil discards it.
	Logger *slog.Logger
}

// Intercept says which HTTPS traffic of the HTTP proxy is opened, so that it consists of exchanges and not of one tunnel for each
// connection. The engine stands in for the upstream towards the client, with a certificate that the client has to be made to trust;
// upstreams have to show their own.
type Intercept struct {
	// Hosts selects what is opened.
	Hosts Upstreams
	// Certificate returns a certificate, with its key, for a host name or an IP address. It is called concurrently, for each
	// connection anew. When it fails the traffic is not opened. nil opens none at all.
	Certificate func(host string) (*tls.Certificate, error)
}

// opens says whether what goes to address, host:port, is opened.
func (i Intercept) opens(address string) bool {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && i.Hosts.Match("https", host, uint16(port))
}

// Program is a set of faults, when they are active and which traffic they act on.
type Program struct {
	// Faults must not be changed once the program was given to the engine.
	Faults []fault.Spec
	// Upstreams selects the HTTP forward and CONNECT traffic that faults act on.
	Upstreams Upstreams
	// Total is the length of the run, of which relative schedules take their shares; 0 when there is none.
	Total time.Duration
	// Timeless says that relative schedules mean always, for runs that have no length. Without it they need Total.
	Timeless bool
	// Mappings are the mappings, in the spelling of [ParseMapping], that faults act on; nil means all.
	Mappings []string
}

// Validate reports the first thing that is wrong with the program.
func (p Program) Validate() error {
	if p.Total < 0 {
		return fmt.Errorf("the length of the run is negative: %s", p.Total)
	}
	for i, s := range p.Faults {
		if s == nil {
			return fmt.Errorf("fault %d is missing", i+1)
		}
		if err := s.Validate(); err != nil {
			return fmt.Errorf("%s: %w", s.Kind(), err)
		}
		if sched := s.Common().Schedule; sched.Relative() && p.Total == 0 && !p.Timeless {
			return fmt.Errorf("%s: schedule %q has percentages, but the run has no length to take them of; give a duration, or use times",
				s.Kind(), sched)
		}
	}
	for _, m := range p.Mappings {
		if _, err := ParseMapping(m); err != nil {
			return err
		}
	}
	return nil
}

// withDefaults validates c and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	if c.ProxyAddress == "" && len(c.Mappings) == 0 {
		return c, errors.New("nothing to listen on; give an address for the HTTP proxy or a mapping")
	}
	if c.ProxyAddress != "" {
		addr, err := listenAddress(c.ProxyAddress)
		if err != nil {
			return c, err
		}
		c.ProxyAddress = addr
	}
	if err := checkMappings(c.Mappings); err != nil {
		return c, err
	}
	for _, m := range c.Mappings {
		if m.Bind.Port() != 0 && m.Bind.String() == c.ProxyAddress {
			return c, fmt.Errorf("mapping %s has the address of the HTTP proxy, %s; give one of them another port", m, c.ProxyAddress)
		}
	}
	if err := c.Program.Validate(); err != nil {
		return c, err
	}
	if c.Intercept.Certificate != nil && c.ProxyAddress == "" {
		return c, errors.New("there is no HTTP proxy whose tunnels could be opened; give it an address")
	}
	if _, err := parseOverride(c.HTTPUpstreamOverride); err != nil {
		return c, err
	}
	c.Mappings = slices.Clone(c.Mappings)
	for c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if c.Drain == 0 {
		c.Drain = DefaultDrain
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// parseOverride parses [scheme://]host:port; a known scheme's port may be left out. "" is none.
func parseOverride(s string) (httpproxy.Override, error) {
	var o httpproxy.Override
	if s == "" {
		return o, nil
	}
	rest := s
	var std uint16
	if name, after, found := strings.Cut(s, "://"); found {
		p, known := protocolNamed(strings.ToLower(name))
		if !known || !p.http {
			return o, fmt.Errorf("upstream override %q: write http:// or https://, or no scheme at all", s)
		}
		o.Scheme, std, rest = p.name, p.port, strings.TrimSuffix(after, "/")
	}
	host, port, err := parseTarget(rest, std)
	if err != nil {
		return o, fmt.Errorf("upstream override: %w", err)
	}
	o.Target = net.JoinHostPort(host, strconv.Itoa(int(port)))
	return o, nil
}

// listenAddress completes a port alone to an address of this machine.
func listenAddress(s string) (string, error) {
	if !strings.Contains(s, ":") {
		s = "127.0.0.1:" + s
	}
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = parsePort(port, 0)
	}
	if err != nil {
		return "", fmt.Errorf("proxy address %q: write host:port, such as 127.0.0.1:3180", s)
	}
	return s, nil
}

// checkMappings refuses mappings that cannot stand side by side.
func checkMappings(list []Mapping) error {
	for i, m := range list {
		if !m.Bind.IsValid() || m.Host == "" || m.Port == 0 {
			return fmt.Errorf("mapping %d is not complete", i+1)
		}
		for _, other := range list[:i] {
			if m == other {
				return fmt.Errorf("mapping %s is given twice", m)
			}
			if m.Bind == other.Bind && m.Bind.Port() != 0 {
				return fmt.Errorf("mappings %s and %s share the address %s; give each its own port", other, m, m.Bind)
			}
		}
	}
	return nil
}
