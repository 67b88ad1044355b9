// Package proxyengine is the fault proxy: it binds the HTTP proxy and the mappings, carries what connects there to where it wants
// to go, and makes the network in between as bad as its program says, when it says.
//
//	e, err := proxyengine.New(proxyengine.Config{…})   // says what is wrong with the configuration
//	err = e.Start(ctx)                                 // binds everything, or nothing
//	err = e.Run(ctx)                                   // until ctx is done
//
// Configuration goes in by value, facts come out through [Config.Sink]. Faults and mappings may change at any time; connections
// that are open survive that.
package proxyengine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/proxyengine/httpproxy"
	"github.com/fault-project/fault/proxyengine/stream"
	"github.com/fault-project/fault/proxyengine/tcpproxy"
)

// Engine is a fault proxy. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	env     tcpproxy.Env
	options stream.Options
	tls     *tls.Config // base for connections to upstreams; nil for the system's authorities
	flows   *flows
	builder *fault.Builder
	bind    func(ctx context.Context, address, mapping string) (net.Listener, error)

	replaced chan struct{} // tells the schedule loop that the program is another

	mu      sync.Mutex
	begun   bool
	program *running
	clock   clock
	next    time.Time // when the program changes the faults next
	more    bool      // whether it does

	serving   sync.Mutex // one change of the doors at a time
	doorsMu   sync.RWMutex
	proxy     *door
	mappings  []*door
	serve     func(*door) // nil before Run
	accepting context.Context
}

// door is a listener with what serves it.
type door struct {
	mapping Mapping // zero for the HTTP proxy
	ln      net.Listener
	addr    netip.AddrPort
	server  interface {
		Serve(ctx context.Context, ln net.Listener) error
	}
	close func() // ends serving; nil before that began
}

// New makes an engine; it says what is wrong with the configuration. Nothing is bound yet.
func New(cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	program, err := newRunning(cfg.Program)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, options: stream.Options{Clock: stream.Precise()}, flows: newFlows(program.selection), program: program,
		builder: fault.NewBuilder(cfg.Seed, cfg.Sink), bind: bind, replaced: make(chan struct{}, 1),
	}
	if cfg.UpstreamRoots != nil {
		e.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.UpstreamRoots}
	}
	e.env = tcpproxy.Env{
		Open: e.open, Within: e.flows.within, Sink: cfg.Sink, Stream: e.options, Drain: cfg.Drain, Logger: cfg.Logger,
		Dialer: &tcpproxy.Dialer{Own: e.own, Sink: cfg.Sink}, UnknownAuthority: cfg.UnknownAuthority,
	}
	return e, nil
}

func (e *Engine) open(info *event.Flow) (*fault.Flow, func()) {
	faults, end := e.flows.begin(info)
	e.cfg.Sink.Send(event.Opened{Flow: info})
	return faults, end
}

// own says whether a connection made for a flow would come back to this engine for ever. The HTTP proxy may lead to a mapping;
// nothing may lead to the HTTP proxy, and a mapping leads nowhere else in here.
func (e *Engine) own(from *event.Flow, addr netip.AddrPort) bool {
	e.doorsMu.RLock()
	defer e.doorsMu.RUnlock()
	if e.proxy != nil && reaches(addr, e.proxy.addr) {
		return true
	}
	return from != nil && from.Mapping != "" &&
		slices.ContainsFunc(e.mappings, func(d *door) bool { return reaches(addr, d.addr) })
}

