package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	sdk "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// session is the one client of a stdio connection. The SDK's own stdio session is one variable for the whole process, which two
// servers in one process (a test, the demo tour) would share; this one belongs to its connection.
type session struct {
	id            string
	notifications chan sdk.JSONRPCNotification
	send          func(message any) error

	initialized atomic.Bool
	level       atomic.Value // sdk.LoggingLevel
	lastRequest atomic.Int64

	mu           sync.Mutex
	client       sdk.Implementation
	capabilities sdk.ClientCapabilities
	protocol     string
	pending      map[string]chan<- answer // our own requests, by id
}

// answer is what the client replied to a request of ours.
type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

var lastSession atomic.Int64

func newSession(send func(message any) error) *session {
	s := &session{
		id:            "stdio-" + strconv.FormatInt(lastSession.Add(1), 10),
		notifications: make(chan sdk.JSONRPCNotification, 64),
		send:          send,
		pending:       map[string]chan<- answer{},
	}
	s.level.Store(sdk.LoggingLevelError)
	return s
}

var (
	_ server.SessionWithLogging         = (*session)(nil)
	_ server.SessionWithClientInfo      = (*session)(nil)
	_ server.SessionWithRoots           = (*session)(nil)
	_ server.SessionWithProtocolVersion = (*session)(nil)
)

func (s *session) SessionID() string                                   { return s.id }
func (s *session) NotificationChannel() chan<- sdk.JSONRPCNotification { return s.notifications }
func (s *session) Initialize()                                         { s.initialized.Store(true) }
func (s *session) Initialized() bool                                   { return s.initialized.Load() }
func (s *session) SetLogLevel(level sdk.LoggingLevel)                  { s.level.Store(level) }
func (s *session) GetLogLevel() sdk.LoggingLevel                       { return s.level.Load().(sdk.LoggingLevel) }

func (s *session) GetClientInfo() sdk.Implementation { return locked(s, &s.client) }

func (s *session) SetClientInfo(info sdk.Implementation) { setLocked(s, &s.client, info) }

func (s *session) GetClientCapabilities() sdk.ClientCapabilities { return locked(s, &s.capabilities) }

func (s *session) SetClientCapabilities(c sdk.ClientCapabilities) { setLocked(s, &s.capabilities, c) }

func (s *session) ProtocolVersion() string { return locked(s, &s.protocol) }

func (s *session) SetProtocolVersion(version string) { setLocked(s, &s.protocol, version) }

func locked[T any](s *session, p *T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *p
}

func setLocked[T any](s *session, p *T, v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*p = v
}

// ListRoots asks the client for its roots. It blocks until the client answers or ctx is done.
func (s *session) ListRoots(ctx context.Context, _ sdk.ListRootsRequest) (*sdk.ListRootsResult, error) {
	id := "fault-" + strconv.FormatInt(s.lastRequest.Add(1), 10)
	replies := make(chan answer, 1)
	s.mu.Lock()
	s.pending[id] = replies
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pending, id)
		s.mu.Unlock()
	}()
	request := map[string]any{"jsonrpc": sdk.JSONRPC_VERSION, "id": id, "method": string(sdk.MethodListRoots)}
	if err := s.send(request); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case reply := <-replies:
		if reply.Error != nil {
			return nil, errors.New("the client answered: " + reply.Error.Message)
		}
		var result sdk.ListRootsResult
		if err := json.Unmarshal(reply.Result, &result); err != nil {
			return nil, fmt.Errorf("read the client's roots: %w", err)
		}
		return &result, nil
	}
}

// deliver hands the client's answer to whoever waits for it. Answers that nobody waits for any more are dropped.
func (s *session) deliver(rawID, message json.RawMessage) {
	var id string
	if json.Unmarshal(rawID, &id) != nil {
		return
	}
	s.mu.Lock()
	replies := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if replies == nil {
		return
	}
	var reply answer
	if err := json.Unmarshal(message, &reply); err == nil {
		replies <- reply
	}
}
