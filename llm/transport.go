package llm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How requests are repeated: at most maxAttempts times in all, after a pause that doubles from firstPause to maxPause; a provider that
// wants a longer one than maxAsked is not waited for.
const (
	maxAttempts = 6
	firstPause  = 500 * time.Millisecond
	maxPause    = 20 * time.Second
	maxAsked    = 60 * time.Second
)

// answerTimeout is how long a provider may take to begin an answer. Ollama may have to load the model first.
const answerTimeout = 3 * time.Minute

// newClient returns a client that paces and repeats requests. Redirects are not followed: a key in a header would go along.
func newClient(base http.RoundTripper) *http.Client {
	if base == nil {
		base = http.DefaultTransport
		if t, ok := base.(*http.Transport); ok {
			t = t.Clone()
			t.ResponseHeaderTimeout = answerTimeout
			base = t
		}
	}
	return &http.Client{
		Transport:     &transport{base: base},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport repeats requests that failed for reasons that pass.
type transport struct {
	base http.RoundTripper
	pace pace
}

// RoundTrip sends a request, again if need be, until its context ends.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		if err := t.pace.wait(req.Context()); err != nil {
			return nil, err
		}
		again, err := repeatable(req)
		if err != nil {
			return nil, err
		}
		resp, err := t.base.RoundTrip(again)
		if req.Context().Err() != nil || attempt == maxAttempts || notThere(err) || req.Body != nil && req.GetBody == nil {
			return resp, err
		}
		pause := min(firstPause<<(attempt-1), maxPause)
		pause = pause/2 + rand.N(pause/2)
		if err == nil {
			asked, retry := verdict(resp)
			if resp.StatusCode == http.StatusTooManyRequests {
				t.pace.slower()
			}
			if !retry || asked > maxAsked {
				if resp.StatusCode < http.StatusBadRequest {
					t.pace.faster()
				}
				return resp, nil
			}
			pause = max(pause, asked)
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // for the sake of the connection
			_ = resp.Body.Close()
		}
		t.pace.hold(pause)
	}
}

// notThere reports whether nobody answers at an address: that is for the user to put right, now.
func notThere(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// repeatable returns a copy of a request with a body of its own.
func repeatable(req *http.Request) (*http.Request, error) {
	if req.GetBody == nil {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	again.Body = body
	return again, nil
}

// verdict says whether an answer is worth another try, and how long the provider wants to be left alone.
func verdict(resp *http.Response) (asked time.Duration, retry bool) {
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout, 529: // 529: overloaded
	default:
		return 0, false
	}
	// A spent budget answers 429 as well, and does not pass.
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // what can be read
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
	if strings.Contains(string(head), "insufficient_quota") {
		return 0, false
	}
	after := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(after, 64); err == nil && seconds > 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second)), true
	}
	if at, err := http.ParseTime(after); err == nil {
		return time.Until(at), true
	}
	return 0, true
}

// pace is the rate limit, found by trying: a gap between requests that grows when the provider refuses one and shrinks while it takes
// them. The zero value has no gap.
type pace struct {
	mu   sync.Mutex
	gap  time.Duration
	next time.Time
}

const (
	firstGap = 100 * time.Millisecond
	maxGap   = 10 * time.Second
)

// wait blocks until it is this request's turn.
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.gap)
	p.mu.Unlock()
	if !at.After(now) {
		return ctx.Err()
	}
	timer := time.NewTimer(at.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pace) slower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gap = min(max(2*p.gap, firstGap), maxGap)
}

func (p *pace) faster() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gap -= p.gap / 10; p.gap < firstGap/10 {
		p.gap = 0
	}
}

// hold keeps all requests back for a while.
func (p *pace) hold(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := time.Now().Add(d); at.After(p.next) {
		p.next = at
	}
}

// plainErrors is a client whose errors say what happened in one line, without the address's query.
type plainErrors struct{ client *http.Client }

// Do is that of [http.Client].
func (p plainErrors) Do(req *http.Request) (*http.Response, error) {
	resp, err := p.client.Do(req)
	var failed *url.Error
	if errors.As(err, &failed) {
		return resp, fmt.Errorf("reach %s: %w", req.URL.Host, failed.Err)
	}
	return resp, err
}
