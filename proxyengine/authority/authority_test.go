package authority

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func fresh(t testing.TB, only ...string) *Authority {
	t.Helper()
	a, err := New(only...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAuthority(t *testing.T) {
	a := fresh(t)
	c := a.cert
	if !c.IsCA || !c.MaxPathLenZero || c.MaxPathLen != 0 || c.KeyUsage != x509.KeyUsageCertSign || len(c.SubjectKeyId) == 0 ||
		!slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("%+v", c)
	}
	if err := c.CheckSignatureFrom(c); err != nil {
		t.Error(err)
	}
	if got := c.NotAfter.Sub(c.NotBefore); got != Lifetime+backdate {
		t.Errorf("it lasts %s", got)
	}
	if b := fresh(t); b.Name() == a.Name() || b.Fingerprint() == a.Fingerprint() {
		t.Errorf("two authorities are called %s", a.Name())
	}
	if f := a.Fingerprint(); len(f) != 32*3-1 || strings.Count(f, ":") != 31 {
		t.Error(f)
	}
}

func TestCertificates(t *testing.T) {
	a := fresh(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.CertificatePEM())
	for host, names := range map[string][]string{
		"example.com": {"example.com"}, "EXAMPLE.org.": {"example.org"}, "127.0.0.1": {"127.0.0.1"}, "::1": {"::1"}, "[::1]": {"::1"},
		"::ffff:10.0.0.1": {"10.0.0.1"}, "a_b.internal": {"a_b.internal"}, "localhost": {"localhost"},
		strings.Repeat("long.", 20) + "example": {strings.Repeat("long.", 20) + "example"},
	} {
		pair, err := a.Certificate(host)
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		leaf := pair.Leaf
		for _, name := range names {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
		if _, ok := pair.PrivateKey.(*ecdsa.PrivateKey); !ok || leaf.IsCA || leaf.KeyUsage&x509.KeyUsageCertSign != 0 ||
			len(leaf.AuthorityKeyId) == 0 || leaf.NotAfter.Sub(leaf.NotBefore) > leafLifetime+backdate {
			t.Errorf("%s: %+v", host, leaf)
		}
		again, err := a.Certificate(host)
		if err != nil || again != pair {
			t.Errorf("%s: another certificate, %v", host, err)
		}
	}
	for _, host := range []string{"", ".", "*", "*.example.com", "a b", "a..b", "fe80::1%eth0", "é.example", "x\x00y", strings.Repeat("a", 64) + ".b"} {
		if _, err := a.Certificate(host); err == nil {
			t.Errorf("%q has a certificate", host)
		}
	}
}

func TestAuthorityOfAFewHosts(t *testing.T) {
	a := fresh(t, "Example.com", "10.1.0.0/16", "::1")
	if got := fmt.Sprint(a.Only()); got != "[example.com 10.1.0.0/16 ::1]" {
		t.Error(got)
	}
	names, addresses := fresh(t, "example.com"), fresh(t, "192.0.2.7")
	for _, tc := range []struct {
		a    *Authority
		host string
		ok   bool
	}{
		{a, "example.com", true},
		{a, "a.b.example.com", true},
		{a, "badexample.com", false},
		{a, "example.org", false},
		{a, "10.1.2.3", true},
		{a, "10.2.0.1", false},
		{a, "::1", true},
		{a, "::2", false},
		{names, "example.com", true},
		{names, "127.0.0.1", false},
		{names, "::1", false},
		{addresses, "192.0.2.7", true},
		{addresses, "192.0.2.8", false},
		{addresses, "example.com", false},
	} {
		_, err := tc.a.Certificate(tc.host)
		if (err == nil) != tc.ok || err != nil && !strings.Contains(err.Error(), "cannot vouch for "+tc.host+": it is bound to ") {
			t.Errorf("%v for %s: %v", tc.a.Only(), tc.host, err)
		}
	}
	for _, only := range []string{"*.example.com", "", "10.0.0.0/40", "fe80::1%x"} {
		if _, err := New(only); err == nil {
			t.Errorf("an authority for %q", only)
		}
	}
}

func TestOneCertificateForAllWhoAskAtOnce(t *testing.T) {
	a := fresh(t)
	const hosts, each = 20, 25
	got := make([]*tls.Certificate, hosts*each)
	var asking sync.WaitGroup
	for i := range got {
		asking.Go(func() {
			c, err := a.Certificate(fmt.Sprintf("host-%d.example", i%hosts))
			if err != nil {
				t.Error(err)
			}
			got[i] = c
		})
	}
	asking.Wait()
	for i, c := range got {
		if c != got[i%hosts] {
			t.Fatalf("host %d has two certificates", i%hosts)
		}
	}
}

func TestCertificatesAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := fresh(t)
		first, _ := a.Certificate("a.example")
		time.Sleep(renewal - time.Second)
		if same, _ := a.Certificate("a.example"); same != first {
			t.Error("renewed too early")
		}
		time.Sleep(2 * time.Second)
		second, err := a.Certificate("a.example")
		if err != nil || second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) {
			t.Errorf("not renewed: %v", err)
		}
		time.Sleep(time.Until(a.Expires()) - time.Hour)
		last, err := a.Certificate("a.example")
		if err != nil || !last.Leaf.NotAfter.Equal(a.Expires()) {
			t.Errorf("%v, %v: beyond the authority's own end", last, err)
		}
		time.Sleep(25 * time.Hour)
		if _, err := a.Certificate("a.example"); !errors.Is(err, ErrExpired) {
			t.Error(err)
		}
		key, _ := a.keyPEM()
		if _, err := Parse(a.CertificatePEM(), key); !errors.Is(err, ErrExpired) {
			t.Error(err)
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	l := leaves{byHost: map[string]*leaf{}}
	now := time.Now()
	for i := range 3 * mostLeaves {
		l.keep(strconv.Itoa(i), &leaf{renew: now.Add(time.Hour)}, now)
	}
	if len(l.byHost) != mostLeaves || l.byHost[strconv.Itoa(3*mostLeaves-1)] == nil {
		t.Errorf("%d are kept", len(l.byHost))
	}
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config", "ca")
	if _, err := Load(dir); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	a := fresh(t, "example.com")
	if err := a.Save(dir, false); err != nil {
		t.Fatal(err)
	}
	b, err := Load(dir)
	if err != nil || b.Fingerprint() != a.Fingerprint() || !a.key.Equal(b.key) || len(b.Only()) != 1 {
		t.Fatal(b, err)
	}
	if err := fresh(t).Save(dir, false); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if c, err := Load(dir); err != nil || c.Fingerprint() != a.Fingerprint() {
		t.Error("the refused one has changed something", err)
	}
	other := fresh(t)
	if err := other.Save(dir, true); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(dir); err != nil || c.Fingerprint() != other.Fingerprint() {
		t.Error(c, err)
	}
	if err := os.WriteFile(CertificateFile(dir), a.CertificatePEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "does not match") {
		t.Error("a key of another certificate:", err)
	}
	os.Remove(KeyFile(dir))
	if _, err := Load(dir); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if err := other.Save(dir, false); err != nil {
		t.Error("a certificate without a key is in the way:", err)
	}
}

func TestOthersMustNotReadTheKey(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such modes")
	}
	dir := filepath.Join(t.TempDir(), "ca")
	if err := fresh(t).Save(dir, false); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700, KeyFile(dir): 0o600} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		for _, loose := range []os.FileMode{0o40, 0o04, 0o10, 0o07, 0o22} {
			if err := os.Chmod(name, want|loose); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("chmod %o %s", want, name)) {
				t.Errorf("mode %o of %s: %v", want|loose, name, err)
			}
			if name == dir {
				if err := fresh(t).Save(dir, true); err == nil {
					t.Errorf("a key is written into a directory with mode %o", want|loose)
				}
			}
		}
		if err := os.Chmod(name, want); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
}

