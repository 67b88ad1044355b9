package runner

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fault-project/fault/scenarios"
)

// directly returns a caller for the call that needs no proxy.
func directly(t *testing.T, c scenarios.Call) *caller {
	t.Helper()
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := newTransport(nil, false)
	t.Cleanup(transport.(*http.Transport).CloseIdleConnections)
	return &caller{call: c, url: u, transport: transport, maxBody: 1000}
}

func TestCallIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	body := `{"a": 1}`
	empty := ""
	tests := []struct {
		name string
		call scenarios.Call
		want func(t *testing.T, r *http.Request, body string)
	}{
		{"bodyless", scenarios.Call{Method: "GET"}, func(t *testing.T, r *http.Request, body string) {
			if r.ContentLength != 0 || len(r.TransferEncoding) != 0 || body != "" || r.Header.Get("Content-Length") != "" {
				t.Errorf("a GET without a body has length %d, transfer encoding %v", r.ContentLength, r.TransferEncoding)
			}
			if r.Header.Get("Accept-Encoding") != "" {
				t.Errorf("asks for the encoding %q by itself", r.Header.Get("Accept-Encoding"))
			}
			if r.Header.Get("User-Agent") != "fault" || r.Header.Get(callIDHeader) != "" {
				t.Errorf("headers %v", r.Header)
			}
		}},
		{"post without a body", scenarios.Call{Method: "POST", Body: &empty}, func(t *testing.T, r *http.Request, body string) {
			if r.ContentLength != 0 || len(r.TransferEncoding) != 0 || body != "" {
				t.Errorf("a POST without a body has length %d, transfer encoding %v", r.ContentLength, r.TransferEncoding)
			}
		}},
		{
			"post",
			scenarios.Call{Method: "POST", Body: &body, Headers: map[string]string{"content-type": "application/json"}},
			func(t *testing.T, r *http.Request, got string) {
				if r.ContentLength != int64(len(body)) || got != body || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("length %d, body %q, headers %v", r.ContentLength, got, r.Header)
				}
			},
		},
		{
			"host and agent",
			scenarios.Call{Method: "GET", Headers: map[string]string{"host": "example.com", "user-agent": "me"}},
			func(t *testing.T, r *http.Request, _ string) {
				if r.Host != "example.com" || r.Header.Get("User-Agent") != "me" {
					t.Errorf("host %q, headers %v", r.Host, r.Header)
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				tt.want(t, r, string(body))
			}))
			t.Cleanup(server.Close)
			tt.call.URL = server.URL
			var rec call
			directly(t, tt.call).do(t.Context(), &rec)
			if rec.err != nil || rec.status != 200 {
				t.Errorf("status %d, error %v", rec.status, rec.err)
			}
		})
	}
}

func TestCallSendsUserInfo(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "pw" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	var rec call
	directly(t, scenarios.Call{Method: "GET", URL: strings.Replace(server.URL, "://", "://ann:pw@", 1)}).do(t.Context(), &rec)
	if rec.status != 200 {
		t.Errorf("status %d, error %v", rec.status, rec.err)
	}
}

// TestCallIsMadeOnce breaks a pooled connection after the request was read: net/http would repeat a request that has no body.
func TestCallIsMadeOnce(t *testing.T) {
	t.Parallel()
	for _, headers := range []map[string]string{nil, {"Idempotency-Key": "1"}} {
		var requests atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if requests.Add(1) == 1 {
				return
			}
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}))
		t.Cleanup(server.Close)
		method := "GET"
		if headers != nil {
			method = "POST"
		}
		c := directly(t, scenarios.Call{Method: method, URL: server.URL, Headers: headers})
		var first, second call
		c.do(t.Context(), &first)
		c.do(t.Context(), &second)
		if first.err != nil || second.err == nil || second.timedOut || second.status != 0 {
			t.Errorf("%s: errors %v and %v, want none and one", method, first.err, second.err)
		}
		if n := requests.Load(); n != 2 {
			t.Errorf("%s: %d requests arrived, want 2: none is repeated", method, n)
		}
	}
}

