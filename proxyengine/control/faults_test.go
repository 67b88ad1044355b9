package control

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/fault"
)

func TestFaults(t *testing.T) {
	const (
		one   = `"type":"latency","side":"server","mean":5,"direction":"ingress"`
		two   = `"type":"latency","side":"client","mean":9,"scope":"chunk","direction":"both"`
		first = `{"id":"latency",` + one + `}`
	)
	type step struct {
		method, path, body string
		status             int
		says               string
	}
	for name, steps := range map[string][]step{
		"add, show, remove": {
			{"GET", "/v1/faults", "", 200, `{"faults":[]}`},
			{"POST", "/v1/faults", `{"type":"latency","mean":5}`, 201, first},
			{"POST", "/v1/faults", `{"type":"Latency","mean":"5"}`, 201, `{"id":"latency-2",` + one + `}`},
			{"POST", "/v1/faults", `{"id":"a/b ä","type":"jitter"}`, 201, `{"id":"a/b ä","type":"jitter"`},
			{"GET", "/v1/faults/latency", "", 200, first},
			{"GET", "/v1/faults/a%2Fb%20%C3%A4", "", 200, `"jitter"`},
			{"DELETE", "/v1/faults/latency", "", 204, ""},
			{"DELETE", "/v1/faults/latency", "", 404, `there is no fault \"latency\"`},
			{"GET", "/v1/faults", "", 200, `{"faults":[{"id":"latency-2"`},
			{"DELETE", "/v1/faults", "", 204, ""},
			{"GET", "/v1/faults", "", 200, `{"faults":[]}`},
		},
		"replace": {
			{"PUT", "/v1/faults/x", `{"type":"latency","mean":5}`, 201, `{"id":"x",` + one + `}`},
			{"PUT", "/v1/faults/x", `{"id":"x","type":"latency","side":"client","direction":"both","mean":9,"scope":"chunk"}`, 200, `{"id":"x",` + two + `}`},
			{"PUT", "/v1/faults/x", `{"id":"y","type":"blackhole"}`, 400, `named \"y\" in the body and \"x\" in the address`},
			{"PUT", "/v1/faults/x", `{"type":"blackhole"}`, 200, `"blackhole"`},
			{"POST", "/v1/faults", `{"id":"x","type":"blackhole"}`, 409, "PUT or PATCH /v1/faults/x"},
			{"GET", "/v1/faults", "", 200, `{"faults":[{"id":"x","type":"blackhole","side":"server","direction":"ingress"}]}`},
		},
		"all at once": {
			{"PUT", "/v1/faults", `[{"type":"latency","mean":5},{"type":"latency","mean":5},{"id":"h","type":"blackhole"}]`, 200, `{"id":"latency-2",`},
			{"PUT", "/v1/faults", `{"faults":[{"id":"h","type":"blackhole"}]}`, 200, `{"faults":[{"id":"h",`},
			{"PUT", "/v1/faults", `[{"id":"h","type":"blackhole"},{"id":"h","type":"jitter"}]`, 400, "fault h is given twice"},
			{"PUT", "/v1/faults", `[{"type":"jitter"},{"type":"jiter"}]`, 400, `fault 2: unknown fault \"jiter\": did you mean \"jitter\"`},
			{"PUT", "/v1/faults", `{"fault":[]}`, 400, `nothing but the list under \"faults\"`},
			{"GET", "/v1/faults", "", 200, `{"faults":[{"id":"h",`},
		},
		"patch": {
			{"POST", "/v1/faults", `{"type":"latency","mean":5,"stddev":2,"period":"start:1h","scope":"turn"}`, 201, `"stddev":2`},
			{"PATCH", "/v1/faults/latency", `{"mean":7}`, 200, `"mean":7,"stddev":2,"scope":"turn","direction":"ingress","period":"start:1h"`},
			{"PATCH", "/v1/faults/latency", `{"stddev":null,"sched":"start:2h","per_read_write":true}`, 200, `"mean":7,"scope":"chunk","direction":"ingress","period":"start:2h"`},
			{"PATCH", "/v1/faults/latency", `{"distribution":"uniform","mean":null,"min":1,"max":2,"period":null,"scope":null}`, 200, `"distribution":"uniform","min":1,"max":2,"direction":"ingress"}`},
			{"PATCH", "/v1/faults/latency", `{"probability":0.5}`, 200, `"probability":0.5`},
			{"PATCH", "/v1/faults/latency", `{"probability":5}`, 400, "use 0 to 1"},
			{"PATCH", "/v1/faults/latency", `{"maen":5}`, 400, `did you mean \"mean\"`},
			{"PATCH", "/v1/faults/latency", `{"id":"x"}`, 400, "keeps its name"},
			{"PATCH", "/v1/faults/latency", `{"id":null}`, 400, "id cannot be taken away"},
			{"PATCH", "/v1/faults/latency", `{"type":null}`, 400, "type cannot be taken away"},
			{"PATCH", "/v1/faults/latency", `{"type":"blackhole"}`, 400, ""},
			{"PATCH", "/v1/faults/none", `{"mean":1}`, 404, "there is no fault"},
			{"GET", "/v1/faults/latency", "", 200, `"min":1,"max":2,"direction":"ingress","probability":0.5}`},
		},
		"refused": {
			{"POST", "/v1/faults", ``, 400, "the body is empty"},
			{"POST", "/v1/faults", `null`, 400, "a fault is an object"},
			{"POST", "/v1/faults", `[]`, 400, "not what is expected"},
			{"POST", "/v1/faults", `{"type":"latency","mean":5} {}`, 400, "more than one JSON value"},
			{"POST", "/v1/faults", `{}`, 400, "needs a type"},
			{"POST", "/v1/faults", `{"type":"latency"}`, 400, "mean is missing"},
			{"POST", "/v1/faults", `{"type":"latency","mean":-5}`, 400, "out of range"},
			{"POST", "/v1/faults", `{"type":"latency","mean":5,"period":"start:5%"}`, 400, "the run has no length"},
			{"POST", "/v1/faults", `{"id":"","type":"blackhole"}`, 400, "is not a name"},
			{"POST", "/v1/faults", `{"id":5,"type":"blackhole"}`, 400, "is not a name"},
			{"POST", "/v1/faults", `{"id":"a\nb","type":"blackhole"}`, 400, "is not a name"},
			{"POST", "/v1/faults", `{"mappings":["x"],"type":"blackhole"}`, 400, `there is no mapping \"x\"`},
			{"POST", "/v1/faults", `{"mappings":"x","type":"blackhole"}`, 400, "not a list"},
			{"POST", "/v1/faults", `{"mappings":[5],"type":"blackhole"}`, 400, "not the name"},
			{"GET", "/v1/faults", "", 200, `{"faults":[]}`},
			{"PATCH", "/v1/faults", "{}", 405, "PATCH is not possible here; use GET, POST, PUT, DELETE"},
			{"POST", "/v1/counters", "", 405, "use GET, DELETE"},
			{"GET", "/v2", "", 404, "there is no /v2"},
			{"GET", "/", "", 404, "there is no /"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			for _, s := range steps {
				f.want(s.method, s.path, s.body, s.status, s.says)
			}
		})
	}
}

