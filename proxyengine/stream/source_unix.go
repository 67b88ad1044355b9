//go:build unix

package stream

import (
	"io"
	"os"
	"syscall"
)

const readsRaw = true

// try reads without blocking. It is false when there is nothing to read: only after such a failed read does the netpoller, which
// is edge-triggered, wake the caller.
func (s *source) try(fd uintptr) bool {
	b := newBuffer(maxBuffer)
	for {
		n, err := syscall.Read(int(fd), b.mem)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			b.release()
			return false
		case n > 0:
			s.buf, s.n = b, n
			return true
		}
		b.release()
		s.n, s.err = 0, io.EOF
		if err != nil {
			s.err = os.NewSyscallError("read", err)
		}
		return true
	}
}
