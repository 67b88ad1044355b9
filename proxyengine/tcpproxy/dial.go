package tcpproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// ErrLoop is returned for an upstream that is the proxy itself.
var ErrLoop = errors.New("the address is the proxy's own")

// dialTimeout bounds a connect that nobody answers. It is the time after which HTTP clients commonly give up themselves.
const dialTimeout = 30 * time.Second

// Dialer connects to upstreams, reports lookups and connects, and refuses to connect to the proxy itself.
type Dialer struct {
	// Connect replaces the network, for tests. nil means TCP.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)
	// Own says whether an address is one that this proxy listens on, so that a connection would go round in circles. from is the
	// flow on whose behalf the connection is made, nil when there is none. May be nil.
	Own func(from *event.Flow, addr netip.AddrPort) bool
	// Sink gets [event.Resolved] and [event.Connected].
	Sink event.Sink
}

// DialFlow connects to address on behalf of a flow, which may be nil. late is how long faults have delayed the lookup already. The
// error is a [*DialError].
func (d *Dialer) DialFlow(ctx context.Context, f *event.Flow, address string, late time.Duration) (net.Conn, error) {
	start := time.Now()
	conn, err := d.connect(d.observe(ctx, f, late), f, address)
	if err != nil {
		err = &DialError{Address: address, Err: err}
	}
	d.Sink.Send(event.Connected{Flow: f, Took: late + time.Since(start), Err: err})
	return conn, err
}

func (d *Dialer) connect(ctx context.Context, f *event.Flow, address string) (net.Conn, error) {
	if d.Connect != nil {
		return d.Connect(ctx, "tcp", address)
	}
	nd := net.Dialer{Timeout: dialTimeout}
	nd.Control = func(network, resolved string, c syscall.RawConn) error {
		// Checked here, after the lookup, because a name may stand for the proxy's address.
		if addr, err := netip.ParseAddrPort(resolved); err == nil && d.Own != nil && d.Own(f, addr) {
			return ErrLoop
		}
		return Unpaced(network, resolved, c)
	}
	return nd.DialContext(ctx, "tcp", address)
}

// observe reports the lookups that a dial makes, which were late before they began. Those of an outer trace are not called: they
// are not about this dial.
func (d *Dialer) observe(ctx context.Context, f *event.Flow, late time.Duration) context.Context {
	if d.Sink == nil {
		return ctx
	}
	var mu sync.Mutex
	var host string
	var start time.Time
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(info httptrace.DNSStartInfo) {
			mu.Lock()
			defer mu.Unlock()
			host, start = info.Host, time.Now()
		},
		DNSDone: func(info httptrace.DNSDoneInfo) {
			mu.Lock()
			defer mu.Unlock()
			d.Sink.Send(event.Resolved{Flow: f, Host: host, Took: late + time.Since(start), Err: info.Err})
		},
	})
}

// DialError says, in one line, which upstream could not be reached and why.
type DialError struct {
	// Address is the upstream as host:port.
	Address string
	// Err is the cause.
	Err error
}

// Error names the upstream and the reason without the operating system's wording around it.
func (e *DialError) Error() string {
	return fmt.Sprintf("upstream %s: %s", e.Address, Reason(e.Err))
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Reason says in a few words why a connection failed.
func Reason(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrLoop):
		return "that is this proxy itself; a request must not go round in circles"
	case errors.Is(err, fault.ErrRefused):
		return fault.ErrRefused.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns) && dns.IsTimeout:
		return "the name server did not answer in time"
	case errors.As(err, &dns):
		return "name lookup failed: " + dns.Err
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused; nothing listens there"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to that host"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "the proxy has too many open files; raise its limit (ulimit -n)"
	case errors.Is(err, context.Canceled):
		return "given up"
	case os.IsTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}
