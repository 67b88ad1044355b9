package control

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Changes from all sides, of everything at once, while bytes flow: no byte is wrong, and in the end everything is as it was asked for.
func TestConcurrentChanges(t *testing.T) {
	f := newFixture(t)
	f.want("PUT", "/v1/mappings/steady", `{"mapping":"0=`+f.echo+`"}`, 201, "")
	var at mappingObject
	f.get("/v1/mappings/steady", &at)
	stop := make(chan struct{})
	var traffic, changes sync.WaitGroup
	for i := range 4 {
		conn := dial(t, at.Address)
		traffic.Go(func() { chat(t, conn, i, stop) })
	}
	for i := range 4 {
		changes.Go(func() {
			p := fmt.Sprintf("p%d", i)
			for round := range 15 {
				f.want("POST", "/proxies", `{"name":"`+p+`","listen":"127.0.0.1:0","upstream":"`+f.echo+`"}`, 201, "")
				f.want("POST", "/proxies/"+p+"/toxics", `{"type":"timeout"}`, 200, "")
				f.want("PUT", "/v1/faults/"+p, fmt.Sprintf(`{"type":"latency","mean":%d,"scope":"chunk","mappings":["steady"]}`, round%3), 201, "")
				f.want("PATCH", "/v1/faults/"+p, `{"mean":1,"probability":0.5}`, 200, "")
				f.want("POST", "/proxies/"+p, `{"enabled":false}`, 200, "")
				f.want("GET", "/v1/counters", "", 200, p)
				f.want("DELETE", "/v1/faults/"+p, "", 204, "")
				f.want("DELETE", "/proxies/"+p, "", 204, "")
			}
		})
	}
	changes.Wait()
	close(stop)
	traffic.Wait()
	f.want("GET", "/v1/faults", "", 200, `{"faults":[]}`)
	f.want("GET", "/v1/mappings", "", 200, `{"mappings":[{"id":"steady"`)
	if len(f.engine.MappingAddrs()) != 1 {
		t.Errorf("the engine has the mappings %v", f.engine.MappingAddrs())
	}
}

// chat sends lines and checks that each comes back, until stop is closed.
func chat(t *testing.T, conn net.Conn, who int, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		line := fmt.Sprintf("%d %d %s\n", who, n, strings.Repeat("x", n%500))
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, line); err != nil {
			t.Error(err)
			return
		}
		answer := make([]byte, len(line))
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != line {
			t.Errorf("sent %q, got %q, %v", line, answer, err)
			return
		}
	}
}
