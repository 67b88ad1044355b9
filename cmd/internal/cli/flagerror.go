package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fault-project/fault/internal/nearest"
)

// FlagError turns what the flag parser says into this program's words: the flag or value that is wrong, and the nearest flag or
// what the value may be. It has the signature of [cobra.Command.SetFlagErrorFunc].
func FlagError(cmd *cobra.Command, err error) error {
	seeHelp := "see " + cmd.CommandPath() + " --help"
	var (
		unknown  *pflag.NotExistError
		noValue  *pflag.ValueRequiredError
		badValue *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown):
		if unknown.GetSpecifiedShortnames() != "" {
			return Usagef(seeHelp, "unknown option -%s", unknown.GetSpecifiedShortnames())
		}
		name := unknown.GetSpecifiedName()
		hint := seeHelp
		if absent := absentHint(cmd, name); absent != "" {
			hint = absent
		} else if near := nearest.Of(name, flagNames(cmd)); near != "" {
			hint = fmt.Sprintf("did you mean --%s?", near)
		}
		return Usagef(hint, "unknown option --%s", name)
	case errors.As(err, &noValue):
		value, _ := pflag.UnquoteUsage(noValue.GetFlag())
		return Usagef(seeHelp, "--%s needs a value: --%s %s", noValue.GetSpecifiedName(), noValue.GetSpecifiedName(), value)
	case errors.As(err, &badValue):
		cause := badValue.Unwrap()
		if badValue.GetFlag().Value.Type() == "bool" {
			cause = errors.New("it must be true or false")
		}
		return Usagef(seeHelp, "invalid value %q for --%s: %w", badValue.GetValue(), badValue.GetFlag().Name, cause)
	}
	return &Error{Err: err, Hint: seeHelp, Usage: true}
}

const annotationAbsent = "fault_absent:"

// Absent says what to do when somebody gives cmd, or a command below it, a flag that it does not have on purpose: one that
// settings written for other programs carry.
func Absent(cmd *cobra.Command, hint string, names ...string) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	for _, name := range names {
		cmd.Annotations[annotationAbsent+name] = hint
	}
}

func absentHint(cmd *cobra.Command, name string) string {
	for ; cmd != nil; cmd = cmd.Parent() {
		if hint := cmd.Annotations[annotationAbsent+name]; hint != "" {
			return hint
		}
	}
	return ""
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	add := func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}
