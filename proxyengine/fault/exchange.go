package fault

import (
	"fmt"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
)

// Begin tells the request of an exchange, before anything of it moves. Faults that are limited to some exchanges are decided, and
// count, in the order in which exchanges begin; one that never begins is not like any.
func (f *Flow) Begin(r Request) {
	chain := f.live.Load()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun = &r
	if chain == nil {
		return
	}
	for i := range chain.entries {
		f.hit(chain, &chain.entries[i])
	}
}

// meant reports whether a fault is for this flow, and counts it. With f.mu held.
func (f *Flow) meant(c *Chain, e *entry) bool {
	if !e.exchanges {
		return true
	}
	if f.passes(c, e) {
		return false
	}
	m := &e.Spec.Common().Match
	if m.IsZero() {
		return true
	}
	if !m.accepts(f.begun) {
		return false
	}
	return !m.counts() || m.selects(c.common.count(identity{e.Index, e.Epoch}))
}

// passes reports whether the flow is a stream, which a fault for exchanges cannot touch, and says so once.
func (f *Flow) passes(c *Chain, e *entry) bool {
	if f.event.Kind == event.Exchange {
		return false
	}
	kind := e.Spec.Kind()
	reason := "acts on HTTP exchanges"
	if _, always := e.Spec.(exchangeFault); !always {
		reason = "is limited to some HTTP exchanges"
	}
	c.tell(string(kind)+" "+reason, func() string {
		how := "a mapping to http:// or https:// makes exchanges of it"
		if f.event.Kind == event.Connection {
			how = "write http:// or https:// in front of the upstream if it speaks that"
		}
		return fmt.Sprintf("%s %s: the %s to %s passes without it; %s", kind, reason, f.event.Kind, f.event.Target, how)
	})
	return true
}

// struck calls yield for every fault that is active and hits the exchange, in the order of composition, until it returns false.
// With f.mu held during each call.
func (f *Flow) struck(yield func(c *Chain, e *entry) bool) {
	chain := f.live.Load()
	if chain == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range chain.entries {
		e := &chain.entries[i]
		if !f.hit(chain, e) {
			continue
		}
		if !yield(chain, e) {
			return
		}
	}
}

// spoilFault changes responses of upstreams.
type spoilFault interface {
	wantsPlain() bool
	// spoil changes a response, and calls done once with what it did, now or while the body is read; or pass with why it did
	// nothing, which completes "the body of … ".
	spoil(r *Response, done func(amount), pass func(why string))
}

// WantsPlain reports whether a fault is going to change the body of the response, and wants it without compression.
func (f *Flow) WantsPlain() bool {
	plain := false
	f.struck(func(_ *Chain, e *entry) bool {
		s, ok := e.Spec.(spoilFault)
		plain = ok && s.wantsPlain()
		return !plain
	})
	return plain
}

// Spoil changes the response of the upstream, and reports whether it may have. It may block while it reads the body.
func (f *Flow) Spoil(r *Response) bool {
	const noContent, resetContent = 204, 205
	if r.Status < 200 || r.Status > 299 || r.Status == noContent || r.Status == resetContent {
		return false
	}
	type spoiler struct {
		spoilFault
		*effect
	}
	var list []spoiler
	f.struck(func(c *Chain, e *entry) bool {
		if s, ok := e.Spec.(spoilFault); ok {
			list = append(list, spoiler{s, f.effect(c, e, answering(e))})
		}
		return true
	})
	for _, s := range list {
		s.spoil(r, func(a amount) { s.applied(time.Now(), a) }, func(why string) {
			s.chain.tell(string(s.kind)+" "+why, func() string {
				return fmt.Sprintf("%s changes nothing: the body of the response to %s %s %s", s.kind, f.event.Method, f.event.URL, why)
			})
		})
	}
	return len(list) > 0
}
