//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// origin is a web server of the tests that speaks HTTP/1.1 and HTTP/2, and the file with its authority when it speaks TLS.
type origin struct {
	url, address, authority string
}

// newOrigin serves on an address with port 0, encrypted or not (then HTTP/2 is h2c, with prior knowledge).
func newOrigin(t *testing.T, address string, encrypted bool) origin {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		missing(t, "%s: %v", address, err)
	}
	server := httptest.NewUnstartedServer(routes())
	server.Listener.Close()
	server.Listener = listener
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // who only looks whether a mapping listens breaks handshakes off
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(!encrypted)
	server.Config.Protocols.SetHTTP2(encrypted)
	o := origin{address: listener.Addr().String()}
	if encrypted {
		server.EnableHTTP2 = true
		server.StartTLS()
		o.authority = filepath.Join(t.TempDir(), "authority.pem")
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		if err := os.WriteFile(o.authority, block, 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		server.Start()
	}
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// routes are: / says the protocol and the host, /bytes?n= sends n bytes that say their place, /sum answers the length and the
// SHA-256 of what it was sent, in a trailer, too.
func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Proto, r.Host)
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.Copy(w, io.LimitReader(&counter{}, n))
	})
	mux.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%d %x", n, h.Sum(nil))
		w.Header().Set("X-Sum", hex.EncodeToString(h.Sum(nil)))
	})
	return mux
}

// counter is an endless sequence in which no two 64 KiB are alike.
type counter struct{ n uint64 }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n*c.n>>8 ^ c.n)
		c.n++
	}
	return len(p), nil
}

// sum is the SHA-256 of the first n bytes of the sequence.
func sum(n int64) string {
	h := sha256.New()
	_, _ = io.Copy(h, io.LimitReader(&counter{}, n))
	return hex.EncodeToString(h.Sum(nil))
}

// authority is a certificate authority of a test.
type authority struct {
	file string // its certificate, PEM
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{file: filepath.Join(dir, "authority.pem"), key: key, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	writeCertificate(t, a.file, a.cert, a.cert, &key.PublicKey, key)
	return a
}

// issue writes a certificate for names and addresses, and its key, into two files.
func (a authority) issue(t *testing.T, certFile, keyFile string, names []string, addresses ...net.IP) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, certFile, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IPAddresses: addresses,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, &key.PublicKey, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeCertificate(t *testing.T, file string, cert, parent *x509.Certificate, public *ecdsa.PublicKey, signer *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
}
