package stream

import (
	"errors"
	"net"
	"os"
	"time"
)

// batchBytes is about what one write takes from the line: what is written can no longer be re-dued.
const batchBytes = 512 << 10

func (p *pump) startWriter() {
	if p.writing == nil {
		p.writing = make(chan struct{})
		go p.runWriter(p.line.Load(), p.writing)
	}
}

// runLine reads into the line until it is empty and without stages, or the direction is over.
func (p *pump) runLine() {
	p.startWriter()
	l := p.line.Load()
	p.in.ask(true)
	defer p.in.ask(false)
	l.open()
	for !p.over() {
		if p.drained() {
			return
		}
		// What comes after the end that a stage made up is read and dropped: src must find out in its own way that it is over.
		if !l.endOut() && !l.await(p.r.done, p.writing) {
			continue
		}
		b, n, err := p.in.read()
		switch {
		case n > 0:
			p.accept(b, n)
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.allowRead()
			l.refresh()
		case !p.over(): // else the error is of our own making
			l.refresh()
			p.finishLine(p.endOf(err))
			p.ended = true
		}
	}
}

// drained waits, when there are no stages, until the line is empty; then the writer has stopped and raw mode may go on.
func (p *pump) drained() bool {
	l := p.line.Load()
	if !l.drain() {
		return false
	}
	select {
	case <-p.writing:
		p.writing = nil
		return true
	case <-l.stay:
		l.open() // what came meanwhile was kept in the socket
	case <-p.r.done:
	}
	return false
}

// finishLine sends the end through the line and waits until it is delivered. When a stage swallows it, the relay is aborted as
// soon as nothing moved for the linger time.
func (p *pump) finishLine(e End) {
	p.startWriter()
	l := p.line.Load()
	l.push(NewEnd(l.clock.Now(), e))
	timer := l.clock.NewTimer()
	defer timer.Stop()
	for moved := p.r.moved(); ; {
		timer.Reset(l.clock.Now().Add(p.r.o.Linger))
		select {
		case <-p.writing:
			return
		case <-p.r.done:
			return
		case <-timer.C():
		}
		now := p.r.moved()
		if now == moved && !l.endOut() {
			p.r.abort(ErrLinger, true)
			return
		}
		moved = now
	}
}

// runWriter writes what is due until the direction's end is delivered, or dst fails, or the line is drained.
func (p *pump) runWriter(l *line, done chan<- struct{}) {
	defer close(done)
	timer := l.clock.NewTimer()
	defer timer.Stop()
	var batch []Chunk
	var data, scratch net.Buffers
	for !p.r.aborted() {
		l.refresh()
		var until time.Time
		var idle bool
		batch, until, idle = l.pop(batch[:0], batchBytes)
		if idle {
			return
		}
		if len(batch) == 0 {
			p.sleep(l, timer, until)
			continue
		}
		end := batch[len(batch)-1].End
		if p.r.parting() {
			for i := range batch {
				batch[i].Release()
			}
			if end != Open {
				return
			}
			continue
		}
		data = data[:0]
		for i := range batch {
			if batch[i].Len() > 0 {
				data = append(data, batch[i].data)
			}
		}
		if len(data) > 0 {
			scratch = data // WriteTo eats it
			n, err := scratch.WriteTo(p.dst.Conn)
			p.count(n)
			for i := range batch {
				batch[i].Release()
			}
			if err != nil {
				p.fail(err)
				return
			}
		}
		if end != Open {
			p.deliverEnd(end)
			return
		}
	}
}

// sleep waits until then (zero: without limit), for a notification, or for the end of the relay.
func (p *pump) sleep(l *line, timer Timer, until time.Time) {
	var fired <-chan time.Time
	if !until.IsZero() {
		timer.Near(until)
		fired = timer.C()
	}
	select {
	case <-fired:
		timer.Rest()
	case <-l.wake:
	case <-p.r.done:
	}
}
