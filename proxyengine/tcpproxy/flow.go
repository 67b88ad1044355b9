package tcpproxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/stream"
)

// Env is what all listeners of an engine share. All functions are called concurrently.
type Env struct {
	// Open begins a flow: it numbers it, decides whether faults can touch it, reports it and returns its faults. The caller fills
	// in the rest of info before, does not change it afterwards, and calls end once when the flow is over.
	Open func(info *event.Flow) (faults *fault.Flow, end func())
	// Within, if not nil, derives from ctx the context of a flow that was opened, which is done when the flow is to end.
	Within func(ctx context.Context, info *event.Flow) context.Context
	// Sink gets the events.
	Sink event.Sink
	// Dialer reaches upstreams.
	Dialer *Dialer
	// Stream is handed to relays and readers.
	Stream stream.Options
	// Drain is how long open flows may go on once no new ones are accepted.
	Drain time.Duration
	// Logger gets what only a developer wants to know; never nil.
	Logger *slog.Logger
	// UnknownAuthority is what to do about an upstream whose certificate is of an authority that is not trusted; "" for nothing.
	UnknownAuthority string
}

// Trusting is the error of a TLS handshake with an upstream, with what to do about it where Env knows that.
func (e *Env) Trusting(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok && e.UnknownAuthority != "" {
		return fmt.Errorf("%w; %s", err, e.UnknownAuthority)
	}
	return err
}

// Flow is a connection on its way through the proxy.
type Flow struct {
	env    *Env
	info   *event.Flow
	faults *fault.Flow
	end    func()
}

// Begin opens a flow. The caller ends it with End.
func (e *Env) Begin(info *event.Flow) *Flow {
	faults, end := e.Open(info)
	return &Flow{env: e, info: info, faults: faults, end: end}
}

// Info identifies the flow in events; not to be changed.
func (f *Flow) Info() *event.Flow { return f.info }

// Within derives from ctx the context of what is done for the flow. It is done when ctx is, when the flow is to end, and after End.
func (f *Flow) Within(ctx context.Context) context.Context {
	if f.env.Within == nil {
		return ctx
	}
	return f.env.Within(ctx, f.info)
}

// Faults is what may happen to the flow.
func (f *Flow) Faults() *fault.Flow { return f.faults }

// Dial connects to a TCP upstream once no fault keeps it from being dialed. It blocks until then or until ctx is done. An upstream
// that is refused or not reached is a [*DialError].
func (f *Flow) Dial(ctx context.Context, address string) (net.Conn, error) {
	late, err := f.Lookup(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := f.AwaitDial(ctx, address); err != nil {
		return nil, err
	}
	return f.env.Dialer.DialFlow(ctx, f.info, address, late)
}

// Lookup stands before the lookup of the host of an address, and reports one that faults make fail: with a [*DialError]. It blocks
// as long as faults delay the lookup, which is what late says, or until ctx is done.
func (f *Flow) Lookup(ctx context.Context, address string) (late time.Duration, err error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	if late, err = f.faults.Lookup(ctx, host); err == nil || ctx.Err() != nil {
		return late, err
	}
	f.env.Sink.Send(event.Resolved{Flow: f.info, Host: host, Took: late, Err: err})
	err = &DialError{Address: address, Err: err}
	f.env.Sink.Send(event.Connected{Flow: f.info, Took: late, Err: err})
	return late, err
}

// AwaitDial blocks while faults keep the upstream from being dialed, until ctx is done at the longest. The error says so when they
// refuse it.
func (f *Flow) AwaitDial(ctx context.Context, address string) error {
	start := time.Now()
	err := f.faults.AwaitDial(ctx)
	if errors.Is(err, fault.ErrRefused) {
		err = &DialError{Address: address, Err: err}
		f.env.Sink.Send(event.Connected{Flow: f.info, Took: time.Since(start), Err: err})
	}
	return err
}

// Relay moves bytes between client and upstream, which belong to it, until both directions are done or ctx is done. early are
// bytes that were read from the client before.
func (f *Flow) Relay(ctx context.Context, client, upstream net.Conn, early []byte) stream.Stats {
	o := f.env.Stream
	o.Early = early
	r := stream.NewRelay(client, upstream, f.faults.Path(), o)
	f.faults.OnChange(r.Poke)
	ctx, reset := context.WithCancelCause(ctx)
	defer reset(nil)
	f.faults.OnReset(func() { reset(stream.ErrReset) })
	return r.Run(ctx)
}

// Close ends the interest in faults; it is for callers that report the end themselves, and End does it, too.
func (f *Flow) Close() { f.end() }

// End closes the flow and reports what became of it.
func (f *Flow) End(s stream.Stats) {
	f.end()
	done := event.Completed{Flow: f.info, At: time.Now(), Up: s.Up, Down: s.Down, Err: s.Err}
	if !s.FirstDown.IsZero() {
		done.TTFB = s.FirstDown.Sub(f.info.Start)
	}
	f.env.Sink.Send(done)
}
