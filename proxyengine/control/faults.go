package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/proxyengine/fault"
)

// mostName bounds the length of a name, in bytes.
const mostName = 200

// MarshalJSON writes a fault as in a scenario, with its name in front, and the mappings that it acts on if it does not act on all.
func (e entry) MarshalJSON() ([]byte, error) {
	list, err := json.Marshal(fault.List{e.spec})
	if err != nil {
		return nil, err
	}
	object := bytes.TrimSuffix(bytes.TrimPrefix(list, []byte("[{")), []byte("}]"))
	id, err := json.Marshal(e.id)
	if err != nil {
		return nil, err
	}
	out := fmt.Appendf(nil, `{"id":%s,`, id)
	if e.on != nil {
		on, err := json.Marshal(e.on)
		if err != nil {
			return nil, err
		}
		out = fmt.Appendf(out, `"mappings":%s,`, on)
	}
	return append(append(out, object...), '}'), nil
}

// faultObject is a fault as it was sent: one of a scenario's, which may have a name and the names of mappings besides.
type faultObject map[string]any

// entry makes a fault of the object; its name is "" when it has none. Mappings are given by name, or as they are written.
func (o faultObject) entry(s *state) (entry, error) {
	var e entry
	if o == nil {
		return e, refuse(http.StatusBadRequest, "a fault is an object such as {\"type\":\"latency\",\"mean\":200}")
	}
	values := make(map[string]any, len(o))
	for key, value := range o {
		switch key {
		case "id":
			id, ok := value.(string)
			if !ok || checkName(id) != nil {
				return e, refuse(http.StatusBadRequest, "id %v is not a name: use a text of 1 to %d printable characters", value, mostName)
			}
			e.id = id
		case "mappings":
			if value == nil {
				continue
			}
			var err error
			if e.on, err = s.named(value); err != nil {
				return e, err
			}
		default:
			values[key] = value
		}
	}
	var err error
	e.spec, err = fault.DecodeObject(values)
	return e, err
}

func checkName(id string) error {
	if id == "" || len(id) > mostName || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return refuse(http.StatusBadRequest, "name %q: use a text of 1 to %d printable characters", id, mostName)
	}
	return nil
}

// named makes names of mappings of a list that was sent.
func (s *state) named(value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "mappings is not a list of names of mappings")
	}
	names := []string{}
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil, refuse(http.StatusBadRequest, "mappings: %v is not the name of a mapping", v)
		}
		m := s.find(text)
		if m == nil {
			if parsed, err := proxyengine.ParseMapping(text); err == nil {
				i := slices.IndexFunc(s.mappings, func(m *mapping) bool { return m.mapping == parsed })
				if i >= 0 {
					m = s.mappings[i]
				}
			}
		}
		if m == nil {
			return nil, refuse(http.StatusBadRequest, "mappings: there is no mapping %q; /v1/mappings lists them", text)
		}
		if !slices.Contains(names, m.id) {
			names = append(names, m.id)
		}
	}
	return names, nil
}

// faultNamed makes a name for a fault that was not given one.
func faultNamed(spec fault.Spec, list []entry) string {
	return unused(string(spec.Kind()), func(id string) bool { return indexOf(list, id) >= 0 })
}

func indexOf(list []entry, id string) int {
	return slices.IndexFunc(list, func(e entry) bool { return e.id == id })
}

type faultList struct {
	Faults []entry `json:"faults"`
}

func (s *Server) listFaults(*request) (any, error) {
	return faultList{s.state.faults()}, nil
}

func (s *Server) addFault(q *request) (any, error) {
	var o faultObject
	if err := decode(q.data, &o); err != nil {
		return nil, err
	}
	e, err := o.entry(s.state)
	if err != nil {
		return nil, err
	}
	list := s.state.faults()
	if e.id == "" {
		e.id = faultNamed(e.spec, list)
	} else if indexOf(list, e.id) >= 0 {
		return nil, refuse(http.StatusConflict, "there is a fault %q; PUT or PATCH /v1/faults/%s changes it", e.id, url.PathEscape(e.id))
	}
	if err := s.state.setFaults(append(list, e)); err != nil {
		return nil, err
	}
	q.status = http.StatusCreated
	q.header.Set("Location", "/v1/faults/"+url.PathEscape(e.id))
	return e, nil
}

