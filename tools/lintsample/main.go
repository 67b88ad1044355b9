// Command lintsample says how good the rules of fault lint are. It draws findings in public packages for a person to judge, and
// plants faults in code that has none to see whether they are found, and applies all mechanical fixes to see whether the code still
// compiles. The packages are fetched with the ordinary clients (go, pip, npm, mvn).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/fault-project/fault/tools"
	"github.com/fault-project/fault/treesitter/lint"
)

func main() {
	seed := flag.Uint64("seed", 4, "seed of the draw")
	page := flag.String("page", "docs/lint-sample.md", "page with the verdicts, written anew")
	cache := flag.String("cache", "", "folder to fetch packages into; a temporary one without it")
	flag.Parse()
	if err := run(context.Background(), *seed, *page, *cache); err != nil {
		fmt.Fprintln(os.Stderr, "lintsample:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, seed uint64, page, cache string) error {
	if cache == "" {
		dir, err := os.MkdirTemp("", "lintsample")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		cache = dir
	}
	var found []finding
	var sources []source
	var fixes []fixed
	for i, p := range slices.Concat(drawn, known) {
		dir, err := p.fetch(ctx, cache)
		if err != nil {
			return fmt.Errorf("fetch %s: %w", p, err)
		}
		out, read, err := lintPackage(ctx, p, dir)
		if err != nil {
			return fmt.Errorf("lint %s: %w", p, err)
		}
		if i < len(drawn) {
			for _, f := range out.Findings {
				found = append(found, finding{f, p.String()})
			}
		}
		sources = append(sources, read...)
		applied, err := applyFixes(dir, out.Findings)
		if err != nil {
			return fmt.Errorf("fix %s: %w", p, err)
		}
		fixes = append(fixes, applied...)
	}
	sample := draw(found, seed)
	right, open, err := judge(page, found, sample, seed)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d findings in %d packages, %d drawn: %d right, %d without a verdict\n",
		len(found), len(drawn), len(sample), right, open)
	if err := plantAll(ctx, sources); err != nil {
		return err
	}
	if err := checkFixes(ctx, fixes); err != nil {
		return err
	}
	if open > 0 {
		return fmt.Errorf("%d findings have no verdict in %s", open, page)
	}
	if right*10 < len(sample)*9 {
		return errors.New("less than 90 % of the findings are right")
	}
	return nil
}

// source is a file of a package.
type source struct {
	path, text string
	// drawn says that findings are drawn from its package.
	drawn bool
}

// lintPackage returns the findings outside of tests, and all sources.
func lintPackage(ctx context.Context, p pkg, dir string) (*tools.LintOut, []source, error) {
	guard, err := tools.NewFileGuard([]string{dir})
	if err != nil {
		return nil, nil, err
	}
	out, err := tools.NewLint(guard).Run(ctx, tools.LintIn{Paths: []string{dir}, Names: []string{"."}})
	if err != nil {
		return nil, nil, err
	}
	var sources []source
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !slices.Contains([]string{".go", ".py", ".js", ".ts", ".java"}, filepath.Ext(path)) {
			return err
		}
		if rel, err := filepath.Rel(dir, path); err != nil || lint.IsTest(rel) {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // the folder is this program's own
		sources = append(sources, source{path, string(text), slices.Contains(drawn, p)})
		return err
	})
	return out, sources, err
}
