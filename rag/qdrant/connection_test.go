//go:build cgo

package qdrant

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/qdrant/qdranttest"
	"github.com/fault-project/fault/rag/ragtest"
)

// What is wrong with a connection is said in words that help.
func TestConnectionErrors(t *testing.T) {
	key := qdranttest.New(t, qdranttest.Options{Key: "sesame"})
	plain := qdranttest.New(t, qdranttest.Options{})
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	tlsWeb := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer tlsWeb.Close()
	secure := qdranttest.New(t, qdranttest.Options{TLS: &tls.Config{Certificates: tlsWeb.TLS.Certificates}})
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + closed.Addr().String()
	closed.Close()
	for _, tt := range []struct {
		o             Options
		message, hint string
	}{
		{Options{URL: refused}, "connection refused", "gRPC port (6334"},
		{Options{URL: key.URL()}, "wants an API key", "FAULT_QDRANT_API_KEY"},
		{Options{URL: key.URL(), Key: "swordfish"}, "refuses the API key", "FAULT_QDRANT_API_KEY"},
		{Options{URL: web.URL}, "does not speak gRPC", "6334 by default, not 6333"},
		{Options{URL: strings.Replace(plain.URL(), "http", "https", 1)}, "does not speak TLS", "http://"},
		{Options{URL: strings.Replace(secure.URL(), "https", "http", 1)}, "closed the connection", "https://"},
		{Options{URL: secure.URL()}, "cannot be trusted", "SSL_CERT_FILE"},
		{Options{URL: "http://no-such-host.invalid"}, "cannot be found", "--qdrant-url"},
	} {
		store := dial(t, tt.o).Store("/r", "model")
		_, loadErr := store.Load(t.Context(), 0)
		_, _, beginErr := store.Begin(t.Context(), ragtest.Manifest(), false)
		for _, err := range []error{loadErr, beginErr} {
			var said *rag.StoreError
			if !errors.As(err, &said) || !strings.Contains(said.Message, tt.message) || !strings.Contains(said.Hint, tt.hint) {
				t.Errorf("%+v: %v", tt.o, err)
				if said != nil {
					t.Errorf("hint %q", said.Hint)
				}
			} else if strings.Contains(err.Error()+said.Hint, "swordfish") {
				t.Errorf("the key is shown: %v", err)
			}
		}
	}
}

// trusted makes the certificate of a test server known to this process, as SSL_CERT_FILE does.
func trusted(t *testing.T, o Options, certificate *x509.Certificate) *Server {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	server, err := dialTLS(o, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func TestTLSAndKey(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	server := qdranttest.New(t, qdranttest.Options{Key: "sesame", TLS: &tls.Config{Certificates: web.TLS.Certificates}})
	root := t.TempDir()
	ragtest.WritePackage(t, root, 3, "open", 1)
	x, err := rag.New(root, trusted(t, Options{URL: server.URL(), Key: "sesame"}, web.Certificate()).Store(root, rag.NoEmbedder))
	if err != nil {
		t.Fatal(err)
	}
	update(t, x, rag.Options{})
	wantVersions(t, x, 3, "v1")
	if strings.Contains(x.Location(), "sesame") || !strings.HasPrefix(x.Location(), "https://127.0.0.1:") {
		t.Errorf("location %q", x.Location())
	}
}
