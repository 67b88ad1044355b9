package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fault-project/fault/proxyengine/fault"
)

var update = flag.Bool("update", false, "write the golden files")

// published is the document as it is served.
func published(t *testing.T) (*fixture, map[string]any) {
	t.Helper()
	f := newFixture(t)
	var doc map[string]any
	f.get("/v1/openapi.json", &doc)
	return f, doc
}

// Everything in the document but the faults, which their own package describes.
func TestDocumentIsTheGolden(t *testing.T) {
	_, doc := published(t)
	all := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for name := range all {
		if strings.HasPrefix(name, "Fault") && name != "Faults" {
			delete(all, name)
		}
	}
	got, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	golden := filepath.Join("testdata", "openapi.golden.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the document differs from %s; -update writes it:\n%s", golden, got)
	}
}

// Each schema is resolved, and answers of the server are what the document says.
func TestAnswersMatchTheDocument(t *testing.T) {
	f, doc := published(t)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("doc.json", doc); err != nil {
		t.Fatal(err)
	}
	check := func(schema, text string, valid bool) {
		t.Helper()
		s, err := compiler.Compile("doc.json#/components/schemas/" + schema)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(value); (err == nil) != valid {
			t.Errorf("%s by %s: %v", text, schema, err)
		}
	}
	f.want("POST", "/v1/mappings", `{"id":"db","mapping":"0=`+f.echo+`"}`, 201, "")
	for _, d := range fault.Definitions() {
		s := d.New()
		if d.Kind == fault.KindLatency {
			s = latency(t, `"mean":5,"stddev":1,"period":"start:1h"`)
		}
		if s.Validate() != nil {
			continue // has no defaults that stand alone
		}
		text, err := json.Marshal(entry{id: "x", spec: s})
		if err != nil {
			t.Fatal(err)
		}
		check("Fault", string(text), true)
		check("Fault"+strings.ReplaceAll(d.Title, " ", ""), string(text), true)
		f.want("POST", "/v1/faults", strings.Replace(string(text), `"id":"x",`, `"mappings":["db"],`, 1), 201, string(d.Kind))
	}
	for _, r := range routes() {
		if r.method != "GET" || r.out == "" {
			continue
		}
		path := strings.Replace(r.path, "{id}", map[string]string{"/v1/faults/{id}": "latency", "/v1/mappings/{id}": "db"}[r.path], 1)
		check(r.out, f.want("GET", path, "", 200, ""), true)
	}
	check("Error", f.want("GET", "/v1/faults/none", "", 404, ""), true)
	check("Fault", `{"type":"latency","maen":5}`, false)
	check("Fault", `{"type":"latency","side":"middle"}`, false)
	check("Fault", `{"type":"latency","probability":2}`, false)
	check("Mapping", `{"id":"x"}`, false)
	// What the document says of a match is what the server takes.
	for match, valid := range map[string]bool{
		`"POST /orders first:2"`:                       true,
		`{"method":"POST","path":"/orders","first":2}`: true,
		`{"method":["GET","PUT"],"header":{"X-Tenant":"acme*","X-Any":null},"after":0,"every":5}`: true,
		`{"first":0}`:                 false,
		`{"first":1.5}`:               false,
		`{"after":-1}`:                false,
		`{"pathh":"/"}`:               false,
		`{"header":"X-Tenant: acme"}`: false,
		`{"header":{"X":{}}}`:         false,
		`["GET"]`:                     false,
	} {
		text := `{"type":"blackhole","match":` + match + `}`
		check("FaultBlackhole", text, valid)
		status := 201
		if !valid {
			status = 400
		}
		f.want("POST", "/v1/faults", text, status, "")
	}
}
