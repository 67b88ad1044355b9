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
		n, err := s.receive(int(fd), b.mem)
		switch {
		case n > 0:
			s.buf, s.n = b, n
			return true
		case err == syscall.EINTR: //nolint:errorlint // a system call's, as it is; the stack is small
			continue
		case err == syscall.EAGAIN: //nolint:errorlint // the same
			b.release()
			return false
		}
		b.release()
		s.n, s.err = 0, io.EOF
		if err != nil {
			s.err = os.NewSyscallError("read", err)
		}
		return true
	}
}
