package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fault-project/fault"

// room is what one package, or all below one, may use.
type room struct {
	pkg    string
	may    []string // packages of this module, and modules that only this package may use
	never  []string // not even through another package
	reason string
}

// rooms is which package may use which: imports point downward only. A package that is not listed fails the test, so that a new
// one is put somewhere on purpose. "x/..." is x and everything below it.
var rooms = []room{
	{pkg: "internal/nearest", reason: "a function over strings"},
	{pkg: "internal/junit", reason: "a document, whoever has something to say in it"},
	{pkg: "proxyengine/event", reason: "facts come up from the engine, whoever receives them"},
	{pkg: "proxyengine/schedule", never: []string{"net"}, reason: "pure functions over text and time"},
	{pkg: "proxyengine/authority", never: []string{"net/http"}, reason: "certificates and files, for whoever has tunnels to open"},
	{
		pkg: "proxyengine/stream", may: []string{"proxyengine/event"}, never: []string{"net/http"},
		reason: "bytes are moved without knowing what they mean",
	},
	{
		pkg: "proxyengine/fault", may: []string{"proxyengine/event", "proxyengine/schedule", "proxyengine/stream", "internal/nearest"},
		never: []string{"net/http"}, reason: "a fault knows neither listeners nor protocols",
	},
	{
		pkg: "proxyengine/tcpproxy", may: []string{"proxyengine/event", "proxyengine/fault", "proxyengine/stream"},
		never: []string{"net/http"}, reason: "one protocol each",
	},
	{
		pkg: "proxyengine/httpproxy", may: []string{"proxyengine/event", "proxyengine/fault", "proxyengine/stream", "proxyengine/tcpproxy"},
		reason: "one protocol each",
	},
	{
		pkg: "proxyengine", may: []string{"proxyengine/..."}, never: []string{"scenarios/...", "tools", "cmd/...", "github.com/spf13/cobra"},
		reason: "the engine knows nothing of flags, terminals, scenarios or models",
	},
	{
		pkg: "proxyengine/control", may: []string{"proxyengine/...", "internal/nearest"},
		never: []string{"scenarios/...", "tools", "cmd/...", "github.com/spf13/cobra"}, reason: "one more way to steer the engine",
	},
	{pkg: "proxyengine/bench", may: []string{"proxyengine/..."}, reason: "measures the engine from outside"},
	{pkg: "proxyengine/bench", reason: "measures the built programs from outside"},
	{pkg: "proxyengine/soak", may: []string{"proxyengine", "proxyengine/event", "proxyengine/fault"}, reason: "drives the engine"},
	{pkg: "treesitter", may: []string{"github.com/smacker/go-tree-sitter/..."}, reason: "the only user of the parser binding"},
	{
		pkg: "treesitter/lint", may: []string{"treesitter"}, never: []string{"rag", "tools"},
		reason: "rules see syntax trees, and nothing else",
	},
	{
		pkg: "llm", may: []string{"github.com/tmc/langchaingo/...", "google.golang.org/genai/...", "github.com/ollama/ollama/..."},
		never: []string{"prompts", "tools", "rag"}, reason: "the only user of the providers' clients, which does not know what they are asked",
	},
	{pkg: "llm/llmtest", may: []string{"llm"}, never: []string{"tools"}, reason: "a fake of the providers, for whoever tests"},
	{
		pkg: "rag", may: []string{"treesitter"}, never: []string{"mcp", "tools", "llm", "prompts", "github.com/marcboeker/go-duckdb/...", "github.com/qdrant/..."},
		reason: "an index does not know who asks, nor how it is stored",
	},
	{pkg: "rag/bench", may: []string{"rag", "rag/duckdb", "treesitter"}, reason: "measures the index with and without the command line"},
	{
		pkg: "rag/duckdb", may: []string{"rag", "github.com/marcboeker/go-duckdb/..."}, never: []string{"tools"},
		reason: "the only user of the driver",
	},
	{
		pkg: "rag/qdrant", may: []string{"rag", "github.com/qdrant/go-client/..."}, never: []string{"tools", "github.com/marcboeker/go-duckdb/..."},
		reason: "the only user of Qdrant's client",
	},
	{pkg: "rag/qdrant/qdranttest", may: []string{"github.com/qdrant/go-client/..."}, never: []string{"rag"}, reason: "a fake server, for whoever tests"},
	{pkg: "rag/ragtest", may: []string{"rag"}, never: []string{"rag/duckdb", "rag/qdrant"}, reason: "the suite knows no store"},
	{
		pkg: "scenarios", may: []string{"proxyengine/fault", "proxyengine/schedule", "proxyengine", "internal/nearest"},
		never: []string{"scenarios/runner", "scenarios/report"}, reason: "the file format is read without running anything",
	},
	{
		pkg: "scenarios/runner", may: []string{"scenarios", "proxyengine", "proxyengine/event", "proxyengine/fault", "proxyengine/schedule", "proxyengine/stream"},
		never: []string{"scenarios/report", "cmd/..."}, reason: "what a run found is not presented here",
	},
	{
		pkg: "scenarios/report", may: []string{"scenarios", "proxyengine/fault", "proxyengine/schedule", "internal/junit"},
		never: []string{"scenarios/runner"}, reason: "results in, report out",
	},
	{pkg: "demo", reason: "the demo application is a program like any other"},
	{
		pkg: "tools", may: []string{
			"treesitter", "treesitter/lint", "rag", "scenarios", "scenarios/report", "proxyengine/fault", "proxyengine/schedule", "proxyengine", "internal/nearest",
		}, never: []string{"github.com/mark3labs/mcp-go/...", "github.com/spf13/cobra", "mcp", "cmd/..."},
		reason: "operations serve the command line and MCP alike",
	},
	{
		pkg: "tools/lintsample", may: []string{"tools", "treesitter", "treesitter/lint"}, reason: "measures the rules from outside",
	},
	{
		pkg: "mcp", may: []string{"tools", "internal/nearest", "github.com/mark3labs/mcp-go/..."}, never: []string{"github.com/spf13/cobra"},
		reason: "the only user of the MCP SDK, and nothing but a skin over tools",
	},
	{
		pkg: "cmd/internal/cli", may: []string{"proxyengine/schedule", "internal/nearest", "github.com/spf13/..."},
		reason: "what commands share",
	},
	{
		pkg: "cmd/internal/suite", never: []string{"net", "os/exec"},
		reason: "test results are read and compared without running anything",
	},
	{pkg: "cmd/internal/tally", may: []string{"proxyengine/event"}, reason: "events are counted, whoever shows the counts"},
	{
		pkg: "cmd/internal/runreport", may: []string{
			"cmd/internal/suite", "cmd/internal/tally", "proxyengine/fault", "proxyengine/event", "proxyengine/schedule", "scenarios",
			"internal/junit",
		}, reason: "what a run did goes in, a report comes out",
	},
	{pkg: "cmd/internal/cli/...", may: []string{
		"cmd/internal/cli", "cmd/internal/cli/faultflags", "cmd/internal/cli/modelflags", "cmd/internal/cli/indexflags", "cmd/internal/suite", "cmd/internal/tally", "cmd/internal/runreport", "proxyengine/...", "scenarios/...", "rag/...", "llm", "tools", "mcp", "demo", "treesitter", "treesitter/lint",
		"github.com/spf13/...",
	}, reason: "sibling commands do not import each other"},
	{pkg: "cmd/internal/app", may: []string{"cmd/internal/cli/...", "github.com/spf13/..."}, reason: "wires the commands together"},
	{pkg: "e2e/...", reason: "drives the built program from outside"},
	{pkg: "cmd/fault", may: []string{"cmd/internal/app"}, reason: "main is five lines"},
}

