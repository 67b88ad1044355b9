// Package authority is a certificate authority of one's own: it makes certificates for whatever host a proxy has to stand in for, and
// those who trust it take them. Whoever holds its key can pose as any host to them, so the key is kept from everybody else, the
// authority ends after [Lifetime], and it may be bound to a few hosts from the beginning.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// Lifetime is how long an authority lasts: not often in the way, and what is forgotten in a list of authorities ends.
	Lifetime = 2 * 365 * 24 * time.Hour
	// backdate keeps a client whose clock is a little late from finding that a certificate is not valid yet.
	backdate = time.Hour
)

// Authority makes certificates. It is safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	self *x509.CertPool
	leaves
}

// New makes an authority with a key of its own (ECDSA, P-256). When only is given it can vouch for nothing else: names, which stand
// for what is below them, too, IP addresses, and ranges of those (10.0.0.0/8). No client takes another certificate of it then
// (RFC 5280, section 4.2.1.10).
func New(only ...string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		// Programs tell authorities apart by name: no two have the same.
		Subject:               pkix.Name{Organization: []string{"fault"}, CommonName: "fault interception " + serial.Text(16)[:8]},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(Lifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	if err := constrain(template, only); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return newAuthority(cert, key), nil
}

func newAuthority(cert *x509.Certificate, key *ecdsa.PrivateKey) *Authority {
	self := x509.NewCertPool()
	self.AddCert(cert)
	return &Authority{cert: cert, key: key, self: self, leaves: leaves{byHost: map[string]*leaf{}}}
}

// Parse makes an authority of its certificate and its key, both PEM.
func Parse(certificate, key []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	switch {
	case !ok:
		return nil, errors.New("the key is not an ECDSA key")
	case !pair.Leaf.IsCA:
		return nil, errors.New("the certificate is not that of an authority")
	case time.Now().After(pair.Leaf.NotAfter):
		return nil, fmt.Errorf("%w on %s", ErrExpired, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return newAuthority(pair.Leaf, private), nil
}

// ErrExpired says that an authority has come to its end.
var ErrExpired = errors.New("the authority expired")

// CertificatePEM is the certificate that clients are to trust.
func (a *Authority) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// CertificateDER is the certificate in binary form.
func (a *Authority) CertificateDER() []byte { return a.cert.Raw }

// keyPEM is the secret.
func (a *Authority) keyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Name is what lists of authorities show.
func (a *Authority) Name() string { return a.cert.Subject.CommonName }

// Expires is when the authority ends.
func (a *Authority) Expires() time.Time { return a.cert.NotAfter }

// Fingerprint is the SHA-256 of the certificate, as browsers and openssl show it.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.cert.Raw)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = strings.ToUpper(hex.EncodeToString([]byte{b}))
	}
	return strings.Join(parts, ":")
}

// Only lists what the authority is bound to; nothing when it may vouch for any host.
func (a *Authority) Only() []string {
	var out []string
	for _, name := range a.cert.PermittedDNSDomains {
		if name != nowhere {
			out = append(out, name)
		}
	}
	for _, r := range a.cert.PermittedIPRanges {
		if ones, bits := r.Mask.Size(); ones == bits {
			out = append(out, r.IP.String())
		} else {
			out = append(out, r.String())
		}
	}
	return out
}

// nowhere is a name that no host has (RFC 6761, section 6.4): names are bound to it where only addresses are wanted, because a kind
// of name that is not mentioned is not bound at all.
const nowhere = "fault.invalid"

// constrain binds an authority to hosts.
func constrain(template *x509.Certificate, only []string) error {
	if len(only) == 0 {
		return nil
	}
	for _, text := range only {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			template.PermittedIPRanges = append(template.PermittedIPRanges, ipNet(prefix.Masked()))
			continue
		}
		name, ip, err := normalize(text)
		switch {
		case err != nil:
			return err
		case ip.IsValid():
			template.PermittedIPRanges = append(template.PermittedIPRanges, ipNet(netip.PrefixFrom(ip, ip.BitLen())))
		default:
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, name)
		}
	}
	template.PermittedDNSDomainsCritical = true
	if len(template.PermittedDNSDomains) == 0 {
		template.PermittedDNSDomains = []string{nowhere}
	}
	if len(template.PermittedIPRanges) == 0 {
		template.ExcludedIPRanges = []*net.IPNet{
			ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), ipNet(netip.PrefixFrom(netip.IPv6Unspecified(), 0)),
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// normalize makes the spellings of a host one: an IP address, or a name that a certificate can carry.
func normalize(host string) (name string, ip netip.Addr, err error) {
	rooted := strings.TrimSuffix(host, ".") // "127.0.0.1." is that address, too, for browsers (WHATWG URL, IPv4 parser)
	bare := strings.TrimSuffix(strings.TrimPrefix(rooted, "["), "]")
	if ip, err := netip.ParseAddr(bare); err == nil {
		if ip.Zone() != "" {
			return "", ip, fmt.Errorf("%q: there are no certificates for addresses with a zone", host)
		}
		return ip.Unmap().String(), ip.Unmap(), nil
	}
	name = strings.ToLower(rooted)
	valid := len(name) <= 253
	for label := range strings.SplitSeq(name, ".") {
		valid = valid && label != "" && len(label) <= 63 && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
	}
	if !valid {
		return "", netip.Addr{}, fmt.Errorf("%q is neither a host name nor an IP address", host)
	}
	return name, netip.Addr{}, nil
}

// newSerial draws what no two certificates of an authority share (RFC 5280, section 4.1.2.2: positive, at most 20 octets).
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	return n.SetBit(n, 126, 1), nil // as long as all others
}
