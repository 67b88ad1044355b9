package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter/lint"
)

const (
	sampleSize = 60
	// perLanguage is how many findings of each language are drawn, if it has as many.
	perLanguage = 12
	// perRule bounds how many findings of one rule in one language are drawn, so that no rule decides alone.
	perRule = 8
)

// finding is a finding in a package.
type finding struct {
	lint.Finding
	pkg string
}

func (f finding) key() string { return fmt.Sprintf("%s %s:%d %s", f.pkg, f.Path, f.Line, f.Rule) }

// language is what a finding counts for, by the extension of its file.
func (f finding) language() string {
	switch ext := filepath.Ext(f.Path); ext {
	case ".tsx", ".mts", ".cts":
		return ".ts"
	case ".jsx", ".mjs", ".cjs":
		return ".js"
	default:
		return ext
	}
}

// draw picks findings in an order that depends on the seed only: perLanguage of each language, at most perRule of a rule in a language.
// Where a language has fewer the rest is filled up from all.
func draw(all []finding, seed uint64) []finding {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b finding) int { return strings.Compare(a.key(), b.key()) })
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	rules, languages, taken := map[string]int{}, map[string]int{}, make([]bool, len(all))
	var out []finding
	for _, bound := range []int{perLanguage, sampleSize} {
		for i, f := range all {
			kind := f.Rule + f.language()
			if !taken[i] && rules[kind] < perRule && languages[f.language()] < bound && len(out) < sampleSize {
				rules[kind]++
				languages[f.language()]++
				taken[i] = true
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b finding) int {
		return cmp.Or(strings.Compare(a.pkg, b.pkg), strings.Compare(a.Path, b.Path), a.Line-b.Line)
	})
	return out
}

// judge writes the page with the drawn findings and the verdicts that it held before, and returns how many are right and how many
// have none.
func judge(page string, all, sample []finding, seed uint64) (right, open int, err error) {
	verdicts, err := readVerdicts(page)
	if err != nil {
		return 0, 0, err
	}
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
		"with seed %d: %d of each language where there are as many, and at most %d of one rule in one language. Each finding was "+
		"read in its place. Right is a finding whose message is true of the code and worth a change or a comment there. "+
		"%d of %d are right: %.0f %%. **Of the first draw from these packages, before rules were mended on them, %s were right**; "+
		"its findings are in [a list of their own](lint-confirmation.md).\n\n",
		len(sample), len(all), seed, perLanguage, perRule, right, len(sample), 100*float64(right)/float64(max(1, len(sample))), first)
	names := make([]string, len(drawn))
	for i, p := range drawn {
		names[i] = p.String()
	}
	head += "Packages: " + strings.Join(names, ", ") + ".\n\n" +
		"| | package | place | rule | code | verdict |\n|---|---|---|---|---|---|\n"
	return right, open, os.WriteFile(page, []byte(head+rows.String()), 0o644)
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
