package tools

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fault-project/fault/internal/nearest"
	"github.com/fault-project/fault/proxyengine/fault"
	"github.com/fault-project/fault/scenarios"
)

// impactSLOs are what an endpoint is judged by when the caller names no objectives.
func impactSLOs() []scenarios.SLO {
	return []scenarios.SLO{
		{Type: scenarios.SLOLatency, Title: "99% @ 350ms", Objective: 99, Threshold: 350},
		{Type: scenarios.SLOLatency, Title: "95% @ 200ms", Objective: 95, Threshold: 200},
	}
}

// scenario makes the scenario that the arguments describe, or says which one is wrong.
func (t *Impact) scenario(in ImpactIn) (scenarios.Scenario, error) {
	var none scenarios.Scenario
	spec, err := t.spec(in.Fault)
	if err != nil {
		return none, err
	}
	call, err := t.call(in)
	if err != nil {
		return none, err
	}
	strategy, err := in.strategy()
	if err != nil {
		return none, err
	}
	item := scenarios.Item{Call: call, Context: scenarios.Context{
		Upstreams: []string{}, Faults: fault.List{spec}, Strategy: strategy, SLO: in.SLOs,
	}}
	if len(in.SLOs) > maxImpactSLOs {
		return none, &UserError{
			Argument: "slos", Message: fmt.Sprintf("%d objectives are too many", len(in.SLOs)),
			Hint: fmt.Sprintf("give at most %d", maxImpactSLOs),
		}
	}
	if in.SLOs == nil {
		item.Context.SLO = impactSLOs()
	}
	for i := range item.Context.SLO {
		if err := checkSLO(&item.Context.SLO[i]); err != nil {
			return none, err
		}
	}
	if len(in.Proxies) > 0 {
		// The fault belongs on what the application calls; the call itself goes straight to it.
		item.Context.Proxy = &scenarios.Proxy{DisableHTTPProxies: true, Proxies: in.Proxies}
	}
	return scenarios.Scenario{
		Title: "Evaluating runtime performance of " + scenarios.MaskText(call.URL),
		Items: []scenarios.Item{item},
	}, nil
}

func (t *Impact) call(in ImpactIn) (scenarios.Call, error) {
	if len(in.Proxies) > maxImpactProxies {
		return scenarios.Call{}, &UserError{
			Argument: "proxies", Message: fmt.Sprintf("%d mappings are too many", len(in.Proxies)),
			Hint: fmt.Sprintf("give at most %d", maxImpactProxies),
		}
	}
	u, err := t.targets.Check(in.URL, in.Proxies)
	if err != nil {
		return scenarios.Call{}, err
	}
	call := scenarios.Call{Method: strings.ToUpper(strings.TrimSpace(in.Method)), URL: u.String()}
	if a := argument("method"); call.Method == "" {
		call.Method = a.Default
	} else if !slices.Contains(a.Enum, call.Method) {
		return call, &UserError{Argument: a.Name, Message: fmt.Sprintf("%q is not a method that is sent", in.Method), Hint: a.accepted()}
	}
	if len(in.Body) > maxImpactBody {
		return call, &UserError{
			Argument: "body", Message: fmt.Sprintf("%d bytes are too many", len(in.Body)),
			Hint: fmt.Sprintf("send at most %d", maxImpactBody),
		}
	}
	if in.Body != "" {
		call.Body = &in.Body
	}
	seconds, err := in.Timeout.float(argument("timeout"))
	if err != nil {
		return call, err
	}
	timeout := seconds * 1000
	call.Timeout = &timeout
	return call, nil
}

func (in *ImpactIn) strategy() (*scenarios.Strategy, error) {
	_, duration, err := in.duration()
	if err != nil {
		return nil, err
	}
	clients, err := in.Clients.float(argument("num_clients"))
	if err != nil {
		return nil, err
	}
	rps, err := in.RPS.float(argument("rps"))
	if err != nil {
		return nil, err
	}
	if rate := clients * rps; rate > maxImpactRate {
		return nil, &UserError{
			Argument: "rps", Message: fmt.Sprintf("%v clients with %v calls a second are %v calls a second", clients, rps, rate),
			Hint: fmt.Sprintf("num_clients × rps may be %d at most", maxImpactRate),
		}
	}
	return &scenarios.Strategy{Mode: scenarios.ModeLoad, Duration: duration, Clients: int(clients), RPS: int(rps)}, nil
}

// spec makes the fault from its arguments. One that is empty has its default.
func (t *Impact) spec(given map[string]string) (fault.Spec, error) {
	spec := t.definition.New()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.IndexFunc(t.definition.Fields, func(f fault.Field) bool { return f.Arg != "" && f.Arg == name })
		if i < 0 {
			return nil, t.unknown(name)
		}
		if strings.TrimSpace(given[name]) == "" {
			continue
		}
		if err := t.definition.Fields[i].Set(spec, given[name]); err != nil {
			return nil, t.wrong(err)
		}
	}
	if err := spec.Validate(); err != nil {
		return nil, t.wrong(err)
	}
	return spec, nil
}

func (t *Impact) unknown(name string) error {
	arguments := t.Arguments()
	known := make([]string, 0, len(arguments))
	for _, a := range arguments {
		known = append(known, a.Name)
	}
	e := &UserError{Argument: name, Message: "is not an argument of this tool", Hint: "use " + strings.Join(known, ", ")}
	if n := nearest.Of(name, known); n != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", n)
	}
	return e
}

// wrong says in terms of the arguments what is wrong with a fault's setting.
func (t *Impact) wrong(err error) error {
	var v *fault.ValueError
	if !errors.As(err, &v) {
		return &UserError{Message: err.Error()}
	}
	i := slices.IndexFunc(t.definition.Fields, func(f fault.Field) bool { return f.Name == v.Field.Name })
	if i < 0 || t.definition.Fields[i].Arg == "" {
		return &UserError{Message: err.Error()}
	}
	a := fieldArgument(t.definition.Fields[i])
	e := &UserError{Argument: a.Name, Message: fmt.Sprintf("%q %s", v.Value, v.Reason), Hint: a.accepted()}
	if v.Value == "" {
		e.Message = "is missing"
	}
	return e
}

func checkSLO(s *scenarios.SLO) error {
	wrong := func(format string, args ...any) error {
		return &UserError{Argument: "slos", Message: fmt.Sprintf(format, args...), Hint: sloHint}
	}
	switch s.Type {
	case scenarios.SLOLatency, scenarios.SLOError:
		if s.Threshold <= 0 {
			return wrong("threshold %v is not more than 0", s.Threshold)
		}
	case scenarios.SLOAvailability:
	default:
		return wrong("type %q is not one of latency, error, availability", s.Type)
	}
	if s.Objective <= 0 || s.Objective > 100 {
		return wrong("objective %v is not a percentage in (0, 100]", s.Objective)
	}
	if s.Title == "" {
		s.Title = fmt.Sprintf("%v%% @ %v", s.Objective, s.Threshold)
	}
	return nil
}
