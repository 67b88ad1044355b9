package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// toxic is a toxic of toxiproxy. It is immutable: a change makes another.
type toxic struct {
	name, kind, stream string
	toxicity           float32
	attributes         attributes
	faults             []string // names of the faults that do its work
}

// MarshalJSON writes the toxic as toxiproxy does.
func (t *toxic) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Attributes attributes `json:"attributes"`
		Name       string     `json:"name"`
		Type       string     `json:"type"`
		Stream     string     `json:"stream"`
		Toxicity   float32    `json:"toxicity"`
	}{t.attributes, t.name, t.kind, t.stream, t.toxicity})
}

func (t *toxic) upstream() bool { return strings.EqualFold(t.stream, "upstream") }

// inOrder lists the toxics of a proxy as toxiproxy does: those on the way to the upstream first.
func (m *mapping) inOrder() []*toxic {
	out := make([]*toxic, 0, len(m.toxics))
	for _, upstream := range []bool{true, false} {
		for _, t := range m.toxics {
			if t.upstream() == upstream {
				out = append(out, t)
			}
		}
	}
	return out
}

// toxic finds a toxic by name; nil when there is none.
func (m *mapping) toxic(name string) *toxic {
	if i := slices.IndexFunc(m.toxics, func(t *toxic) bool { return t.name == name }); i >= 0 {
		return m.toxics[i]
	}
	return nil
}

// toxicOf finds the toxic that a fault works for; nil when there is none.
func (s *state) toxicOf(id string) (*mapping, *toxic) {
	for _, m := range s.mappings {
		for _, t := range m.toxics {
			if slices.Contains(t.faults, id) {
				return m, t
			}
		}
	}
	return nil, nil
}

// setToxic replaces a toxic of a mapping by another, whose faults take the places of those of the first. old is nil when there was
// none, t is nil when there is to be none.
func (s *state) setToxic(m *mapping, old, t *toxic) error {
	list := s.faults()
	at := len(list)
	if old != nil {
		if i := slices.IndexFunc(list, func(e entry) bool { return slices.Contains(old.faults, e.id) }); i >= 0 {
			at = i
		}
		list = slices.DeleteFunc(list, func(e entry) bool { return slices.Contains(old.faults, e.id) })
	}
	toxics := slices.Clone(m.toxics)
	if t != nil {
		specs, err := t.specs()
		if err != nil {
			return badBody(err)
		}
		for i, spec := range specs {
			id := unused(m.id+"."+t.name, func(id string) bool { return indexOf(list, id) >= 0 })
			t.faults = append(t.faults, id)
			e := entry{id: id, spec: spec, on: []string{m.id}}
			if i > 0 {
				e.with = t.faults[0]
			}
			list = slices.Insert(list, at+i, e)
		}
	}
	if err := s.setFaults(list); err != nil {
		return badBody(err)
	}
	i := slices.Index(toxics, old)
	switch {
	case t == nil && i >= 0:
		toxics = slices.Delete(toxics, i, i+1)
	case i >= 0:
		toxics[i] = t
	default:
		toxics = append(toxics, t)
	}
	m.toxics = toxics
	if old != nil && t == nil && old.attributes.severs() && m.enabled {
		s.engine.Disconnect(m.mapping.String())
	}
	return nil
}

// removeToxics removes all toxics of a mapping.
func (s *state) removeToxics(m *mapping) error {
	for _, t := range slices.Clone(m.toxics) {
		if err := s.setToxic(m, t, nil); err != nil {
			return err
		}
	}
	return nil
}

// dropToxics forgets the toxics whose faults were changed or removed by way of the list of faults. What is left of one is a fault
// like any other.
func (s *state) dropToxics() {
	list := s.faults()
	for _, m := range s.mappings {
		m.toxics = slices.DeleteFunc(slices.Clone(m.toxics), func(t *toxic) bool {
			specs, err := t.specs()
			if err != nil || len(specs) != len(t.faults) {
				return true
			}
			for i, id := range t.faults {
				at := indexOf(list, id)
				if at < 0 || !slices.Equal(list[at].on, []string{m.id}) || !sameSpec(list[at].spec, specs[i]) {
					return true
				}
			}
			return false
		})
	}
}