// Start binds everything, or nothing: a [*BindError] names the address that could not be had. Clients that connect wait until Run.
func (e *Engine) Start(ctx context.Context) error {
	e.serving.Lock()
	defer e.serving.Unlock()
	if e.proxy != nil || len(e.mappings) > 0 {
		return errors.New("the engine was started before")
	}
	var proxy *door
	if e.cfg.ProxyAddress != "" {
		ln, err := e.bind(ctx, e.cfg.ProxyAddress, "")
		if err != nil {
			return err
		}
		override, err := parseOverride(e.cfg.HTTPUpstreamOverride)
		if err != nil {
			ln.Close()
			return err
		}
		server := httpproxy.New(httpproxy.Config{Env: e.env, TLS: e.tls, Intercept: e.intercept(), Override: override})
		proxy = &door{ln: ln, addr: addrPort(ln), server: server}
	}
	mappings, err := e.bindAll(ctx, e.cfg.Mappings)
	if err != nil {
		if proxy != nil {
			proxy.ln.Close()
		}
		return err
	}
	e.doorsMu.Lock()
	defer e.doorsMu.Unlock()
	e.proxy, e.mappings = proxy, mappings
	return nil
}

// intercept is what the HTTP proxy opens, nil for nothing.
func (e *Engine) intercept() *httpproxy.Intercept {
	if e.cfg.Intercept.Certificate == nil {
		return nil
	}
	return &httpproxy.Intercept{Match: e.cfg.Intercept.opens, Certificate: e.cfg.Intercept.Certificate}
}

// bindAll binds all of the mappings, or none.
func (e *Engine) bindAll(ctx context.Context, list []Mapping) ([]*door, error) {
	var doors []*door
	for _, m := range list {
		ln, err := e.bind(ctx, m.Bind.String(), m.String())
		if err != nil {
			for _, d := range doors {
				d.ln.Close()
			}
			return nil, err
		}
		d := &door{mapping: m, ln: ln, addr: addrPort(ln)}
		if m.HTTP() {
			d.server = httpproxy.New(httpproxy.Config{
				Env: e.env, TLS: e.tls, Mapping: m.String(), Scheme: m.Protocol, Target: m.Target(),
			})
		} else {
			d.server = tcpproxy.New(tcpproxy.Config{
				Env: e.env, TLS: e.tls, Mapping: m.String(), Target: m.Target(), Encryption: encryption(m.Protocol),
			})
		}
		doors = append(doors, d)
	}
	return doors, nil
}

func encryption(protocol string) tcpproxy.Encryption {
	switch protocol {
	case "tls":
		return tcpproxy.TLS
	case "psqls":
		return tcpproxy.PostgresTLS
	}
	return tcpproxy.Plain
}

// Run serves what Start bound, and begins the program. It blocks until ctx is done; then nothing new is accepted, what is open
// may go on for Config.Drain, unless faults keep it from coming to its end, and is closed after that, and Run returns nil. It returns
// an error when a listener fails. An engine runs once.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	defer all.Wait()

	e.serving.Lock()
	if e.serve != nil || e.proxy == nil && len(e.mappings) == 0 {
		e.serving.Unlock()
		return errors.New("the engine was not started, or ran before")
	}
	if e.cfg.Intercept.Certificate != nil {
		e.cfg.Sink.Send(event.Notice{At: e.options.Clock.Now(), Text: fmt.Sprintf(
			"TLS to %s ends here: the proxy reads what it carries, and clients see its certificates instead of the servers'",
			e.cfg.Intercept.Hosts)})
	}
	e.mu.Lock()
	e.begun = true
	e.begin(e.program)
	e.mu.Unlock()

	e.serve = func(d *door) {
		serving, stop := context.WithCancel(ctx)
		d.close = func() { stop(); d.ln.Close() }
		all.Go(func() {
			if err := d.server.Serve(serving, d.ln); err != nil {
				cancel(err)
			}
		})
	}
	e.accepting = ctx
	if e.proxy != nil {
		e.serve(e.proxy)
	}
	for _, d := range e.mappings {
		e.serve(d)
	}
	e.serving.Unlock()

	e.follow(ctx)
	cancel(nil)
	defer e.releasing()()
	e.serving.Lock() // until a change of the mappings that is under way has added what it adds to all
	all.Wait()
	e.serving.Unlock()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// releasing ends what is blocked by faults, now and until stop: schedules stand still, so no hole ends any more, and to wait for what
// cannot arrive would only make whoever ends the engine wait.
func (e *Engine) releasing() (stop func()) {
	const pause = 50 * time.Millisecond // new ones are requests on connections that are open
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			e.flows.release()
			select {
			case <-done:
				return
			case <-ticker.C:
			}
		}
	}()
	return func() { close(done); <-over }
}

