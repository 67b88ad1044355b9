package fault

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{
			"{type: latency, mean: 80, stddev: 5, direction: ingress, side: server}",
			`{"type":"latency","side":"server","mean":80,"stddev":5,"direction":"ingress"}`,
		},
		{
			"{type: latency, global: false, mean: 90}",
			`{"type":"latency","side":"server","mean":90,"scope":"chunk","direction":"ingress"}`,
		},
		{"{type: latency, global: true, mean: 90}", `{"type":"latency","side":"server","mean":90,"direction":"ingress"}`},
		{
			"{type: Latency, per_read_write_op: true, mean: '90'}",
			`{"type":"latency","side":"server","mean":90,"scope":"chunk","direction":"ingress"}`,
		},
		{
			"{type: latency, mean: 150.0, period: 'start:10%,duration:15%'}",
			`{"type":"latency","side":"server","mean":150,"direction":"ingress","period":"start:10%,duration:15%"}`,
		},
		{
			"{type: latency, mean: 1, sched: 'start:1s;duration:2'}",
			`{"type":"latency","side":"server","mean":1,"direction":"ingress","period":"start:1s,duration:2s"}`,
		},
		{
			"{Latency: {distribution: Pareto_Normal, global_: null, mean: 50, stddev: 15, min: null, max: null, shape: 1.5, scale: 20}}",
			`{"type":"latency","side":"server","distribution":"paretonormal","mean":50,"stddev":15,"shape":1.5,"scale":20,"direction":"ingress"}`,
		},
		{
			"{Latency: null, Jitter: null, Blackhole: {direction: EGRESS, side: Client}}",
			`{"type":"blackhole","side":"client","direction":"egress"}`,
		},
		{
			"{type: latency, distribution: pareto-normal, mean: 1, shape: 2, scale: 3, probability: 0.5}",
			`{"type":"latency","side":"server","distribution":"paretonormal","mean":1,"shape":2,"scale":3,"direction":"ingress","probability":0.5}`,
		},
		{"{type: jitter}", `{"type":"jitter","side":"server","amplitude":20,"frequency":5,"direction":"ingress"}`},
		{
			"{type: http_error, status: '503', body: '{}', headers: {retry-after: 3, X-A: b}, match: {path: /a, first: 1}}",
			`{"type":"httperror","side":"server","status_code":503,"body":"{}","headers":{"Retry-After":"3","X-A":"b"},` +
				`"direction":"ingress","match":"/a first:1"}`,
		},
		{
			"{type: HttpBody, patch: {$.a.b: null, 'c[0]': {x: 1.5}}}",
			`{"type":"httpbody","side":"server","patch":{"$.a.b":null,"c[0]":{"x":1.5}},"direction":"ingress"}`,
		},
		{"{type: httpbody, truncate: 0}", `{"type":"httpbody","side":"server","truncate":0,"direction":"ingress"}`},
		{"{HttpError: {body: null, status_code: 404, probability: 1}}", `{"type":"httperror","side":"server","status_code":404,"direction":"ingress"}`},
		{
			"{type: packet-loss, rate: 0.05, burst: 4}",
			`{"type":"packetloss","side":"server","rate":0.05,"burst":4,"direction":"ingress"}`,
		},
		{"{PacketLoss: {direction: egress, side: null}}", `{"type":"packetloss","side":"server","direction":"egress"}`},
		{"{type: reset}", `{"type":"reset","side":"server","direction":"ingress"}`},
		{"{type: Reset, after_bytes: 0, delay: 5}", `{"type":"reset","side":"server","after_bytes":0,"delay":5,"direction":"ingress"}`},
		{"{type: limitData, bytes: 0}", `{"type":"limit_data","side":"server","bytes":0,"direction":"ingress"}`},
		{"{type: slow-close}", `{"type":"slow_close","side":"server","delay":1000,"direction":"ingress"}`},
		{"{type: slicer}", `{"type":"slicer","side":"server","size":64,"delay":10,"direction":"ingress"}`},
		{"{type: connect, refuse: 'true'}", `{"type":"connect","side":"server","refuse":true,"direction":"ingress"}`},
		{"{type: black_hole, heal: Retransmit}", `{"type":"blackhole","side":"server","heal":"retransmit","direction":"ingress"}`},
	} {
		var list List
		if err := yaml.Unmarshal([]byte("["+c.yaml+"]"), &list); err != nil {
			t.Errorf("%s: %v", c.yaml, err)
			continue
		}
		got, err := json.Marshal(list)
		if err != nil || string(got) != "["+c.want+"]" {
			t.Errorf("%s:\n got %s, %v\nwant [%s]", c.yaml, got, err, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ yaml, says string }{
		{"{type: latncy}", `did you mean "latency"`},
		{"{type: zzzzzzzzzz}", "use one of"},
		{"{type: 3}", `unknown fault "3"`},
		{"{}", "needs a type"},
		{"{Latency: 3}", "needs a type"},
		{"{Latency: {mean: 1}, Jitter: {}}", `"Jitter" and "Latency" stand side by side`},
		{"{type: latency}", "mean is missing: distribution normal needs mean (--latency-mean)"},
		{"{type: latency, mean: null}", "mean is missing"},
		{"{type: latency, stddev: 5}", "mean is missing"},
		{"{type: latency, maen: 5}", `unknown key "maen": did you mean "mean"?`},
		{"{type: latency, mean: -1}", `mean "-1" is out of range: use 0 to 86400000 ms`},
		{"{type: latency, mean: fast}", `mean "fast" is not a number`},
		{"{type: latency, mean: .nan}", "is not a number"},
		{"{type: latency, mean: true}", "is not a number"},
		{"{type: latency, mean: [1]}", "is not a number"},
		{"{type: latency, mean: 5, min: 3}", "min \"3\" is no parameter of distribution normal, which takes mean, stddev"},
		{"{type: latency, distribution: uniform, min: 3}", "max is missing: distribution uniform needs min and max (--latency-max)"},
		{"{type: latency, distribution: uniform, min: 3, max: 2}", `min "3" is more than max 2`},
		{"{type: latency, distribution: uniform, min: 3, max: 4, stddev: 1}", "stddev"},
		{"{type: latency, distribution: pareto, shape: 0, scale: 3}", `shape "0" must be more than 0`},
		{"{type: latency, distribution: pareto, shape: 2, scale: 3, mean: 4}", "mean"},
		{"{type: latency, distribution: paretonormal, shape: 2, scale: 3}", "mean is missing: distribution paretonormal needs mean and shape and scale"},
		{"{type: latency, distribution: weibull, mean: 1}", "use one of normal, uniform, pareto, paretonormal"},
		{"{type: latency, mean: 1, global: false, scope: turn}", `global "false" contradicts scope "turn"`},
		{"{type: latency, mean: 1, per_read_write: 1.5}", "true or false"},
		{"{type: latency, mean: 1, side: middle}", "use one of client, server"},
		{"{type: latency, mean: 1, direction: up}", "use one of ingress, egress, both"},
		{"{type: latency, mean: 1, probability: 1.1}", "use 0 to 1"},
		{"{type: latency, mean: 1, period: 'begin:3s'}", `period cannot be read: schedule "begin:3s": unknown word`},
		{"{type: latency, mean: 1, period: 'start:1s', sched: 'start:2s'}", "is given twice"},
		{"{type: jitter, frequency: -5}", "use 0 to 100000 Hz"},
		{"{type: httperror, status_code: 100}", "use 200 to 599"},
		{"{type: httperror, status_code: 503.5}", "is not a whole number"},
		{"{type: httperror, headers: {a b: c}}", `"a b" is no name of a header field`},
		{"{type: httperror, headers: {a: [1]}}", "the value of a is not text"},
		{"{type: httperror, headers: {a: b, A: c}}", "A is given twice"},
		{"{type: httperror, headers: {Content-length: 3}}", "Content-Length is not for a fault to set"},
		{"{type: httperror, headers: 'a'}", `"a" is not 'NAME: VALUE'`},
		{"{type: httperror, headers: '{'}", "or a JSON object"},
		{"{type: httperror, headers: [a]}", "is not an object"},
		{"{type: httpbody}", "httpbody: replace is missing, and so are patch and truncate: give one of them"},
		{"{type: httpbody, replace: a, truncate: 0}", `truncate "0" stands beside replace: give one of them`},
		{"{type: httpbody, truncate: -1}", "is out of range"},
		{"{type: httpbody, patch: a}", `"a" is not PATH=VALUE`},
		{"{type: httpbody, patch: {a..b: 1}}", `path "a..b": a dot has no name behind it`},
		{"{type: httpbody, patch: {'': 1}}", "a path is empty"},
		{"{type: httpbody, patch: {'$a': 1}}", `"a" stands where . or [ is expected`},
		{"{type: httpbody, patch: {'a[-1]': 1}}", "[-1] is no index"},
		{"{type: httpbody, patch: {'a[0': 1}}", "a [ has no ]"},
		{"{type: httpbody, patch: \"a['b=1\"}", "a name in brackets does not end"},
		{"{type: httpbody, patch: \"a'b=1\"}", "has to stand in brackets"},
		{"{type: jitter, match: {path: orders}}", `match cannot be read: path "orders" does not begin with /`},
		{"{type: jitter, match: [1]}", "is not a string"},
		{"{type: blackhole, heal: maybe}", "use one of gap, retransmit"},
		{"{type: packetloss, rate: 1.5}", `rate "1.5" is out of range: use 0 to 1`},
		{"{type: packetloss, burst: 3}", "rate is missing: burst needs it (--packet-loss-rate)"},
		{"{type: packetloss, rate: 0.1, burst: 0.5}", "use 1 to"},
		{"{type: packetloss, rate: 1, burst: 5}", `burst "5" has no meaning when everything is lost`},
		{"{type: packetloss, rate: 0.9, burst: 5}", "burst \"5\" is too short: at rate 0.9 more than 9 packets in a row are lost"},
		{"{type: packetloss, mode: late}", "use one of stall, drop"},
		{"{type: slicer, size: 10, variation: 10}", `variation "10" is too much for size 10`},
		{"{type: slicer, size: 0}", "use 1 to"},
		{"{type: limit_data}", "bytes is missing (--limit-data-bytes)"},
		{"{type: limit-data, bytes: 1.5}", "is not a whole number"},
		{"{type: connect}", "delay is missing: give it, or refuse (--connect-refuse)"},
		{"{type: connect, refuse: true, side: client}", "use one of server"},
		{"{type: reset, after_bytes: -1}", "use 0 to"},
		{"{type: slow_close, delay: -1}", "use 0 to"},
	} {
		var list List
		err := yaml.Unmarshal([]byte("["+c.yaml+"]"), &list)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %q does not say %q", c.yaml, err, c.says)
		}
	}
}

