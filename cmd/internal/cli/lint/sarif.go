package lint

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/fault-project/fault/tools"
	"github.com/fault-project/fault/treesitter/lint"
)

// The parts of SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html) that findings need.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string             `json:"id"`
		ShortDescription     sarifText          `json:"shortDescription"`
		FullDescription      sarifText          `json:"fullDescription"`
		HelpURI              string             `json:"helpUri"`
		DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
		Properties           sarifProperties    `json:"properties"`
	}
	sarifConfiguration struct {
		Level string `json:"level"`
	}
	sarifProperties struct {
		Tags []string `json:"tags"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPlace `json:"physicalLocation"`
	}
	sarifPlace struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int       `json:"startLine"`
		StartColumn int       `json:"startColumn"`
		EndLine     int       `json:"endLine"`
		Snippet     sarifText `json:"snippet"`
	}
)

// levels are SARIF's words for the severities.
var levels = map[lint.Severity]string{lint.Error: "error", lint.Warning: "warning", lint.Info: "note"}

// sarifOf turns findings into a SARIF log with one run, whose rules are those that found something.
func sarifOf(out *tools.LintOut, version string) sarifLog {
	run := sarifRun{
		Tool:       sarifTool{Driver: sarifDriver{Name: "fault lint", Version: version, Rules: []sarifRule{}}},
		ColumnKind: "unicodeCodePoints", Results: []sarifResult{},
	}
	rules := lint.Rules()
	for i := range out.Findings {
		f := &out.Findings[i]
		at := slices.IndexFunc(run.Tool.Driver.Rules, func(r sarifRule) bool { return r.ID == f.Rule })
		if at < 0 {
			at = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(f, rules))
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Rule, RuleIndex: at, Level: levels[f.Severity], Message: sarifText{f.Message},
			Locations: []sarifLocation{{sarifPlace{
				ArtifactLocation: sarifArtifact{sarifURI(f.Path)},
				Region:           sarifRegion{StartLine: f.Line, StartColumn: f.Column, EndLine: f.EndLine, Snippet: sarifText{f.Snippet}},
			}}},
		})
	}
	return sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	}
}

func sarifRuleOf(f *lint.Finding, rules []lint.Rule) sarifRule {
	title := f.Rule
	if at := slices.IndexFunc(rules, func(r lint.Rule) bool { return r.ID == f.Rule }); at >= 0 {
		title = rules[at].Title
	}
	tags := make([]string, len(f.Concerns))
	for i, c := range f.Concerns {
		tags[i] = string(c)
	}
	return sarifRule{
		ID: f.Rule, ShortDescription: sarifText{title}, FullDescription: sarifText{f.Why}, HelpURI: f.Reference,
		DefaultConfiguration: sarifConfiguration{levels[f.Severity]}, Properties: sarifProperties{Tags: tags},
	}
}

// sarifURI is a relative reference for a relative path, and a file URI for an absolute one.
func sarifURI(p string) string {
	u := url.URL{Path: path.Clean(p)}
	if strings.HasPrefix(u.Path, "/") {
		u.Scheme = "file"
	}
	return u.String()
}
