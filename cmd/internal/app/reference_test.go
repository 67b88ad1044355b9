package app

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fault-project/fault/cmd/internal/cli"
	lintcommand "github.com/fault-project/fault/cmd/internal/cli/lint"
	"github.com/fault-project/fault/mcp"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/scenarios"
	"github.com/fault-project/fault/tools"
	"github.com/fault-project/fault/treesitter/lint"
)

var update = flag.Bool("update", false, "write the reference pages anew")

// The pages of docs/reference are written from the program itself; this test fails when they have fallen behind.
func TestReferencePages(t *testing.T) {
	for name, page := range map[string]func(*testing.T) []byte{
		"commands.md": commandsPage, "faults.md": faultsPage, "mcp-tools.md": toolsPage, "lint-rules.md": rulesPage,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("..", "..", "..", "docs", "reference", name)
			got := page(t)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("docs/reference/%s is not what the program says; run make generate", name)
			}
		})
	}
}

const generated = "<!-- Written by `make generate` from the program itself. -->\n\n"

func commandsPage(*testing.T) []byte {
	f := &cli.Factory{Version: "dev"}
	var b bytes.Buffer
	b.WriteString(generated + "# Commands\n\nA flag beats its environment variable, which beats the default. " +
		"Exit codes: 0 done, 1 failed run or failed expectation, 2 usage, 130 interrupted.\n")
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Name() == "completion" || cmd.Name() == "help" {
			return
		}
		writeCommand(&b, cmd)
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(newRoot(f))
	return b.Bytes()
}

func writeCommand(b *bytes.Buffer, cmd *cobra.Command) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n## `%s`\n\n%s\n", cmd.CommandPath(), strings.TrimSpace(about))
	if cmd.Runnable() {
		fmt.Fprintf(b, "\n```\n%s\n", strings.Replace(cmd.UseLine(), "[flags]", "[OPTIONS]", 1))
		if cmd.Example != "" {
			fmt.Fprintf(b, "\n%s\n", strings.TrimRight(cmd.Example, "\n"))
		}
		b.WriteString("```\n")
	}
	var headings []string
	flags := map[string][]*pflag.Flag{}
	cmd.LocalFlags().SortFlags = false
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" || flag.Name == "version" {
			return
		}
		h := cli.HeadingOf(flag)
		if !slices.Contains(headings, h) {
			headings = append(headings, h)
		}
		flags[h] = append(flags[h], flag)
	})
	for _, h := range headings {
		fmt.Fprintf(b, "\n### %s: %s\n\n| flag | variable | default | |\n|---|---|---|---|\n", cmd.CommandPath(), strings.ToLower(h))
		for _, flag := range flags[h] {
			value, usage := pflag.UnquoteUsage(flag)
			name := "--" + flag.Name
			def := flag.DefValue
			if flag.Value.Type() == "bool" {
				def = strings.TrimSuffix(def, "false")
			} else if value != "" {
				name += " " + value
			}
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", name, code(cli.EnvOf(flag)), code(def), cell(usage))
		}
	}
}

func faultsPage(*testing.T) []byte {
	var b bytes.Buffer
	b.WriteString(generated + "# Faults\n\nWhat each fault does to the bytes is told in [How the faults are modeled](../why/fault-model.md). " +
		"The flags are those of `fault run`, the keys those of a fault in a scenario file (`type` names the fault), " +
		"the arguments those of `fault_run_…_impact_scenario`. Faults compose in the order of this page, the first one outermost.\n")
	for _, d := range fault.Definitions() {
		fmt.Fprintf(&b, "\n## %s\n\n`type: %s` · `--%s` · `%s`\n\n%s\n\n", d.Title, d.Kind, d.Enable.Flag, d.Enable.Env, d.Summary)
		b.WriteString("| key | flag | variable | argument | values | default | |\n|---|---|---|---|---|---|---|\n")
		for _, f := range d.Fields {
			name := "`" + strings.Join(append([]string{f.Name}, f.Aliases...), "`, `") + "`"
			flagName := ""
			if f.Flag != "" {
				flagName = "--" + f.Flag
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", name, code(flagName), code(f.Env), code(f.Arg), cell(valuesOf(f)),
				code(f.Default), cell(f.Usage))
		}
	}
	return b.Bytes()
}

func valuesOf(f fault.Field) string {
	switch {
	case len(f.Enum) > 0:
		return strings.Join(f.Enum, ", ")
	case f.Min != nil && f.Max != nil:
		return strings.TrimSpace(fmt.Sprintf("%g to %g %s", *f.Min, *f.Max, f.Unit))
	case f.Min != nil:
		return strings.TrimSpace(fmt.Sprintf("from %g %s", *f.Min, f.Unit))
	}
	return strings.TrimSpace(f.Type + " " + f.Unit)
}

