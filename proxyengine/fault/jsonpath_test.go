package fault

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

func TestPatchJSON(t *testing.T) {
	for _, c := range []struct {
		doc, path, value, want string
		places                 int
	}{
		{` {"a": 1, "b" : [1, 2]} `, "$.a", `"x"`, ` {"a": "x", "b" : [1, 2]} `, 1},
		{`{"a":{"b":{"c":true}}}`, "a.b.c", "null", `{"a":{"b":{"c":null}}}`, 1},
		{`{"a":[{"p":1},{"p":2.5e3},{"q":3}]}`, "$.a[*].p", "-1", `{"a":[{"p":-1},{"p":-1},{"q":3,"p":-1}]}`, 3},
		{`{"a":[{"p":1},{"p":2}]}`, "$.a[1].p", "0", `{"a":[{"p":1},{"p":0}]}`, 1},
		{`[1,[2,3],4]`, "$[1][0]", "{}", `[1,[{},3],4]`, 1},
		{`{"a":1,"b":{"x":2}}`, "$.*", "0", `{"a":0,"b":0}`, 2},
		{`{"a.b":1,"c]":2}`, `['a.b']`, "0", `{"a.b":0,"c]":2}`, 1},
		{`{"a.b":1,"c]":2}`, `$["c]"]`, "0", `{"a.b":1,"c]":0}`, 1},
		{`{"\u0061":"}\"]\\","b":1}`, "a", "0", `{"\u0061":0,"b":1}`, 1},
		{`{"x":"}\"]\\","b":1}`, "b", "0", `{"x":"}\"]\\","b":0}`, 1},
		{`{"a":1,"a":2}`, "a", "0", `{"a":0,"a":0}`, 2},
		{"{ }", "a", "0", `{"a":0 }`, 1},
		{"{}", "a", "0", `{"a":0}`, 1},
		{`{"b":{ "c" : 1 } }`, "b.new", `"<"`, `{"b":{ "c" : 1,"new":"<" } }`, 1},
		{`{"b":{}}`, "a.b", "0", `{"b":{}}`, 0},
		{`[]`, "[0]", "0", `[]`, 0},
		{`[[]]`, "[0].a", "0", `[[]]`, 0},
		{`{"a":1}`, "[0]", "0", `{"a":1}`, 0},
		{`{"a":1}`, "a.b", "0", `{"a":1}`, 0},
		{`"text"`, "$", "1", `1`, 1},
		{` 12 `, "$", "1", ` 1 `, 1},
		{`12`, "a", "1", `12`, 0},
		{`{"a":[ ],"b":[{} , true]}`, "b[1]", "1", `{"a":[ ],"b":[{} , 1]}`, 1},
	} {
		steps, err := parseJSONPath(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		got, places := patchJSON([]byte(c.doc), steps, []byte(c.value))
		if string(got) != c.want || places != c.places {
			t.Errorf("%s at %s: %s in %d places, want %s in %d", c.doc, c.path, got, places, c.want, c.places)
		}
	}
}

func FuzzPatchJSON(f *testing.F) {
	f.Add(`{"a":[{"b":1e3,"c":"\"}"},null],"d":{}}`, "$.a[*].b")
	f.Add(`[[],{"x":true}]`, "[1].*")
	f.Add(` "text" `, "$")
	f.Add(`{"a":1}`, "['a']['b']")
	f.Fuzz(func(t *testing.T, doc, path string) {
		steps, err := parseJSONPath(path)
		if err != nil || !json.Valid([]byte(doc)) {
			return
		}
		got, places := patchJSON([]byte(doc), steps, []byte(`["new"]`))
		if !json.Valid(got) {
			t.Fatalf("%q at %q became %q", doc, path, got)
		}
		if places == 0 && string(got) != doc || places > 0 && !bytes.Contains(got, []byte(`["new"]`)) {
			t.Fatalf("%q at %q became %q in %d places", doc, path, got, places)
		}
		if again, n := patchJSON(got, steps, []byte(`["new"]`)); len(steps) > 0 && !steps[len(steps)-1].all && n == places &&
			!reflect.DeepEqual(again, got) {
			t.Fatalf("%q at %q became %q, then %q", doc, path, got, again)
		}
	})
}
