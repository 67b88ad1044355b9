package lint

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter"
)

//go:embed python/*.rule go/*.rule typescript/*.rule java/*.rule
var ruleFiles embed.FS

// folders are the folders of rules, and the languages that they are for.
var folders = []struct {
	name      string
	languages []treesitter.Language
}{
	{"python", []treesitter.Language{treesitter.Python}},
	{"go", []treesitter.Language{treesitter.Go}},
	{"typescript", []treesitter.Language{treesitter.TypeScript, treesitter.JavaScript}},
	{"java", []treesitter.Language{treesitter.Java}},
}

// Rules returns all rules, by language and then by ID. It panics if a rule's file makes no sense, which a test rules out.
func Rules() []Rule {
	rules, err := load()
	if err != nil {
		panic(err)
	}
	return rules
}

func load() ([]Rule, error) {
	var rules []Rule
	for _, folder := range folders {
		entries, err := ruleFiles.ReadDir(folder.name)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := path.Join(folder.name, e.Name())
			data, err := ruleFiles.ReadFile(name)
			if err != nil {
				return nil, err
			}
			rule, err := parseRule(strings.TrimSuffix(e.Name(), ".rule"), string(data))
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", name, err)
			}
			rule.Languages = folder.languages
			rules = append(rules, *rule)
		}
	}
	return rules, nil
}

// parseRule reads a rule's file: lines "key: value", then sections that begin with a line "-- name --".
func parseRule(id, text string) (*Rule, error) {
	rule := &Rule{ID: id}
	head, sections, err := split(text)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(head) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		value = strings.TrimSpace(value)
		switch {
		case key == "" && !ok:
			continue
		case key == "title":
			rule.Title = value
		case key == "severity":
			rule.Severity = Severity(value)
		case key == "concern":
			for c := range strings.FieldsSeq(value) {
				rule.Concerns = append(rule.Concerns, Concern(strings.Trim(c, ",")))
			}
		case key == "message":
			rule.Message = value
		case key == "why":
			rule.Why = value
		case key == "reference":
			rule.Reference = value
		case key == "fix":
			if rule.Fix, err = parseFix(value); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("unknown key %q", key)
		}
	}
	// A backslash in a rule is one of its regular expression; the query language would take it for its own.
	sections["query"] = strings.ReplaceAll(sections["query"], `\`, `\\`)
	rule.Query, rule.Bad, rule.Good, rule.Fixed = sections["query"], sections["bad"], sections["good"], sections["fixed"]
	switch {
	case rule.Title == "" || rule.Message == "" || rule.Why == "" || rule.Query == "" || rule.Bad == "" || rule.Good == "":
		return nil, errors.New("title, message, why, query, bad and good must all be given")
	case !strings.HasPrefix(rule.Reference, "https://"):
		return nil, fmt.Errorf("reference %q is no https URL", rule.Reference)
	case !slices.Contains(Severities(), rule.Severity):
		return nil, fmt.Errorf("severity %q is none of %v", rule.Severity, Severities())
	case len(rule.Concerns) == 0 || slices.ContainsFunc(rule.Concerns, unknownConcern):
		return nil, fmt.Errorf("concern is none of reliability and performance: %v", rule.Concerns)
	case (rule.Fix.Action == "") != (rule.Fixed == ""):
		return nil, errors.New("a fix needs a section fixed, and the other way round")
	}
	return rule, nil
}

func unknownConcern(c Concern) bool { return c != Reliability && c != Performance }

func split(text string) (head string, sections map[string]string, err error) {
	sections = map[string]string{}
	name, body := "", map[string]*strings.Builder{"": {}}
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(trimmed, "-- "); ok && strings.HasSuffix(rest, " --") {
			name = strings.TrimSuffix(rest, " --")
			if !slices.Contains([]string{"query", "bad", "good", "fixed"}, name) {
				return "", nil, fmt.Errorf("unknown section %q", name)
			}
			continue
		}
		if body[name] == nil {
			body[name] = &strings.Builder{}
		}
		body[name].WriteString(line)
	}
	for name, text := range body {
		sections[name] = text.String()
	}
	return sections[""], sections, nil
}
