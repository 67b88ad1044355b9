//go:build e2e

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// toggling is a schedule that is active for 50 ms of every 100 ms, from start, for a minute.
func toggling(start int) string {
	var periods []string
	for ms := start; ms < 60_000; ms += 100 {
		periods = append(periods, fmt.Sprintf("start:%dms,duration:50ms", ms))
	}
	return strings.Join(periods, ";")
}

// TestGibibyteSurvivesToggling sends a GiB each way while latency and jitter come and go every 50 ms.
func TestGibibyteSurvivesToggling(t *testing.T) {
	const size = 1 << 30
	content := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{42}), size) }
	sum := sha256.New()
	if _, err := io.Copy(sum, content()); err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(sum.Sum(nil))

	received := make(chan string, 1)
	upstream := serve(t, func(conn *net.TCPConn) {
		defer conn.Close()
		direction := make([]byte, 1)
		if _, err := io.ReadFull(conn, direction); err != nil {
			return
		}
		if direction[0] == 'd' {
			_, _ = io.Copy(conn, content())
			return
		}
		h := sha256.New()
		n, err := io.Copy(h, conn)
		received <- hex.EncodeToString(h.Sum(nil))
		if err != nil || n != size {
			fmt.Fprintf(os.Stderr, "upstream: %d bytes, %v\n", n, err)
		}
	})
	for _, scope := range []string{"connection", "chunk"} {
		port := freePort(t)
		args := []string{
			"run", "--no-ui", "--proxy-address", local(freePort(t)), "--proxy", fmt.Sprintf("%d=%s", port, upstream),
			"--with-latency", "--latency-mean", "20", "--latency-stddev", "5", "--latency-direction", "both", "--latency-sched", toggling(0),
			"--with-jitter", "--jitter-amplitude", "10", "--jitter-frequency", "50", "--jitter-direction", "both", "--jitter-sched", toggling(50),
		}
		if scope == "chunk" {
			args = append(args, "--latency-per-read-write")
		}
		p := start(t, args...)
		p.waitListening(t, local(port))
		t.Run(scope+"/down", func(t *testing.T) {
			conn := dial(t, local(port), time.Minute)
			if _, err := conn.Write([]byte{'d'}); err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			n, err := io.Copy(h, conn)
			if got := hex.EncodeToString(h.Sum(nil)); err != nil || n != size || got != want {
				t.Errorf("received %d bytes, sum %s, error %v; want %d bytes, sum %s", n, got, err, size, want)
			}
		})
		t.Run(scope+"/up", func(t *testing.T) {
			conn := dial(t, local(port), time.Minute)
			if _, err := io.Copy(conn, io.MultiReader(strings.NewReader("u"), content())); err != nil {
				t.Fatal(err)
			}
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-received:
				if got != want {
					t.Errorf("the upstream received sum %s, want %s", got, want)
				}
			case <-time.After(time.Minute):
				t.Error("the upstream did not receive everything")
			}
		})
		if code := p.stop(t, os.Interrupt); code != 130 {
			t.Errorf("exit code %d after Ctrl-C, want 130", code)
		}
	}
}

// TestHalfCloseGetsItsReply: the client ends its side first and still gets an answer, through a mapping and through CONNECT, with
// and without a fault.
func TestHalfCloseGetsItsReply(t *testing.T) {
	upstream := serve(t, func(conn *net.TCPConn) {
		defer conn.Close()
		request, _ := io.ReadAll(conn)
		time.Sleep(50 * time.Millisecond) // the reply comes well after the end of the request
		fmt.Fprintf(conn, "got %d bytes", len(request))
	})
	for _, fault := range [][]string{nil, {"--with-latency", "--latency-mean", "50", "--latency-direction", "both"}} {
		mapping, proxy := freePort(t), freePort(t)
		p := start(t, append([]string{
			"run", "--no-ui", "--proxy-address", local(proxy), "--proxy", fmt.Sprintf("%d=%s", mapping, upstream),
		}, fault...)...)
		p.waitListening(t, local(mapping))
		p.waitListening(t, local(proxy))
		for _, way := range []string{"mapping", "CONNECT"} {
			t.Run(fmt.Sprintf("%s/faults=%t", way, fault != nil), func(t *testing.T) {
				address := local(mapping)
				if way == "CONNECT" {
					address = local(proxy)
				}
				conn := dial(t, address, 10*time.Second)
				reader := bufio.NewReader(conn)
				if way == "CONNECT" {
					fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", upstream, upstream)
					response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
					if err != nil || response.StatusCode != http.StatusOK {
						t.Fatalf("CONNECT: %v, %v", response, err)
					}
				}
				if _, err := conn.Write(make([]byte, 100_000)); err != nil {
					t.Fatal(err)
				}
				if err := conn.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				reply, err := io.ReadAll(reader)
				if err != nil || string(reply) != "got 100000 bytes" {
					t.Errorf("reply %q, error %v", reply, err)
				}
			})
		}
		p.stop(t, os.Interrupt)
	}
}

// TestThousandConnectionsLeaveNothing compares the descriptors of the process, and its goroutines in a SIGQUIT dump, after ten
// connections and after a thousand more.
func TestThousandConnectionsLeaveNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts descriptors in /proc")
	}
	upstream := serve(t, func(conn *net.TCPConn) {
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	})
	measure := func(connections int) (descriptors, goroutines int) {
		port := freePort(t)
		p := start(t, "run", "--no-ui", "--proxy-address", local(freePort(t)), "--proxy", fmt.Sprintf("%d=%s", port, upstream),
			"--with-latency", "--latency-mean", "5")
		p.waitListening(t, local(port))
		var all sync.WaitGroup
		limit := make(chan struct{}, 100)
		for i := range connections {
			all.Go(func() {
				limit <- struct{}{}
				defer func() { <-limit }()
				exchange(t, local(port), i)
			})
		}
		all.Wait()
		count := func() int {
			entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			return len(entries)
		}
		for range 100 { // closing takes a moment; what is left after two seconds is a leak
			if descriptors = count(); descriptors <= 12 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(500 * time.Millisecond)
		p.stop(t, syscall.SIGQUIT)
		return descriptors, strings.Count(p.stderr.String(), "\ngoroutine ")
	}
	fewFDs, few := measure(10)
	manyFDs, many := measure(1000)
	t.Logf("after 10 connections %d descriptors and %d goroutines, after 1000 %d and %d", fewFDs, few, manyFDs, many)
	if few == 0 {
		t.Fatal("the dump shows no goroutines")
	}
	// Idle upstream pipes or pollers may differ by a few; a leak would show as hundreds.
	if manyFDs > fewFDs+2 || many > few+2 {
		t.Error("connections left something behind")
	}
}

// exchange sends a line and reads it back; every other connection is reset instead of closed.
func exchange(t *testing.T, address string, i int) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	message := fmt.Appendf(nil, "connection %d", i)
	back := make([]byte, len(message))
	if _, err := conn.Write(message); err != nil {
		t.Error(err)
		return
	}
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != string(message) {
		t.Errorf("connection %d: got %q, %v", i, back, err)
	}
	if i%2 == 1 {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
}
