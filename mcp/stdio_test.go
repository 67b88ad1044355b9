package mcp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	sdk "github.com/mark3labs/mcp-go/mcp"
)

// text is the result of the tools in these tests.
type text struct {
	Value string `json:"value"`
}

func (t text) Text() string { return t.Value }

// fake is a tool whose call is f.
func fake(name string, params []param, f func(ctx context.Context, args map[string]any, s scope) (result, error)) tool {
	return tool{
		name: name, title: name, description: name, params: params,
		output: object(nil, property{"value", schema{Type: typeString}}), call: f,
	}
}

func respond(value string) func(context.Context, map[string]any, scope) (result, error) {
	return func(context.Context, map[string]any, scope) (result, error) { return text{value}, nil }
}

// wire is a connection to a server as a client's bytes see it.
type wire struct {
	t     *testing.T
	in    *io.PipeWriter
	lines chan string
	ended chan error
}

func serve(t *testing.T, ctx context.Context, catalog ...tool) *wire {
	t.Helper()
	serverIn, in := io.Pipe()
	out, serverOut := io.Pipe()
	w := &wire{t: t, in: in, lines: make(chan string, 100), ended: make(chan error, 1)}
	s := newServer("1.2.3", slog.New(slog.DiscardHandler), catalog)
	go func() {
		err := s.ServeStdio(ctx, serverIn, serverOut)
		_ = serverOut.Close()
		w.ended <- err
	}()
	go func() {
		defer close(w.lines)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			w.lines <- lines.Text()
		}
	}()
	return w
}

func (w *wire) send(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.in, format+"\n", args...); err != nil {
		w.t.Fatal(err)
	}
}

// next is the next message of the server; it must be one JSON object on a line of its own.
func (w *wire) next() map[string]any {
	w.t.Helper()
	line, open := <-w.lines
	if !open {
		w.t.Fatal("the server closed its output")
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(line), &m); err != nil || m["jsonrpc"] != "2.0" {
		w.t.Fatalf("not a protocol message: %q (%v)", line, err)
	}
	return m
}

func (w *wire) initialize(capabilities string) {
	w.t.Helper()
	w.send(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":%s,`+
		`"clientInfo":{"name":"test","version":"1"}}}`, capabilities)
	m := w.next()
	info, _ := m["result"].(map[string]any)["serverInfo"].(map[string]any)
	if info["name"] != "fault" || info["version"] != "1.2.3" {
		w.t.Fatalf("initialize answered %v", m)
	}
	w.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

func (w *wire) call(id int, tool, args, meta string) {
	w.t.Helper()
	w.send(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{%s}}}`, id, tool, args, meta)
}

// textOf returns the text of a tool's answer, and whether it is an error.
func (w *wire) textOf(m map[string]any) (string, bool) {
	w.t.Helper()
	r, ok := m["result"].(map[string]any)
	if !ok {
		w.t.Fatalf("no result in %v", m)
	}
	isError, _ := r["isError"].(bool)
	return r["content"].([]any)[0].(map[string]any)["text"].(string), isError
}

func TestStdioAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, t.Context(), fake("greet", []param{{name: "name", schema: schema{Type: typeString}}}, respond("hello")),
			fake("fails", nil, func(context.Context, map[string]any, scope) (result, error) {
				return nil, errors.New("the disk is full")
			}),
			fake("panics", nil, func(context.Context, map[string]any, scope) (result, error) { panic("boom") }))
		w.initialize(`{}`)

		w.call(1, "greet", `{"name":"you"}`, "")
		m := w.next()
		if got, isError := w.textOf(m); got != "hello" || isError {
			t.Errorf("greet answered %q, error %v", got, isError)
		}
		if structured := m["result"].(map[string]any)["structuredContent"].(map[string]any); structured["value"] != "hello" {
			t.Errorf("structured content %v", structured)
		}
		for i, tc := range []struct{ tool, args, want string }{
			{"greet", `{"nam":"you"}`, `unknown argument "nam", did you mean "name"?; accepted: name`},
			{"greet", `{"name":3}`, `argument "name" must be a string, got 3`},
			{"fails", `{}`, "the disk is full"},
			{"panics", `{}`, "internal error, the log has the details"},
		} {
			w.call(10+i, tc.tool, tc.args, "")
			if got, isError := w.textOf(w.next()); got != tc.want || !isError {
				t.Errorf("%s %s answered %q, error %v; want %q", tc.tool, tc.args, got, isError, tc.want)
			}
		}
		w.call(20, "gret", `{}`, "")
		if m := w.next(); m["error"] == nil {
			t.Errorf("a tool that does not exist: %v", m)
		}
		w.send(`{`)
		if m := w.next(); m["error"] == nil {
			t.Errorf("a line that is not JSON: %v", m)
		}
		w.send("")
		w.send(`{"jsonrpc":"2.0","id":30,"method":"ping"}`)
		if m := w.next(); m["id"] != 30.0 {
			t.Errorf("ping after noise: %v", m)
		}
		_ = w.in.Close()
		if err := <-w.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

// Progress must come before the answer it belongs to, grow, and come seldom.
func TestStdioProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, t.Context(), fake("work", nil, func(_ context.Context, _ map[string]any, s scope) (result, error) {
			if s.progress == nil {
				return text{"nobody asked"}, nil
			}
			for i := range 101 {
				s.progress(float64(i), 100, fmt.Sprintf("step %d", i))
				s.progress(float64(i)-1, 100, "back")
				time.Sleep(10 * time.Millisecond)
			}
			return text{"done"}, nil
		}))
		w.initialize(`{}`)
		w.call(1, "work", `{}`, `"progressToken":"tok"`)
		last, seen := -1.0, 0
		for {
			m := w.next()
			if m["id"] != nil {
				break
			}
			params := m["params"].(map[string]any)
			if params["progressToken"] != "tok" || params["total"] != 100.0 || params["progress"].(float64) <= last {
				t.Fatalf("progress %v after %v", params, last)
			}
			last, seen = params["progress"].(float64), seen+1
		}
		if last != 100 || seen != 6 {
			t.Errorf("%d notifications up to %v, want 6 up to 100", seen, last)
		}
		w.call(2, "work", `{}`, "")
		if got, _ := w.textOf(w.next()); got != "nobody asked" {
			t.Error("progress without a token")
		}
		_ = w.in.Close()
		<-w.ended
	})
}

func TestStdioCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := make(chan time.Time, 1)
		w := serve(t, t.Context(), fake("wait", nil, func(ctx context.Context, _ map[string]any, _ scope) (result, error) {
			<-ctx.Done()
			stopped <- time.Now()
			return nil, ctx.Err()
		}))
		w.initialize(`{}`)
		w.call(7, "wait", `{}`, "")
		time.Sleep(3 * time.Second)
		canceled := time.Now()
		w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"changed my mind"}}`)
		if took := (<-stopped).Sub(canceled); took != 0 {
			t.Errorf("the tool was told after %v", took)
		}
		w.send(`{"jsonrpc":"2.0","id":8,"method":"ping"}`)
		if m := w.next(); m["id"] != 8.0 {
			t.Errorf("a canceled request was answered: %v", m)
		}
		_ = w.in.Close()
		<-w.ended
	})
}

