package agent

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/indexflags"
	"github.com/fault-project/fault/cmd/internal/cli/modelflags"
	"github.com/fault-project/fault/mcp"
	"github.com/fault-project/fault/scenarios"
)

func TestToolOptions(t *testing.T) {
	env := map[string]string{}
	var got *ToolOptions
	parse := func(args string) *ToolOptions {
		t.Helper()
		cmd := NewTool(&cli.Factory{}, &modelflags.Options{}, func(_ context.Context, o *ToolOptions) error {
			got = o
			return nil
		})
		if !cli.HasProtocolOutput(cmd) {
			t.Error("the log may go to standard output")
		}
		cmd.SetArgs(strings.Fields(args))
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
			return cli.ApplyEnv(cmd, func(key string) (string, bool) {
				v, ok := env[key]
				return v, ok
			})
		}
		if err := cmd.Execute(); err != nil {
			t.Fatal(err)
		}
		got.f = nil
		return got
	}
	if got := parse(""); !reflect.DeepEqual(*got, ToolOptions{Models: &modelflags.Options{}}) {
		t.Errorf("defaults %+v", *got)
	}
	want := ToolOptions{AllowDirs: []string{"/a", "/b"}, AllowTargets: []string{"x:1", "*.y"}, ReadOnly: true, Index: indexflags.Options{Index: "/i"}, Results: "/r", Models: &modelflags.Options{}}
	if got := parse("--allow-dir /a --allow-dir /b --allow-target x:1 --allow-target *.y --read-only --index /i --results /r"); !reflect.DeepEqual(*got, want) {
		t.Errorf("flags %+v", *got)
	}
	env = map[string]string{
		"FAULT_ALLOW_DIR": "/a,/b", "FAULT_ALLOW_TARGET": "x:1,*.y", "FAULT_READ_ONLY": "true", "FAULT_INDEX": "/i",
		"FAULT_RESULTS": "/r",
	}
	if got := parse(""); !reflect.DeepEqual(*got, want) {
		t.Errorf("environment %+v", *got)
	}
}

func offered(t *testing.T, o *ToolOptions) []string {
	t.Helper()
	o.f, o.Models = &cli.Factory{Log: slog.New(slog.DiscardHandler)}, &modelflags.Options{}
	list, done, err := o.tools()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	c, err := mcp.InProcess(t.Context(), mcp.New(mcp.Options{Tools: list}), mcp.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	infos, err := c.Tools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names
}

func TestReadOnlyLeavesOutWhatWritesOrSends(t *testing.T) {
	all, readOnly := offered(t, &ToolOptions{}), offered(t, &ToolOptions{ReadOnly: true})
	want := []string{
		"fault_extract_code_block", "fault_lint", "fault_list_function_names", "fault_score_performance", "fault_score_reliability",
		"fault_search_code",
	}
	if !reflect.DeepEqual(readOnly, want) {
		t.Errorf("read-only: %v", readOnly)
	}
	if len(all) < 7 {
		t.Errorf("all: %v", all)
	}
}

func TestWrongSafetyOptionsAreUsageErrors(t *testing.T) {
	for name, o := range map[string]*ToolOptions{
		"--allow-dir":    {AllowDirs: []string{"/no/such/folder"}},
		"--allow-target": {AllowTargets: []string{"ftp://x"}},
		"--results":      {Results: "/dev/null/below"},
		"--read-only":    {ReadOnly: true, Results: "/r"},
	} {
		o.f, o.Models = &cli.Factory{Log: slog.New(slog.DiscardHandler)}, &modelflags.Options{}
		err := o.run(t.Context())
		var e *cli.Error
		if !errors.As(err, &e) || !e.Usage || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlannedCalls(t *testing.T) {
	load := scenarios.Item{Context: scenarios.Context{Strategy: &scenarios.Strategy{Mode: scenarios.ModeLoad, Duration: "10s", Clients: 2, RPS: 3}}}
	if got := plannedCalls([]scenarios.Scenario{{Items: []scenarios.Item{load, {}}}}); got != 61 {
		t.Errorf("got %d", got)
	}
}
