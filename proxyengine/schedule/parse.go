package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a schedule. Spaces around the parts, a separator at the end and any letter case of the two words are accepted; an
// empty text is the schedule that is always active.
func Parse(text string) (Schedule, error) {
	var (
		s       Schedule
		pending bool // the last period is a start that still may get its duration
		sep     byte // the separator before the current clause
		rest    = strings.TrimSpace(text)
	)
	for rest != "" {
		clause, next, after := cut(rest)
		word, value, found := strings.Cut(clause, ":")
		if !found {
			return Schedule{}, fmt.Errorf("schedule %q: %q is neither start:TIME nor duration:TIME", text, clause)
		}
		spec, err := parseSpec(strings.TrimSpace(value))
		if err != nil {
			return Schedule{}, fmt.Errorf("schedule %q: %w", text, err)
		}
		word = strings.ToLower(strings.TrimSpace(word))
		switch {
		case word == "duration" && spec == (Spec{Relative: spec.Relative}):
			return Schedule{}, fmt.Errorf("schedule %q: a duration of 0 would never be active", text)
		case word == "duration" && pending:
			s.periods[len(s.periods)-1].Duration = &spec
			pending = false
		case sep == ',':
			return Schedule{}, fmt.Errorf("schedule %q: separate periods by a semicolon: write %q after ';'", text, clause)
		case word == "duration":
			s.periods = append(s.periods, Period{Duration: &spec})
		case word == "start":
			s.periods = append(s.periods, Period{Start: &spec})
			pending = true
		default:
			return Schedule{}, fmt.Errorf("schedule %q: unknown word %q: use start or duration", text, word)
		}
		sep, rest = after, next
	}
	return s, nil
}

// cut splits off the first clause and says which separator followed it, 0 for none.
func cut(text string) (clause, rest string, sep byte) {
	i := strings.IndexAny(text, ",;")
	if i < 0 {
		return strings.TrimSpace(text), "", 0
	}
	return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), text[i]
}

func parseSpec(text string) (Spec, error) {
	digits, relative := strings.CutSuffix(text, "%")
	if !relative {
		d, err := ParseDuration(text)
		return Spec{Fixed: d}, err
	}
	percent, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 16)
	if err != nil || percent > 100 {
		return Spec{}, fmt.Errorf("%q is no percentage: write a whole number from 0%% to 100%%", text)
	}
	return Spec{Percent: int(percent), Relative: true}, nil
}

// String formats s so that Parse gives the same schedule again; "" when it is always active.
func (s Schedule) String() string {
	var b strings.Builder
	for i, p := range s.periods {
		if i > 0 {
			b.WriteByte(';')
		}
		if p.Start != nil {
			b.WriteString("start:" + p.Start.String())
			if p.Duration != nil {
				b.WriteByte(',')
			}
		}
		if p.Duration != nil {
			b.WriteString("duration:" + p.Duration.String())
		}
	}
	return b.String()
}

// MarshalText formats s as String does.
func (s Schedule) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText parses text as Parse does.
func (s *Schedule) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}
