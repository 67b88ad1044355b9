// Package tools holds the operations that the command line and the MCP server offer alike, one file each: a struct with what the
// operation needs, and Run, which takes a context and typed arguments and returns typed results. It knows neither the MCP SDK
// nor the command line, and prints nothing. A *[UserError] is for whoever called; everything else is a failure.
package tools

import "strings"

// UserError is an error that the caller of an operation can put right: a wrong argument, a file that is not there, a target that
// may not be called. Any other error of an operation is a failure of the operation itself. The skins (command line, MCP) show
// both as one line; [UserError.Error] is that line.
type UserError struct {
	// Message says what is wrong, in one sentence without a full stop.
	Message string
	// Hint says what to do about it, "" when Message does.
	Hint string
	// Argument is the name of the argument that is wrong, as the caller spelled it, "" when it is not about one.
	Argument string
}

// Error joins the argument, the message and the hint in one line.
func (e *UserError) Error() string {
	var b strings.Builder
	if e.Argument != "" {
		b.WriteString(e.Argument)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}
