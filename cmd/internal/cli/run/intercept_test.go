package run

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/authority"
)

func TestHTTPSConfigure(t *testing.T) {
	for _, tc := range []struct {
		o          HTTPS
		noProxy    bool
		opens, err string
	}{
		{o: HTTPS{}},
		{o: HTTPS{CADir: "x"}},
		{o: HTTPS{Intercept: []string{"*"}}, opens: "*"},
		{o: HTTPS{Intercept: []string{"a.example", "https://b.example", "10.0.0.1:8443"}}, opens: "a.example,https://b.example,10.0.0.1:8443"},
		{o: HTTPS{Intercept: []string{"http://a.example:8080"}}, err: "there is no TLS to http://a.example:8080"},
		{o: HTTPS{Intercept: []string{"*.example"}}, err: "--tls-intercept: "},
		{o: HTTPS{Intercept: []string{"*"}}, noProxy: true, err: "the HTTP proxy, which is disabled"},
		{o: HTTPS{UpstreamCA: "missing.pem"}, err: "--upstream-ca: "},
	} {
		c := proxyengine.Config{ProxyAddress: "127.0.0.1:0"}
		if tc.noProxy {
			c.ProxyAddress = ""
		}
		err := tc.o.configure(&c)
		switch {
		case tc.err != "":
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%+v: %v", tc.o, err)
			}
		case err != nil, (c.Intercept.Certificate != nil) != (tc.opens != ""), tc.opens != "" && c.Intercept.Hosts.String() != tc.opens:
			t.Errorf("%+v: %v, opens %s", tc.o, err, c.Intercept.Hosts)
		}
	}
}

func TestHTTPSAuthority(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AppData", t.TempDir())
	off := HTTPS{}
	if err := off.load(true); err != nil || off.authority != nil {
		t.Error(err)
	}
	alone := HTTPS{Intercept: []string{"*"}}
	if err := alone.load(false); !errors.Is(err, authority.ErrMissing) {
		t.Error(err)
	}
	passing := HTTPS{Intercept: []string{"*"}}
	if err := passing.load(true); err != nil || !strings.Contains(passing.describe(), "one of this run alone") {
		t.Errorf("%v: %s", err, passing.describe())
	}
	elsewhere := HTTPS{Intercept: []string{"*"}, CADir: filepath.Join(t.TempDir(), "ca")}
	if err := elsewhere.load(true); !errors.Is(err, authority.ErrMissing) {
		t.Error("a folder that was named is not there:", err)
	}
	dir, err := authority.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	made, err := authority.New("a.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Save(dir, false); err != nil {
		t.Fatal(err)
	}
	for _, command := range []bool{false, true} {
		own := HTTPS{Intercept: []string{"a.example"}}
		if err := own.load(command); err != nil || own.authority.Fingerprint() != made.Fingerprint() {
			t.Fatal(err)
		}
		if text := own.describe(); !strings.HasPrefix(text, "a.example (") || !strings.HasSuffix(text, made.Name()+", bound to a.example)") {
			t.Error(text)
		}
	}
}

func TestHTTPSTrust(t *testing.T) {
	system := filepath.Join(t.TempDir(), "system.pem")
	other, err := authority.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(system, other.CertificatePEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	off := HTTPS{}
	if variables, done, err := off.trust(nil); len(variables) > 0 || err != nil {
		t.Error(variables, err)
	} else {
		done()
	}
	on := HTTPS{Intercept: []string{"a.example"}}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if err := on.load(true); err != nil {
		t.Fatal(err)
	}
	variables, done, err := on.trust([]string{"A=b", "SSL_CERT_FILE=" + system})
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(variables))
	for _, entry := range variables {
		names = append(names, nameOf(entry))
	}
	if !slices.Equal(names, []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}) {
		t.Error(names)
	}
	file := lookup(variables, "SSL_CERT_FILE")
	data, err := os.ReadFile(file)
	if want := string(on.authority.CertificatePEM()) + string(other.CertificatePEM()); err != nil || string(data) != want {
		t.Errorf("%q, %v", data, err)
	}
	done()
	if _, err := os.Stat(filepath.Dir(file)); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", filepath.Dir(file), err)
	}
}
