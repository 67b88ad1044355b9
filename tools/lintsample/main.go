// Command lintsample says how good the rules of fault lint are. It draws findings in public packages for a person to judge, and
// plants faults in code that has none to see whether they are found. The packages are fetched with the ordinary clients (go, pip, npm).
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fault-project/fault/tools"
	"github.com/fault-project/fault/treesitter/lint"
)

const (
	sampleSize = 60
	// perRule bounds how many findings of one rule in one language are drawn, so that no rule decides alone.
	perRule = 10
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
	var all []finding
	var sources []source
	for _, p := range packages {
		dir, err := p.fetch(ctx, cache)
		if err != nil {
			return fmt.Errorf("fetch %s: %w", p, err)
		}
		found, read, err := lintPackage(ctx, p, dir)
		if err != nil {
			return fmt.Errorf("lint %s: %w", p, err)
		}
		all, sources = append(all, found...), append(sources, read...)
	}
	verdicts, err := readVerdicts(page)
	if err != nil {
		return err
	}
	sample := draw(all, seed)
	right, open := 0, 0
	var rows strings.Builder
	for i, f := range sample {
		v := verdicts[f.key()]
		switch {
		case strings.HasPrefix(v, "true"):
			right++
		case v == "":
			open++
		}
		fmt.Fprintf(&rows, "| %d | %s | %s:%d | %s | `%s` | %s |\n", i+1, f.pkg, f.Path, f.Line, f.Rule, cell(f.Snippet), v)
	}
	head := fmt.Sprintf("# A sample of findings\n\n`make lint-sample` draws %d of the %d findings of `fault lint` in the packages below, "+
		"with seed %d and at most %d of one rule in one language. Most were read in their place, about 20 judged by the "+
		"line and like cases already read. Right is a finding whose message is "+
		"true of the code and worth a change or a comment there. **%d of %d are right: %.0f %%.**\n\n",
		len(sample), len(all), seed, perRule, right, len(sample),
		100*float64(right)/float64(max(1, len(sample))))
	head += packageTable() + "| | package | place | rule | code | verdict |\n|---|---|---|---|---|---|\n"
	if err := os.WriteFile(page, []byte(head+rows.String()), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d findings in %d packages, %d drawn: %d right, %d without a verdict\n",
		len(all), len(packages), len(sample), right, open)
	if err := plantAll(ctx, sources); err != nil {
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

// finding is a finding in a package.
type finding struct {
	lint.Finding
	pkg string
}

func (f finding) key() string { return fmt.Sprintf("%s %s:%d %s", f.pkg, f.Path, f.Line, f.Rule) }

// source is a file of a package.
type source struct{ pkg, path, text string }

// lintPackage returns the findings outside of tests, and all sources.
func lintPackage(ctx context.Context, p pkg, dir string) ([]finding, []source, error) {
	guard, err := tools.NewFileGuard([]string{dir})
	if err != nil {
		return nil, nil, err
	}
	out, err := tools.NewLint(guard).Run(ctx, tools.LintIn{Paths: []string{dir}, Names: []string{"."}})
	if err != nil {
		return nil, nil, err
	}
	found := make([]finding, len(out.Findings))
	for i, f := range out.Findings {
		found[i] = finding{f, p.String()}
	}
	var sources []source
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !slices.Contains([]string{".go", ".py", ".js", ".ts"}, filepath.Ext(path)) {
			return err
		}
		if rel, err := filepath.Rel(dir, path); err != nil || lint.IsTest(rel) {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // the folder is this program's own
		sources = append(sources, source{p.String(), path, string(text)})
		return err
	})
	return found, sources, err
}

// draw picks findings: in an order that depends on the seed only, at most perRule of a rule in a language.
func draw(all []finding, seed uint64) []finding {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b finding) int { return strings.Compare(a.key(), b.key()) })
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	count := map[string]int{}
	var out []finding
	for _, f := range all {
		kind := f.Rule + filepath.Ext(f.Path)
		if count[kind] < perRule && len(out) < sampleSize {
			count[kind]++
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b finding) int {
		return cmp.Or(strings.Compare(a.pkg, b.pkg), strings.Compare(a.Path, b.Path), a.Line-b.Line)
	})
	return out
}

var row = regexp.MustCompile(`(?m)^\| \d+ \| (\S+) \| (\S+) \| (\S+) \| .* \| ([^|]*) \|$`)

// readVerdicts reads the verdicts of a page that was written before.
func readVerdicts(page string) (map[string]string, error) {
	text, err := os.ReadFile(page)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	out := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		out[m[1]+" "+m[2]+" "+m[3]] = strings.TrimSpace(m[4])
	}
	return out, nil
}

func cell(s string) string {
	s = strings.NewReplacer("|", "¦", "`", "'").Replace(s)
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

func packageTable() string {
	var b strings.Builder
	b.WriteString("Packages: ")
	for i, p := range packages {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	return b.String() + ".\n\n"
}
