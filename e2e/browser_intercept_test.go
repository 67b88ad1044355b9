//go:build e2e

package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// trusting makes Chromium take this certificate, whoever issued it.
func trusting(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "--ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(sum[:])
}

// shown is the certificate that a client is shown by way of a proxy, checked against the authority of a file.
func shown(t *testing.T, proxy, address, authority string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data)
	transport := &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: proxy}), TLSClientConfig: &tls.Config{RootCAs: roots},
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.TLS.PeerCertificates[0]
}

// TestBrowserIntercepted opens a page by HTTPS and HTTP/2 through tunnels that are opened. Faults that are for one address reach that, and
// neither its WebSocket, nor its events, nor anything else.
func TestBrowserIntercepted(t *testing.T) {
	browser(t)
	t.Parallel()
	site, reports := newSite(t, true)
	dir := t.TempDir()
	own := filepath.Join(dir, "site.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw})
	if err := os.WriteFile(own, block, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(t, dir, "ca", "init", "--ca-dir", filepath.Join(dir, "ca")); r.code != 0 {
		t.Fatalf("fault ca init: %s", r.stderr)
	}
	control := browse(t, site.URL, reports, trusting(site.Certificate()))
	t.Logf("directly: %+v", control)
	if control.Protocol != "h2" {
		t.Errorf("the site itself is spoken to in %q, want HTTP/2", control.Protocol)
	}
	for _, late := range []string{"/events", "/socket"} {
		t.Run("late "+late[1:], func(t *testing.T) {
			w := through(t, nil, "--tls-intercept", "127.0.0.1", "--ca-dir", filepath.Join(dir, "ca"), "--upstream-ca", own,
				"--with-latency", "--latency-mean", "200", "--latency-stddev", "0", "--latency-per-read-write", "--latency-match", late,
				"--with-http-response", "--http-response-status", "503", "--http-response-match", "GET /flaky after:1 first:1")
			cert := shown(t, w.proxy, site.URL, filepath.Join(dir, "ca", "ca.pem"))
			steadily := 0
			steady(t, func() error {
				f := browse(t, site.URL, reports, trusting(cert), "--proxy-server=http://"+w.proxy, "--proxy-bypass-list=<-loopback>")
				t.Logf("%+v", f)
				if f.Protocol != "h2" {
					t.Errorf("the page came by %q, want HTTP/2", f.Protocol)
				}
				want := []int{204, 503, 204}
				if steadily++; steadily > 1 {
					want = []int{204, 204, 204} // the counter goes on
				}
				if !slices.Equal(f.Flaky, want) {
					t.Errorf("statuses %v, want %v", f.Flaky, want)
				}
				var all []error
				for what, c := range map[string]struct {
					got, control []float64
					path         string
				}{
					"echo": {f.Echo, control.Echo, "/socket"}, "message": {f.Push, control.Push, "/socket"}, "event": {f.Event, control.Event, "/events"},
				} {
					low, high := -20.0, 25.0
					if c.path == late {
						low, high = 195, 220
					}
					all = append(all, between("ms added to the quickest "+what, added(c.got, c.control), low, high))
				}
				return errors.Join(all...)
			})
		})
	}
}
