package httpproxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
)

// act has a fault act on all exchanges that it matches.
func act(t testing.TB, live *fault.Live, kind string, values map[string]any) {
	t.Helper()
	s, err := fault.Decode(kind, values)
	if err != nil {
		t.Fatal(err)
	}
	live.Store(fault.Build([]fault.Active{{Spec: s, Epoch: 1}}, 1, nil))
}

// An exchange that its client leaves, or that is reset, may take its connection along, but never the exchange that comes next.
func TestEndOfAnExchangeHarmsNoOther(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Query().Get("as") {
		case "nothing":
			w.WriteHeader(http.StatusNoContent)
		case "chunks":
			_ = http.NewResponseController(w).Flush()
			fallthrough
		default:
			io.WriteString(w, "fine")
		}
	})
	for name, f := range map[string]struct {
		kind   string
		values map[string]any
	}{
		"hole":              {"blackhole", map[string]any{"match": "/lost"}},
		"hole to client":    {"blackhole", map[string]any{"match": "/lost", "side": "client", "direction": "egress"}},
		"late":              {"latency", map[string]any{"match": "/lost", "mean": 10_000}},
		"late body":         {"slow_close", map[string]any{"match": "/lost", "delay": 10_000}},
		"withheld":          {"blackhole", map[string]any{"match": "/lost", "heal": "retransmit"}},
		"reset by time":     {"reset", map[string]any{"match": "/lost", "delay": 3}},
		"reset by bytes":    {"reset", map[string]any{"match": "/lost", "after_bytes": 10}},
		"closed by a fault": {"limit_data", map[string]any{"match": "/lost", "bytes": 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, mapped(srv))
			act(t, p.live, f.kind, f.values)
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			call := func(ctx context.Context, path string, body io.Reader) (int, string) {
				method := http.MethodGet
				if body != nil {
					method = http.MethodPost
				}
				req, _ := http.NewRequestWithContext(ctx, method, "http://"+p.addr+path, body)
				resp, err := client.Do(req)
				if err != nil {
					return 0, err.Error()
				}
				defer resp.Body.Close()
				text, _ := io.ReadAll(resp.Body)
				return resp.StatusCode, string(text)
			}
			var all sync.WaitGroup
			for _, as := range []string{"nothing", "chunks", "length"} {
				all.Go(func() {
					for range 40 {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
						call(ctx, "/lost?as="+as, nil)
						cancel()
						if status, text := call(t.Context(), "/?as="+as, nil); status/100 != 2 {
							t.Errorf("the next one, %s, got %d %s", as, status, text)
						}
						if status, text := call(t.Context(), "/?as="+as, strings.NewReader("request")); status/100 != 2 {
							t.Errorf("the one after that, %s, got %d %s", as, status, text)
						}
					}
				})
			}
			all.Wait()
		})
	}
}
