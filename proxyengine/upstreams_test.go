package proxyengine

import (
	"slices"
	"strings"
	"testing"
)

func TestUpstreamsMatch(t *testing.T) {
	type target struct {
		scheme, host string
		port         uint16
		want         bool
	}
	tests := []struct {
		name     string
		patterns []string
		targets  []target
	}{
		{"none selects all", nil, []target{{"http", "a", 80, true}, {"", "b", 1, true}}},
		{"blank selects all", []string{"", " "}, []target{{"http", "a", 80, true}}},
		{"star", []string{"*"}, []target{{"http", "a", 80, true}, {"", "b", 1, true}}},
		{"host", []string{"Example.com"}, []target{
			{"http", "example.com", 80, true},
			{"https", "EXAMPLE.COM", 8443, true},
			{"", "example.com.", 1, true},
			{"http", "www.example.com", 80, false},
			{"http", "example.org", 80, false},
		}},
		{"host and port", []string{"example.com:8080"}, []target{
			{"http", "example.com", 8080, true},
			{"https", "example.com", 8080, true},
			{"", "example.com", 8080, true},
			{"http", "example.com", 80, false},
		}},
		{"URL", []string{"https://example.com/path?q#f"}, []target{
			{"https", "example.com", 443, true},
			{"", "example.com", 443, true},
			{"wss", "example.com", 443, true},
			{"http", "example.com", 443, false},
			{"https", "example.com", 8443, false},
			{"http", "example.com", 80, false},
		}},
		{"URL with port", []string{"http://localhost:7070"}, []target{
			{"http", "localhost", 7070, true},
			{"", "localhost", 7070, true},
			{"ws", "localhost", 7070, true},
			{"https", "localhost", 7070, false},
			{"http", "localhost", 80, false},
		}},
		{"IPv6", []string{"[::1]:80", "2001:DB8::1", "http://[::2]"}, []target{
			{"http", "::1", 80, true}, {"http", "::1", 81, false}, {"http", "2001:db8:0::1", 9, true}, {"http", "::2", 80, true},
		}},
		{"several, with commas", []string{"a,b:1", "c"}, []target{
			{"http", "a", 80, true}, {"http", "b", 1, true}, {"http", "b", 2, false}, {"http", "c", 3, true}, {"http", "d", 4, false},
		}},
		{"any host of a scheme", []string{"https://*"}, []target{{"https", "x", 443, true}, {"http", "x", 443, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := ParseUpstreams(tt.patterns)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseUpstreams(u.Strings())
			if err != nil || !slices.Equal(again.patterns, u.patterns) {
				t.Errorf("ParseUpstreams(Strings()) = %v, %v; want %v", again, err, u)
			}
			for _, x := range tt.targets {
				if got := u.Match(x.scheme, x.host, x.port); got != x.want {
					t.Errorf("Match(%q, %q, %d) = %t, want %t", x.scheme, x.host, x.port, got, x.want)
				}
			}
		})
	}
}

func TestParseUpstreamsErrors(t *testing.T) {
	for in, want := range map[string]string{
		"ftp://a":                 "not http or https",
		"a:b":                     "from 1 to 65535",
		"a:0":                     "from 1 to 65535",
		"*.example.com":           "whole host names",
		"http://*:8080":           "whole host names",
		"http://":                 "no host",
		"a b":                     "blanks",
		"http://[fe80::1%25eth0]": "zone",
		"http://a:99999":          "from 1 to 65535",
	} {
		u, err := ParseUpstreams([]string{in})
		if err == nil {
			t.Errorf("ParseUpstreams(%q) = %v, want an error", in, u)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("ParseUpstreams(%q): %q does not say %q", in, err, want)
		}
	}
}

func FuzzParseUpstreams(f *testing.F) {
	for _, s := range []string{"*", "example.com", "a:1,b", "https://example.com:8443/x", "[::1]:80", "::1", "http://*", "http://[::1%25eth0]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUpstreams([]string{s})
		if err != nil {
			return
		}
		again, err := ParseUpstreams(u.Strings())
		if err != nil || !slices.Equal(again.patterns, u.patterns) {
			t.Fatalf("%q → %q → %q, %v", s, u.Strings(), again.Strings(), err)
		}
	})
}
