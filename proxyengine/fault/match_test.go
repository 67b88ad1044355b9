package fault

import (
	"encoding/json"
	"fmt"
	"net/textproto"
	"reflect"
	"strings"
	"testing"
)

func request(method, path string, header ...string) *Request {
	h := textproto.MIMEHeader{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &Request{Method: method, Path: path, Header: func(name string) []string { return h.Values(name) }}
}

func TestMatchText(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		" * ":                                "",
		"* *":                                "",
		"post":                               "POST",
		"Post,GET,post /orders":              "POST,GET /orders",
		"PURGE":                              "PURGE",
		"/orders  first:2":                   "/orders first:2",
		"every:3 first:2 after:1 /a":         "/a after:1 first:2 every:3",
		"every:1 after:0":                    "",
		"header:x-a":                         "header:X-A",
		"header:x-a=*":                       "header:X-A",
		"header:x-a=b=c header:x-a=d":        "header:X-A=b=c header:X-A=d",
		`GET header:User-Agent="curl 8*"`:    `GET header:User-Agent="curl 8*"`,
		`header:a="plain" first:1`:           "header:A=plain first:1",
		`header:a="say \"hi\"" first:1`:      `header:A="say \"hi\"" first:1`,
		`{"method":"post","path":"/orders"}`: "POST /orders",
		`{"method":["post","GET"],"header":{"x-b":1,"x-a":null},"first":2,"after":null}`: "POST,GET header:X-A header:X-B=1 first:2",
		`{"method":"GET, HEAD","path":"*"}`:                                              "GET,HEAD",
	} {
		m, err := ParseMatch(text)
		if err != nil || m.String() != want || m.IsZero() != (want == "") {
			t.Errorf("%q is %q, zero %v, %v, want %q", text, m, m.IsZero(), err, want)
		}
		if again, err := ParseMatch(m.String()); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%q became %+v, %v", m, again, err)
		}
	}
}

func TestMatchRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"orders":                 "a path begins with /",
		"POST orders":            `"orders" is not understood`,
		"/a POST":                `"POST" is not understood`,
		"/a /b":                  "more than one path",
		"first:2 first:3":        "more than one first",
		"first:0":                "not a number of exchanges from 1",
		"first:-1":               "not a number",
		"after:1.5":              "not a number",
		`{"header":{"X":["a"]}}`: "the value is a text",
		"last:2":                 `unknown word "last:"`,
		"/a?b=1":                 "only the path is compared",
		"/a#b":                   "only the path is compared",
		"/a**":                   "** stands for whole segments",
		"/{a":                    "{ has no }",
		"/{a{b}}":                "{ has no }",
		"/a}":                    "} has no {",
		"/%zz":                   "broken escape",
		"G@T":                    "no request method",
		"header:":                "no name of a header field",
		"header:a b=c":           `"b=c" is not understood`,
		`header:a="b`:            "do not end",
		`header:a="b"c`:          "a space is missing",
		"header:a=\x01":          "control characters",
		`{"path":"a"}`:           "does not begin with /",
		`{"pth":"/a"}`:           `unknown key "pth": did you mean "path"?`,
		`{"path":"/a b"}`:        "write %20",
		`{"header":"a"}`:         "header is an object",
		`{"first":"x"}`:          "not a number",
		`{"method":"orders"}`:    "no request method",
		`{"path":"/a"} {}`:       "is not an object",
		`{"header":{"a b":"c"}}`: "no name of a header field",
		`{"first":{"n":1}}`:      "not a number",
		`{"path":`:               "is not an object",
		`{"method":"G,,T"}`:      "no request method",
		"GET,":                   "no request method",
		`header:a="\q"`:          "do not end",
	} {
		if m, err := ParseMatch(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %q, %v does not say %q", text, m, err, says)
		}
	}
}

func TestMatchPath(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no string
	}{
		{"/orders", "/orders", "/orders/ /orders/7 /Orders /order /"},
		{"/", "/ ", "/a //"},
		{"/orders/", "/orders/", "/orders"},
		{"/orders/*", "/orders/7 /orders/a%2Fb", "/orders /orders/ /orders/7/items"},
		{"/orders/{id}/items", "/orders/7/items", "/orders//items /orders/7/8/items /orders/items"},
		{"/orders/**", "/orders /orders/ /orders/7 /orders/7/items", "/order /orders7"},
		{"/**", "/ /a /a/b/", ""},
		{"/**/items", "/items /a/items /a/items/b/items", "/ /items/ /a/items/b"},
		{"/a/**/c/**/e", "/a/c/e /a/b/c/c/d/e", "/a/c /a/e /a/e/c"},
		{"/**/a/b", "/a/b /a/a/b /a/x/a/b", "/a/b/c /a/x/b"},
		{"/v*/file-*.txt", "/v1/file-.txt /v/file-a.txt", "/1/file-a.txt /v1/file-a.txt/ /v1/file.txt"},
		{"/*a*a", "/aa /baba", "/a /ab"},
		{"/{name}.json", "/a.json /.json", "/a.xml"},
		{"/a%20b/%2A", "/a%20b/* /a%20b/%2a", "/a%20b/c"},
		{"/é", "/%C3%A9 /é", "/e"},
		{"/100%25", "/100%25 /100%", "/100"},
	} {
		m, err := ParseMatch(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, paths := range []struct {
			list string
			want bool
		}{{c.yes, true}, {c.no, false}} {
			for path := range strings.FieldsSeq(paths.list) {
				if got := m.accepts(request("GET", path)); got != paths.want {
					t.Errorf("%s accepts %s: %v", c.pattern, path, got)
				}
			}
		}
	}
}

