package fault

import (
	"cmp"
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Field describes one setting of a fault. All of it comes from the tags of the fault's struct.
type Field struct {
	// Name is the key in YAML and JSON; Aliases are other spellings of it.
	Name    string
	Aliases []string
	// Flag is the command-line flag without its dashes, Env the environment variable, Arg the argument of MCP tools; "" where
	// the setting has none.
	Flag, Env, Arg string
	// Usage says what the setting does, without unit, default and range.
	Usage string
	// Default is the value of a setting that is not given; "" for none.
	Default string
	// Type is the JSON type: "string", "number", "integer", "boolean" or "object". As text an object is its JSON.
	Type string
	// Enum lists the accepted values of a string, nil for any. Letter case, "_" and "-" make no difference on input.
	Enum []string
	// Min and Max bound a number, both included; nil for no bound.
	Min, Max *float64
	// Unit is the unit of a number: "ms", "Hz"; "" for none.
	Unit string
	// Object is the JSON Schema of the object that the setting is, or by which it may be given in place of its text; nil for none. It
	// must not be changed.
	Object map[string]any `json:"-"`

	fault   Kind
	index   []int
	keep    bool
	objects bool   // an object is accepted, whatever the type
	when    string // for a synonym: the boolean that sets the target ("true" unless tagged),
	of      string // the key of the target,
	to      string // the value that it gets,
	onto    *Field // and the target itself
}

// synonym is the type of a blank field whose tags declare a boolean setting that stands for a value of another one.
type synonym struct{}

// objectText is a setting that may be given as an object, which reaches its UnmarshalText as JSON. It is written as one, too, if
// isObject says so, and as its text otherwise. objectSchema is the object's JSON Schema.
type objectText interface {
	isObject() bool
	objectSchema() map[string]any
}

// Synonym says which other setting a boolean stands for, if it is one: given the value when, it sets key to value.
func (f Field) Synonym() (key, value string, when bool, ok bool) {
	return f.of, f.to, f.when == "true", f.of != ""
}

// Set parses text and stores it in the fault. An empty text unsets an optional setting and restores the default of another. The
// error is a *ValueError. It panics if the fault is not of the kind that the field belongs to.
func (f Field) Set(s Spec, text string) error {
	if f.of != "" {
		return f.setSynonym(s, text)
	}
	if strings.TrimSpace(text) == "" && f.Default != "" {
		text = f.Default
	}
	v := f.value(s)
	if strings.TrimSpace(text) == "" && v.Kind() != reflect.String {
		v.SetZero()
		return nil
	}
	if v.Kind() == reflect.Pointer {
		value := fresh(v)
		if err := f.parse(value, text); err != nil {
			return err
		}
		v.Set(value.Addr())
		return nil
	}
	return f.parse(v, text)
}

// Get formats the setting. set is false for an optional one that has no value, and for a synonym, which has none of its own.
func (f Field) Get(s Spec) (text string, set bool) {
	if f.of != "" {
		return "", false
	}
	v := f.value(s)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "", false
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64), true
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.String:
		return v.String(), v.String() != ""
	default:
		raw, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		return string(raw), err == nil && len(raw) > 0
	}
}

func (f Field) value(s Spec) reflect.Value {
	return reflect.ValueOf(s).Elem().FieldByIndex(f.index)
}

// fresh is a new value of the type that v has, or points to.
func fresh(v reflect.Value) reflect.Value {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return reflect.New(t).Elem()
}

// clone copies the struct of a fault; what its fields point to is shared.
func clone(s Spec) Spec {
	v := reflect.New(reflect.TypeOf(s).Elem())
	v.Elem().Set(reflect.ValueOf(s).Elem())
	return v.Interface().(Spec)
}

func (f Field) setSynonym(s Spec, text string) error {
	given, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
	if err != nil {
		return f.bad(text, "is not true or false")
	}
	if strconv.FormatBool(given) != f.when {
		return nil
	}
	return f.onto.Set(s, f.to)
}

func (f Field) parse(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return f.bad("", fmt.Sprintf("cannot be read: %v", err))
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Float64:
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return f.bad(text, "is not a number")
		}
		if !f.inRange(n) {
			return f.bad(text, "is out of range")
		}
		v.SetFloat(n)
	case reflect.Int:
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || n != math.Trunc(n) || math.Abs(n) > 1<<53 {
			return f.bad(text, "is not a whole number")
		}
		if !f.inRange(n) {
			return f.bad(text, "is out of range")
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
		if err != nil {
			return f.bad(text, "is not true or false")
		}
		v.SetBool(b)
	case reflect.String:
		canonical, ok := f.canonical(text)
		if !ok {
			return f.bad(text, "is not an accepted value")
		}
		v.SetString(canonical)
	default:
		panic(fmt.Sprintf("fault: %s.%s has the unsupported type %s", f.fault, f.Name, v.Type()))
	}
	return nil
}