func toolsPage(t *testing.T) []byte {
	files, err := tools.NewFileGuard(nil)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := tools.NewTargetGuard(nil)
	if err != nil {
		t.Fatal(err)
	}
	indexes := tools.NewIndexes(tools.Places{}, nil)
	none := func(context.Context, []scenarios.Scenario, tools.RunOptions) (*scenarios.Results, error) {
		return nil, nil
	}
	offered := mcp.Tools{
		Index: tools.NewIndex(files, indexes), Search: tools.NewSearch(files, indexes), List: tools.NewList(files),
		Extract: tools.NewExtract(files), Lint: tools.NewLint(files),
		Scores:  []*tools.Score{tools.NewScore(lint.Performance), tools.NewScore(lint.Reliability)},
		Impacts: tools.Impacts(targets, none, nil),
	}
	client, err := mcp.InProcess(t.Context(), mcp.New(mcp.Options{Version: "dev", Tools: offered}), mcp.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	list, err := client.Tools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(generated + "# MCP tools\n\n`fault agent tool` offers these. The text of an answer is what the table says; " +
		"`structuredContent` holds the same facts as an object.\n")
	for _, tool := range list {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n", tool.Name, tool.Description)
		writeArguments(t, &b, tool, usages(offered)[tool.Name])
	}
	return b.Bytes()
}

// usages are what arguments mean, by the names of tools and arguments: the list of tools, which has to stay short, leaves some out.
func usages(offered mcp.Tools) map[string]map[string]string {
	all := map[string][]tools.Argument{
		"fault_index_source_code": offered.Index.Arguments(), "fault_search_code": offered.Search.Arguments(),
		"fault_list_function_names": offered.List.Arguments(), "fault_extract_code_block": offered.Extract.Arguments(),
		"fault_lint": offered.Lint.Arguments(),
	}
	for _, score := range offered.Scores {
		all["fault_score_"+string(score.Concern())] = score.Arguments()
	}
	for _, impact := range offered.Impacts {
		all["fault_run_"+impact.Name()+"_impact_scenario"] = impact.Arguments()
	}
	out := map[string]map[string]string{}
	for tool, arguments := range all {
		out[tool] = map[string]string{}
		for _, a := range arguments {
			out[tool][a.Name] = a.Usage
		}
	}
	return out
}

// writeArguments lists the arguments in the order of the schema's text, which is the order in which they are offered.
func writeArguments(t *testing.T, b *bytes.Buffer, tool mcp.ToolInfo, usage map[string]string) {
	var schema struct {
		Required   []string
		Properties map[string]struct {
			Type        any
			Description string
			Enum        []any
			Minimum     *float64
			Maximum     *float64
			Default     any
		}
	}
	if err := json.Unmarshal(tool.InputSchema, &schema); err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		names = append(names, name)
	}
	position := func(name string) int { return bytes.Index(tool.InputSchema, []byte(`"`+name+`":{`)) }
	slices.SortFunc(names, func(x, y string) int { return position(x) - position(y) })
	b.WriteString("| argument | type | default | |\n|---|---|---|---|\n")
	for _, name := range names {
		p := schema.Properties[name]
		values := fmt.Sprint(p.Type)
		switch {
		case len(p.Enum) > 0:
			values = strings.Trim(fmt.Sprint(p.Enum), "[]")
			values = strings.ReplaceAll(values, " ", ", ")
		case p.Minimum != nil && p.Maximum != nil:
			values += fmt.Sprintf(" from %g to %g", *p.Minimum, *p.Maximum)
		}
		def := ""
		switch {
		case slices.Contains(schema.Required, name):
			def = "required"
		case p.Default != nil:
			def = code(fmt.Sprint(p.Default))
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", name, cell(values), def, cell(usage[name]))
	}
}

func rulesPage(*testing.T) []byte {
	var b bytes.Buffer
	rules := lint.Rules()
	summaries := lintcommand.Summaries(rules)
	fmt.Fprintf(&b, "%s# Lint rules\n\n%d rules, which `fault lint` applies. [How well they do](../lint.md) is measured. "+
		"A comment `fault:ignore RULE` on the line of a finding, or alone on the line above, waves it through.\n\n"+
		"A dash: the language has nothing of the kind, or no way to tell it apart that is precise enough.\n\n| rule |", generated, len(summaries))
	for _, l := range lint.Languages() {
		fmt.Fprintf(&b, " %s |", l)
	}
	b.WriteString(" |\n|---|" + strings.Repeat("---|", len(lint.Languages())+1) + "\n")
	for _, s := range summaries {
		fmt.Fprintf(&b, "| [%s](#%s) |", s.ID, s.ID)
		for _, l := range lint.Languages() {
			severity := "–"
			for _, named := range s.Languages {
				if of, is, _ := strings.Cut(named, " "); of == string(l) {
					severity = is
				}
			}
			fmt.Fprintf(&b, " %s |", severity)
		}
		fmt.Fprintf(&b, " %s |\n", cell(s.Title))
	}
	for _, s := range summaries {
		fmt.Fprintf(&b, "\n## %s\n\n%s. %s [Reference](%s).\n", s.ID, s.Title, s.Why, s.Reference)
		for i := range rules {
			if rules[i].ID != s.ID {
				continue
			}
			language := string(rules[i].Languages[0])
			concerns := make([]string, len(rules[i].Concerns))
			for n, c := range rules[i].Concerns {
				concerns[n] = string(c)
			}
			fmt.Fprintf(&b, "\n%s, %s, %s. Found:\n\n```%s\n%s```\n", language, rules[i].Severity, strings.Join(concerns, " and "), language, rules[i].Bad)
			if rules[i].Fixed != "" {
				fmt.Fprintf(&b, "\nFixed by `--diff`:\n\n```%s\n%s```\n", language, rules[i].Fixed)
			}
			fmt.Fprintf(&b, "\nNot found:\n\n```%s\n%s```\n", language, rules[i].Good)
		}
	}
	return b.Bytes()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "|", `\|`) }
