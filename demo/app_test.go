package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// withoutProxy takes away the proxy of the environment, which the application uses for what it calls.
func withoutProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
}

// start runs an application on a free port until the test ends.
func start(t *testing.T, o Options) *App {
	t.Helper()
	withoutProxy(t)
	app, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := app.Listen(ctx, "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- app.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return app
}

func call(t *testing.T, method, url, body string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer hidden")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

func TestEndpoints(t *testing.T) {
	app := start(t, Options{})
	tests := []struct {
		method, path, body string
		status             int
		want               []string
	}{
		{http.MethodGet, "/", "", 200, []string{"Hello, World!"}},
		{http.MethodHead, "/", "", 200, nil},
		{http.MethodGet, "/ping", "", 200, []string{`"status":200`, app.URL() + "/echo", `\"method\":\"GET\"`}},
		{http.MethodPost, "/ping", "hey", 200, []string{`\"method\":\"POST\"`, `\"body\":\"hey\"`}},
		{http.MethodGet, "/ping/myself", "", 200, []string{`"status":200`, "Hello, World!"}},
		{http.MethodGet, "/multi", "", 200, []string{`"failed":0`}},
		{http.MethodPost, "/uppercase", "héllo", 200, []string{"HÉLLO"}},
		{http.MethodGet, "/echo?a=b", "", 200, []string{`"method":"GET","path":"/echo","query":"a=b"`}},
		{http.MethodPost, "/echo", "hey", 200, []string{`"body":"hey"`}},
		{http.MethodPost, "/uppercase", strings.Repeat("x", maxBody+1), 413, []string{"larger than 1048576 bytes"}},
		{http.MethodGet, "/uppercase", "", 405, nil},
		{http.MethodGet, "/nothing", "", 404, nil},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			status, body, _ := call(t, test.method, app.URL()+test.path, test.body)
			if status != test.status {
				t.Errorf("status %d, want %d: %s", status, test.status, body)
			}
			for _, want := range test.want {
				if !strings.Contains(body, want) {
					t.Errorf("the body lacks %q: %s", want, body)
				}
			}
			if strings.Contains(body, "hidden") {
				t.Errorf("the body shows a credential: %s", body)
			}
		})
	}
}

func TestUpstreamFailures(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	refusing.Close()
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer failing.Close()
	tests := []struct{ name, upstream, want string }{
		{"refused", strings.Replace(refusing.URL, "http://", "http://user:secret@", 1), "refused"},
		{"error status", failing.URL, `"status":418`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := start(t, Options{Upstream: test.upstream})
			for _, path := range []string{"/ping", "/multi"} {
				status, body, _ := call(t, http.MethodGet, app.URL()+path, "")
				if status != http.StatusBadGateway || !strings.Contains(body, test.want) {
					t.Errorf("%s: status %d, body %s, want 502 and %q", path, status, body, test.want)
				}
				if strings.Contains(body, "secret") {
					t.Errorf("%s shows the password: %s", path, body)
				}
			}
			if strings.Contains(app.Prelude(), "secret") {
				t.Error("the prelude shows the password")
			}
		})
	}
}

func TestNewRefusesUpstream(t *testing.T) {
	for _, upstream := range []string{"localhost:9000", "ftp://host/", "http://", "/echo", "http://a b"} {
		if _, err := New(Options{Upstream: upstream}); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:9000/echo") {
			t.Errorf("New with upstream %q: error %v, want one that shows a good URL", upstream, err)
		}
	}
}

func TestListenNamesTakenAddress(t *testing.T) {
	app := start(t, Options{})
	other, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(app.URL(), "http://")
	if err := other.Listen(t.Context(), address); err == nil || !strings.Contains(err.Error(), address) ||
		!strings.Contains(err.Error(), "choose another port") {
		t.Errorf("error %v, want one that names %s and says what to do", err, address)
	}
	err = other.Listen(t.Context(), "192.0.2.1:7070") // of RFC 5737, so of no machine
	if err == nil || !strings.Contains(err.Error(), "does not have that address") || strings.Contains(err.Error(), "choose another port") {
		t.Errorf("error %v, want one that says what is wrong with the address", err)
	}
}

