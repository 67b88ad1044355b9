package fault

import (
	"fmt"
	"strconv"
	"strings"
)

// KeyError reports a key, or a kind of fault, that does not exist.
type KeyError struct {
	// Fault is the kind that was being read; "" when the kind itself is unknown.
	Fault Kind
	// Key is what was written.
	Key string
	// Nearest is the known key that resembles it most, "" when none does.
	Nearest string
	// Known lists what is accepted.
	Known []string
}

func (e *KeyError) Error() string {
	what := fmt.Sprintf("unknown fault %q", e.Key)
	if e.Fault != "" {
		what = fmt.Sprintf("%s: unknown key %q", e.Fault, e.Key)
	}
	if e.Nearest != "" {
		return fmt.Sprintf("%s: did you mean %q?", what, e.Nearest)
	}
	return what + ": use one of " + strings.Join(e.Known, ", ")
}

// ValueError reports a value that a setting does not accept. Its text names the key, and what the key accepts.
type ValueError struct {
	Fault Kind
	// Field is the setting; its Name, Flag, range and list of values are for messages of the caller.
	Field Field
	// Value is what was written, "" when the setting is missing.
	Value string
	// Reason completes "VALUE …", or "KEY …" when there is no value.
	Reason string
}

func (e *ValueError) Error() string {
	name := fmt.Sprintf("%s: %s", e.Fault, e.Field.Name)
	if e.Value == "" {
		return name + " " + e.Reason
	}
	return fmt.Sprintf("%s %q %s%s", name, e.Value, e.Reason, e.hint())
}

// hint says what the setting accepts.
func (e *ValueError) hint() string {
	f := e.Field
	var parts []string
	switch {
	case f.Enum != nil:
		parts = append(parts, "use one of "+strings.Join(f.Enum, ", "))
	case f.Min != nil && f.Max != nil:
		parts = append(parts, fmt.Sprintf("use %s to %s", plain(*f.Min), plain(*f.Max)))
	case f.Min != nil:
		parts = append(parts, fmt.Sprintf("use %s or more", plain(*f.Min)))
	}
	if len(parts) == 0 {
		return ""
	}
	if f.Unit != "" {
		parts[0] += " " + f.Unit
	}
	return ": " + parts[0]
}

func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func unknownKind(kind string) error {
	known := make([]string, len(definitions))
	for i, d := range definitions {
		known[i] = string(d.Kind)
	}
	return &KeyError{Key: kind, Nearest: nearest(kind, known), Known: known}
}

// nearest finds the candidate with the fewest edits from name, if there are few enough for it to be a slip.
func nearest(name string, candidates []string) string {
	name = fold(name)
	best, limit := "", max(1, len(name)/2)
	for _, c := range candidates {
		if d := edits(name, fold(c)); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
