package httpproxy

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRequestArrivesAsItWasSent(t *testing.T) {
	var got *http.Request
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { got = r; w.WriteHeader(http.StatusNoContent) })
	host := strings.TrimPrefix(srv.URL, "http://")
	head := "Host: ignored.example\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: x\r\n" +
		"Fault-Call-Id: call 1\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Multi: a\r\nX-Multi: b\r\n" +
		"Accept-Encoding: br\r\nTe: trailers\r\n\r\n"
	for _, path := range []string{"/a%2Fb;x=1?q=1;2&p=%zz&empty", "/a|b", "/%41?", "//double//", "/é", "/"} {
		both(t, nil, func(t *testing.T, f *fixture) {
			answer := f.conversation(t, "GET http://user:secret@"+host+path+" HTTP/1.1\r\n"+head)
			if !strings.HasPrefix(answer, "HTTP/1.1 204") {
				t.Fatal(answer)
			}
			if got.RequestURI != path {
				t.Errorf("the path %q arrived as %q", path, got.RequestURI)
			}
			want := http.Header{
				"X-Forwarded-For": {"1.2.3.4"}, "Forwarded": {"for=1.2.3.4"}, "X-Multi": {"a", "b"}, "Accept-Encoding": {"br"},
				"Te": {"trailers"}, "Via": {"1.1 fault"},
			}
			if !maps.EqualFunc(got.Header, want, slices.Equal) {
				t.Errorf("header %v, want %v", got.Header, want)
			}
			if got.Host != host {
				t.Errorf("Host = %q, want %q", got.Host, host)
			}
			flow := f.completed(t, 1)[0].Flow
			if flow.CallID != "call 1" || strings.Contains(flow.URL, "secret") || strings.Contains(flow.URL, "?") || flow.Target != host {
				t.Errorf("%+v", flow)
			}
		})
	}
}

func TestMappingSetsHost(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Host, r.RequestURI) })
	f := serve(t, mapped(srv))
	for _, tt := range []struct{ say, want string }{
		{"GET /x HTTP/1.1\r\nHost: somewhere.else\r\nConnection: close\r\n\r\n", strings.TrimPrefix(srv.URL, "http://") + " /x"},
		{"GET /x HTTP/1.0\r\n\r\n", strings.TrimPrefix(srv.URL, "http://") + " /x"},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", " *"},
		{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n", "405 Method"},
	} {
		if got := f.conversation(t, tt.say); !strings.Contains(got, tt.want) && !strings.HasPrefix(tt.want, " *") {
			t.Errorf("%q: %q, want %q", tt.say, got, tt.want)
		} else if strings.HasPrefix(tt.want, " *") && !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("%q: %q", tt.say, got)
		}
	}
}

func TestResponseArrivesAsItWasSent(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing made up": "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-A: 1\r\nX-A: 2\r\n\r\n<html>",
		"empty":           "HTTP/1.1 204 No Content\r\n\r\n",
		"not modified":    "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n",
		"zero length":     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"encoded":         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
		"strange status":  "HTTP/1.1 599 What\r\nContent-Length: 2\r\n\r\nok",
	} {
		ln := script(t, func(c net.Conn, r *http.Request) { io.WriteString(c, raw) })
		both(t, nil, func(t *testing.T, f *fixture) {
			got := f.conversation(t, "GET http://"+ln+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			want := strings.Replace(raw, "\r\n\r\n", "\r\nVia: 1.1 fault\r\nConnection: close\r\n\r\n", 1)
			if !sameMessage(got, want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		})
	}
}

func TestChunkedAndTrailersBothWays(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) == 0 {
			t.Errorf("the request is not chunked: %v", r.Header)
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s|", body)
		w.(http.Flusher).Flush()
		fmt.Fprintf(w, "%s", r.Trailer.Get("X-In"))
		w.Header().Set("X-Sum", "out")
		w.Header().Set(http.TrailerPrefix+"X-Late", "unannounced")
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		pr, pw := io.Pipe()
		req, _ := http.NewRequest(http.MethodPost, srv.URL, pr)
		req.Trailer = http.Header{"X-In": nil}
		go func() {
			for _, s := range []string{"a", "b", "c"} {
				io.WriteString(pw, s)
			}
			req.Trailer.Set("X-In", "in")
			pw.Close()
		}()
		resp, err := f.client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if string(body) != "abc|in" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		if resp.Trailer.Get("X-Sum") != "out" || resp.Trailer.Get("X-Late") != "unannounced" {
			t.Errorf("trailer %v", resp.Trailer)
		}
		if done := f.completed(t, 1)[0]; done.Up != 3 || done.Down != 6 || done.Status != 200 || done.Err != nil || done.TTFB <= 0 {
			t.Errorf("%+v", done)
		}
	})
}

