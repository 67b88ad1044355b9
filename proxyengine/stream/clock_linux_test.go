package stream

import (
	"testing"
	"time"
)

// TestLeadFollowsHowLateTimersAre feeds the alarm with how late it was.
func TestLeadFollowsHowLateTimersAre(t *testing.T) {
	const us = time.Microsecond
	at := time.Now()
	w := &wakeup{}
	wake := func(n int, led bool, late time.Duration) {
		for range n {
			w.armed, w.led = at, led
			w.learn(at.Add(late - w.lead)) // it fires that much early
		}
	}
	wake(1, true, time.Second)
	if w.lead != grow {
		t.Errorf("one long delay makes the lead %s, want %s", w.lead, grow)
	}
	wake(1000, true, 60*us)
	if w.lead < 50*us || w.lead > 60*us {
		t.Errorf("late by 60µs again and again, the lead is %s", w.lead)
	}
	before := w.lead
	wake(100, false, 90*us)
	if w.lead != before {
		t.Errorf("timers that were set without a lead change it from %s to %s", before, w.lead)
	}
	w.armed, w.led = at, true
	w.learn(at.Add(-time.Minute)) // set for another one meanwhile
	if w.lead != before {
		t.Errorf("a wake-up for another reason changes the lead from %s to %s", before, w.lead)
	}
	wake(1000, true, time.Second)
	if w.lead != maxLead {
		t.Errorf("the lead is %s, want no more than %s", w.lead, maxLead)
	}
	wake(100, true, 0)
	if w.lead > 16*us {
		t.Errorf("never late any more, the lead is %s", w.lead)
	}
}
