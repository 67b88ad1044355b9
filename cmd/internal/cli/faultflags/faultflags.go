// Package faultflags gives a command the flags of every fault and reads the faults back from them. All of it follows from the
// definitions of package fault: a fault that is added there has its flags, environment variables and help here.
package faultflags

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/proxyengine/fault"
)

// Set is the fault flags of one command.
type Set struct {
	flags *pflag.FlagSet
}

// Add defines the flags of every fault on cmd, each fault under a heading of its own.
func Add(cmd *cobra.Command) *Set {
	for _, definition := range fault.Definitions() {
		flags := cli.FlagsOf(cmd, definition.Title+" Options")
		enabled := new(bool)
		flags.Bool(enabled, definition.Enable.Flag, definition.Enable.Env, usageOf(definition.Enable))
		for _, field := range inOrder(definition.Fields) {
			if field.Flag == "" {
				continue
			}
			flags.Var(&value{definition: definition, field: field, text: field.Default}, field.Flag, field.Env, usageOf(field))
			if field.Type == "boolean" {
				cmd.Flags().Lookup(field.Flag).NoOptDefVal = "true"
			}
		}
	}
	return &Set{flags: cmd.Flags()}
}

// last are the settings, common to all faults, that the help text shows behind a fault's own; side and direction stand before.
var last = []string{"period", "probability", "match"}

// inOrder sorts settings as a person asks for them: where, which way, how much, when, how often.
func inOrder(fields []fault.Field) []fault.Field {
	place := func(f fault.Field) int {
		switch f.Name {
		case "side":
			return -2
		case "direction":
			return -1
		}
		return slices.Index(last, f.Name) + 1 // 0 for a fault's own
	}
	return slices.SortedStableFunc(slices.Values(fields), func(a, b fault.Field) int { return place(a) - place(b) })
}

// usageOf is a field's help text.
func usageOf(f fault.Field) string {
	text := f.Usage
	if len(f.Enum) > 0 {
		text += " [one of: " + strings.Join(f.Enum, ", ") + "]"
	}
	if f.Max != nil && *f.Max == 1 {
		text += " [from 0 to 1]"
	}
	return text
}

// accepts says which values a field takes.
func accepts(f fault.Field) string {
	number := func(n float64) string { return strings.TrimSpace(strconv.FormatFloat(n, 'f', -1, 64) + " " + f.Unit) }
	switch {
	case len(f.Enum) > 0:
		return ", use " + strings.Join(f.Enum, ", ")
	case f.Min != nil && f.Max != nil:
		return ", use " + number(*f.Min) + " to " + number(*f.Max)
	case f.Min != nil:
		return ", use " + number(*f.Min) + " or more"
	}
	return ""
}

// Specs returns the faults that are turned on, in the order of composition. An option on the command line whose fault is not
// turned on is a usage error; in the environment it waits for the fault to be turned on.
func (s *Set) Specs() (fault.List, error) {
	var specs fault.List
	for _, definition := range fault.Definitions() {
		on := s.flags.Lookup(definition.Enable.Flag).Value.String() == "true"
		spec := definition.New()
		for _, field := range definition.Fields {
			if field.Flag == "" {
				continue
			}
			flag := s.flags.Lookup(field.Flag)
			if !on && cli.OnCommandLine(flag) {
				return nil, cli.Usagef("add --"+definition.Enable.Flag, "--%s has no effect without --%s",
					field.Flag, definition.Enable.Flag)
			}
			if !flag.Changed {
				continue
			}
			if err := field.Set(spec, flag.Value.String()); err != nil {
				return nil, usageError(definition, err)
			}
		}
		if !on {
			continue
		}
		if err := spec.Validate(); err != nil {
			return nil, usageError(definition, err)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// usageError puts a fault's own complaint, which names a key, in terms of the flag that sets it.
func usageError(definition fault.Definition, err error) error {
	var bad *fault.ValueError
	switch {
	case !errors.As(err, &bad) || bad.Field.Flag == "":
		return cli.Usagef("", "--%s: %w", definition.Enable.Flag, err)
	case bad.Value == "":
		return cli.Usagef("add --"+bad.Field.Flag+" "+strings.ToUpper(bad.Field.Name), "--%s: --%s %s",
			definition.Enable.Flag, bad.Field.Flag, bad.Reason)
	}
	return cli.Usagef("", "invalid value %q for --%s: %w", bad.Value, bad.Field.Flag, reason(bad))
}

// reason says what is wrong with a value that the message around it names already.
func reason(bad *fault.ValueError) error {
	return errors.New("it " + bad.Reason + accepts(bad.Field))
}

// value checks what a flag is given as soon as it is parsed, so that the error names the flag or the variable.
type value struct {
	definition fault.Definition
	field      fault.Field
	text       string
}

func (v *value) Set(text string) error {
	err := v.field.Set(v.definition.New(), text)
	var bad *fault.ValueError
	switch {
	case errors.As(err, &bad):
		return reason(bad)
	case err != nil:
		return err
	}
	v.text = text
	return nil
}

func (v *value) String() string { return v.text }

// Type names the value in the help text; "bool" is what a switch is called.
func (v *value) Type() string {
	f := v.field
	switch {
	case f.Type == "boolean":
		return "bool"
	case len(f.Enum) > 0:
		return strings.ToUpper(f.Name)
	case f.Unit != "":
		return strings.ToUpper(f.Unit)
	case f.Type == "number", f.Type == "integer":
		return "N"
	case f.Name == "period":
		return "SCHEDULE"
	}
	return strings.ToUpper(f.Name)
}
