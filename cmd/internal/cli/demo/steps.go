package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fault-project/fault/demo"
)

// tour is one run of the tour: what its steps share.
type tour struct {
	page
	dir     string // where everything is left
	app     *demo.App
	mapping int // the local port that the application's upstream goes through while a measurement runs
	files   []string
	session session
	saved   []string // the folders with the results of the measurements
}

// startApplication starts the demo application with its upstream behind a mapping that does not listen yet: each measurement
// opens it.
func (t *tour) startApplication(ctx context.Context) error {
	t.step("Start the demo application")
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	t.mapping = port
	t.app, err = demo.New(demo.Options{Upstream: fmt.Sprintf("http://127.0.0.1:%d/echo", port)})
	if err != nil {
		return err
	}
	if err := t.app.Listen(ctx, "127.0.0.1:0"); err != nil {
		return err
	}
	t.outcome("%s, its upstream by way of port %d", t.app.URL(), port)
	return nil
}

// freePort returns a port that nobody listens on. It is below those that systems give to outgoing connections, so that it still
// is free when the mapping needs it.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	var last error
	for range 100 {
		port := 12000 + rand.IntN(18000)
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("find a free port on 127.0.0.1: %w", last)
}

func (t *tour) source(elements ...string) string {
	return filepath.Join(append([]string{t.dir, "source"}, elements...)...)
}

// indexFolder is where the server keeps its index, so that the tour leaves nothing in the user's cache.
func (t *tour) indexFolder() string { return filepath.Join(t.dir, "index") }

func (t *tour) writeSource() (err error) {
	t.step("Write out its source")
	if t.files, err = demo.WriteSource(t.source()); err != nil {
		return err
	}
	t.outcome("%s, as they are in this binary", count(len(t.files), "file"))
	return nil
}

func (t *tour) startServer(ctx context.Context, dial dialFunc, stderr io.Writer) error {
	t.step("Start the MCP server")
	start := time.Now()
	args := []string{"agent", "tool", "--index", t.indexFolder(), "--results", t.dir}
	var err error
	if t.session, err = dial(ctx, args, t.source(), stderr); err != nil {
		return err
	}
	ready := time.Since(start)
	tools, err := t.session.Tools(ctx)
	if err != nil {
		return err
	}
	t.outcome("fault agent tool, over stdio: %s, ready in %s", count(len(tools), "tool"), seconds(ready))
	return nil
}

// call calls a tool, and decodes its structured answer into out if that is not nil. An error of the tool is an error.
func (t *tour) call(ctx context.Context, tool string, args map[string]any, out any) error {
	answer, err := t.session.Call(ctx, tool, args, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", tool, err)
	}
	if answer.IsError {
		return fmt.Errorf("%s: %s", tool, answer.Text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Structured, out); err != nil {
		return fmt.Errorf("%s answered something unexpected: %w", tool, err)
	}
	return nil
}

func (t *tour) index(ctx context.Context) error {
	t.step("Index the source")
	start := time.Now()
	var answer indexAnswer
	if err := t.call(ctx, "fault_index_source_code", map[string]any{"source_dir": t.source(), "lang": "go"}, &answer); err != nil {
		return err
	}
	t.outcome("%s in %s, in %s", count(answer.Chunks, "function"), count(answer.Files, "file"), seconds(time.Since(start)))
	return nil
}

// weakFile and weakFunction are where the demo's deliberate weakness is.
const (
	weakFile     = "upstream.go"
	weakFunction = "callUpstream"
)

func (t *tour) list(ctx context.Context) error {
	t.step("List the functions of a file")
	var answer struct {
		Functions []string `json:"functions"`
	}
	if err := t.call(ctx, "fault_list_function_names", map[string]any{"file": t.source(weakFile)}, &answer); err != nil {
		return err
	}
	shown := answer.Functions[:min(4, len(answer.Functions))]
	t.outcome("%s has %d: %s, …", weakFile, len(answer.Functions), strings.Join(shown, ", "))
	return nil
}

func (t *tour) extract(ctx context.Context) error {
	t.step("Extract one of them")
	var answer struct {
		Full string `json:"full"`
	}
	args := map[string]any{"file": t.source(weakFile), "func": weakFunction}
	if err := t.call(ctx, "fault_extract_code_block", args, &answer); err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(answer.Full), "\n")
	t.outcome("%s, %s", weakFunction, count(len(lines), "line"))
	t.detail("%s", t.dim(lines[0]+" … }"))
	return nil
}

// question is searched for; what answers it shares one word with it.
const question = "which call has no timeout"

func (t *tour) search(ctx context.Context) error {
	t.step("Search the code")
	start := time.Now()
	var answer searchAnswer
	if err := t.call(ctx, "fault_search_code", map[string]any{"source_dir": t.source(), "query": question}, &answer); err != nil {
		return err
	}
	t.outcome("“%s”, in %s", question, seconds(time.Since(start)))
	for i, hit := range answer.Results[:min(3, len(answer.Results))] {
		place := fmt.Sprintf("%s:%d", filepath.Base(hit.Path), hit.Line)
		t.detail("%d. %-17s %s", i+1, place, hit.Name)
	}
	return nil
}

type indexAnswer struct {
	Files  int `json:"files"`
	Chunks int `json:"chunks"`
}

type searchAnswer struct {
	Results []struct {
		Path string `json:"path"`
		Name string `json:"name"`
		Line int    `json:"line"`
	} `json:"results"`
}

// leave says where the files are, and how to get the same in an editor.
func (t *tour) leave() error {
	if err := os.RemoveAll(t.indexFolder()); err != nil {
		return fmt.Errorf("remove the index of the tour: %w", err)
	}
	t.printf("\n%s\n", t.bold("Left in "+t.dir))
	for i, folder := range t.saved {
		t.saved[i] = filepath.Base(folder) + "/"
	}
	t.printf("  %s, each with\n", strings.Join(t.saved, " and "))
	t.printf("    report.md       what was measured, and the verdict, to read\n")
	t.printf("    results.json    every call, for a program\n")
	t.printf("  source/           the application that was measured\n")
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own file: %w", err)
	}
	command, installed := commandFor(executable)
	t.printf("\n%s\n", t.bold("The same in your editor: paste this"))
	if !installed {
		t.printf("(first put the program on your PATH: go install ./cmd/fault)\n")
	}
	t.printf("\n%s", editorSettings(command))
	return nil
}
