package stream

import "time"

// oldest is how long bytes may have been there before they were read so that their stamp is believed. Longer than that, the wall
// clock was set or the machine slept in between.
const oldest = 50 * time.Millisecond

// open says that the line takes bytes from now on: what waited in the socket until then arrives now. For the reading side.
func (l *line) open() { l.ready = l.clock.Now() }

// await blocks until the budget lets another read pass, as [account.await] does. For the reading side.
func (l *line) await(done ...<-chan struct{}) bool {
	if l.acct.free() {
		return true
	}
	ok := l.acct.await(l.full, done...)
	l.open()
	return ok
}

// arrival is when bytes arrived that are read now, in terms of the line's clock. The stamp is the kernel's, by the wall clock, the zero
// time where it has none. With it the delay of a stage does not come on top of the time that the reading side needs to wake up and
// to get a processor, which is no part of the path.
//
// Bytes that were kept in the socket because the line did not take them have not been on the path meanwhile: they arrive when it takes
// them again. Else a full line would let what waits before it off its delay. And bytes that TCP handed over together, because the one
// before was missing, arrive together.
func (l *line) arrival(now, stamp time.Time) time.Time {
	if stamp.IsZero() {
		return now
	}
	at := now
	if age := now.Sub(stamp); age > 0 && age <= oldest {
		at = now.Add(-age)
	}
	if at.Before(l.ready) {
		at = l.ready
	}
	l.ready = at
	return at
}
