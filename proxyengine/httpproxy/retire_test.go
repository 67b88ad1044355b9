package httpproxy

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
)

// TestResetHarmsNoOther: an exchange that is reset takes its connection to the upstream along, and nobody else is hurt by that.
func TestResetHarmsNoOther(t *testing.T) {
	srv := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "ok")
	})
	f := serve(t, mapped(srv))
	f.wrong(t, map[string]any{"type": "reset", "after_bytes": 0, "match": "/reset"})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 150 {
				if resp, err := client.Get("http://" + f.addr + "/reset"); err == nil {
					resp.Body.Close()
					t.Errorf("status %d instead of a reset", resp.StatusCode)
				}
			}
		})
		all.Go(func() {
			for i := range 150 {
				method := []string{http.MethodGet, http.MethodPost}[i%2]
				req, _ := http.NewRequest(method, "http://"+f.addr+"/", http.NoBody)
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					continue
				}
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%s: status %d, %s", method, resp.StatusCode, text)
				}
			}
		})
	}
	all.Wait()
}
