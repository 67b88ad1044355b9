package stream

import "time"

// TestLine drives a line without goroutines.
type TestLine struct{ l *line }

func NewTestLine(p *Path, o Options) TestLine { return TestLine{newLine(Up, p, &o)} }

// Push sends data, read now, into the stages.
func (t TestLine) Push(data []byte) { t.PushStamped(data, time.Time{}) }

// PushStamped is Push of data that were there when the stamp says.
func (t TestLine) PushStamped(data []byte, stamp time.Time) {
	b := newBuffer(max(len(data), 1))
	t.l.refresh()
	t.l.pushBytes(b, copy(b.mem, data), false, stamp)
}

// Open lets the line take bytes from now on, Await waits for room as a reading side does.
func (t TestLine) Open()       { t.l.open() }
func (t TestLine) Await() bool { return t.l.await() }

func (t TestLine) PushEnd(e End) { t.l.push(NewEnd(t.l.clock.Now(), e)) }

// Pop returns what is due, piece by piece.
func (t TestLine) Pop() (out []Popped) {
	t.l.refresh()
	due, _, _ := t.l.pop(nil, 1<<30)
	for i := range due {
		c := &due[i]
		out = append(out, Popped{append([]byte(nil), c.Bytes()...), c.At, c.Arrival(), c.End})
		c.Release()
	}
	return out
}

// Next is when there is something to do.
func (t TestLine) Next() (time.Time, bool) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	return t.l.next()
}

func (t TestLine) Refresh() { t.l.refresh() }
func (t TestLine) Close()   { t.l.close() }

type Popped struct {
	Data        []byte
	At, Arrival time.Time
	End         End
}

// TestAccount is a direction's share in a budget.
type TestAccount struct{ a *account }

func NewTestAccount(b *Budget, held int64) TestAccount {
	a := newAccount(b)
	a.take(held)
	return TestAccount{a}
}

func (t TestAccount) Await(full func(), done ...<-chan struct{}) bool {
	return t.a.await(full, done...)
}
func (t TestAccount) Give(n int64) { t.a.give(n) }
func (t TestAccount) Close()       { t.a.close() }

// Splicing is the number of directions that splice now.
func Splicing() int { return len(splicers) }
