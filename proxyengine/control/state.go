package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/fault"
)

// state is what the engine does not know of its faults and mappings: names, mappings that are switched off, and which mappings, by
// name, a fault belongs to. What is active is looked up in the engine each time.
type state struct {
	engine *proxyengine.Engine
	bind   func(context.Context, []proxyengine.Mapping) error // SetMappings of the engine

	mu       sync.Mutex
	mappings []*mapping          // in order of arrival
	scopes   map[string][]string // by fault: names of the mappings that it acts on
}

// mapping is a mapping with a name.
type mapping struct {
	id      string
	mapping proxyengine.Mapping
	listen  string // as it was asked for, "" where that is the address of mapping
	enabled bool
	address netip.AddrPort // where it listens while it is enabled
	toxics  []*toxic
}

// entry is a fault as the API shows it.
type entry struct {
	id   string
	spec fault.Spec
	on   []string // names of mappings; nil leaves it to the program
	with string   // the fault that it belongs to, "" for none
}

func newState(e *proxyengine.Engine) *state {
	return &state{engine: e, bind: e.SetMappings, scopes: map[string][]string{}}
}

// adopt takes up what the engine has and nobody named yet. With s.mu held, like all that follows.
func (s *state) adopt() {
	addrs := s.engine.MappingAddrs()
	s.mappings = slices.DeleteFunc(s.mappings, func(m *mapping) bool { return m.enabled && addrs[m.mapping.String()] == nil })
	for _, text := range slices.Sorted(maps.Keys(addrs)) {
		m, err := proxyengine.ParseMapping(text)
		if err != nil {
			continue // the engine formatted it
		}
		at := addrPort(addrs[text])
		if i := slices.IndexFunc(s.mappings, func(o *mapping) bool { return o.enabled && o.mapping == m }); i >= 0 {
			s.mappings[i].address = at
			continue
		}
		id := unused(strconv.Itoa(int(at.Port())), func(id string) bool { return s.find(id) != nil })
		s.mappings = append(s.mappings, &mapping{id: id, mapping: m, enabled: true, address: at})
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}

// unused adds a number to a name that is taken.
func unused(name string, taken func(string) bool) string {
	id := name
	for n := 2; taken(id); n++ {
		id = fmt.Sprintf("%s-%d", name, n)
	}
	return id
}

// find looks a mapping up by name; nil when there is none.
func (s *state) find(id string) *mapping {
	if i := slices.IndexFunc(s.mappings, func(m *mapping) bool { return m.id == id }); i >= 0 {
		return s.mappings[i]
	}
	return nil
}

// faults lists the faults of the engine.
func (s *state) faults() []entry {
	states := s.engine.Faults()
	list := make([]entry, len(states))
	for i, f := range states {
		list[i] = entry{id: f.ID, spec: f.Spec, with: f.With}
		if f.Mappings != nil {
			list[i].on = s.scopes[f.ID]
			if list[i].on == nil {
				list[i].on = []string{}
			}
		}
	}
	return list
}

// setFaults makes list the faults of the engine. Besides those of now, faults may act on mappings as they were before a change.
func (s *state) setFaults(list []entry, before ...*mapping) error {
	faults := make([]proxyengine.Fault, len(list))
	scopes := make(map[string][]string, len(list))
	for i, e := range list {
		faults[i] = proxyengine.Fault{ID: e.id, Spec: e.spec, With: e.with}
		if e.on == nil {
			continue
		}
		scopes[e.id] = e.on
		faults[i].Mappings = []string{}
		for _, m := range slices.Concat(s.mappings, before) {
			if m.enabled && slices.Contains(e.on, m.id) {
				faults[i].Mappings = append(faults[i].Mappings, m.mapping.String())
			}
		}
	}
	if !slices.EqualFunc(s.engine.Faults(), faults, unchanged) {
		if err := s.engine.SetFaults(faults); err != nil {
			return err
		}
	}
	s.scopes = scopes
	return nil
}

// unchanged says whether a fault is as the engine has it: then the engine is not bothered, nor those who watch it.
func unchanged(now proxyengine.FaultState, want proxyengine.Fault) bool {
	return now.ID == want.ID && now.With == want.With && sameSpec(now.Spec, want.Spec) &&
		(now.Mappings == nil) == (want.Mappings == nil) && slices.Equal(now.Mappings, want.Mappings)
}

// attempts bounds how often a free port is looked for: another process may take it before it is bound again.
const attempts = 5

// setMappings makes next the mappings. Connections by those that leave or change end at once. On an error nothing has changed.
func (s *state) setMappings(ctx context.Context, next []*mapping) error {
	var err error
	for range attempts {
		var resolved []*mapping
		if resolved, err = reserve(ctx, next); err != nil {
			return err
		}
		err = s.replace(ctx, resolved)
		if !errors.Is(err, syscall.EADDRINUSE) || !slices.ContainsFunc(next, wantsPort) {
			return err
		}
	}
	return err
}

func wantsPort(m *mapping) bool {
	return m.enabled && m.mapping.Bind.Port() == 0 && !m.address.IsValid()
}

// reserve gives each mapping that wants a free port one, so that its address stays the same when it is switched off and on.
func reserve(ctx context.Context, list []*mapping) ([]*mapping, error) {
	var held []net.Listener
	defer func() {
		for _, ln := range held {
			ln.Close()
		}
	}()
	out := slices.Clone(list)
	for i, m := range list {
		if !wantsPort(m) {
			continue
		}
		var lc net.ListenConfig
		ln, err := lc.Listen(ctx, "tcp", m.mapping.Bind.String())
		if err != nil {
			return nil, fmt.Errorf("bind %s: %w", m.mapping.Bind, err)
		}
		held = append(held, ln)
		changed := *m
		changed.mapping.Bind = netip.AddrPortFrom(m.mapping.Bind.Addr(), addrPort(ln.Addr()).Port())
		out[i] = &changed
	}
	return out, nil
}

// replace makes next the mappings of the engine. A fault that belongs to one is in force before the first connection to it.
func (s *state) replace(ctx context.Context, next []*mapping) error {
	before, faults := s.mappings, s.faults()
	list := make([]proxyengine.Mapping, 0, len(next))
	for _, m := range next {
		if m.enabled {
			list = append(list, m.mapping)
		}
	}
	s.mappings = next
	if err := s.setFaults(faults, before...); err != nil {
		s.mappings = before
		return err
	}
	if err := s.bind(ctx, list); err != nil {
		s.mappings = before
		return errors.Join(err, s.setFaults(faults))
	}
	for _, m := range before {
		if m.enabled && !slices.Contains(list, m.mapping) {
			s.engine.Disconnect(m.mapping.String())
		}
	}
	s.adopt()
	faults = slices.DeleteFunc(faults, func(e entry) bool {
		return e.on != nil && !slices.ContainsFunc(e.on, func(id string) bool { return s.find(id) != nil })
	})
	for i, e := range faults {
		if e.on != nil {
			faults[i].on = slices.DeleteFunc(slices.Clone(e.on), func(id string) bool { return s.find(id) == nil })
		}
	}
	return s.setFaults(faults)
}

// off is m switched off. It keeps the port that it had.
func (m *mapping) off() *mapping {
	changed := *m
	changed.enabled = false
	if m.enabled && m.address.IsValid() {
		changed.mapping.Bind, changed.listen = netip.AddrPortFrom(m.mapping.Bind.Addr(), m.address.Port()), ""
	}
	changed.address = netip.AddrPort{}
	return &changed
}

// on is m switched on.
func (m *mapping) on() *mapping {
	changed := *m
	changed.enabled = true
	return &changed
}

// with is list with the mapping of the same name replaced, or added at the end.
func with(list []*mapping, m *mapping) []*mapping {
	out := slices.Clone(list)
	if i := slices.IndexFunc(out, func(o *mapping) bool { return o.id == m.id }); i >= 0 {
		out[i] = m
		return out
	}
	return append(out, m)
}

// without is list without the mapping of a name.
func without(list []*mapping, id string) []*mapping {
	return slices.DeleteFunc(slices.Clone(list), func(m *mapping) bool { return m.id == id })
}

// bindable parses an address to listen on as toxiproxy does, with names and without a host. Without one it is this machine alone: to
// open a port to others it has to be said, as 0.0.0.0.
func bindable(listen string) (netip.AddrPort, error) {
	if !strings.Contains(listen, ":") && listen != "" {
		listen = ":" + listen
	}
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen %q: write host:port, such as 127.0.0.1:15432", listen)
	}
	at := addr.AddrPort()
	if addr.IP == nil {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()), nil
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}