func TestErrorsCarryTheirFacts(t *testing.T) {
	_, err := Decode("latency", map[string]any{"maen": 5})
	var key *KeyError
	if !errors.As(err, &key) || key.Fault != KindLatency || key.Key != "maen" || key.Nearest != "mean" {
		t.Errorf("%#v", err)
	}
	_, err = Decode("latency", map[string]any{"mean": "x"})
	var value *ValueError
	if !errors.As(err, &value) || value.Field.Flag != "latency-mean" || value.Value != "x" {
		t.Errorf("%#v", err)
	}
}

func TestValidateOfAStruct(t *testing.T) {
	mean, nan := 5.0, math.NaN()
	base := Base{Side: Server, Direction: Both, Probability: 1}
	for name, c := range map[string]struct {
		spec Spec
		ok   bool
	}{
		"complete":        {&Latency{Base: base, Distribution: Normal, Scope: ScopeTurn, Mean: &mean}, true},
		"no side":         {&Latency{Base: Base{Direction: Both}, Distribution: Normal, Scope: ScopeTurn, Mean: &mean}, false},
		"no distribution": {&Latency{Base: base, Scope: ScopeTurn, Mean: &mean}, false},
		"other spelling":  {&Latency{Base: base, Distribution: "Normal", Scope: ScopeTurn, Mean: &mean}, false},
		"not a number":    {&Latency{Base: base, Distribution: Normal, Scope: ScopeTurn, Mean: &nan}, false},
		"jitter":          {&Jitter{Base: base, Amplitude: 3, Frequency: 2}, true},
		"out of range":    {&Jitter{Base: base, Amplitude: -3, Frequency: 2}, false},
	} {
		if err := c.spec.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFieldSetAndGet(t *testing.T) {
	d, _ := Lookup("latency")
	s := d.New()
	mean, _ := d.Field("mean")
	if _, set := mean.Get(s); set {
		t.Error("mean is set in a new fault")
	}
	if err := mean.Set(s, "12.5"); err != nil {
		t.Fatal(err)
	}
	if text, set := mean.Get(s); text != "12.5" || !set {
		t.Errorf("mean is %q, %v", text, set)
	}
	if err := mean.Set(s, ""); err != nil {
		t.Fatal(err)
	}
	if _, set := mean.Get(s); set {
		t.Error("an empty text does not unset mean")
	}
	scope, _ := d.Field("scope")
	perOp, _ := d.Field("per_read_write")
	if err := perOp.Set(s, "true"); err != nil {
		t.Fatal(err)
	}
	if text, _ := scope.Get(s); text != "chunk" {
		t.Errorf("per_read_write gives scope %q", text)
	}
	if err := scope.Set(s, ""); err != nil {
		t.Fatal(err)
	}
	if text, _ := scope.Get(s); text != "connection" {
		t.Errorf("an empty text gives scope %q, not the default", text)
	}
	if err := perOp.Set(s, "perhaps"); err == nil {
		t.Error("per_read_write accepts perhaps")
	}
	if key, to, when, ok := perOp.Synonym(); key != "scope" || to != "chunk" || !when || !ok {
		t.Error("per_read_write is not a synonym of scope chunk")
	}
}

// random draws a valid fault by its definition.
func random(rt *rapid.T) Spec {
	d := rapid.SampledFrom(Definitions()).Draw(rt, "kind")
	s := d.New()
	var skip []string
	if d.Kind == KindLatency {
		distribution := rapid.SampledFrom([]Distribution{Normal, Uniform, Pareto, ParetoNormal}).Draw(rt, "distribution")
		s.(*Latency).Distribution = distribution
		for _, name := range []string{"mean", "stddev", "shape", "scale", "min", "max"} {
			if !strings.Contains(parameters[distribution], name) {
				skip = append(skip, name)
			}
		}
	}
	if d.Kind == KindHTTPBody {
		what := rapid.SampledFrom([]string{"replace", "patch", "truncate"}).Draw(rt, "what")
		skip = slices.DeleteFunc([]string{"replace", "patch", "truncate"}, func(name string) bool { return name == what })
	}
	only := map[string]string{} // where the values of settings depend on each other
	switch d.Kind {
	case KindConnect:
		only["side"] = "server"
	case KindPacketLoss:
		only = rapid.SampledFrom([]map[string]string{
			{"rate": "0.25", "burst": "3.5"}, {"rate": "1", "burst": ""}, {"rate": "", "burst": ""}, {"rate": "0.9", "burst": "9"},
		}).Draw(rt, "losses")
	case KindSlicer:
		only["variation"] = "0"
	default:
	}
	for _, f := range d.Fields {
		if f.of != "" || f.Name == "distribution" || slices.Contains(skip, f.Name) {
			continue
		}
		text, fixed := only[f.Name]
		switch {
		case fixed:
		case f.Name == "period":
			text = rapid.SampledFrom([]string{"", "start:5s,duration:10%", "duration:3m;start:1h"}).Draw(rt, f.Name)
		case f.Name == "match":
			text = rapid.SampledFrom([]string{"", "POST /a/** header:X-A=\"b c\" after:1 first:2", "every:3"}).Draw(rt, f.Name)
		case f.Name == "replace":
			text = rapid.StringMatching(`[ -~]{1,9}`).Draw(rt, f.Name)
		case f.Name == "patch":
			text = rapid.SampledFrom([]string{
				`{"$.a":null,"['b.c'][0]":{"x":[1,-2.5,1.5e21,9007199254740993,true,"<y>"]},"c":-0}`, `a[*].b=text`,
			}).Draw(rt, f.Name)
		case f.Type == "object":
			text = rapid.SampledFrom([]string{"", `{"X-A":"b","X-B":"true"}`}).Draw(rt, f.Name)
		case f.Type == "integer":
			text = plain(float64(rapid.IntRange(int(*f.Min), int(*f.Max)).Draw(rt, f.Name)))
		case f.Enum != nil:
			text = rapid.SampledFrom(f.Enum).Draw(rt, f.Name)
		case f.Name == "min":
			text = "3"
		case f.Type == "number":
			low, high := max(*f.Min, 0.5), *f.Max
			if f.Name == "max" {
				low = 3
			}
			text = plain(rapid.Float64Range(low, high).Draw(rt, f.Name))
		}
		if err := f.Set(s, text); err != nil {
			rt.Fatal(err)
		}
	}
	if err := s.Validate(); err != nil {
		rt.Fatal(err)
	}
	return s
}

func TestEncodeAndDecode(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := List{random(rt), random(rt)}
		again, err := DecodeObject(Encode(list[0]))
		if err != nil || !reflect.DeepEqual(again, list[0]) {
			rt.Fatalf("%+v became %v became %+v, %v", list[0], Encode(list[0]), again, err)
		}
		asJSON, err := json.Marshal(list)
		if err != nil {
			rt.Fatal(err)
		}
		var fromJSON List
		if err := json.Unmarshal(asJSON, &fromJSON); err != nil || !reflect.DeepEqual(fromJSON, list) {
			rt.Fatalf("%s: %v", asJSON, err)
		}
		asYAML, err := yaml.Marshal(list)
		if err != nil {
			rt.Fatal(err)
		}
		var fromYAML List
		if err := yaml.Unmarshal(asYAML, &fromYAML); err != nil || !reflect.DeepEqual(fromYAML, list) {
			rt.Fatalf("%s: %v", asYAML, err)
		}
	})
}

