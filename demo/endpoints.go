package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
)

// endpoint is one row of the application's surface. The router, the prelude and the OpenAPI document are all made from it.
type endpoint struct {
	Method, Path string
	Operation    string // OpenAPI operationId
	Summary      string
	Request      string // media type of the body, "" = none
	Response     string // media type of a successful answer
	Schema       string // name of the successful answer's schema, "" = a string
	Upstream     bool   // calls out, so it may answer 502
	Handle       http.HandlerFunc
}

const (
	textType = "text/plain"
	htmlType = "text/html"
	jsonType = "application/json"
)

func (a *App) endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/", "hello", "Say hello", "", htmlType, "", false, a.hello},
		{http.MethodGet, "/ping", "ping", "Call the upstream once", "", jsonType, "Reply", true, a.ping},
		{http.MethodPost, "/ping", "pingWithBody", "Send the body on to the upstream", textType, jsonType, "Reply", true, a.ping},
		{http.MethodGet, "/ping/myself", "pingMyself", "Call this application's own hello page", "", jsonType, "Reply", true, a.pingMyself},
		{http.MethodGet, "/multi", "multi", "Call the upstream four times at once", "", jsonType, "Summary", true, a.multi},
		{http.MethodPost, "/uppercase", "uppercase", "Send the body back in capitals", textType, textType, "", false, a.uppercase},
		{http.MethodGet, "/echo", "echo", "Describe the request", "", jsonType, "Description", false, a.echo},
		{http.MethodPost, "/echo", "echoBody", "Describe the request and its body", textType, jsonType, "Description", false, a.echo},
		{http.MethodGet, "/openapi.json", "openapi", "Describe these endpoints (OpenAPI 3.1)", "", jsonType, "Document", false, a.openapi},
	}
}

// Handler routes the application's endpoints and writes the request log.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, e := range a.endpoints() {
		path := e.Path
		if path == "/" {
			path = "/{$}" // the page itself, not everything below it
		}
		mux.HandleFunc(e.Method+" "+path, e.Handle)
	}
	if a.log == nil {
		return mux
	}
	return &requestLog{next: mux, out: a.log}
}

// Prelude says where the application listens, what it calls and how each endpoint is called. It is valid after Listen.
func (a *App) Prelude() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Demo application on %s (its upstream: %s)\n\n", a.URL(), redact(a.UpstreamURL()))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range a.endpoints() {
		command := "curl " + a.URL() + e.Path
		if e.Request != "" {
			command = "curl -d hello " + a.URL() + e.Path
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", e.Method, e.Path, e.Summary, command)
	}
	_ = table.Flush() // a strings.Builder does not fail
	fmt.Fprintf(&b, "\nThrough the proxy: curl -x http://127.0.0.1:3180 %s/\nCtrl-C stops it.\n", a.URL())
	return b.String()
}

func (a *App) hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!doctype html>\n<html lang=\"en\"><title>Demo</title><body><p>Hello, World!</p></body></html>\n")
}

func (a *App) uppercase(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, strings.ToUpper(body))
}

// description is what /echo answers: the request as the application received it.
type description struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Query   string            `json:"query,omitempty"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body,omitempty"`
}

func (a *App) echo(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	headers := make(map[string]string, len(r.Header))
	for name, values := range r.Header {
		switch name {
		case "Authorization", "Proxy-Authorization", "Cookie": // what is echoed ends up in logs and terminals
		default:
			headers[name] = strings.Join(values, ", ")
		}
	}
	writeJSON(w, http.StatusOK, description{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Headers: headers, Body: body})
}

// readBody returns the request's body; when that is too large or breaks off, it has answered and returns false.
func readBody(w http.ResponseWriter, r *http.Request) (string, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		writeJSON(w, http.StatusRequestEntityTooLarge, problem{fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)})
	case err != nil:
		writeJSON(w, http.StatusBadRequest, problem{"the body could not be read: " + err.Error()})
	}
	return string(body), err == nil
}

// problem is the body of every answer that reports an error.
type problem struct {
	Error string `json:"error"`
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // a client that left is no error of ours
}
