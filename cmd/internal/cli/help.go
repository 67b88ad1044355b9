package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the column at which help text wraps. It does not depend on the terminal, so that help reads the same everywhere.
const helpWidth = 100

// UseHelp makes cmd and everything below it print its help in this program's layout: flags under their headings, each with its
// environment variable and default.
func UseHelp(cmd *cobra.Command) {
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) })
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		writeHelp(cmd.OutOrStderr(), cmd)
		return nil
	})
}

func writeHelp(w io.Writer, cmd *cobra.Command) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	for paragraph := range strings.SplitSeq(strings.TrimSpace(about), "\n\n") {
		wrap(w, paragraph, 0, helpWidth)
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "Usage:\n  %s\n", usageLine(cmd))
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	writeCommands(w, cmd)
	writeFlags(w, cmd)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nSee \"%s COMMAND --help\" for more about a command.\n", cmd.CommandPath())
	}
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " [OPTIONS] COMMAND"
	}
	line := cmd.UseLine()
	return strings.Replace(line, "[flags]", "[OPTIONS]", 1)
}

func writeCommands(w io.Writer, cmd *cobra.Command) {
	width := 0
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			width = max(width, len(sub.Name()))
		}
	}
	if width == 0 {
		return
	}
	fmt.Fprint(w, "\nCommands:\n")
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(w, "  %-*s  %s\n", width, sub.Name(), sub.Short)
		}
	}
}

// writeFlags lists flags heading by heading, in the order in which they were defined; what every command has comes last.
func writeFlags(w io.Writer, cmd *cobra.Command) {
	var order []string
	groups := map[string][]*pflag.Flag{}
	add := func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		heading := HeadingOf(flag)
		if heading == "" {
			heading = "Options"
		}
		if _, known := groups[heading]; !known {
			order = append(order, heading)
		}
		groups[heading] = append(groups[heading], flag)
	}
	// InheritedFlags adds the flags of the commands above to those of cmd, after its own.
	cmd.InheritedFlags()
	cmd.Flags().SortFlags = false
	cmd.Flags().VisitAll(add)
	for _, heading := range order {
		fmt.Fprintf(w, "\n%s:\n", heading)
		for _, flag := range groups[heading] {
			writeFlag(w, flag)
		}
	}
}

func writeFlag(w io.Writer, flag *pflag.Flag) {
	value, usage := pflag.UnquoteUsage(flag)
	short := "    "
	if flag.Shorthand != "" {
		short = "-" + flag.Shorthand + ", "
	}
	line := "  " + short + "--" + flag.Name
	if value != "" && flag.Value.Type() != "bool" {
		line += " " + value
	}
	fmt.Fprintln(w, line)
	text := usage
	switch flag.Name {
	case "help":
		text = "print this help"
	case "version":
		text = "print the version"
	}
	if env := EnvOf(flag); env != "" {
		text += fmt.Sprintf(" [env: %s]", env)
	}
	if def := defaultOf(flag); def != "" {
		text += fmt.Sprintf(" [default: %s]", def)
	}
	wrap(w, text, 10, helpWidth)
}

// defaultOf returns what the help text shows as a flag's default: nothing for a switch that is off and a value that is empty.
func defaultOf(flag *pflag.Flag) string {
	if flag.Value.Type() == "bool" && flag.DefValue == "false" {
		return ""
	}
	return flag.DefValue
}

// wrap writes text in lines of at most width columns that begin with indent spaces. "[env: X]" and "[default: X]" are never cut.
func wrap(w io.Writer, text string, indent, width int) {
	text = strings.NewReplacer("[env: ", "[env:\x00", "[default: ", "[default:\x00").Replace(text)
	margin := strings.Repeat(" ", indent)
	line := ""
	for word := range strings.FieldsSeq(text) {
		word = strings.ReplaceAll(word, "\x00", " ")
		switch {
		case line == "":
			line = word
		case indent+len(line)+1+len(word) > width:
			fmt.Fprintln(w, margin+line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		fmt.Fprintln(w, margin+line)
	}
}
