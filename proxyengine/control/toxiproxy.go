package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/fault-project/fault/proxyengine"
)

// toxiproxyVersion is the version of toxiproxy whose answers these are; clients decide by it what they may ask for.
const toxiproxyVersion = "2.12.0"

// The errors of toxiproxy that its clients know by their texts.
var (
	errProxyNotFound = &problem{"proxy not found", http.StatusNotFound}
	errProxyExists   = &problem{"proxy already exists", http.StatusConflict}
	errStream        = &problem{"stream was invalid, can be either upstream or downstream", http.StatusBadRequest}
	errToxicType     = &problem{"invalid toxic type", http.StatusBadRequest}
	errToxicExists   = &problem{"toxic already exists", http.StatusConflict}
	errToxicNotFound = &problem{"toxic not found", http.StatusNotFound}
)

func badBody(err error) error {
	return refuse(http.StatusBadRequest, "bad request body: %v", err)
}

func missing(field string) error {
	return refuse(http.StatusBadRequest, "missing required field: %s", field)
}

// first parses the first JSON value of a body as toxiproxy does: what follows it, and keys that nobody knows, are ignored.
func first(data []byte, v any) error {
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(v); err != nil {
		return badBody(err)
	}
	return nil
}

// proxyObject is a proxy of toxiproxy as it is sent.
type proxyObject struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  *bool  `json:"enabled"`
}

// proxyAnswer is a proxy as it is answered.
type proxyAnswer struct {
	Name     string   `json:"name"`
	Listen   string   `json:"listen"`
	Upstream string   `json:"upstream"`
	Enabled  bool     `json:"enabled"`
	Toxics   []*toxic `json:"toxics"`
}

func (m *mapping) answer() proxyAnswer {
	listen := cmp.Or(m.listen, m.mapping.Bind.String())
	if m.enabled && m.address.IsValid() {
		listen = m.address.String()
	}
	return proxyAnswer{Name: m.id, Listen: listen, Upstream: m.upstream(), Enabled: m.enabled, Toxics: m.inOrder()}
}

// upstream is where the mapping leads, in the form that toxiproxy has: host:port. Protocols of ours stay in front of it.
func (m *mapping) upstream() string {
	if m.mapping.Protocol == "" {
		return m.mapping.Target()
	}
	return m.mapping.Protocol + "://" + m.mapping.Target()
}

// mapping makes the mapping that a proxy stands for.
func (o proxyObject) mapping() (proxyengine.Mapping, error) {
	bind, err := bindable(o.Listen)
	if err != nil {
		return proxyengine.Mapping{}, badBody(err)
	}
	m, err := proxyengine.ParseMapping(bind.String() + "=" + o.Upstream)
	if err != nil {
		return m, badBody(err)
	}
	return m, nil
}

// proxy finds the proxy of a request's path.
func (s *Server) proxy(q *request) (*mapping, error) {
	if m := s.state.find(q.PathValue("proxy")); m != nil {
		return m, nil
	}
	return nil, errProxyNotFound
}

// fresh is a proxy that has just been made.
func (o proxyObject) fresh(m proxyengine.Mapping) *mapping {
	return &mapping{id: o.Name, mapping: m, listen: o.Listen, enabled: o.Enabled == nil || *o.Enabled}
}

// lead makes m the mapping of its name.
func (s *state) lead(ctx context.Context, m *mapping) error {
	for _, other := range s.mappings {
		at := m.mapping.Bind
		if m.enabled && other.enabled && other.id != m.id && at.Port() != 0 && other.mapping.Bind == at {
			taken := os.NewSyscallError("bind", syscall.EADDRINUSE)
			return bound(&net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: taken})
		}
	}
	return bound(s.setMappings(ctx, with(s.mappings, m)))
}

// bound is the answer when an address cannot be had: toxiproxy hands on what the system said.
func bound(err error) error {
	if err == nil {
		return nil
	}
	if bind, ok := errors.AsType[*proxyengine.BindError](err); ok {
		err = bind.Err
	}
	return refuse(http.StatusInternalServerError, "%v", err)
}

func (s *Server) toxiVersion(*request) (any, error) {
	return map[string]string{"version": toxiproxyVersion}, nil
}

func (s *Server) toxiProxies(*request) (any, error) {
	all := make(map[string]proxyAnswer, len(s.state.mappings))
	for _, m := range s.state.mappings {
		all[m.id] = m.answer()
	}
	return all, nil
}

func (s *Server) toxiProxy(q *request) (any, error) {
	m, err := s.proxy(q)
	if err != nil {
		return nil, err
	}
	return m.answer(), nil
}

