// Package lint is the command `fault lint`.
package lint

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
	"github.com/fault-project/fault/tools"
	"github.com/fault-project/fault/treesitter/lint"
)

// Options are what `fault lint` was asked for.
type Options struct {
	Paths     []string
	Format    string
	Severity  string
	FailOn    string
	Rules     []string
	Languages []string
	Tests     bool
	Diff      bool
	ListRules bool

	f *cli.Factory
}

// never is the value of --fail-on with which findings do not fail the command.
const never = "never"

// New returns the command; runF, if not nil, replaces what it does.
func New(f *cli.Factory, runF cli.RunFunc[Options]) *cobra.Command {
	o := &Options{f: f}
	cmd := &cobra.Command{
		Use:   "lint PATH… [flags]",
		Short: "Find what makes code fail or slow down when the network does",
		Long: "Find what makes code fail or slow down when the network does: calls without a timeout, errors that nobody sees, " +
			"connections that are never closed. Reads Python, Go, TypeScript, JavaScript and Java; in folders, ignored and " +
			"generated files and tests are left out. A comment `fault:ignore RULE` on the line, or alone on the line above, " +
			"waves a finding through. No model is asked, and nothing leaves this machine. " +
			"The exit code is 1 when there is a finding as bad as --fail-on.",
		Example: "  fault lint src/\n  fault lint --severity error --format sarif . > lint.sarif\n  fault lint --diff src/ | git apply",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Paths = args
			if err := o.check(cmd); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return o.run(cmd.Context())
		},
	}
	what := cli.FlagsOf(cmd, "What to Look For")
	what.String(&o.Severity, "severity", "FAULT_LINT_SEVERITY", string(lint.Info),
		"report findings that are at least `SEVERITY`: error, warning or info")
	what.Strings(&o.Rules, "rules", "FAULT_LINT_RULES", "apply `RULE` only; may be repeated, or hold several with commas between")
	what.Strings(&o.Languages, "lang", "FAULT_LINT_LANG", "read files of `LANGUAGE` only; may be repeated")
	what.Bool(&o.Tests, "tests", "FAULT_LINT_TESTS", "look at tests, too")
	output := cli.FlagsOf(cmd, "Output Options")
	output.String(&o.Format, "format", "FAULT_LINT_FORMAT", "text", "print the findings as `FORMAT`: text, json or sarif")
	output.String(&o.FailOn, "fail-on", "FAULT_LINT_FAIL_ON", string(lint.Warning),
		"end with exit code 1 when a finding is at least `SEVERITY`: error, warning, info, or never")
	output.Bool(&o.Diff, "diff", "FAULT_LINT_DIFF", "print the mechanical fixes as a unified diff, and nothing else")
	output.Bool(&o.ListRules, "list-rules", "FAULT_LINT_LIST_RULES", "print the rules instead")
	return cmd
}

func (o *Options) check(cmd *cobra.Command) error {
	if !o.ListRules {
		if err := cli.RangeArgs(1, -1, "PATH")(cmd, o.Paths); err != nil {
			return err
		}
	}
	severities := []string{string(lint.Error), string(lint.Warning), string(lint.Info)}
	for _, flag := range []struct {
		name, value string
		accepted    []string
	}{
		{"format", o.Format, []string{"text", "json", "sarif"}},
		{"severity", o.Severity, severities},
		{"fail-on", o.FailOn, append(slices.Clone(severities), never)},
	} {
		if !slices.Contains(flag.accepted, flag.value) {
			return cli.Usagef("it may be "+strings.Join(flag.accepted, ", "), "invalid value %q for --%s", flag.value, flag.name)
		}
	}
	var rules []string
	for _, r := range o.Rules {
		rules = append(rules, strings.FieldsFunc(r, func(c rune) bool { return c == ',' || c == ' ' })...)
	}
	o.Rules = rules
	return nil
}

func (o *Options) run(ctx context.Context) error {
	if o.ListRules {
		return o.list()
	}
	folders, err := tools.LintFolders(o.Paths)
	if err != nil {
		return usage(err)
	}
	files, err := tools.NewFileGuard(folders)
	if err != nil {
		return usage(err)
	}
	absolute, names := make([]string, len(o.Paths)), slices.Clone(o.Paths)
	here, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	for i, path := range o.Paths {
		if absolute[i], err = filepath.Abs(path); err != nil {
			return err
		}
		// git apply wants paths below the working directory, however they were typed.
		if below, err := filepath.Rel(here, absolute[i]); o.Diff && err == nil && filepath.IsLocal(below) {
			names[i] = below
		}
	}
	out, err := tools.NewLint(files).Run(ctx, tools.LintIn{
		Paths: absolute, Names: names, Severity: o.Severity, Rules: o.Rules, Languages: o.Languages, Tests: o.Tests, Diff: true,
	})
	if err != nil {
		return usage(err)
	}
	switch {
	case o.Diff:
		_, err = io.WriteString(o.f.Out, out.Diff)
	case o.Format == "json":
		err = writeJSON(o.f.Out, out)
	case o.Format == "sarif":
		err = writeJSON(o.f.Out, sarifOf(out, o.f.Version))
	default:
		err = o.text(out)
	}
	if err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	failed := func(f lint.Finding) bool { return f.Severity.AtLeast(lint.Severity(o.FailOn)) }
	if o.FailOn != never && slices.ContainsFunc(out.Findings, failed) {
		return cli.ErrFailed
	}
	return nil
}

// usage marks an error about an argument as one of usage, under the name that the flag has.
func usage(err error) error {
	var user *tools.UserError
	if !errors.As(err, &user) {
		return err
	}
	name := user.Argument
	switch name {
	case "rules", "severity":
		name = "--" + name + ": "
	case "languages":
		name = "--lang: "
	case "paths", "":
		name = ""
	default:
		name += ": "
	}
	return cli.Usagef(user.Hint, "%s%s", name, user.Message)
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
