package app

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals is what the process is sent. Who has taken them acts on them, else Main does.
type signals struct {
	received chan os.Signal

	mu     sync.Mutex
	handle func(os.Signal)
}

func newSignals() *signals {
	s := &signals{received: make(chan os.Signal, 8)}
	signal.Notify(s.received, os.Interrupt, syscall.SIGTERM)
	return s
}

func (s *signals) stop() { signal.Stop(s.received) }

// take has the contract of [cli.Factory.TakeSignals].
func (s *signals) take(handle func(os.Signal)) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle = handle
	for _, sig := range passedOn {
		if !signal.Ignored(sig) { // nohup has its reason
			signal.Notify(s.received, sig)
		}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.handle = nil
		signal.Reset(passedOn...)
	}
}

// passOn reports whether somebody else acts on sig.
func (s *signals) passOn(sig os.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle == nil {
		return false
	}
	s.handle(sig)
	return true
}
