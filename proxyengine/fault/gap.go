package fault

import (
	"cmp"
	"sync"

	"github.com/fault-project/fault/proxyengine/stream"
)

// gap is a place in one direction of one flow from which on everything is lost. Once there is one it outlives its fault: a stream is
// never resumed with bytes missing.
type gap struct {
	*effect
	mu   sync.Mutex // leave is called by whoever asks for the path, the rest by whoever moves bytes
	torn bool
	left bool
	toll toll
}

// tear makes the gap, and reports whether there is one: not when the fault has left before.
func (g *gap) tear() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.torn = g.torn || !g.left
	return g.torn
}

// broken reports whether there is a gap.
func (g *gap) broken() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.torn
}

// leave is called when the fault has ended. It reports whether the stage goes; one with a gap stays for good.
func (g *gap) leave() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = true
	return !g.torn
}

// lose drops c.
func (g *gap) lose(c stream.Chunk) {
	g.toll.take(g.effect, &c, "")
	c.Release()
}

// toll reports what a fault takes from a stream as one application of it, however many pieces it comes in.
type toll struct{ taken bool }

// take reports c. The end of a stream counts only where nothing else was taken.
func (t *toll) take(e *effect, c *stream.Chunk, detail string) {
	switch {
	case !t.taken && c.End != stream.Open:
		detail = cmp.Or(detail, "end of stream")
	case !t.taken:
	case c.Len() == 0:
		return
	default:
		detail = ""
	}
	e.applied(c.At, amount{bytes: int64(c.Len()), detail: detail, continued: t.taken})
	t.taken = true
}
