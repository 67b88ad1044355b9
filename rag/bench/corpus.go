//go:build cgo && unix

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

// corpus is one public source tree.
type corpus struct {
	name string
	// One of these says where it is: a directory of the Go installation's sources, a module (at the version of go.mod, or at the one that
	// it names), or the wheel of a Python package.
	std, module, wheel string
	// tuned says that the ranking was tuned on it.
	tuned bool
}

var corpora = []corpus{
	{name: "go-git", module: "github.com/go-git/go-git/v5", tuned: true},
	{name: "std encoding", std: "encoding", tuned: true},
	{name: "golang.org/x/net", module: "golang.org/x/net", tuned: true},
	{name: "golang.org/x/text", module: "golang.org/x/text", tuned: true},
	{name: "std crypto", std: "crypto", tuned: true},
	{name: "std os", std: "os", tuned: true},
	{name: "pflag", module: "github.com/spf13/pflag", tuned: true},
	{name: "langchaingo", module: "github.com/tmc/langchaingo", tuned: true},
	{name: "compress", module: "github.com/klauspost/compress", tuned: true},
	{name: "click (Python)", wheel: "click-8.3.0-py3-none-any.whl", tuned: true},
	{name: "werkzeug (Python)", wheel: "werkzeug-3.1.3-py3-none-any.whl", tuned: true},
	{name: "rich (Python)", wheel: "rich-14.1.0-py3-none-any.whl", tuned: true},
	{name: "urllib3 (Python)", wheel: "urllib3-2.5.0-py3-none-any.whl", tuned: true},
	{name: "std net", std: "net"},
	{name: "std go", std: "go"},
	{name: "cobra", module: "github.com/spf13/cobra"},
	{name: "mcp-go", module: "github.com/mark3labs/mcp-go"},
	{name: "miekg/dns", module: "github.com/miekg/dns@v1.1.73"},
	{name: "requests (Python)", wheel: "requests-2.32.5-py3-none-any.whl"},
	{name: "jinja2 (Python)", wheel: "jinja2-3.1.6-py3-none-any.whl"},
}

// errAbsent says that a corpus cannot be had here.
var errAbsent = errors.New("not here")

// maxFile is the size of the largest file that is copied; package rag skips larger ones.
const maxFile = 1 << 20

// files calls add with every file of the corpus, its path relative and with slashes.
func (c *corpus) files(ctx context.Context, python string, add func(path string, data []byte) error) error {
	if c.wheel != "" {
		return wheelFiles(filepath.Join(python, c.wheel), python, add)
	}
	root, err := c.root(ctx)
	if err != nil {
		return err
	}
	tree, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }() // opened to read
	return fs.WalkDir(tree.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() > maxFile {
			return err
		}
		data, err := tree.ReadFile(path)
		if err != nil {
			return err
		}
		return add(path, data)
	})
}

func (c *corpus) root(ctx context.Context) (string, error) {
	args := []string{"env", "GOROOT"}
	switch {
	case strings.Contains(c.module, "@"):
		args = []string{"mod", "download", "-json", c.module}
	case c.module != "":
		args = []string{"list", "-m", "-f", "{{.Dir}}", c.module}
	}
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	root := strings.TrimSpace(string(out))
	if args[0] == "mod" && err == nil {
		var downloaded struct{ Dir string }
		err = json.Unmarshal(out, &downloaded)
		root = downloaded.Dir
	}
	if err != nil || root == "" {
		return "", fmt.Errorf("%w: %s is not in the module cache (go mod download)", errAbsent, c.module)
	}
	if c.std != "" {
		root = filepath.Join(root, "src", c.std)
	}
	return root, nil
}

func wheelFiles(path, python string, add func(path string, data []byte) error) error {
	if python == "" {
		return fmt.Errorf("%w: no directory of wheels was given (-python)", errAbsent)
	}
	z, err := zip.OpenReader(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s could not be downloaded", errAbsent, filepath.Base(path))
	}
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }() // opened to read
	for _, f := range z.File {
		if !f.Mode().IsRegular() || f.UncompressedSize64 > maxFile || strings.Contains(f.Name, ".dist-info/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(r, maxFile))
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		if err := add(f.Name, data); err != nil {
			return err
		}
	}
	return nil
}

// target is a function that is asked for.
type target struct {
	path, name string
	line, end  int
}

// query is a question and the functions that have exactly this docstring.
type query struct {
	text    string
	targets []target
}

// prepare writes the corpus to dir without the docstrings of its functions, and returns what to ask.
func (c *corpus) prepare(ctx context.Context, python, dir string, how asking) ([]query, error) {
	at := map[string]int{}
	var queries []query
	err := c.files(ctx, python, func(path string, data []byte) error {
		language, ok := treesitter.LanguageOf(path, data)
		if ok && (language == treesitter.Go || language == treesitter.Python) {
			file, err := treesitter.Parse(ctx, language, data)
			if err == nil {
				stripped := bytes.Clone(data)
				for _, d := range file.Functions() {
					doc := strip(stripped, &d, language)
					text := how.question(doc, d.Name)
					if text == "" || testFile(path) {
						continue
					}
					i, ok := at[text]
					if !ok {
						i, at[text] = len(queries), len(queries)
						queries = append(queries, query{text: text})
					}
					queries[i].targets = append(queries[i].targets, target{path: path, name: d.Qualified, line: d.Line, end: d.EndLine})
				}
				data = stripped
			}
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	})
	return queries, err
}

// testFile reports whether the functions of a file are none that anybody asks for.
func testFile(path string) bool {
	return strings.HasSuffix(path, "_test.go") || strings.Contains("/"+path, "/testdata/") || strings.Contains("/"+path, "/test")
}
