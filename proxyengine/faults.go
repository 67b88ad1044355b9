package proxyengine

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/fault-project/fault/proxyengine/fault"
)

// Fault is a fault of the running program that can be told from the others, so that one changes while the rest stays as it is.
type Fault struct {
	// ID names the fault; no two have the same.
	ID string
	// Spec must not be changed once it was given to the engine.
	Spec fault.Spec
	// Mappings are the mappings, in the spelling of [ParseMapping], that the fault acts on, and it acts on nothing else; none when
	// the list is empty. nil leaves it to the program, as for all others.
	Mappings []string
	// With, unless empty, is the ID of a fault of the list that this one belongs to: they have the same probability, and hit the
	// same connections and exchanges.
	With string
}

// FaultState is a fault with what has become of it.
type FaultState struct {
	Fault
	// Index is what [event.Applied] carries: the place, from 0, in the order in which the faults came. It is never used again.
	Index int
	// Active says whether the schedule has it active now.
	Active bool
}

// placed is a fault in its place in a running program.
type placed struct {
	Fault
	scope  map[string]bool // by Mapping.String; nil leaves it to the program
	index  int
	epoch  uint64    // of its present activation, 0 while it is not active
	origin time.Time // of its schedule; zero for that of the program
}

func (p *placed) activate(c *clock) fault.Active {
	if p.epoch == 0 {
		c.epoch++
		p.epoch = c.epoch
	}
	return fault.Active{Spec: p.Spec, Index: p.index, Epoch: p.epoch}
}

// originOf is where a fault's schedule begins. Percentages are shares of the run, so they always count from its beginning.
func (r *running) originOf(p *placed) time.Time {
	if p.origin.IsZero() || p.Spec.Common().Schedule.Relative() {
		return r.origin
	}
	return p.origin
}

func sameSchedule(a, b *placed) bool {
	return a.Spec.Common().Schedule.String() == b.Spec.Common().Schedule.String()
}

// named gives the faults of a program their names: the kind, with a number from the second of a kind on.
func (p Program) named() []Fault {
	count := map[fault.Kind]int{}
	list := make([]Fault, len(p.Faults))
	for i, s := range p.Faults {
		count[s.Kind()]++
		list[i] = Fault{ID: string(s.Kind()), Spec: s}
		if n := count[s.Kind()]; n > 1 {
			list[i].ID += "-" + strconv.Itoa(n)
		}
	}
	return list
}

// place makes list the faults. Those that were there keep their place, and their activation if their settings are the same.
func (r *running) place(list []Fault) error {
	next := make([]*placed, 0, len(list))
	scoped := map[string]bool{}
	for _, f := range list {
		p := &placed{Fault: f}
		if f.ID == "" {
			return errors.New("a fault has no ID")
		}
		if slices.ContainsFunc(next, func(o *placed) bool { return o.ID == f.ID }) {
			return fmt.Errorf("fault %s is given twice", f.ID)
		}
		if f.Mappings != nil {
			p.scope = make(map[string]bool, len(f.Mappings))
			for _, text := range f.Mappings {
				m, err := ParseMapping(text)
				if err != nil {
					return err
				}
				p.scope[m.String()], scoped[m.String()] = true, true
			}
		}
		next = append(next, p)
	}
	specs := make([]fault.Spec, len(list))
	for i, f := range list {
		specs[i] = f.Spec
	}
	program := r.Program
	program.Faults = specs
	if err := program.Validate(); err != nil {
		return err
	}
	selection, err := newSelection(program)
	if err != nil {
		return err
	}
	selection.scoped = scoped
	last := r.last
	for _, p := range next {
		i := slices.IndexFunc(r.placed, func(o *placed) bool { return o.ID == p.ID })
		if i < 0 {
			p.index = last
			last++
			continue
		}
		old := r.placed[i]
		p.index = old.index
		if sameSchedule(old, p) {
			p.origin = old.origin
		}
		if reflect.DeepEqual(fault.Encode(old.Spec), fault.Encode(p.Spec)) {
			p.epoch = old.epoch
		}
	}
	leaders, err := leaders(next)
	if err != nil {
		return err
	}
	r.Program, r.selection, r.placed, r.last, r.leaders = program, selection, next, last, leaders
	return nil
}

// leaders finds, by index, whose draw decides about those that belong to another.
func leaders(list []*placed) (map[int]int, error) {
	out := map[int]int{}
	for _, p := range list {
		if p.With == "" {
			continue
		}
		i := slices.IndexFunc(list, func(o *placed) bool { return o.ID == p.With })
		if i < 0 || list[i].With != "" || list[i] == p {
			return nil, fmt.Errorf("fault %s belongs to %q, which is no other fault that stands for itself", p.ID, p.With)
		}
		if list[i].Spec.Common().Probability != p.Spec.Common().Probability {
			return nil, fmt.Errorf("faults %s and %s belong together, but their probabilities differ", p.ID, p.With)
		}
		out[p.index] = list[i].index
	}
	return out, nil
}

// chains makes the chains of the faults that are active: what each flow gets depends on the mapping it came by.
func (r *running) chains(active []fault.Active, build func([]fault.Active) *fault.Chain) *assignment {
	by := make(map[int]*placed, len(r.placed))
	for _, p := range r.placed {
		by[p.index] = p
	}
	var general []fault.Active
	names := map[string]bool{}
	for _, a := range active {
		if by[a.Index].scope == nil {
			general = append(general, a)
		}
		for name := range by[a.Index].scope {
			names[name] = true
		}
	}
	out := &assignment{selection: r.selection, general: build(general), mapped: make(map[string]*fault.Chain, len(names))}
	for name := range names {
		var list []fault.Active
		for _, a := range active {
			if scope := by[a.Index].scope; scope[name] || scope == nil && r.selection.mapping(name) {
				list = append(list, a)
			}
		}
		out.mapped[name] = build(list)
	}
	return out
}

// SetFaults makes list the faults of the program, from now on; open connections go over to it too. Faults are told apart by ID: one
// that was there with the same settings stays as it is, with its schedule and what it did so far; one with other settings begins
// anew, but keeps the time that its schedule has run if the schedule is the same. A schedule that is new begins now, unless it has
// percentages: those are of the whole run. SetFaults returns when the change is in force; on an error nothing has changed.
func (e *Engine) SetFaults(list []Fault) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.program.placed
	if err := e.program.place(slices.Clone(list)); err != nil {
		return err
	}
	if !e.begun {
		return nil
	}
	now := e.options.Clock.Now()
	for _, p := range e.program.placed {
		if !slices.ContainsFunc(before, func(o *placed) bool { return o.ID == p.ID && sameSchedule(o, p) }) {
			p.origin = now
		}
	}
	e.advance()
	e.wake()
	return nil
}

// Faults lists the faults of the program. Those that were given without an ID have their kind for one, with a number from the
// second of a kind on.
func (e *Engine) Faults() []FaultState {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]FaultState, len(e.program.placed))
	for i, p := range e.program.placed {
		list[i] = FaultState{Fault: p.Fault, Index: p.index, Active: p.epoch != 0}
	}
	return list
}
