package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Stats is what a relay moved.
type Stats struct {
	// Up and Down are the bytes written to the upstream and to the client.
	Up, Down int64
	// FirstDown is when the first byte was written to the client; zero when none was.
	FirstDown time.Time
	// Err is what ended the relay early: the context's cause, ErrReset, ErrCut, ErrLinger, or the first error of a connection. It
	// is nil after an orderly end of both directions.
	Err error
}

// ErrReset says that a stage reset the stream.
var ErrReset = errors.New("stream reset by a fault")

// ErrLinger says that the end of a direction was swallowed by a fault, and that both connections were closed after
// [Options.Linger].
var ErrLinger = errors.New("closed: a fault swallowed the end of the stream")

// ErrCut says that a stage closed the connection.
var ErrCut = errors.New("connection closed by a fault")

// farewell is how long a connection that was cut may take to be closed by its peers.
const farewell = time.Second

// past is a read deadline that interrupts.
var past = time.Unix(1, 0)

// A Relay moves bytes between two connections, both ways. While a direction has no stages its bytes go from socket to socket,
// spliced where the system can; while it has, they pass the stages and are written when they are due.
//
// It keeps what TCP promises: a half-close is passed on as a half-close (CloseWrite, where the connection has it; else Close), and
// a reset as a reset. Bytes are never reordered, repeated or left out except by a stage.
type Relay struct {
	o     Options
	p     Path
	conns [2]end // by the direction that reads from it: the client, the upstream
	pumps [2]*pump
	last  atomic.Int32 // direction of the latest bytes plus one
	once  sync.Once
	done  chan struct{}              // closed when the relay is aborted or over
	parts atomic.Pointer[time.Timer] // ends the relay some time after it was cut; nil when it was not

	mu  sync.Mutex
	err error // the first error
}

// end is one of the two connections.
type end struct {
	net.Conn
	broken atomic.Bool // a write failed: an EOF read from here is not an orderly one
}

// NewRelay returns a relay between client and upstream, which belong to it from now on; Run closes them. A TLS connection must
// have done its handshake.
func NewRelay(client, upstream net.Conn, p Path, o Options) *Relay {
	r := &Relay{o: o.withDefaults(), p: p, done: make(chan struct{})}
	r.conns[Up].Conn, r.conns[Down].Conn = client, upstream
	for d := range r.pumps {
		r.pumps[d] = newPump(r, Dir(d))
	}
	r.pumps[Up].early = r.o.Early
	r.o.Early = nil
	return r
}

// Run moves bytes until both directions are done or ctx is done, and closes both connections before it returns: with a reset when
// ErrReset is the cause of ctx. It must be called once.
func (r *Relay) Run(ctx context.Context) Stats {
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), ErrReset) {
			r.abort(ErrReset, true)
		} else {
			r.abort(context.Cause(ctx), false)
		}
	})
	up := make(chan struct{})
	go func() {
		defer close(up)
		r.pumps[Up].run()
		r.outlive(r.pumps[Down])
	}()
	r.pumps[Down].run()
	r.outlive(r.pumps[Up])
	<-up
	stop()
	r.abort(nil, false)
	if timer := r.parts.Load(); timer != nil {
		timer.Stop()
	}
	for _, p := range r.pumps {
		if l := p.line.Load(); l != nil {
			l.close()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Up: r.pumps[Up].moved.Load(), Down: r.pumps[Down].moved.Load(), FirstDown: r.pumps[Down].first, Err: r.err}
}

// Poke tells the relay that the generation of its path changed: blocked reads are interrupted, what is queued is re-dued. It never
// blocks, does not call the path, and may be called by any goroutine at any time, also before and after Run.
func (r *Relay) Poke() {
	for _, p := range r.pumps {
		_ = p.src.SetReadDeadline(past) // fails only on a closed connection, which needs no interrupt
		if l := p.line.Load(); l != nil {
			l.notify()
		}
	}
}

// note keeps the first error that is not a consequence of closing.
func (r *Relay) note(err error) {
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// abort closes both connections, with a reset when asked to; it unblocks everything. Only the first call counts.
func (r *Relay) abort(err error, reset bool) {
	r.once.Do(func() {
		r.note(err)
		close(r.done)
		for i := range r.conns {
			closeConn(r.conns[i].Conn, reset)
		}
	})
}

// cut tells both peers that the connection is over. What they still send is read and dropped, because to close a socket with unread
// bytes would be a reset, which may destroy what was delivered before.
func (r *Relay) cut() {
	r.note(ErrCut)
	r.parts.Store(time.AfterFunc(farewell, func() { r.abort(nil, false) }))
	for i := range r.conns {
		r.note(closeWrite(r.conns[i].Conn))
	}
}

// parting says that the connection was cut.
func (r *Relay) parting() bool { return r.parts.Load() != nil }

func (r *Relay) aborted() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// outlive waits, when the other direction is over, until p is. One side has closed, so p cannot wait for ever for a hole to end, or
// pour into one what a side that knows of nothing sends on and on. A side that has only half-closed may wait as long as it likes for
// an answer that can reach it.
func (r *Relay) outlive(p *pump) {
	// The runtime's timer, because most connections end without waiting here, and this one costs them nothing.
	timer := time.NewTimer(r.o.Linger)
	defer timer.Stop()
	for moved, stuck := p.moved.Load(), p.stuck(); ; {
		select {
		case <-p.done:
			return
		case <-r.done:
			return
		case <-timer.C:
		}
		before := moved
		moved = p.moved.Load()
		was := stuck
		if stuck = p.stuck(); stuck && was && moved == before {
			r.abort(ErrLinger, true)
			return
		}
		timer.Reset(r.o.Linger)
	}
}

// turned notes that bytes move in direction d, and says whether the last ones did not.
func (r *Relay) turned(d Dir) bool {
	if r.last.Load() == int32(d)+1 {
		return false
	}
	r.last.Store(int32(d) + 1)
	return true
}

// moved is the number of bytes written in both directions.
func (r *Relay) moved() int64 { return r.pumps[Up].moved.Load() + r.pumps[Down].moved.Load() }

// closeWrite ends the sending half of c, or c where that is the only way to say it.
func closeWrite(c net.Conn) error {
	w, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return c.Close()
	}
	if err := w.CloseWrite(); err != nil && !errors.Is(err, syscall.ENOTCONN) {
		return err
	}
	return nil
}

// closeConn closes c; with reset so that the peer sees an RST where there is TCP below.
func closeConn(c net.Conn, reset bool) {
	if reset {
		below := c
		for {
			u, ok := below.(interface{ NetConn() net.Conn })
			if !ok {
				break
			}
			below = u.NetConn()
		}
		if t, ok := below.(interface{ SetLinger(sec int) error }); ok {
			_ = t.SetLinger(0) // a socket that refuses is gone already
			_ = below.Close()  // first, so that no layer above says goodbye
		}
	}
	_ = c.Close() // nobody could do anything about it
}
