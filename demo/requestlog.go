package demo

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// requestLog writes one line for each answered request: method, path, status and how long the application took.
type requestLog struct {
	next http.Handler
	mu   sync.Mutex
	out  io.Writer
}

func (l *requestLog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	l.next.ServeHTTP(recorder, r)
	elapsed := time.Since(start)
	l.mu.Lock()
	defer l.mu.Unlock()
	// EscapedPath keeps control characters of a hostile path out of the terminal.
	_, _ = fmt.Fprintf(l.out, "%s %s %d %s\n", r.Method, r.URL.EscapedPath(), recorder.status, brief(elapsed))
}

// statusRecorder remembers the status that a handler answers with.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the abilities of the connection.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// brief is a duration with one decimal of its unit: 6.6µs, 300.4ms, 1.2s.
func brief(d time.Duration) string {
	switch {
	case d >= time.Second:
		d = d.Round(100 * time.Millisecond)
	case d >= time.Millisecond:
		d = d.Round(100 * time.Microsecond)
	default:
		d = d.Round(100 * time.Nanosecond)
	}
	return d.String()
}
