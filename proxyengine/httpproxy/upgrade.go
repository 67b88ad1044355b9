package httpproxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// switched is the answer of an upstream that changed the protocol: from here on the exchange is a stream of bytes both ways.
type switched struct{ resp *http.Response }

// Error is for callers that do not know what to do with it.
func (s *switched) Error() string { return "the upstream switched protocols" }

// upgrade passes the answer on and relays what follows, in both directions, through the faults of the exchange: what it did so far
// was the beginning of the same two streams.
func (x *exchange) upgrade(resp *http.Response) {
	want, got := x.in.Header.Get("Upgrade"), resp.Header.Get("Upgrade")
	if want == "" || !strings.EqualFold(want, got) {
		x.refuseUpgrade(resp, fmt.Sprintf("it switched to protocol %q where the client had asked for %q", got, want))
		return
	}
	upstream, err := x.takeUpstream(resp)
	if err != nil {
		x.refuseUpgrade(resp, err.Error())
		return
	}
	client, buffered, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		upstream.Close()
		x.refuseUpgrade(resp, "the client's connection cannot be upgraded: "+err.Error())
		return
	}
	x.w.status, x.w.first = resp.StatusCode, time.Now()
	resp.Body = nil // only the head is written here
	if err := resp.Write(client); err != nil {
		x.fail(err)
		upstream.Close()
		client.Close()
		return
	}
	x.stats = x.flow.Relay(x.ctx, client, upstream, unread(buffered.Reader))
	if x.stats.Err != nil {
		x.fail(x.stats.Err)
	}
}

func (x *exchange) refuseUpgrade(resp *http.Response, text string) {
	if resp.Body != nil {
		resp.Body.Close()
	}
	answer := &refusal{http.StatusBadGateway, "http_upgrade_failed", "upstream " + x.to.address + ": " + oneLine(text)}
	x.fail(errors.New(answer.text))
	answer.write(x.w)
}

// past is a deadline that interrupts a blocked read.
var past = time.Unix(1, 0)

// takeUpstream takes the connection out of the transport's hands, with what was read from it beyond the answer.
func (x *exchange) takeUpstream(resp *http.Response) (net.Conn, error) {
	body, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || x.conn == nil {
		return nil, errors.New("it switched protocols without a connection to go on with")
	}
	conn := x.conn.Conn
	if x.secured != nil {
		conn = x.secured
	}
	// With the deadline in the past only what the transport had buffered can be read.
	_ = conn.SetReadDeadline(past)
	var ahead []byte
	buf := make([]byte, 4<<10)
	for {
		n, err := body.Read(buf)
		ahead = append(ahead, buf[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			body.Close()
			return nil, err
		}
	}
	_ = conn.SetReadDeadline(time.Time{})
	if len(ahead) > 0 {
		conn = &aheadConn{Conn: conn, ahead: ahead}
	}
	return conn, nil
}

// aheadConn is a connection of which some bytes were read before.
type aheadConn struct {
	net.Conn
	ahead []byte // belongs to whoever reads
}

// Read returns what was read before, then what comes.
func (c *aheadConn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// NetConn is the connection below.
func (c *aheadConn) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the sending half where the connection has one, and the connection otherwise.
func (c *aheadConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// unread is what a reader holds that nobody has read yet.
func unread(r *bufio.Reader) []byte {
	early := make([]byte, r.Buffered())
	n, _ := io.ReadFull(r, early) // as many as it says it has
	return early[:n]
}
