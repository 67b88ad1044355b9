package httpproxy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func TestHTTPBodyOnTheWire(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	sized := func(extra, body string) string {
		return fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", head, extra, len(body), body)
	}
	chunked := func(extra string, chunks ...string) string {
		var b strings.Builder
		b.WriteString(head + extra + "Transfer-Encoding: chunked\r\n\r\n")
		for _, c := range chunks {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
		}
		return b.String() + "0\r\n\r\n"
	}
	const doc = `{"items":[{"price":10},{"price":20}]}`
	patched := strings.NewReplacer("10", "null", "20", "null").Replace(doc)
	patch := map[string]any{"patch": map[string]any{"$.items[*].price": nil}}
	replace, truncate := map[string]any{"replace": "<oops>"}, map[string]any{"truncate": 5}
	for name, c := range map[string]struct {
		values    map[string]any
		method    string
		raw, want string
		detail    string // "" when nothing was applied
	}{
		"replace":             {replace, "GET", sized("Etag: \"1\"\r\nX-A: b\r\n", doc), sized("X-A: b\r\n", "<oops>"), "body replaced by 6 bytes"},
		"replace chunked":     {replace, "GET", chunked("", doc), sized("", "<oops>"), "body replaced by 6 bytes"},
		"replace gzip":        {replace, "GET", sized("Content-Encoding: gzip\r\n", gzipped(doc)), sized("", "<oops>"), "body replaced by 6 bytes"},
		"replace of HEAD":     {replace, "HEAD", head + "Content-Length: 99\r\n\r\n", head + "Content-Length: 6\r\n\r\n", "body replaced by 6 bytes"},
		"replace not 404":     {replace, "GET", "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\na", ""},
		"replace not 204":     {replace, "GET", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", ""},
		"replace 201":         {replace, "POST", "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 201 Created\r\nContent-Length: 6\r\n\r\n<oops>", "body replaced by 6 bytes"},
		"truncate":            {truncate, "GET", sized("", doc), sized("", doc[:5]), "body cut after 5 bytes"},
		"truncate short":      {truncate, "GET", sized("Etag: \"1\"\r\n", "12345"), sized("Etag: \"1\"\r\n", "12345"), ""},
		"truncate chunked":    {truncate, "GET", chunked("", "12", "34567", "89"), chunked("", "12", "345"), "body cut after 5 bytes"},
		"truncate no more":    {truncate, "GET", chunked("", "12", "345"), chunked("", "12", "345"), ""},
		"truncate gzip":       {truncate, "GET", sized("Content-Encoding: gzip\r\n", gzipped(doc)), chunked("", doc[:5]), "body cut after 5 bytes"},
		"truncate of HEAD":    {truncate, "HEAD", head + "Content-Length: 99\r\n\r\n", head + "Content-Length: 5\r\n\r\n", "body cut after 5 bytes"},
		"truncate all":        {map[string]any{"truncate": 0}, "GET", sized("", doc), sized("", ""), "body cut after 0 bytes"},
		"patch":               {patch, "GET", sized("Etag: \"1\"\r\n", doc), sized("", patched), "body patched in 2 places"},
		"patch chunked":       {patch, "GET", chunked("", doc[:7], doc[7:]), sized("", patched), "body patched in 2 places"},
		"patch gzip":          {patch, "GET", sized("Content-Encoding: gzip\r\n", gzipped(doc)), sized("", patched), "body patched in 2 places"},
		"patch of HEAD":       {patch, "HEAD", head + "Content-Length: 99\r\n\r\n", head + "\r\n", "length not told"},
		"patch not JSON":      {patch, "GET", sized("Etag: \"1\"\r\n", "<html>"), sized("Etag: \"1\"\r\n", "<html>"), ""},
		"patch elsewhere":     {patch, "GET", sized("", "[]"), sized("", "[]"), ""},
		"patch not of brotli": {patch, "GET", sized("Content-Encoding: br\r\n", doc), sized("Content-Encoding: br\r\n", doc), ""},
		"patch not of events": {
			patch, "GET", strings.Replace(sized("", doc), "application/json", "text/event-stream; x=y", 1),
			strings.Replace(sized("", doc), "application/json", "text/event-stream; x=y", 1), "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var accepts string
			addr := script(t, func(conn net.Conn, r *http.Request) {
				accepts = r.Header.Get("Accept-Encoding")
				io.WriteString(conn, c.raw)
			})
			c.values["type"] = "httpbody"
			// The second one has the bytes pass a stage, and does nothing.
			for _, list := range [][]map[string]any{{c.values}, {c.values, {"type": "jitter", "frequency": 0, "direction": "both"}}} {
				f := serve(t, nil)
				f.wrong(t, list...)
				got := f.conversation(t, c.method+" http://"+addr+"/ HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
				want := strings.Replace(c.want, "\r\n\r\n", "\r\nVia: 1.1 fault\r\nConnection: close\r\n\r\n", 1)
				if !sameMessage(rechunked(got), rechunked(want)) {
					t.Errorf("got %q, want %q", got, want)
				}
				if plain := c.values["replace"] == nil; plain != (accepts == "identity") {
					t.Errorf("the upstream was asked for %q", accepts)
				}
				done, a := f.completed(t, 1)[0], f.applied()
				if done.Err != nil || done.Status != 200 && !strings.Contains(c.raw, fmt.Sprint(" ", done.Status, " ")) {
					t.Errorf("%+v", done)
				}
				switch {
				case c.detail == "" && len(a) > 0, c.detail != "" && (len(a) != 1 || a[0].Detail != c.detail || a[0].Fault != "httpbody" || a[0].Status != done.Status):
					t.Errorf("events %+v, want %q", a, c.detail)
				}
				if n := f.notices(); (len(n) == 1) != (strings.HasPrefix(name, "patch") && c.detail == "") {
					t.Errorf("notices %q", n)
				}
			}
		})
	}
}

// rechunked makes one chunk of all that a message has.
func rechunked(s string) string {
	head, body, _ := strings.Cut(s, "\r\n\r\n")
	if !strings.Contains(head, "chunked") {
		return s
	}
	var all strings.Builder
	for {
		size, rest, ok := strings.Cut(body, "\r\n")
		var n int
		if _, err := fmt.Sscanf(size, "%x", &n); err != nil || !ok || n == 0 {
			return fmt.Sprintf("%s\r\n\r\n%x\r\n%s\r\n%s", head, all.Len(), all.String(), body)
		}
		all.WriteString(rest[:n])
		body = rest[n+2:]
	}
}

// A body that breaks off while it is read for a patch breaks off for the client, too.
func TestHTTPBodyOfABrokenResponse(t *testing.T) {
	addr := script(t, func(conn net.Conn, _ *http.Request) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"a\":")
		conn.Close()
	})
	f := serve(t, nil)
	f.wrong(t, map[string]any{"type": "httpbody", "patch": "$.a=1"})
	resp, err := f.client(t).Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != `{"a":` || err == nil || resp.ContentLength != 50 {
		t.Errorf("%q, %v, length %d", body, err, resp.ContentLength)
	}
	if a := f.applied(); len(a) != 0 {
		t.Errorf("events %+v", a)
	}
}

func TestHTTPBodyLongerThanIsPatched(t *testing.T) {
	doc := `{"a":"` + strings.Repeat("x", 9<<20) + `"}`
	srv := upstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, doc) })
	f := serve(t, mapped(srv))
	f.wrong(t, map[string]any{"type": "httpbody", "patch": "$.a=1"})
	resp, err := http.Get("http://" + f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != doc || err != nil {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if n := f.notices(); len(n) != 1 || !strings.HasSuffix(n[0], "is longer than 8388608 bytes") {
		t.Errorf("notices %q", n)
	}
}
