package mcp

import (
	"context"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	sdk "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// rootsTimeout bounds how long a call waits for the client to say which folders it gives access to.
const rootsTimeout = 2 * time.Second

// rootCache remembers what each client answered, until it says that its roots changed.
type rootCache struct {
	mu        sync.Mutex
	bySession map[string][]string
}

// of returns the roots of the client that makes a call, as absolute paths; nil when the client does not declare roots or does not
// answer. Roots that are no files are left out; a client whose roots are all of that kind gives access to nothing.
func (c *rootCache) of(ctx context.Context, s *Server) []string {
	client, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo)
	// From version 2026-07-28 on the protocol has no requests from the server to the client.
	if !ok || client.GetClientCapabilities().Roots == nil || server.IsModernRequest(ctx) {
		return nil
	}
	c.mu.Lock()
	known, cached := c.bySession[client.SessionID()]
	c.mu.Unlock()
	if cached {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, rootsTimeout)
	defer cancel()
	answer, err := s.sdk.RequestRoots(ctx, sdk.ListRootsRequest{})
	if err != nil {
		s.log.Warn("the client declares roots but does not list them, going on without", "error", err)
		return nil
	}
	var roots []string
	if len(answer.Roots) > 0 {
		roots = []string{}
	}
	for _, root := range answer.Roots {
		if path, ok := filePath(root.URI); ok {
			roots = append(roots, path)
		}
	}
	c.mu.Lock()
	c.bySession[client.SessionID()] = roots
	c.mu.Unlock()
	s.log.Debug("the client gave its roots", "roots", roots)
	return roots
}

// changed forgets what a client answered; it has the signature of a notification handler.
func (c *rootCache) changed(ctx context.Context, _ sdk.JSONRPCNotification) {
	if client := server.ClientSessionFromContext(ctx); client != nil {
		c.forget(client.SessionID())
	}
}

func (c *rootCache) forget(session string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.bySession, session)
}

// filePath returns the path of a file:// URI of this machine.
func filePath(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" {
		return "", false
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/")
	}
	if path = filepath.FromSlash(path); !filepath.IsAbs(path) {
		return "", false
	}
	return path, true
}

// fileURI is the inverse of filePath.
func fileURI(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}
