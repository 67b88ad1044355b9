package stream

import (
	"context"
	"net"
	"time"
)

// Stats is what a relay moved.
type Stats struct {
	// Up and Down are the bytes written to the upstream and to the client.
	Up, Down int64
	// FirstDown is when the first byte was written to the client; zero when none was.
	FirstDown time.Time
	// Err is what ended the relay early: the context's error, or the first error of a connection. nil after an orderly end of
	// both directions.
	Err error
}

// A Relay moves bytes between two connections, both ways.
type Relay struct {
	client, upstream net.Conn
	p                Path
	o                Options
}

// NewRelay returns a relay between client and upstream, which belong to it from now on.
func NewRelay(client, upstream net.Conn, p Path, o Options) *Relay {
	return &Relay{client: client, upstream: upstream, p: p, o: o.withDefaults()}
}

// Run moves bytes until both directions are done or ctx is done, and closes both connections.
func (r *Relay) Run(ctx context.Context) Stats {
	r.client.Close()
	r.upstream.Close()
	return Stats{Err: ctx.Err()}
}

// Poke tells the relay that the generation changed. It never blocks and may be called by any goroutine, at any time.
func (r *Relay) Poke() {}
