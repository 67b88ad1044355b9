package stream

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// readerBuffer is what a read of an exchange's source asks for.
const readerBuffer = 32 << 10

// A Reader is one virtual stream of an HTTP exchange: a head, which is kept elsewhere and only counted, then a body that is read
// from a source and passes the stages of a path.
//
// While there are no stages a Read is a Read of the source, and there is no goroutine. Head and Read belong to one goroutine at a
// time; Close and Poke may be called by any.
type Reader struct {
	ctx context.Context // of the exchange that the reader is a part of: io.Reader has no place for it
	src io.ReadCloser
	p   Path
	l   *line

	// Of the goroutine that calls Head and Read.
	timer Timer
	due   []Chunk // popped, not yet looked at
	rest  Chunk   // what Read had no room for
	final error   // what Read returned at the end

	closing  sync.Once
	closed   chan struct{}
	closeErr error

	mu      sync.Mutex
	reading bool  // a goroutine reads src into the line
	err     error // how src ended, once it did
}

// NewReader returns a reader of src, which belongs to it from now on, in direction d. Close of src, or the end of ctx, must unblock
// a Read of src. A nil src is a stream without a body.
func NewReader(ctx context.Context, src io.ReadCloser, d Dir, p Path, o Options) *Reader {
	o = o.withDefaults()
	if src == nil {
		src = io.NopCloser(strings.NewReader(""))
	}
	r := &Reader{ctx: ctx, src: src, p: p, closed: make(chan struct{})}
	r.l = newLine(d, &r.p, &o)
	return r
}

// Head lets n virtual bytes pass the stages, and returns when they are due. turn says that the conversation turned with them. When
// a stage swallows them it blocks until ctx is done, and returns its error; when one resets the stream it returns ErrReset, when
// one cuts it ErrCut, when one ends it io.ErrUnexpectedEOF, after Close io.ErrClosedPipe.
func (r *Reader) Head(n int, turn bool) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if n <= 0 || !r.staged() {
		return nil
	}
	c := NewVirtual(r.l.clock.Now(), n)
	c.Turn = turn
	r.l.push(c)
	for n > 0 {
		r.l.refresh()
		c, ok, err := r.take()
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		switch c.End {
		case Rst, Cut:
			r.final = r.endError(c.End)
			return r.final
		case Fin:
			r.final = io.ErrUnexpectedEOF
			return io.ErrUnexpectedEOF
		case Open:
			n -= c.Len()
			c.Release()
		}
	}
	return nil
}

// Read reads bytes of the body that are due. It returns io.EOF at the end, the error of the source when that failed, and ErrReset
// or ErrCut when a stage reset or cut the stream; each is due in its turn like the bytes before it. When a stage swallows the end it
// blocks until ctx is done, and returns its error. After Close it returns io.ErrClosedPipe.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		select {
		case <-r.closed:
			return 0, io.ErrClosedPipe
		default:
		}
		if r.rest.Len() > 0 {
			return r.copyRest(p), nil
		}
		if r.final != nil {
			return 0, r.final
		}
		if !r.staged() {
			n, err := r.src.Read(p)
			if r.l.current() || !r.staged() {
				return n, err
			}
			r.divert(p[:n], err) // the change came before the bytes, so it governs them
		}
		r.start()
		c, ok, err := r.take()
		switch {
		case err != nil:
			return 0, err
		case !ok:
		case c.End != Open:
			r.final = r.endError(c.End)
		default:
			r.rest = c
		}
	}
}

// Close closes the source, drops what is still on its way, and unblocks Head and Read. It returns the source's error.
func (r *Reader) Close() error {
	r.closing.Do(func() {
		close(r.closed)
		r.closeErr = r.src.Close()
		r.l.close()
	})
	return r.closeErr
}

// Poke tells the reader that the generation of its path changed. It never blocks, does not call the path, and may be called by any
// goroutine at any time, also after Close.
func (r *Reader) Poke() { r.l.notify() }

// staged says whether bytes must pass the line, under the current generation.
func (r *Reader) staged() bool {
	r.l.refresh()
	r.mu.Lock()
	// When the source has ended, its end is either on the line or swallowed for good.
	busy := r.reading || r.err != nil
	r.mu.Unlock()
	return busy || len(r.due) > 0 || r.l.needed()
}

func (r *Reader) copyRest(p []byte) int {
	n := copy(p, r.rest.data)
	if r.rest.data = r.rest.data[n:]; len(r.rest.data) == 0 {
		r.rest.Release()
	}
	return n
}

// take returns the next chunk that is due, or waits for one; ok is false when it is worth looking again.
func (r *Reader) take() (c Chunk, ok bool, err error) {
	if len(r.due) == 0 {
		var until time.Time
		r.due, until, _ = r.l.pop(r.due[:0], maxBuffer)
		if len(r.due) == 0 {
			return Chunk{}, false, r.wait(until)
		}
	}
	c, r.due = r.due[0], r.due[1:]
	return c, true, nil
}

// wait sleeps until then (zero: without limit) or until the line wakes it.
func (r *Reader) wait(until time.Time) error {
	var fired <-chan time.Time
	if !until.IsZero() {
		if r.timer == nil {
			r.timer = r.l.clock.NewTimer()
		}
		r.timer.Near(until)
		defer r.timer.Stop()
		fired = r.timer.C()
	}
	select {
	case <-fired:
		r.timer.Rest()
	case <-r.l.wake:
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-r.closed:
		return io.ErrClosedPipe
	}
	return nil
}

// divert sends what was read into the stages.
func (r *Reader) divert(data []byte, err error) {
	for len(data) > 0 {
		b := newBuffer(min(len(data), maxBuffer))
		n := copy(b.mem, data)
		data = data[n:]
		r.l.pushBytes(b, n, false, time.Time{})
	}
	if err != nil {
		r.end(err)
	}
}

// start sees to it that the source is read while its bytes must pass stages.
func (r *Reader) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.reading && r.err == nil && r.l.staged() && !r.l.endOut() {
		r.reading = true
		go r.readSource()
	}
}

// readSource reads the source into the line until it ends, or no stages are left.
func (r *Reader) readSource() {
	defer func() {
		r.mu.Lock()
		r.reading = false
		r.mu.Unlock()
		r.l.notify() // a Read may wait that has to read the source itself now
	}()
	for r.l.acct.await(r.l.full, r.closed, r.ctx.Done()) {
		b := newBuffer(readerBuffer)
		n, err := r.src.Read(b.mem)
		r.l.refresh()
		if n > 0 {
			r.l.pushBytes(b, n, false, time.Time{})
		} else {
			b.release()
		}
		if err != nil {
			r.end(err)
			return
		}
		// What comes after an end that a stage made up is not wanted: it is for the owner to see to the source then.
		if !r.l.staged() || r.l.endOut() {
			return
		}
	}
}

// end notes how the source ended, and sends the end into the stages.
func (r *Reader) end(err error) {
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	e := Rst
	if errors.Is(err, io.EOF) {
		e = Fin
	}
	r.l.push(NewEnd(r.l.clock.Now(), e))
}

// endError is what Read returns for an end that came out of the stages.
func (r *Reader) endError(e End) error {
	switch e {
	case Fin:
		return io.EOF
	case Cut:
		return ErrCut
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return r.err
	}
	return ErrReset
}
