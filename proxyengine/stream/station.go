package stream

import "time"

// station is the place of a stage on a line. A stage that leaves and comes back gets another station.
type station struct {
	line  *line
	index int
	stage Stage
	waker Waker       // the stage, when it is one
	hole  Hole        // the same
	next  func(Chunk) // where the stage passes chunks on to
	held  int         // chunks that are in the stage
	last  time.Time   // At of the last chunk that the stage was given

	passed, dropped uint64 // counts of chunks
}

// leg says that a chunk reached a station `in` after it started, and was kept there for the duration kept.
type leg struct {
	at       *station
	in, kept time.Duration
}

func newStation(l *line, s Stage) *station {
	st := &station{line: l, stage: s}
	st.waker, _ = s.(Waker)
	st.hole, _ = s.(Hole)
	st.next = func(c Chunk) {
		st.passed++
		st.leave(&c)
		l.enter(st.index+1, c)
	}
	return st
}

// leg returns the chunk's leg of s, nil when it has not reached it.
func (c *Chunk) leg(s *station) *leg {
	for i := range c.legs {
		if c.legs[i].at == s {
			return &c.legs[i]
		}
	}
	return nil
}

// push gives the chunk to the stage.
func (s *station) push(c Chunk) {
	if c.At.Before(s.last) {
		c.At = s.last
	}
	s.last = c.At
	if c.legs == nil {
		c.legs = make([]leg, 0, len(s.line.stations))
	}
	c.legs = append(c.legs, leg{at: s, in: c.At.Sub(c.from)})
	c.in = s
	s.held++
	passed, dropped := s.passed, s.dropped
	s.stage.Push(c, s.next)
	if s.passed != passed {
		s.line.lossy = false // it was replaced rather than lost
	} else if s.dropped != dropped {
		s.line.lossy = true
	}
}

// leave notes that the stage let go of the chunk.
func (s *station) leave(c *Chunk) {
	if c.in != s { // a chunk that the stage made
		c.in, c.from, c.legs = nil, c.At, nil
		if c.arrival.IsZero() {
			c.arrival = c.At
		}
		return
	}
	c.in = nil
	s.held--
	if g := c.leg(s); g != nil {
		g.kept = c.At.Sub(c.from) - g.in
	}
}

// due is when the stage wants to be woken.
func (s *station) due() (time.Time, bool) {
	if s.waker == nil {
		return time.Time{}, false
	}
	return s.waker.Wake()
}