func TestBundle(t *testing.T) {
	a, one, two, extra := fresh(t), fresh(t), fresh(t), fresh(t)
	dir := t.TempDir()
	write := func(name string, data ...[]byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, slices.Concat(data...), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	key, _ := two.keyPEM()
	oneFile := write("one", []byte("# a comment\r\n"), one.CertificatePEM(), a.CertificatePEM())
	twoFile := write("two", two.CertificatePEM(), key, one.CertificatePEM())
	extraFile := write("extra", extra.CertificatePEM())
	nothing := write("nothing", []byte("no certificates"))
	missing := filepath.Join(dir, "missing")
	cat := func(list ...*Authority) string {
		var out []byte
		for _, a := range list {
			out = append(out, a.CertificatePEM()...)
		}
		return string(out)
	}
	for _, tc := range []struct {
		chosen, system, extra []string
		want                  string
		err                   error
	}{
		{nil, []string{missing, oneFile, twoFile}, nil, cat(a, one), nil},
		{[]string{twoFile}, []string{oneFile}, nil, cat(a, two, one), nil},
		{[]string{oneFile, twoFile}, nil, []string{extraFile}, cat(a, one, two, extra), nil},
		{[]string{missing}, []string{nothing, oneFile}, []string{extraFile}, cat(a, one, extra), nil},
		{nil, []string{missing, nothing}, []string{extraFile}, cat(a, extra), ErrNoSystemRoots},
	} {
		got, err := a.bundle(tc.chosen, tc.system, tc.extra)
		if string(got) != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%v, %v, %v: %d bytes, want %d; %v", tc.chosen, tc.system, tc.extra, len(got), len(tc.want), err)
		}
	}
	got, err := a.Bundle(func(key string) string {
		return map[string]string{"REQUESTS_CA_BUNDLE": oneFile, "NODE_EXTRA_CA_CERTS": extraFile}[key]
	})
	if string(got) != cat(a, one, extra) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{"a.example", "127.0.0.1", "[::1]", "*.x", "A.", "::ffff:1.2.3.4", "a..b", "\x00", "fe80::1%e"} {
		f.Add(s)
	}
	a := fresh(f)
	f.Fuzz(func(t *testing.T, s string) {
		name, ip, err := normalize(s)
		if err != nil {
			return
		}
		again, ip2, err := normalize(name)
		if err != nil || again != name || ip2 != ip {
			t.Fatalf("%q → %q → %q, %v", s, name, again, err)
		}
		if _, err := a.Certificate(s); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	})
}
