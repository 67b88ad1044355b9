package proxyengine

import (
	"strings"
	"testing"
)

func TestParseMapping(t *testing.T) {
	tests := []struct {
		in      string
		bind    string
		target  string
		http    bool
		written string // String(), "" when as in
	}{
		{in: "9090=https://www.example.com", bind: "127.0.0.1:9090", target: "www.example.com:443", http: true},
		{
			in: "9090=https://www.example.com/", bind: "127.0.0.1:9090", target: "www.example.com:443", http: true,
			written: "9090=https://www.example.com",
		},
		{
			in: "9090=HTTPS://www.example.com:8443", bind: "127.0.0.1:9090", target: "www.example.com:8443", http: true,
			written: "9090=https://www.example.com:8443",
		},
		{in: "9090=http://localhost:80", bind: "127.0.0.1:9090", target: "localhost:80", http: true, written: "9090=http://localhost"},
		{
			in: "35432=psql://my-db.default.svc:5432", bind: "127.0.0.1:35432", target: "my-db.default.svc:5432",
			written: "35432=psql://my-db.default.svc",
		},
		{in: "35432=psqls://db", bind: "127.0.0.1:35432", target: "db:5432"},
		{in: "0.0.0.0:35432=localhost:5432", bind: "0.0.0.0:35432", target: "localhost:5432"},
		{in: "127.0.0.1:1=a:2", bind: "127.0.0.1:1", target: "a:2", written: "1=a:2"},
		{in: "[::1]:993=tls://[2001:db8::1]:993", bind: "[::1]:993", target: "[2001:db8::1]:993"},
		{in: "[::]:80=https://[2001:db8::1]", bind: "[::]:80", target: "[2001:db8::1]:443", http: true},
		{in: "0=tcp://10.0.0.1:6379", bind: "127.0.0.1:0", target: "10.0.0.1:6379"},
		{in: " 80=x:1 ", bind: "127.0.0.1:80", target: "x:1", written: "80=x:1"},
		{in: "80=[fe80::1%eth0]:1", bind: "127.0.0.1:80", target: "[fe80::1%eth0]:1"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			m, err := ParseMapping(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Bind.String(); got != tt.bind {
				t.Errorf("Bind = %s, want %s", got, tt.bind)
			}
			if got := m.Target(); got != tt.target {
				t.Errorf("Target = %s, want %s", got, tt.target)
			}
			if m.HTTP() != tt.http {
				t.Errorf("HTTP = %t, want %t", m.HTTP(), tt.http)
			}
			want := tt.written
			if want == "" {
				want = tt.in
			}
			if got := m.String(); got != want {
				t.Errorf("String = %s, want %s", got, want)
			}
			again, err := ParseMapping(m.String())
			if err != nil || again != m {
				t.Errorf("ParseMapping(String()) = %+v, %v; want %+v", again, err, m)
			}
		})
	}
}

func TestParseMappingErrors(t *testing.T) {
	tests := map[string]string{
		"":                         "LEFT=RIGHT",
		"9090":                     "LEFT=RIGHT",
		"=example.com:80":          "no local port",
		"9090=":                    "no upstream",
		"99999=a:1":                `port "99999"`,
		"-1=a:1":                   `port "-1"`,
		"+1=a:1":                   `port "+1"`,
		"9090=a":                   "has no port",
		"9090=a:0":                 "from 1 to 65535",
		"9090=tls://a":             "has no port",
		"9090=ftp://a":             "http, https, psql, psqls, tls, tcp",
		"localhost:9090=a:1":       "not an IP address",
		"*:9090=a:1":               "0.0.0.0 for all",
		"::1:9090=a:1":             "[ipv6]:port",
		"9090=https://a/b":         "no path",
		"9090=https://user@a":      "no path",
		"9090=::1":                 "[ipv6]:port",
		"9090=https://":            "no upstream",
		"9090=:80":                 "no host",
		"9090=https://*":           "wildcard",
		"9090=a b:1":               "blanks",
		"9090=a:1=b:2":             "",
		"9090=[not-ipv6:x]:1":      "[ipv6]:port",
		"9090=https://[::1]extra":  "",
		"9090=http://[1.2.3.4]x:1": "",
	}
	for in, want := range tests {
		m, err := ParseMapping(in)
		switch {
		case err == nil:
			t.Errorf("ParseMapping(%q) = %+v, want an error", in, m)
		case !strings.Contains(err.Error(), want):
			t.Errorf("ParseMapping(%q): %q does not say %q", in, err, want)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("ParseMapping(%q): more than one line: %q", in, err)
		}
	}
}

func FuzzParseMapping(f *testing.F) {
	for _, s := range []string{
		"9090=https://www.example.com", "0.0.0.0:1=a:2", "[::1]:993=tls://[2001:db8::1]:993", "0=x:1", "80=[fe80::1%eth0]:1", "1=::", "=",
		"[]:1=[]:2", "1=http://[::]", "1=http://a:/", "001=a:0080",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMapping(s)
		if err != nil {
			return
		}
		again, err := ParseMapping(m.String())
		if err != nil {
			t.Fatalf("%q parses, its own String %q does not: %v", s, m, err)
		}
		if again != m {
			t.Fatalf("%q → %+v → %q → %+v", s, m, m, again)
		}
	})
}