func TestStdioEnd(t *testing.T) {
	wait := func(ctx context.Context, _ map[string]any, _ scope) (result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	short := func(context.Context, map[string]any, scope) (result, error) {
		time.Sleep(time.Second)
		return text{"in time"}, nil
	}
	release := make(chan struct{})
	deaf := func(context.Context, map[string]any, scope) (result, error) {
		<-release
		return text{}, nil
	}
	for _, tc := range []struct {
		name string
		call func(context.Context, map[string]any, scope) (result, error)
		want time.Duration
	}{
		{"a tool that obeys", wait, finishGrace},
		{"a tool that is nearly done", short, time.Second},
		{"a tool that ignores its context", deaf, finishGrace + cancelGrace},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release = make(chan struct{})
				w := serve(t, t.Context(), fake("tool", nil, tc.call))
				w.initialize(`{}`)
				w.call(1, "tool", `{}`, "")
				synctest.Wait()
				closed := time.Now()
				_ = w.in.Close()
				if err := <-w.ended; err != nil {
					t.Error(err)
				}
				if took := time.Since(closed); took != tc.want || took > 5*time.Second {
					t.Errorf("ended after %v, want %v", took, tc.want)
				}
				close(release)
				answered := false
				for line := range w.lines {
					answered = answered || strings.Contains(line, "in time")
				}
				if answered != (tc.want == time.Second) {
					t.Errorf("answered: %v", answered)
				}
			})
		})
	}
}

func TestStdioContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := serve(t, ctx)
		w.initialize(`{}`)
		cancel()
		if err := <-w.ended; err != nil {
			t.Error(err)
		}
		_ = w.in.Close()
	})
}

func TestRoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog := fake("roots", nil, func(_ context.Context, _ map[string]any, s scope) (result, error) {
			if s.roots == nil {
				return text{"none"}, nil
			}
			return text{strings.Join(s.roots, ",")}, nil
		})
		catalog.readsFiles = true
		w := serve(t, t.Context(), catalog)
		w.initialize(`{"roots":{"listChanged":true}}`)
		ask := func(id int, answer string) string {
			t.Helper()
			w.call(id, "roots", `{}`, "")
			m := w.next()
			if m["method"] == "roots/list" {
				if answer == "" {
					t.Fatal("the server asked again")
				}
				w.send(`{"jsonrpc":"2.0","id":%q,%s}`, m["id"], answer)
				m = w.next()
			}
			got, _ := w.textOf(m)
			return got
		}
		if got := ask(1, `"error":{"code":-1,"message":"no"}`); got != "none" {
			t.Errorf("after an error: %q", got)
		}
		if got := ask(2, `"result":{"roots":[{"uri":"file:///a%20b/c"},{"uri":"https://example.com/"}]}`); got != "/a b/c" {
			t.Errorf("roots %q", got)
		}
		if got := ask(3, ""); got != "/a b/c" {
			t.Errorf("from memory %q", got)
		}
		w.send(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`)
		if got := ask(4, `"result":{"roots":[{"uri":"file:///d"}]}`); got != "/d" {
			t.Errorf("after a change %q", got)
		}
		_ = w.in.Close()
		<-w.ended

		w = serve(t, t.Context(), catalog)
		w.initialize(`{}`)
		if got := ask(1, ""); got != "none" {
			t.Errorf("a client without roots: %q", got)
		}
		_ = w.in.Close()
		<-w.ended
	})
}

// The newest protocol has no handshake: every request says what it needs.
func TestNewestProtocol(t *testing.T) {
	catalog := fake("work", nil, func(_ context.Context, _ map[string]any, s scope) (result, error) {
		s.progress(1, 2, "half")
		return text{fmt.Sprint(s.roots)}, nil
	})
	catalog.readsFiles = true
	serverIn, clientOut := io.Pipe()
	clientIn, serverOut := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- newServer("1.2.3", nil, []tool{catalog}).ServeStdio(t.Context(), serverIn, serverOut) }()
	c := client.NewClient(transport.NewIO(clientIn, clientOut, io.NopCloser(strings.NewReader(""))),
		client.WithRootsHandler(rootsHandler{"/a"}))
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	progressed := make(chan struct{}, 1)
	c.OnNotification(func(sdk.JSONRPCNotification) { progressed <- struct{}{} })
	if hello, err := c.Initialize(t.Context(), sdk.InitializeRequest{}); err != nil || !sdk.IsModernProtocol(hello.ProtocolVersion) {
		t.Fatalf("agreed on %+v, %v", hello, err)
	}
	request := sdk.CallToolRequest{}
	request.Params.Name = "work"
	request.Params.Meta = &sdk.Meta{ProgressToken: "tok"}
	answer, err := c.CallTool(t.Context(), request)
	if err != nil || answer.Content[0].(sdk.TextContent).Text != "[]" {
		t.Errorf("answer %+v, %v", answer, err)
	}
	<-progressed
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFileURI(t *testing.T) {
	for _, path := range []string{"/a", "/a b/ü#?%", "/"} {
		if got, ok := filePath(fileURI(path)); !ok || got != path {
			t.Errorf("%q became %q", path, got)
		}
	}
	for _, uri := range []string{"https://x/y", "file://elsewhere/x", "::", "/plain", "file:relative"} {
		if got, ok := filePath(uri); ok {
			t.Errorf("%q became %q", uri, got)
		}
	}
}

func TestInProcess(t *testing.T) {
	started := make(chan struct{})
	stopped := make(chan struct{})
	s := newServer("1.2.3", nil, []tool{
		fake("work", nil, func(_ context.Context, _ map[string]any, s scope) (result, error) {
			s.progress(1, 2, "half")
			s.progress(2, 2, "all")
			return text{"done"}, nil
		}),
		fake("wait", nil, func(ctx context.Context, _ map[string]any, _ scope) (result, error) {
			close(started)
			<-ctx.Done()
			close(stopped)
			return nil, ctx.Err()
		}),
	})
	c, err := InProcess(t.Context(), s, DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if c.ServerName != "fault" || c.ServerVersion != "1.2.3" {
		t.Errorf("server %s %s", c.ServerName, c.ServerVersion)
	}
	list, err := c.Tools(t.Context())
	if err != nil || len(list) != 2 || list[1].Name != "work" || len(list[0].InputSchema) == 0 {
		t.Errorf("tools %v, %v", list, err)
	}
	var steps []string
	r, err := c.Call(t.Context(), "work", nil, func(done, total float64, message string) {
		steps = append(steps, fmt.Sprintf("%v/%v %s", done, total, message))
	})
	if err != nil || r.Text != "done" || r.IsError || string(r.Structured) != `{"value":"done"}` {
		t.Errorf("answer %+v, %v", r, err)
	}
	if got := strings.Join(steps, "; "); got != "1/2 half; 2/2 all" {
		t.Errorf("progress %q", got)
	}
	if r, err := c.Call(t.Context(), "work", map[string]any{"x": 1}, nil); err != nil || !r.IsError {
		t.Errorf("unknown argument: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if _, err := c.Call(ctx, "wait", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled call: %v", err)
	}
	<-stopped
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
