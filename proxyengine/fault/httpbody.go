package fault

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// KindHTTPBody is the kind of [HTTPBody].
const KindHTTPBody Kind = "httpbody"

// HTTPBody spoils the body of successful responses of HTTP exchanges (2xx): wrong data with a 200. The status stays, and what the
// response says about the length is right. Exactly one of Replace, Patch and Truncate is given.
type HTTPBody struct {
	Base `with:"with-http-body" withenv:"FAULT_WITH_HTTP_BODY" flag:"http-body" env:"FAULT_HTTP_BODY" side.usage:"changes nothing: the response is spoiled as it arrives" direction.usage:"changes nothing: the response is spoiled as it arrives" probability.usage:"share of exchanges that are spoiled"` //nolint:lll // tags cannot be broken

	// Replace is the content instead of the upstream's.
	Replace string `key:"replace" usage:"content instead of the upstream's"`

	// Patch puts values into a JSON document, which is read to its end before the response goes on; see MaxPatch.
	Patch Patch `key:"patch" usage:"values to put into JSON content: 'PATH=VALUE' like '$.items[0].price=null', or a JSON object"`

	// Truncate is how many bytes are left of the content, not counting what compression saves.
	Truncate *int `key:"truncate" min:"0" max:"1099511627776" unit:"bytes" usage:"cut the content after so many"`
}

// MaxPatch is the size up to which a document is patched; a larger one passes as it is.
const MaxPatch = 8 << 20

// Kind returns KindHTTPBody.
func (*HTTPBody) Kind() Kind { return KindHTTPBody }

// Validate checks ranges, and that there is one thing to do.
func (h *HTTPBody) Validate() error {
	if err := validate(h); err != nil {
		return err
	}
	d, _ := Lookup(string(KindHTTPBody))
	var given []Field
	for _, name := range []string{"replace", "patch", "truncate"} {
		f, _ := d.Field(name)
		if _, set := f.Get(h); set {
			given = append(given, f)
		}
	}
	switch len(given) {
	case 0:
		f, _ := d.Field("replace")
		return f.bad("", "is missing, and so are patch and truncate: give one of them")
	case 1:
		return nil
	}
	text, _ := given[1].Get(h)
	return &ValueError{
		Fault: KindHTTPBody, Field: Field{Name: given[1].Name}, Value: text,
		Reason: "stands beside " + given[0].Name + ": give one of them",
	}
}

// Describe labels the fault: "HTTP Body: Truncate: 10 bytes".
func (h *HTTPBody) Describe() string {
	switch {
	case h.Truncate != nil:
		return fmt.Sprintf("HTTP Body: Truncate: %d bytes%s", *h.Truncate, h.chance())
	case len(h.Patch) > 0:
		return fmt.Sprintf("HTTP Body: Patch: %s%s", strings.Join(slices.Sorted(maps.Keys(h.Patch)), ", "), h.chance())
	}
	return fmt.Sprintf("HTTP Body: Replace: %d bytes%s", len(h.Replace), h.chance())
}

func (*HTTPBody) onlyExchanges() {}

// wantsPlain: what is to be changed must not arrive compressed.
func (h *HTTPBody) wantsPlain() bool { return h.Replace == "" }

// Response is the response of an upstream as a fault that spoils it sees it.
type Response struct {
	Status int
	// Head says that the request was a HEAD: there is no body, but the header tells about one.
	Head bool
	// Header has canonical names. Spoil keeps its Content-Length like Length.
	Header textproto.MIMEHeader
	// Length is the length of the body, or of what it would be; -1 when it is not known.
	Length int64
	// Body is never nil. Spoil closes the one that it takes out of use.
	Body io.ReadCloser
}