func (s *Server) toxiCreate(q *request) (any, error) {
	var o proxyObject
	if err := first(q.data, &o); err != nil {
		return nil, err
	}
	if o.Name == "" {
		return nil, missing("name")
	}
	if o.Upstream == "" {
		return nil, missing("upstream")
	}
	if s.state.find(o.Name) != nil {
		return nil, errProxyExists
	}
	m, err := o.mapping()
	if err != nil {
		return nil, err
	}
	if err := s.state.lead(q.Context(), o.fresh(m)); err != nil {
		return nil, err
	}
	q.status = http.StatusCreated
	return s.state.find(o.Name).answer(), nil
}

// led is m as a proxy object wants it to be: what differs in listen or upstream leads elsewhere, with the same toxics.
func (m *mapping) led(o proxyObject) (*mapping, error) {
	now := m.answer()
	want, err := o.mapping()
	if err != nil {
		return nil, err
	}
	have, err := (proxyObject{Listen: now.Listen, Upstream: now.Upstream}).mapping()
	if err != nil {
		return nil, err
	}
	changed := *m
	if want != have {
		changed.mapping, changed.listen, changed.address = want, o.Listen, netip.AddrPort{}
	}
	switch {
	case o.Enabled == nil || *o.Enabled == m.enabled:
		return &changed, nil
	case *o.Enabled:
		return changed.on(), nil
	}
	return changed.off(), nil
}

func (s *Server) toxiUpdate(q *request) (any, error) {
	m, err := s.proxy(q)
	if err != nil {
		return nil, err
	}
	now := m.answer()
	o := proxyObject{Listen: now.Listen, Upstream: now.Upstream}
	if err := first(q.data, &o); err != nil {
		return nil, err
	}
	changed, err := m.led(o)
	if err != nil {
		return nil, err
	}
	if err := s.state.lead(q.Context(), changed); err != nil {
		return nil, err
	}
	return s.state.find(m.id).answer(), nil
}

func (s *Server) toxiDelete(q *request) (any, error) {
	m, err := s.proxy(q)
	if err != nil {
		return nil, err
	}
	if err := s.state.setMappings(q.Context(), without(s.state.mappings, m.id)); err != nil {
		return nil, bound(err)
	}
	return nil, nil
}

// populated is the answer of /populate: what was done, and why not all if it was not.
type populated struct {
	*problem
	Proxies []proxyAnswer `json:"proxies"`
}

// toxiPopulate adds or replaces proxies one after the other; those before the first that fails stay.
func (s *Server) toxiPopulate(q *request) (any, error) {
	var list []proxyObject
	q.status = http.StatusCreated
	stop := func(done []proxyAnswer, err error) (any, error) {
		p, ok := errors.AsType[*problem](err)
		if !ok {
			p = refuse(http.StatusInternalServerError, "%v", err)
		}
		q.status = p.Status
		return populated{p, done}, nil
	}
	if err := first(q.data, &list); err != nil {
		return stop(nil, err)
	}
	for i, o := range list {
		if o.Name == "" {
			return stop(nil, refuse(http.StatusBadRequest, "missing required field: name at proxy %d", i+1))
		}
		if o.Upstream == "" {
			return stop(nil, refuse(http.StatusBadRequest, "missing required field: upstream at proxy %d", i+1))
		}
	}
	done := make([]proxyAnswer, 0, len(list))
	for _, o := range list {
		if err := s.populate(q, o); err != nil {
			return stop(done, err)
		}
		done = append(done, s.state.find(o.Name).answer())
	}
	return populated{Proxies: done}, nil
}

// populate adds a proxy, or replaces, with its toxics, one of the same name that listens or leads elsewhere.
func (s *Server) populate(q *request, o proxyObject) error {
	want, err := o.mapping()
	if err != nil {
		return err
	}
	if m := s.state.find(o.Name); m != nil {
		now := m.answer()
		have, err := (proxyObject{Listen: now.Listen, Upstream: now.Upstream}).mapping()
		if err == nil && have == want {
			return nil
		}
		if err := s.state.removeToxics(m); err != nil {
			return err
		}
	}
	return s.state.lead(q.Context(), o.fresh(want))
}

// toxiReset switches all proxies on and removes all toxics.
func (s *Server) toxiReset(q *request) (any, error) {
	next := slices.Clone(s.state.mappings)
	for i, m := range next {
		if !m.enabled {
			next[i] = m.on()
		}
	}
	if err := s.state.setMappings(q.Context(), next); err != nil {
		return nil, bound(err)
	}
	for _, m := range s.state.mappings {
		if err := s.state.removeToxics(m); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
