//go:build e2e

package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

// toxiproxyCLI is the newest release of toxiproxy's command line that the control API answers like.
const toxiproxyCLI = "github.com/Shopify/toxiproxy/v2/cmd/cli@v2.12.0"

// controlled starts fault with a control API without a token and returns the API's address.
func controlled(t *testing.T) string {
	t.Helper()
	p := start(t, "run", "--proxy-address", "127.0.0.1:0", "--api-address", "127.0.0.1:0", "--api-token", "none")
	return p.waitFor(t, `Control API +(http://127\.0\.0\.1:\d+)`)[1]
}

// echoing returns the address of a server that sends everything back.
func echoing(t *testing.T) string {
	t.Helper()
	return serve(t, func(conn *net.TCPConn) {
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	})
}

// roundTrip sends a text on a connection and returns after how many milliseconds it is back.
func roundTrip(conn net.Conn, text string) (milliseconds float64, err error) {
	begin := time.Now()
	if _, err := io.WriteString(conn, text); err != nil {
		return 0, err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil {
		return 0, err
	}
	if string(got) != text {
		return 0, errors.New("wrong bytes: " + string(got))
	}
	return float64(time.Since(begin).Microseconds()) / 1000, nil
}

// TestToxiproxyClient drives the control API with toxiproxy's own Go client, as a test suite made for toxiproxy would.
func TestToxiproxyClient(t *testing.T) {
	t.Parallel()
	client := toxiproxy.NewClient(controlled(t))
	upstream := echoing(t)
	proxy, err := client.CreateProxy("echo", local(freePort(t)), upstream)
	if err != nil {
		t.Fatal(err)
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	times := func(t *testing.T, conn net.Conn) []float64 {
		t.Helper()
		return several(4, func() float64 {
			ms, err := roundTrip(conn, "hello")
			must(t, err)
			return ms
		})
	}
	open := dial(t, proxy.Listen, time.Minute)
	control := times(t, open)

	t.Run("latency, on a connection that is open", func(t *testing.T) {
		_, err := proxy.AddToxic("slow", "latency", "downstream", 1, toxiproxy.Attributes{"latency": 100})
		must(t, err)
		time.Sleep(100 * time.Millisecond) // a change governs what is read 50 ms later
		steady(t, func() error { return between("ms added", added(times(t, open), control), 98, 108) })
		_, err = proxy.UpdateToxic("slow", 1, toxiproxy.Attributes{"latency": 200})
		must(t, err)
		time.Sleep(100 * time.Millisecond)
		steady(t, func() error { return between("ms added", added(times(t, open), control), 198, 210) })
		must(t, proxy.RemoveToxic("slow"))
		time.Sleep(100 * time.Millisecond)
		steady(t, func() error { return between("ms added", added(times(t, open), control), -10, 10) })
	})
	t.Run("toxicity", func(t *testing.T) {
		_, err := proxy.AddToxic("never", "latency", "downstream", 0, toxiproxy.Attributes{"latency": 5000})
		must(t, err)
		_, err = roundTrip(dial(t, proxy.Listen, 4*time.Second), "hello")
		must(t, err)
		must(t, proxy.RemoveToxic("never"))
	})
	t.Run("bandwidth", func(t *testing.T) {
		_, err := proxy.AddToxic("", "bandwidth", "upstream", 1, toxiproxy.Attributes{"rate": 100}) // KB a second
		must(t, err)
		steady(t, func() error {
			ms, err := roundTrip(dial(t, proxy.Listen, 20*time.Second), strings.Repeat("x", 50_000))
			must(t, err)
			return between("ms for 50 KB", ms, 490, 530)
		})
		must(t, proxy.RemoveToxic("bandwidth_upstream"))
	})
	for _, test := range []struct {
		kind       string
		attributes toxiproxy.Attributes
		want       error
	}{
		{"reset_peer", toxiproxy.Attributes{"timeout": 0}, syscall.ECONNRESET},
		{"limit_data", toxiproxy.Attributes{"bytes": 3}, io.ErrUnexpectedEOF},
		{"timeout", toxiproxy.Attributes{"timeout": 100}, io.EOF},
		{"timeout", toxiproxy.Attributes{"timeout": 0}, os.ErrDeadlineExceeded},
	} {
		t.Run(test.kind, func(t *testing.T) {
			_, err := proxy.AddToxic("", test.kind, "downstream", 1, test.attributes)
			must(t, err)
			for range 5 {
				if _, err := roundTrip(dial(t, proxy.Listen, time.Second), "hello"); !errors.Is(err, test.want) {
					t.Errorf("%v: %v, want %v", test.attributes, err, test.want)
				}
			}
			must(t, proxy.RemoveToxic(test.kind+"_downstream"))
			_, err = roundTrip(dial(t, proxy.Listen, 5*time.Second), "hello")
			must(t, err)
		})
	}
	t.Run("slicer", func(t *testing.T) {
		_, err := proxy.AddToxic("", "slicer", "downstream", 1, toxiproxy.Attributes{"average_size": 10, "size_variation": 2, "delay": 10_000})
		must(t, err)
		ms, err := roundTrip(dial(t, proxy.Listen, 20*time.Second), strings.Repeat("0123456789", 20))
		must(t, err)
		if ms < 100 {
			t.Errorf("twenty pieces with 10 ms between them took %.1f ms", ms)
		}
		must(t, proxy.RemoveToxic("slicer_downstream"))
	})
	t.Run("disable and enable", func(t *testing.T) {
		held := dial(t, proxy.Listen, 5*time.Second)
		_, err := roundTrip(held, "hello")
		must(t, err)
		must(t, proxy.Disable())
		if conn, err := net.Dial("tcp", proxy.Listen); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a disabled proxy: %v, %v; want that it refuses", conn, err)
		}
		if _, err := roundTrip(held, "hello"); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection of a disabled proxy: %v, want that it is closed", err)
		}
		must(t, proxy.Enable())
		_, err = roundTrip(dial(t, proxy.Listen, 5*time.Second), "hello")
		must(t, err)
	})
	t.Run("populate and reset", func(t *testing.T) {
		list, err := client.Populate([]toxiproxy.Proxy{
			{Name: "one", Listen: local(freePort(t)), Upstream: upstream, Enabled: true},
			{Name: "two", Listen: local(freePort(t)), Upstream: upstream, Enabled: true},
		})
		must(t, err)
		_, err = list[0].AddToxic("", "latency", "", 1, toxiproxy.Attributes{"latency": 10_000})
		must(t, err)
		two, err := client.Proxy("two") // those that Populate returns do not know that they exist
		must(t, err)
		must(t, two.Disable())
		_, err = roundTrip(dial(t, proxy.Listen, 5*time.Second), "hello") // a toxic is one proxy's
		must(t, err)
		must(t, client.ResetState())
		for _, p := range list {
			if _, err := roundTrip(dial(t, p.Listen, 5*time.Second), "hello"); err != nil {
				t.Errorf("%s after the reset: %v", p.Name, err)
			}
		}
		all, err := client.Proxies()
		if err != nil || len(all) != 3 || len(all["one"].ActiveToxics) != 0 {
			t.Errorf("%v, %v; want three proxies without toxics", all, err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		must(t, proxy.Delete())
		_, err := client.Proxy("echo")
		var answer *toxiproxy.ApiError
		if !errors.As(err, &answer) || answer.Status != 404 {
			t.Errorf("a deleted proxy: %v", err)
		}
	})
}

// TestToxiproxyCLI drives the control API with toxiproxy's command line, in front of a real Redis.
func TestToxiproxyCLI(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	install := exec.Command(peer(t, "go"), "install", toxiproxyCLI)
	install.Env = append(os.Environ(), "GOBIN="+bin) // with the caches of this user
	if out, err := install.CombinedOutput(); err != nil {
		missing(t, "toxiproxy's command line cannot be had: %s", tail(string(out)))
	}
	peer(t, "redis-cli")
	api, redis := controlled(t), newRedis(t)
	listen := local(freePort(t))
	cli := func(want string, args ...string) {
		t.Helper()
		r := command(t, t.TempDir(), filepath.Join(bin, "cli"), append([]string{"--host", api}, args...)...)
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Fatalf("%s ended with %d: %s%s; want %q", strings.Join(args, " "), r.code, r.stdout, r.stderr, want)
		}
	}
	ping := func() float64 {
		r, took := redisCLI(t, listen, "PING\n")
		if r.stdout != "PONG\n" {
			t.Fatalf("redis-cli ended with %d: %q %s", r.code, r.stdout, r.stderr)
		}
		return float64(took.Microseconds()) / 1000
	}
	cli("Created new proxy redis", "create", "--listen", listen, "--upstream", redis, "redis")
	cli("redis", "list")
	control := several(3, ping)
	cli("latency", "toxic", "add", "--type", "latency", "--attribute", "latency=300", "--attribute", "jitter=0", "redis")
	cli("latency=300", "inspect", "redis")
	// The session of redis-cli has several turns; each is delayed.
	steady(t, func() error { return between("ms added to a session", added(several(3, ping), control), 290, 2000) })
	cli("", "toxic", "update", "--toxicName", "latency_downstream", "--attribute", "latency=1", "redis")
	steady(t, func() error { return between("ms added to a session", added(several(3, ping), control), -50, 100) })
	cli("", "toxic", "remove", "--toxicName", "latency_downstream", "redis")
	cli("", "toggle", "redis")
	if r, _ := redisCLI(t, listen, "PING\n"); !strings.Contains(r.stderr+r.stdout, "Connection refused") {
		t.Errorf("a proxy that was switched off: %d %s%s", r.code, r.stdout, r.stderr)
	}
	cli("", "toggle", "redis")
	ping()
	cli("", "delete", "redis")
}
