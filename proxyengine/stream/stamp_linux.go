package stream

import (
	"encoding/binary"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stamper reads from sockets, and knows when the bytes arrived where the system tells: on TCP, once it was asked to note that.
type stamper struct {
	asking bool      // receive asks for the note that the socket made
	note   []byte    // where that is read to; nil when the socket makes none
	stamp  time.Time // of what was read last, by the wall clock; zero when there is none
}

// ask lets read ask for stamps, or not any more: it is a little dearer with them. The socket goes on noting, which changes nothing for
// reads that do not ask. Wrapped connections, TLS for one, have no stamps.
func (s *source) ask(on bool) {
	s.asking, s.stamp = false, time.Time{}
	if _, tcp := s.conn.(*net.TCPConn); !on || !tcp || s.raw == nil {
		return
	}
	if s.note == nil {
		_ = s.raw.Control(func(fd uintptr) {
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) == nil {
				s.note = make([]byte, 64)
			}
		})
	}
	s.asking = s.note != nil
}

// receive is read(2), and with stamps recvmsg(2). What it reads at once may have come in several segments; the stamp is that of the
// last one.
func (s *stamper) receive(fd int, mem []byte) (int, error) {
	if !s.asking {
		return syscall.Read(fd, mem)
	}
	return s.receiveNoted(fd, mem)
}

// receiveNoted is apart from receive, and not inlined there, because it takes much more of the stack, which idle connections that do
// not ask need not have.
//
//go:noinline
func (s *stamper) receiveNoted(fd int, mem []byte) (int, error) {
	n, noted, _, _, err := unix.Recvmsg(fd, mem, s.note, 0)
	s.stamp = time.Time{}
	if err == nil && noted > 0 {
		s.stamp = stampOf(s.note[:noted])
	}
	return n, err
}

// stampOf reads the stamp in a control message (socket(7), SO_TIMESTAMPNS: a struct timespec), or returns the zero time.
func stampOf(note []byte) time.Time {
	for len(note) >= unix.CmsgLen(0) {
		head, data, rest, err := unix.ParseOneSocketControlMessage(note)
		if err != nil {
			break
		}
		if head.Level == unix.SOL_SOCKET && head.Type == unix.SCM_TIMESTAMPNS {
			switch len(data) {
			case 16:
				return time.Unix(int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:])))
			case 8:
				return time.Unix(int64(int32(binary.NativeEndian.Uint32(data))), int64(binary.NativeEndian.Uint32(data[4:])))
			}
		}
		note = rest
	}
	return time.Time{}
}
