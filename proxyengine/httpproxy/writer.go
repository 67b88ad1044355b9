package httpproxy

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// writer is the way back to the client. What passed the faults is on time: it never waits in a buffer for more to come.
type writer struct {
	http.ResponseWriter
	mu     sync.Mutex
	status int
	first  time.Time // when the first byte went out
	left   int64     // bytes of a body of known length that are still to come; -1 when the length is not known
	sent   int64
	over   bool // the handler has returned

	ending sync.Mutex // guards ended; mu may be held by a write that is blocked
	ended  bool       // the same as over
}

// Unwrap lets [http.ResponseController] find what the server offers.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader passes the status on. The server must not make up fields that the upstream did not send.
func (w *writer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if status >= http.StatusOK && w.status == 0 {
		w.status, w.first = status, time.Now()
		h := w.Header()
		for _, made := range []string{"Content-Type", "Date"} {
			if _, ok := h[made]; !ok {
				h[made] = nil
			}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write passes bytes of the body on, at once unless the response is complete with them: then its end takes them along. Bodies of
// unknown length are flushed by the reverse proxy.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	if w.left >= 0 {
		w.left -= int64(n)
	}
	if err == nil && w.left > 0 {
		err = http.NewResponseController(w.ResponseWriter).Flush()
	}
	return n, err
}

// FlushError is for [http.ResponseController].
func (w *writer) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *writer) flush() { _ = w.FlushError() } // an error shows with the next write

// reset resets the client's connection, which also unblocks a write to a client that does not read, unless the handler has returned:
// then the connection may carry another request. Where it carries others at the same time, conn is nil, and only the stream ends.
func (w *writer) reset(conn net.Conn) {
	w.ending.Lock()
	defer w.ending.Unlock()
	switch {
	case w.ended:
	case conn != nil:
		// A deadline would not do: when a write fails, the server closes the connection without a reset.
		tcpproxy.Reset(conn)
	default:
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(past) // that of the stream
	}
}

// finish ends the use of the response writer, which is not allowed after the handler has returned.
func (w *writer) finish() {
	w.ending.Lock()
	w.ended = true
	w.ending.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}
