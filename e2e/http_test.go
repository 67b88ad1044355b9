//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// transfer is what curl says about one.
type transfer struct {
	Code    int     `json:"http_code"`
	Version string  `json:"http_version"`
	Total   float64 `json:"time_total"`         // seconds
	First   float64 `json:"time_starttransfer"` // seconds
	Error   string  `json:"errormsg"`
	exit    int
	head    string // all heads that it received, and trailers
	body    string
}

// curl runs curl with arguments and returns what it says; what it received is in body.
func curl(t *testing.T, args ...string) transfer {
	t.Helper()
	dir := t.TempDir()
	r := command(t, dir, peer(t, "curl"),
		append([]string{"-sS", "--noproxy", "", "--max-time", "30", "-D", "head", "-o", "body", "-w", "%{json}"}, args...)...)
	tr := transfer{exit: r.code}
	if err := json.Unmarshal([]byte(r.stdout), &tr); err != nil {
		t.Fatalf("curl ended with %d: %v: %s%s", r.code, err, r.stdout, r.stderr)
	}
	head, _ := os.ReadFile(filepath.Join(dir, "head"))
	body, _ := os.ReadFile(filepath.Join(dir, "body"))
	tr.head, tr.body = string(head), string(body)
	return tr
}

// clientWay is one way of an HTTP client to an origin: arguments of curl, and the version that both ends have to speak.
type clientWay struct {
	name, version string
	args          []string
}

// TestHTTPVersions goes every way with HTTP/1.1 and HTTP/2, encrypted and not, over IPv4 and IPv6: the version and the bytes are
// right, and a latency of 150 ms costs 150 ms.
func TestHTTPVersions(t *testing.T) {
	peer(t, "curl")
	t.Parallel()
	plain, secure, six := newOrigin(t, "127.0.0.1:0", false), newOrigin(t, "127.0.0.1:0", true), newOrigin(t, "[::1]:0", false)
	sixPorts := []int{freePort(t), freePort(t)}
	upstreams := []string{plain.address, plain.url, secure.address, secure.url}
	runs := make([]*way, 2) // without and with latency
	for i, flags := range [][]string{nil, {"--with-latency", "--latency-mean", "150", "--latency-stddev", "0"}} {
		flags = append(flags, "--proxy", fmt.Sprintf("[::1]:%d=%s", sixPorts[i], six.address))
		runs[i] = throughWith(t, []string{"SSL_CERT_FILE=" + secure.authority}, upstreams, flags...)
		runs[i].waitListening(t, fmt.Sprintf("[::1]:%d", sixPorts[i]))
	}
	ways := func(i int) []clientWay {
		w := runs[i]
		proxy, known := []string{"-x", "http://" + w.proxy}, "--http2-prior-knowledge"
		with := func(more ...string) []string {
			return append(append([]string{"--cacert", secure.authority}, proxy...), more...)
		}
		return []clientWay{
			{"forward", "1.1", with(plain.url)},
			{"CONNECT", "1.1", with("-p", plain.url)},
			{"CONNECT, h2c", "2", with("-p", known, plain.url)},
			{"CONNECT, TLS", "1.1", with("--http1.1", secure.url)},
			{"CONNECT, TLS, h2", "2", with("--http2", secure.url)},
			{"forward, IPv6", "1.1", with(six.url)},
			{"CONNECT, IPv6, h2c", "2", with("-p", known, six.url)},
			{"TCP mapping", "1.1", []string{"http://" + w.mappings[0]}},
			{"TCP mapping, h2c", "2", []string{known, "http://" + w.mappings[0]}},
			{"HTTP mapping", "1.1", []string{"http://" + w.mappings[1]}},
			{"HTTP mapping, h2c", "2", []string{known, "http://" + w.mappings[1]}},
			{"HTTPS mapping, h2c", "2", []string{known, "http://" + w.mappings[3]}},
			{"TCP mapping, TLS, h2", "2", []string{"--cacert", secure.authority, "--http2", "https://" + w.mappings[2]}},
			{"HTTPS mapping", "1.1", []string{"http://" + w.mappings[3]}},
			{"IPv6 mapping", "1.1", []string{fmt.Sprintf("http://[::1]:%d", sixPorts[i])}},
		}
	}
	const size = 3_000_000
	want := sum(size)
	file := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(file, []byte(body(size)), 0o600); err != nil {
		t.Fatal(err)
	}
	slow := ways(1)
	for i, fast := range ways(0) {
		t.Run(fast.name, func(t *testing.T) {
			at := func(w clientWay, path string, more ...string) []string {
				args := append(append([]string{}, more...), w.args...)
				args[len(args)-1] += path
				return args
			}
			up := curl(t, at(slow[i], "/sum", "-T", file)...)
			if up.Code != 200 || up.body != fmt.Sprintf("%d %s", size, want) {
				t.Errorf("upload: %d %q %s, want %d bytes with sum %s", up.Code, up.body, up.Error, size, want)
			}
			chunked := curl(t, at(slow[i], "/sum", "-T", file, "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue")...)
			if chunked.Code != 200 || chunked.body != up.body {
				t.Errorf("chunked upload: %d %q %s", chunked.Code, chunked.body, chunked.Error)
			}
			if down := curl(t, at(slow[i], fmt.Sprintf("/bytes?n=%d", size))...); down.Code != 200 || down.body != body(size) {
				t.Errorf("download: %d, %d bytes %s, want %d", down.Code, len(down.body), down.Error, size)
			}
			if fast.version == "1.1" && !strings.Contains(strings.ToLower(chunked.head), "x-sum: "+want) {
				t.Errorf("the trailer is not in\n%s", chunked.head)
			}
			milliseconds := func(w clientWay) func() float64 {
				return func() float64 {
					got := curl(t, at(w, "/")...)
					if got.Code != 200 || got.Version != w.version || !strings.HasPrefix(got.body, "GET HTTP/") {
						t.Fatalf("status %d over HTTP/%s, body %q %s; want 200 over HTTP/%s", got.Code, got.Version, got.body, got.Error, w.version)
					}
					if !strings.Contains(strings.ToLower(got.head), "set-cookie: a=1\r\nset-cookie: b=2\r\n") {
						t.Errorf("two cookies became\n%s", got.head)
					}
					return 1000 * got.Total
				}
			}
			steady(t, func() error {
				delayed := noSooner(t, 150, several(4, milliseconds(slow[i])))
				return between("ms added", added(delayed, several(4, milliseconds(fast))), 145, 165)
			})
		})
	}
}

