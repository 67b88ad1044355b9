package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// fanOut is how many calls /multi makes at once.
const fanOut = 4

// reply is what one call to an upstream came to.
type reply struct {
	URL        string  `json:"url"`
	Status     int     `json:"status,omitempty"`
	DurationMS float64 `json:"duration_ms"`
	Body       string  `json:"body,omitempty"`
	Error      string  `json:"error,omitempty"`
}

func (r reply) ok() bool { return r.Error == "" && r.Status < http.StatusBadRequest }

// callUpstream makes one call and reads its answer whole.
//
// Weak on purpose: it sets no timeout of its own, so an upstream that never answers holds the caller for as long as the caller has
// patience, and it neither retries nor gives up early when the upstream keeps failing. It is here to be found, measured with a
// blackhole, and mended.
func (a *App) callUpstream(ctx context.Context, method, target, body string) reply {
	start := time.Now()
	r := reply{URL: redact(target)}
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		r.Error = err.Error()
		return r
	}
	if body != "" {
		request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	response, err := a.client.Do(request)
	if err == nil {
		defer response.Body.Close()
		r.Status = response.StatusCode
		var content []byte
		content, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
		r.Body = string(content)
	}
	if err != nil {
		r.Error = reason(err)
	}
	r.DurationMS = float64(time.Since(start).Microseconds()) / 1000
	return r
}

func (a *App) ping(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	a.answer(w, a.callUpstream(r.Context(), r.Method, a.UpstreamURL(), body))
}

func (a *App) pingMyself(w http.ResponseWriter, r *http.Request) {
	a.answer(w, a.callUpstream(r.Context(), http.MethodGet, a.URL()+"/", ""))
}

// answer passes on what the upstream said, with 502 where that was not a success.
func (a *App) answer(w http.ResponseWriter, r reply) {
	status := http.StatusOK
	if !r.ok() {
		status = http.StatusBadGateway
	}
	writeJSON(w, status, r)
}

// summary is what /multi answers.
type summary struct {
	Calls      []reply `json:"calls"`
	Failed     int     `json:"failed"`
	DurationMS float64 `json:"duration_ms"`
}

// multi calls the upstream fanOut times at once: it is as slow as the slowest call, and fails when one of them fails.
func (a *App) multi(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	s := summary{Calls: make([]reply, fanOut)}
	var calls sync.WaitGroup
	for i := range s.Calls {
		calls.Go(func() { s.Calls[i] = a.callUpstream(r.Context(), http.MethodGet, a.UpstreamURL(), "") })
	}
	calls.Wait()
	status := http.StatusOK
	for _, call := range s.Calls {
		if !call.ok() {
			s.Failed++
			status = http.StatusBadGateway
		}
	}
	s.DurationMS = float64(time.Since(start).Microseconds()) / 1000
	writeJSON(w, status, s)
}

// proxyFromEnvironment is http.ProxyFromEnvironment, except that it also sends calls to this machine through HTTP_PROXY. The standard
// library leaves those out, but here the upstream usually is on this machine and the proxy is the point of the exercise.
func proxyFromEnvironment(r *http.Request) (*url.URL, error) {
	host := r.URL.Hostname()
	ip := net.ParseIP(host)
	if r.URL.Scheme != "http" || (host != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return http.ProxyFromEnvironment(r)
	}
	proxy := firstOf(os.Getenv("HTTP_PROXY"), os.Getenv("http_proxy"))
	if proxy == "" {
		return nil, nil
	}
	for entry := range strings.SplitSeq(firstOf(os.Getenv("NO_PROXY"), os.Getenv("no_proxy")), ",") {
		if entry = strings.TrimSpace(entry); entry == "*" || entry == host || entry == r.URL.Host {
			return nil, nil
		}
	}
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	u, err := url.Parse(proxy)
	if err != nil {
		return nil, errors.New("HTTP_PROXY is not a URL: give one like http://127.0.0.1:3180")
	}
	return u, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// reason is an error's text without the URL that net/http puts in front of it: that may hold a password.
func reason(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return fmt.Sprintf("%s: %v", strings.ToLower(wrapped.Op), wrapped.Err)
	}
	return err.Error()
}

// redact is a URL without its password.
func redact(target string) string {
	if u, err := url.Parse(target); err == nil {
		return u.Redacted()
	}
	return target
}
