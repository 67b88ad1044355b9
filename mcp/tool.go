package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	sdk "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/fault-project/fault/tools"
)

// hints tell a client what a tool does to the world; all four are set on purpose, because a hint that is absent counts as the
// worst case.
type hints struct {
	readOnly, destructive, idempotent, openWorld bool
}

// tool is one tool as it is offered, and how it is called.
type tool struct {
	name, title, description string
	hints                    hints
	params                   []param
	output                   schema
	// readsFiles says that the tool needs to know the client's roots.
	readsFiles bool
	// call runs the tool with checked arguments.
	call func(ctx context.Context, args map[string]any, s scope) (result, error)
}

// scope is what a call brings beside its arguments.
type scope struct {
	// progress is nil when the client did not ask for it.
	progress func(done, total float64, message string)
	// roots are the folders that the client gives access to; nil when it says nothing about that.
	roots []string
}

// result is what every operation returns: facts that encode as the output schema says, and the same as text.
type result interface{ Text() string }

// operation adapts an operation of package tools, whose input decodes from the arguments by its JSON names. With, if not nil, adds
// what the input takes of the scope.
func operation[In any, Out result](run func(context.Context, In) (Out, error), with func(*In, scope),
) func(context.Context, map[string]any, scope) (result, error) {
	return func(ctx context.Context, args map[string]any, s scope) (result, error) {
		var in In
		data, err := json.Marshal(args)
		if err != nil {
			return nil, fmt.Errorf("encode the arguments: %w", err)
		}
		if err := json.Unmarshal(data, &in); err != nil {
			var user *tools.UserError
			if errors.As(err, &user) {
				return nil, user // says which argument is wrong, and how
			}
			return nil, fmt.Errorf("decode the arguments: %w", err)
		}
		if with != nil {
			with(&in, s)
		}
		return run(ctx, in)
	}
}

// definition is the tool in the SDK's terms.
func (t tool) definition() sdk.Tool {
	return sdk.Tool{
		Name:            t.name,
		Title:           t.title,
		Description:     t.description,
		RawInputSchema:  objectOf(t.params).json(),
		RawOutputSchema: t.output.json(),
		Annotations: sdk.ToolAnnotation{
			ReadOnlyHint:    &t.hints.readOnly,
			DestructiveHint: &t.hints.destructive,
			IdempotentHint:  &t.hints.idempotent,
			OpenWorldHint:   &t.hints.openWorld,
		},
	}
}

// handler answers calls of t. What the caller can put right and what failed both come back as a tool error, which the model sees;
// protocol errors are for messages that are no call of a tool.
func (s *Server) handler(t tool) server.ToolHandlerFunc {
	return func(ctx context.Context, request sdk.CallToolRequest) (answer *sdk.CallToolResult, _ error) {
		began := time.Now()
		log := s.log.With("tool", t.name)
		defer func() {
			if p := recover(); p != nil {
				log.Error("panic in a tool", "panic", p, "stack", string(debug.Stack()))
				answer = toolError(errors.New("internal error, the log has the details"))
			}
		}()
		args, err := argumentsOf(request)
		if err == nil {
			args, err = checkArguments(t.params, args)
		}
		if err != nil {
			log.Info("refused a call", "error", err)
			return toolError(err), nil
		}
		with := scope{progress: s.progress(ctx, request)}
		if t.readsFiles {
			with.roots = s.roots.of(ctx, s)
		}
		log.Debug("call")
		out, err := t.call(ctx, args, with)
		if err != nil {
			log.Info("a call failed", "took", time.Since(began).Round(time.Millisecond), "error", err)
			return toolError(err), nil
		}
		log.Info("answered a call", "took", time.Since(began).Round(time.Millisecond))
		return &sdk.CallToolResult{
			Content:           []sdk.Content{sdk.NewTextContent(out.Text())},
			StructuredContent: out,
		}, nil
	}
}

func argumentsOf(request sdk.CallToolRequest) (map[string]any, error) {
	switch args := request.Params.Arguments.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return args, nil
	default:
		return nil, wrongArgument("the arguments must be an object, got %s", describe(args))
	}
}

// maxError is how much of an error a caller is told, in bytes. Errors quote arguments, which may be of any length, and a model pays
// for every word.
const maxError = 2000

// toolError is an error in one line, with what to do about it. Of one that is too long it is the beginning and the end, because the
// beginning names the argument, and the end is the advice.
func toolError(err error) *sdk.CallToolResult {
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		text = "the call was canceled"
	case errors.Is(err, context.DeadlineExceeded):
		text = "the call took too long: " + text
	}
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError/2], "") + " … " + strings.ToValidUTF8(text[len(text)-maxError/2:], "")
	}
	return sdk.NewToolResultError(text)
}

// progressInterval is the least time between two progress notifications of one call.
const progressInterval = 200 * time.Millisecond

// progress returns a function that tells the client how far a call is, or nil when the client did not ask. Values that do not
// grow are dropped, as the protocol demands.
func (s *Server) progress(ctx context.Context, request sdk.CallToolRequest) func(done, total float64, message string) {
	if request.Params.Meta == nil || request.Params.Meta.ProgressToken == nil {
		return nil
	}
	token := request.Params.Meta.ProgressToken
	var mu sync.Mutex
	last, lastSent := -1.0, time.Time{}
	return func(done, total float64, message string) {
		mu.Lock()
		defer mu.Unlock()
		complete := total > 0 && done >= total
		if done <= last || ctx.Err() != nil || !complete && time.Since(lastSent) < progressInterval {
			return
		}
		last, lastSent = done, time.Now()
		params := map[string]any{"progressToken": token, "progress": done, "message": message}
		if total > 0 {
			params["total"] = total
		}
		if err := s.notify(ctx, "notifications/progress", params); err != nil {
			s.log.Debug("progress could not be sent", "error", err)
		}
	}
}

// notify sends a notification of a call. On stdio it is written at once, so that the call's answer cannot overtake it.
func (s *Server) notify(ctx context.Context, method string, params map[string]any) error {
	if own, ok := server.ClientSessionFromContext(ctx).(*session); ok {
		return own.send(map[string]any{"jsonrpc": sdk.JSONRPC_VERSION, "method": method, "params": params})
	}
	return s.sdk.SendNotificationToClient(ctx, method, params)
}
