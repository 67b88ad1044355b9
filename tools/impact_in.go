package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/schedule"
	"github.com/fault-project/fault/scenarios"
)

// Ceilings of a measurement. Errors name them.
const (
	maxImpactDuration = 10 * time.Minute
	maxImpactClients  = 100
	maxImpactRate     = 1000 // calls a second, of all clients together
	maxImpactTimeout  = 300  // seconds
	maxImpactBody     = 1 << 20
	maxImpactProxies  = 16
	maxImpactSLOs     = 16
)

// impactMethods are the accepted values of the argument method.
var impactMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// ImpactIn holds the arguments of [Impact.Run]. It is decoded from a JSON object, in which a number may also be written as a
// string, and an empty string, like null, is the same as leaving the argument out. Decoding reports only what is of the wrong
// type; everything else is checked by Run.
type ImpactIn struct {
	URL, Method, Body, Duration string
	Clients, RPS, Timeout, Seed Number
	Proxies                     []string
	SLOs                        []scenarios.SLO
	// Fault holds every other argument: those of the fault, by the names of its definition.
	Fault map[string]string
	// Progress, if set, is told how far the measurement is. It is never called concurrently.
	Progress func(done, total float64, message string)
}

// Number is an argument that was given as a number or as the text of one; "" when it was not given.
type Number string

// impactArguments are the arguments that all measurements share.
var impactArguments = []Argument{
	{Name: "url", Type: "string", Required: true, Usage: "http or https, on loopback unless others are allowed"},
	{Name: "method", Type: "string", Enum: impactMethods, Default: "GET", Usage: "HTTP method"},
	{Name: "body", Type: "string", Usage: "request body"},
	{Name: "duration", Type: "string", Default: "10s", Usage: "of the load: 10s, 1m30s; at most 10m"},
	{Name: "num_clients", Type: "integer", Default: "1", Min: bound(1), Max: bound(maxImpactClients), Usage: "number of clients"},
	{
		Name: "rps", Type: "integer", Default: "3", Min: bound(1), Max: bound(maxImpactRate),
		Usage: "calls a second of each client; num_clients × rps ≤ 1000",
	},
	{
		Name: "timeout", Type: "number", Default: "30", Min: bound(0.001), Max: bound(maxImpactTimeout),
		Usage: "of each call, in seconds",
	},
	{
		Name: "proxies", Type: "array", Items: "string",
		Usage: "LOCALPORT=[protocol://]host[:port]: put the fault on what the application calls through these ports, not on this call",
	},
	{
		Name: "slos", Type: "array", Items: "object",
		Usage: "{type: latency|error|availability, objective: %, threshold: ms or % of errors}; " +
			"by default 99% under 350 ms, 95% under 200 ms",
	},
	{Name: "seed", Type: "integer", Min: bound(0), Usage: "of an earlier run, to repeat its draws"},
}

// Argument describes one argument of an operation, for whoever declares it to callers.
type Argument struct {
	Name, Usage string
	// Type is the JSON type; Items that of an array's elements.
	Type, Items string
	// Default is the value of an argument that is not given, as text; "" for none.
	Default string
	Enum    []string
	// Also are values that are accepted beside those of Enum, and not announced: other spellings of them.
	Also     []string
	Min, Max *float64 // both included; nil for no bound
	Required bool
}

func bound(f float64) *float64 { return &f }

// Arguments lists the arguments: those of all measurements, then those of the fault.
func (t *Impact) Arguments() []Argument {
	list := slices.Clone(impactArguments)
	for _, f := range t.definition.Fields {
		if f.Arg == "" {
			continue
		}
		a := fieldArgument(f)
		_, set := f.Get(t.definition.New())
		a.Required = !set && t.missing(f)
		list = append(list, a)
	}
	return list
}

func fieldArgument(f fault.Field) Argument {
	usage := f.Usage
	if f.Unit != "" {
		usage += ", in " + f.Unit
	}
	return Argument{Name: f.Arg, Usage: usage, Type: f.Type, Default: f.Default, Enum: f.Enum, Min: f.Min, Max: f.Max}
}

// missing reports whether the fault is invalid because the field is not given.
func (t *Impact) missing(f fault.Field) bool {
	var wrong *fault.ValueError
	return errors.As(t.definition.New().Validate(), &wrong) && wrong.Field.Name == f.Name
}

// UnmarshalJSON decodes the arguments.
func (in *ImpactIn) UnmarshalJSON(data []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(data, &given); err != nil {
		return &UserError{Message: "the arguments are not a JSON object"}
	}
	*in = ImpactIn{Progress: in.Progress}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := in.decode(name, bytes.TrimSpace(given[name])); err != nil {
			return err
		}
	}
	return nil
}

func (in *ImpactIn) decode(name string, raw json.RawMessage) (err error) {
	switch name {
	case "url":
		in.URL, err = scalar(name, raw)
	case "method":
		in.Method, err = scalar(name, raw)
	case "body":
		in.Body, err = scalar(name, raw)
	case "duration":
		in.Duration, err = scalar(name, raw)
	case "num_clients":
		in.Clients, err = number(name, raw)
	case "rps":
		in.RPS, err = number(name, raw)
	case "timeout":
		in.Timeout, err = number(name, raw)
	case "seed":
		in.Seed, err = number(name, raw)
	case "proxies":
		in.Proxies, err = decodeProxies(raw)
	case "slos":
		in.SLOs, err = decodeSLOs(raw)
	default:
		var text string
		if text, err = scalar(name, raw); err == nil {
			if in.Fault == nil {
				in.Fault = map[string]string{}
			}
			in.Fault[name] = text
		}
	}
	return err
}

