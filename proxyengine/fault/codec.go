package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Decode makes a fault from an object of a YAML or JSON file, without its "type" key (which is ignored if it is there). Values that
// are nil count as not given, numbers and booleans may be written as text. The result is valid, or err is the first thing
// that is wrong: a *KeyError, a *ValueError or what Validate reports.
func Decode(kind string, values map[string]any) (Spec, error) {
	d, ok := Lookup(kind)
	if !ok {
		return nil, unknownKind(kind)
	}
	s := d.New()
	given := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if key == "type" {
			continue
		}
		f, ok := d.Field(key)
		if !ok {
			return nil, d.unknownKey(key)
		}
		if values[key] == nil {
			continue
		}
		text, err := f.text(values[key])
		if err != nil {
			return nil, err
		}
		if other, twice := given[f.Name]; twice && other != text {
			return nil, f.bad(text, fmt.Sprintf("is given twice, also as %q", other))
		}
		given[f.Name] = text
	}
	for _, f := range d.Fields {
		text, ok := given[f.Name]
		if !ok {
			continue
		}
		if err := f.Set(s, text); err != nil {
			return nil, err
		}
		if other, said := given[f.of]; said && f.contradicts(text, other) {
			return nil, f.bad(text, fmt.Sprintf("contradicts %s %q", f.of, other))
		}
	}
	return s, s.Validate()
}

// contradicts reports whether a synonym with the value text says something else than the value that its target was given.
func (f Field) contradicts(text, target string) bool {
	return f.of != "" && fold(text) == f.when && fold(target) != fold(f.to)
}

// DecodeObject makes a fault from an object that names its kind, either under the key "type" or by being wrapped in an object
// with the kind as its only key, as in {Latency: {…}}.
func DecodeObject(values map[string]any) (Spec, error) {
	if kind, ok := values["type"]; ok {
		name, ok := kind.(string)
		if !ok {
			return nil, unknownKind(fmt.Sprint(kind))
		}
		return Decode(name, values)
	}
	// The published schema lists all kinds as required, with null for those that are not meant.
	var found string
	for key, value := range values {
		if value == nil {
			continue
		}
		if found != "" {
			return nil, fmt.Errorf("a fault is one object with a type: %q and %q stand side by side", min(found, key), max(found, key))
		}
		found = key
	}
	inner, ok := values[found].(map[string]any)
	if !ok {
		return nil, errors.New("a fault needs a type: write \"type: latency\" or another of the faults")
	}
	return Decode(found, inner)
}

func (d Definition) unknownKey(key string) error {
	known, spellings := make([]string, 0, len(d.Fields)), make([]string, 0, 2*len(d.Fields))
	for _, f := range d.Fields {
		known = append(known, f.Name)
		spellings = append(append(spellings, f.Name), f.Aliases...)
	}
	return &KeyError{Fault: d.Kind, Key: key, Nearest: nearest(key, spellings), Known: known}
}

// text turns a decoded value into what Set reads.
func (f Field) text(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", f.bad(fmt.Sprint(v), "is not a number")
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Sprint(v), nil
	case float32:
		return strconv.FormatFloat(float64(v), 'f', -1, 32), nil
	case json.Number:
		return v.String(), nil
	case map[string]any:
		if raw, err := json.Marshal(v); f.objects && err == nil {
			return string(raw), nil
		}
	}
	return "", f.bad(fmt.Sprint(value), "is not "+article(f.Type))
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// member is one key of an encoded fault.
type member struct {
	key   string
	value any
}

// members lists what is written of a fault, in order: settings that have a value, without those that are at their default and say
// nothing to a reader.
func members(s Spec) []member {
	d, _ := Lookup(string(s.Kind()))
	out := []member{{"type", string(s.Kind())}}
	for _, f := range d.Fields {
		text, set := f.Get(s)
		if !set || !f.keep && text == f.Default {
			continue
		}
		var value any = text
		switch f.Type {
		case "number", "integer":
			value = json.Number(text)
		case "boolean":
			value = text == "true"
		case "object":
			value = json.RawMessage(text)
		}
		out = append(out, member{f.Name, value})
	}
	return out
}

// Encode writes a fault as an object with its kind under "type": side, direction and what has a value other than its default.
// Decoding it gives an equal fault.
func Encode(s Spec) map[string]any {
	out := map[string]any{}
	for _, m := range members(s) {
		switch v := m.value.(type) {
		case json.Number:
			m.value, _ = v.Float64() // formatted from a float64 a moment ago
		case json.RawMessage:
			m.value, _ = decodeJSON(v) // and this was checked when it was set
		}
		out[m.key] = m.value
	}
	return out
}

// decodeJSON decodes text, with whole numbers as int64 where they fit, so that none loses digits.
func decodeJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errors.New("something follows the value")
	}
	return numbers(value)
}

// numbers replaces the numbers in a decoded value, in place.
func numbers(value any) (any, error) {
	var err error
	switch v := value.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("%s is out of range", v)
		}
		return f + 0, nil // not -0, which YAML does not keep
	case map[string]any:
		for key, inner := range v {
			if v[key], err = numbers(inner); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, inner := range v {
			if v[i], err = numbers(inner); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// marshal writes the fault as Encode does, with the keys in the order in which people write them.
func marshal(s Spec) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members(s) {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", m.key, err)
		}
		b.WriteString(strconv.Quote(m.key) + ":")
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// List is the faults of a file. In JSON and YAML it is an array of objects as DecodeObject reads them.
type List []Spec

// MarshalJSON writes the faults in order; an empty list is [].
func (l List) MarshalJSON() ([]byte, error) {
	raw := make([]json.RawMessage, len(l))
	for i, s := range l {
		var err error
		if raw[i], err = marshal(s); err != nil {
			return nil, err
		}
	}
	return json.Marshal(raw)
}

// UnmarshalJSON reads and validates the faults; null is an empty list.
func (l *List) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // what is written stays what it is, also inside of objects
	var objects []map[string]any
	if err := decoder.Decode(&objects); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	return l.decode(objects)
}

// MarshalYAML gives the objects to the encoder.
func (l List) MarshalYAML() (any, error) {
	objects := make([]map[string]any, len(l))
	for i, s := range l {
		objects[i] = Encode(s)
	}
	return objects, nil
}

// UnmarshalYAML reads and validates the faults.
func (l *List) UnmarshalYAML(unmarshal func(any) error) error {
	var objects []map[string]any
	if err := unmarshal(&objects); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	return l.decode(objects)
}

func (l *List) decode(objects []map[string]any) error {
	list := make(List, len(objects))
	for i, object := range objects {
		s, err := DecodeObject(object)
		if err != nil {
			return err
		}
		list[i] = s
	}
	*l = list
	return nil
}
