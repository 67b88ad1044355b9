package lint

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Score says how good code is in one respect, from 0 to 1, in terms of what was found in it.
type Score struct {
	// Value is 1 where nothing was found, rounded to two places.
	Value float64 `json:"score"`
	// Explanation says in words where the value comes from.
	Explanation string `json:"explanation"`
}

// weights are how much a finding counts. One error in a function of ordinary length takes more than half of the score.
var weights = map[Severity]float64{Error: 1, Warning: 0.5, Info: 0.2}

// ScoreOf returns the score of code with some lines for a concern: exp(-w/(1+lines/100)), where w is the sum of the weights of the
// findings that concern it. So the same findings weigh less in more code, and no number of them makes it negative.
func ScoreOf(concern Concern, findings []Finding, lines int) Score {
	weight := 0.0
	counts, rules := map[Severity]int{}, []string(nil)
	for i := range findings {
		f := &findings[i]
		if !slices.Contains(f.Concerns, concern) {
			continue
		}
		weight += weights[f.Severity]
		counts[f.Severity]++
		if len(rules) < 5 {
			rules = append(rules, fmt.Sprintf("line %d: %s (%s)", f.Line, f.Message, f.Rule))
		}
	}
	value := math.Round(100*math.Exp(-weight/(1+float64(max(lines, 0))/100))) / 100
	total := counts[Error] + counts[Warning] + counts[Info]
	if total == 0 {
		return Score{Value: value, Explanation: fmt.Sprintf("No rule about %s found anything in %s; rules see patterns, not intent.",
			concern, plural(lines, "line"))}
	}
	var parts []string
	for _, s := range Severities() {
		switch {
		case counts[s] == 0:
		case s == Info:
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s)) // has no plural
		default:
			parts = append(parts, plural(counts[s], string(s)))
		}
	}
	text := fmt.Sprintf("%s about %s in %s (%s): %s", plural(total, "finding"), concern, plural(lines, "line"),
		strings.Join(parts, ", "), strings.Join(rules, "; "))
	if more := total - len(rules); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return Score{Value: value, Explanation: text + "."}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
