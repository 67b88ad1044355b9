package search

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/indexflags"
	"github.com/fault-project/fault/tools"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		args []string
		env  map[string]string
		want Options
		err  string
	}{
		{args: []string{"retry", "with backoff"}, want: Options{Query: "retry with backoff", Dir: ".", Limit: 10, Tokens: 4000, Format: "text"}},
		{
			args: []string{
				"q", "--dir", "d", "--lang", "go", "--path", "p", "--kind", "function", "--limit", "3", "--tokens", "200", "--index", "i", "--format", "json",
			},
			want: Options{Query: "q", Dir: "d", Lang: "go", Path: "p", Kind: "function", Limit: 3, Tokens: 200, Index: indexflags.Options{Index: "i"}, Format: "json"},
		},
		{
			args: []string{"q"},
			env: map[string]string{
				"FAULT_SEARCH_DIR": "d", "FAULT_SEARCH_LANG": "go", "FAULT_SEARCH_PATH": "p", "FAULT_SEARCH_KIND": "type", "FAULT_SEARCH_LIMIT": "3",
				"FAULT_SEARCH_TOKENS": "200", "FAULT_INDEX": "i", "FAULT_SEARCH_FORMAT": "json",
			},
			want: Options{Query: "q", Dir: "d", Lang: "go", Path: "p", Kind: "type", Limit: 3, Tokens: 200, Index: indexflags.Options{Index: "i"}, Format: "json"},
		},
		{err: "needs QUERY"},
		{args: []string{" "}, err: "the query is empty"},
		{args: []string{"q", "--format", "xml"}, err: `invalid value "xml" for --format`},
		{args: []string{"q", "--kind", "verb"}, err: `invalid value "verb" for --kind`},
		{args: []string{"q", "--limit", "0"}, err: "--limit must be between 1 and 100, got 0"},
		{args: []string{"q", "--tokens", "99"}, err: "--tokens must be between 100 and 50000, got 99"},
	} {
		var got *Options
		cmd := New(&cli.Factory{}, func(_ context.Context, o *Options) error {
			got = o
			return nil
		})
		cmd.SetArgs(tt.args)
		if tt.args == nil {
			cmd.SetArgs([]string{})
		}
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
			return cli.ApplyEnv(cmd, func(key string) (string, bool) {
				v, ok := tt.env[key]
				return v, ok
			})
		}
		err := cmd.ExecuteContext(t.Context())
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

func TestText(t *testing.T) {
	out := &tools.SearchOut{
		Results: []tools.SearchResult{
			{Path: "/r/a.go", Line: 3, Name: "T.M", Why: "matches x", Code: "func a() {\n\n}"}, {Path: "/r/b.go", Line: 1, Why: "matches y", Code: "y"},
		},
		Omitted: 2, SourceDir: "/r", Files: 2,
	}
	o := &Options{Dir: "/r", Tokens: 100, f: &cli.Factory{}}
	want := "/r/a.go:3 T.M (matches x)\n    func a() {\n\n    }\n\n/r/b.go:1 (matches y)\n    y\n\n2 more left out, for which --tokens 100 leaves no room\n"
	if got := o.text(out, "/r"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	o.f.Color = true
	if got := o.text(out, "/r"); !strings.HasPrefix(got, "\x1b[36m/r/a.go:3\x1b[0m \x1b[1mT.M\x1b[0m (matches x)\n") {
		t.Errorf("with color: %q", got)
	}
	if got := o.text(&tools.SearchOut{SourceDir: "/r", Files: 2}, "/r"); !strings.HasPrefix(got, "nothing found in /r (2 files)") {
		t.Errorf("nothing: %q", got)
	}
}
