package runner

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/fault-project/fault/proxyengine"
	"github.com/fault-project/fault/scenarios"
)

// noUpstreams selects no traffic of the HTTP proxy: nothing has a name below .invalid (RFC 2606, section 2).
var noUpstreams, _ = proxyengine.ParseUpstreams([]string{"nothing.invalid"})

// faultless is the program between items and during baseline calls.
var faultless = proxyengine.Program{Timeless: true}

// job is an item with everything worked out that can be before it runs.
type job struct {
	scenario *scenarios.Scenario
	first    bool // of its scenario
	item     *scenarios.Item
	position Progress // where in the run it stands
	name     string   // for errors
	idPrefix string   // of the identities of its calls
	call     scenarios.Call
	url      *url.URL
	address  string // url, with secrets masked
	direct   bool   // its calls do not pass the engine's HTTP proxy
	mappings []proxyengine.Mapping
	program  proxyengine.Program
	plan     plan // the zero plan for a single call
	tunneled bool // its calls are CONNECT tunnels
	mapped   bool // its calls go to a mapping that does not read HTTP
}

// prepare validates scenarios and works out their items.
func prepare(list []scenarios.Scenario) ([]job, error) {
	if len(list) == 0 {
		return nil, errors.New("there is no scenario to run")
	}
	var jobs []job
	for i := range list {
		s := &list[i]
		if err := s.Validate(); err != nil {
			return nil, err
		}
		for k := range s.Items {
			j, err := prepareItem(s, &s.Items[k])
			j.name = fmt.Sprintf("scenario %q, item %d", scenarios.MaskText(s.Title), k+1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", j.name, err)
			}
			j.first = k == 0
			j.idPrefix = fmt.Sprintf("%d.%d.", i+1, k+1)
			j.position.Scenario, j.position.Scenarios, j.position.Item = i, len(list), len(jobs)
			jobs = append(jobs, j)
		}
	}
	for i := range jobs {
		jobs[i].position.Items = len(jobs)
	}
	return jobs, nil
}

func prepareItem(s *scenarios.Scenario, it *scenarios.Item) (j job, err error) {
	j.scenario, j.item = s, it
	if j.call, err = it.Call.Resolve(s.Config); err != nil {
		return j, err
	}
	if j.url, err = url.Parse(j.call.URL); err != nil {
		return j, fmt.Errorf("the URL %s cannot be parsed", scenarios.MaskText(j.call.URL))
	}
	j.address = scenarios.MaskText(j.call.URL)
	j.position.Title, j.position.Method, j.position.URL = scenarios.MaskText(s.Title), j.call.Method, j.address
	if p := it.Context.Proxy; p != nil {
		j.direct = p.DisableHTTPProxies
		for _, text := range p.Proxies {
			m, err := proxyengine.ParseMapping(text)
			if err != nil {
				return j, err
			}
			j.mappings = append(j.mappings, m)
		}
	}
	j.tunneled = !j.direct && j.url.Scheme == "https"
	j.mapped = j.direct && slices.ContainsFunc(j.mappings, func(m proxyengine.Mapping) bool { return !m.HTTP() && leadsTo(j.url, m) })
	j.program = proxyengine.Program{Faults: it.Context.Faults}
	if j.program.Upstreams, err = proxyengine.ParseUpstreams(it.Context.Upstreams); err != nil {
		return j, err
	}
	if j.direct {
		j.program.Upstreams = noUpstreams
	}
	if it.Mode() == scenarios.ModeLoad {
		st := it.Context.Strategy
		j.plan = plan{duration: it.LoadDuration(), rate: st.Clients * st.RPS}
		j.program.Total = j.plan.duration
	} else {
		j.program.Timeless = true
	}
	return j, nil
}

// leadsTo reports whether a call goes to the port that a mapping listens on.
func leadsTo(u *url.URL, m proxyengine.Mapping) bool {
	if u.Port() != strconv.Itoa(int(m.Bind.Port())) {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && (addr.IsLoopback() || addr == m.Bind.Addr())
}
