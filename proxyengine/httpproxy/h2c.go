package httpproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// preface is what an HTTP/2 client opens with (RFC 9113, section 3.4).
var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// errNotH2C says that an upstream does not speak HTTP/2 without TLS. Nothing of a request was sent to it.
var errNotH2C = errors.New("the upstream does not speak HTTP/2 without TLS")

// dialH2C connects for an exchange to an upstream that speaks HTTP/2 without TLS: with prior knowledge, which is acquired here. The
// preface is sent ahead, so that it is the upstream that decides, and not a request that it cannot read.
func (t *transport) dialH2C(ctx context.Context, _, _ string) (net.Conn, error) {
	x := ctx.Value(exchangeKey{}).(*exchange)
	c, err := t.connect(ctx, x)
	if err != nil {
		return nil, err
	}
	// As long as the exchange lasts: the context of a dial outlives who wanted it, and the upstream may be silent for ever.
	read, err := greet(x.ctx, c)
	if len(read) > 0 && x.ctx.Err() == nil {
		t.versions.Store(x.to.server(), version{err == nil, time.Now()})
	}
	if err != nil {
		c.Close()
		if x.ctx.Err() != nil {
			return nil, context.Cause(x.ctx)
		}
		return nil, errNotH2C
	}
	c.shared = true
	return &greeted{Conn: c, ahead: read, unsaid: len(preface)}, nil
}

// greet sends the preface and reads the head of the frame that has to come back: SETTINGS, on stream 0, not acknowledging any
// (RFC 9113, sections 4.1 and 6.5). An upstream that does not speak HTTP/2 has seen a bad request, and answers that or closes. It blocks
// until there is an answer or ctx is done: silence says nothing about the protocol. What was read is returned with an error, too:
// without a byte nothing is known of the upstream, which may have had a reason of its own to close.
func greet(ctx context.Context, conn net.Conn) (read []byte, err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(past) })
	defer func() {
		stop()
		_ = conn.SetReadDeadline(time.Time{})
	}()
	if _, err := conn.Write(preface); err != nil {
		return nil, err
	}
	head := make([]byte, 9)
	if n, err := io.ReadFull(conn, head); err != nil {
		return head[:n], err
	}
	const settings = 4
	if head[3] != settings || !bytes.Equal(head[4:], make([]byte, 5)) {
		return head, errNotH2C
	}
	return head, nil
}

// greeted is a connection whose preface was sent, and whose answer was begun to be read.
type greeted struct {
	net.Conn
	ahead  []byte // belongs to whoever reads
	unsaid int    // bytes that are to be written and were; belongs to whoever writes
}

// Read returns what was read before, then what comes.
func (c *greeted) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write leaves the preface out.
func (c *greeted) Write(p []byte) (int, error) {
	skipped := min(c.unsaid, len(p))
	c.unsaid -= skipped
	if skipped == len(p) {
		return skipped, nil
	}
	n, err := c.Conn.Write(p[skipped:])
	return skipped + n, err
}

// NetConn is the connection below.
func (c *greeted) NetConn() net.Conn { return c.Conn }