func TestRequestLog(t *testing.T) {
	var log bytes.Buffer
	app, err := New(Options{Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	handler := app.Handler()
	for _, request := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/", nil),
		httptest.NewRequest(http.MethodPost, "/uppercase?q=1", strings.NewReader("a")),
		httptest.NewRequest(http.MethodGet, "/%1b%5b31m", nil),
	} {
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	want := regexp.MustCompile(`^GET / 200 [0-9.]+(ns|µs|ms|s)\nPOST /uppercase 200 [0-9.]+(ns|µs|ms|s)\nGET /%1b%5b31m 404 [0-9.]+(ns|µs|ms|s)\n$`)
	if !want.MatchString(log.String()) {
		t.Errorf("log %q, want it to match %s", log.String(), want)
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		6627 * time.Nanosecond: "6.6µs", 300*time.Millisecond + 449*time.Microsecond: "300.4ms", 1234 * time.Millisecond: "1.2s", 0: "0s",
	} {
		if got := brief(d); got != want {
			t.Errorf("brief(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	const proxy = "http://127.0.0.1:3180"
	tests := []struct{ name, target, proxy, exclude, want string }{
		{"none", "http://127.0.0.1:7070/", "", "", ""},
		{"loopback", "http://127.0.0.1:7070/", proxy, "", proxy},
		{"localhost", "http://localhost:7070/", proxy, "", proxy},
		{"IPv6 loopback", "http://[::1]:7070/", proxy, "", proxy},
		{"without a scheme", "http://127.0.0.1:7070/", "127.0.0.1:3180", "", proxy},
		{"excluded host", "http://127.0.0.1:7070/", proxy, "example.com, 127.0.0.1", ""},
		{"excluded port", "http://127.0.0.1:7070/", proxy, "127.0.0.1:7070", ""},
		{"other port excluded", "http://127.0.0.1:7070/", proxy, "127.0.0.1:7071", proxy},
		{"all excluded", "http://127.0.0.1:7070/", proxy, "*", ""},
		{"https on loopback", "https://127.0.0.1:7070/", proxy, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"http_proxy", "no_proxy", "HTTPS_PROXY", "https_proxy"} {
				t.Setenv(name, "")
			}
			t.Setenv("HTTP_PROXY", test.proxy)
			t.Setenv("NO_PROXY", test.exclude)
			got := ""
			u, err := proxyFromEnvironment(httptest.NewRequest(http.MethodGet, test.target, nil))
			if err != nil {
				t.Fatal(err)
			}
			if u != nil {
				got = u.String()
			}
			if got != test.want {
				t.Errorf("proxy %q, want %q", got, test.want)
			}
		})
	}
}

// TestMultiIsConcurrent needs exact time: four calls of a second each take one second when they run at once.
func TestMultiIsConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, err := New(Options{Upstream: "http://upstream.test/"})
		if err != nil {
			t.Fatal(err)
		}
		app.client.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
		})
		recorder := httptest.NewRecorder()
		start := time.Now()
		app.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/multi", nil))
		if elapsed := time.Since(start); elapsed != time.Second {
			t.Errorf("took %s, want 1s", elapsed)
		}
		var s summary
		if err := json.Unmarshal(recorder.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Calls) != fanOut || s.DurationMS != 1000 || s.Calls[fanOut-1].DurationMS != 1000 {
			t.Errorf("summary %+v, want %d calls of 1000 ms", s, fanOut)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestServeWaitsForRequests: a request under way when the application is told to stop still gets its answer.
func TestServeWaitsForRequests(t *testing.T) {
	withoutProxy(t)
	entered, release := make(chan struct{}), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-release }))
	defer upstream.Close()
	app, err := New(Options{Upstream: upstream.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := app.Listen(ctx, "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Serve(ctx) }()
	answered := make(chan int, 1)
	go func() {
		response, err := http.Get(app.URL() + "/ping")
		if err != nil {
			answered <- 0
			return
		}
		response.Body.Close()
		answered <- response.StatusCode
	}()
	<-entered
	cancel()
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("status %d, want 200", status)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestPreludeNamesEveryEndpoint(t *testing.T) {
	app := start(t, Options{})
	prelude := app.Prelude()
	for _, e := range app.endpoints() {
		if !strings.Contains(prelude, app.URL()+e.Path+"\n") {
			t.Errorf("the prelude does not say how to call %s %s:\n%s", e.Method, e.Path, prelude)
		}
	}
}

func TestURLOfUnspecifiedAddress(t *testing.T) {
	app, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Listen(t.Context(), "0.0.0.0:0"); err != nil {
		t.Fatal(err)
	}
	defer app.listener.Close()
	if !strings.HasPrefix(app.URL(), "http://127.0.0.1:") {
		t.Errorf("URL %s, want one that can be called", app.URL())
	}
}

func TestOpenAPI(t *testing.T) {
	app := start(t, Options{})
	_, body, header := call(t, http.MethodGet, app.URL()+"/openapi.json", "")
	if got := header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	var document struct {
		OpenAPI string
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			OperationID string
			Responses   map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" || len(document.Servers) != 1 || document.Servers[0].URL != app.URL() {
		t.Errorf("openapi %q, servers %v", document.OpenAPI, document.Servers)
	}
	operations := map[string]bool{}
	for _, e := range app.endpoints() {
		o := document.Paths[e.Path][strings.ToLower(e.Method)]
		if o.OperationID != e.Operation || operations[o.OperationID] || o.Responses["200"] == nil {
			t.Errorf("%s %s is described as %+v", e.Method, e.Path, o)
		}
		operations[o.OperationID] = true
	}
	for _, match := range regexp.MustCompile(`#/components/schemas/(\w+)`).FindAllStringSubmatch(body, -1) {
		if document.Components.Schemas[match[1]] == nil {
			t.Errorf("schema %s is used but not declared", match[1])
		}
	}
}

func TestWriteSource(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	written, err := WriteSource(dir)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			want = append(want, file)
		}
	}
	if strings.Join(written, " ") != strings.Join(want, " ") {
		t.Errorf("written %v, the package's files are %v: complete the go:embed line", written, want)
	}
	for _, name := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		original, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, original) {
			t.Errorf("%s differs from the original", name)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "vet", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("the written source does not compile: %v\n%s", err, out)
	}
}
