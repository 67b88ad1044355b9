package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/fault-project/fault/internal/nearest"
	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/treesitter"
	"github.com/fault-project/fault/treesitter/lint"
)

// Lint applies the rules about reliability and performance to files and folders. It is safe for concurrent use.
type Lint struct{ files *FileGuard }

// NewLint returns the operation; files decides what may be read.
func NewLint(files *FileGuard) *Lint { return &Lint{files} }

// LintIn holds the arguments of [Lint.Run].
type LintIn struct {
	// Paths are files and folders. A file is read whatever its name says about tests; in folders ignored and generated files are
	// left out, and tests unless Tests is set.
	Paths []string `json:"paths"`
	// Severity is the mildest severity to report: error, warning or info (the default).
	Severity string `json:"severity"`
	// Rules and Languages restrict what is looked for; empty means all.
	Rules     []string `json:"rules"`
	Languages []string `json:"-"`
	Tests     bool     `json:"tests"`
	// Diff asks for a diff of the mechanical fixes.
	Diff bool `json:"diff"`
	// Limit is the greatest number of findings to return, the worst if there are more; 0 means all.
	Limit int `json:"limit"`
	// Names are what the paths are called in findings and in the diff, nil to call them what they are.
	Names []string `json:"-"`
	// Roots are the client's folders, nil when it declares none.
	Roots []string `json:"-"`
	// Progress, if set, is told how many files of how many are done. It is never called concurrently.
	Progress func(done, total float64, message string) `json:"-"`
}

// skipTest is the reason for which tests are left out.
const skipTest = "test"

// Run reads the files on all cores. Wrong arguments and paths that cannot be read are a *[UserError].
func (t *Lint) Run(ctx context.Context, in LintIn) (*LintOut, error) {
	options, languages, err := lintOptions(in)
	if err != nil {
		return nil, err
	}
	out := &LintOut{Findings: []lint.Finding{}, Counts: map[lint.Severity]int{}, Skipped: map[string]int{}, Warnings: []string{}}
	list, err := t.list(ctx, in, languages, out.Skipped)
	if err != nil {
		return nil, err
	}
	results, err := lintAll(ctx, list, options, in.Progress)
	if err != nil {
		return nil, err
	}
	var diff strings.Builder
	for i := range results {
		r := &results[i]
		if r.skip != "" {
			out.Skipped[r.skip]++
			continue
		}
		out.Files++
		out.Lines += r.report.Lines
		out.Suppressed += r.report.Suppressed
		out.Findings = append(out.Findings, r.report.Findings...)
		if r.report.Warning != "" {
			out.Warnings = append(out.Warnings, list[i].shown+": "+r.report.Warning)
		}
		out.Fixes += r.fixes
		if in.Diff {
			diff.WriteString(r.diff)
		}
	}
	for i := range out.Findings {
		out.Counts[out.Findings[i].Severity]++
	}
	out.Diff = diff.String()
	out.Performance = lint.ScoreOf(lint.Performance, out.Findings, out.Lines)
	out.Reliability = lint.ScoreOf(lint.Reliability, out.Findings, out.Lines)
	out.Findings, out.Omitted = worst(out.Findings, in.Limit)
	return out, nil
}

// worst returns the worst findings in their order, at most limit of them if that is not 0, and how many there are beside.
func worst(findings []lint.Finding, limit int) (kept []lint.Finding, omitted int) {
	if limit <= 0 || len(findings) <= limit {
		return findings, 0
	}
	kept = make([]lint.Finding, 0, limit)
	room := map[lint.Severity]int{} // how many of each severity are kept
	left := limit
	for _, s := range lint.Severities() {
		for i := range findings {
			if findings[i].Severity == s && left > 0 {
				room[s]++
				left--
			}
		}
	}
	for i := range findings {
		if s := findings[i].Severity; room[s] > 0 {
			room[s]--
			kept = append(kept, findings[i])
		}
	}
	return kept, len(findings) - limit
}

