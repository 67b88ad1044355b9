// Package demo is a small web application to try network faults on. It answers a few simple requests itself and calls an upstream
// for the others, so that a fault on the way to the upstream shows in its own answers. By default the upstream is its own
// /echo: the application needs no network and no other server.
//
// The package uses the standard library alone and carries its own source, so that an installed binary can index and search it.
// One function, callUpstream, is weak on purpose and says so.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	// DefaultAddress is the IP address that the application listens on when no other is asked for.
	DefaultAddress = "127.0.0.1"
	// DefaultPort is the port that the application listens on when no other is asked for.
	DefaultPort = 7070

	// shutdownGrace bounds how long a stopping application waits for the requests that it is still answering.
	shutdownGrace = 5 * time.Second
	// maxBody bounds every body that is read, from a client or from the upstream, in bytes.
	maxBody = 1 << 20
)

// Options configure an App. The zero value is complete.
type Options struct {
	// Upstream is the http:// or https:// URL that /ping and /multi call. Empty means the application's own /echo.
	Upstream string
	// Log receives one line for each request that was answered; nil means none. It is written to by one goroutine at a time.
	Log io.Writer
}

// App is the application. Its methods may be called from any goroutine, Listen and Serve once each and in that order.
type App struct {
	upstream string
	log      io.Writer
	client   *http.Client
	listener net.Listener
}

// New checks the options and returns an application that does not listen yet.
func New(o Options) (*App, error) {
	if o.Upstream != "" {
		u, err := url.Parse(o.Upstream)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("upstream %q: give an http:// or https:// URL, for example http://127.0.0.1:9000/echo", o.Upstream)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = proxyFromEnvironment
	transport.MaxIdleConnsPerHost = 32 // a load test keeps more than the two connections that are the default
	return &App{upstream: o.Upstream, log: o.Log, client: &http.Client{Transport: transport}}, nil
}

// Listen binds the address, "host:port"; port 0 takes any free one. It does not accept connections yet: Serve does.
func (a *App) Listen(ctx context.Context, address string) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // the address is named already
		}
		return fmt.Errorf("demo application cannot listen on %s: %w%s", address, err, listenAdvice(err))
	}
	a.listener = l
	return nil
}

// listenAdvice is what to do about an address that could not be bound, "" when nobody knows.
func listenAdvice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; choose another port, or stop the program that holds this one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; this machine does not have that address, choose 127.0.0.1 or one of its own"
	case errors.Is(err, os.ErrPermission):
		return "; ports below 1024 belong to the system, choose a higher one"
	}
	return ""
}

// Serve answers requests until ctx is done, then stops accepting, gives the requests under way five seconds, closes what is left
// and returns nil. It returns an error only when the listener fails.
func (a *App) Serve(ctx context.Context) error {
	server := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(a.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("demo application: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close() // the grace is over: whoever still waits for the upstream is cut off
	}
	a.client.CloseIdleConnections()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("demo application: %w", err)
	}
	return nil
}

// URL is the base address for a client on the same machine, without a final slash. It is valid after Listen.
func (a *App) URL() string {
	bound, err := netip.ParseAddrPort(a.listener.Addr().String())
	if err != nil {
		return "http://" + a.listener.Addr().String()
	}
	host := bound.Addr().String()
	if bound.Addr().IsUnspecified() {
		host = DefaultAddress // 0.0.0.0 and [::] are addresses to listen on, not to call
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(int(bound.Port())))
}

// UpstreamURL is what /ping and /multi call. It is valid after Listen.
func (a *App) UpstreamURL() string {
	if a.upstream != "" {
		return a.upstream
	}
	return a.URL() + "/echo"
}
