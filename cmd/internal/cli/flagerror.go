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
		if near := nearest.Of(name, flagNames(cmd)); near != "" {
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