// body is the first n bytes of the sequence.
func body(n int) string {
	b := make([]byte, n)
	_, _ = (&counter{}).Read(b)
	return string(b)
}

// TestBandwidthIsTheRate: curl measures the rate that was set, within 2 %, each way and in both directions.
func TestBandwidthIsTheRate(t *testing.T) {
	peer(t, "curl")
	t.Parallel()
	plain, secure := newOrigin(t, "127.0.0.1:0", false), newOrigin(t, "127.0.0.1:0", true)
	const rate, size = 800_000, 2_000_000
	w := through(t, []string{plain.address, plain.url}, "--with-bandwidth", "--bandwidth-rate", "800", "--bandwidth-unit", "KBps",
		"--bandwidth-direction", "both")
	ways := map[string][]string{
		"forward":          {"-x", "http://" + w.proxy, plain.url},
		"CONNECT":          {"-p", "-x", "http://" + w.proxy, plain.url},
		"CONNECT, TLS, h2": {"--cacert", secure.authority, "-x", "http://" + w.proxy, secure.url},
		"TCP mapping":      {"http://" + w.mappings[0]},
		"HTTP mapping":     {"http://" + w.mappings[1]},
	}
	file := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(file, []byte(body(size)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range ways {
		for _, direction := range []string{"down", "up"} {
			t.Run(name+"/"+direction, func(t *testing.T) {
				t.Parallel()
				args := append([]string{}, args...)
				if direction == "down" {
					args[len(args)-1] += fmt.Sprintf("/bytes?n=%d", size)
				} else {
					args[len(args)-1] += "/sum"
					args = append([]string{"-H", "Expect:", "-T", file}, args...)
				}
				steady(t, func() error {
					got := curl(t, args...)
					if got.Code != 200 {
						t.Fatalf("%d %s", got.Code, got.Error)
					}
					if measured := size / got.Total; math.Abs(measured/rate-1) > 0.02 {
						return fmt.Errorf("%.0f bytes a second, want %d within 2 %%", measured, rate)
					}
					return nil
				})
			})
		}
	}
}

// TestCurlSeesResets: twenty calls each way, twenty resets.
func TestCurlSeesResets(t *testing.T) {
	peer(t, "curl")
	t.Parallel()
	plain, secure := newOrigin(t, "127.0.0.1:0", false), newOrigin(t, "127.0.0.1:0", true)
	w := throughWith(t, []string{"SSL_CERT_FILE=" + secure.authority}, []string{plain.address, plain.url, secure.url},
		"--with-reset", "--reset-after-bytes", "0")
	const known = "--http2-prior-knowledge"
	for name, args := range map[string][]string{
		"forward":           {"-x", "http://" + w.proxy, plain.url},
		"CONNECT":           {"-p", "-x", "http://" + w.proxy, plain.url},
		"CONNECT, TLS, h2":  {"--cacert", secure.authority, "-x", "http://" + w.proxy, secure.url},
		"TCP mapping":       {"http://" + w.mappings[0]},
		"HTTP mapping":      {"http://" + w.mappings[1]},
		"HTTP mapping, h2c": {known, "http://" + w.mappings[1]},
		"HTTPS mapping":     {"http://" + w.mappings[2]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// CURLE_SSL_CONNECT_ERROR, CURLE_RECV_ERROR, and for HTTP/2 CURLE_HTTP2_STREAM.
			want := map[string]int{"CONNECT, TLS, h2": 35, "HTTP mapping, h2c": 92}[name]
			if want == 0 {
				want = 56
			}
			for range 20 {
				if got := curl(t, args...); got.exit != want || got.Code == 200 || got.body != "" {
					t.Errorf("curl ended with %d (%s), status %d, body %q; want %d", got.exit, got.Error, got.Code, got.body, want)
				}
			}
		})
	}
}
