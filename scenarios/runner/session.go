package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/stream"
)

// drain is how long exchanges of the application may still take when the run is over. The runner's own calls have ended by then.
const drain = 500 * time.Millisecond

// errOver is the cause with which a finished run ends the context of what it started.
var errOver = errors.New("the run is over")

// engine is what a run needs of a *proxyengine.Engine.
type engine interface {
	Start(ctx context.Context) error
	Run(ctx context.Context) error
	Apply(p proxyengine.Program) error
	Faults() []proxyengine.FaultState
	SetFaults(list []proxyengine.Fault) error
	SetMappings(ctx context.Context, mappings []proxyengine.Mapping) error
	ProxyAddr() net.Addr
	Seed() uint64
}

func openEngine(c proxyengine.Config) (engine, error) { return proxyengine.New(c) }

// session is one run: its engine, and the records of the item that is being run.
type session struct {
	runner *Runner
	engine engine
	// proxy is the engine's HTTP proxy, nil when it has none.
	proxy *url.URL
	// current takes the events of the item that is being run; nil between two items.
	current atomic.Pointer[tracker]
	// close ends the engine and returns when everything is closed.
	close func()
}

// open starts an engine for jobs. The returned context is done when ctx is, and when the engine fails, with its error as cause.
func (r *Runner) open(ctx context.Context, jobs []job) (*session, context.Context, error) {
	s := &session{runner: r}
	config := proxyengine.Config{
		Program: faultless,
		Seed:    r.options.Seed,
		Sink:    s.receive,
		Drain:   drain,
		Logger:  r.options.Logger,
	}
	if slices.ContainsFunc(jobs, func(j job) bool { return !j.direct }) {
		config.ProxyAddress = cmp.Or(r.options.ProxyAddress, "127.0.0.1:0")
	} else if config.Mappings = jobs[0].mappings; len(config.Mappings) == 0 {
		config.ProxyAddress = "127.0.0.1:0" // an engine has to listen on something
	}
	e, err := r.newEngine(config)
	if err != nil {
		return nil, nil, err
	}
	// The engine outlives a canceled ctx: calls in flight end first, then the engine does.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	if err := e.Start(alive); err != nil {
		end()
		return nil, nil, err
	}
	s.engine = e
	if addr := e.ProxyAddr(); config.ProxyAddress != "" && addr != nil {
		s.proxy = &url.URL{Scheme: "http", Host: dialable(addr)}
	}
	running, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.Run(alive); err != nil {
			cancel(fmt.Errorf("the proxy failed: %w", err))
		}
	}()
	s.close = func() {
		end()
		<-done
		cancel(errOver)
	}
	return s, running, nil
}

// receive is the engine's sink.
func (s *session) receive(e event.Event) {
	s.runner.options.Events.Send(e)
	if t := s.current.Load(); t != nil {
		t.receive(e)
	}
}

// dialable returns the address to reach a local listener by: one that listens on every address is called on loopback.
func dialable(addr net.Addr) string {
	a, err := netip.ParseAddrPort(addr.String())
	if err != nil || !a.Addr().IsUnspecified() {
		return addr.String()
	}
	if a.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port()).String()
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port()).String()
}

// waitOn returns a function that waits until a time, or until ctx is done; then it returns the error of ctx.
func waitOn(clock stream.Clock) func(ctx context.Context, until time.Time) error {
	return func(ctx context.Context, until time.Time) error {
		if err := ctx.Err(); err != nil || !until.After(clock.Now()) {
			return err
		}
		timer := clock.NewTimer()
		defer timer.Stop()
		timer.Reset(until)
		select {
		case <-timer.C():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
