package stream_test

import (
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// TestTimers checks the contract of both kinds of timers, without saying how long anything takes.
func TestTimers(t *testing.T) {
	for name, clock := range map[string]stream.Clock{"runtime": stream.Runtime(), "precise": stream.Precise()} {
		t.Run(name, func(t *testing.T) {
			a, b := clock.NewTimer(), clock.NewTimer()
			defer a.Stop()
			defer b.Stop()
			start := clock.Now()
			a.Reset(start.Add(20 * ms))
			b.Reset(start.Add(5 * ms))
			<-b.C()
			if clock.Now().Before(start.Add(5 * ms)) {
				t.Error("too early")
			}
			select {
			case <-a.C():
				if clock.Now().Before(start.Add(20 * ms)) {
					t.Error("too early")
				}
			default:
			}
			a.Reset(start.Add(time.Hour))
			a.Reset(start) // the past
			<-a.C()
			a.Reset(start)
			b.Reset(clock.Now().Add(ms))
			<-b.C()
			a.Stop()
			select {
			case <-a.C():
				t.Error("a stopped timer fired")
			default:
			}
			a.Reset(start)
			b.Reset(clock.Now().Add(ms))
			<-b.C()
			a.Reset(clock.Now().Add(time.Hour))
			select {
			case <-a.C():
				t.Error("a value of an earlier Reset was received")
			default:
			}
			b.Reset(clock.Now().Add(ms)) // behind one that was stopped
			a.Stop()
			<-b.C()
			for range 50 { // it learns how early to fire
				at := clock.Now().Add(ms)
				b.Near(at)
				<-b.C()
				if b.Rest(); clock.Now().Before(at) {
					t.Error("too early after the rest")
				}
			}
			b.Near(start)
			<-b.C()
			b.Rest()
			a.Near(clock.Now().Add(time.Hour))
			a.Stop()
			b.Near(clock.Now().Add(time.Hour))
			b.Reset(clock.Now())
			<-b.C()
			b.Rest()
		})
	}
}
