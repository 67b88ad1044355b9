package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	sdk "github.com/mark3labs/mcp-go/mcp"
)

// Client is an MCP client, for this program's own needs: the demo tour and tests. It is safe for concurrent use.
type Client struct {
	sdk *client.Client
	// ServerName and ServerVersion are what the server said of itself; Protocol is the version that was agreed on.
	ServerName, ServerVersion, Protocol string

	lastToken atomic.Int64
	mu        sync.Mutex
	progress  map[string]progressFunc
	wait      func() error
}

type progressFunc = func(done, total float64, message string)

// DialOptions say how to reach a server, and what the client tells it.
type DialOptions struct {
	// Command, Args and Env start the server as a child process: Env is added to this process's environment.
	Command string
	Args    []string
	Env     []string
	// Stderr receives the child's standard error; nil discards it.
	Stderr io.Writer
	// Roots are the folders that the client gives the server access to, as absolute paths; nil declares none.
	Roots []string
}

// Dial starts a server as a child process, speaks to it over its standard input and output, and completes the handshake. The
// caller closes the client, which ends the child. Ctx bounds the handshake only.
func Dial(ctx context.Context, o DialOptions) (*Client, error) {
	var options []transport.StdioOption
	if o.Stderr != nil {
		options = append(options, transport.WithCommandStderrWriter(o.Stderr))
	}
	// The child must outlive ctx, which only bounds the handshake: it ends when the client closes its standard input.
	options = append(options, transport.WithCommandFunc(
		func(_ context.Context, command string, env []string, args []string) (*exec.Cmd, error) {
			cmd := exec.CommandContext(context.WithoutCancel(ctx), command, args...)
			cmd.Env = append(cmd.Environ(), env...)
			return cmd, nil
		}))
	c, err := connect(ctx, transport.NewStdioWithOptions(o.Command, o.Env, o.Args, options...), o)
	if err != nil {
		return nil, fmt.Errorf("talk to %s %s: %w", o.Command, strings.Join(o.Args, " "), err)
	}
	return c, nil
}

// InProcess serves s over a pair of pipes, with the same stdio transport as a child process has, and returns a client of it.
// Closing the client ends the server.
func InProcess(ctx context.Context, s *Server, o DialOptions) (*Client, error) {
	serverIn, clientOut := io.Pipe()
	clientIn, serverOut := io.Pipe()
	served := make(chan error, 1)
	go func() {
		err := s.ServeStdio(context.WithoutCancel(ctx), serverIn, serverOut)
		_ = serverOut.Close()
		served <- err
	}()
	c, err := connect(ctx, transport.NewIO(clientIn, clientOut, io.NopCloser(strings.NewReader(""))), o)
	if err != nil {
		_ = clientOut.Close()
		return nil, err
	}
	c.wait = func() error { return <-served }
	return c, nil
}

func connect(ctx context.Context, over transport.Interface, o DialOptions) (*Client, error) {
	c := &Client{progress: map[string]progressFunc{}, wait: func() error { return nil }}
	var options []client.ClientOption
	if o.Roots != nil {
		options = append(options, client.WithRootsHandler(rootsHandler(o.Roots)))
	}
	c.sdk = client.NewClient(over, options...)
	// Start keeps its context for the life of the connection.
	if err := c.sdk.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	c.sdk.OnNotification(c.notified)
	request := sdk.InitializeRequest{}
	request.Params.ProtocolVersion = sdk.LATEST_LEGACY_PROTOCOL_VERSION
	request.Params.ClientInfo = sdk.Implementation{Name: "fault", Version: "1"}
	answer, err := c.sdk.Initialize(ctx, request)
	if err != nil {
		return nil, errors.Join(err, c.sdk.Close())
	}
	c.ServerName, c.ServerVersion, c.Protocol = answer.ServerInfo.Name, answer.ServerInfo.Version, answer.ProtocolVersion
	return c, nil
}

// Close ends the connection and waits for the server to end.
func (c *Client) Close() error {
	return errors.Join(c.sdk.Close(), c.wait())
}

// ToolInfo is a tool as the server describes it.
type ToolInfo struct {
	Name, Title, Description  string
	InputSchema, OutputSchema json.RawMessage
}

// Tools lists the server's tools.
func (c *Client) Tools(ctx context.Context) ([]ToolInfo, error) {
	list, err := c.sdk.ListTools(ctx, sdk.ListToolsRequest{})
	if err != nil {
		return nil, err
	}
	infos := make([]ToolInfo, 0, len(list.Tools))
	for _, t := range list.Tools {
		data, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		var info struct {
			Name, Title, Description  string
			InputSchema, OutputSchema json.RawMessage
		}
		if err := json.Unmarshal(data, &info); err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// Result is a tool's answer.
type Result struct {
	// Text is the text content; Structured the same facts as JSON, nil when the server gave none.
	Text       string
	Structured json.RawMessage
	// IsError says that Text is what went wrong.
	IsError bool
}

// Call calls a tool and blocks until it answers or ctx is done, which cancels the call on the server. Progress, if not nil, is
// called in order from one goroutine. An error of the tool is a Result with IsError, not an error.
func (c *Client) Call(ctx context.Context, name string, args map[string]any, progress func(done, total float64, message string)) (
	*Result, error,
) {
	request := sdk.CallToolRequest{}
	request.Params.Name = name
	request.Params.Arguments = args
	if progress != nil {
		token := fmt.Sprintf("call-%d", c.lastToken.Add(1))
		c.mu.Lock()
		c.progress[token] = progress
		c.mu.Unlock()
		defer func() {
			c.mu.Lock()
			delete(c.progress, token)
			c.mu.Unlock()
		}()
		request.Params.Meta = &sdk.Meta{ProgressToken: token}
	}
	answer, err := c.sdk.CallTool(ctx, request)
	if err != nil {
		return nil, err
	}
	result := &Result{IsError: answer.IsError}
	var texts []string
	for _, content := range answer.Content {
		if text, ok := content.(sdk.TextContent); ok {
			texts = append(texts, text.Text)
		}
	}
	result.Text = strings.Join(texts, "\n")
	if answer.StructuredContent != nil {
		if result.Structured, err = json.Marshal(answer.StructuredContent); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func (c *Client) notified(n sdk.JSONRPCNotification) {
	if n.Method != "notifications/progress" {
		return
	}
	fields := n.Params.AdditionalFields
	token, _ := fields["progressToken"].(string)
	c.mu.Lock()
	progress := c.progress[token]
	c.mu.Unlock()
	if progress == nil {
		return
	}
	done, _ := fields["progress"].(float64)
	total, _ := fields["total"].(float64)
	text, _ := fields["message"].(string)
	progress(done, total, text)
}

// rootsHandler answers the server's question for roots.
type rootsHandler []string

func (h rootsHandler) ListRoots(context.Context, sdk.ListRootsRequest) (*sdk.ListRootsResult, error) {
	result := &sdk.ListRootsResult{}
	for _, path := range h {
		result.Roots = append(result.Roots, sdk.Root{URI: fileURI(path)})
	}
	return result, nil
}
