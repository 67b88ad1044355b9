package fault

import (
	"slices"
	"sync"
)

// commons is what the flows of a listener have in common under the faults of a chain, such as a rate that they share. It outlives
// the chain: the next one takes over what belongs to faults that stay active.
type commons struct {
	mu     sync.Mutex
	values map[sharing]any
}

// sharing names one thing in common: of one activation of a fault, at one point, on one listener.
type sharing struct {
	identity
	listener string
	at       point
}

// shared returns what the flows of this flow's listener have in common for the fault, made by the first of them.
func (e *effect) shared(fresh func() any) any {
	key := sharing{e.id, e.flow.Listener, e.at}
	c := e.chain.common
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.values[key]
	if !ok {
		value = fresh()
		if c.values == nil {
			c.values = map[sharing]any{}
		}
		c.values[key] = value
	}
	return value
}

// inherit takes over from the chain before, for the faults of both, what c does not have yet.
func (c *Chain) inherit(before *Chain) {
	if c == nil || before == nil || c == before {
		return
	}
	before.common.mu.Lock()
	values := make(map[sharing]any, len(before.common.values))
	for key, value := range before.common.values {
		if slices.ContainsFunc(c.entries, func(e entry) bool { return e.Index == key.index && e.Epoch == key.epoch }) {
			values[key] = value
		}
	}
	before.common.mu.Unlock()
	if len(values) == 0 {
		return
	}
	c.common.mu.Lock()
	defer c.common.mu.Unlock()
	for key, value := range c.common.values {
		values[key] = value
	}
	c.common.values = values
}
