package stream

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWaitingForTheWriterIsNoDelay lets stages come back while the reading side waits until the line is drained: the delay of what came
// into the socket meanwhile begins when it is read again.
func TestWaitingForTheWriterIsNoDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(Up, &Path{}, &Options{Clock: Runtime(), Budget: NewBudget(1 << 20)})
		defer l.close()
		p := &pump{r: &Relay{done: make(chan struct{})}, writing: make(chan struct{})}
		p.line.Store(l)
		l.open()
		start := time.Now()
		time.AfterFunc(40*time.Millisecond, func() { l.stay <- struct{}{} })
		if p.drained() {
			t.Fatal("drained, and the writer has not stopped")
		}
		if got := l.arrival(time.Now(), start.Add(3*time.Millisecond).Round(0)).Sub(start); got != 40*time.Millisecond {
			t.Errorf("arrived after %s, want 40ms", got)
		}
	})
}
