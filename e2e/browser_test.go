//go:build e2e

package e2e

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

//go:embed browser.html
var page []byte

// findings are what the page measures, in milliseconds, and what went wrong.
type findings struct {
	Echo  []float64 `json:"echo"`  // WebSocket: from sending a message to its echo
	Push  []float64 `json:"push"`  // WebSocket: from when the server sent a message to its arrival
	Event []float64 `json:"event"` // server-sent events: from when the server sent one to its arrival
	Flaky []int     `json:"flaky"` // three statuses
	// Protocol is what the page came by, as browsers name it.
	Protocol string `json:"protocol"`
	Error    string `json:"error"`
}

const (
	messages = 8
	interval = 100 * time.Millisecond
)

// newSite serves the page, its WebSocket and its events: with TLS and HTTP/2, or without either. What the page reports, by whatever way,
// comes out of the channel.
func newSite(t *testing.T, encrypted bool) (server *httptest.Server, reports <-chan findings) {
	t.Helper()
	results := make(chan findings, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	// The page sends a message and gets it back; after that the server sends some without being asked.
	mux.Handle("GET /socket", websocket.Handler(func(conn *websocket.Conn) {
		for range messages {
			var text string
			if websocket.Message.Receive(conn, &text) != nil || websocket.Message.Send(conn, text) != nil {
				return
			}
		}
		for range messages {
			time.Sleep(interval)
			if websocket.Message.Send(conn, strconv.FormatInt(time.Now().UnixMicro(), 10)) != nil {
				return
			}
		}
		var rest string
		_ = websocket.Message.Receive(conn, &rest) // the page closes
	}))
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range messages {
			fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixMicro())
			_ = http.NewResponseController(w).Flush()
			time.Sleep(interval)
		}
		<-r.Context().Done() // an answer that never ends: nothing may wait for its end
	})
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var f findings
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			f.Error = err.Error()
		}
		results <- f
	})
	mux.HandleFunc("GET /flaky", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server = httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if encrypted {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server, results
}

// browser is the Chromium of this machine.
func browser(t *testing.T) string {
	t.Helper()
	return peer(t, "chromium", "chromium-browser", "google-chrome")
}

// browse opens an address in headless Chromium and waits for what the page reports.
func browse(t *testing.T, address string, reports <-chan findings, flags ...string) findings {
	t.Helper()
	profile, err := os.MkdirTemp("", "fault-e2e-browser-") //nolint:usetesting // the browser may still write into it while it ends
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(profile)
	cmd := exec.Command(browser(t), append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
		"--remote-debugging-port=0", // without it a headless browser ends when the page is there
		"--user-data-dir=" + profile,
	}, append(flags, address)...)...)
	cmd.Env = append(environment(t), "HOME="+profile)
	var log output
	cmd.Stdout, cmd.Stderr = &log, &log
	inGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { endGroup(cmd); _ = cmd.Wait() }()
	select {
	case f := <-reports:
		if f.Error != "" {
			t.Fatalf("the page reports: %s", f.Error)
		}
		if len(f.Flaky) != 3 {
			t.Fatalf("the page reports %v", f.Flaky)
		}
		if len(f.Echo) != messages || len(f.Push) != messages || len(f.Event) != messages {
			t.Fatalf("the page reports %d echoes, %d messages, %d events; want %d each", len(f.Echo), len(f.Push), len(f.Event), messages)
		}
		return f
	case <-time.After(time.Minute):
		t.Fatalf("the page did not report within a minute: %s", tail(log.String()))
	}
	return findings{}
}

// TestBrowser opens a page in Chromium, through the HTTP proxy and through an HTTP mapping. With 200 ms of latency each message of
// its WebSocket and each server-sent event comes 200 ms later, at its own time: nothing is held back until there is more.
func TestBrowser(t *testing.T) {
	browser(t)
	t.Parallel()
	server, reports := newSite(t, false)
	site := server.URL
	control := browse(t, site, reports)
	t.Logf("directly: %+v", control)

	w := through(t, []string{site}, "--with-latency", "--latency-mean", "200", "--latency-stddev", "0", "--latency-per-read-write")
	ways := []struct {
		name, address string
		flags         []string
	}{
		{"proxy", site, []string{"--proxy-server=http://" + w.proxy, "--proxy-bypass-list=<-loopback>"}}, // WebSockets use CONNECT
		{"mapping", "http://" + w.mappings[0], nil},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			steady(t, func() error {
				f := browse(t, way.address, reports, way.flags...)
				t.Logf("%+v", f)
				for what, pair := range map[string][2][]float64{
					"echo": {f.Echo, control.Echo}, "message": {f.Push, control.Push}, "event": {f.Event, control.Event},
				} {
					// The clocks of the browser and of the server are the same; it shows them in whole milliseconds.
					if err := between("ms added to the quickest "+what, added(pair[0], pair[1]), 195, 220); err != nil {
						return err
					}
					// One that waits for the next is late by 100 ms; the slowest few may be the machine's doing.
					if err := between("ms of the middle "+what, slices.Sorted(slices.Values(pair[0]))[messages/2], 198, 250); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}
