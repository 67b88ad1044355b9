package control

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/event"
)

// free is a port that nothing listens on, below those that systems hand out by themselves: one of these may be another process's a
// moment later.
func free(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(12000 + rand.IntN(18000))
		ln, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

func TestMappings(t *testing.T) {
	f := newFixture(t)
	port, other := free(t), free(t)
	at := "127.0.0.1:" + port
	f.want("GET", "/v1/mappings", "", 200, `{"mappings":[]}`)
	f.want("POST", "/v1/mappings", `{"mapping":"`+port+`=`+f.echo+`"}`, 201,
		`{"id":"`+port+`","mapping":"`+port+`=`+f.echo+`","enabled":true,"address":"`+at+`"}`)
	conn := dial(t, at)
	round(t, conn)
	f.want("POST", "/v1/mappings", `{"mapping":"0=x:1","enabled":false}`, 201, `"id":"mapping","mapping":"0=x:1","enabled":false}`)
	f.want("PATCH", "/v1/mappings/mapping", `{"enabled":true}`, 200, `"enabled":true,"address":"127.0.0.1:`)
	f.want("DELETE", "/v1/mappings/mapping", "", 204, "")
	round(t, conn) // what stays is not touched

	f.want("PATCH", "/v1/mappings/"+port, `{"enabled":false}`, 200, `"enabled":false}`)
	ends(t, conn)
	refused(t, at)
	f.want("PATCH", "/v1/mappings/"+port, `{"enabled":true}`, 200, at)
	conn = dial(t, at)
	round(t, conn)

	f.want("PUT", "/v1/mappings/"+port, `{"mapping":"`+other+`=`+f.echo+`"}`, 200, `"address":"127.0.0.1:`+other+`"`)
	ends(t, conn)
	refused(t, at)
	round(t, dial(t, "127.0.0.1:"+other))
	f.want("DELETE", "/v1/mappings/"+port, "", 204, "")
	refused(t, "127.0.0.1:"+other)
	f.want("GET", "/v1/mappings", "", 200, `{"mappings":[]}`)
}

func TestMappingErrorsChangeNothing(t *testing.T) {
	f := newFixture(t)
	port := free(t)
	f.want("PUT", "/v1/mappings/db", `{"mapping":"`+port+`=`+f.echo+`"}`, 201, "")
	f.want("POST", "/v1/faults", `{"type":"latency","mean":0,"mappings":["db"]}`, 201, "")
	conn := dial(t, "127.0.0.1:"+port)
	_, before := f.call("GET", "/v1/mappings", "")
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/v1/mappings", `{}`, 400, "mapping is missing"},
		{"PUT", "/v1/mappings/db", `{"enabled":true}`, 400, "mapping is missing"},
		{"PUT", "/v1/mappings/other", `{}`, 400, "mapping is missing"},
		{"POST", "/v1/mappings", `{"mapping":"x"}`, 400, "write LEFT=RIGHT"},
		{"POST", "/v1/mappings", `{"mapping":5}`, 400, "not what is expected"},
		{"POST", "/v1/mappings", `{"mapping":"0=x:1","port":5}`, 400, `unknown field \"port\"`},
		{"POST", "/v1/mappings", `{"id":"db","mapping":"0=x:1"}`, 409, "there is a mapping"},
		{"POST", "/v1/mappings", `{"id":"a\tb","mapping":"0=x:1"}`, 400, "printable"},
		{"POST", "/v1/mappings", `{"mapping":"` + port + `=x:1"}`, 409, "share the address"},
		{"POST", "/v1/mappings", `{"mapping":"` + f.echo + `=x:1"}`, 409, "already in use"},
		{"PATCH", "/v1/mappings/db", `{"mapping":"` + f.echo + `=x:1"}`, 409, "already in use"},
		{"PATCH", "/v1/mappings/db", `{"id":"x"}`, 400, "named"},
		{"PATCH", "/v1/mappings/none", `{}`, 404, "there is no mapping"},
		{"DELETE", "/v1/mappings/none", ``, 404, "there is no mapping"},
		{"PUT", "/v1/mappings", `[{"id":"a","mapping":"0=x:1"},{"id":"a","mapping":"0=y:1"}]`, 400, "given twice"},
		{"PUT", "/v1/mappings", `[{"id":"a"}]`, 400, "mapping 1: mapping is missing"},
	} {
		f.want(tt.method, tt.path, tt.body, tt.status, tt.says)
		if _, after := f.call("GET", "/v1/mappings", ""); after != before {
			t.Errorf("%s %s %s: mappings are %s, were %s", tt.method, tt.path, tt.body, after, before)
		}
		f.want("GET", "/v1/faults/latency", "", 200, `"mappings":["db"]`)
	}
	// A bind that failed may have closed and opened the mapping again: it serves all the same.
	conn.Close()
	round(t, dial(t, "127.0.0.1:"+port))
}