// keepTogether says of faults in a list that was sent which others they belong to, where all faults of their toxic are in it.
func (s *state) keepTogether(list []entry) {
	before := s.faults()
	stays := func(id string) bool {
		i, old := indexOf(list, id), indexOf(before, id)
		return i >= 0 && old >= 0 && sameSpec(list[i].spec, before[old].spec)
	}
	for _, e := range before {
		if e.with != "" && stays(e.id) && stays(e.with) {
			list[indexOf(list, e.id)].with = e.with
		}
	}
}

// toxicObject is a toxic as it is sent. What is not there stays as it is.
type toxicObject struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Stream     string          `json:"stream"`
	Toxicity   float32         `json:"toxicity"`
	Attributes json.RawMessage `json:"attributes"`
}

// into parses the attributes over those that a has; null leaves them.
func (o toxicObject) into(a attributes) error {
	if len(o.Attributes) == 0 || bytes.Equal(o.Attributes, []byte("null")) {
		return nil
	}
	if err := json.Unmarshal(o.Attributes, a); err != nil {
		return badBody(err)
	}
	return nil
}

func (s *Server) toxics(q *request) (any, error) {
	m, err := s.proxy(q)
	if err != nil {
		return nil, err
	}
	return m.inOrder(), nil
}

// toxic finds the proxy and the toxic of a request's path.
func (s *Server) toxic(q *request) (*mapping, *toxic, error) {
	m, err := s.proxy(q)
	if err != nil {
		return nil, nil, err
	}
	t := m.toxic(q.PathValue("toxic"))
	if t == nil {
		return nil, nil, errToxicNotFound
	}
	return m, t, nil
}

func (s *Server) toxicShow(q *request) (any, error) {
	_, t, err := s.toxic(q)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (s *Server) toxicAdd(q *request) (any, error) {
	m, err := s.proxy(q)
	if err != nil {
		return nil, err
	}
	o := toxicObject{Stream: "downstream", Toxicity: 1}
	if err := first(q.data, &o); err != nil {
		return nil, err
	}
	t := &toxic{name: o.Name, kind: o.Type, stream: o.Stream, toxicity: o.Toxicity}
	if !t.upstream() && !strings.EqualFold(t.stream, "downstream") {
		return nil, errStream
	}
	if t.name == "" {
		t.name = t.kind + "_" + t.stream
	}
	if t.attributes = attributesOf(t.kind); t.attributes == nil {
		return nil, errToxicType
	}
	if m.toxic(t.name) != nil {
		return nil, errToxicExists
	}
	if err := o.into(t.attributes); err != nil {
		return nil, err
	}
	if err := s.state.setToxic(m, nil, t); err != nil {
		return nil, err
	}
	return t, nil
}

func (s *Server) toxicUpdate(q *request) (any, error) {
	m, old, err := s.toxic(q)
	if err != nil {
		return nil, err
	}
	o := toxicObject{Toxicity: old.toxicity}
	if err := first(q.data, &o); err != nil {
		return nil, err
	}
	t := &toxic{name: old.name, kind: old.kind, stream: old.stream, toxicity: o.Toxicity, attributes: attributesOf(old.kind)}
	now, err := json.Marshal(old.attributes)
	if err := errors.Join(err, json.Unmarshal(now, t.attributes)); err != nil {
		return nil, err
	}
	if err := o.into(t.attributes); err != nil {
		return nil, err
	}
	if err := s.state.setToxic(m, old, t); err != nil {
		return nil, err
	}
	return t, nil
}

func (s *Server) toxicRemove(q *request) (any, error) {
	m, t, err := s.toxic(q)
	if err != nil {
		return nil, err
	}
	return nil, s.state.setToxic(m, t, nil)
}
