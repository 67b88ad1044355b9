// Package qdranttest is an in-process Qdrant server for tests: the calls that package qdrant makes, over gRPC, on points in memory.
//
// It answers like Qdrant's own client in its ":memory:" mode, with the errors of the server; the end-to-end tests compare both on the
// same requests. What package qdrant does not use is refused as unimplemented.
package qdranttest

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// DefaultVersion is what a server says it is.
const DefaultVersion = "1.17.1"

// Options are how a server behaves.
type Options struct {
	// Address is where it listens; "" is a free port of the loopback interface.
	Address string
	// Key is the API key that it asks for, "" for none.
	Key string
	// TLS, if not nil, makes it speak TLS.
	TLS *tls.Config
	// Version is the version that it says it is; "" means DefaultVersion.
	Version string
	// Before, if not nil, is called before each call with its name ("Points/Upsert"), and may fail or hold it.
	Before func(ctx context.Context, call string) error
	// Record, if not nil, is called with each call and its answer, one after the other, in the order in which they were done.
	Record func(call string, request, response proto.Message, err error)
}

// Server is a running server.
type Server struct {
	Addr net.Addr

	options Options
	grpc    *grpc.Server

	mu          sync.Mutex
	collections map[string]*collection
}

// New starts a server, which ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Start starts a server, which runs until Stop.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: listener.Addr(), options: o, collections: map[string]*collection{}}
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(64 << 20), grpc.MaxSendMsgSize(64 << 20), grpc.UnaryInterceptor(s.intercept),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(o.TLS)))
	}
	s.grpc = grpc.NewServer(options...)
	qdrant.RegisterQdrantServer(s.grpc, health{s: s})
	qdrant.RegisterCollectionsServer(s.grpc, collectionsService{s: s})
	qdrant.RegisterPointsServer(s.grpc, pointsService{s: s})
	go func() { _ = s.grpc.Serve(listener) }() // ends with Stop
	return s, nil
}

// URL returns the address for clients.
func (s *Server) URL() string {
	if s.options.TLS != nil {
		return "https://" + s.Addr.String()
	}
	return "http://" + s.Addr.String()
}

// Stop closes the listener and all connections.
func (s *Server) Stop() { s.grpc.Stop() }

// Points returns how many points there are in all collections.
func (s *Server) Points() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.collections {
		n += len(c.points)
	}
	return n
}

// intercept asks for the key, and does one call after the other, as a shard of the real server does with changes.
func (s *Server) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	call := strings.TrimPrefix(info.FullMethod, "/qdrant.")
	if s.options.Key != "" {
		keys := metadata.ValueFromIncomingContext(ctx, "api-key")
		switch {
		case len(keys) == 0:
			return nil, status.Error(codes.Unauthenticated, "Must provide an API key or an Authorization bearer token")
		case keys[0] != s.options.Key:
			return nil, status.Error(codes.Unauthenticated, "Invalid API key or JWT")
		}
	}
	if s.options.Before != nil {
		if err := s.options.Before(ctx, call); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	response, err := handle(ctx, request)
	if s.options.Record != nil {
		in, _ := request.(proto.Message)
		out, _ := response.(proto.Message)
		s.options.Record(call, in, out, err)
	}
	return response, err
}

type health struct {
	qdrant.UnimplementedQdrantServer
	s *Server
}

func (h health) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: "qdrant - vector search engine", Version: h.s.options.Version}, nil
}
