package qdrant

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/fault-project/fault/rag"
)

// DefaultPort is that of Qdrant's gRPC interface. Its REST interface, which is not used, has 6333.
const DefaultPort = 6334

// DefaultLease is how long an update that died keeps others waiting.
const DefaultLease = 10 * time.Second

// maxMessage bounds an answer of the server, in bytes. Requests are kept far below it.
const maxMessage = 64 << 20

// Options say where a server is.
type Options struct {
	// URL is http://HOST:PORT or, with TLS, https://HOST:PORT; without a port it is DefaultPort.
	URL string
	// Key is the API key, or empty.
	Key string
	// Collection, if not empty, is the one collection to use, whatever the indexed directory is: clones of a repository on several
	// machines share it.
	Collection string
	// Lease is how long an update may be silent before another one takes over; 0 means DefaultLease.
	Lease time.Duration
}

// Server is a connection to a server. It is safe for concurrent use.
type Server struct {
	client  *qdrant.Client
	options Options
	url     string // without what is secret
	secure  bool
}

// Dial returns a connection. Nothing is sent before it is needed; the error is about the options, and says what is wrong with the URL.
func Dial(o Options) (*Server, error) {
	return dialTLS(o, &tls.Config{MinVersion: tls.VersionTLS12})
}

func dialTLS(o Options, trust *tls.Config) (*Server, error) {
	host, port, secure, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Lease == 0 {
		o.Lease = DefaultLease
	}
	config := &qdrant.Config{
		Host: host, Port: port, UseTLS: secure, PoolSize: 1,
		// The check would block, and log beside our own log.
		SkipCompatibilityCheck: true,
		KeepAliveTime:          30, KeepAliveTimeout: 10,
		GrpcOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
			grpc.WithChainUnaryInterceptor(authorize(o.Key)),
		},
	}
	if secure {
		config.TLSConfig = trust
	}
	client, err := qdrant.NewClient(config)
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return &Server{
		client: client, options: o, secure: secure, url: scheme + "://" + net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port)),
	}, nil
}

// Close closes the connection.
func (s *Server) Close() error { return s.client.Close() }

// URL returns the server's address, without the key.
func (s *Server) URL() string { return s.url }

// Secure reports whether the connection is encrypted.
func (s *Server) Secure() bool { return s.secure }

// authorize sends the key with each call. The client's own way writes to the process's log when there is no TLS.
func authorize(key string) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		if key != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "api-key", key)
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
}

// parseURL returns the parts of a server's address; an IPv6 host keeps its brackets.
func parseURL(text string) (host string, port int, secure bool, err error) {
	const form = "write it as http://HOST:6334, or https://HOST:6334 for TLS"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", 0, false, errors.New("not the address of a server: " + form)
	case u.User != nil:
		return "", 0, false, errors.New("a name or password in the address: give the API key with --qdrant-api-key or FAULT_QDRANT_API_KEY")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", 0, false, errors.New("something after the port: " + form)
	}
	port = DefaultPort
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return "", 0, false, errors.New("no such port: " + form)
		}
	}
	host = u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host, port, u.Scheme == "https", nil
}

// explain turns an error of a call into one that says what to do, if it is one that somebody can put right.
func (s *Server) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	text := st.Message()
	says := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	refuse := func(message, hint string) error {
		return &rag.StoreError{Message: "Qdrant at " + s.url + " " + message, Hint: hint, Err: err}
	}
	switch st.Code() {
	case codes.Unauthenticated, codes.PermissionDenied:
		if s.options.Key == "" {
			return refuse("wants an API key", "give it with FAULT_QDRANT_API_KEY or --qdrant-api-key")
		}
		return refuse("refuses the API key", "check FAULT_QDRANT_API_KEY or --qdrant-api-key; it must be allowed to write to index")
	case codes.Unavailable:
		switch {
		case says("first record does not look like a TLS handshake"):
			return refuse("does not speak TLS", "write http:// instead of https://")
		case says("no application protocol", "looked like an HTTP/1.1 header", "HTTP/1.1"):
			return refuse("does not speak gRPC there", "give the port of Qdrant's gRPC interface, 6334 by default, not 6333")
		case says("x509:", "certificate", "tls:"):
			return refuse("cannot be trusted: "+last(text), "name its authority's certificate in SSL_CERT_FILE")
		case says("server preface", "connection closed before server preface", "connection reset by peer", "EOF"):
			return refuse("closed the connection at once", "if it expects TLS, write https:// instead of http://")
		case says("no such host", "server misbehaving", "produced zero addresses"):
			return refuse("cannot be found: "+last(text), "check the host in --qdrant-url")
		}
		return refuse("cannot be reached: "+last(text), "check that it runs, and that --qdrant-url has its gRPC port (6334 by default)")
	case codes.Unimplemented:
		return refuse("does not know a call that is needed: "+text, "use Qdrant 1.16 or later, and its gRPC port")
	case codes.ResourceExhausted:
		return refuse("has no room or is asked too often: "+text, "what was done so far is kept for the next time")
	default:
		return refuse("answers: "+text, "")
	}
}

// last returns what went wrong in the end, of a chain of gRPC's explanations.
func last(text string) string {
	if i := strings.LastIndex(text, "desc = "); i >= 0 {
		text = text[i+len("desc = "):]
	}
	text = strings.TrimSpace(strings.Trim(text, `"`))
	if text == "" {
		return "no answer"
	}
	return text
}
