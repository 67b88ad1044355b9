package stream

// queue is a ring of chunks that are through all stages, in the order in which they are due.
type queue struct {
	ring []Chunk
	head int
	n    int
}

// keepRing is the capacity that an empty queue keeps, so that connections that are idle after bulk cost nothing.
const keepRing = 16

func (q *queue) push(c Chunk) {
	if q.n == len(q.ring) {
		bigger := make([]Chunk, max(8, 2*q.n))
		for i := range q.n {
			bigger[i] = *q.at(i)
		}
		q.ring, q.head = bigger, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = c
	q.n++
}

// at is the i-th chunk from the front.
func (q *queue) at(i int) *Chunk { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue) pop() Chunk {
	slot := q.at(0)
	c := *slot
	*slot = Chunk{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	if q.n--; q.n == 0 && len(q.ring) > keepRing {
		*q = queue{}
	}
	return c
}

// take empties the queue and returns what was in it, oldest first.
func (q *queue) take() []Chunk {
	all := make([]Chunk, 0, q.n)
	for q.n > 0 {
		all = append(all, q.pop())
	}
	return all
}
