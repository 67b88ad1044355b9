// Package search is the command `fault search`.
package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/indexflags"
	"github.com/fault-project/fault/cmd/internal/cli/modelflags"
	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/tools"
)

// Options are what `fault search` was asked for.
type Options struct {
	Query  string
	Dir    string
	Lang   string
	Path   string
	Kind   string
	Limit  int
	Tokens int
	Index  indexflags.Options
	Format string
	Models modelflags.Options

	f *cli.Factory
}

// New returns the command; runF, if not nil, replaces what it does.
func New(f *cli.Factory, runF cli.RunFunc[Options]) *cobra.Command {
	o := &Options{f: f}
	cmd := &cobra.Command{
		Use:   "search QUERY… [flags]",
		Short: "Find code in an indexed directory, by words or by name",
		Long: "Find code in a directory that `fault index` has indexed. QUERY is words, a sentence, the name of a function or type, " +
			"whose definition then comes first, or an operation such as GET /orders/{id}, whose handler then does. Prints path, line, " +
			"name and what matched, and the code within a budget of tokens. The exit code is 0 also when nothing is found.",
		Example: "  fault search retry with backoff\n  fault search Client.Fetch --limit 1\n" +
			"  fault search GET /orders/42\n" +
			"  fault search \"parse the config file\" --dir ~/src/shop --kind function --format json",
		Args: cli.RangeArgs(1, -1, "QUERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Query = strings.Join(args, " ")
			if err := o.check(); err != nil {
				return err
			}
			if err := o.Index.Check(cli.OnCommandLineOf(cmd)); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	what := cli.FlagsOf(cmd, "What to Search")
	what.String(&o.Dir, "dir", "FAULT_SEARCH_DIR", ".", "search the index of `DIR`, or of the indexed directory around it, below DIR")
	what.String(&o.Lang, "lang", "FAULT_SEARCH_LANG", "", "only code in `LANGUAGE`")
	what.String(&o.Path, "path", "FAULT_SEARCH_PATH", "",
		"only files that match `PATTERN`, relative to the indexed directory: a directory, a file, *_test.go")
	what.String(&o.Kind, "kind", "FAULT_SEARCH_KIND", "", "only code of `KIND`: "+strings.Join(rag.Kinds(), ", "))
	o.Index.Add(cli.FlagsOf(cmd, "Code Index Options"))
	o.Models.Add(cli.FlagsOf(cmd, "Model Options"))
	output := cli.FlagsOf(cmd, "Output Options")
	output.Int(&o.Limit, "limit", "FAULT_SEARCH_LIMIT", rag.DefaultLimit, "print at most `N` results")
	output.Int(&o.Tokens, "tokens", "FAULT_SEARCH_TOKENS", rag.DefaultMaxTokens, "print about `N` tokens of code at most")
	output.String(&o.Format, "format", "FAULT_SEARCH_FORMAT", "text", "print the results as `FORMAT`: text or json")
	return cmd
}

func (o *Options) check() error {
	switch {
	case strings.TrimSpace(o.Query) == "":
		return cli.Usagef("give words, a sentence or a name", "the query is empty")
	case o.Format != "text" && o.Format != "json":
		return cli.Usagef("it may be text, json", "invalid value %q for --format", o.Format)
	case o.Kind != "" && !slices.Contains(rag.Kinds(), o.Kind):
		return cli.Usagef("it may be "+strings.Join(rag.Kinds(), ", "), "invalid value %q for --kind", o.Kind)
	case o.Limit < 1 || o.Limit > rag.MaxLimit:
		return cli.Usagef("", "--limit must be between 1 and %d, got %d", rag.MaxLimit, o.Limit)
	case o.Tokens < rag.MinMaxTokens || o.Tokens > rag.MaxMaxTokens:
		return cli.Usagef("", "--tokens must be between %d and %d, got %d", rag.MinMaxTokens, rag.MaxMaxTokens, o.Tokens)
	}
	return nil
}

func (o *Options) run(ctx context.Context) error {
	indexes, closeIndexes, err := o.Index.Indexes(o.f, &o.Models)
	if err != nil {
		return err
	}
	defer closeIndexes()
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	files, err := tools.NewFileGuard([]string{dir})
	if err != nil {
		return o.usage(err)
	}
	out, err := tools.NewSearch(files, indexes).Run(ctx, tools.SearchIn{
		Query: o.Query, SourceDir: dir, Lang: o.Lang, Path: o.Path, Kind: o.Kind, Limit: o.Limit, MaxTokens: o.Tokens,
	})
	if err != nil {
		return o.usage(err)
	}
	if o.Format == "json" {
		encoder := json.NewEncoder(o.f.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(out)
	} else {
		_, err = io.WriteString(o.f.Out, o.text(out, dir))
	}
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

// text is a line for each result, which editors and terminals take for a place to jump to, and the code below it.
func (o *Options) text(out *tools.SearchOut, dir string) string {
	var b strings.Builder
	if out.Warning != "" {
		b.WriteString(out.Warning + "\n")
	}
	if len(out.Results) == 0 {
		fmt.Fprintf(&b, "nothing found in %s (%d files): try other words, or fewer filters\n", out.SourceDir, out.Files)
		return b.String()
	}
	place, name, reset := "", "", ""
	if o.f.Color {
		place, name, reset = "\x1b[36m", "\x1b[1m", "\x1b[0m"
	}
	for i := range out.Results {
		r := &out.Results[i]
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s%s:%d%s", place, o.shown(r.Path, dir), r.Line, reset)
		if r.Name != "" {
			fmt.Fprintf(&b, " %s%s%s", name, r.Name, reset)
		}
		fmt.Fprintf(&b, " (%s)\n", r.Why)
		for line := range strings.SplitSeq(r.Code, "\n") {
			b.WriteString(strings.TrimRight("    "+line, " \r") + "\n")
		}
	}
	if out.Omitted > 0 {
		fmt.Fprintf(&b, "\n%d more left out, for which --tokens %d leaves no room\n", out.Omitted, o.Tokens)
	}
	return b.String()
}

// shown returns a path as one from the current directory, which dir is named relative to.
func (o *Options) shown(path, dir string) string {
	if filepath.IsAbs(o.Dir) {
		return path
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(resolved, path)
	if err != nil {
		return path
	}
	return filepath.Join(o.Dir, rel)
}

// usage puts an error in the words of the command line.
func (o *Options) usage(err error) error {
	var user *tools.UserError
	if errors.As(err, &user) && user.Argument == "source_dir" {
		return cli.Failf("index it first: fault index "+o.Dir, "%s", user.Message)
	}
	return indexflags.Error("search", err)
}
