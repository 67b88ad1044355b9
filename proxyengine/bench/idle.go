//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// bulkEach is what an idle connection carries once.
	bulkEach = 2 << 20
	// opening is how many connections are opened, and carry, at a time.
	opening = 32
)

// footprint is what connections cost a process, each.
type footprint struct{ bytes, files float64 }

// idleCost opens n connections through a fresh process, lets them idle, lets busy of them carry bulk, and all idle again.
func idleCost(ctx context.Context, c *contender, n, busy int) (fresh, used footprint, err error) {
	if err := churn(ctx, c, 100); err != nil { // what a process needs once is not counted
		return fresh, used, err
	}
	base, err := settle(ctx, c)
	if err != nil {
		return fresh, used, err
	}
	conns := make([]net.Conn, n)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
	}()
	err = each(n, func(i int) error {
		var err error
		if conns[i], err = dial(ctx, c.source); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		return fetch(conns[i], 1)
	})
	if err != nil {
		return fresh, used, err
	}
	now, err := settle(ctx, c)
	if err != nil {
		return fresh, used, err
	}
	fresh = now.per(base, n)
	if err := each(min(n, busy), func(i int) error { return fetch(conns[i], bulkEach) }); err != nil {
		return fresh, used, err
	}
	// Pipes and buffers that are not needed any more are given back by the collector, which runs when something is allocated.
	before := now.files
	for range 10 {
		if err := churn(ctx, c, 2000); err != nil {
			return fresh, used, err
		}
		if now, err = settle(ctx, c); err != nil || now.files <= before {
			break
		}
	}
	return fresh, now.per(base, n), err
}

// per is the growth since base, for each of n connections.
func (f footprint) per(base footprint, n int) footprint {
	return footprint{(f.bytes - base.bytes) / float64(n), (f.files - base.files) / float64(n)}
}

// settle waits until the memory of the process changes no more, at most some seconds.
func settle(ctx context.Context, c *contender) (footprint, error) {
	var last footprint
	for range 12 {
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return last, err
		}
		rss, err := memory(c.pid(), "VmRSS")
		if err != nil {
			return last, err
		}
		files, err := descriptors(c.pid())
		if err != nil {
			return last, err
		}
		now := footprint{rss, float64(files)}
		if now.files == last.files && now.bytes >= last.bytes*0.995 && now.bytes <= last.bytes*1.005 {
			return now, nil
		}
		last = now
	}
	return last, nil
}

// churn opens, uses and closes connections.
func churn(ctx context.Context, c *contender, n int) error {
	_, err := connections(ctx, c.echo, n)
	return err
}

// each calls f for 0 … n-1, some at a time.
func each(n int, f func(i int) error) error {
	var next atomic.Int64
	return parallel(opening, func() error {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	})
}

// readers are for fetch.
var readers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// fetch gets n bytes from the source.
func fetch(c net.Conn, n int64) error {
	if err := ask(c, uint64(n)); err != nil {
		return err
	}
	buf := readers.Get().(*[]byte)
	defer readers.Put(buf)
	_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(c, n), *buf)
	return err
}
