//go:build cgo

package index

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/indexflags"
)

func execute(t *testing.T, cmd *cobra.Command, env map[string]string, args ...string) error {
	t.Helper()
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(cli.FlagError)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		return cli.ApplyEnv(cmd, func(key string) (string, bool) {
			v, ok := env[key]
			return v, ok
		})
	}
	return cmd.ExecuteContext(t.Context())
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		args []string
		env  map[string]string
		want Options
		err  string
	}{
		{want: Options{Dir: ".", Format: "text"}},
		{
			args: []string{"src", "--lang", "go", "--index", "i", "--rebuild", "--dry-run", "--format", "json"},
			want: Options{Dir: "src", Lang: "go", Index: indexflags.Options{Index: "i"}, Rebuild: true, DryRun: true, Format: "json"},
		},
		{
			env: map[string]string{
				"FAULT_INDEX_LANG": "go", "FAULT_INDEX": "i", "FAULT_INDEX_REBUILD": "true", "FAULT_INDEX_DRY_RUN": "true", "FAULT_INDEX_FORMAT": "json",
			},
			want: Options{Dir: ".", Lang: "go", Index: indexflags.Options{Index: "i"}, Rebuild: true, DryRun: true, Format: "json"},
		},
		{args: []string{"--format", "xml"}, err: `invalid value "xml" for --format`},
		{args: []string{"a", "b"}, err: `takes one DIR, got "b" too many`},
	} {
		var got *Options
		err := execute(t, New(&cli.Factory{}, func(_ context.Context, o *Options) error {
			got = o
			return nil
		}), tt.env, tt.args...)
		if tt.err != "" {
			var e *cli.Error
			if !errors.As(err, &e) || !e.Usage || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v: %v, want a usage error with %q", tt.args, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", tt.args, err)
			continue
		}
		got.f = nil
		if !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%v: %+v, want %+v", tt.args, *got, tt.want)
		}
	}
}

func TestProgressOnlyOnTerminal(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.py"), []byte("def a():\n    return 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, terminal := range []bool{false, true} {
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			f := &cli.Factory{Streams: cli.Streams{Out: &out}}
			if terminal {
				f.Terminal = func() (int, int) { return 80, 24 }
			}
			if err := execute(t, New(f, nil), nil, dir, "--rebuild", "--index", t.TempDir(), "--format", format); err != nil {
				t.Fatal(err)
			}
			if drawn := strings.Contains(out.String(), "\r"); drawn != (terminal && format == "text") {
				t.Errorf("terminal %v, %s: %q", terminal, format, out.String())
			}
			if format == "json" && !json.Valid(out.Bytes()) {
				t.Errorf("not JSON: %s", out.String())
			}
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{1: "1 byte", 999: "999 bytes", 1500: "1.5 kB", 2_340_000: "2.3 MB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
