package httpproxy

import (
	"io"
	"net/http"
	"time"
)

// duplex lets the answer begin before the request has ended. Otherwise the library would first read the rest of the body, which it
// would take away from the upstream. HTTP/2 is always like this.
func (x *exchange) duplex() {
	x.twoWays = x.in.ProtoMajor == 1 && http.NewResponseController(x.w).EnableFullDuplex() == nil
}

// How much of a request that was answered before its end is still read, and how long (net/http: maxPostHandlerReadBytes,
// rstAvoidanceDelay).
const (
	drainBytes = 256 << 10
	drainTime  = 500 * time.Millisecond
)

// drain reads what the client still sends on a connection that is then closed: closing it under unread bytes would reset it, and
// the client would lose the answer. The library does so for connections that are used again, and where it is not duplex.
func (x *exchange) drain() {
	x.mu.Lock()
	failed := x.err != nil
	x.mu.Unlock()
	if !x.twoWays || !x.in.Close || x.in.ContentLength == 0 || failed || x.ctx.Err() != nil {
		return
	}
	rc := http.NewResponseController(x.w.ResponseWriter)
	if rc.Flush() == nil && rc.SetReadDeadline(time.Now().Add(drainTime)) == nil {
		_, _ = io.CopyN(io.Discard, x.in.Body, drainBytes)
	}
}
