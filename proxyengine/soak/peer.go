//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// report is what became of the connections.
type report struct {
	Connections, Wrong, Failed int64
	Bytes                      int64 // there and back
	Peak                       int64 // open at a time
	Example                    string
}

func (r report) String() string {
	return fmt.Sprintf("%d connections, up to %d at a time, %.2f GB there and back; %d wrong, %d failed %s",
		r.Connections, r.Peak, float64(r.Bytes)/1e9, r.Wrong, r.Failed, r.Example)
}

func (r report) check(o options) error {
	switch {
	case r.Wrong > 0 || r.Failed > 0:
		return fmt.Errorf("%d connections got other bytes than were sent, %d failed: %s", r.Wrong, r.Failed, r.Example)
	case r.Peak < int64(o.conns) || r.Bytes == 0:
		return fmt.Errorf("only %d connections were open at a time, with %d bytes", r.Peak, r.Bytes)
	}
	return nil
}

// load is both ends of the connections: an echo behind the proxy, and clients before it.
type load struct {
	report
	proxy string
	open  atomic.Int64
	mu    sync.Mutex
}

// servePeer prints the address of the echo, reads the address of the proxy, and keeps connections open until its input ends. Then
// it finishes them and prints the report.
func servePeer(ctx context.Context, o options) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go echo(c)
		}
	}()
	if _, err := fmt.Fprintln(os.Stdout, ln.Addr()); err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	proxy, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	l := &load{proxy: strings.TrimSpace(proxy)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	var clients sync.WaitGroup
	for i := range o.conns {
		clients.Go(func() {
			rnd := rand.New(rand.NewPCG(o.seed, uint64(i)))
			for ctx.Err() == nil {
				if err := l.connection(ctx, rnd); err != nil {
					l.fail(err)
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
		if i%50 == 49 {
			time.Sleep(10 * time.Millisecond) // not all of them knock at once
		}
	}
	clients.Wait()
	return json.NewEncoder(os.Stdout).Encode(l.report)
}

func echo(c net.Conn) {
	defer c.Close()
	_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 4<<10)) // the client judges
}

var errOther = errors.New("other bytes came back than were sent")

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, errOther) {
		l.Wrong++
	} else {
		l.Failed++
	}
	if l.Example == "" {
		l.Example = err.Error()
	}
}

const (
	biggest  = 128 << 10 // of a message
	messages = 60        // of a connection, at most
	pause    = 4 * time.Second
	patience = 3 * time.Minute // for what is still on its way in the end
)

// connection sends messages of many sizes at random times, closes its sending half, and compares what came back.
func (l *load) connection(ctx context.Context, rnd *rand.Rand) error {
	d := net.Dialer{Timeout: 30 * time.Second}
	conn, err := d.DialContext(context.WithoutCancel(ctx), "tcp", l.proxy)
	if err != nil {
		return err
	}
	defer conn.Close()
	open := l.open.Add(1)
	defer l.open.Add(-1)
	type half struct {
		n   int64
		sum []byte
		err error
	}
	back := make(chan half, 1)
	go func() {
		sum := sha256.New()
		n, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{conn}, make([]byte, 4<<10))
		back <- half{n, sum.Sum(nil), err}
	}()
	sent, there := sha256.New(), int64(0)
	for range 1 + rnd.IntN(messages) {
		n, err := send(conn, sent, rnd)
		there += n
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		select {
		case <-time.After(time.Duration(rnd.Int64N(int64(pause)))):
			continue
		case <-ctx.Done():
		}
		break
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	b := <-back
	l.mu.Lock()
	l.Connections++
	l.Bytes += there + b.n
	l.Peak = max(l.Peak, open)
	l.mu.Unlock()
	switch {
	case b.err != nil:
		return fmt.Errorf("%d of %d bytes came back: %w", b.n, there, b.err)
	case b.n != there || !bytes.Equal(b.sum, sent.Sum(nil)):
		return fmt.Errorf("%w: %d of %d bytes", errOther, b.n, there)
	}
	return nil
}

// send sends one message, of a size whose logarithm is uniform.
func send(conn net.Conn, sum hash.Hash, rnd *rand.Rand) (int64, error) {
	size := int64(math.Exp(rnd.Float64() * math.Log(biggest)))
	var key [32]byte
	for i := range key {
		key[i] = byte(rnd.Uint32())
	}
	return io.CopyN(struct{ io.Writer }{io.MultiWriter(sum, conn)}, rand.NewChaCha8(key), size)
}
