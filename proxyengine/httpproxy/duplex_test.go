package httpproxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAnswerBeforeTheRequestHasEnded: what the upstream answers to the first part of a body arrives before the second is sent.
func TestAnswerBeforeTheRequestHasEnded(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.EnableFullDuplex(), rc.Flush()); err != nil {
			t.Error(err)
		}
		part := make([]byte, 100)
		for {
			n, err := r.Body.Read(part)
			if n > 0 {
				fmt.Fprintf(w, "%s;", part[:n])
				_ = rc.Flush()
			}
			if err != nil {
				return
			}
		}
	})
	both(t, mapped(srv), func(t *testing.T, f *fixture) {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for _, part := range []string{"one", "two", "three"} {
			fmt.Fprintf(c, "%x\r\n%s\r\n", len(part), part)
			got := make([]byte, len(part)+1)
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != part+";" {
				t.Fatalf("after %q: %q, %v", part, got, err)
			}
		}
		fmt.Fprint(c, "0\r\n\r\n")
		if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 {
			t.Fatalf("at the end: %q, %v", rest, err)
		}
	})
}

// TestEarlyAnswerIsWhole: an upstream that answers to the head alone is heard to the end while the client still sends.
func TestEarlyAnswerIsWhole(t *testing.T) {
	want := strings.Repeat("no. ", 100_000)
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.WriteHeader(http.StatusForbidden)
		for i := 0; i < len(want); i += 40_000 {
			_, _ = io.WriteString(w, want[i:i+40_000])
			_ = rc.Flush()
			time.Sleep(time.Millisecond)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})
	both(t, mapped(srv), func(t *testing.T, f *fixture) {
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got := make([]byte, len(want))
		if n, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want || resp.StatusCode != http.StatusForbidden {
			t.Fatalf("status %d, %d bytes, %v; want 403 and %d", resp.StatusCode, n, err, len(want))
		}
		_, _ = c.Write(bytes.Repeat([]byte("x"), 999_999))
		if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 {
			t.Fatalf("at the end: %d bytes, %v", len(rest), err)
		}
	})
}

// onlyOnce is at its end once: who reads on gets what net/http says of a request's body after the answer has begun.
type onlyOnce struct{ r io.Reader }

func (b *onlyOnce) Read(p []byte) (int, error) {
	if b.r == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.r.Read(p)
	if err != nil {
		b.r = nil
	}
	return n, err
}

func (*onlyOnce) Close() error { return nil }

func TestBodyStaysAtItsEnd(t *testing.T) {
	var v virtual
	v.attach(2, &onlyOnce{strings.NewReader("body")})
	if got, err := io.ReadAll(&v); err != nil || len(got) != 6 {
		t.Fatalf("%q, %v", got, err)
	}
	if n, err := v.Read(make([]byte, 1)); n != 0 || err != io.EOF { //nolint:errorlint // exactly this, as io.Copy wants it
		t.Errorf("read on behind the end: %d, %v; want its end again", n, err)
	}
}