func TestCallResponses(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/never", http.StatusFound) })
	mux.HandleFunc("/never", func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	_, _ = z.Write(make([]byte, 1<<10))
	_ = z.Close()
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(compressed.Bytes())
	})
	mux.HandleFunc("/full", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000)) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1001)) })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write(make([]byte, 40))
	})
	mux.HandleFunc("/closed", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		_ = conn.Close()
	})
	mux.HandleFunc("/503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	tests := []struct {
		path   string
		status int
		length int64
		err    string
	}{
		{"/redirect", 302, int64(len("<a href=\"/never\">Found</a>.\n\n")), ""},
		{"/gzip", 200, int64(compressed.Len()), ""},
		{"/full", 200, 1000, ""},
		{"/long", 200, 1000, "longer than the 1000 bytes"},
		{"/cut", 200, 40, "reading the response: unexpected EOF"},
		{"/closed", 0, 0, "closed before a response came"},
		{"/503", 503, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.path[1:], func(t *testing.T) {
			t.Parallel()
			var rec call
			directly(t, scenarios.Call{Method: "GET", URL: server.URL + tt.path}).do(t.Context(), &rec)
			if rec.status != tt.status || rec.length != tt.length || rec.timedOut || rec.abandoned {
				t.Errorf("%+v", rec)
			}
			if tt.err == "" && rec.err != nil || tt.err != "" && (rec.err == nil || !strings.Contains(rec.err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", rec.err, tt.err)
			}
			if tt.status != 0 && (rec.firstByte.Before(rec.started) || rec.firstByte.After(rec.ended)) {
				t.Errorf("first byte at %v, call from %v to %v", rec.firstByte, rec.started, rec.ended)
			}
		})
	}
}

func TestCallTimeoutAndCancellation(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	short := 50.0
	for _, path := range []string{"/head", "/body"} {
		var rec call
		directly(t, scenarios.Call{Method: "GET", URL: server.URL + path, Timeout: &short}).do(t.Context(), &rec)
		if !rec.timedOut || rec.abandoned || rec.err == nil || rec.ended.Sub(rec.started) < 50*time.Millisecond {
			t.Errorf("%s: %+v, want a timeout after 50 ms", path, rec)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		rec = call{}
		directly(t, scenarios.Call{Method: "GET", URL: server.URL + path}).do(ctx, &rec)
		if rec.timedOut || !rec.abandoned || rec.err == nil {
			t.Errorf("%s: %+v, want it abandoned", path, rec)
		}
	}
}

func TestCallThatCannotConnect(t *testing.T) {
	t.Parallel()
	var rec call
	directly(t, scenarios.Call{Method: "GET", URL: "http://127.0.0.1:1"}).do(t.Context(), &rec)
	var op *net.OpError
	if !errors.As(rec.err, &op) || rec.timedOut || rec.status != 0 {
		t.Errorf("%+v, want a failure to connect", rec)
	}
}

func TestCallRecordsLookups(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	var rec call
	directly(t, scenarios.Call{Method: "GET", URL: strings.Replace(server.URL, "127.0.0.1", "localhost", 1)}).do(t.Context(), &rec)
	if rec.err != nil {
		t.Fatal(rec.err)
	}
	if len(rec.lookups) != 1 || rec.lookups[0].Host != "localhost" || !rec.lookups[0].Resolved || rec.lookups[0].Duration < 0 {
		t.Errorf("lookups %+v, want one of localhost", rec.lookups)
	}
}

func TestDialable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"127.0.0.1:3180": "127.0.0.1:3180", "0.0.0.0:3180": "127.0.0.1:3180", "[::]:3180": "[::1]:3180", "192.0.2.1:1": "192.0.2.1:1",
	} {
		addr, err := net.ResolveTCPAddr("tcp", in)
		if err != nil {
			t.Fatal(err)
		}
		if got := dialable(addr); got != want {
			t.Errorf("dialable(%s) = %s, want %s", in, got, want)
		}
	}
}
