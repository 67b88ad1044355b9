//go:build !linux

package tcpproxy

import "syscall"

// Unpaced is for the Control of a [net.ListenConfig] or a [net.Dialer]. It does nothing on this platform.
func Unpaced(string, string, syscall.RawConn) error { return nil }
