package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	sdk "github.com/mark3labs/mcp-go/mcp"
)

const (
	// maxMessage bounds one message of the client, in bytes.
	maxMessage = 16 << 20
	// finishGrace is how long calls that still run get to finish after the client closed the connection: `echo … | fault agent
	// tool` gets its answers, and an editor that died does not keep load running.
	finishGrace = 1500 * time.Millisecond
	// cancelGrace is how long calls get to return once they are canceled. What does not is abandoned: the process ends.
	cancelGrace = 2 * time.Second
)

// ServeStdio speaks the protocol over in and out, one JSON message a line, until the client closes in or ctx is done, and returns
// within 5 s of either, even while a tool runs; both are a normal end (nil). Nothing but protocol messages is written to out. A
// request that the client canceled is never answered. A read of in that blocks cannot be interrupted: when ctx ends first, one
// goroutine waits for it until the caller closes in or the process ends.
//
// The SDK has a stdio transport, too. This one differs in what it must do: a session for each connection, progress written before
// the answer it belongs to, no answer to a canceled request, and an end that running tools cannot delay.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &connection{server: s, out: out, byID: map[string]*inFlight{}}
	c.session = newSession(c.write)
	if err := s.sdk.RegisterSession(ctx, c.session); err != nil {
		return fmt.Errorf("open the session: %w", err)
	}
	defer s.roots.forget(c.session.id)
	defer s.sdk.UnregisterSession(ctx, c.session.id)
	ctx = s.sdk.WithContext(ctx, c.session)

	var forwarder sync.WaitGroup
	forwarder.Go(func() { c.forward(ctx) })
	defer forwarder.Wait()
	defer cancel()

	ended := make(chan error, 1)
	go func() { ended <- c.read(ctx, in) }()
	var err error
	select {
	case err = <-ended:
		if !c.wait(finishGrace) {
			s.log.Info("the client closed the connection while tools were running, they are canceled")
		}
	case <-ctx.Done():
	}
	cancel()
	if !c.wait(cancelGrace) {
		s.log.Warn("a tool did not return after it was canceled")
	}
	return err
}

// connection is one client's side of a stdio server.
type connection struct {
	server  *Server
	session *session

	writing sync.Mutex
	out     io.Writer

	mu      sync.Mutex
	running int                  // requests that are not answered yet
	byID    map[string]*inFlight // by the JSON text of their id
	idle    chan struct{}        // closed when nothing runs any more; nil while nobody waits
}

// inFlight is one request that is being handled.
type inFlight struct{ cancel context.CancelFunc }

// message is the part of a JSON-RPC message that routing needs.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		RequestID json.RawMessage `json:"requestId"`
	} `json:"params"`
}

// read handles messages until in ends. Requests run on their own goroutines, except initialize, which the next message may rely on.
func (c *connection) read(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxMessage)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		raw := json.RawMessage(bytes.Clone(line))
		var m message
		if err := json.Unmarshal(raw, &m); err != nil {
			c.server.log.Debug("a message is not JSON-RPC", "error", err)
			if err := c.write(c.server.sdk.HandleMessage(ctx, raw)); err != nil {
				return err
			}
			continue
		}
		hasID := len(m.ID) > 0 && !bytes.Equal(m.ID, []byte("null"))
		switch {
		case m.Method == "" && hasID:
			c.session.deliver(m.ID, raw)
		case m.Method == string(sdk.MethodInitialize):
			requestCtx, done := c.begin(ctx, m.ID)
			c.request(requestCtx, m, raw)
			done()
		case hasID:
			requestCtx, done := c.begin(ctx, m.ID)
			go func() {
				defer done()
				c.request(requestCtx, m, raw)
			}()
		default:
			if m.Method == string(sdk.MethodNotificationCancelled) {
				c.canceled(m.Params.RequestID)
				continue
			}
			c.handle(ctx, m, raw)
		}
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("a message of the client is longer than %d MiB", maxMessage>>20)
	}
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		return fmt.Errorf("read from the client: %w", err)
	}
	return nil
}

// request answers one request. The answer of a request that the client canceled is dropped, as the protocol asks.
func (c *connection) request(ctx context.Context, m message, raw json.RawMessage) {
	response := c.handle(ctx, m, raw)
	if response == nil || ctx.Err() != nil {
		return
	}
	if err := c.write(response); err != nil {
		c.server.log.Warn("an answer could not be written", "method", m.Method, "error", err)
	}
}

func (c *connection) handle(ctx context.Context, m message, raw json.RawMessage) (response sdk.JSONRPCMessage) {
	defer func() {
		if p := recover(); p != nil {
			c.server.log.Error("panic while handling a message", "method", m.Method, "panic", p, "stack", string(debug.Stack()))
			if len(m.ID) > 0 {
				response = map[string]any{
					"jsonrpc": sdk.JSONRPC_VERSION, "id": m.ID,
					"error": map[string]any{"code": sdk.INTERNAL_ERROR, "message": "internal error, the log has the details"},
				}
			}
		}
	}()
	return c.server.sdk.HandleMessage(ctx, raw)
}

// write sends one message.
func (c *connection) write(message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err = c.out.Write(append(data, '\n'))
	return err
}

// forward writes the notifications that the SDK queues until ctx is done. Progress does not come this way: it goes straight to
// write, so that the answer it belongs to cannot overtake it.
func (c *connection) forward(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-c.session.notifications:
			if err := c.write(n); err != nil {
				c.server.log.Debug("a notification could not be written", "error", err)
			}
		}
	}
}

// begin registers a request, so that it can be canceled from the moment it was read. The caller calls done once it is answered.
func (c *connection) begin(ctx context.Context, id json.RawMessage) (requestCtx context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	one := &inFlight{cancel: cancel}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running++
	c.byID[string(id)] = one // a client that uses an id twice can cancel the later one
	return ctx, func() {
		cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
		if c.byID[string(id)] == one {
			delete(c.byID, string(id))
		}
		if c.running == 0 && c.idle != nil {
			close(c.idle)
			c.idle = nil
		}
	}
}

func (c *connection) canceled(id json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.byID[string(id)]; one != nil {
		one.cancel()
	}
}

// wait waits until no request runs, at most limit, and reports whether none does.
func (c *connection) wait(limit time.Duration) bool {
	c.mu.Lock()
	if c.running == 0 {
		c.mu.Unlock()
		return true
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-idle:
		return true
	case <-time.After(limit):
		return false
	}
}