// What a list answers can be sent back, and then nothing changes.
func TestAnswersCanBeSentBack(t *testing.T) {
	f := newFixture(t)
	f.want("POST", "/v1/mappings", `{"id":"db","mapping":"0=`+f.echo+`"}`, 201, `"id":"db"`)
	f.want("POST", "/v1/faults", `{"type":"latency","mean":5,"mappings":["db"]}`, 201, `"mappings":["db"]`)
	f.want("POST", "/v1/faults", `{"type":"blackhole","mappings":[]}`, 201, `"mappings":[]`)
	for _, path := range []string{"/v1/faults", "/v1/faults/latency", "/v1/mappings", "/v1/mappings/db"} {
		_, before := f.call(http.MethodGet, path, "")
		if after := f.want(http.MethodPut, path, before, 200, ""); after != before {
			t.Errorf("PUT %s of %s answers %s", path, before, after)
		}
	}
}

func TestFaultsOfTheProgram(t *testing.T) {
	f := newFixture(t, func(c *proxyengine.Config) {
		c.Program.Faults = []fault.Spec{latency(t, `"mean":5`), latency(t, `"mean":6,"period":"start:1h"`)}
	})
	f.want("GET", "/v1/faults", "", 200, `{"id":"latency-2"`)
	f.want("PATCH", "/v1/faults/latency-2", `{"mean":7}`, 200, `"mean":7`)
	var s status
	eventually(t, func() bool { f.get("/v1/status", &s); return s.Faults[0].Active }, "the program begins")
	if s.Seed != "7" || s.Version != "test" || s.Proxy != f.engine.ProxyAddr().String() || len(s.Faults) != 2 || s.Mappings != 0 {
		t.Errorf("status %+v", s)
	}
	if s.Faults[1].Active || !strings.HasPrefix(s.Faults[1].Label, "Latency: ") {
		t.Errorf("faults %+v", s.Faults)
	}
}

// A change reaches connections that are open; those of other mappings do not notice.
func TestChangesReachOpenConnections(t *testing.T) {
	f := newFixture(t)
	f.want("PUT", "/v1/mappings", `[{"id":"a","mapping":"0=`+f.echo+`"},{"id":"b","mapping":"0=tcp://`+f.echo+`"}]`, 200, `"id":"b"`)
	var list mappingList
	f.get("/v1/mappings", &list)
	a, b := dial(t, list.Mappings[0].Address), dial(t, list.Mappings[1].Address)
	round(t, a)
	round(t, b)
	f.want("POST", "/v1/faults", `{"type":"latency","mean":300,"scope":"chunk","mappings":["a"]}`, 201, "")
	time.Sleep(60 * time.Millisecond) // what is read later than 50 ms after a change is under it
	if took := round(t, a); took < 300*time.Millisecond {
		t.Errorf("a round by the mapping took %s", took)
	}
	round(t, b)
	var n numbers
	f.get("/v1/counters", &n)
	if got := n.Faults["latency"]; got == nil || got.Times != 1 || got.Delay != 300 {
		t.Errorf("the latency did %+v, want one delay of 300 ms", got)
	}
	f.want("PATCH", "/v1/faults/latency", `{"mappings":["b"]}`, 200, `"mappings":["b"]`)
	time.Sleep(60 * time.Millisecond)
	if took := round(t, b); took < 300*time.Millisecond {
		t.Errorf("a round by the other mapping took %s", took)
	}
	f.want("DELETE", "/v1/faults/latency", "", 204, "")
	round(t, a)
	round(t, b)
}
