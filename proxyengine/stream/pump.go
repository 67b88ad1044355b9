package stream

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// pump moves the bytes of one direction of a relay. Its goroutine reads; it also writes while there are no stages (raw mode).
// While there are (line mode), a second goroutine writes what is due.
type pump struct {
	r     *Relay
	d     Dir
	src   *end
	dst   *end
	in    *source
	early []byte

	line    atomic.Pointer[line] // made when there are stages for the first time
	gen     uint64               // generation that raw mode has seen, plus one
	writing chan struct{}        // closed when the writer of line mode has stopped; nil when there is none
	stopped atomic.Bool          // dst does not take bytes any more
	done    chan struct{}        // closed when run has returned
	ended   bool                 // the end of src was read, and delivered where that was possible

	moved atomic.Int64
	first time.Time // of the first write (Down only)

	streak int       // bytes that came …
	since  time.Time // … since then
	doubt  bool      // an error was met that an EOF may hide
}

func newPump(r *Relay, d Dir) *pump {
	p := &pump{r: r, d: d, src: &r.conns[d], dst: &r.conns[1-d], done: make(chan struct{})}
	p.in = newSource(p.src.Conn)
	return p
}

// run returns when the direction is over: its end was delivered, or cannot be, or the relay was aborted.
func (p *pump) run() {
	defer close(p.done)
	p.allowRead()
	_ = p.dst.SetWriteDeadline(time.Time{}) // a former owner's
	if len(p.early) > 0 {
		p.sendEarly()
	}
	for !p.over() {
		if p.staged() {
			p.runLine()
		} else {
			p.runRaw()
		}
	}
	if p.writing != nil {
		<-p.writing
	}
}

// over says that the pump is to stop.
func (p *pump) over() bool { return p.ended || p.stopped.Load() || p.r.aborted() }

// allowRead takes back an interrupt. The generation must be looked at after it: a Poke may have come before.
func (p *pump) allowRead() { _ = p.src.SetReadDeadline(time.Time{}) }

// staged says whether bytes must go through the line, under the current generation.
func (p *pump) staged() bool {
	l := p.line.Load()
	if l == nil {
		gen := p.r.p.generation()
		if gen == p.gen {
			return false
		}
		if len(p.r.p.stages(p.d)) == 0 {
			p.gen = gen
			return false
		}
		l = newLine(p.d, &p.r.p, &p.r.o)
		p.line.Store(l)
	}
	l.refresh()
	return p.writing != nil || l.needed()
}

// changed is a quick look whether staged may answer differently than before.
func (p *pump) changed() bool {
	if l := p.line.Load(); l != nil {
		return !l.current()
	}
	return p.gen != p.r.p.generation()
}

func (p *pump) sendEarly() {
	early := p.early
	p.early = nil
	for len(early) > 0 && !p.over() {
		b := newBuffer(min(len(early), maxBuffer))
		n := copy(b.mem, early)
		early = early[n:]
		p.accept(b, n)
	}
}

// stuck says that nothing of this direction can arrive now.
func (p *pump) stuck() bool {
	l := p.line.Load()
	return l != nil && l.stuck()
}

// accept passes on bytes that were just read. The generation is looked at once more: a change that came before the bytes
// governs them.
func (p *pump) accept(b *buffer, n int) {
	if p.r.parting() {
		b.release()
		return
	}
	turn := p.r.turned(p.d)
	if (p.writing != nil || p.changed()) && p.staged() {
		p.startWriter()
		p.line.Load().pushBytes(b, n, turn, p.in.stamp)
		return
	}
	p.write(b.mem[:n])
	b.release()
}

// runRaw moves bytes from socket to socket until there are stages, or the direction is over.
func (p *pump) runRaw() {
	for !p.over() {
		b, n, err := p.in.read()
		if n > 0 {
			p.accept(b, n)
			if p.writing != nil || p.pace(n) {
				return
			}
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.allowRead()
			if p.staged() {
				return
			}
			continue
		}
		if p.over() { // the error is of our own making
			return
		}
		end := p.endOf(err)
		if p.staged() {
			p.finishLine(end)
		} else {
			p.deliverEnd(end)
		}
		p.ended = true
		return
	}
}

// write writes in raw mode.
func (p *pump) write(data []byte) {
	n, err := p.dst.Write(data)
	p.count(int64(n))
	if err != nil {
		p.fail(err)
	}
}

// count notes n bytes as delivered.
func (p *pump) count(n int64) {
	if n == 0 {
		return
	}
	p.moved.Add(n)
	if p.d == Down && p.first.IsZero() {
		p.first = p.r.o.Clock.Now()
	}
}

// fail ends the direction: dst takes nothing any more. That it broke is told to src by the other direction, in order, when that
// reads the end from dst.
func (p *pump) fail(err error) {
	p.r.note(err)
	p.dst.broken.Store(true)
	p.stopped.Store(true)
	_ = p.src.SetReadDeadline(past) // lets the reading side of line mode see it
}

// endOf tells an orderly end from a broken one.
func (p *pump) endOf(err error) End {
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return Fin // closed by this relay, because the far side cannot half-close
	case !errors.Is(err, io.EOF):
		p.r.note(err)
		return Rst
	case p.doubt, p.src.broken.Load():
		return Rst
	}
	return Fin
}

// deliverEnd tells dst that the direction has ended.
func (p *pump) deliverEnd(e End) {
	switch e {
	case Rst:
		p.r.abort(ErrReset, true) // an error that was met before counts more
	case Cut:
		p.r.cut()
	default:
		p.r.note(closeWrite(p.dst.Conn))
	}
}
