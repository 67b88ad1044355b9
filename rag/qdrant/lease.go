package qdrant

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// beats is how often in the length of a lease its holder shows that it is alive.
const beats = 4

// errLost says that another update runs now.
var errLost = errors.New("another process took the update over, because this one was silent for too long: run it again")

// lease is the right to change the control document, which one update at a time has. It is safe for concurrent use.
type lease struct {
	store *Store
	// predecessorDied says that the update before did not give the lease back.
	predecessorDied bool

	mu  sync.Mutex
	now *versioned
	// unsure are changes of now of which it is not known whether they were made, or still will be.
	unsure []*versioned
	lost   bool

	stop context.CancelFunc
	done chan struct{}
}

// acquire waits for the lease until ctx ends. The collection is created if need be.
func (s *Store) acquire(ctx context.Context, dimension int) (*lease, error) {
	seen, since := "", time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another process that updates %s: %w", s.Location(), ctx.Err())
		case <-timer.C:
		}
		now, err := s.readControl(ctx)
		if err == nil && now == nil {
			if err = s.create(ctx, dimension); err == nil {
				now, err = s.readControl(ctx)
			}
		}
		switch {
		case ctx.Err() != nil:
			continue
		case err != nil:
			return nil, err
		case now == nil: // deleted by somebody at this moment
		case now.version != seen && now.Held:
			seen, since = now.version, time.Now()
		case !now.Held || time.Since(since) >= s.server.options.Lease:
			l := &lease{store: s, predecessorDied: now.Held, now: now}
			err := l.change(ctx, func(c *control) {
				c.Session++
				c.Held = true
				c.Unclean = c.Unclean || l.predecessorDied
			})
			if err == nil && l.now.Session > maxSession {
				return nil, fmt.Errorf("%s was updated too often: delete the collection in Qdrant", s.Location())
			}
			if err == nil {
				l.keep()
				return l, nil
			}
			if !errors.Is(err, errLost) {
				return nil, err
			}
			seen = "" // somebody else was faster
		}
		timer.Reset(s.server.options.Lease / 50)
	}
}

// keep shows in the background that the update is alive, until give.
func (l *lease) keep() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop, l.done = stop, make(chan struct{})
	every := l.store.server.options.Lease / beats
	go func() {
		defer close(l.done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				// One that fails is made up for by the next; what matters says so itself.
				beat, cancel := context.WithTimeout(ctx, l.store.server.options.Lease/2)
				_ = l.change(beat, func(*control) {})
				cancel()
			}
		}
	}()
}

// change changes the control document. It returns errLost if it is not this update's turn any more.
func (l *lease) change(ctx context.Context, edit func(c *control)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.lost {
		next := &versioned{control: l.now.control, version: newVersion()}
		edit(&next.control)
		l.unsure = append(l.unsure, next)
		swapped, err := l.store.swap(ctx, l.now.version, next)
		if err != nil {
			return err
		}
		if swapped {
			l.now, l.unsure = next, nil
			return nil
		}
		if err := l.settle(ctx); err != nil {
			return err
		}
	}
	return errLost
}

// settle finds out which of the changes was made whose answer did not come. All of them were of the same version, so that there is at
// most one, and the others cannot be made any more.
func (l *lease) settle(ctx context.Context) error {
	now, err := l.store.readControl(ctx)
	if err != nil {
		return err
	}
	l.lost = true
	for _, made := range l.unsure {
		if now != nil && now.version == made.version {
			l.now, l.lost = made, false
		}
	}
	l.unsure = nil
	return nil
}

// control returns the document as this update left it.
func (l *lease) control() control {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now.control
}

// give ends the turn. Nobody waits longer than the length of the lease if that fails. unclean says that the next update has to look for
// points that nothing refers to.
func (l *lease) give(unclean bool) error {
	l.stop()
	<-l.done
	ctx, cancel := context.WithTimeout(context.Background(), l.store.server.options.Lease)
	defer cancel()
	err := l.change(ctx, func(c *control) { c.Held, c.Unclean = false, c.Unclean || unclean })
	if errors.Is(err, errLost) || missing(err) {
		return nil // there is nothing to give back; what was to be written failed before
	}
	return err
}
