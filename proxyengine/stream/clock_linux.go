package stream

import (
	"container/heap"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Precise returns a clock whose timers all hang on one timerfd of the process, which wakes the runtime's netpoller within some
// ten microseconds (the runtime's own timers round up to about a millisecond when idle). Where no timerfd is to be had it is
// Runtime(). testing/synctest cannot see it.
func Precise() Clock {
	if err := alarm.open(); err != nil {
		return Runtime()
	}
	return Clock{Now: time.Now, NewTimer: func() Timer { return &preciseTimer{c: make(chan time.Time, 1), index: -1} }}
}

// alarm is process-wide by design: a timerfd per timer would cost a descriptor per connection.
var alarm wakeup

// wakeup is a heap of deadlines and the timerfd that fires for the first of them. Its goroutine lives while there are deadlines.
//
// From an idle processor it takes some ten microseconds, on a virtual machine a few hundred, until the goroutine runs that waits for a
// deadline. So for a timer of Near the timerfd fires that much earlier, as far as that is learned, and the goroutine waits for what is
// left awake. All together may be awake for a fixed share of a processor; beyond it, and for deadlines that are so close to each
// other that the processor is awake anyway, timers fire late as they can.
type wakeup struct {
	once sync.Once
	err  error
	file *os.File
	fd   int

	mu      sync.Mutex
	timers  deadlines
	running bool
	armed   time.Time     // the deadline that the timerfd is set for; zero when unknown
	led     bool          // it fires before the deadline, …
	lead    time.Duration // … by this much
	credit  time.Duration // how long may still be waited awake …
	counted time.Time     // … as of then
}

const (
	// maxLead bounds how long before a deadline the timerfd fires.
	maxLead = 500 * time.Microsecond
	// The lead grows and shrinks by a quarter of how late or early it was, at most by these.
	grow   = 16 * time.Microsecond
	shrink = 48 * time.Microsecond
	// share is the part of a processor that waiting awake may take, maxCredit the most that is saved up.
	share     = 50
	maxCredit = 10 * time.Millisecond
)

func (w *wakeup) open() error {
	w.once.Do(func() {
		fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
		if err != nil {
			w.err = os.NewSyscallError("timerfd_create", err)
			return
		}
		w.fd = fd
		w.file = os.NewFile(uintptr(fd), "timerfd")
	})
	return w.err
}

// arm sets the timerfd for the first deadline, and sees to it that somebody listens. With the lock held.
func (w *wakeup) arm() {
	if len(w.timers) == 0 {
		if w.running && !w.armed.IsZero() {
			w.set(time.Time{}) // lets the goroutine see that nothing is left
		}
		return
	}
	if at := w.timers[0].at; !w.running || !at.Equal(w.armed) {
		w.set(at)
	}
	if !w.running {
		w.running = true
		go w.run()
	}
}

// set arms the timerfd for the first deadline; the zero time means at once.
func (w *wakeup) set(at time.Time) {
	d := time.Nanosecond
	w.led = false
	if !at.IsZero() {
		now := time.Now()
		d = max(d, at.Sub(now))
		// Not when it is close: the processor is awake then, and deadlines in a row must not keep it so.
		if w.led = w.timers[0].near && d > 2*w.lead && w.afford(now); w.led {
			d -= w.lead
		}
	}
	w.armed = at
	// It cannot fail: the descriptor is never closed and the value is in range.
	_ = unix.TimerfdSettime(w.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
}

// afford says whether there is credit for waiting awake as long as the lead is.
func (w *wakeup) afford(now time.Time) bool {
	w.credit = min(maxCredit, w.credit+now.Sub(w.counted)/share)
	w.counted = now
	return w.credit >= w.lead
}

func (w *wakeup) run() {
	var count [8]byte
	for {
		// An error is a spurious wake-up (the timer was set again meanwhile); what is due is looked up in any case.
		_, _ = w.file.Read(count[:])
		w.mu.Lock()
		w.fire(time.Now())
		if len(w.timers) == 0 {
			w.running = false
			w.mu.Unlock()
			return
		}
		w.set(w.timers[0].at)
		w.mu.Unlock()
	}
}

// fire lets the timers fire that are due, and the one that the timerfd fired early for.
func (w *wakeup) fire(now time.Time) {
	// The first one may be another by now, also one that is due at the same moment and was not armed by Near.
	w.led = w.led && len(w.timers) > 0 && w.timers[0].near && w.timers[0].at.Equal(w.armed)
	w.armed = time.Time{}
	for len(w.timers) > 0 {
		t := w.timers[0]
		if left := t.at.Sub(now); left > 0 && (!w.led || left > w.lead) {
			return
		}
		heap.Pop(&w.timers)
		t.led, w.led = w.led, false
		t.c <- now // never blocks: Reset and Stop drain the channel before a timer is in the heap again
	}
}

// learn adapts the lead to how late one runs that was woken with it, which is negative when early, and takes off the credit how long it
// waited awake.
func (w *wakeup) learn(late, awake time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.credit -= awake
	// Single delays of a machine that is busy say nothing, however long they are.
	w.lead = min(max(0, w.lead+min(max(-shrink, late/4), grow)), maxLead)
}

type preciseTimer struct {
	c     chan time.Time
	at    time.Time
	near  bool // armed by Near
	led   bool // fired with a lead
	index int  // in the heap, -1 when not armed
}

func (t *preciseTimer) C() <-chan time.Time { return t.c }

func (t *preciseTimer) Reset(at time.Time) { t.arm(at, false) }
func (t *preciseTimer) Near(at time.Time)  { t.arm(at, true) }

func (t *preciseTimer) arm(at time.Time, near bool) {
	alarm.mu.Lock()
	defer alarm.mu.Unlock()
	t.drain()
	t.at, t.near, t.led = at, near, false
	if t.index >= 0 {
		heap.Fix(&alarm.timers, t.index)
	} else {
		heap.Push(&alarm.timers, t)
	}
	alarm.arm()
}

func (t *preciseTimer) Rest() {
	if !t.led {
		return
	}
	t.led = false
	start := time.Now()
	now := start
	// Without giving up the processor: where there is more to do than processors, it does not come back in time.
	for now.Before(t.at) {
		now = time.Now()
	}
	alarm.learn(start.Sub(t.at), now.Sub(start))
}

func (t *preciseTimer) Stop() {
	alarm.mu.Lock()
	defer alarm.mu.Unlock()
	t.drain()
	if t.index >= 0 {
		heap.Remove(&alarm.timers, t.index)
		if len(alarm.timers) == 0 { // a wake-up too many costs less than setting the timerfd at each Stop
			alarm.arm()
		}
	}
}

func (t *preciseTimer) drain() {
	select {
	case <-t.c:
	default:
	}
}

// deadlines is a heap (container/heap) of armed timers, the first due on top.
type deadlines []*preciseTimer

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

func (d *deadlines) Push(x any) {
	t := x.(*preciseTimer)
	t.index = len(*d)
	*d = append(*d, t)
}

func (d *deadlines) Pop() any {
	old := *d
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	t.index = -1
	return t
}
