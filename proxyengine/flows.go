package proxyengine

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/fault-project/fault/proxyengine/event"
	"github.com/fault-project/fault/proxyengine/fault"
)

// selection decides which flows the faults act on.
type selection struct {
	upstreams Upstreams
	mappings  map[string]bool // by Mapping.String; nil means all
	scoped    map[string]bool // mappings that faults of their own act on
}

func newSelection(p Program) (*selection, error) {
	s := &selection{upstreams: p.Upstreams}
	if p.Mappings == nil {
		return s, nil
	}
	s.mappings = make(map[string]bool, len(p.Mappings))
	for _, text := range p.Mappings {
		m, err := ParseMapping(text)
		if err != nil {
			return nil, err
		}
		s.mappings[m.String()] = true
	}
	return s, nil
}

// mapping says whether faults that leave it to the program act on a mapping.
func (s *selection) mapping(name string) bool { return s.mappings == nil || s.mappings[name] }

// selects says whether faults act on a flow.
func (s *selection) selects(f *event.Flow) bool {
	if f.Mapping != "" {
		return s.mapping(f.Mapping)
	}
	if s.upstreams.All() {
		return true
	}
	host, text, err := net.SplitHostPort(f.Target)
	if err != nil {
		return false
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return false
	}
	scheme, _, found := strings.Cut(f.URL, "://")
	if !found {
		scheme = "" // a tunnel: what travels in it is not known
	}
	return s.upstreams.Match(scheme, host, uint16(port))
}

// assignment says which faults act on which flow.
type assignment struct {
	selection *selection
	general   *fault.Chain            // for what the selection selects; nil for no faults
	mapped    map[string]*fault.Chain // for mappings that faults of their own act on
}

// of is the chain that acts on a flow, nil for none.
func (a *assignment) of(f *event.Flow) *fault.Chain {
	if f.Mapping != "" {
		if chain, ok := a.mapped[f.Mapping]; ok {
			return chain
		}
	}
	if !a.selection.selects(f) {
		return nil
	}
	return a.general
}

// errBlocked is how flows end that faults still kept from coming to their end when the engine was told to end.
var errBlocked = errors.New("still blocked by a fault when the proxy ended")

// flows is all that is open, and what may happen to each. Every flow has a [fault.Live] of its own, because what acts on it may
// change while it is open: faults that no longer do leave it in the orderly way.
type flows struct {
	mu   sync.Mutex
	last uint64
	now  *assignment
	open map[*event.Flow]*openFlow
}

type openFlow struct {
	live   *fault.Live
	faults *fault.Flow
	cancel context.CancelCauseFunc // ends the flow; nil for one that nobody may end
}

func newFlows(s *selection) *flows {
	return &flows{now: &assignment{selection: s}, open: map[*event.Flow]*openFlow{}}
}

// begin numbers a flow, decides whether faults can touch it, and returns its faults. end must be called once.
func (f *flows) begin(info *event.Flow) (faults *fault.Flow, end func()) {
	live := fault.NewLive()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	info.ID = f.last
	info.Bypassed = !f.now.selection.selects(info) && !f.now.selection.scoped[info.Mapping]
	if chain := f.now.of(info); chain != nil {
		live.Store(chain)
	}
	o := &openFlow{live: live, faults: live.Open(info)}
	f.open[info] = o
	return o.faults, func() {
		f.mu.Lock()
		delete(f.open, info)
		cancel := o.cancel
		f.mu.Unlock()
		if cancel != nil {
			cancel(nil)
		}
		o.faults.Close()
	}
}

// within derives from ctx the context of a flow that has begun: it is done when the flow is to end, and when it has ended.
func (f *flows) within(ctx context.Context, info *event.Flow) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.open[info]
	if !ok {
		cancel(nil)
		return ctx
	}
	o.cancel = cancel
	return ctx
}

// disconnect ends the flows that came by a mapping, and says how many there were.
func (f *flows) disconnect(mapping string) int {
	f.mu.Lock()
	var cancels []context.CancelCauseFunc
	for info, o := range f.open {
		if info.Mapping == mapping && o.cancel != nil {
			cancels = append(cancels, o.cancel)
		}
	}
	f.mu.Unlock()
	for _, cancel := range cancels {
		cancel(nil)
	}
	return len(cancels)
}

// release ends the flows that cannot come to their end under the faults as they are.
func (f *flows) release() {
	f.mu.Lock()
	open := make([]*openFlow, 0, len(f.open))
	for _, o := range f.open {
		open = append(open, o)
	}
	f.mu.Unlock()
	for _, o := range open {
		if !o.faults.Blocked() {
			continue
		}
		f.mu.Lock()
		cancel := o.cancel
		f.mu.Unlock()
		if cancel != nil {
			cancel(errBlocked)
		}
	}
}

// set makes faults act on flows as a says, on those that are open and on those to come. It must not be called concurrently with
// itself.
func (f *flows) set(a *assignment) {
	type change struct {
		live *fault.Live
		want *fault.Chain
	}
	f.mu.Lock()
	f.now = a
	changes := make([]change, 0, len(f.open))
	for info, o := range f.open {
		changes = append(changes, change{o.live, a.of(info)})
	}
	f.mu.Unlock()
	for _, c := range changes {
		if c.want != nil || c.live.Load() != nil {
			c.live.Store(c.want)
		}
	}
}
