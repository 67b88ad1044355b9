package stream

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"time"
)

const (
	// Splicing pays when bulkStreak bytes come within bulkTime. The size of single reads says little: who reads fast reads less
	// at a time.
	bulkStreak = 1 << 20
	bulkTime   = 50 * time.Millisecond
	// spliceSlice is the most that is spliced without a look at the generation, spliceTime how long that may take: the reads
	// of a slice block with a pipe (two descriptors, of a bounded number) in hand.
	spliceSlice = 4 << 20
	spliceTime  = 100 * time.Millisecond
)

// splicers bounds the directions of the process that splice at a time: an unprivileged user may have some 64 pipes of full size
// (pipe(7), pipe-user-pages-soft). The others copy.
var splicers = make(chan struct{}, 32)

// pace goes over to splicing when bytes keep coming in bulk. It is true when it did: then the generation must be looked at
// before the next read.
func (p *pump) pace(n int) bool {
	if p.streak == 0 {
		p.since = time.Now() // not the clock of the path: this is about the machine
	}
	if p.streak += n; p.streak < bulkStreak {
		return false
	}
	p.streak = 0
	if time.Since(p.since) > bulkTime {
		return false
	}
	dst, ok := p.dst.Conn.(*net.TCPConn)
	if !ok || runtime.GOOS != "linux" {
		return false
	}
	src, ok := p.src.Conn.(*net.TCPConn)
	if !ok {
		return false
	}
	select {
	case splicers <- struct{}{}:
	default:
		return false
	}
	defer func() { <-splicers }()
	p.splice(dst, src)
	return true
}

// splice moves slices from socket to socket inside the kernel, until they get thin, the generation changes, or something ends:
// what it was shows in the read or write that follows.
func (p *pump) splice(dst, src *net.TCPConn) {
	defer p.allowRead()
	for !p.over() {
		// This may replace the interrupt of a Poke; its change shows in the generation.
		_ = src.SetReadDeadline(time.Now().Add(spliceTime))
		if p.changed() {
			return
		}
		p.r.turned(p.d)
		n, err := io.CopyN(dst, src, spliceSlice)
		p.count(n)
		timeout := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !timeout {
			// The kernel reports a reset once; what follows looks like an orderly end.
			p.doubt = p.doubt || !errors.Is(err, io.EOF)
			return
		}
		if timeout && n < bulkStreak {
			return
		}
	}
}