// Mappings of the configuration have their port for a name, and keep it when they are switched off and on.
func TestMappingsOfTheConfiguration(t *testing.T) {
	upstream := echo(t)
	m, err := proxyengine.ParseMapping("0=" + upstream)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *proxyengine.Config) { c.Mappings = []proxyengine.Mapping{m} })
	at := f.engine.MappingAddrs()[m.String()].String()
	_, port, _ := net.SplitHostPort(at)
	f.want("GET", "/v1/mappings/"+port, "", 200, `"address":"`+at+`"`)
	f.want("PATCH", "/v1/mappings/"+port, `{"enabled":false}`, 200, `"enabled":false`)
	refused(t, at)
	f.want("PATCH", "/v1/mappings/"+port, `{"enabled":true}`, 200, at)
	round(t, dial(t, at))
	f.want("GET", "/proxies/"+port, "", 200, `"listen":"`+at+`","upstream":"`+upstream+`","enabled":true`)
}

// Mappings that come and go are no change of the faults.
func TestMappingsDoNotTouchTheFaults(t *testing.T) {
	var changes atomic.Int32
	f := newFixture(t, func(c *proxyengine.Config) {
		c.Sink = func(e event.Event) {
			if _, ok := e.(event.FaultsChanged); ok {
				changes.Add(1)
			}
		}
	})
	eventually(t, func() bool { return changes.Load() == 1 }, "the program begins")
	f.want("POST", "/v1/faults", `{"type":"blackhole","side":"client"}`, 201, "")
	f.want("POST", "/v1/mappings", `{"id":"a","mapping":"0=`+f.echo+`"}`, 201, "")
	f.want("POST", "/v1/mappings", `{"id":"b","mapping":"0=`+f.echo+`"}`, 201, "")
	f.want("DELETE", "/v1/mappings/b", "", 204, "")
	if n := changes.Load(); n != 2 {
		t.Errorf("the faults changed %d times, want 2", n)
	}
	f.want("PATCH", "/v1/faults/blackhole", `{"mappings":["a"]}`, 200, "")
	f.want("PATCH", "/v1/faults/blackhole", `{"heal":"retransmit"}`, 200, "")
	if n := changes.Load(); n != 4 {
		t.Errorf("the faults changed %d times, want 4", n)
	}
}

// A fault belongs to a mapping by its name: it stays when the mapping is switched off or leads elsewhere, and goes with it.
func TestFaultsFollowTheirMappings(t *testing.T) {
	f := newFixture(t)
	acts := func(id string) string {
		for _, s := range f.engine.Faults() {
			if s.ID == id {
				return strings.Join(s.Mappings, " ")
			}
		}
		return "gone"
	}
	a, b := free(t), free(t)
	f.want("PUT", "/v1/mappings", `[{"id":"a","mapping":"`+a+`=x:1"},{"id":"b","mapping":"`+b+`=x:1"}]`, 200, "")
	f.want("POST", "/v1/faults", `{"id":"one","type":"blackhole","mappings":["a"]}`, 201, "")
	f.want("POST", "/v1/faults", `{"id":"two","type":"blackhole","mappings":["a","`+b+`=x:1"]}`, 201, `"mappings":["a","b"]`)
	check := func(one, two string) {
		t.Helper()
		if acts("one") != one || acts("two") != two {
			t.Errorf("faults act on %q and %q, want %q and %q", acts("one"), acts("two"), one, two)
		}
	}
	check(a+"=x:1", a+"=x:1 "+b+"=x:1")
	f.want("PATCH", "/v1/mappings/a", `{"enabled":false}`, 200, "")
	check("", b+"=x:1")
	f.want("PATCH", "/v1/mappings/a", `{"enabled":true,"mapping":"`+a+`=y:1"}`, 200, "")
	check(a+"=y:1", a+"=y:1 "+b+"=x:1")
	f.want("DELETE", "/v1/mappings/a", "", 204, "")
	check("gone", b+"=x:1")
	f.want("GET", "/v1/faults/two", "", 200, `"mappings":["b"]`)
	f.want("GET", "/v1/faults/one", "", 404, "")
}