// validators tell what the body was before.
var validators = []string{"Etag", "Last-Modified", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"}

// altered notes that the body is another, of the given length.
func (r *Response) altered(length int64) {
	r.Length = length
	r.Header.Del("Content-Length")
	if length >= 0 {
		r.Header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	for _, name := range validators {
		r.Header.Del(name)
	}
}

// decode undoes gzip, the encoding that servers use. A body in another encoding stays as it is.
func (r *Response) decode() {
	switch strings.ToLower(textproto.TrimString(r.Header.Get("Content-Encoding"))) {
	case "gzip", "x-gzip":
		r.Body = &gunzip{src: r.Body}
		r.Header.Del("Content-Encoding")
		r.altered(-1)
	}
}

// spoil changes a response. done tells what happened; it may be called later, when the body is read.
func (h *HTTPBody) spoil(r *Response, done func(amount), pass func(why string)) {
	switch {
	case h.Truncate != nil:
		r.decode()
		h.truncate(r, int64(*h.Truncate), done)
	case len(h.Patch) > 0:
		h.patch(r, done, pass)
	default:
		r.Body.Close()
		r.Body = io.NopCloser(strings.NewReader(h.Replace))
		r.Header.Del("Content-Encoding")
		r.altered(int64(len(h.Replace)))
		done(amount{status: r.Status, detail: fmt.Sprintf("body replaced by %d bytes", len(h.Replace))})
	}
}

func (h *HTTPBody) truncate(r *Response, most int64, done func(amount)) {
	cut := amount{status: r.Status, detail: fmt.Sprintf("body cut after %d bytes", most)}
	switch {
	case r.Length > most:
		cut.bytes = r.Length - most
		r.Body = &limited{src: r.Body, left: most}
		r.altered(most)
		done(cut)
	case r.Length < 0 && !r.Head:
		r.Body = &limited{src: r.Body, left: most, cut: func() { done(cut) }}
		r.altered(-1)
	}
}

// limited ends a body early.
type limited struct {
	src  io.ReadCloser
	left int64
	cut  func() // called once if there would have been more; nil when that is known
}

// Read returns what is left.
func (l *limited) Read(p []byte) (int, error) {
	if l.left > 0 {
		n, err := l.src.Read(p[:min(int64(len(p)), l.left)])
		l.left -= int64(n)
		return n, err
	}
	for l.cut != nil {
		var more [1]byte
		n, err := l.src.Read(more[:])
		if n > 0 {
			l.cut()
		}
		if n > 0 || err != nil {
			l.cut = nil
		}
	}
	return 0, io.EOF
}

// Close closes the body.
func (l *limited) Close() error { return l.src.Close() }

// gunzip decompresses what is read from it.
type gunzip struct {
	src io.ReadCloser
	gz  *gzip.Reader
}

// Read reads the header of the compressed data first.
func (g *gunzip) Read(p []byte) (int, error) {
	if g.gz == nil {
		gz, err := gzip.NewReader(g.src)
		if err != nil {
			return 0, fmt.Errorf("the body is not the gzip that its header says: %w", err)
		}
		g.gz = gz
	}
	return g.gz.Read(p)
}

// Close closes the body.
func (g *gunzip) Close() error { return g.src.Close() }

// endless are types of content that is read as it comes, and may never end.
var endless = []string{"text/event-stream", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"}

func (h *HTTPBody) patch(r *Response, done func(amount), pass func(why string)) {
	kind, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	if slices.Contains(endless, kind) || strings.HasPrefix(kind, "application/grpc") {
		pass("is a stream of " + kind)
		return
	}
	if r.Head {
		r.altered(-1)
		done(amount{status: r.Status, detail: "length not told"})
		return
	}
	r.decode()
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		pass("is encoded as " + encoding)
		return
	}
	src := r.Body
	doc, err := io.ReadAll(io.LimitReader(src, MaxPatch+1))
	// Whatever goes wrong, the client gets what came, and then what there is behind it.
	r.Body = &body{io.MultiReader(bytes.NewReader(doc), &rest{src: src, err: err}), src}
	switch {
	case err != nil:
		return
	case len(doc) > MaxPatch:
		pass(fmt.Sprintf("is longer than %d bytes", MaxPatch))
		return
	case !json.Valid(doc):
		pass("is no JSON document")
		return
	}
	places := 0
	for _, path := range slices.Sorted(maps.Keys(h.Patch)) {
		steps, err := parseJSONPath(path)
		if err != nil {
			continue // Validate refuses it
		}
		var n int
		doc, n = patchJSON(doc, steps, h.Patch[path])
		places += n
	}
	if places == 0 {
		pass("has none of the paths " + strings.Join(slices.Sorted(maps.Keys(h.Patch)), ", "))
		return
	}
	r.Body = &body{bytes.NewReader(doc), src}
	r.altered(int64(len(doc)))
	where := "1 place"
	if places > 1 {
		where = fmt.Sprintf("%d places", places)
	}
	done(amount{status: r.Status, detail: "body patched in " + where})
}

// body reads one thing and closes another.
type body struct {
	io.Reader
	io.Closer
}

// rest is what comes behind the part of a body that was read already: the error that ended it, else more.
type rest struct {
	src io.Reader
	err error
}

func (r *rest) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.src.Read(p)
}

// Patch holds the values to put into a JSON document, by path. The paths are in the part of JSONPath (RFC 9535) that names places
// one by one: "$.items[0].price", "$['a.b']", "$.items[*].id"; the "$" may be left out. A member that is missing from an object
// that is there is added.
type Patch map[string]json.RawMessage

// MarshalText writes a JSON object; nothing when there are no values.
func (p Patch) MarshalText() ([]byte, error) {
	if len(p) == 0 {
		return nil, nil
	}
	return json.Marshal(map[string]json.RawMessage(p))
}

// UnmarshalText reads a JSON object with paths as keys, or PATH=VALUE with a value that is JSON or else text.
func (p *Patch) UnmarshalText(text []byte) error {
	values := map[string]any{}
	if trimmed := strings.TrimSpace(string(text)); strings.HasPrefix(trimmed, "{") {
		object, err := decodeJSON([]byte(trimmed))
		if err != nil {
			return fmt.Errorf("%w; write 'PATH=VALUE' or a JSON object", err)
		}
		values = object.(map[string]any)
	} else {
		path, value, ok := strings.Cut(trimmed, "=")
		if !ok {
			return fmt.Errorf("%q is not PATH=VALUE", trimmed)
		}
		decoded, err := decodeJSON([]byte(value))
		if err != nil {
			decoded = value
		}
		values[strings.TrimSpace(path)] = decoded
	}
	out := make(Patch, len(values))
	for path, value := range values {
		if _, err := parseJSONPath(path); err != nil {
			return err
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		out[path] = raw
	}
	if len(out) == 0 {
		out = nil
	}
	*p = out
	return nil
}

func (*Patch) isObject() bool { return true }

func (*Patch) objectSchema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": true} // a value of any type for each path
}
