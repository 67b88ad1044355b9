package control

import (
	"net"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
)

// client is toxiproxy's own client, with the token in the address.
func (f *fixture) client() *toxiproxy.Client {
	return toxiproxy.NewClient("http://fault:" + secret + "@" + f.serve())
}

// says checks that an error is one that toxiproxy's server gives.
func says(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestToxiproxyProxies(t *testing.T) {
	f := newFixture(t)
	c := f.client()
	if version, err := c.Version(); err != nil || !strings.Contains(string(version), `"2.12.0"`) {
		t.Errorf("version %s, %v", version, err)
	}
	all, err := c.Proxies()
	if err != nil || len(all) != 0 {
		t.Fatalf("proxies %v, %v", all, err)
	}
	port := free(t)
	p, err := c.CreateProxy("redis", "localhost:"+port, f.echo)
	if err != nil {
		t.Fatal(err)
	}
	if p.Listen != "127.0.0.1:"+port || p.Upstream != f.echo || !p.Enabled {
		t.Errorf("created %+v", p)
	}
	conn := dial(t, p.Listen)
	round(t, conn)

	_, err = c.CreateProxy("", "", "")
	says(t, err, "Create: HTTP 400: missing required field: name")
	_, err = c.CreateProxy("x", "", "")
	says(t, err, "Create: HTTP 400: missing required field: upstream")
	_, err = c.CreateProxy("redis", "localhost:0", f.echo)
	says(t, err, "Create: HTTP 409: proxy already exists")
	_, err = c.CreateProxy("x", "localhost:"+port, f.echo)
	says(t, err, "Create: HTTP 500: listen tcp 127.0.0.1:"+port+": bind: address already in use")
	_, err = c.CreateProxy("x", f.echo, f.echo)
	says(t, err, "Create: HTTP 500: listen tcp "+f.echo+": bind: address already in use")
	if _, err = c.CreateProxy("x", "nonsense", f.echo); err == nil || !strings.Contains(err.Error(), "HTTP 400: bad request body: ") {
		t.Errorf("listen nonsense: %v", err)
	}
	_, err = c.Proxy("x")
	says(t, err, "HTTP 404: proxy not found")

	if err := p.Disable(); err != nil {
		t.Fatal(err)
	}
	ends(t, conn)
	refused(t, "127.0.0.1:"+port)
	if again, err := c.Proxy("redis"); err != nil || again.Enabled || again.Listen != "127.0.0.1:"+port {
		t.Errorf("disabled %+v, %v", again, err)
	}
	if err := p.Enable(); err != nil {
		t.Fatal(err)
	}
	conn = dial(t, p.Listen)
	round(t, conn)

	other := echo(t)
	p.Upstream = other
	if err := p.Save(); err != nil {
		t.Fatal(err)
	}
	ends(t, conn)
	round(t, dial(t, p.Listen))
	if p.Upstream != other {
		t.Errorf("upstream %s, want %s", p.Upstream, other)
	}
	if err := p.Delete(); err != nil {
		t.Fatal(err)
	}
	says(t, p.Delete(), "Delete: HTTP 404: proxy not found")
	refused(t, "127.0.0.1:"+port)
}

// A proxy that is disabled from the start keeps its address as it was written until it is enabled, then it has one for good.
func TestToxiproxyDisabledFromTheStart(t *testing.T) {
	f := newFixture(t)
	c := f.client()
	p := c.NewProxy()
	p.Name, p.Listen, p.Upstream = "later", "localhost:0", f.echo
	if err := p.Save(); err != nil {
		t.Fatal(err)
	}
	if p.Enabled || p.Listen != "localhost:0" {
		t.Errorf("saved %+v", p)
	}
	if err := p.Enable(); err != nil {
		t.Fatal(err)
	}
	at := p.Listen
	if _, port, _ := net.SplitHostPort(at); port == "0" {
		t.Errorf("listens on %s", at)
	}
	round(t, dial(t, at))
	if err := p.Disable(); err != nil {
		t.Fatal(err)
	}
	if err := p.Enable(); err != nil || p.Listen != at {
		t.Errorf("listens on %s after %s, %v", p.Listen, at, err)
	}
	// Two proxies on free ports, to one upstream.
	q, err := c.CreateProxy("another", "127.0.0.1:0", f.echo)
	if err != nil || q.Listen == at {
		t.Fatalf("%+v, %v", q, err)
	}
	round(t, dial(t, q.Listen))
}

func TestToxiproxyPopulate(t *testing.T) {
	f := newFixture(t)
	c := f.client()
	port := free(t)
	one := toxiproxy.Proxy{Name: "one", Listen: "localhost:" + port, Upstream: f.echo, Enabled: true}
	two := toxiproxy.Proxy{Name: "two", Listen: "localhost:0", Upstream: f.echo}
	list, err := c.Populate([]toxiproxy.Proxy{one, two})
	if err != nil || len(list) != 2 || list[0].Name != "one" || list[1].Name != "two" || !list[0].Enabled || list[1].Enabled {
		t.Fatalf("populated %v, %v", list, err)
	}
	conn := dial(t, list[0].Listen)
	round(t, conn)
	if _, err := list[0].AddToxic("", "latency", "", 1, nil); err != nil {
		t.Fatal(err)
	}
	// What is the same stays, with its toxics and its connections; what is not is replaced.
	two.Upstream, two.Enabled = "localhost:1", true
	list, err = c.Populate([]toxiproxy.Proxy{one, two})
	if err != nil || len(list[0].ActiveToxics) != 1 || list[1].Upstream != "localhost:1" {
		t.Errorf("populated %+v, %v", list, err)
	}
	round(t, conn)
	one.Upstream = echo(t)
	list, err = c.Populate([]toxiproxy.Proxy{one})
	if err != nil || len(list[0].ActiveToxics) != 0 || len(f.engine.Faults()) != 0 {
		t.Errorf("replaced by %+v, %v", list, err)
	}
	ends(t, conn)

	_, err = c.Populate([]toxiproxy.Proxy{{Name: "three", Upstream: f.echo}, {}})
	says(t, err, "Populate: HTTP 400: missing required field: name at proxy 2")
	_, err = c.Populate([]toxiproxy.Proxy{{Name: "three"}})
	says(t, err, "Populate: HTTP 400: missing required field: upstream at proxy 1")
	_, err = c.Populate([]toxiproxy.Proxy{
		{Name: "three", Listen: "localhost:0", Upstream: f.echo},
		{Name: "four", Listen: "nonsense", Upstream: f.echo},
		{Name: "five", Listen: "localhost:0", Upstream: f.echo},
	})
	if err == nil || !strings.HasPrefix(err.Error(), "Populate: HTTP 400: bad request body: ") {
		t.Errorf("populate with nonsense: %v", err)
	}
	all, err := c.Proxies()
	if err != nil || len(all) != 3 || all["three"] == nil {
		t.Errorf("proxies %v, %v", all, err)
	}
	// Enabled is the default, as in toxiproxy's own files.
	f.want("POST", "/populate", `[{"name":"six","listen":"127.0.0.1:0","upstream":"`+f.echo+`"}]`, 201, `"enabled":true`)
	f.want("POST", "/populate", `{}`, 400, `{"error":"bad request body: json: `)
}

func TestToxiproxyToxics(t *testing.T) {
	f := newFixture(t)
	c := f.client()
	p, err := c.CreateProxy("redis", "127.0.0.1:0", f.echo)
	if err != nil {
		t.Fatal(err)
	}
	added, err := p.AddToxic("", "latency", "", 1, toxiproxy.Attributes{"latency": 100, "jitter": 10})
	if err != nil || added.Name != "latency_downstream" || added.Stream != "downstream" || added.Toxicity != 1 ||
		added.Attributes["latency"] != 100.0 || added.Attributes["jitter"] != 10.0 {
		t.Fatalf("added %+v, %v", added, err)
	}
	if up, err := p.AddToxic("", "latency", "upstream", 0.2, nil); err != nil || up.Name != "latency_upstream" || up.Toxicity != 0.2 ||
		up.Attributes["latency"] != 0.0 {
		t.Errorf("added %+v, %v", up, err)
	}
	if noop, err := p.AddToxic("nothing", "noop", "", 1, nil); err != nil || noop.Type != "noop" {
		t.Errorf("added %+v, %v", noop, err)
	}
	_, err = p.AddToxic("nothing", "latency", "upstream", 1, nil)
	says(t, err, "AddToxic: HTTP 409: toxic already exists")
	_, err = p.AddToxic("", "latency", "sideways", 1, nil)
	says(t, err, "AddToxic: HTTP 400: stream was invalid, can be either upstream or downstream")
	_, err = p.AddToxic("", "gremlins", "", 1, nil)
	says(t, err, "AddToxic: HTTP 400: invalid toxic type")
	if _, err = p.AddToxic("x", "latency", "", 1, toxiproxy.Attributes{"latency": "long"}); err == nil || !strings.Contains(err.Error(), "HTTP 400: bad request body: ") {
		t.Errorf("a wrong attribute: %v", err)
	}
	if _, err = p.AddToxic("x", "latency", "", 1, toxiproxy.Attributes{"latency": -5}); err == nil || !strings.Contains(err.Error(), "HTTP 400: bad request body: ") {
		t.Errorf("a negative latency: %v", err)
	}
	list, err := p.Toxics()
	if err != nil || len(list) != 3 || list[0].Name != "latency_upstream" || list[1].Name != "latency_downstream" || list[2].Name != "nothing" {
		t.Errorf("toxics %+v, %v", list, err)
	}

	updated, err := p.UpdateToxic("latency_downstream", 0.5, toxiproxy.Attributes{"latency": 1000})
	if err != nil || updated.Toxicity != 0.5 || updated.Attributes["latency"] != 1000.0 || updated.Attributes["jitter"] != 10.0 {
		t.Errorf("updated %+v, %v", updated, err)
	}
	updated, err = p.UpdateToxic("latency_downstream", -1, toxiproxy.Attributes{"jitter": 0})
	if err != nil || updated.Toxicity != 0.5 || updated.Attributes["latency"] != 1000.0 || updated.Attributes["jitter"] != 0.0 {
		t.Errorf("updated %+v, %v", updated, err)
	}
	_, err = p.UpdateToxic("none", 1, nil)
	says(t, err, "HTTP 404: toxic not found")
	f.want("GET", "/proxies/redis/toxics/latency_downstream", "", 200,
		`{"attributes":{"latency":1000,"jitter":0},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":0.5}`)
	f.want("GET", "/v1/faults", "", 200, `{"id":"redis.latency_downstream","mappings":["redis"],"type":"latency","side":"client",`+
		`"mean":1000,"scope":"chunk","direction":"egress","probability":0.5}`)
	f.want("PATCH", "/v1/faults/redis.latency_downstream", `{"mean":1}`, 409, "/proxies/redis/toxics/latency_downstream")
	f.want("DELETE", "/v1/faults/redis.latency_downstream", ``, 409, "belongs to toxic")

	if err := p.RemoveToxic("latency_downstream"); err != nil {
		t.Fatal(err)
	}
	says(t, p.RemoveToxic("latency_downstream"), "HTTP 404: toxic not found")

	// Reset takes all toxics away, switches everything on, and leaves faults that are no toxics.
	f.want("POST", "/v1/faults", `{"type":"blackhole"}`, 201, "")
	if err := p.Disable(); err != nil {
		t.Fatal(err)
	}
	if toxics, err := p.Toxics(); err != nil || len(toxics) != 2 {
		t.Errorf("a proxy that is disabled has toxics %v, %v", toxics, err)
	}
	if err := c.ResetState(); err != nil {
		t.Fatal(err)
	}
	if now, err := c.Proxy("redis"); err != nil || !now.Enabled || len(now.ActiveToxics) != 0 {
		t.Errorf("after the reset %+v, %v", now, err)
	}
	f.want("GET", "/v1/faults", "", 200, `{"faults":[{"id":"blackhole",`)
}

// Toxics whose faults are taken away by way of the list of faults are gone.
func TestToxicsAndTheListOfFaults(t *testing.T) {
	f := newFixture(t)
	f.want("POST", "/proxies", `{"name":"p","listen":"127.0.0.1:0","upstream":"`+f.echo+`"}`, 201, `"toxics":[]`)
	for _, name := range []string{"a", "b", "c"} {
		f.want("POST", "/proxies/p/toxics", `{"name":"`+name+`","type":"latency"}`, 200, `"toxicity":1`)
	}
	list := f.want("GET", "/v1/faults", "", 200, "p.c")
	f.want("PUT", "/v1/faults", list, 200, "p.a")
	f.want("GET", "/proxies/p/toxics/a", "", 200, "")
	f.want("PUT", "/v1/faults", strings.Replace(list, `"mean":0`, `"mean":7`, 1), 200, "p.a")
	f.want("GET", "/proxies/p/toxics/a", "", 404, "toxic not found")
	f.want("GET", "/proxies/p/toxics/b", "", 200, "")
	f.want("POST", "/proxies/p/toxics", `{"name":"a","type":"latency"}`, 200, "")
	f.want("GET", "/v1/faults/p.a-2", "", 200, "")
	// A toxic of two faults stays one.
	f.want("POST", "/proxies/p/toxics", `{"name":"t","type":"timeout","toxicity":0.5,"attributes":{"timeout":100}}`, 200, "")
	together := func() string {
		states := f.engine.Faults()
		return states[len(states)-1].With
	}
	f.want("PUT", "/v1/faults", f.want("GET", "/v1/faults", "", 200, "p.t-2"), 200, "p.t-2")
	f.want("GET", "/proxies/p/toxics/t", "", 200, "")
	if together() != "p.t" {
		t.Errorf("the second fault of the toxic belongs to %q", together())
	}
	f.want("PATCH", "/proxies/p/toxics/t", `{"toxicity":0.25}`, 200, `"toxicity":0.25`)
	if together() != "p.t" {
		t.Errorf("after a change the second fault of the toxic belongs to %q", together())
	}
	f.want("DELETE", "/v1/faults", "", 204, "")
	f.want("GET", "/proxies/p/toxics", "", 200, "[]")
}
