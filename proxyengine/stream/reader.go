package stream

import (
	"context"
	"errors"
	"io"
)

// ErrReset is returned by a [Reader] whose stages reset the stream.
var ErrReset = errors.New("the stream was reset by a fault")

// A Reader is one virtual stream of an HTTP exchange: a head, then a body that is read from src and passes the stages.
type Reader struct {
	ctx context.Context
	src io.ReadCloser
	d   Dir
	p   Path
	o   Options
}

// NewReader returns a reader of direction d.
func NewReader(ctx context.Context, src io.ReadCloser, d Dir, p Path, o Options) *Reader {
	return &Reader{ctx: ctx, src: src, d: d, p: p, o: o.withDefaults()}
}

// Head lets n virtual bytes pass the stages and returns when they are due.
func (r *Reader) Head(n int, turn bool) error { return r.ctx.Err() }

// Read reads bytes of the body that are due.
func (r *Reader) Read(p []byte) (int, error) { return r.src.Read(p) }

// Close closes the source.
func (r *Reader) Close() error { return r.src.Close() }

// Poke tells the reader that the generation changed.
func (r *Reader) Poke() {}
