// Package index is the command `fault index`.
package index

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/cli/indexflags"
	"github.com/fault-project/fault/cmd/internal/cli/modelflags"
	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/tools"
)

// Options are what `fault index` was asked for.
type Options struct {
	Dir     string
	Lang    string
	Index   indexflags.Options
	Rebuild bool
	DryRun  bool
	Format  string
	Models  modelflags.Options

	f *cli.Factory
}

// New returns the command; runF, if not nil, replaces what it does.
func New(f *cli.Factory, runF cli.RunFunc[Options]) *cobra.Command {
	o := &Options{Dir: ".", f: f}
	cmd := &cobra.Command{
		Use:   "index [DIR] [flags]",
		Short: "Index the source code of a directory, so that it can be searched",
		Long: "Index the source code of a directory (the current one without DIR), so that `fault search` and an editor's agent find " +
			"things in it. Later runs only read what has changed. Hidden, ignored, vendored, generated and large files are left out. " +
			"Nothing leaves this machine unless an embedding model of a provider is configured (--dry-run says how much that would be) " +
			"or a Qdrant server is to keep the index.",
		Example: "  fault index\n  fault index ~/src/shop --lang go\n  fault index --dry-run --format json",
		Args:    cli.RangeArgs(0, 1, "one DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Dir = args[0]
			}
			if o.Format != "text" && o.Format != "json" {
				return cli.Usagef("it may be text, json", "invalid value %q for --format", o.Format)
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
	what := cli.FlagsOf(cmd, "What to Index")
	what.String(&o.Lang, "lang", "FAULT_INDEX_LANG", "", "read files of `LANGUAGE` only; what the index has of others stays")
	what.Bool(&o.Rebuild, "rebuild", "FAULT_INDEX_REBUILD", "start from nothing instead of updating what has changed")
	what.Bool(&o.DryRun, "dry-run", "FAULT_INDEX_DRY_RUN", "change nothing: say what there is to index, and what is left out and why")
	o.Index.Add(cli.FlagsOf(cmd, "Code Index Options"))
	o.Models.Add(cli.FlagsOf(cmd, "Model Options"))
	output := cli.FlagsOf(cmd, "Output Options")
	output.String(&o.Format, "format", "FAULT_INDEX_FORMAT", "text", "print the result as `FORMAT`: text or json")
	return cmd
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
		return indexflags.Error("index", err)
	}
	in := tools.IndexIn{SourceDir: dir, Lang: o.Lang, Rebuild: o.Rebuild, DryRun: o.DryRun}
	done := func() {}
	if o.f.Terminal != nil && o.Format == "text" {
		in.Progress, done = o.progress()
	}
	began := time.Now()
	out, err := tools.NewIndex(files, indexes).Run(ctx, in)
	done()
	if err != nil {
		return indexflags.Error("index", err)
	}
	if o.Format == "json" {
		encoder := json.NewEncoder(o.f.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		// The protocol's answer knows whether it asked for a dry run; a file that was kept does not.
		err = encoder.Encode(struct {
			*tools.IndexOut
			DryRun bool `json:"dry_run"`
		}{out, o.DryRun})
	} else {
		_, err = io.WriteString(o.f.Out, o.text(out, time.Since(began)))
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// progressEvery is how often the line of progress is drawn at most.
const progressEvery = 100 * time.Millisecond

// progress returns what shows the files done in one line of the terminal, and what removes that line.
func (o *Options) progress() (show func(done, total float64, message string), end func()) {
	var last time.Time
	shown := false
	show = func(done, total float64, message string) {
		if now := time.Now(); now.Sub(last) >= progressEvery || strings.HasPrefix(message, rag.EmbeddingMessage) {
			last, shown = now, true
			if strings.HasPrefix(message, rag.EmbeddingMessage) {
				fmt.Fprintf(o.f.Out, "\r\x1b[Kfile %.0f of %.0f: %s", done, total, message)
				return
			}
			fmt.Fprintf(o.f.Out, "\r\x1b[Kreading file %.0f of %.0f", done, total)
		}
	}
	return show, func() {
		if shown {
			fmt.Fprint(o.f.Out, "\r\x1b[K")
		}
	}
}

func (o *Options) text(out *tools.IndexOut, took time.Duration) string {
	var b strings.Builder
	verb := "indexed"
	if o.DryRun {
		verb = "would index"
	}
	fmt.Fprintf(&b, "%s %s: %s, %s, %s of code", verb, out.SourceDir, count(out.Files, "file"), size(out.Bytes), count(out.Chunks, "piece"))
	if !o.DryRun {
		fmt.Fprintf(&b, " in %s", took.Round(time.Millisecond))
	}
	fmt.Fprintf(&b, "\n  %d added, %d modified, %d removed, %d unchanged\n", out.Added, out.Modified, out.Removed, out.Unchanged)
	if len(out.Skipped) > 0 {
		reasons := slices.SortedFunc(maps.Keys(out.Skipped), func(a, b string) int {
			return cmp.Or(cmp.Compare(out.Skipped[b], out.Skipped[a]), strings.Compare(a, b))
		})
		for i, reason := range reasons {
			reasons[i] = fmt.Sprintf("%d %s", out.Skipped[reason], reason)
		}
		fmt.Fprintf(&b, "  left out: %s\n", strings.Join(reasons, ", "))
	}
	if out.Failed > 0 {
		fmt.Fprintf(&b, "  failed: %d\n", out.Failed)
		for _, failure := range out.Failures {
			fmt.Fprintf(&b, "    %s\n", failure)
		}
	}
	if v := out.Vectors; v.Embedded+v.Reused > 0 {
		verb := "embedded"
		if o.DryRun {
			verb = "to embed"
		}
		fmt.Fprintf(&b, "  %s with %s: %s, about %d tokens; %d had a vector already\n",
			verb, v.Embedder, count(v.Embedded, "piece"), v.Tokens, v.Reused)
	}
	if !o.DryRun {
		fmt.Fprintf(&b, "  kept in %s\n", out.Index)
	}
	return b.String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return count(int(n), "byte")
}
