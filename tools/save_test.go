package tools

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fault-project/fault/scenarios"
)

func TestImpactSavesResults(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder with ünicode")
	save, err := SaveBelow(dir)
	if err != nil {
		t.Fatal(err)
	}
	run := func(_ context.Context, list []scenarios.Scenario, _ RunOptions) (*scenarios.Results, error) {
		return &scenarios.Results{Start: 1767225599, End: 1767225600, Results: []scenarios.ScenarioResult{{
			Scenario: list[0],
			Results:  []scenarios.ItemResult{{Target: scenarios.Target{Address: list[0].Items[0].Call.URL}}},
		}}}, nil
	}
	for _, want := range []string{"20251231-235959-packet_loss", "20251231-235959-packet_loss-2"} {
		var out *ImpactOut
		for _, i := range Impacts(&TargetGuard{}, run, save) {
			if i.Name() == "packet_loss" {
				if out, err = i.Run(t.Context(), ImpactIn{URL: "http://u:hunter2@localhost:1/../../x"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if out.Saved != filepath.Join(dir, want) {
			t.Fatalf("saved in %s, want %s", out.Saved, want)
		}
		text, err := os.ReadFile(filepath.Join(out.Saved, "report.md"))
		if err != nil || string(text) != out.Text() {
			t.Errorf("report.md: %v\n%s\nwant\n%s", err, text, out.Text())
		}
		results, err := scenarios.ReadResults(filepath.Join(out.Saved, "results.json"))
		if err != nil || results.Start != 1767225599 || len(results.Results) != 1 {
			t.Errorf("results.json: %+v, %v", results, err)
		}
		if raw, err := os.ReadFile(filepath.Join(out.Saved, "results.json")); err != nil || strings.Contains(string(raw), "hunter2") {
			t.Errorf("results.json has the password, %v", err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

// A measurement is not lost with the file that it could not be written to.
func TestImpactThatCannotBeSaved(t *testing.T) {
	dir := t.TempDir()
	save, err := SaveBelow(filepath.Join(dir, "results"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "results")); err != nil {
		t.Fatal(err)
	}
	i := impact(t, "latency", nil)
	i.save = save
	out, err := i.out(&scenarios.Results{Results: []scenarios.ScenarioResult{{
		Scenario: scenarios.Scenario{Items: make([]scenarios.Item, 1)}, Results: make([]scenarios.ItemResult, 1),
	}}}, 1)
	if err != nil || out.Saved != "" || !strings.Contains(strings.Join(out.Notes, " "), "could not be saved") {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestSaveBelowWhereNothingCanBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := SaveBelow(filepath.Join(file, "below"))
	var user *UserError
	if !errors.As(err, &user) || user.Argument != "--results" || user.Hint == "" {
		t.Errorf("error %v", err)
	}
}
