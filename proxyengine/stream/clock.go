package stream

import "time"

// A Clock tells the time and makes timers. It comes in as a value of two functions, so that tests use the runtime's clock
// (testing/synctest sees it) and production one that is precise.
type Clock struct {
	// Now returns the current time with a monotonic reading.
	Now func() time.Time
	// NewTimer returns a stopped timer. Whoever made it must call Stop when it is no longer needed.
	NewTimer func() Timer
}

// A Timer fires once at, or near, an absolute time. It belongs to one goroutine.
type Timer interface {
	// C delivers one value per Reset or Near. The channel is the same for the timer's life.
	C() <-chan time.Time
	// Reset arms the timer for at, which may be in the past, and forgets what it was armed for: it fires at that time or later, and
	// a value of before is never received afterwards.
	Reset(at time.Time)
	// Near is Reset for a time that is to be met as exactly as possible: the timer may fire up to a millisecond before at, so that
	// whoever receives is awake by then, and calls Rest.
	Near(at time.Time)
	// Rest waits for what is left until the time given to Near. It may return before that.
	Rest()
	// Stop disarms the timer; a value of before is never received afterwards. Reset and Near may follow.
	Stop()
}

// Runtime returns the clock of the Go runtime. Its timers may be about a millisecond late when the process is idle.
func Runtime() Clock { return Clock{Now: time.Now, NewTimer: newRuntimeTimer} }

type runtimeTimer struct{ t *time.Timer }

func newRuntimeTimer() Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return runtimeTimer{t}
}

func (r runtimeTimer) C() <-chan time.Time { return r.t.C }
func (r runtimeTimer) Reset(at time.Time)  { r.t.Reset(time.Until(at)) }
func (r runtimeTimer) Near(at time.Time)   { r.Reset(at) }
func (r runtimeTimer) Rest()               {}
func (r runtimeTimer) Stop()               { r.t.Stop() }