func TestEmptyBodiesKeepTheirFraming(t *testing.T) {
	var got *http.Request
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { got = r })
	f := serve(t, nil)
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH", "TRACE", "PROPFIND", "BREW"} {
		for _, key := range []string{"", "Idempotency-Key: 1\r\n"} {
			length := ""
			if method == "POST" || method == "PUT" || method == "PATCH" {
				length = "Content-Length: 0\r\n"
			}
			f.conversation(t, method+" http://"+host+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+key+length+"\r\n")
			if got.Method != method || len(got.TransferEncoding) != 0 || got.ContentLength != 0 ||
				(got.Header.Get("Content-Length") == "0") != (length != "") {
				t.Errorf("%s: %+v", method, got)
			}
		}
	}
}

func TestContinue(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "too large", http.StatusExpectationFailed)
			return
		}
		io.Copy(w, r.Body)
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		for path, want := range map[string]int{"/yes": 200, "/no": 417} {
			var continued atomic.Bool
			body := &watched{Reader: strings.NewReader("body")}
			req, _ := http.NewRequest(http.MethodPost, srv.URL+path, body)
			req.ContentLength = 4
			req.Header.Set("Expect", "100-continue")
			req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got100Continue: func() { continued.Store(true) },
			}))
			resp, err := f.client(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want || want == 200 && string(answer) != "body" {
				t.Errorf("%s: %s %q", path, resp.Status, answer)
			}
			if continued.Load() != (want == 200) || body.read.Load() != (want == 200) {
				t.Errorf("%s: 100 Continue %t, body read %t", path, continued.Load(), body.read.Load())
			}
		}
	})
}

// TestContinueAfterAWhile: an upstream that does not say 100 Continue, or whose word is lost, gets the body all the same.
func TestContinueAfterAWhile(t *testing.T) {
	addr := script(t, func(c net.Conn, _ *http.Request) { // it has read the body
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
	var continued atomic.Bool
	req, _ := http.NewRequest(http.MethodPost, "http://"+addr, strings.NewReader("body"))
	req.Header.Set("Expect", "100-continue")
	req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got100Continue: func() { continued.Store(true) },
	}))
	client := serve(t, nil).client(t)
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute // a client that would wait longer than the proxy
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !continued.Load() {
		t.Errorf("%s, told to continue: %t", resp.Status, continued.Load())
	}
}

func TestProvisionalAnswers(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	})
	both(t, nil, func(t *testing.T, f *fixture) {
		var early []string
		req, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
		req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				early = append(early, fmt.Sprint(code, h.Get("Link")))
				return nil
			},
		}))
		resp, err := f.client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if len(early) != 1 || early[0] != "103</style.css>; rel=preload" || resp.Header.Get("Link") != "" {
			t.Errorf("early %q, then %v", early, resp.Header)
		}
	})
}

func TestEventsAreFlushedAtOnce(t *testing.T) {
	for _, length := range []string{"", "11"} {
		next := make(chan struct{})
		srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			if length != "" {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Content-Length", length)
			}
			w.(http.Flusher).Flush()
			<-next
			io.WriteString(w, "one\n\n")
			w.(http.Flusher).Flush()
			<-next
			io.WriteString(w, "two!!\n")
		})
		both(t, nil, func(t *testing.T, f *fixture) {
			resp, err := f.client(t).Get(srv.URL) // returns only when the head has come, ahead of the body
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			next <- struct{}{}
			buf := make([]byte, 6)
			if _, err := io.ReadFull(resp.Body, buf[:5]); err != nil || string(buf[:5]) != "one\n\n" {
				t.Fatalf("%q, %v", buf, err)
			}
			next <- struct{}{}
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "two!!\n" {
				t.Fatalf("%q, %v", buf, err)
			}
		})
	}
}

func TestLargeHeaders(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Back", r.Header.Get("X-Large")) })
	large := strings.Repeat("x", 500_000)
	both(t, nil, func(t *testing.T, f *fixture) {
		for _, body := range []io.Reader{nil, bytes.NewReader(make([]byte, 100_000))} {
			req, _ := http.NewRequest(http.MethodPost, srv.URL, body)
			req.Header.Set("X-Large", large)
			resp, err := f.client(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.Header.Get("X-Back") != large {
				t.Errorf("%d bytes came back", len(resp.Header.Get("X-Back")))
			}
		}
	})
}