// scalar returns a string, number or boolean as text, and "" for null.
func scalar(name string, raw json.RawMessage) (string, error) {
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return "", nil
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case raw[0] == '{' || raw[0] == '[':
		return "", &UserError{Argument: name, Message: "must be a single value, not a list or an object"}
	}
	return string(raw), nil
}

func number(name string, raw json.RawMessage) (Number, error) {
	text, err := scalar(name, raw)
	return Number(strings.TrimSpace(text)), err
}

func decodeProxies(raw json.RawMessage) ([]string, error) {
	if blank(raw) {
		return nil, nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return nil, &UserError{Argument: "proxies", Message: "must be a list of strings", Hint: `write ["8443=https://api.example.com"]`}
	}
	return list, nil
}

func decodeSLOs(raw json.RawMessage) ([]scenarios.SLO, error) {
	if blank(raw) {
		return nil, nil
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, &UserError{Argument: "slos", Message: "must be a list of objects", Hint: sloHint}
	}
	slos := make([]scenarios.SLO, len(list))
	for i, object := range list {
		for key, value := range object {
			if err := decodeSLO(&slos[i], key, bytes.TrimSpace(value)); err != nil {
				return nil, err
			}
		}
	}
	return slos, nil
}

const sloHint = `write [{"type": "latency", "title": "p95", "objective": 95, "threshold": 200}]`

func decodeSLO(s *scenarios.SLO, key string, raw json.RawMessage) error {
	text, err := scalar("slos", raw)
	if err != nil {
		return err
	}
	switch key {
	case "type", "slo_type":
		s.Type = scenarios.SLOType(strings.ToLower(strings.TrimSpace(text)))
	case "title":
		s.Title = text
	case "objective":
		s.Objective, err = strconv.ParseFloat(text, 64)
	case "threshold":
		s.Threshold, err = strconv.ParseFloat(text, 64)
	case "explanation", "unit", "window", "sli": // what an SLO suggestion carries beside
	default:
		return &UserError{Argument: "slos", Message: fmt.Sprintf("unknown key %q", key), Hint: "use type, title, objective and threshold"}
	}
	if err != nil {
		return &UserError{Argument: "slos", Message: fmt.Sprintf("%s %q is not a number", key, text), Hint: sloHint}
	}
	return nil
}

// blank reports whether an argument counts as not given.
func blank(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(raw, []byte("null")) || bytes.Equal(raw, []byte(`""`))
}

// float returns the value, or the argument's default when it is not given.
func (n Number) float(a Argument) (float64, error) {
	text := string(n)
	if text == "" {
		text = a.Default
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || f != f:
		return 0, &UserError{Argument: a.Name, Message: fmt.Sprintf("%q is not a number", text), Hint: a.accepted()}
	case a.Type == "integer" && f != float64(int64(f)):
		return 0, &UserError{Argument: a.Name, Message: fmt.Sprintf("%q is not a whole number", text), Hint: a.accepted()}
	case a.Min != nil && f < *a.Min || a.Max != nil && f > *a.Max:
		return 0, &UserError{Argument: a.Name, Message: text + " is out of range", Hint: a.accepted()}
	}
	return f, nil
}

// accepted says which values are.
func (a Argument) accepted() string {
	text := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch {
	case a.Enum != nil:
		return "use one of " + strings.Join(a.Enum, ", ")
	case a.Min != nil && a.Max != nil:
		return fmt.Sprintf("use %s to %s", text(*a.Min), text(*a.Max))
	case a.Min != nil:
		return fmt.Sprintf("use %s or more", text(*a.Min))
	}
	return ""
}

// argument returns the description of an argument that all measurements share.
func argument(name string) Argument {
	i := slices.IndexFunc(impactArguments, func(a Argument) bool { return a.Name == name })
	return impactArguments[i]
}

func (in *ImpactIn) seed() (uint64, error) {
	if in.Seed == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(in.Seed), 10, 64)
	if err != nil {
		return 0, &UserError{
			Argument: "seed", Message: fmt.Sprintf("%q is not a whole number", in.Seed), Hint: "use 0 or more; 0 draws one",
		}
	}
	return n, nil
}

// duration returns the parsed duration, and its text as it goes into the scenario.
func (in *ImpactIn) duration() (time.Duration, string, error) {
	a := argument("duration")
	text := strings.TrimSpace(in.Duration)
	if text == "" {
		text = a.Default
	}
	d, err := schedule.ParseDuration(text)
	if err != nil {
		return 0, "", &UserError{Argument: a.Name, Message: err.Error(), Hint: "write it as 10s or 1m30s"}
	}
	if d <= 0 || d > maxImpactDuration {
		return 0, "", &UserError{
			Argument: a.Name, Message: text + " is out of range",
			Hint: "use more than 0 and at most " + schedule.FormatDuration(maxImpactDuration),
		}
	}
	return d, schedule.FormatDuration(d), nil
}
