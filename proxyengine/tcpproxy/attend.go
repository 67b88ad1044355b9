package tcpproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// ErrLeft says that the client went away before its upstream was reached.
var ErrLeft = errors.New("the client left before the upstream was reached")

const (
	// attendAfter is when a client that waits is attended to: most dials are over before, and then cost nothing extra.
	attendAfter = 100 * time.Millisecond
	// attendMost is how much of what a waiting client sends is kept; more stays in the system's buffers.
	attendMost = 64 << 10
)

// past is a deadline that interrupts a blocked read.
var past = time.Unix(1, 0)

// Attendance watches a client while its upstream is being reached, because a proxy that only waits for the upstream would not
// notice a client that leaves.
type Attendance struct {
	conn   net.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	linger time.Duration
	done   chan struct{} // closed when the reading is over
	early  []byte        // owned by the reading until done
}

// Attend starts watching conn, which nobody else may read until End. A client that closes its sending half may still want its
// answer; it is given linger to get its upstream.
func Attend(ctx context.Context, conn net.Conn, linger time.Duration) *Attendance {
	a := &Attendance{conn: conn, linger: linger, done: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	a.timer = time.AfterFunc(attendAfter, a.read)
	return a
}

// Context is done when the client left, or when the context given to Attend is.
func (a *Attendance) Context() context.Context { return a.ctx }

// End stops watching. It returns what the client sent meanwhile, and ErrLeft when it left.
func (a *Attendance) End() (early []byte, err error) {
	if !a.timer.Stop() {
		_ = a.conn.SetReadDeadline(past)
		<-a.done
		_ = a.conn.SetReadDeadline(time.Time{})
	}
	if errors.Is(context.Cause(a.ctx), ErrLeft) {
		err = ErrLeft
	}
	a.cancel(nil)
	return a.early, err
}

func (a *Attendance) read() {
	defer close(a.done)
	buf := make([]byte, 4<<10)
	for len(a.early) < attendMost {
		n, err := a.conn.Read(buf)
		a.early = append(a.early, buf[:n]...)
		switch {
		case err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			return // End was called
		case errors.Is(err, io.EOF):
			a.halfClosed()
			return
		default:
			a.cancel(ErrLeft)
			return
		}
	}
}

// halfClosed lets the client's patience run out: over TCP nobody can tell a half-closed connection from one that is gone.
func (a *Attendance) halfClosed() {
	timer := time.AfterFunc(a.linger, func() { a.cancel(ErrLeft) })
	context.AfterFunc(a.ctx, func() { timer.Stop() })
}
