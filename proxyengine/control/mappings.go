package control

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/fault-project/fault/proxyengine"
)

// mappingObject is a mapping as it is sent and answered. The address is an answer only; it is ignored when it comes.
type mappingObject struct {
	ID      string               `json:"id,omitempty"`
	Mapping *proxyengine.Mapping `json:"mapping,omitempty"`
	Enabled *bool                `json:"enabled,omitempty"`
	Address string               `json:"address,omitempty"`
}

func (m *mapping) object() mappingObject {
	o := mappingObject{ID: m.id, Mapping: &m.mapping, Enabled: &m.enabled}
	if m.enabled {
		o.Address = m.address.String()
	}
	return o
}

type mappingList struct {
	Mappings []mappingObject `json:"mappings"`
}

func (s *state) objects() mappingList {
	list := mappingList{Mappings: []mappingObject{}}
	for _, m := range s.mappings {
		list.Mappings = append(list.Mappings, m.object())
	}
	return list
}

// become is what a mapping is once o was said of it; old is what it was, nil for nothing.
func (o mappingObject) become(old *mapping) (*mapping, error) {
	m := &mapping{id: o.ID, enabled: true}
	if old != nil {
		m = old
	} else if o.Mapping == nil {
		return nil, refuse(http.StatusBadRequest, "mapping is missing; write it as in {\"mapping\":\"15432=localhost:5432\"}")
	}
	if o.Mapping != nil && *o.Mapping != m.mapping {
		changed := *m
		changed.mapping, changed.listen, changed.address = *o.Mapping, "", netip.AddrPort{}
		m = &changed
	}
	switch {
	case o.Enabled == nil || *o.Enabled == m.enabled:
		return m, nil
	case *o.Enabled:
		return m.on(), nil
	}
	return m.off(), nil
}

// name names the mappings that have no name yet: by their port, where they have one.
func name(list []*mapping) {
	for _, m := range list {
		if m.id != "" {
			continue
		}
		id := "mapping"
		if port := m.mapping.Bind.Port(); port != 0 {
			id = strconv.Itoa(int(port))
		}
		m.id = unused(id, func(id string) bool {
			return slices.ContainsFunc(list, func(o *mapping) bool { return o.id == id })
		})
	}
}

func (s *Server) listMappings(*request) (any, error) { return s.state.objects(), nil }

// mapping finds the mapping of a request's path.
func (s *Server) mapping(q *request) (*mapping, error) {
	if m := s.state.find(q.PathValue("id")); m != nil {
		return m, nil
	}
	return nil, refuse(http.StatusNotFound, "there is no mapping %q", q.PathValue("id"))
}

func (s *Server) getMapping(q *request) (any, error) {
	m, err := s.mapping(q)
	if err != nil {
		return nil, err
	}
	return m.object(), nil
}

// readMapping reads what was sent of a mapping whose name the path may say.
func readMapping(q *request) (mappingObject, error) {
	var o mappingObject
	if err := decode(q.data, &o); err != nil {
		return o, err
	}
	id := q.PathValue("id")
	if id != "" && o.ID != "" && o.ID != id {
		return o, refuse(http.StatusBadRequest, "the mapping is named %q in the body and %q in the address", o.ID, id)
	}
	if id != "" {
		o.ID = id
	}
	if o.ID != "" {
		return o, checkName(o.ID)
	}
	return o, nil
}

// change makes m the mapping of its name and answers with what became of it.
func (s *Server) change(q *request, m *mapping) (any, error) {
	next := with(s.state.mappings, m)
	name(next)
	if err := s.state.setMappings(q.Context(), next); err != nil {
		return nil, conflict(err)
	}
	return s.state.find(m.id).object(), nil
}

// conflict is the answer when an address cannot be had.
func conflict(err error) error {
	return refuse(http.StatusConflict, "%v", err)
}

func (s *Server) addMapping(q *request) (any, error) {
	o, err := readMapping(q)
	if err != nil {
		return nil, err
	}
	if s.state.find(o.ID) != nil {
		return nil, refuse(http.StatusConflict, "there is a mapping %q; PUT or PATCH /v1/mappings/%s changes it",
			o.ID, url.PathEscape(o.ID))
	}
	m, err := o.become(nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.change(q, m)
	if err != nil {
		return nil, err
	}
	q.status = http.StatusCreated
	q.header.Set("Location", "/v1/mappings/"+url.PathEscape(m.id))
	return answer, nil
}

func (s *Server) putMapping(q *request) (any, error) {
	o, err := readMapping(q)
	if err != nil {
		return nil, err
	}
	old := s.state.find(o.ID)
	if old == nil {
		q.status = http.StatusCreated
	} else if o.Enabled == nil {
		enabled := true
		o.Enabled = &enabled
	}
	if o.Mapping == nil {
		old = nil // says what is missing
	}
	m, err := o.become(old)
	if err != nil {
		q.status = 0
		return nil, err
	}
	return s.change(q, m)
}

func (s *Server) patchMapping(q *request) (any, error) {
	old, err := s.mapping(q)
	if err != nil {
		return nil, err
	}
	o, err := readMapping(q)
	if err != nil {
		return nil, err
	}
	m, err := o.become(old)
	if err != nil {
		return nil, err
	}
	return s.change(q, m)
}

func (s *Server) putMappings(q *request) (any, error) {
	objects, err := decodeList[mappingObject](q.data, "mappings")
	if err != nil {
		return nil, err
	}
	var next []*mapping
	for i, o := range objects {
		old := s.state.find(o.ID)
		if o.ID == "" && o.Mapping != nil {
			if at := slices.IndexFunc(s.state.mappings, func(m *mapping) bool { return m.mapping == *o.Mapping }); at >= 0 {
				old = s.state.mappings[at]
			}
		}
		if o.ID != "" && checkName(o.ID) != nil {
			return nil, checkName(o.ID)
		}
		m, err := o.become(old)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "mapping %d: %v", i+1, err)
		}
		if m.id != "" && slices.ContainsFunc(next, func(other *mapping) bool { return other.id == m.id }) {
			return nil, refuse(http.StatusBadRequest, "mapping %q is given twice", m.id)
		}
		next = append(next, m)
	}
	name(next)
	if err := s.state.setMappings(q.Context(), next); err != nil {
		return nil, conflict(err)
	}
	return s.state.objects(), nil
}

func (s *Server) deleteMapping(q *request) (any, error) {
	m, err := s.mapping(q)
	if err != nil {
		return nil, err
	}
	if err := s.state.setMappings(q.Context(), without(s.state.mappings, m.id)); err != nil {
		return nil, conflict(err)
	}
	return nil, nil
}
