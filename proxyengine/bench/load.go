//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// messageSize is what an echo carries.
const messageSize = 64

func dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	return d.DialContext(ctx, "tcp", addr)
}

// ask tells the source to send n bytes.
func ask(c net.Conn, n uint64) error {
	_, err := c.Write(binary.BigEndian.AppendUint64(nil, n))
	return err
}

// window is what happened between two looks at a process.
type window struct {
	bytes int64
	took  time.Duration
	cpu   time.Duration // of the process; 0 when there is none
}

func (w window) gibPerSecond() float64 { return float64(w.bytes) / (1 << 30) / w.took.Seconds() }
func (w window) cpuPerGiB() float64    { return w.cpu.Seconds() / (float64(w.bytes) / (1 << 30)) }

// download reads as fast as it can over a number of connections, and reports what came in the time after the warm-up.
func download(ctx context.Context, c *contender, conns int, warm, d time.Duration) (window, error) {
	var count atomic.Int64
	var reading sync.WaitGroup
	open := make([]net.Conn, 0, conns)
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
		reading.Wait()
	}()
	for range conns {
		conn, err := dial(ctx, c.source)
		if err != nil {
			return window{}, err
		}
		open = append(open, conn)
		if err := ask(conn, math.MaxUint64); err != nil {
			return window{}, err
		}
		reading.Go(func() {
			buf := make([]byte, 256<<10)
			for {
				n, err := conn.Read(buf)
				count.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
	}
	if err := sleep(ctx, warm); err != nil {
		return window{}, err
	}
	look := func() (time.Time, int64, time.Duration, error) {
		if c.pid() == 0 {
			return time.Now(), count.Load(), 0, nil
		}
		cpu, err := cpuTime(c.pid())
		return time.Now(), count.Load(), cpu, err
	}
	at, bytes, cpu, err := look()
	if err != nil {
		return window{}, err
	}
	if err := sleep(ctx, d); err != nil {
		return window{}, err
	}
	at2, bytes2, cpu2, err := look()
	if err == nil && bytes2 == bytes {
		err = fmt.Errorf("nothing came through %s", c.name)
	}
	return window{bytes2 - bytes, at2.Sub(at), cpu2 - cpu}, err
}

// roundTrips is the median time that a message takes there and back, with a pause before each.
func roundTrips(ctx context.Context, addr string, warm, n int, pause time.Duration) (time.Duration, error) {
	conn, err := dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	msg := make([]byte, messageSize)
	took := make([]time.Duration, 0, n)
	for i := range warm + n {
		if pause > 0 {
			time.Sleep(pause)
		}
		start := time.Now()
		if _, err := conn.Write(msg); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(conn, msg); err != nil {
			return 0, err
		}
		if i >= warm {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	return took[len(took)/2], ctx.Err()
}

// callers is how many connect, or call, at a time.
const (
	connecting = 16
	calling    = 32
)

// connections is how many connections a second are made, used for one echo, and closed.
func connections(ctx context.Context, addr string, n int) (float64, error) {
	var left atomic.Int64
	left.Store(int64(n))
	start := time.Now()
	err := parallel(connecting, func() error {
		msg := make([]byte, messageSize)
		for left.Add(-1) >= 0 {
			conn, err := dial(ctx, addr)
			if err != nil {
				return err
			}
			_, err = conn.Write(msg)
			if err == nil {
				_, err = io.ReadFull(conn, msg)
			}
			conn.Close()
			if err != nil {
				return err
			}
		}
		return nil
	})
	return float64(n) / time.Since(start).Seconds(), err
}

// parallel runs n at a time and returns what failed.
func parallel(n int, f func() error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// calls is how many HTTP requests a second are answered over kept-alive connections, and what each costs the proxy.
func calls(ctx context.Context, c *contender, upstream string, warm, d time.Duration) (perSecond float64, cpu time.Duration, err error) {
	var count atomic.Int64
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- parallel(calling, func() error { return call(ctx, c.http, upstream, &count) }) }()
	look := func() (int64, time.Duration) {
		if c.pid() == 0 {
			return count.Load(), 0
		}
		used, cpuErr := cpuTime(c.pid())
		err = errors.Join(err, cpuErr)
		return count.Load(), used
	}
	_ = sleep(ctx, warm) // ends early only when the measurement is given up
	at := time.Now()
	n, used := look()
	_ = sleep(ctx, d)
	n2, used2 := look()
	took := time.Since(at)
	cancel()
	if err = errors.Join(err, <-failed); err != nil {
		return 0, 0, err
	}
	if n2 == n {
		return 0, 0, fmt.Errorf("no call through %s was answered", c.name)
	}
	return float64(n2-n) / took.Seconds(), (used2 - used) / time.Duration(n2-n), nil
}

// call asks again and again over one connection, with as little work as that takes, until ctx is done.
func call(ctx context.Context, addr, upstream string, count *atomic.Int64) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	request := []byte("GET http://" + upstream + "/ HTTP/1.1\r\nHost: " + upstream + "\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	in := bufio.NewReaderSize(conn, 4<<10)
	for ctx.Err() == nil {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		if err := answer(in); err != nil {
			return err
		}
		count.Add(1)
	}
	return nil
}

// answer reads an HTTP answer of known length.
func answer(in *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		text := strings.TrimSpace(string(line))
		if first && !strings.HasPrefix(text, "HTTP/1.1 200") {
			return fmt.Errorf("the answer is %q", text)
		}
		if text == "" {
			break
		}
		if name, value, _ := strings.Cut(text, ":"); strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	if length != answerSize {
		return fmt.Errorf("the answer has %d bytes", length)
	}
	_, err := in.Discard(length)
	return err
}

// rate is the bytes a second that come over one connection once the first burst is over. It is taken from arrival to arrival, so
// that it does not depend on when the measurement began or ended.
func rate(ctx context.Context, addr string, warm, d time.Duration) (float64, error) {
	conn, err := dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := ask(conn, math.MaxUint64); err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	var first, last time.Time
	var total, counted int64 // counted: up to last
	for start := time.Now(); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return 0, err
		}
		now := time.Now()
		switch {
		case now.Sub(start) < warm:
		case first.IsZero():
			first = now
		default:
			total += int64(n)
			last, counted = now, total
		}
		if !last.IsZero() && last.Sub(first) >= d {
			return float64(counted) / last.Sub(first).Seconds(), nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
