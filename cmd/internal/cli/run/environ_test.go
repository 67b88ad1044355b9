package run

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/fault-project/fault/proxyengine"
)

func TestProxied(t *testing.T) {
	mapping := func(text string) proxyengine.Mapping {
		m, err := proxyengine.ParseMapping(text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	at := func(text string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	mappings := []proxyengine.Mapping{
		mapping("15432=db:5432"), mapping("0=a:1"), mapping("0=b:2"), mapping("0.0.0.0:80=http://c"), mapping("[::]:81=http://c"),
	}
	addresses := map[string]net.Addr{
		"15432=db:5432": at("127.0.0.1:15432"), "0=a:1": at("127.0.0.1:4001"), "0=b:2": at("127.0.0.1:4002"),
		"0.0.0.0:80=http://c": at("0.0.0.0:80"), "[::]:81=http://c": at("[::]:81"),
	}
	base := []string{"PATH=/bin", "HTTP_PROXY=http://old", "NO_PROXY=example.com,localhost", "no_proxy=10.0.0.0/8 127.0.0.1,example.com", "X"}
	got := proxied(base, at("127.0.0.1:3180"), mappings, addresses, "FAULT_API_URL=http://x")
	slices.Sort(got)
	want := []string{
		"FAULT_API_URL=http://x", "FAULT_MAPPING_0=127.0.0.1:4001", "FAULT_MAPPING_0_2=127.0.0.1:4002", "FAULT_MAPPING_15432=127.0.0.1:15432",
		"FAULT_MAPPING_80=127.0.0.1:80", "FAULT_MAPPING_81=[::1]:81", "FAULT_PROXY_URL=http://127.0.0.1:3180", "HTTPS_PROXY=http://127.0.0.1:3180",
		"HTTP_PROXY=http://127.0.0.1:3180", "NO_PROXY=example.com,10.0.0.0/8", "PATH=/bin", "X", "http_proxy=http://127.0.0.1:3180",
		"https_proxy=http://127.0.0.1:3180", "no_proxy=example.com,10.0.0.0/8",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// Without the HTTP proxy, the user's own one stays.
	if got := proxied(base[:3], nil, nil, nil); !slices.Equal(got, base[:3]) {
		t.Errorf("%q", got)
	}
}

func TestRemoteOnly(t *testing.T) {
	for list, want := range map[string]string{
		"":  "",
		"*": "",
		"localhost,127.0.0.1,::1,[::1],0.0.0.0,127.0.0.0/8,127.1,.localhost,api.localhost,LOCALHOST:8080,127.0.0.1:80,[::1]:443,::1/128": "",
		"10.0.0.1, *.internal,.corp,,host:8080,[fe80::1]":                                    "10.0.0.1,*.internal,.corp,host:8080,[fe80::1]",
		"0.0.0.0/0,192.168.0.0/16":                                                           "192.168.0.0/16",
		"notlocalhost,localhost.example.com,127001.example.com,example.com:80,::ffff:7f00:1": "notlocalhost,localhost.example.com,127001.example.com,example.com:80",
	} {
		if got := remoteOnly(list); got != want {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
}