func (s *Server) putFaults(q *request) (any, error) {
	objects, err := decodeList[faultObject](q.data, "faults")
	if err != nil {
		return nil, err
	}
	list := make([]entry, 0, len(objects))
	for i, o := range objects {
		e, err := o.entry(s.state)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "fault %d: %v", i+1, err)
		}
		list = append(list, e)
	}
	for i := range list {
		if list[i].id == "" {
			list[i].id = faultNamed(list[i].spec, list)
		}
	}
	s.state.keepTogether(list)
	if err := s.state.setFaults(list); err != nil {
		return nil, err
	}
	s.state.dropToxics()
	return faultList{s.state.faults()}, nil
}

func (s *Server) clearFaults(*request) (any, error) {
	if err := s.state.setFaults(nil); err != nil {
		return nil, err
	}
	s.state.dropToxics()
	return nil, nil
}

// fault finds the fault of a request's path.
func (s *Server) fault(q *request) (list []entry, i int, err error) {
	list = s.state.faults()
	if i = indexOf(list, q.PathValue("id")); i < 0 {
		return nil, -1, refuse(http.StatusNotFound, "there is no fault %q", q.PathValue("id"))
	}
	return list, i, nil
}

// changeable finds the fault of a request's path unless it is part of a toxic: that is changed as a whole.
func (s *Server) changeable(q *request) (list []entry, i int, err error) {
	if list, i, err = s.fault(q); err != nil {
		return nil, -1, err
	}
	if m, t := s.state.toxicOf(list[i].id); t != nil {
		return nil, -1, refuse(http.StatusConflict, "fault %q belongs to toxic %q of proxy %q; change that, at /proxies/%s/toxics/%s",
			list[i].id, t.name, m.id, url.PathEscape(m.id), url.PathEscape(t.name))
	}
	return list, i, nil
}

func (s *Server) getFault(q *request) (any, error) {
	list, i, err := s.fault(q)
	if err != nil {
		return nil, err
	}
	return list[i], nil
}

func (s *Server) putFault(q *request) (any, error) {
	id := q.PathValue("id")
	var o faultObject
	if err := decode(q.data, &o); err != nil {
		return nil, err
	}
	e, err := o.entry(s.state)
	if err != nil {
		return nil, err
	}
	if err := checkName(id); err != nil {
		return nil, err
	}
	if e.id != "" && e.id != id {
		return nil, refuse(http.StatusBadRequest, "the fault is named %q in the body and %q in the address", e.id, id)
	}
	e.id = id
	list := s.state.faults()
	if indexOf(list, id) < 0 {
		list = append(list, e)
		q.status = http.StatusCreated
	} else {
		var i int
		if list, i, err = s.changeable(q); err != nil {
			return nil, err
		}
		list[i] = e
	}
	if err := s.state.setFaults(list); err != nil {
		return nil, err
	}
	return e, nil
}

func (s *Server) patchFault(q *request) (any, error) {
	list, i, err := s.changeable(q)
	if err != nil {
		return nil, err
	}
	var patch faultObject
	if err := decode(q.data, &patch); err != nil {
		return nil, err
	}
	o, err := list[i].patched(patch)
	if err != nil {
		return nil, err
	}
	e, err := o.entry(s.state)
	if err != nil {
		return nil, err
	}
	if e.id != list[i].id {
		return nil, refuse(http.StatusBadRequest, "a fault keeps its name; add one named %q and remove this one", e.id)
	}
	if e.spec.Kind() != list[i].spec.Kind() {
		return nil, refuse(http.StatusBadRequest, "a fault keeps its type; PUT /v1/faults/%s replaces it", url.PathEscape(e.id))
	}
	list[i] = e
	if err := s.state.setFaults(list); err != nil {
		return nil, err
	}
	return e, nil
}

// patched merges a patch into the object of a fault (RFC 7396). Keys may have other spellings in it.
func (e entry) patched(patch faultObject) (faultObject, error) {
	o := faultObject(fault.Encode(e.spec))
	o["id"] = e.id
	if e.on != nil {
		list := make([]any, len(e.on))
		for i, name := range e.on {
			list[i] = name
		}
		o["mappings"] = list
	}
	d, _ := fault.Lookup(string(e.spec.Kind()))
	for key, value := range patch {
		if key == "id" && value == nil || key == "type" && value == nil {
			return nil, refuse(http.StatusBadRequest, "%s cannot be taken away", key)
		}
		if f, ok := d.Field(key); ok && key != "type" {
			if target, _, _, synonym := f.Synonym(); synonym {
				delete(o, target)
			}
			key = f.Name
		}
		if value == nil {
			delete(o, key)
			continue
		}
		o[key] = value
	}
	return o, nil
}

func (s *Server) deleteFault(q *request) (any, error) {
	list, i, err := s.changeable(q)
	if err != nil {
		return nil, err
	}
	return nil, s.state.setFaults(slices.Delete(list, i, i+1))
}
