package fault

import "strings"

// validate checks every setting of s against its range and its list of values.
func validate(s Spec) error {
	d, _ := Lookup(string(s.Kind()))
	for _, f := range d.Fields {
		if f.of != "" {
			continue
		}
		text, set := f.Get(s)
		if !set {
			if f.Default != "" {
				return &ValueError{Fault: d.Kind, Field: f, Reason: "is missing"}
			}
			continue
		}
		if err := f.check(s, text); err != nil {
			return err
		}
	}
	return nil
}

// check parses the value as if it had just been given, without storing it.
func (f Field) check(s Spec, text string) error {
	v := f.value(s)
	if f.Enum != nil && !strings.Contains(","+strings.Join(f.Enum, ",")+",", ","+text+",") {
		return f.bad(text, "is not an accepted value")
	}
	return f.parse(fresh(v), text)
}
