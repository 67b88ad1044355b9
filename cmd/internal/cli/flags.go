package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fault-project/fault/proxyengine/schedule"
)

// Annotations of a flag that the help text and the environment pass read.
const (
	annotationEnv     = "fault_env"
	annotationHeading = "fault_heading"
	annotationFromEnv = "fault_from_env"
)

// Flags adds flags to a command under one heading of its help text. Every flag has an environment variable: the flag beats it,
// and it beats the default. A usage text names the value in back quotes: "listen on `ADDRESS`".
type Flags struct {
	set     *pflag.FlagSet
	heading string
}

// FlagsOf returns the flags of cmd that stand under heading.
func FlagsOf(cmd *cobra.Command, heading string) Flags {
	cmd.Flags().SortFlags = false
	return Flags{set: cmd.Flags(), heading: heading}
}

// PersistentFlagsOf is like [FlagsOf] for flags that the commands below cmd have too.
func PersistentFlagsOf(cmd *cobra.Command, heading string) Flags {
	cmd.PersistentFlags().SortFlags = false
	return Flags{set: cmd.PersistentFlags(), heading: heading}
}

// String adds a text flag.
func (f Flags) String(p *string, name, env, value, usage string) {
	f.set.StringVar(p, name, value, usage)
	f.bind(name, env)
}

// Strings adds a flag that may be repeated. Its environment variable holds a comma-separated list.
func (f Flags) Strings(p *[]string, name, env, usage string) {
	f.set.Var(&listValue{list: p}, name, usage)
	f.bind(name, env)
}

// Bool adds a switch that is off by default.
func (f Flags) Bool(p *bool, name, env, usage string) {
	f.set.BoolVar(p, name, false, usage)
	f.bind(name, env)
}

// Int adds an integer flag.
func (f Flags) Int(p *int, name, env string, value int, usage string) {
	*p = value
	f.set.Var(&intValue{p: p}, name, usage)
	f.bind(name, env)
}

// Uint64 adds a flag for a non-negative integer.
func (f Flags) Uint64(p *uint64, name, env string, value uint64, usage string) {
	*p = value
	f.set.Var(&uintValue{p: p}, name, usage)
	f.bind(name, env)
}

// Duration adds a flag for a length of time as [schedule.ParseDuration] reads it; it has no default.
func (f Flags) Duration(p *time.Duration, name, env, usage string) {
	f.set.Var(&durationValue{p: p}, name, usage)
	f.bind(name, env)
}

// Var adds a flag of any type.
func (f Flags) Var(v pflag.Value, name, env, usage string) {
	f.set.Var(v, name, usage)
	f.bind(name, env)
}

func (f Flags) bind(name, env string) {
	flag := f.set.Lookup(name)
	flag.Annotations = map[string][]string{annotationHeading: {f.heading}}
	if env != "" {
		flag.Annotations[annotationEnv] = []string{env}
	}
}

// EnvOf returns the environment variable of a flag, "" when it has none.
func EnvOf(flag *pflag.Flag) string {
	if names := flag.Annotations[annotationEnv]; len(names) > 0 {
		return names[0]
	}
	return ""
}

// HeadingOf returns the heading that a flag stands under in the help text.
func HeadingOf(flag *pflag.Flag) string {
	if names := flag.Annotations[annotationHeading]; len(names) > 0 {
		return names[0]
	}
	return ""
}

// ApplyEnv sets every flag of cmd that the command line did not from its environment variable. An empty variable counts as
// unset. A flag that was set this way reports Changed, as if it had been given.
func ApplyEnv(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	if lookup == nil {
		return nil
	}
	var errs []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		env := EnvOf(flag)
		if env == "" || flag.Changed {
			return
		}
		text, ok := lookup(env)
		if !ok || text == "" {
			return
		}
		if err := setFromEnv(flag, text); err != nil {
			errs = append(errs, fmt.Errorf("invalid value %q in environment variable %s: %w", text, env, err))
		}
	})
	if len(errs) > 0 {
		return &Error{Err: errs[0], Hint: "unset the variable, or give it what the flag in --help takes", Usage: true}
	}
	return nil
}

func setFromEnv(flag *pflag.Flag, text string) error {
	values := []string{text}
	if _, ok := flag.Value.(*listValue); ok {
		fields, err := csv.NewReader(strings.NewReader(text)).Read()
		if err != nil {
			return fmt.Errorf("not a comma-separated list: %w", err)
		}
		values = values[:0]
		for _, field := range fields {
			if field = strings.TrimSpace(field); field != "" {
				values = append(values, field)
			}
		}
	}
	for _, value := range values {
		// The flag's own error is taken, not that of pflag's Set, which would name the flag instead of the variable.
		if err := flag.Value.Set(value); err != nil {
			if flag.Value.Type() == "bool" {
				return errors.New("it must be true or false")
			}
			return err
		}
	}
	flag.Changed = true
	flag.Annotations[annotationFromEnv] = []string{"true"}
	return nil
}

// OnCommandLine reports whether the command line itself set a flag, and not an environment variable.
func OnCommandLine(flag *pflag.Flag) bool {
	return flag.Changed && len(flag.Annotations[annotationFromEnv]) == 0
}

// OnCommandLineOf returns [OnCommandLine] for the flags of a command, by name.
func OnCommandLineOf(cmd *cobra.Command) func(flag string) bool {
	return func(name string) bool {
		flag := cmd.Flags().Lookup(name)
		return flag != nil && OnCommandLine(flag)
	}
}

// listValue is a repeatable flag; each use adds one element as it is written, commas included.
type listValue struct {
	list *[]string
}

func (v *listValue) Set(s string) error {
	*v.list = append(*v.list, s)
	return nil
}

func (v *listValue) String() string {
	if v.list == nil {
		return ""
	}
	return strings.Join(*v.list, ",")
}

func (*listValue) Type() string { return "list" }

type intValue struct{ p *int }

func (v *intValue) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return errors.New("it must be a whole number")
	}
	*v.p = n
	return nil
}

func (v *intValue) String() string {
	if v.p == nil {
		return "0"
	}
	return strconv.Itoa(*v.p)
}

func (*intValue) Type() string { return "int" }

type uintValue struct{ p *uint64 }

func (v *uintValue) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return errors.New("it must be a whole number, 0 or more")
	}
	*v.p = n
	return nil
}

func (v *uintValue) String() string {
	if v.p == nil {
		return "0"
	}
	return strconv.FormatUint(*v.p, 10)
}

func (*uintValue) Type() string { return "uint" }

type durationValue struct{ p *time.Duration }

func (v *durationValue) Set(s string) error {
	d, err := schedule.ParseDuration(s)
	if err != nil {
		return err
	}
	*v.p = d
	return nil
}

func (v *durationValue) String() string {
	if v.p == nil || *v.p == 0 {
		return ""
	}
	return schedule.FormatDuration(*v.p)
}

func (*durationValue) Type() string { return "duration" }