// SetMappings makes list the mappings: what is new is bound, what is no longer there is closed, what stays is not touched. On an
// error the mappings are as before.
func (e *Engine) SetMappings(ctx context.Context, list []Mapping) error {
	if err := checkMappings(list); err != nil {
		return err
	}
	e.serving.Lock()
	defer e.serving.Unlock()
	if e.accepting != nil && e.accepting.Err() != nil {
		return errors.New("the engine is ending")
	}
	var kept, leaving []*door
	for _, d := range e.mappings {
		if slices.Contains(list, d.mapping) {
			kept = append(kept, d)
		} else {
			leaving = append(leaving, d)
		}
	}
	var fresh []Mapping
	for _, m := range list {
		if !slices.ContainsFunc(kept, func(d *door) bool { return d.mapping == m }) {
			fresh = append(fresh, m)
		}
	}
	bound, err := e.replace(ctx, leaving, fresh)
	if err != nil {
		return err
	}
	for _, d := range leaving {
		d.end()
	}
	e.setMappings(append(kept, bound...))
	return nil
}

// replace binds fresh. Doors among leaving whose address is wanted again have to be closed before that; when the binding fails
// they are opened again.
func (e *Engine) replace(ctx context.Context, leaving []*door, fresh []Mapping) ([]*door, error) {
	var again []Mapping
	var closed []*door
	for _, d := range leaving {
		if d.mapping.Bind.Port() != 0 && slices.ContainsFunc(fresh, func(m Mapping) bool { return overlap(m.Bind, d.mapping.Bind) }) {
			d.end()
			again, closed = append(again, d.mapping), append(closed, d)
		}
	}
	bound, err := e.bindAll(ctx, fresh)
	if err == nil {
		if e.serve != nil {
			for _, d := range bound {
				e.serve(d)
			}
		}
		return bound, nil
	}
	restored, restoreErr := e.bindAll(ctx, again)
	if restoreErr != nil {
		err = fmt.Errorf("%w; the mappings that were there could not be opened again: %w", err, restoreErr)
	}
	if e.serve != nil {
		for _, d := range restored {
			e.serve(d)
		}
	}
	e.doorsMu.RLock()
	rest := slices.DeleteFunc(slices.Clone(e.mappings), func(d *door) bool { return slices.Contains(closed, d) })
	e.doorsMu.RUnlock()
	e.setMappings(append(rest, restored...))
	return nil, err
}

// overlap says whether two addresses cannot be bound at the same time.
func overlap(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && (a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

func (d *door) end() {
	if d.close != nil {
		d.close()
	} else {
		d.ln.Close()
	}
}

func (e *Engine) setMappings(doors []*door) {
	e.doorsMu.Lock()
	defer e.doorsMu.Unlock()
	e.mappings = doors
}

// Disconnect ends at once what is open by way of a mapping, given as its [Mapping.String], and says how much that was. The mapping
// stays.
func (e *Engine) Disconnect(mapping string) int { return e.flows.disconnect(mapping) }

// ProxyAddr is where the HTTP proxy listens; nil when there is none, and before Start.
func (e *Engine) ProxyAddr() net.Addr {
	e.doorsMu.RLock()
	defer e.doorsMu.RUnlock()
	if e.proxy == nil {
		return nil
	}
	return e.proxy.ln.Addr()
}

// MappingAddrs is where the mappings listen, by [Mapping.String]; empty before Start.
func (e *Engine) MappingAddrs() map[string]net.Addr {
	e.doorsMu.RLock()
	defer e.doorsMu.RUnlock()
	addrs := make(map[string]net.Addr, len(e.mappings))
	for _, d := range e.mappings {
		addrs[d.mapping.String()] = d.ln.Addr()
	}
	return addrs
}

// Seed is the seed of all random draws: with it a run is repeated, as far as the order of arrival allows.
func (e *Engine) Seed() uint64 { return e.cfg.Seed }
