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
type wakeup struct {
	once sync.Once
	err  error
	file *os.File
	fd   int

	mu      sync.Mutex
	timers  deadlines
	running bool
	armed   time.Time     // the deadline that the timerfd is set for; zero when unknown
	lead    time.Duration // how much before that it is to fire, …
	led     bool          // … and does
}

const (
	// maxLead bounds how long before a deadline the timerfd fires, and with it how long the rest is waited for awake.
	maxLead = 100 * time.Microsecond
	// The lead grows and shrinks by at most these at a time.
	grow   = 8 * time.Microsecond
	shrink = 24 * time.Microsecond
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

// set arms the timerfd for at, as much earlier as it is late commonly; the zero time means at once.
func (w *wakeup) set(at time.Time) {
	d := time.Nanosecond
	w.led = false
	if !at.IsZero() {
		d = max(d, time.Until(at))
		if w.led = d > 2*w.lead; w.led { // else the processor is awake, and deadlines that are close must not keep it busy
			d -= w.lead
		}
	}
	w.armed = at
	// It cannot fail: the descriptor is never closed and the value is in range.
	_ = unix.TimerfdSettime(w.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
}

func (w *wakeup) run() {
	var count [8]byte
	for {
		// An error is a spurious wake-up (the timer was set again meanwhile); what is due is looked up in any case.
		_, _ = w.file.Read(count[:])
		w.mu.Lock()
		now := w.await()
		for len(w.timers) > 0 && !w.timers[0].at.After(now) {
			t := heap.Pop(&w.timers).(*preciseTimer)
			t.c <- now // never blocks: Reset and Stop drain the channel before a timer is in the heap again
		}
		if len(w.timers) == 0 {
			w.running = false
			w.mu.Unlock()
			return
		}
		w.set(w.timers[0].at)
		w.mu.Unlock()
	}
}

// await waits awake for the rest of the time to the first deadline when that is short: from an idle processor it takes some ten
// microseconds to get here, so the timerfd fires about that much early. With the lock held, which is given up meanwhile.
func (w *wakeup) await() time.Time {
	now := time.Now()
	w.learn(now)
	w.armed = time.Time{}
	for len(w.timers) > 0 {
		at := w.timers[0].at
		if rest := at.Sub(now); rest <= 0 || rest > maxLead {
			break
		}
		w.mu.Unlock()
		// Without giving up the processor: where there is more to do than processors, it does not come back in time.
		for now = time.Now(); now.Before(at); now = time.Now() {
		}
		w.mu.Lock()
	}
	return now
}

// learn adapts the lead to how late this goroutine runs. It follows the lower end of what it sees, quickly down and slowly up:
// being awake too early costs processor time. Single delays of a machine that is busy say nothing, however long they are.
func (w *wakeup) learn(now time.Time) {
	if w.armed.IsZero() || !w.led {
		return
	}
	miss := now.Sub(w.armed) // how late after the deadline, negative when early
	if miss < -w.lead {
		return // a wake-up for another reason
	}
	step := min(max(-shrink, miss/8), grow)
	w.lead = min(max(0, w.lead+step), maxLead)
}

type preciseTimer struct {
	c     chan time.Time
	at    time.Time
	index int // in the heap, -1 when not armed
}

func (t *preciseTimer) C() <-chan time.Time { return t.c }

func (t *preciseTimer) Reset(at time.Time) {
	alarm.mu.Lock()
	defer alarm.mu.Unlock()
	t.drain()
	t.at = at
	if t.index >= 0 {
		heap.Fix(&alarm.timers, t.index)
	} else {
		heap.Push(&alarm.timers, t)
	}
	alarm.arm()
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
