// Package stream moves bytes from one connection to another: as fast as the kernel can while nothing is wrong with the path,
// and through a delay line of stages while something is. It knows neither faults nor HTTP; a [Stage] decides when bytes go on
// and whether they do.
package stream

import "time"

// Dir is the direction in which bytes travel through the proxy.
type Dir uint8

const (
	// Up is client → upstream (requests).
	Up Dir = iota
	// Down is upstream → client (responses).
	Down
)

// End says whether a chunk carries the end of its direction.
type End uint8

const (
	// Open means that more may follow.
	Open End = iota
	// Fin is an orderly end: the sender closed its half. Nothing follows.
	Fin
	// Rst is a broken end: the sender's side failed or was reset. Nothing follows.
	Rst
	// Cut ends the whole connection in an orderly way, made by a stage: both sides are closed as soon as the bytes before it are
	// delivered.
	Cut
)

// Chunk is a run of bytes on its way, with the time at which it reaches the next stage. The end of a direction travels as a
// chunk of length 0 with End set, so that it keeps its place in the order.
type Chunk struct {
	// At is when the bytes reach the stage that is given the chunk: the arrival time at the first stage, later what the
	// stages before decided. Never decreasing from chunk to chunk.
	At time.Time
	// Turn says that the conversation turned: bytes had moved the other way since the last chunk in this direction. The first
	// chunk of a flow is a turn.
	Turn bool
	End  End
	// Apart says that the bytes are written by themselves, not together with others that are due.
	Apart bool

	data    []byte
	virtual int     // length of a chunk that stands for bytes that are kept elsewhere (an HTTP head)
	buf     *buffer // owner of data, nil when there is none
	arrival time.Time
	from    time.Time // where re-dueing starts: the arrival, or when a stage that left the path let go of the chunk
	legs    []leg     // the stations that are behind the chunk, or that it is in
	in      *station  // the station whose stage has the chunk now, nil when none has
}

// Len is the number of bytes.
func (c *Chunk) Len() int {
	if c.data == nil {
		return c.virtual
	}
	return len(c.data)
}

// Arrival is when the bytes arrived at the proxy: in its socket where the system tells, else when they were read.
func (c *Chunk) Arrival() time.Time { return c.arrival }

// A Stage is one station on the path of one direction of one flow: it decides when, and whether, bytes go on. All methods of a
// stage are called with the lock of its direction held, never concurrently, and must not block. The two directions of a flow have
// different locks.
type Stage interface {
	// Push takes a chunk that reaches the stage at c.At and calls next for what goes on, now or in a later call, in order and
	// with At ≥ the At of what was passed before. A chunk that is passed on may be later, and may be cut in pieces
	// ([Chunk.Cut]); one that is not passed on and not kept must be released ([Chunk.Release]).
	Push(c Chunk, next func(Chunk))
}

// A Waker is a stage that lets bytes go on at a time of its own, without another chunk having arrived.
type Waker interface {
	// Wake returns when Tick wants to be called next; ok is false when it does not.
	Wake() (at time.Time, ok bool)
	// Tick is called at or after that time.
	Tick(now time.Time, next func(Chunk))
}

// A Hole is a stage that may let nothing through until somebody decides otherwise. A connection that one of its sides has closed
// is not kept for that longer than [Options.Linger] allows.
type Hole interface {
	// Blocked says whether nothing goes on now. Any goroutine may call it, at any time.
	Blocked() bool
}

// A Holder is a stage that may be keeping chunks. Flush is called once when the stage leaves the path: what it kept either goes
// on or is released.
type Holder interface {
	Flush(now time.Time, next func(Chunk))
}
