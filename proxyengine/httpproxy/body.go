package httpproxy

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// virtual is the source of a virtual stream that has a body: as many bytes as its head had, which stand for it and say nothing,
// then the body. So both arrive one behind the other, each when it was read, whatever the faults do to the head meanwhile.
type virtual struct {
	head  int  // this and ended belong to the one goroutine that reads
	ended bool // the body said that it is at its end, and need not say so a second time once the answer has begun

	mu     sync.Mutex
	body   io.ReadCloser
	closed bool

	lost   func() bool   // says that nothing of what is read could arrive any more; may be nil
	gone   chan struct{} // closed by Close; nil when nobody waits for it
	ready  chan struct{} // closed when the body may be read; nil: at once
	opened sync.Once
	reads  atomic.Bool // the body was asked for a byte
}

// attach gives the stream its head of n bytes and its body, which belongs to it from now on.
func (v *virtual) attach(n int, body io.ReadCloser) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.head, v.body = n, body
}

// hold keeps the body from being read until release: its sender waits for a sign that it is wanted.
func (v *virtual) hold() { v.ready = make(chan struct{}) }

func (v *virtual) release() {
	if v.ready != nil {
		v.opened.Do(func() { close(v.ready) })
	}
}

func (v *virtual) touched() bool { return v.reads.Load() }

// Read returns bytes of the head, then of the body.
func (v *virtual) Read(p []byte) (int, error) {
	if n := min(v.head, len(p)); n > 0 {
		v.head -= n
		return n, nil
	}
	if v.ready != nil {
		<-v.ready
	}
	if v.lost != nil && v.lost() {
		v.rest()
	}
	v.mu.Lock()
	body, closed := v.body, v.closed
	v.mu.Unlock()
	if closed || body == nil || v.ended {
		return 0, io.EOF
	}
	v.reads.Store(true)
	n, err := body.Read(p)
	v.ended = errors.Is(err, io.EOF)
	return n, err
}

// rest blocks until Close. Nobody reads what is lost, as on a path that has broken: the sender finds out when its window is full. So
// a body that is lost never ends, and the connection that it comes by never goes back to the pool.
func (v *virtual) rest() {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return
	}
	v.gone = make(chan struct{})
	v.mu.Unlock()
	<-v.gone
}

// Close closes the body.
func (v *virtual) Close() error {
	v.mu.Lock()
	body, was := v.body, v.closed
	v.closed = true
	if v.gone != nil && !was {
		close(v.gone)
	}
	v.mu.Unlock()
	v.release()
	if body == nil || was {
		return nil
	}
	return body.Close()
}

// requestBody is the request's body as the upstream gets it.
type requestBody struct {
	x *exchange
}

// Read belongs to the transport's writing goroutine.
func (b *requestBody) Read(p []byte) (int, error) {
	if b.x.void.Load() {
		return 0, errRetired // what is read now would not be there for the connection that it goes by
	}
	b.x.request.release()
	n, err := b.x.up.Read(p)
	b.x.sent.Add(int64(n))
	if errors.Is(err, io.EOF) {
		b.x.passTrailer()
	}
	return n, err
}

// Close does nothing: the body is closed at the end of the exchange, because the transport also closes bodies of requests that it
// then gives back unsent.
func (b *requestBody) Close() error { return nil }

// empty is the body of a request without one. It is not nil, so that net/http does not repeat the request.
type empty struct{}

func (empty) Read([]byte) (int, error) { return 0, io.EOF }
func (empty) Close() error             { return nil }

// responseBody is the response's body as the client gets it.
type responseBody struct {
	x    *exchange
	read bool
	// from is the response as the connection fills in its trailer, to as the client's side sees it: faults may have the body read
	// ahead, while the reverse proxy looks at the trailer's names.
	from, to *http.Response
}

// headPatience is how long the head of a response waits for its body, to go out in one piece with it.
const headPatience = 200 * time.Microsecond

// Read belongs to one goroutine.
func (b *responseBody) Read(p []byte) (int, error) {
	if !b.read {
		b.read = true
		timer := time.AfterFunc(headPatience, b.x.w.flush)
		defer timer.Stop()
	}
	n, err := b.x.down.Read(p)
	if errors.Is(err, io.EOF) {
		b.passTrailer()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.x.fail(err)
		if errors.Is(err, stream.ErrCut) {
			b.x.w.flush() // what came before is delivered
		}
	}
	return n, err
}

// passTrailer copies the trailer, which arrives behind the body.
func (b *responseBody) passTrailer() {
	if len(b.from.Trailer) == 0 {
		return
	}
	if b.to.Trailer == nil {
		b.to.Trailer = make(http.Header, len(b.from.Trailer))
	}
	maps.Copy(b.to.Trailer, b.from.Trailer)
}

// Close gives the connection back to the pool when the body was read to its end, and closes it otherwise.
func (b *responseBody) Close() error { return b.x.down.Close() }

// buffers are for copying bodies.
var buffers = bufferPool{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}}

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte  { return *p.pool.Get().(*[]byte) }
func (p *bufferPool) Put(b []byte) { p.pool.Put(&b) }