// exclusive are modules that need a row's permission.
var exclusive = []string{
	"github.com/mark3labs/mcp-go", "github.com/spf13", "github.com/marcboeker/go-duckdb", "github.com/smacker/go-tree-sitter",
	"github.com/tmc/langchaingo", "google.golang.org/genai", "github.com/ollama/ollama", "github.com/qdrant/go-client",
}

type listed struct {
	ImportPath, Name, Doc string
	Imports, Deps         []string
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Doc,Imports,Deps", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []listed
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestDependencies(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		// A row with a package's own name comes before one for everything below.
		row := slices.IndexFunc(rooms, func(r room) bool { return r.pkg == name })
		if row < 0 {
			row = slices.IndexFunc(rooms, func(r room) bool { return covers(r.pkg, name) })
		}
		if row < 0 {
			t.Errorf("%s has no place in the table of rooms", name)
			continue
		}
		room := rooms[row]
		for _, imported := range p.Imports {
			short := strings.TrimPrefix(imported, module+"/")
			if !restricted(imported) || slices.ContainsFunc(room.may, func(m string) bool { return covers(m, short) }) {
				continue
			}
			t.Errorf("%s must not import %s: %s", name, short, room.reason)
		}
		for _, dep := range p.Deps {
			short := strings.TrimPrefix(dep, module+"/")
			if short != name && slices.ContainsFunc(room.never, func(n string) bool { return covers(n, short) }) {
				t.Errorf("%s must not depend on %s, not even through another package: %s", name, short, room.reason)
			}
		}
	}
}

func restricted(path string) bool {
	return strings.HasPrefix(path, module+"/") ||
		slices.ContainsFunc(exclusive, func(e string) bool { return path == e || strings.HasPrefix(path, e+"/") })
}

func covers(pattern, pkg string) bool {
	if prefix, all := strings.CutSuffix(pattern, "/..."); all {
		return pkg == prefix || strings.HasPrefix(pkg, prefix+"/")
	}
	return pattern == pkg
}

func TestPackageComments(t *testing.T) {
	for _, p := range list(t) {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment must begin with %q, it is %q", p.ImportPath, want, p.Doc)
		}
	}
}
