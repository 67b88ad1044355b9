package proxyengine

import (
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

// selects says whether faults act on a flow.
func (s *selection) selects(f *event.Flow) bool {
	if f.Mapping != "" {
		return s.mappings == nil || s.mappings[f.Mapping]
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

// flows is all that is open, and what may happen to each. Every flow has a [fault.Live] of its own, because the selection may
// change while it is open: then it goes over to no faults at all, in the orderly way in which faults leave.
type flows struct {
	mu       sync.Mutex
	last     uint64
	chain    *fault.Chain // nil for no faults
	selected *selection
	open     map[*fault.Flow]openFlow
}

type openFlow struct {
	live *fault.Live
	info *event.Flow
}

func newFlows(s *selection) *flows {
	return &flows{selected: s, open: map[*fault.Flow]openFlow{}}
}

// begin numbers a flow, decides whether faults can touch it, and returns its faults. end must be called once.
func (f *flows) begin(info *event.Flow) (faults *fault.Flow, end func()) {
	live := fault.NewLive()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	info.ID = f.last
	info.Bypassed = !f.selected.selects(info)
	if f.chain != nil && !info.Bypassed {
		live.Store(f.chain)
	}
	faults = live.Open(info)
	f.open[faults] = openFlow{live, info}
	return faults, func() {
		f.mu.Lock()
		delete(f.open, faults)
		f.mu.Unlock()
		faults.Close()
	}
}

// set makes chain act on what is selected, open or to come. It must not be called concurrently with itself.
func (f *flows) set(chain *fault.Chain, s *selection) {
	f.mu.Lock()
	f.chain, f.selected = chain, s
	affected := make([]openFlow, 0, len(f.open))
	for _, o := range f.open {
		affected = append(affected, o)
	}
	f.mu.Unlock()
	for _, o := range affected {
		want := chain
		if !s.selects(o.info) {
			want = nil
		}
		if want != nil || o.live.Load() != nil {
			o.live.Store(want)
		}
	}
}