func TestEmptyListIsAnArray(t *testing.T) {
	if raw, err := json.Marshal(List(nil)); err != nil || string(raw) != "[]" {
		t.Errorf("%s, %v", raw, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"latency","mean":80,"stddev":5,"direction":"ingress","side":"server"}`,
		`{"Latency":{"distribution":"pareto","shape":1.5,"scale":20,"global_":null}}`,
		`{"type":"jitter","amplitude":"80","frequency":8.0,"period":"start:10%;duration:5s"}`,
		`{"type":"httperror","headers":{"a":"b","c":1e400},"match":{"path":"/a","header":{"x":"y z"}}}`,
		`{"type":"httpbody","patch":{"$.a['b'][0].*":[1,{"x":-0,"y":1e30}]}}`, `{"type":"httpbody","patch":"a=b"}`,
		`{"type":"dns","rate":"0.1"}`, `{"type":"httperror","headers":"a: b","body":"x","match":"POST /a first:1"}`,
		`{"type":"blackhole","heal":"RETRANSMIT","probability":1e-3}`, `{"type":null}`, `{"type":"latency","mean":1e308}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) != nil {
			return
		}
		s, err := DecodeObject(object)
		if err != nil {
			return
		}
		again, err := DecodeObject(Encode(s))
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%s became %v became %+v, %v", text, Encode(s), again, err)
		}
		if s.Describe() == "" {
			t.Fatal("no label")
		}
	})
}
