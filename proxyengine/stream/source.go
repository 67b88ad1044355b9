package stream

import (
	"net"
	"syscall"
)

// idleBuffer is what a connection that cannot say whether it is readable keeps while it is idle.
const idleBuffer = 4 << 10

// source reads from a connection. Where the system allows it, an idle connection costs no buffer.
type source struct {
	conn    net.Conn
	raw     syscall.RawConn // nil when readability cannot be waited for
	attempt func(fd uintptr) bool
	size    int // of the next buffer, without raw
	stamper

	// The outcome of attempt.
	buf *buffer
	n   int
	err error

	late error // came together with bytes
}

func newSource(c net.Conn) *source {
	s := &source{conn: c, size: idleBuffer}
	switch c := c.(type) {
	case *net.TCPConn:
		s.raw, _ = c.SyscallConn()
	case *net.UnixConn:
		s.raw, _ = c.SyscallConn()
	}
	if !readsRaw {
		s.raw = nil
	}
	s.attempt = s.try
	return s
}

// read blocks until bytes are there, and returns them in a buffer that belongs to the caller, or an error: io.EOF at the end,
// one that is os.ErrDeadlineExceeded when the read deadline passed.
func (s *source) read() (b *buffer, n int, err error) {
	if s.late != nil {
		err, s.late = s.late, nil
		return nil, 0, err
	}
	if s.raw != nil {
		return s.readRaw()
	}
	b = newBuffer(s.size)
	n, err = s.conn.Read(b.mem)
	if n == 0 {
		b.release()
		return nil, 0, err
	}
	s.late = err
	switch {
	case n == len(b.mem):
		s.size = maxBuffer
	case n < idleBuffer/2:
		s.size = idleBuffer
	}
	return b, n, nil
}

// readRaw waits in the netpoller and takes a buffer only when the connection is readable.
func (s *source) readRaw() (*buffer, int, error) {
	s.buf, s.n, s.err = nil, 0, nil
	if err := s.raw.Read(s.attempt); err != nil {
		return nil, 0, err
	}
	b := s.buf
	s.buf = nil
	return b, s.n, s.err
}
