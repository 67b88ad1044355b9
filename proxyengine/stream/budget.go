package stream

import (
	"container/list"
	"sync"
)

const (
	// defaultTotal is what all delay lines of the process may keep together.
	defaultTotal = 256 << 20
	// floor is what one direction may keep even when the budget is spent, so that nobody starves behind a greedy flow.
	floor = 64 << 10
)

// processBudget is shared by all flows that are given no budget of their own.
var processBudget = NewBudget(defaultTotal)

// A Budget bounds the bytes that the delay lines which share it keep in memory. Each direction may keep 64 KiB in any case;
// beyond that, a direction is read only while the sum is below the total. The bound is exceeded by at most one read (64 KiB) per
// direction.
type Budget struct {
	mu      sync.Mutex
	total   int64
	used    int64
	waiting list.List // of *account, first come first served
}

// NewBudget returns a budget of total bytes.
func NewBudget(total int64) *Budget { return &Budget{total: total} }

// Used is the number of bytes kept now, buffers counted whole.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// account is the share of one direction in a budget.
type account struct {
	b    *Budget
	held int64
	told bool          // full was told since the account was last below the floor
	turn *list.Element // in b.waiting
	room chan struct{} // receives when turn comes
	over bool          // closed: what is given back later was given back already
}

func newAccount(b *Budget) *account { return &account{b: b, room: make(chan struct{}, 1)} }

// take charges n bytes. It never refuses: the place to wait is before reading (await).
func (a *account) take(n int64) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	if a.over {
		return
	}
	a.held += n
	a.b.used += n
}

// close returns all that the account holds, including chunks that a stage dropped without releasing them: one flow must not make
// the budget smaller for those after it.
func (a *account) close() {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	a.over = true
	b.used -= a.held
	a.held = 0
	b.admitFirst()
}

// give returns n bytes and lets those go on that have room now.
func (a *account) give(n int64) {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.over {
		return
	}
	a.held -= n
	b.used -= n
	if a.held < floor {
		a.told = false
		a.admit()
	}
	b.admitFirst()
}

// admitFirst lets as many of those that wait go on as have room for one read each. With the lock held.
func (b *Budget) admitFirst() {
	for used := b.used; used < b.total; used += floor {
		e := b.waiting.Front()
		if e == nil {
			return
		}
		e.Value.(*account).admit()
	}
}

// admit ends the account's wait, if it does wait. With the lock held.
func (a *account) admit() {
	if a.turn == nil {
		return
	}
	a.b.waiting.Remove(a.turn)
	a.turn = nil
	a.room <- struct{}{} // never blocks: one value per turn, received by await
}

// free says that the account may grow.
func (a *account) free() bool {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	return a.b.used < a.b.total || a.held < floor
}

// await blocks until the account may grow, or until one of the channels is closed: then it returns false. full, when not nil, is
// called before it blocks, once until the account has drained.
func (a *account) await(full func(), done ...<-chan struct{}) bool {
	b := a.b
	b.mu.Lock()
	if b.used < b.total || a.held < floor {
		b.mu.Unlock()
		return true
	}
	a.turn = b.waiting.PushBack(a)
	tell := full != nil && !a.told
	a.told = true
	b.mu.Unlock()
	if tell {
		full()
	}
	var first, second <-chan struct{}
	if len(done) > 0 {
		first = done[0]
	}
	if len(done) > 1 {
		second = done[1]
	}
	select {
	case <-a.room:
		return true
	case <-first:
	case <-second:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.turn != nil {
		b.waiting.Remove(a.turn)
		a.turn = nil
	} else {
		<-a.room
		b.admitFirst() // the turn that was given in vain
	}
	return false
}
