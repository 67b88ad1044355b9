package llm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script answers requests one after the other.
type script struct {
	answers []func(*http.Request) (*http.Response, error)
	at      []time.Time
	bodies  []string
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, string(body))
	s.at = append(s.at, time.Now())
	answer := s.answers[min(len(s.at), len(s.answers))-1]
	return answer(req)
}

func status(code int, header http.Header, body string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	}
}

func lost(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }

func TestRetry(t *testing.T) {
	after := func(seconds string) http.Header { return http.Header{"Retry-After": {seconds}} }
	ok := status(200, nil, "fine")
	tests := map[string]struct {
		answers  []func(*http.Request) (*http.Response, error)
		attempts int
		least    time.Duration // from the first attempt to the last
		status   int
	}{
		"at once":          {[]func(*http.Request) (*http.Response, error){ok}, 1, 0, 200},
		"reset":            {[]func(*http.Request) (*http.Response, error){lost, lost, ok}, 3, 750 * time.Millisecond, 200},
		"overloaded":       {[]func(*http.Request) (*http.Response, error){status(503, nil, ""), ok}, 2, 250 * time.Millisecond, 200},
		"asked to wait":    {[]func(*http.Request) (*http.Response, error){status(429, after("7"), ""), ok}, 2, 7 * time.Second, 200},
		"asked too much":   {[]func(*http.Request) (*http.Response, error){status(429, after("3600"), "wait"), ok}, 1, 0, 429},
		"budget is spent":  {[]func(*http.Request) (*http.Response, error){status(429, nil, `{"code":"insufficient_quota"}`), ok}, 1, 0, 429},
		"wrong":            {[]func(*http.Request) (*http.Response, error){status(400, nil, "bad"), ok}, 1, 0, 400},
		"never gets well":  {[]func(*http.Request) (*http.Response, error){status(500, nil, "sick")}, maxAttempts, 7 * time.Second, 500},
		"moved: not there": {[]func(*http.Request) (*http.Response, error){status(307, http.Header{"Location": {"http://x.test/"}}, ""), ok}, 1, 0, 307},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: tt.answers}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://p.test/", strings.NewReader("text"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := newClient(s).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || tt.status >= 400 && len(body) == 0 {
					t.Errorf("the reason is lost: %q, %v", body, err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
				took := s.at[len(s.at)-1].Sub(s.at[0])
				if resp.StatusCode != tt.status || len(s.at) != tt.attempts || took < tt.least || took > 2*tt.least {
					t.Errorf("status %d after %d attempts in %v", resp.StatusCode, len(s.at), took)
				}
				for i, sent := range s.bodies {
					if sent != "text" {
						t.Errorf("attempt %d sent %q", i, sent)
					}
				}
			})
		})
	}
}

func TestRetryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://p.test/", strings.NewReader("text"))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = newClient(&script{answers: []func(*http.Request) (*http.Response, error){status(429, http.Header{"Retry-After": {"50"}}, "")}}).Do(req)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// A provider that refuses gets fewer requests, and more again when it takes them.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		turn := func() time.Duration {
			start := time.Now()
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		for range 2 {
			if got := turn(); got != 0 {
				t.Errorf("gap %v before anything was refused", got)
			}
		}
		p.slower()
		p.slower()
		turn()
		if got := turn(); got != 2*firstGap {
			t.Errorf("gap %v", got)
		}
		for range 10 {
			p.slower()
		}
		if p.gap != maxGap {
			t.Errorf("gap %v", p.gap)
		}
		for range 100 {
			p.faster()
		}
		if p.gap != 0 {
			t.Errorf("gap %v after many answers", p.gap)
		}
		p.hold(5 * time.Second)
		time.Sleep(time.Second)
		turn()
		if got := turn(); got != 0 {
			t.Errorf("gap %v after the hold", got)
		}
	})
}

func TestBatches(t *testing.T) {
	got := batches([]string{"aaa", "bbb", "", "cccccccccc", "d", "e", "f"}, limits{texts: 2, bytes: 6})
	want := "aaa|bbb;-;cccccccccc;d|e;f"
	var parts []string
	for _, b := range got {
		parts = append(parts, strings.Join(b, "|"))
	}
	if strings.Join(parts, ";") != want {
		t.Errorf("got %q", parts)
	}
	if batches(nil, limits{texts: 2, bytes: 6}) != nil {
		t.Error("nothing makes a batch")
	}
}