func TestMatchMethodsAndHeaders(t *testing.T) {
	for _, c := range []struct {
		match string
		r     *Request
		want  bool
	}{
		{"POST,PUT", request("PUT", "/"), true},
		{"POST,PUT", request("GET", "/"), false},
		{"POST", request("post", "/"), true},
		{"header:x-a", request("GET", "/", "X-A", ""), true},
		{"header:x-a", request("GET", "/"), false},
		{"header:x-a=b", request("GET", "/", "X-A", "c", "X-A", "b"), true},
		{"header:x-a=b", request("GET", "/", "X-A", "B"), false},
		{"header:x-a=b*d", request("GET", "/", "X-A", "bcd"), true},
		{"header:x-a=b*d", request("GET", "/", "X-A", "bd "), true},
		{"header:x-a=b*d", request("GET", "/", "X-A", "b"), false},
		{"header:x-a header:x-b=1", request("GET", "/", "X-A", "1"), false},
		{"header:x-a header:x-b=1", request("GET", "/", "X-A", "1", "X-B", "1"), true},
		{"POST /a", request("POST", "/b"), false},
		{"first:1", nil, false},
	} {
		m, err := ParseMatch(c.match)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.accepts(c.r); got != c.want {
			t.Errorf("%s accepts %+v: %v", c.match, c.r, got)
		}
	}
}

func TestMatchCounters(t *testing.T) {
	for text, want := range map[string]string{
		"/":                       "111111111111",
		"first:2":                 "110000000000",
		"after:2":                 "001111111111",
		"every:3":                 "001001001001",
		"after:2 first:3":         "001110000000",
		"every:3 first:2":         "001001000000",
		"after:1 every:4 first:2": "000010001000",
	} {
		m, err := ParseMatch(text)
		if err != nil {
			t.Fatal(err)
		}
		var taken strings.Builder
		for n := range 12 {
			fmt.Fprint(&taken, map[bool]int{true: 1}[m.selects(uint64(n)+1)])
		}
		if got := taken.String(); got != want {
			t.Errorf("%s selects %s, want %s", text, got, want)
		}
	}
}

func TestMatchOfAFile(t *testing.T) {
	s := made(t, KindLatency, map[string]any{"mean": 5, "match": map[string]any{
		"method": "POST", "path": "/orders", "first": 2.0, "header": map[string]any{"authorization": "Bearer secret"},
	}})
	raw, err := json.Marshal(List{s})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"type":"latency","side":"server","mean":5,"direction":"ingress",` +
		`"match":"POST /orders header:Authorization=\"Bearer secret\" first:2"}]`
	if string(raw) != want {
		t.Errorf("%s, want %s", raw, want)
	}
	if label := s.Describe(); !strings.HasSuffix(label, ", On: POST /orders header:Authorization first:2") {
		t.Errorf("label %q", label)
	}
	masked := Masked(s, func(name, value string) string { return name + "?" })
	if got := masked.Common().Match.Headers[0].Value; got != "Authorization?" || s.Common().Match.Headers[0].Value != "Bearer secret" {
		t.Errorf("masked %q, and the original is %+v", got, s.Common().Match)
	}
}

func FuzzMatch(f *testing.F) {
	for _, seed := range []string{
		"POST,PUT /orders/* header:X-Tenant=a* after:1 first:2 every:3", `GET header:User-Agent="curl 8*"`, "/**/a/{id}.json",
		`{"method":["post"],"path":"/a%20b","header":{"a":"b \" c"},"every":2}`, "header:a=b=\"c d\"", "/\xff", "header:a=\xff",
	} {
		f.Add(seed, "/orders/7")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		m, err := ParseMatch(text)
		if err != nil {
			return
		}
		again, err := ParseMatch(m.String())
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%q became %q became %+v, %v", text, m, again, err)
		}
		if m.IsZero() != (m.String() == "") {
			t.Fatalf("%q: zero %v, text %q", text, m.IsZero(), m)
		}
		m.accepts(request("GET", path, "A", "b"))
	})
}
