// Package mcp offers the operations of package tools to editors and agents over the Model Context Protocol. It is the only user of
// the MCP SDK: schemas, hints, argument checks, progress, cancellation, transports and the mapping of errors are here, and what the
// tools do is not. It also holds a client, for the program's own needs.
//
// See https://modelcontextprotocol.io/specification/2025-06-18.
package mcp

import (
	"log/slog"

	"github.com/mark3labs/mcp-go/server"
)

// Options are what a server is made of.
type Options struct {
	// Version is the program's.
	Version string
	// Tools are the operations to offer.
	Tools Tools
	// Log receives the server's log; nil discards it. It must never write to the stream that the protocol uses.
	Log *slog.Logger
}

// Server is an MCP server. It is safe for concurrent use; one server may serve many connections.
type Server struct {
	sdk   *server.MCPServer
	log   *slog.Logger
	roots *rootCache
}

// instructions tell the calling model how the tools belong together.
const instructions = "Measure what network faults do to a running endpoint: pass its URL to a fault_run_…_impact_scenario tool, with " +
	"proxies to put the fault between the application and an upstream it calls. To find the code to look at, index the source once " +
	"with fault_index_source_code, then use fault_search_code, fault_list_function_names and fault_extract_code_block. fault_lint and " +
	"fault_score_… tell what in it would fail."

// New returns a server that offers the given tools. It opens and starts nothing.
func New(o Options) *Server { return newServer(o.Version, o.Log, o.Tools.catalog()) }

func newServer(version string, log *slog.Logger, catalog []tool) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{log: log, roots: &rootCache{bySession: map[string][]string{}}}
	s.sdk = server.NewMCPServer("fault", version,
		server.WithToolCapabilities(false),
		server.WithInstructions(instructions),
	)
	s.sdk.AddNotificationHandler("notifications/roots/list_changed", s.roots.changed)
	for _, t := range catalog {
		s.sdk.AddTool(t.definition(), s.handler(t))
	}
	return s
}
