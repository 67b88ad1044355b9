package mcp

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fault-project/fault/internal/nearest"
)

// argumentError is a wrong argument in words that let the calling model correct itself: which one, what is accepted, and what was
// probably meant.
type argumentError struct{ message string }

func (e *argumentError) Error() string { return e.message }

func wrongArgument(format string, args ...any) error {
	return &argumentError{message: fmt.Sprintf(format, args...)}
}

// checkArguments checks args against params and returns them with numbers in place of the text they were written as. An argument
// that is null, or an empty text where no text makes sense, counts as absent; one that is absent takes the default that its schema
// names. Anything else that is not exactly what the schema says is a *argumentError.
func checkArguments(params []param, args map[string]any) (map[string]any, error) {
	checked := make(map[string]any, len(params))
	names := make([]string, 0, len(params))
	for _, p := range params {
		names = append(names, p.name)
	}
	for _, name := range sortedKeys(args) {
		if !slices.Contains(names, name) {
			return nil, wrongArgument("unknown argument %q%s; accepted: %s", name, didYouMean(name, names), strings.Join(names, ", "))
		}
	}
	for _, p := range params {
		value, given := args[p.name]
		if !given || value == nil || value == "" && (p.schema.Type != typeString || len(p.schema.Enum) > 0) {
			if p.required {
				text := p.schema.Description
				if len(p.schema.Enum) > 0 {
					text += ", one of " + strings.Join(p.schema.Enum, ", ")
				}
				return nil, wrongArgument("missing argument %q: %s", p.name, text)
			}
			if p.schema.Default != nil {
				checked[p.name] = p.schema.Default
			}
			continue
		}
		if p.asText {
			value = numberFromText(p.schema.Type, value)
		}
		if text, ok := value.(string); ok && slices.ContainsFunc(p.also, func(also string) bool { return strings.EqualFold(also, text) }) {
			checked[p.name] = text
			continue
		}
		value = p.schema.spelled(value)
		if err := p.schema.check(p.name, value); err != nil {
			return nil, err
		}
		checked[p.name] = value
	}
	return checked, nil
}

// check checks a decoded JSON value; path names it in the error.
func (s schema) check(path string, value any) error {
	if !s.hasType(value) {
		return wrongArgument("argument %q must be %s, got %s", path, withArticle(s.Type), describe(value))
	}
	switch v := value.(type) {
	case string:
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			return wrongArgument("argument %q must be one of %s, got %q%s", path, strings.Join(s.Enum, ", "), v, didYouMean(v, s.Enum))
		}
	case float64:
		if s.Minimum != nil && v < *s.Minimum || s.Maximum != nil && v > *s.Maximum {
			return wrongArgument("argument %q must be %s, got %s", path, s.rangeText(), describe(v))
		}
	case []any:
		for i, item := range v {
			if err := s.Items.check(fmt.Sprintf("%s[%d]", path, i), item); err != nil {
				return err
			}
		}
	case map[string]any:
		return s.checkObject(path, v)
	}
	return nil
}

func (s schema) checkObject(path string, object map[string]any) error {
	if s.Properties == nil {
		return nil
	}
	var names []string
	for _, p := range *s.Properties {
		names = append(names, p.name)
	}
	for _, name := range sortedKeys(object) {
		i := slices.Index(names, name)
		if i < 0 && s.AdditionalProperties == nil {
			continue
		}
		if i < 0 {
			return wrongArgument("unknown key %q in argument %q%s; accepted: %s", name, path, didYouMean(name, names),
				strings.Join(names, ", "))
		}
		if err := (*s.Properties)[i].schema.check(path+"."+name, object[name]); err != nil {
			return err
		}
	}
	for _, name := range s.Required {
		if _, given := object[name]; !given {
			return wrongArgument("argument %q lacks the key %q", path, name)
		}
	}
	return nil
}

func (s schema) hasType(value any) bool {
	switch v := value.(type) {
	case string:
		return s.Type == typeString
	case bool:
		return s.Type == typeBoolean
	case float64:
		return s.Type == typeNumber || s.Type == typeInteger && v == math.Trunc(v) && math.Abs(v) < 1<<53
	case []any:
		return s.Type == typeArray
	case map[string]any:
		return s.Type == typeObject
	}
	return false
}

func (s schema) rangeText() string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("between %s and %s", describe(*s.Minimum), describe(*s.Maximum))
	case s.Minimum != nil:
		return "at least " + describe(*s.Minimum)
	}
	return "at most " + describe(*s.Maximum)
}

// numberFromText returns the number or truth value that a text stands for, or the value itself.
func numberFromText(wanted string, value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	switch wanted {
	case typeInteger, typeNumber:
		if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return n
		}
	case typeBoolean:
		if b, err := strconv.ParseBool(strings.TrimSpace(text)); err == nil {
			return b
		}
	}
	return value
}

// spelled returns the accepted value that a text differs from in nothing but letter case, as the documented examples do.
func (s schema) spelled(value any) any {
	text, ok := value.(string)
	if !ok || slices.Contains(s.Enum, text) {
		return value
	}
	for _, accepted := range s.Enum {
		if strings.EqualFold(accepted, strings.TrimSpace(text)) {
			return accepted
		}
	}
	return value
}

func withArticle(typeName string) string {
	switch typeName {
	case typeInteger:
		return "a whole number"
	case typeArray:
		return "a list"
	case typeObject:
		return "an object"
	case typeBoolean:
		return "true or false"
	}
	return "a " + typeName
}

// describe shows a wrong value, shortened.
func describe(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	const limit = 60
	if text := []rune(string(data)); len(text) > limit {
		return string(text[:limit]) + "…"
	}
	return string(data)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func didYouMean(name string, candidates []string) string {
	if near := nearest.Of(name, candidates); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return ""
}