func (f Field) inRange(n float64) bool {
	return (f.Min == nil || n >= *f.Min) && (f.Max == nil || n <= *f.Max)
}

// canonical finds the accepted value that text spells; any text where there is no list.
func (f Field) canonical(text string) (string, bool) {
	if f.Enum == nil {
		return text, true
	}
	for _, value := range f.Enum {
		if fold(value) == fold(text) {
			return value, true
		}
	}
	return "", false
}

func (f Field) bad(text, reason string) error {
	return &ValueError{Fault: f.fault, Field: f, Value: text, Reason: reason}
}

// Field finds a setting by its key or another spelling of it.
func (d Definition) Field(key string) (Field, bool) {
	for _, f := range d.Fields {
		if fold(f.Name) == fold(key) {
			return f, true
		}
		for _, alias := range f.Aliases {
			if fold(alias) == fold(key) {
				return f, true
			}
		}
	}
	return Field{}, false
}

// pointerTo is a fault's struct by its pointer, which is what implements Spec.
type pointerTo[T any] interface {
	*T
	Spec
}

// define derives a definition from the tags of T. The tag of the embedded Base carries the prefixes of all flags and environment
// variables of the fault, and the switch that turns it on. A flag and a variable are the prefix and the key, unless the tags flag
// and env say how they end; "-" is for none. What a fault says of a setting of Base in a way of its own stands in that tag, too:
// `probability.flag:"…"` takes the place of the tag flag of Base.Probability.
func define[T any, P pointerTo[T]](title, summary string) Definition {
	var zero P = new(T)
	d := Definition{Kind: zero.Kind(), Title: title, Summary: summary}
	t := reflect.TypeFor[T]()
	embedded, _ := t.FieldByName("Base")
	d.Enable = Field{
		Flag: embedded.Tag.Get("with"), Env: embedded.Tag.Get("withenv"), Type: "boolean", Default: "false",
		Usage: "turn the " + strings.ToLower(title) + " fault on", fault: d.Kind,
	}
	base := make([]Field, 0, embedded.Type.NumField())
	for i := range embedded.Type.NumField() {
		base = append(base, fieldOf(d.Kind, embedded.Tag, embedded.Type.Field(i), []int{embedded.Index[0], i}))
	}
	// The order in which a fault is written: where, what, which way, when, how often.
	d.Fields = append(d.Fields, base[0])
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("key") != "" {
			d.Fields = append(d.Fields, fieldOf(d.Kind, embedded.Tag, t.Field(i), []int{i}))
		}
	}
	d.Fields = append(d.Fields, base[1:]...)
	fields := d.Fields
	for i, f := range fields {
		if f.of != "" {
			target, _ := d.Field(f.of)
			fields[i].onto = &target
		}
	}
	d.New = func() Spec {
		s := P(new(T))
		for _, f := range fields {
			if f.Default != "" && f.of == "" {
				if err := f.Set(s, f.Default); err != nil {
					panic(err) // a default outside its own range: caught by the test of Definitions
				}
			}
		}
		return s
	}
	return d
}

func fieldOf(kind Kind, prefix reflect.StructTag, sf reflect.StructField, index []int) Field {
	tag := func(name string) string {
		if own, ok := prefix.Lookup(sf.Tag.Get("key") + "." + name); ok {
			return own
		}
		return sf.Tag.Get(name)
	}
	f := Field{
		Name: tag("key"), Aliases: list(tag("aliases")), Arg: strings.TrimPrefix(tag("arg"), "-"), Usage: tag("usage"),
		Default: tag("default"), Enum: list(tag("enum")), Min: number(tag("min")), Max: number(tag("max")), Unit: tag("unit"),
		fault: kind, index: index, when: cmp.Or(tag("when"), "true"), of: tag("of"), to: tag("to"),
	}
	_, f.keep = sf.Tag.Lookup("keep")
	if ending := cmp.Or(tag("flag"), strings.ReplaceAll(f.Name, "_", "-")); ending != "-" {
		f.Flag = prefix.Get("flag") + "-" + ending
		f.Env = prefix.Get("env") + "_" + cmp.Or(tag("env"), strings.ToUpper(f.Name))
	}
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[synonym](), t.Kind() == reflect.Bool:
		f.Type = "boolean"
	case t.Kind() == reflect.Float64:
		f.Type = "number"
	case t.Kind() == reflect.Int:
		f.Type = "integer"
	default:
		f.Type = "string"
	}
	if o, ok := reflect.New(t).Interface().(objectText); ok {
		f.objects, f.Object = true, o.objectSchema()
		if o.isObject() {
			f.Type = "object"
		}
	}
	return f
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func number(text string) *float64 {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return &n
}
