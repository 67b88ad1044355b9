package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// leafLifetime is how long a host's certificate lasts: it leaves this process only as far as the client.
	leafLifetime = 24 * time.Hour
	// renewal is after how long another is made, while nobody can hold the old one for too old yet.
	renewal = 12 * time.Hour
	// mostLeaves is how many are kept. Clients choose the names.
	mostLeaves = 1024
)

// leaves keeps what was made, by host.
type leaves struct {
	mu     sync.Mutex
	byHost map[string]*leaf
}

// leaf is a certificate that is made, or being made.
type leaf struct {
	renew time.Time
	done  chan struct{} // closed when cert and err are there
	cert  *tls.Certificate
	err   error
}

// Certificate returns a certificate for a host name or an IP address, with its key; it is the same one for a while, and must not be
// changed. It is made for whoever asks first, and others wait for it. It fails when the authority is not for that host, or has come
// to its end.
func (a *Authority) Certificate(host string) (*tls.Certificate, error) {
	name, ip, err := normalize(host)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	a.mu.Lock()
	l := a.byHost[name]
	if l != nil && now.Before(l.renew) {
		a.mu.Unlock()
		<-l.done
		return l.cert, l.err
	}
	l = &leaf{renew: now.Add(renewal), done: make(chan struct{})}
	a.keep(name, l, now)
	a.mu.Unlock()
	defer close(l.done)
	l.cert, l.err = a.issue(name, ip, now)
	return l.cert, l.err
}

// keep makes room for another certificate. With mu held.
func (l *leaves) keep(name string, made *leaf, now time.Time) {
	if _, there := l.byHost[name]; !there && len(l.byHost) >= mostLeaves {
		victim := ""
		for host, old := range l.byHost {
			victim = host
			if !now.Before(old.renew) {
				break // the best to lose; else any will do
			}
		}
		delete(l.byHost, victim)
	}
	l.byHost[name] = made
}

// issue makes a certificate.
func (a *Authority) issue(name string, ip netip.Addr, now time.Time) (*tls.Certificate, error) {
	if now.After(a.cert.NotAfter) {
		return nil, fmt.Errorf("%w on %s", ErrExpired, a.cert.NotAfter.Format(time.DateOnly))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"fault"}},
		NotBefore:             later(now.Add(-backdate), a.cert.NotBefore),
		NotAfter:              earlier(now.Add(leafLifetime), a.cert.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if len(name) <= 64 { // RFC 5280, appendix A: ub-common-name; clients look at what follows
		template.Subject.CommonName = name
	}
	if ip.IsValid() {
		template.IPAddresses = []net.IP{ip.AsSlice()}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if err := a.stands(cert, name, now); err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}, nil
}

// stands checks a certificate as a client will.
func (a *Authority) stands(cert *x509.Certificate, name string, now time.Time) error {
	_, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: a.self, CurrentTime: now})
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.CANotAuthorizedForThisName {
		return fmt.Errorf("the authority cannot vouch for %s: it is bound to %s", name, strings.Join(a.Only(), ", "))
	}
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
