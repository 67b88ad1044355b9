package proxyengine

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkHTTPForward compares an http:// mapping without faults with a plain reverse proxy of the standard library, over 32
// kept-alive connections and answers of 1 KiB. The two take turns in the same run; what counts is the ratio.
func BenchmarkHTTPForward(b *testing.B) {
	answer := []byte(strings.Repeat("x", 1024))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }))
	defer srv.Close()
	target, _ := url.Parse(srv.URL)

	plain := &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(target) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = plain.Serve(ln) }()
	defer plain.Close()

	m := mapping(b, "0="+srv.URL)
	e := start(b, Config{Mappings: []Mapping{m}})
	ways := map[string]string{"plain": "http://" + ln.Addr().String(), "engine": "http://" + e.MappingAddrs()[m.String()].String()}
	for range 5 {
		for _, name := range []string{"plain", "engine"} {
			b.Run(name, func(b *testing.B) { load(b, ways[name]) })
		}
	}
}

// load makes b.N calls over 32 connections.
func load(b *testing.B, url string) {
	tr := &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}
	defer tr.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(b.N))
	var workers sync.WaitGroup
	b.ResetTimer()
	b.ReportAllocs()
	for range 32 {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
				resp, err := tr.RoundTrip(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	workers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
