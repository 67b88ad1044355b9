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

// A Timer fires once at an absolute time. It belongs to one goroutine.
type Timer interface {
	// C delivers one value per Reset, at or after the time that was asked for. The channel is the same for the timer's life.
	C() <-chan time.Time
	// Reset arms the timer for at, which may be in the past, and forgets what it was armed for; a value of an earlier Reset is
	// never received afterwards.
	Reset(at time.Time)
	// Stop disarms the timer; a value of an earlier Reset is never received afterwards. Reset may follow.
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
func (r runtimeTimer) Stop()               { r.t.Stop() }
