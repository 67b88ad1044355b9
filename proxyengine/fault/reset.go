package fault

import (
	"fmt"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// KindReset is the kind of [Reset].
const KindReset Kind = "reset"

// Reset resets connections: both sides see an RST. It comes a time after the connection to the upstream was opened or the fault became
// active, or with AfterBytes, that time after so many bytes have passed in an affected direction. What is on its way then is lost.
//
// Of an HTTP exchange the time counts from the request, and the head of a message counts as bytes of it, too. The client's connection
// is reset (over HTTP/2: the stream), and the one to the upstream is not used again.
type Reset struct {
	Base `with:"with-reset" withenv:"FAULT_WITH_RESET" flag:"reset" env:"FAULT_RESET"`

	// AfterBytes is how many bytes pass before; nil is that bytes do not matter.
	AfterBytes *int `key:"after_bytes" min:"0" max:"1000000000000" unit:"bytes" usage:"reset once that many have passed"`

	// Delay is a time in milliseconds.
	Delay float64 `key:"delay" default:"0" min:"0" max:"86400000" unit:"ms" usage:"time to the reset: from the start, or after after_bytes"`
}

// Kind returns KindReset.
func (*Reset) Kind() Kind { return KindReset }

// Validate checks ranges.
func (r *Reset) Validate() error { return validate(r) }

// Describe labels the fault: "Reset: ➡️🖧, After: 1000 bytes, Delay: 50.00 ms".
func (r *Reset) Describe() string {
	label := "Reset: " + r.segment()
	if r.AfterBytes != nil {
		label += fmt.Sprintf(", After: %d bytes", *r.AfterBytes)
	}
	if r.Delay > 0 || r.AfterBytes == nil {
		label += fmt.Sprintf(", Delay: %.2f ms", r.Delay)
	}
	return label + r.chance()
}

func (r *Reset) newStage(e *effect) stream.Stage {
	s := &breaker{effect: e, delay: milliseconds(r.Delay)}
	if r.AfterBytes != nil {
		s.counts, s.left = true, *r.AfterBytes
		return s
	}
	s.arm()
	return s
}

// breaker resets one flow, because of what passes in one direction or of the time. The time does not wait for what the direction is
// doing: an exchange whose answer is not there yet is reset, too.
type breaker struct {
	*effect
	delay time.Duration

	counts bool
	left   int // bytes that still pass

	mu     sync.Mutex
	timer  *time.Timer // nil before the bytes have passed
	due    time.Time   // of the timer
	struck bool        // it has reset the flow, of which nothing may pass any more
	over   bool        // it has, or the fault or the flow has ended
}

// Push passes c on as far as the bytes go. Behind a reset nothing does, however long the flow takes to notice.
func (s *breaker) Push(c stream.Chunk, next func(stream.Chunk)) {
	at := c.At
	if s.late() {
		s.strike(at, c.Len())
	}
	if s.hasStruck() {
		c.Release()
		next(stream.NewEnd(at, stream.Rst))
		return
	}
	if !s.counts || c.Len() == 0 {
		next(c)
		return
	}
	if s.delay > 0 {
		if s.left -= c.Len(); s.left <= 0 {
			s.counts = false
			s.arm()
		}
		next(c)
		return
	}
	head, rest := c.Cut(s.left)
	s.left -= head.Len()
	if head.Len() > 0 {
		next(head)
	}
	if s.left > 0 {
		return
	}
	s.counts = false
	s.strike(at, rest.Len())
	if !s.hasStruck() { // the fault has left meanwhile
		if rest.Len() > 0 {
			next(rest)
		}
		return
	}
	rest.Release()
	next(stream.NewEnd(at, stream.Rst))
}

// late says that the time has come, although the timer was not served yet.
func (s *breaker) late() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timer != nil && !time.Now().Before(s.due)
}

func (s *breaker) hasStruck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.struck
}

// arm starts the time.
func (s *breaker) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.due = time.Now().Add(s.delay)
		s.timer = time.AfterFunc(s.delay, s.fire)
	}
}

func (s *breaker) fire() {
	s.strike(time.Now(), 0)
	if s.hasStruck() {
		s.abort()
	}
}

// strike has the flow reset, unless it was or the fault has ended. It is reported before anybody can see it.
func (s *breaker) strike(at time.Time, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.struck, s.over = true, true
	s.applied(at, amount{bytes: int64(lost), detail: "reset"})
}

// end says that there is nothing more to do.
func (s *breaker) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// leave is called when the fault has ended.
func (s *breaker) leave() bool {
	s.end()
	return true
}

// close is called when the flow has ended.
func (s *breaker) close() { s.end() }
