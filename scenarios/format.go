package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml"
)

// Format writes scenarios as YAML documents that [Parse] reads as equal values. Nothing is masked.
func Format(scenarios ...Scenario) ([]byte, error) {
	var b bytes.Buffer
	for _, s := range scenarios {
		data, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("format scenario %q: %w", s.Title, err)
		}
		if data, err = yaml.JSONToYAML(data); err != nil {
			return nil, fmt.Errorf("format scenario %q: %w", s.Title, err)
		}
		b.WriteString("---\n")
		b.Write(data)
	}
	return b.Bytes(), nil
}

// formatNumber writes f as short as it can be read back.
func formatNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// sortedMap ranges over m in order of its keys.
func sortedMap(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
