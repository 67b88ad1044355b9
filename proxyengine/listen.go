package proxyengine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// BindError says which address could not be bound, and why.
type BindError struct {
	// Address is the address as host:port.
	Address string
	// Mapping is the mapping that wants it, "" for the HTTP proxy.
	Mapping string
	// Err is the cause.
	Err error
}

// Error is one line that says what to do.
func (e *BindError) Error() string {
	what := "the HTTP proxy"
	if e.Mapping != "" {
		what = "mapping " + e.Mapping
	}
	var reason string
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		reason = "address already in use: another process " + holds(e.Address) + "; stop it, or choose another port for " + what
	case errors.Is(e.Err, os.ErrPermission):
		reason = "permission denied: ports below 1024 belong to the system; choose a higher port for " + what
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		reason = "this machine does not have that address; choose 127.0.0.1 or one of its own for " + what
	case errors.Is(e.Err, syscall.EMFILE), errors.Is(e.Err, syscall.ENFILE):
		reason = "too many open files; raise the limit (ulimit -n)"
	default:
		var op *net.OpError
		if errors.As(e.Err, &op) {
			reason = op.Err.Error()
		} else {
			reason = e.Err.Error()
		}
	}
	return fmt.Sprintf("bind %s: %s", e.Address, reason)
}

// firstEphemeral is where Linux's range of ports for outgoing connections begins unless somebody moved it; other systems begin later.
const firstEphemeral = 32768

// holds says what a process does with an address that cannot be had. A connection that goes out from a port keeps it, too, and for a
// minute after its end.
func holds(address string) string {
	_, port, _ := net.SplitHostPort(address)
	if n, err := strconv.Atoi(port); err == nil && n >= firstEphemeral {
		return fmt.Sprintf("listens there, or a connection goes out from there, as happens from port %d up", firstEphemeral)
	}
	return "listens there"
}

// Unwrap returns the cause.
func (e *BindError) Unwrap() error { return e.Err }

func bind(ctx context.Context, address, mapping string) (net.Listener, error) {
	lc := net.ListenConfig{Control: tcpproxy.Unpaced}
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &BindError{Address: address, Mapping: mapping, Err: err}
	}
	return ln, nil
}

// reaches says whether a connection to addr arrives at a listener that is bound to bound.
func reaches(addr, bound netip.AddrPort) bool {
	if addr.Port() != bound.Port() || bound.Port() == 0 {
		return false
	}
	ip, at := addr.Addr().Unmap().WithZone(""), bound.Addr().Unmap().WithZone("")
	if ip == at || ip.IsUnspecified() && (at.IsLoopback() || at.IsUnspecified()) {
		return true
	}
	return at.IsUnspecified() && isLocal(ip)
}

// isLocal says whether ip is an address of this machine.
func isLocal(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if local, ok := netip.AddrFromSlice(n.IP); ok && local.Unmap() == ip {
				return true
			}
		}
	}
	return false
}

// addrPort is the address of a listener; the zero value where it is not an IP address.
func addrPort(ln net.Listener) netip.AddrPort {
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}
