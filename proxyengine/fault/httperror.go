package fault

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// KindHTTPError is the kind of [HTTPError].
const KindHTTPError Kind = "httperror"

// HTTPError answers HTTP exchanges at once, in the upstream's place: nothing is sent to the upstream, and no other fault delays the
// answer. Connections, and what travels inside of CONNECT tunnels, are no exchanges.
type HTTPError struct {
	Base `with:"with-http-response" withenv:"FAULT_WITH_HTTP_FAULT" flag:"http-response" env:"FAULT_HTTP_FAULT" side.arg:"-" side.usage:"changes nothing: the answer comes from the proxy" direction.arg:"-" direction.usage:"changes nothing: the answer comes from the proxy" probability.flag:"trigger-probability" probability.usage:"share of exchanges that are answered"` //nolint:lll // tags cannot be broken

	// StatusCode is the status, a final one.
	StatusCode int `key:"status_code" aliases:"status" flag:"status" env:"STATUS" arg:"status_code" default:"500" min:"200" max:"599" keep:"" usage:"status of the answer"` //nolint:lll // tags cannot be broken

	// Body is the content; "" for none.
	Body string `key:"body" arg:"error_body" usage:"content of the answer"`

	// Headers are header fields of the answer. Without a Content-Type the content is application/json if it is that, else text/plain.
	Headers Headers `key:"headers" usage:"header fields of the answer: 'NAME: VALUE', or a JSON object of several"`
}

// Kind returns KindHTTPError.
func (*HTTPError) Kind() Kind { return KindHTTPError }

// Validate checks ranges, and that the header can be sent.
func (h *HTTPError) Validate() error {
	if err := validate(h); err != nil {
		return err
	}
	if _, err := headersOf(h.Headers); err != nil {
		return &ValueError{Fault: KindHTTPError, Field: Field{Name: "headers"}, Reason: err.Error()}
	}
	return nil
}

// Describe labels the fault: "HTTP Response: Status: 503, Probability: 5%".
func (h *HTTPError) Describe() string {
	return fmt.Sprintf("HTTP Response: Status: %d%s", h.StatusCode, h.chance())
}

func (*HTTPError) onlyExchanges() {}

func (h *HTTPError) answer() *Answer {
	a := &Answer{Status: h.StatusCode, Header: make(map[string]string, len(h.Headers)+1), Body: h.Body}
	for name, value := range h.Headers {
		a.Header[textproto.CanonicalMIMEHeaderKey(name)] = value
	}
	if _, given := a.Header["Content-Type"]; !given && h.Body != "" {
		a.Header["Content-Type"] = "text/plain; charset=utf-8"
		if json.Valid([]byte(h.Body)) {
			a.Header["Content-Type"] = "application/json"
		}
	}
	return a
}

// answerFault answers an exchange before any upstream is contacted.
type answerFault interface {
	answer() *Answer
}

// Answer is the response that a fault gives to an exchange.
type Answer struct {
	Status int
	// Header has canonical names; it does not say how long the body is.
	Header map[string]string
	Body   string
}

// Answer returns what the exchange is answered with before any upstream is contacted, nil for nothing. It is asked once, after
// Begin.
func (f *Flow) Answer() *Answer {
	var a *Answer
	f.struck(func(c *Chain, e *entry) bool {
		answerer, ok := e.Spec.(answerFault)
		if !ok {
			return true
		}
		a = answerer.answer()
		f.effect(c, e, answering(e)).applied(time.Now(), amount{status: a.Status})
		return false
	})
	return a
}

// answering is where a response is made or changed: on the side of the fault, on the way back.
func answering(e *entry) point {
	if e.Spec.Common().Side == Client {
		return point{Client, Egress}
	}
	return point{Server, Ingress}
}

// Headers are header fields by name.
type Headers map[string]string

// MarshalText writes a JSON object; nothing when there are no fields.
func (h Headers) MarshalText() ([]byte, error) {
	if len(h) == 0 {
		return nil, nil
	}
	return json.Marshal(map[string]string(h))
}

// UnmarshalText reads a JSON object, or lines of the form "Name: value".
func (h *Headers) UnmarshalText(text []byte) error {
	var fields map[string]string
	if trimmed := strings.TrimSpace(string(text)); strings.HasPrefix(trimmed, "{") {
		object, err := decodeJSON([]byte(trimmed))
		if err != nil {
			return fmt.Errorf("%w; write 'NAME: VALUE' or a JSON object", err)
		}
		fields = map[string]string{}
		for name, value := range object.(map[string]any) {
			switch value.(type) {
			case nil, map[string]any, []any:
				return fmt.Errorf("the value of %s is not text", name)
			}
			fields[name] = fmt.Sprint(value)
		}
	} else {
		fields = map[string]string{}
		for line := range strings.Lines(trimmed) {
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return fmt.Errorf("%q is not 'NAME: VALUE'", strings.TrimSpace(line))
			}
			fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	clean, err := headersOf(fields)
	if err == nil {
		*h = clean
	}
	return err
}

func (*Headers) isObject() bool { return true }

func (*Headers) objectSchema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
}

// framing is what decides where a message ends and whether the connection goes on, which is the server's to say.
var framing = []string{"Connection", "Content-Length", "Keep-Alive", "Trailer", "Transfer-Encoding", "Upgrade"}

// headersOf checks fields, and brings their names into the canonical form.
func headersOf(fields map[string]string) (Headers, error) {
	out := make(Headers, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		value := fields[name]
		switch _, twice := out[canonical]; {
		case !isToken(name):
			return nil, fmt.Errorf("%q is no name of a header field", name)
		case slices.Contains(framing, canonical):
			return nil, fmt.Errorf("%s is not for a fault to set", canonical)
		case twice:
			return nil, fmt.Errorf("%s is given twice", canonical)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return nil, fmt.Errorf("the value of %s has control characters", canonical)
		}
		out[canonical] = value
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}
