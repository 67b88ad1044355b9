//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
)

// answerSize is the body of an HTTP answer.
const answerSize = 1024

// serveRole is one of the program's own processes. It prints the addresses that it listens on, one a line, and serves until ctx is
// done or its standard input ends, so that it never outlives the measurement.
func serveRole(ctx context.Context, role string, args []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	switch role {
	case "upstream":
		return upstream(ctx)
	case "copy":
		for _, target := range args {
			err := listen(ctx, func(c net.Conn) { copyProxy(c, target) })
			if err != nil {
				return err
			}
		}
	case "reverse":
		if err := serveHTTP(ctx, reverseProxy()); err != nil {
			return err
		}
	default:
		return fmt.Errorf("role %q is not known", role)
	}
	<-ctx.Done()
	return nil
}

// listen serves connections of an address of its own until ctx is done, and prints the address.
func listen(ctx context.Context, serve func(net.Conn)) error {
	ln, err := announce(ctx)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return nil
}

func announce(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { ln.Close() })
	_, err = fmt.Fprintln(os.Stdout, ln.Addr())
	return ln, err
}

func serveHTTP(ctx context.Context, h http.Handler) error {
	ln, err := announce(ctx)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(ln, h) }() //nolint:gosec // a peer on this machine; ends with ctx
	return nil
}

// upstream is what all contenders lead to: an echo, a source of bytes, and an HTTP server.
func upstream(ctx context.Context) error {
	if err := listen(ctx, echo); err != nil {
		return err
	}
	if err := listen(ctx, source); err != nil {
		return err
	}
	answer := []byte(strings.Repeat("x", answerSize))
	err := serveHTTP(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }))
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// echo says again what it hears, and costs an idle connection nothing but its goroutine.
func echo(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// pattern is what the source sends.
var pattern = make([]byte, 256<<10)

// source answers a number (8 bytes, big endian) with that many bytes, again and again.
func source(c net.Conn) {
	defer c.Close()
	var ask [8]byte
	for {
		if _, err := io.ReadFull(c, ask[:]); err != nil {
			return
		}
		for left := binary.BigEndian.Uint64(ask[:]); left > 0; {
			n, err := c.Write(pattern[:min(left, uint64(len(pattern)))])
			if err != nil {
				return
			}
			left -= uint64(n)
		}
	}
}

// copyProxy is the plainest proxy there is, and what Go's io.Copy makes of two sockets is fast: it splices.
func copyProxy(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target) //nolint:noctx // ends with the process
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{server, client}, {client, server}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].(*net.TCPConn).CloseWrite()
		})
	}
	both.Wait()
}

// reverseProxy is the standard library's, as a forward proxy: the request line names the upstream.
func reverseProxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:   func(*httputil.ProxyRequest) {},
		Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
	}
}

// addresses reads what a process of this program announces.
func addresses(r io.Reader, n int) ([]string, error) {
	lines := bufio.NewReader(r)
	var out []string
	for range n {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("a part did not start: %w", err)
		}
		out = append(out, strings.TrimSpace(line))
	}
	return out, nil
}
