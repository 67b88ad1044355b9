package tcpproxy

import (
	"context"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fault-project/fault/proxyengine/event"
)

// congestion is the congestion control of a socket; with set, another one is chosen before.
func congestion(t *testing.T, c syscall.Conn, set string) (name string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		if set != "" {
			if inner = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, set); inner != nil {
				return
			}
		}
		name, inner = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	})
	if err != nil {
		t.Fatal(err)
	}
	if inner != nil {
		t.Skipf("congestion control %q: %v", set, inner)
	}
	return name
}

// TestUnpaced gives it sockets of every kind: only what is BBR and stays on the machine changes.
func TestUnpaced(t *testing.T) {
	for _, test := range []struct{ set, address, want string }{
		{"bbr", "127.0.0.1:80", "reno"},
		{"bbr", "127.9.9.9:0", "reno"},
		{"bbr", "[::1]:80", "reno"},
		{"bbr", "[::ffff:127.0.0.1]:80", "reno"},
		{"bbr", "192.0.2.1:80", "bbr"},
		{"bbr", "0.0.0.0:80", "bbr"},
		{"bbr", "[::]:80", "bbr"},
		{"bbr", "no address", "bbr"},
		{"cubic", "127.0.0.1:80", "cubic"},
	} {
		t.Run(test.set+" "+test.address, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			c := ln.(*net.TCPListener)
			congestion(t, c, test.set)
			raw, err := c.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := Unpaced("tcp", test.address, raw); err != nil {
				t.Error(err)
			}
			if got := congestion(t, c, ""); got != test.want {
				t.Errorf("it is %s then, want %s", got, test.want)
			}
		})
	}
}

// TestLocalConnectionsAreNotPaced looks at both ends of a connection that the dialer makes to a listener that is made for it.
func TestLocalConnectionsAreNotPaced(t *testing.T) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if controlErr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr")
		}); controlErr != nil {
			return controlErr
		}
		if err != nil {
			return err
		}
		return Unpaced("tcp", "127.0.0.1:0", c)
	}}
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer ln.Close()
	d := Dialer{Sink: func(event.Event) {}}
	dialed, err := d.DialFlow(context.Background(), nil, ln.Addr().String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if got := congestion(t, accepted.(*net.TCPConn), ""); got != "reno" {
		t.Errorf("an accepted connection has %s", got)
	}
	if got := congestion(t, dialed.(*net.TCPConn), ""); got == "bbr" { // where the system has another one it stays
		t.Errorf("a dialed connection has %s", got)
	}
}
