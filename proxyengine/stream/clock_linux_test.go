package stream

import (
	"testing"
	"time"
)

// TestLeadFollowsHowLateTimersAre feeds the alarm with how late those were that it woke.
func TestLeadFollowsHowLateTimersAre(t *testing.T) {
	const us = time.Microsecond
	w := &wakeup{}
	wake := func(n int, late time.Duration) {
		for range n {
			w.learn(late-w.lead, 0) // it fires that much early
		}
	}
	wake(1, time.Second)
	if w.lead != grow {
		t.Errorf("one long delay makes the lead %s, want %s", w.lead, grow)
	}
	wake(1000, 60*us)
	if w.lead < 50*us || w.lead > 60*us {
		t.Errorf("late by 60µs again and again, the lead is %s", w.lead)
	}
	wake(1000, time.Second)
	if w.lead != maxLead {
		t.Errorf("the lead is %s, want no more than %s", w.lead, maxLead)
	}
	wake(100, 0)
	if w.lead > 16*us {
		t.Errorf("never late any more, the lead is %s", w.lead)
	}
}

// TestWaitingAwakeIsBounded spends the credit and earns it back.
func TestWaitingAwakeIsBounded(t *testing.T) {
	now := time.Now()
	w := &wakeup{lead: 200 * time.Microsecond}
	if !w.afford(now) {
		t.Error("nothing was spent, and there is no credit")
	}
	w.learn(0, maxCredit)
	if w.afford(now) {
		t.Error("the credit was spent, and there is some")
	}
	now = now.Add(w.lead*share - share)
	if w.afford(now) {
		t.Errorf("there is credit sooner than 1/%d of a processor allows", share)
	}
	if !w.afford(now.Add(share)) {
		t.Errorf("there is no credit after %d times the lead", share)
	}
	w.afford(now.Add(time.Hour))
	if w.credit != maxCredit {
		t.Errorf("after an hour the credit is %s, want %s", w.credit, maxCredit)
	}
}

// TestOnlyNearTimersFireEarly looks at which timers a wake-up lets fire.
func TestOnlyNearTimersFireEarly(t *testing.T) {
	const us = time.Microsecond
	now := time.Now()
	for _, test := range []struct {
		name  string
		led   bool // the timerfd fired early …
		armed time.Duration
		at    []time.Duration
		fired int
		exact bool // armed by Reset
	}{
		{"due", false, 0, []time.Duration{-us, 0, us}, 2, false},
		{"early for the first", true, 80 * us, []time.Duration{80 * us, 81 * us}, 1, false},
		{"early, and late", true, -20 * us, []time.Duration{-20 * us, -10 * us, 10 * us}, 2, false},
		{"much too early", true, 150 * us, []time.Duration{150 * us}, 0, false},
		{"early for another one", true, 80 * us, []time.Duration{70 * us, 80 * us}, 0, false},
		{"early for one that was stopped", true, 80 * us, nil, 0, false},
		{"early for one that was reset to the same moment", true, 80 * us, []time.Duration{80 * us}, 0, true},
	} {
		w := &wakeup{lead: 100 * us, led: test.led, armed: now.Add(test.armed)}
		all := make([]*preciseTimer, len(test.at))
		for i, at := range test.at {
			all[i] = &preciseTimer{c: make(chan time.Time, 1), at: now.Add(at), near: !test.exact, index: i}
			w.timers = append(w.timers, all[i])
		}
		w.fire(now)
		for i, timer := range all {
			if fired := len(timer.c) > 0; fired != (i < test.fired) {
				t.Errorf("%s: timer %d fired: %v", test.name, i, fired)
			}
			if led := test.led && i == 0 && test.fired > 0; timer.led != led {
				t.Errorf("%s: timer %d was woken early: %v", test.name, i, timer.led)
			}
		}
	}
}
