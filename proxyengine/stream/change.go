package stream

import "time"

// change is a line's passage to another list of stages, with the lock held.
//
// What keeps the order of bytes: chunks only move forward, and of any two chunks the older one is at the same station as the
// younger one or farther on. So the chunks that are queued, which are through all stages, meet a new stage only when no stage
// behind it still has younger chunks; all of them, and the ones that leaving stages let go, then meet the same ones.
type change struct {
	l      *line
	old    []*station
	kept   map[*station]bool // stations that were on the line before and still are
	behind int               // from this index on, no station has chunks
}

func (l *line) change(stages []Stage, now time.Time) {
	ch := &change{l: l, old: l.stations}
	ch.arrange(stages)
	if ch.same() {
		return
	}
	queued := l.q.take()
	// What leaving stages have is younger than what is queued, and the last of these stages has the oldest of it. They are
	// emptied before anything is pushed: one that only changed its place is pushed to anew.
	var flushed []Chunk
	for i := len(ch.old) - 1; i >= 0; i-- {
		if s := ch.old[i]; !ch.kept[s] {
			flushed = append(flushed, ch.flush(i, s, now)...)
		}
	}
	l.last = l.popped
	if n := len(queued); n > 0 && queued[n-1].End != Open {
		l.ended = Open // it comes out once more, or not
	}
	for _, c := range queued {
		ch.redue(c)
	}
	for _, c := range flushed {
		l.enter(0, c)
	}
	if l.draining && len(l.stations) > 0 {
		l.draining = false
		select {
		case l.stay <- struct{}{}:
		default:
		}
	}
}

// arrange puts the new stations on the line: a stage that was there keeps its station.
func (ch *change) arrange(stages []Stage) {
	ch.kept = make(map[*station]bool, len(ch.old))
	l := ch.l
	l.stations = make([]*station, 0, len(stages))
	from := 0
	for _, stage := range stages {
		var st *station
		for i := from; i < len(ch.old); i++ {
			if ch.old[i].stage == stage {
				st, from = ch.old[i], i+1
				ch.kept[st] = true
				break
			}
		}
		if st == nil {
			st = newStation(l, stage)
		}
		st.index = len(l.stations)
		l.stations = append(l.stations, st)
		if st.held > 0 {
			ch.behind = st.index + 1
		}
	}
}

func (ch *change) same() bool {
	return len(ch.kept) == len(ch.old) && len(ch.l.stations) == len(ch.old)
}

// redue lets a queued chunk meet the new list: it keeps the delays of the stages that stay, loses those of the stages that left,
// and is pushed through the new ones.
func (ch *change) redue(c Chunk) {
	c.At = c.from
	legs := make([]leg, 0, len(ch.l.stations))
	for i, s := range ch.l.stations {
		switch g := c.leg(s); {
		case g != nil:
			legs = append(legs, *g)
		case ch.kept[s] || i < ch.behind:
			legs = append(legs, leg{at: s}) // the chunk is past it
		}
	}
	c.legs = legs
	ch.l.enter(0, c)
}

// flush empties a stage that left. What it lets go starts anew at that time: behind the stages that stood before it and stay,
// and through every new stage that queued chunks meet.
func (ch *change) flush(i int, s *station, now time.Time) (flushed []Chunk) {
	h, ok := s.stage.(Holder)
	if !ok {
		return nil
	}
	place := 0
	for _, before := range ch.old[:i] {
		if ch.kept[before] {
			place = before.index + 1
		}
	}
	h.Flush(now, func(c Chunk) {
		s.leave(&c)
		c.from = c.At
		passed := make([]leg, 0, len(ch.l.stations))
		for j, st := range ch.l.stations {
			if j < place && (ch.kept[st] || j < ch.behind) || c.leg(st) != nil {
				passed = append(passed, leg{at: st})
			}
		}
		c.legs = passed
		flushed = append(flushed, c)
	})
	return flushed
}
