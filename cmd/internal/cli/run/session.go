package run

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fault-project/fault/cmd/internal/cli"
	"github.com/fault-project/fault/cmd/internal/runreport"
	"github.com/fault-project/fault/cmd/internal/tally"
	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/control"
	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/schedule"
)

// session is the proxy of one run, with the counts of what it does.
type session struct {
	engine   *proxyengine.Engine
	api      *control.Server // nil without
	mappings []proxyengine.Mapping
	faults   bool
	began    time.Time
	tally    tally.Tally

	mu      sync.Mutex
	notices []string
}

// watcher gets the events of a session, and with the end of a flow what the faults did to it. It has the contract of [event.Sink].
type watcher func(e event.Event, effects []tally.Effect)

// open binds everything for a run with the faults, or without them. Nothing is served before serve.
func (o *Options) open(ctx context.Context, seed uint64, faults bool, watch watcher) (*session, error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	config.Seed = seed
	if !faults {
		config.Program.Faults = nil
	}
	if len(o.Command) > 0 {
		config.Drain = -1 // what the command left open when it ended, nobody waits for
	}
	s := &session{faults: faults, mappings: config.Mappings, began: time.Now()}
	withAPI := faults && o.APIAddress != "" // a baseline stays without faults
	var counters *control.Counters
	if withAPI {
		counters = control.NewCounters()
	}
	config.Sink = func(e event.Event) {
		effects := s.tally.Add(e)
		if withAPI {
			counters.Sink(e)
		}
		if notice, ok := e.(event.Notice); ok {
			s.notice(notice.Text)
		}
		if watch != nil {
			watch(e, effects)
		}
	}
	if s.engine, err = proxyengine.New(config); err != nil {
		return nil, err
	}
	if err := s.engine.Start(ctx); err != nil || !withAPI {
		return s, err
	}
	s.api, err = control.New(control.Options{
		Engine: s.engine, Address: o.APIAddress, Token: o.APIToken, Counters: counters, Version: o.f.Version, Logger: o.f.Log,
	})
	if err == nil {
		err = s.api.Start(ctx)
	}
	if err != nil {
		s.close()
	}
	return s, err
}

// close frees what open bound, when serve is not going to be called.
func (s *session) close() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.engine.Run(ended) // its listeners are closed at once
}

// proxy is the HTTP proxy's address, "" when there is none.
func (s *session) proxy() string {
	addr := s.engine.ProxyAddr()
	if addr == nil {
		return ""
	}
	return addr.String()
}

func (s *session) notice(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.notices, text) {
		s.notices = append(s.notices, text)
	}
}

// serve blocks until ctx is done; that is no error.
func (s *session) serve(ctx context.Context) error {
	s.began = time.Now()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		if err := s.engine.Run(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("the proxy stopped: %w", err)
		}
		return nil
	})
	if s.api != nil {
		all.Go(func() error { return s.api.Run(ctx) })
	}
	return all.Wait()
}

// apiURL is where the control API is, "" when there is none.
func (s *session) apiURL() string {
	if s.api == nil {
		return ""
	}
	return "http://" + reachable(net.TCPAddrFromAddrPort(s.api.Addr()))
}

// record is what happened so far.
func (s *session) record(label string) runreport.Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return runreport.Run{
		Label: label, Faults: s.faults, Seed: s.engine.Seed(), Start: s.began, Seconds: time.Since(s.began).Seconds(),
		Snapshot: s.tally.Snapshot(), Notes: slices.Clone(s.notices),
	}
}

// report is the frame of a report, to which runs are added.
func (o *Options) report() *runreport.Report {
	r := &runreport.Report{
		Version: o.f.Version, Start: time.Now(), Command: runreport.MaskCommand(o.Command),
		Mappings: append([]string{}, o.Proxies...), Upstreams: append([]string{}, o.Upstreams...), Faults: []runreport.Fault{},
	}
	if o.Duration > 0 {
		r.Duration = schedule.FormatDuration(o.Duration)
	}
	for i, spec := range o.Faults {
		r.Faults = append(r.Faults, runreport.NewFault(i, spec))
	}
	return r
}

// write writes the report, if one was asked for.
func (o *Options) write(r *runreport.Report) error {
	r.End = time.Now()
	if o.Report == "" {
		return nil
	}
	if err := r.Write(o.Report); err != nil {
		return cli.Failf("give --report a path that can be written", "write the report: %w", err)
	}
	return nil
}

// runProxy runs the proxy by itself. Being told to end is how it ends.
func (o *Options) runProxy(ctx context.Context) error {
	screen := newScreen(o, o.f.Streams)
	s, err := o.open(ctx, o.Seed, true, screen.watch)
	if err != nil {
		return err
	}
	report := o.report()
	report.Proxy = s.proxy()
	screen.prelude(s)
	until := ctx
	if o.Duration > 0 {
		var stop context.CancelFunc
		until, stop = context.WithTimeout(ctx, o.Duration)
		defer stop()
	}
	screen.start()
	err = s.serve(until)
	screen.finish()
	report.Interrupted = o.Duration > 0 && ctx.Err() != nil
	report.Runs = append(report.Runs, s.record("faults"))
	if writeErr := o.write(report); err == nil {
		err = writeErr
	}
	return err
}
