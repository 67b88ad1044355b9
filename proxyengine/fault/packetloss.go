package fault

import (
	"fmt"
	"strings"
	"time"

	"github.com/fault-project/fault/proxyengine/stream"
)

// KindPacketLoss is the kind of [PacketLoss].
const KindPacketLoss Kind = "packetloss"

// What a lost packet means for a stream.
const (
	// LossStall repeats what is lost, as TCP does: the stream stalls until it is there.
	LossStall = "stall"
	// LossDrop loses it for good, with all that comes after it, as a cut cable does.
	LossDrop = "drop"
)

// PacketLoss loses packets. TCP never delivers a stream with a hole in it, so a lost segment shows as a stall of everything behind
// it. A segment is what was read at once, 1460 bytes at most. One that is lost arrives one round trip later when three or more
// segments follow it, which makes the sender repeat it (fast retransmit, RFC 5681), and one retransmission timeout later otherwise:
// 200 ms, which is what common systems wait at the least, doubled each time that the same segment is lost again (RFC 6298). What was
// lost six times in a row resets the connection when the last timeout is over.
//
// The first sending of each segment is lost by a process that goes from segment to segment: a Markov chain of five states by
// default, with a long-run loss of 4.5 %; independently with Rate; in bursts with Rate and Burst (Gilbert 1960, Elliott 1963), with
// exactly that long-run rate and mean number of segments lost in a row. It begins in its long-run distribution, so that short
// streams lose as much as long ones. What is sent again is sent when the burst is over: it is lost at the long-run rate.
type PacketLoss struct {
	Base `with:"with-packet-loss" withenv:"FAULT_WITH_PACKET_LOSS" flag:"packet-loss" env:"FAULT_PACKET_LOSS"`

	// Rate, 0 to 1, is the share of packets that is lost; nil is the Markov chain.
	Rate *float64 `key:"rate" arg:"rate" min:"0" max:"1" usage:"share of packets lost; without it 4.5%, more in bad times"`

	// Burst is how many packets in a row are lost on average, at least 1; nil is that each is lost or not by itself. It needs Rate.
	Burst *float64 `key:"burst" arg:"burst" min:"1" max:"1000000" usage:"mean number of packets lost in a row (needs rate)"`

	// RTT is the round-trip time in milliseconds, after which a fast retransmit arrives.
	RTT float64 `key:"rtt" default:"50" min:"0" max:"86400000" unit:"ms" usage:"round-trip time, after which a fast retransmit arrives"`

	// Mode is LossStall or LossDrop.
	Mode string `key:"mode" default:"stall" enum:"stall,drop" usage:"lost packets are sent again, or cut the stream for good"`
}

// Kind returns KindPacketLoss.
func (*PacketLoss) Kind() Kind { return KindPacketLoss }

// Validate checks ranges, and that there are bursts of that length at that rate.
func (p *PacketLoss) Validate() error {
	if err := validate(p); err != nil {
		return err
	}
	if p.Burst == nil {
		return nil
	}
	d, _ := Lookup(string(KindPacketLoss))
	if p.Rate == nil {
		rate, _ := d.Field("rate")
		return &ValueError{Fault: KindPacketLoss, Field: rate, Reason: "is missing: burst needs it (--" + rate.Flag + ")"}
	}
	switch least := *p.Rate / (1 - *p.Rate); {
	case *p.Rate >= 1:
		return &ValueError{
			Fault: KindPacketLoss, Field: Field{Name: "burst"}, Value: plain(*p.Burst),
			Reason: "has no meaning when everything is lost (rate 1)",
		}
	case *p.Burst < least*(1-1e-9): // 0.9 has no exact binary form
		return &ValueError{Fault: KindPacketLoss, Field: Field{Name: "burst"}, Value: plain(*p.Burst), Reason: fmt.Sprintf(
			"is too short: at rate %s more than %.4g packets in a row are lost on average", plain(*p.Rate), least)}
	}
	return nil
}

// Describe labels the fault: "Packet Loss: ➡️🖧, Rate: 5%, Burst: 4.00".
func (p *PacketLoss) Describe() string {
	label := "Packet Loss: " + p.segment()
	if p.Rate != nil {
		label += ", Rate: " + strings.TrimSuffix(fmt.Sprintf("%.2f", *p.Rate*100), ".00") + "%"
	}
	if p.Burst != nil {
		label += fmt.Sprintf(", Burst: %.2f", *p.Burst)
	}
	if p.Mode == LossDrop {
		label += ", Mode: drop"
	}
	return label + p.chance()
}

func (p *PacketLoss) newStage(e *effect) stream.Stage {
	losses := newLosses(p, e.rand)
	if p.Mode == LossDrop {
		return &severed{gap: gap{effect: e}, losses: losses}
	}
	return &recovery{effect: e, losses: losses, rtt: milliseconds(p.RTT)}
}

// segmentSize is what a TCP segment carries over Ethernet: 1500 bytes without the headers of IP and TCP.
const segmentSize = 1460

// eachSegment calls each with the segments of c, in order; an end is one of its own.
func eachSegment(c stream.Chunk, each func(stream.Chunk)) {
	if c.Len() == 0 {
		each(c)
		return
	}
	for c.Len() > 0 {
		var head stream.Chunk
		head, c = c.Cut(segmentSize)
		each(head)
	}
}

// severed is one direction of one flow up to the first loss.
type severed struct {
	gap
	losses *losses
}