func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		``, `null`, `{}`, `[]`, `[{}]`, `{"type":"latency","mean":5}`, `{"id":"x","mappings":["db"],"type":"blackhole","period":"start:1s"}`,
		`{"faults":[{"type":"jitter","amplitude":1e400}]}`, `{"mapping":"0=localhost:1","enabled":false}`, `[{"mapping":"0=https://a"}]`,
		`{"name":"x","upstream":"localhost:1","enabled":false}`, `[{"name":"x","listen":"127.0.0.1:0","upstream":"a:1","enabled":false}]`,
		`{"type":"latency","stream":"upstream","toxicity":0.5,"attributes":{"latency":1e3,"jitter":-1}}`, `{"type":"timeout","attributes":null}`,
		`{"type":"bandwidth","attributes":{"rate":9223372036854775807}}`, `{"toxicity":1e30,"attributes":[]}`, `{"latency":null}`,
		`{"type":"slicer","attributes":{"average_size":-1,"size_variation":5,"delay":1}}`, `{"type":"limit_data","attributes":{"bytes":-1}}`,
	} {
		for i := range len(bodyRoutes()) {
			f.Add(i, body)
		}
	}
	base := newFixture(f)
	base.state.bind = func(_ context.Context, list []proxyengine.Mapping) error {
		if len(list) > 0 {
			return errors.New("bind: nothing is bound for this")
		}
		return nil
	}
	f.Fuzz(func(t *testing.T, i int, body string) {
		if strings.Contains(strings.ToLower(body), "listen") && !strings.Contains(body, "127.0.0.1:0") {
			t.Skip("names are looked up in there")
		}
		x := *base
		x.t = t
		x.want("PUT", "/v1/mappings/db", `{"mapping":"127.0.0.1:1=localhost:1","enabled":false}`, 0, "")
		status, answer := x.call("POST", "/proxies/db/toxics", `{"name":"t","type":"latency","attributes":{"latency":1}}`)
		if status != 200 && status != 409 {
			t.Fatalf("a toxic: %d %s", status, answer)
		}
		r := bodyRoutes()[((i%len(bodyRoutes()))+len(bodyRoutes()))%len(bodyRoutes())]
		path := strings.NewReplacer("{id}", "db", "{proxy}", "db", "{toxic}", "t").Replace(r.path)
		status, answer = x.call(r.method, path, body)
		if status >= 500 && !strings.Contains(answer, "bind") {
			t.Fatalf("%s %s %q: %d %s", r.method, path, body, status, answer)
		}
		if answer != "" && !json.Valid([]byte(answer)) {
			t.Fatalf("%s %s %q: answer %s is not JSON", r.method, path, body, answer)
		}
		// Whatever was accepted can be read, and sent back.
		for _, path := range []string{"/v1/faults", "/v1/mappings"} {
			before := x.want("GET", path, "", 200, "")
			if after := x.want("PUT", path, before, 200, ""); after != before {
				t.Fatalf("%s %q: PUT %s of %s answers %s", r.path, body, path, before, after)
			}
		}
		x.want("GET", "/proxies", "", 200, "{")
		x.want("DELETE", "/v1/faults", "", 204, "")
		x.want("PUT", "/v1/mappings", "[]", 200, "")
	})
}

// bodyRoutes are the operations that read a body.
func bodyRoutes() []route {
	var out []route
	for _, r := range append(routes(), toxiproxyRoutes()...) {
		if r.method != "GET" && r.method != "DELETE" {
			out = append(out, r)
		}
	}
	return out
}
