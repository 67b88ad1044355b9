package tcpproxy

import (
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unpaced is for the Control of a [net.ListenConfig] or a [net.Dialer], and touches sockets that listen on, or connect to, a loopback
// address. Where the system's congestion control is BBR, it takes Reno for them, which every kernel has and every user may choose
// (tcp(7)); accepted connections inherit it. BBR models a path that has a bottleneck and sends no faster than that, by a timer. A
// connection that stays on the machine has none: there BBR takes its own hesitation for one, and a proxy, whose bytes go over two
// such connections, twice. It never fails: a socket that keeps its congestion control works as well, only slower.
//
// It must be done before the connection is made, because a socket that BBR had once goes on pacing.
func Unpaced(_, address string, c syscall.RawConn) error {
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Unmap().IsLoopback() {
		_ = c.Control(unpace) // fails on a socket that is closed, which the caller will see
	}
	return nil
}

func unpace(fd uintptr) {
	name, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	if err == nil && strings.HasPrefix(name, "bbr") {
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
	}
}