// Push passes c on up to what is lost.
func (s *severed) Push(c stream.Chunk, next func(stream.Chunk)) {
	eachSegment(c, func(c stream.Chunk) {
		if s.broken() || c.Len() > 0 && s.losses.next() && s.tear() {
			s.lose(c)
		} else {
			next(c)
		}
	})
}

// Blocked is for [stream.Hole].
func (s *severed) Blocked() bool { return s.broken() }

const (
	// retransmitAfter is the first retransmission timeout.
	retransmitAfter = 200 * time.Millisecond
	// fastAfter is how many segments must follow a lost one for it to be sent again before that (RFC 5681, section 3.2).
	fastAfter = 3
	// tooOften is how often one segment may be lost in a row.
	tooOften = 6
)

// recovery is one direction of one flow in which TCP repeats what is lost.
type recovery struct {
	*effect
	losses *losses
	rtt    time.Duration
	order  order
	held   []segment // in order, from the first on that waits for being sent again
	reset  bool
}

// segment is one that waits to be sent again, or behind one that does.
type segment struct {
	chunk    stream.Chunk
	at       time.Time // when it came
	lost     int       // how often it is lost
	due      time.Time // when it is there at last
	fixed    bool      // that will not change any more
	reported bool
}

// Push passes on what is there, and keeps what is lost with all that comes after it.
func (s *recovery) Push(c stream.Chunk, next func(stream.Chunk)) {
	at := c.At
	s.advance(at, next)
	eachSegment(c, func(c stream.Chunk) {
		if s.reset {
			c.Release()
			return
		}
		s.add(c)
	})
	s.advance(at, next)
	s.announce()
}

// add draws what becomes of a segment.
func (s *recovery) add(c stream.Chunk) {
	g := segment{chunk: c, at: c.At, due: c.At, fixed: true}
	if c.Len() > 0 && s.losses.next() {
		g.lost = s.losses.repeated(tooOften)
		g.due, g.fixed = c.At.Add(backoff(g.lost)), false
	}
	s.held = append(s.held, g)
	// Whatever follows a segment that waits is kept here, so those that follow it are counted by its place.
	if i := len(s.held) - 1 - fastAfter; i >= 0 && c.Len() > 0 && !s.held[i].fixed {
		s.held[i].repeatFast(c.At, s.rtt)
	}
}

// backoff is how long a segment takes that is lost n times.
func backoff(n int) time.Duration { return retransmitAfter * (1<<n - 1) }

// repeatFast lets the segment be sent again because of those that followed it until then. Where they only came while its timeout was
// running, that may still be sooner.
func (g *segment) repeatFast(at time.Time, rtt time.Duration) {
	due := at.Add(rtt + backoff(g.lost-1))
	if at.Equal(g.at) || due.Before(g.due) {
		g.due = due
	}
	g.fixed = true
}

// advance passes on what no longer depends on what comes.
func (s *recovery) advance(now time.Time, next func(stream.Chunk)) {
	n := 0
	for ; n < len(s.held) && (s.held[n].fixed || !s.held[n].due.After(now)); n++ {
		g := &s.held[n]
		due := s.order.keep(g.due, s.effect)
		s.report(g, g.due)
		if g.lost < tooOften {
			g.chunk.At = due
			next(g.chunk)
			continue
		}
		s.reset = true
		next(stream.NewEnd(due, stream.Rst))
		for i := range s.held[n:] {
			s.held[n+i].chunk.Release()
		}
		n = len(s.held) - 1
	}
	s.held = append(s.held[:0], s.held[n:]...)
	clear(s.held[len(s.held):cap(s.held)])
}

// report says what became of a segment that is lost.
func (s *recovery) report(g *segment, due time.Time) {
	if g.lost == 0 {
		return
	}
	a := amount{delay: due.Sub(g.at), continued: g.reported}
	if !g.reported {
		a.bytes, a.detail = int64(g.chunk.Len()), g.detail()
	}
	g.reported = true
	s.applied(g.at, a)
}

// announce says at once that segments are lost of which it is not yet known for how long.
func (s *recovery) announce() {
	for i := range s.held {
		if g := &s.held[i]; g.lost > 0 && !g.reported {
			g.reported = true
			s.applied(g.at, amount{bytes: int64(g.chunk.Len()), detail: g.detail()})
		}
	}
}

func (g *segment) detail() string {
	switch {
	case g.lost >= tooOften:
		return fmt.Sprintf("reset: lost %d times", g.lost)
	case g.lost > 1:
		return fmt.Sprintf("lost %d times", g.lost)
	}
	return ""
}

// Wake returns when the segment is there that everything waits for.
func (s *recovery) Wake() (time.Time, bool) {
	if len(s.held) == 0 {
		return time.Time{}, false
	}
	return s.held[0].due, true
}

// Tick passes on what is there.
func (s *recovery) Tick(now time.Time, next func(stream.Chunk)) { s.advance(now, next) }

// Flush lets everything go on, in order: nothing is lost any more.
func (s *recovery) Flush(now time.Time, next func(stream.Chunk)) {
	for i := range s.held {
		g := &s.held[i]
		if g.due.After(now) {
			g.due = later(g.at, now)
		}
		s.report(g, g.due)
		g.chunk.At = later(g.chunk.At, now)
		next(g.chunk)
	}
	s.held = nil
}
