package control

import (
	"strconv"
	"time"
)

// status is the answer of /v1/status.
type status struct {
	Version string `json:"version"`
	// Began is when the API was started; Offset the milliseconds since the schedules of the faults began.
	Began  time.Time `json:"began"`
	Offset float64   `json:"offset"`
	// Seed is a text, because not every reader of JSON keeps 64 bits.
	Seed string `json:"seed"`
	// Proxy is the address of the HTTP proxy, "" when there is none.
	Proxy    string        `json:"proxy"`
	Mappings int           `json:"mappings"`
	Faults   []faultStatus `json:"faults"`
}

type faultStatus struct {
	ID     string `json:"id"`
	Label  string `json:"label"`
	Active bool   `json:"active"`
}

func (s *Server) readStatus(*request) (any, error) {
	e := s.state.engine
	out := status{
		Version: s.version, Began: s.began, Offset: milliseconds(e.Offset().Microseconds()), Seed: strconv.FormatUint(e.Seed(), 10),
		Mappings: len(s.state.mappings), Faults: []faultStatus{},
	}
	if a := e.ProxyAddr(); a != nil {
		out.Proxy = a.String()
	}
	for _, f := range e.Faults() {
		out.Faults = append(out.Faults, faultStatus{f.ID, f.Spec.Describe(), f.Active})
	}
	return out, nil
}
