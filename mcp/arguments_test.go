package mcp

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func bound(v float64) *float64 { return &v }

var testParams = []param{
	{name: "url", required: true, schema: schema{Type: typeString, Description: "the endpoint"}},
	{name: "side", schema: schema{Type: typeString, Enum: []string{"client", "server"}, Default: "server"}},
	{name: "rps", asText: true, schema: schema{Type: typeInteger, Minimum: bound(1), Maximum: bound(100), Default: 3}},
	{name: "mean", asText: true, schema: schema{Type: typeNumber, Minimum: bound(0)}},
	{name: "each", asText: true, schema: schema{Type: typeBoolean}},
	{name: "proxies", schema: schema{Type: typeArray, Items: &schema{Type: typeString}}},
	{name: "slos", schema: schema{Type: typeArray, Items: &schema{
		Type: typeObject, Required: []string{"title"}, AdditionalProperties: new(bool),
		Properties: &properties{{"title", schema{Type: typeString}}, {"threshold", schema{Type: typeNumber, Maximum: bound(10)}}},
	}}},
}

func TestCheckArguments(t *testing.T) {
	for _, tc := range []struct{ args, want, err string }{
		{args: `{"url":"u"}`, want: `{"rps":3,"side":"server","url":"u"}`},
		{args: `{"url":"u","rps":"7","mean":" 1.5 ","each":"true"}`, want: `{"each":true,"mean":1.5,"rps":7,"side":"server","url":"u"}`},
		{args: `{"url":"u","rps":null,"side":"client"}`, want: `{"rps":3,"side":"client","url":"u"}`},
		{
			args: `{"url":"u","proxies":[],"slos":[{"title":"a","threshold":1}]}`,
			want: `{"proxies":[],"rps":3,"side":"server","slos":[{"threshold":1,"title":"a"}],"url":"u"}`,
		},
		{args: `{}`, err: `missing argument "url": the endpoint`},
		{args: `{"url":null}`, err: `missing argument "url": the endpoint`},
		{args: `{"url":5}`, err: `argument "url" must be a string, got 5`},
		{args: `{"url":"u","durl":1}`, err: `unknown argument "durl", did you mean "url"?; accepted: url, side, rps, mean, each, proxies, slos`},
		{args: `{"url":"u","zzzzzz":1}`, err: `unknown argument "zzzzzz"; accepted: url, side, rps, mean, each, proxies, slos`},
		{args: `{"url":"u","side":"sever"}`, err: `argument "side" must be one of client, server, got "sever", did you mean "server"?`},
		{args: `{"url":"u","side":"","rps":"","slos":""}`, want: `{"rps":3,"side":"server","url":"u"}`},
		{args: `{"url":""}`, want: `{"rps":3,"side":"server","url":""}`},
		{args: `{"url":"u","rps":1.5}`, err: `argument "rps" must be a whole number, got 1.5`},
		{args: `{"url":"u","rps":"many"}`, err: `argument "rps" must be a whole number, got "many"`},
		{args: `{"url":"u","rps":"NaN"}`, err: `argument "rps" must be a whole number, got "NaN"`},
		{args: `{"url":"u","rps":0}`, err: `argument "rps" must be between 1 and 100, got 0`},
		{args: `{"url":"u","mean":-1}`, err: `argument "mean" must be at least 0, got -1`},
		{args: `{"url":"u","each":1}`, err: `argument "each" must be true or false, got 1`},
		{args: `{"url":"u","proxies":"p"}`, err: `argument "proxies" must be a list, got "p"`},
		{args: `{"url":"u","proxies":["p",1]}`, err: `argument "proxies[1]" must be a string, got 1`},
		{args: `{"url":"u","slos":[{}]}`, err: `argument "slos[0]" lacks the key "title"`},
		{args: `{"url":"u","slos":[{"title":"a","threshold":11}]}`, err: `argument "slos[0].threshold" must be at most 10, got 11`},
		{
			args: `{"url":"u","slos":[{"titel":"a"}]}`,
			err:  `unknown key "titel" in argument "slos[0]", did you mean "title"?; accepted: title, threshold`,
		},
	} {
		t.Run(tc.args, func(t *testing.T) {
			var args map[string]any
			if err := json.Unmarshal([]byte(tc.args), &args); err != nil {
				t.Fatal(err)
			}
			got, err := checkArguments(testParams, args)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Errorf("error %v, want %s", err, tc.err)
				}
				return
			}
			data, _ := json.Marshal(got)
			if err != nil || string(data) != tc.want {
				t.Errorf("got %s, %v; want %s", data, err, tc.want)
			}
		})
	}
}

func TestDescribeIsShort(t *testing.T) {
	if got := describe(strings.Repeat("ü", 1000)); len([]rune(got)) != 61 {
		t.Errorf("%d runes", len([]rune(got)))
	}
}

func TestSchemaKeepsOrder(t *testing.T) {
	got := string(objectOf(testParams[:2]).json())
	want := `{"type":"object","properties":{"url":{"type":"string","description":"the endpoint"},` +
		`"side":{"type":"string","enum":["client","server"],"default":"server"}},"required":["url"],"additionalProperties":false}`
	if got != want {
		t.Errorf("schema\n%s, want\n%s", got, want)
	}
}

// Whatever a client sends, the check neither panics nor lets through what the schema forbids.
func FuzzCheckArguments(f *testing.F) {
	for _, seed := range []string{`{}`, `{"url":"u","rps":"3"}`, `{"url":null,"slos":[{"title":1}]}`, `{"proxies":{"a":[]}}`, `{"rps":1e400}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var args map[string]any
		if json.Unmarshal(data, &args) != nil {
			return
		}
		got, err := checkArguments(testParams, args)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		again, err := checkArguments(testParams, roundTrip(t, got))
		if err != nil || !reflect.DeepEqual(roundTrip(t, again), roundTrip(t, got)) {
			t.Errorf("%v is accepted, but as %v: %v", got, again, err)
		}
	})
}

func roundTrip(t *testing.T, v map[string]any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
