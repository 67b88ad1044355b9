package fault

import (
	"fmt"

	"github.com/fault-project/fault/proxyengine/stream"
)

// KindLimitData is the kind of [LimitData].
const KindLimitData Kind = "limit_data"

// LimitData closes a connection once a number of bytes has passed in an affected direction since the connection was opened or the
// fault became active. They are delivered, both sides see an orderly close, and the rest is lost. Of an HTTP message the head counts,
// too; the client's connection is closed in the middle of the answer, or before it.
type LimitData struct {
	Base `with:"with-limit-data" withenv:"FAULT_WITH_LIMIT_DATA" flag:"limit-data" env:"FAULT_LIMIT_DATA"`

	// Bytes is how many pass; with 0 the first data closes the connection. It must be given.
	Bytes *int `key:"bytes" min:"0" max:"1000000000000" unit:"bytes" usage:"close the connection after that many"`
}

// Kind returns KindLimitData.
func (*LimitData) Kind() Kind { return KindLimitData }

// Validate checks ranges, and that the limit is given.
func (l *LimitData) Validate() error {
	if err := validate(l); err != nil {
		return err
	}
	if l.Bytes == nil {
		d, _ := Lookup(string(KindLimitData))
		f, _ := d.Field("bytes")
		return &ValueError{Fault: KindLimitData, Field: f, Reason: "is missing (--" + f.Flag + ")"}
	}
	return nil
}

// Describe labels the fault: "Limit Data: ➡️🖧, Bytes: 1000".
func (l *LimitData) Describe() string {
	limit := 0
	if l.Bytes != nil {
		limit = *l.Bytes
	}
	return fmt.Sprintf("Limit Data: %s, Bytes: %d%s", l.segment(), limit, l.chance())
}

func (l *LimitData) newStage(e *effect) stream.Stage { return &limit{effect: e, left: *l.Bytes} }

// limit closes one flow after what passes in one direction.
type limit struct {
	*effect
	left int
	over bool
}

// Push passes c on as far as the limit goes, and the end of everything right behind that.
func (s *limit) Push(c stream.Chunk, next func(stream.Chunk)) {
	if s.over {
		c.Release()
		return
	}
	if c.Len() == 0 {
		next(c)
		return
	}
	at := c.At
	head, rest := c.Cut(s.left)
	s.left -= head.Len()
	if head.Len() > 0 {
		next(head)
	}
	if s.left > 0 {
		return
	}
	s.over = true
	s.applied(at, amount{bytes: int64(rest.Len()), detail: "closed"})
	rest.Release()
	next(stream.NewEnd(at, stream.Cut))
}
