package runner

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fault-project/fault/scenarios"
)

// TestCallThroughProxy has a proxy that answers by itself, as the engine's does when an upstream cannot be had.
func TestCallThroughProxy(t *testing.T) {
	t.Parallel()
	var own http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(callIDHeader) != "1.1.7" {
			t.Errorf("%s %s carries the identity %q", r.Method, r.URL, r.Header.Get(callIDHeader))
		}
		if strings.HasPrefix(r.URL.Host, "up.") {
			w.Header().Set("Proxy-Status", "other; error=x")
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Proxy-Status", "fault; error=connection_refused")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = fmt.Fprintln(w, "fault: upstream down.test: connection refused")
	})
	server := httptest.NewServer(own)
	t.Cleanup(server.Close)
	proxy, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		url    string
		status int
		err    string
	}{
		{"http://down.test/", 0, "upstream down.test: connection refused"},
		{"https://down.test/", 0, "upstream down.test: connection refused"},
		{"http://up.test/", 502, ""},
	}
	for _, tt := range tests {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		transport := newTransport(proxy, u.Scheme == "https")
		c := &caller{
			call: scenarios.Call{Method: "GET", URL: tt.url}, url: u, transport: transport, proxied: true, maxBody: 1000,
		}
		rec := call{id: "1.1.7"}
		c.do(t.Context(), &rec)
		transport.(*http.Transport).CloseIdleConnections()
		if rec.status != tt.status || (tt.err == "") != (rec.err == nil) || rec.err != nil && rec.err.Error() != tt.err {
			t.Errorf("%s: status %d, error %v; want %d, %q", tt.url, rec.status, rec.err, tt.status, tt.err)
		}
	}
}
