package stream

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

const (
	minBuffer = 512
	maxBuffer = 64 << 10
	// chunkCost is charged for a chunk beside its buffer, so that one-byte reads cannot pass the budget.
	chunkCost = 256
)

// pools holds buffers of minBuffer, 2·minBuffer, … maxBuffer bytes.
var pools [8]sync.Pool

// buffer is memory that chunks share. It goes back to its pool, and off its account, with the last reference.
type buffer struct {
	mem  []byte
	refs atomic.Int32
	acct *account // nil when nothing was charged
	cost int64    // what was; grows with the lock of the direction held
}

// newBuffer returns a buffer for at least n bytes, n ≤ maxBuffer, with one reference.
func newBuffer(n int) *buffer {
	class := bits.Len(uint(max(n, minBuffer)-1) / minBuffer)
	b, ok := pools[class].Get().(*buffer)
	if !ok {
		b = &buffer{mem: make([]byte, minBuffer<<class)}
	}
	b.refs.Store(1)
	return b
}

// fit returns a buffer that holds the first n bytes of b and is not much bigger than they are: b itself, or a copy after which
// b is released.
func (b *buffer) fit(n int) *buffer {
	if n > len(b.mem)/2 || len(b.mem) == minBuffer {
		return b
	}
	small := newBuffer(n)
	copy(small.mem, b.mem[:n])
	b.release()
	return small
}

// charge puts the buffer on the account until it is released.
func (b *buffer) charge(a *account) {
	b.acct, b.cost = a, int64(len(b.mem))+chunkCost
	a.take(b.cost)
}

func (b *buffer) release() {
	switch n := b.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("stream: chunk released twice")
	}
	if b.acct != nil {
		b.acct.give(b.cost)
		b.acct = nil
	}
	pools[bits.Len(uint(len(b.mem)-1)/minBuffer)].Put(b)
}

// NewChunk returns an open chunk that holds data, which it owns from now on, and that arrived at the time at. Relays and readers
// make their own; this one is for stages that add bytes, and for tests of stages.
func NewChunk(at time.Time, data []byte) Chunk {
	return Chunk{At: at, data: data, arrival: at, from: at}
}

// NewVirtual returns an open chunk of n bytes that are kept elsewhere.
func NewVirtual(at time.Time, n int) Chunk { return Chunk{At: at, virtual: n, arrival: at, from: at} }

// NewEnd returns the chunk that ends a direction at the time at.
func NewEnd(at time.Time, end End) Chunk { return Chunk{At: at, End: end, arrival: at, from: at} }

// Bytes is the chunk's data, nil for one that is virtual or an end. It is valid until the chunk is released or passed on, and
// a stage that changes it must be the only one to hold it.
func (c *Chunk) Bytes() []byte { return c.data }

// Cut divides the chunk after n bytes; both parts share its memory and times, and c must not be used afterwards. The head keeps
// Turn, the tail keeps End. When n ≥ Len the tail is empty, when n ≤ 0 the head is; an empty part need not be released.
func (c *Chunk) Cut(n int) (head, tail Chunk) {
	whole := *c
	*c = Chunk{}
	if n <= 0 {
		return Chunk{At: whole.At, arrival: whole.arrival, from: whole.from}, whole
	}
	if n >= whole.Len() {
		return whole, Chunk{At: whole.At, arrival: whole.arrival, from: whole.from}
	}
	head, tail = whole, whole
	head.End, tail.Turn = Open, false
	// The parts take their own ways from here, so neither may append to the other's legs.
	head.legs = whole.legs[:len(whole.legs):len(whole.legs)]
	tail.legs = append([]leg(nil), whole.legs...)
	if whole.data != nil {
		head.data, tail.data = whole.data[:n:n], whole.data[n:]
	} else {
		head.virtual, tail.virtual = n, whole.virtual-n
	}
	if b := whole.buf; b != nil {
		b.refs.Add(1)
		if b.acct != nil { // many small pieces weigh more than what they hold
			b.cost += chunkCost
			b.acct.take(chunkCost)
		}
	}
	if whole.in != nil {
		whole.in.held++
	}
	return head, tail
}

// Release gives the chunk's memory back. Whoever neither passes a chunk on nor keeps it must call it, once.
func (c *Chunk) Release() {
	if c.buf != nil {
		c.buf.release()
	}
	if c.in != nil {
		c.in.held--
		c.in.dropped++
	}
	*c = Chunk{}
}
