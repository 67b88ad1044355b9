package tools

import (
	"errors"
	"strings"
	"testing"
)

func TestTargetGuardCheck(t *testing.T) {
	t.Parallel()
	const proxy = "34000=https://api.example.com"
	tests := []struct {
		name    string
		allow   []string
		url     string
		proxies []string
		refused string // part of the error; "" = allowed
	}{
		{name: "localhost", url: "http://localhost:9090/x?y=1"},
		{name: "localhost in capitals with a dot", url: "http://LocalHost.:9090"},
		{name: "below localhost", url: "http://api.localhost/"},
		{name: "127/8", url: "http://127.9.8.7:1"},
		{name: "IPv6 loopback", url: "https://[::1]:8443/"},
		{name: "mapped IPv4 loopback", url: "http://[::ffff:127.0.0.1]/"},
		{name: "surrounding blanks", url: " http://127.0.0.1 "},

		{name: "missing", url: "", refused: "url: is missing"},
		{name: "no scheme", url: "localhost:9090", refused: "no http or https address"},
		{name: "other scheme", url: "ftp://localhost/", refused: "no http or https address"},
		{name: "no host", url: "http:///x", refused: "names no host"},
		{name: "unparsable", url: "http://[::1", refused: "cannot be parsed"},
		{name: "foreign", url: "https://example.com/a", refused: "--allow-target example.com:443"},
		{name: "name that looks local", url: "http://127.0.0.1.nip.io/", refused: "not allowed"},
		{name: "decimal address", url: "http://2130706433/", refused: "not allowed"},
		{name: "short address", url: "http://127.1/", refused: "not allowed"},
		{name: "localhost as user", url: "http://localhost@example.com/", refused: "example.com:80 is not allowed"},
		{name: "localhost as label", url: "http://localhost.example.com/", refused: "not allowed"},
		{name: "unspecified", url: "http://0.0.0.0:8080/", refused: "use 127.0.0.1"},
		{name: "link local", url: "http://169.254.169.254/latest/meta-data", refused: "not allowed"},

		{name: "host", allow: []string{"example.com"}, url: "http://EXAMPLE.com:8080/"},
		{name: "host, other host", allow: []string{"example.com"}, url: "http://www.example.com/", refused: "not allowed"},
		{name: "host and port", allow: []string{"example.com:8080"}, url: "http://example.com:8080/"},
		{name: "host and other port", allow: []string{"example.com:8080"}, url: "http://example.com/", refused: "not allowed"},
		{name: "url", allow: []string{"https://example.com/path"}, url: "https://example.com/other"},
		{name: "url, other scheme", allow: []string{"https://example.com"}, url: "http://example.com/", refused: "not allowed"},
		{name: "url, other port", allow: []string{"https://example.com"}, url: "https://example.com:8443/", refused: "not allowed"},
		{name: "wildcard", allow: []string{"*.example.com"}, url: "http://a.b.example.com/"},
		{name: "wildcard, the domain", allow: []string{"*.example.com"}, url: "http://example.com/", refused: "not allowed"},
		{name: "wildcard, other domain", allow: []string{"*.example.com"}, url: "http://badexample.com/", refused: "not allowed"},
		{name: "IPv6", allow: []string{"2001:db8::1"}, url: "http://[2001:db8:0::1]:99/"},
		{name: "IPv6 and port", allow: []string{"[2001:db8::1]:99"}, url: "http://[2001:db8::1]:98/", refused: "not allowed"},

		{name: "far ends get no load", url: "http://localhost:9090", proxies: []string{proxy}},
		{name: "load on a mapping", url: "http://localhost:34000", proxies: []string{proxy}, refused: "api.example.com:443 is not allowed"},
		{
			name: "load on an open mapping", url: "http://127.0.0.1:34000",
			proxies: []string{"0.0.0.0:34000=example.com:80"}, refused: "example.com:80 is not allowed",
		},
		{name: "load on a mapping of this machine", url: "http://127.0.0.1:34000", proxies: []string{"34000=localhost:9090"}},
		{name: "load on an allowed mapping", url: "http://127.0.0.1:34000", proxies: []string{proxy}, allow: []string{"api.example.com"}},
		{name: "mapping elsewhere on the same port", url: "http://127.0.0.1:34000", proxies: []string{"192.0.2.1:34000=example.com:80"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, err := NewTargetGuard(tt.allow)
			if err != nil {
				t.Fatal(err)
			}
			u, err := g.Check(tt.url, tt.proxies)
			if tt.refused == "" {
				if err != nil || u == nil {
					t.Fatalf("Check(%q) = %v, %v; want it allowed", tt.url, u, err)
				}
				return
			}
			var user *UserError
			if !errors.As(err, &user) || user.Argument != "url" {
				t.Fatalf("Check(%q) = %v, %v; want a *UserError about url", tt.url, u, err)
			}
			if !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("Check(%q): %q does not say %q", tt.url, err, tt.refused)
			}
		})
	}
}

func TestNewTargetGuardRefuses(t *testing.T) {
	t.Parallel()
	for _, a := range []string{"", "*", "*.", "ftp://x", "a b", "host:0", "host:99999", "host:http", "user@host", "a/b", "ex*mple.com", "a:b:c"} {
		_, err := NewTargetGuard([]string{a})
		var user *UserError
		if !errors.As(err, &user) || user.Argument != "--allow-target" {
			t.Errorf("NewTargetGuard(%q) = %v; want a *UserError about --allow-target", a, err)
		}
	}
}

func TestTargetGuardKeepsPasswordsOut(t *testing.T) {
	t.Parallel()
	g := &TargetGuard{}
	for _, u := range []string{"ftp://u:hunter2@localhost/", "http://u:hunter2@example.com/", "http://u:hunter2@[::1"} {
		if _, err := g.Check(u, nil); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Check(%q): error %v; want one without the password", u, err)
		}
	}
}

func FuzzTargetGuard(f *testing.F) {
	for _, s := range []string{"http://localhost", "http://[::1%25lo]:1", "http://a@b", "http://127.0.0.1.:80", "https://example.com:443/x"} {
		f.Add(s, "34000=https://example.com")
	}
	g := &TargetGuard{}
	f.Fuzz(func(t *testing.T, raw, proxy string) {
		u, err := g.Check(raw, []string{proxy})
		if err != nil {
			return
		}
		if h := canonicalHost(u.Hostname()); !isLoopback(h) {
			t.Errorf("Check(%q) allowed host %q", raw, h)
		}
	})
}
