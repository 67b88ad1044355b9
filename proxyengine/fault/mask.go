package fault

import (
	"maps"
	"slices"
)

// bearer is a fault that holds values of header fields besides those of its Match.
type bearer interface {
	// withHeaders returns a copy with other values.
	withHeaders(replace func(name, value string) string) Spec
}

// Masked returns the fault with replace applied to every value of a header field that it holds, for output that must not tell
// secrets. It returns s itself when there are none. The copy is for writing; nothing is said about its being valid.
func Masked(s Spec, replace func(name, value string) string) Spec {
	if b, ok := s.(bearer); ok {
		s = b.withHeaders(replace)
	}
	if len(s.Common().Match.Headers) == 0 {
		return s
	}
	s = clone(s)
	m := &s.Common().Match
	m.Headers = slices.Clone(m.Headers)
	for i, h := range m.Headers {
		if h.Value != "" {
			m.Headers[i].Value = replace(h.Name, h.Value)
		}
	}
	return s
}

func (h *HTTPError) withHeaders(replace func(name, value string) string) Spec {
	if len(h.Headers) == 0 {
		return h
	}
	out := *h
	out.Headers = maps.Clone(h.Headers)
	for name, value := range out.Headers {
		out.Headers[name] = replace(name, value)
	}
	return &out
}
