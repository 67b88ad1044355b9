package proxyengine

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/fault-project/fault/proxyengine/authority"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

func TestIntercept(t *testing.T) {
	mine, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "https://")
	theirs := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	own := x509.NewCertPool()
	own.AppendCertsFromPEM(mine.CertificatePEM())
	for _, tc := range []struct {
		open    []string
		trusted *x509.CertPool // by the client
		kind    event.Kind
	}{
		{nil, own, event.Exchange},
		{[]string{"*"}, own, event.Exchange},
		{[]string{"https://" + host}, own, event.Exchange},
		{[]string{"http://" + host}, theirs, event.Tunnel},
		{[]string{"other.example"}, theirs, event.Tunnel},
	} {
		hosts, err := ParseUpstreams(tc.open)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var notices []string
		delays := 0
		done := make(chan event.Completed, 1)
		e := start(t, Config{
			ProxyAddress: "127.0.0.1:0", UpstreamRoots: theirs, Intercept: Intercept{Hosts: hosts, Certificate: mine.Certificate},
			Program: Program{Faults: []fault.Spec{latency(40)}, Upstreams: hosts},
			Sink: func(e event.Event) {
				switch e := e.(type) {
				case event.Notice:
					mu.Lock()
					notices = append(notices, e.Text)
					mu.Unlock()
				case event.Applied:
					mu.Lock()
					delays++
					mu.Unlock()
				case event.Completed:
					done <- e
				}
			},
		})
		tr := &http.Transport{
			Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: e.ProxyAddr().String()}), DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{RootCAs: tc.trusted},
		}
		resp, err := (&http.Client{Transport: tr}).Get(srv.URL)
		if err != nil {
			t.Errorf("%v: %v", tc.open, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		tr.CloseIdleConnections()
		c := <-done
		mu.Lock()
		if resp.StatusCode != http.StatusOK || string(body) != "ok" || c.Flow.Kind != tc.kind || (delays > 0) == c.Flow.Bypassed {
			t.Errorf("%v: %s %q, %d delays: %+v", tc.open, resp.Status, body, delays, c.Flow)
		}
		if len(notices) != 1 || !strings.HasPrefix(notices[0], "TLS to "+hosts.String()+" ends here") {
			t.Errorf("%v: %q", tc.open, notices)
		}
		mu.Unlock()
	}
	if _, err := New(Config{
		Mappings: []Mapping{mapping(t, "0=http://a.example")}, Intercept: Intercept{Certificate: mine.Certificate},
	}); err == nil || !strings.Contains(err.Error(), "no HTTP proxy") {
		t.Error(err)
	}
}
