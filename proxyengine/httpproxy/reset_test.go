package httpproxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
)

// resetting has every exchange reset.
func resetting(t testing.TB, live *fault.Live, values map[string]any) {
	t.Helper()
	s, err := fault.Decode("reset", values)
	if err != nil {
		t.Fatal(err)
	}
	live.Store(fault.Build([]fault.Active{{Spec: s, Epoch: 1}}, 1, nil))
}

// A reset inside of an opened tunnel resets the client's connection; over HTTP/2 the stream, and the others of the connection go on.
func TestResetsOfInterceptedExchanges(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for name, values := range map[string]map[string]any{
			"while it waits":         {"delay": 100, "match": "/slow"},
			"while nobody reads":     {"delay": 300, "match": "/endless"},
			"in the answer":          {"after_bytes": 200, "match": "/endless"},
			"before anything passes": {"after_bytes": 0, "match": "/slow", "direction": "egress"},
		} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				t.Parallel()
				i := intercepting(t, nil)
				srv := i.server(t, func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/slow":
						<-r.Context().Done()
					case "/endless":
						for {
							if _, err := w.Write(make([]byte, 64<<10)); err != nil {
								return
							}
						}
					}
					io.WriteString(w, "fine")
				}, nil)
				resetting(t, i.live, values)
				client := i.client(t, protocol)
				for range 3 {
					begin := time.Now()
					resp, err := client.Get(srv.URL + values["match"].(string))
					if err == nil {
						if name == "while nobody reads" {
							time.Sleep(time.Second)
						}
						_, err = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					took := time.Since(begin)
					if protocol == "HTTP/1.1" && !errors.Is(err, syscall.ECONNRESET) || err == nil || took > 20*time.Second {
						t.Errorf("the client sees %v after %s, want a reset", err, took)
					}
					if protocol == "HTTP/2.0" && err != nil && !strings.Contains(err.Error(), "stream error") {
						t.Errorf("the client sees %v, want the end of a stream", err)
					}
				}
				resp, err := client.Get(srv.URL + "/other")
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if body, err := io.ReadAll(resp.Body); string(body) != "fine" || err != nil {
					t.Errorf("another exchange: %q, %v", body, err)
				}
			})
		}
	}
}

// A connection that was upgraded is reset like any other.
func TestResetOfAnUpgradedConnection(t *testing.T) {
	addr := script(t, func(c net.Conn, _ *http.Request) {
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, c)
	})
	for name, values := range map[string]map[string]any{"by time": {"delay": 400}, "by bytes": {"after_bytes": 120}} {
		f := serve(t, nil)
		resetting(t, f.live, values)
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(c, "GET http://"+addr+"/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		br := bufio.NewReader(c)
		if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%s: %+v, %v", name, resp, err)
		}
		for err == nil {
			if _, err = io.WriteString(c, "ping"); err == nil {
				_, err = io.ReadFull(br, make([]byte, 4))
			}
			time.Sleep(time.Millisecond)
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: the client sees %v, want a reset", name, err)
		}
	}
}
