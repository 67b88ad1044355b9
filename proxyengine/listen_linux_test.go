package proxyengine

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLocalListenersDoNotPace needs a system whose congestion control is BBR.
func TestLocalListenersDoNotPace(t *testing.T) {
	if name, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err != nil || !strings.HasPrefix(string(name), "bbr") {
		t.Skipf("congestion control %q, %v", name, err)
	}
	for address, want := range map[string]string{"127.0.0.1:0": "reno", "0.0.0.0:0": "bbr"} {
		ln, err := bind(context.Background(), address, "")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		raw, err := ln.(*net.TCPListener).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if controlErr := raw.Control(func(fd uintptr) {
			got, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		}); controlErr != nil || err != nil {
			t.Fatal(controlErr, err)
		}
		if got != want {
			t.Errorf("a listener on %s has %s, want %s", address, got, want)
		}
	}
}