// lintOptions checks the arguments.
func lintOptions(in LintIn) (o lint.Options, languages []treesitter.Language, err error) {
	if len(in.Paths) == 0 {
		return o, nil, &UserError{Argument: "paths", Message: "must not be empty", Hint: "give files or folders"}
	}
	o.Severity = lint.Severity(strings.ToLower(in.Severity))
	if o.Severity != "" && !slices.Contains(lint.Severities(), o.Severity) {
		return o, nil, &UserError{
			Argument: "severity", Message: fmt.Sprintf("unknown severity %q", in.Severity), Hint: "accepted are error, warning, info",
		}
	}
	var known []string
	for _, r := range lint.Rules() {
		known = append(known, r.ID)
	}
	for _, id := range in.Rules {
		if !slices.Contains(known, id) {
			hint := "`fault lint --list-rules` lists them"
			if near := nearest.Of(id, known); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return o, nil, &UserError{Argument: "rules", Message: fmt.Sprintf("unknown rule %q", id), Hint: hint}
		}
	}
	o.Rules = in.Rules
	for _, name := range in.Languages {
		l, err := ruled("languages", name)
		if err != nil {
			return o, nil, err
		}
		languages = append(languages, l)
	}
	return o, languages, nil
}

// lintFile is a file to look at: shown is its path as it is reported.
type lintFile struct {
	allowedFile
	shown    string
	language treesitter.Language
	// named says that it was asked for by its name, and must be there.
	named bool
}

// list finds the files that the arguments mean, each once.
func (t *Lint) list(ctx context.Context, in LintIn, languages []treesitter.Language, skipped map[string]int) ([]lintFile, error) {
	var out []lintFile
	seen := map[string]bool{}
	add := func(f lintFile) {
		switch l, ok := f.languageOf(); {
		case !ok || !slices.Contains(lint.Languages(), l):
			skipped[rag.SkipUnsupported]++
		case len(languages) > 0 && !slices.Contains(languages, l):
			skipped[rag.SkipOtherLanguage]++
		case !seen[f.path]:
			f.language, seen[f.path] = l, true
			out = append(out, f)
		}
	}
	for i, path := range in.Paths {
		name := path
		if i < len(in.Names) {
			name = in.Names[i]
		}
		f, info, err := t.files.resolve("paths", path, in.Roots)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			add(lintFile{allowedFile: f, shown: name, named: true})
			continue
		}
		paths, left, err := rag.Files(ctx, f.path, "")
		if errors.Is(err, fs.ErrPermission) {
			return nil, unreadable(name, err)
		}
		if err != nil {
			return nil, err
		}
		for reason, n := range left {
			skipped[reason] += n
		}
		for _, p := range paths {
			rel, err := filepath.Rel(f.path, p)
			if err != nil {
				return nil, err
			}
			if builtFile.MatchString("/" + filepath.ToSlash(rel)) {
				skipped[rag.SkipGenerated]++
				continue
			}
			if !in.Tests && lint.IsTest(rel) {
				skipped[skipTest]++
				continue
			}
			add(lintFile{allowedFile: allowedFile{path: p, base: f.base}, shown: filepath.Join(name, rel)})
		}
	}
	return out, nil
}

// languageOf tells the language of a file by its name, or by its first line where the name says nothing.
func (f *lintFile) languageOf() (treesitter.Language, bool) {
	if l, ok := treesitter.LanguageOf(f.path, nil); ok || filepath.Ext(f.path) != "" {
		return l, ok
	}
	head, err := f.read(256)
	if err != nil {
		return "", false
	}
	return treesitter.LanguageOf(f.path, head)
}

// lintResult is what was found in one file, or why it was skipped.
type lintResult struct {
	report *lint.Report
	skip   string
	fixes  int
	diff   string
}

// lintAll looks at all files; results have the order of the files.
func lintAll(
	ctx context.Context, files []lintFile, o lint.Options, progress func(done, total float64, message string),
) ([]lintResult, error) {
	results := make([]lintResult, len(files))
	errs := make([]error, len(files))
	next := make(chan int)
	var counting sync.Mutex
	done := 0
	count := func() {
		counting.Lock()
		defer counting.Unlock()
		if done++; progress != nil && (done%100 == 0 || done == len(files)) {
			progress(float64(done), float64(len(files)), fmt.Sprintf("%d of %d files", done, len(files)))
		}
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		workers.Go(func() {
			for i := range next {
				results[i], errs[i] = files[i].lint(ctx, o)
				count()
			}
		})
	}
	for i := range files {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return results, ctx.Err()
}

var generatedSource = regexp.MustCompile(`(?m)^(//|#|/\*) *(Code generated .* DO NOT EDIT|@generated|Generated by the protocol buffer)`)

// unbuiltSource marks programs that are run by hand, mostly to generate code.
var unbuiltSource = regexp.MustCompile(`(?m)^(//go:build|// \+build) (ignore|generate|tools)$`)

// builtFile matches what is made from other sources: scripts in the folders that bundlers write to or with a hash in their name, and
// stubs of Python modules, which hold no code.
var builtFile = regexp.MustCompile(`/(dist|build|built|bundles?|chunks|_app|_?esm|_?cjs|vendor|third_party)/(.*/)?[^/]*\.[cm]?jsx?$` +
	`|\.bundle\.js$|/assets/(.*/)?[^/]*[.-][A-Za-z0-9_-]{8}\.js$|\.pyi$`)

// minifiedLine is the length in bytes from which on a line of a script was written by a program.
const minifiedLine = 5000

func longestLine(src []byte) int {
	longest := 0
	for line := range bytes.Lines(src) {
		longest = max(longest, len(line))
	}
	return longest
}

// unreadable is the error about a path that was asked for and cannot be read.
func unreadable(name string, err error) *UserError {
	return &UserError{Argument: name, Message: reason(err).Error(), Hint: "check who may read it"}
}

func (f *lintFile) lint(ctx context.Context, o lint.Options) (lintResult, error) {
	src, err := f.read(treesitter.MaxBytes + 1)
	if err != nil && f.named {
		return lintResult{}, unreadable(f.shown, err)
	}
	if err != nil {
		return lintResult{skip: rag.SkipUnreadable}, nil //nolint:nilerr // a file that went away is counted, and ends nothing
	}
	if generatedSource.Match(src[:min(len(src), 2048)]) {
		return lintResult{skip: rag.SkipGenerated}, nil
	}
	if f.language == treesitter.JavaScript || f.language == treesitter.TypeScript {
		switch {
		case longestLine(src) > minifiedLine:
			return lintResult{skip: rag.SkipMinified}, nil
		case bytes.Contains(src[max(0, len(src)-256):], []byte("//# sourceMappingURL=")):
			return lintResult{skip: rag.SkipGenerated}, nil
		}
	}
	if f.language == treesitter.Go && unbuiltSource.Match(src[:min(len(src), 2048)]) {
		return lintResult{skip: rag.SkipIgnored}, nil
	}
	report, err := lint.Check(ctx, f.language, filepath.ToSlash(f.shown), src, o)
	switch {
	case errors.Is(err, treesitter.ErrNotUTF8):
		return lintResult{skip: rag.SkipBinary}, nil
	case errors.Is(err, treesitter.ErrTooLarge), errors.Is(err, treesitter.ErrTooSlow):
		return lintResult{skip: rag.SkipLarge}, nil
	case errors.Is(err, treesitter.ErrNoCgo):
		return lintResult{}, &UserError{Message: err.Error()}
	case err != nil:
		return lintResult{}, fmt.Errorf("lint %s: %w", f.shown, err)
	}
	r := lintResult{report: report}
	var edits []lint.Edit
	for i := range report.Findings {
		if fix := report.Findings[i].Fix; fix != nil {
			edits = append(edits, *fix)
		}
	}
	if len(edits) > 0 {
		var fixed string
		fixed, r.fixes = lint.Apply(string(src), edits)
		r.diff = unifiedDiff(filepath.ToSlash(f.shown), string(src), fixed)
	}
	return r, nil
}

// LintFolders returns the folders that paths given on a command line need, for a guard that allows just these: whoever types a path
// may read it. The error is a *[UserError].
func LintFolders(paths []string) ([]string, error) {
	folders := make([]string, 0, len(paths))
	for _, path := range paths {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(absolute)
		if err != nil {
			return nil, &UserError{Argument: path, Message: reason(err).Error(), Hint: "check the path"}
		}
		if !info.IsDir() {
			absolute = filepath.Dir(absolute)
		}
		folders = append(folders, absolute)
	}
	return folders, nil
}
