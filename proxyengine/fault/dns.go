package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// KindDNS is the kind of [DNS].
const KindDNS Kind = "dns"

// DNS spoils the lookups that the proxy makes to reach an upstream: they come late, and a share of them fails as if the name server
// had answered SERVFAIL. Every connection to a mapping or through a tunnel is one lookup, and so is every HTTP exchange, whether
// the proxy has a connection for it already or not. Upstreams that are given by IP address need none, and pass.
type DNS struct {
	Base `with:"with-dns" withenv:"FAULT_WITH_DNS" flag:"dns" env:"FAULT_DNS" side.flag:"-" side.usage:"changes nothing: lookups are the proxy's own" direction.flag:"-" direction.usage:"changes nothing: lookups are the proxy's own" probability.flag:"-" probability.usage:"share of connections or exchanges that rate and delay act on"` //nolint:lll // tags cannot be broken

	// Rate is the share of lookups that fail.
	Rate float64 `key:"rate" env:"PROBABILITY" default:"0.5" min:"0" max:"1" keep:"" usage:"share of lookups that fail"`

	// Delay is how much later every lookup is answered, also one that fails, in milliseconds.
	Delay float64 `key:"delay" default:"0" min:"0" max:"86400000" unit:"ms" usage:"how much later lookups are answered"`
}

// Kind returns KindDNS.
func (*DNS) Kind() Kind { return KindDNS }

// Validate checks ranges.
func (d *DNS) Validate() error { return validate(d) }

// Describe labels the fault: "DNS: Rate: 50%, Delay: 20.00 ms".
func (d *DNS) Describe() string {
	label := fmt.Sprintf("DNS: Rate: %s%%", percent(d.Rate))
	if d.Delay > 0 {
		label += fmt.Sprintf(", Delay: %.2f ms", d.Delay)
	}
	return label + d.chance()
}

// lookup decides about one lookup. It draws once even where the outcome is certain, so that a changed rate moves no other draw.
func (d *DNS) lookup(r *rand.Rand) (fails bool, late time.Duration) {
	return r.Float64() < d.Rate, milliseconds(d.Delay)
}

// lookupFault spoils lookups.
type lookupFault interface {
	lookup(r *rand.Rand) (fails bool, late time.Duration)
}

// Lookup stands before the lookup of an upstream's host on behalf of the flow. It returns how much later the faults make its answer
// come, after having waited so long, and a [*net.DNSError] when it fails. An error of ctx ends the wait.
func (f *Flow) Lookup(ctx context.Context, host string) (late time.Duration, err error) {
	_, notName := netip.ParseAddr(host)
	var failed bool
	f.struck(func(c *Chain, e *entry) bool {
		l, ok := e.Spec.(lookupFault)
		if !ok {
			return true
		}
		if notName == nil {
			c.tell(string(e.Spec.Kind())+" address", func() string {
				return fmt.Sprintf("%s acts on lookups of names: %s is an address and needs none", e.Spec.Kind(), host)
			})
			return true
		}
		eff := f.effect(c, e, point{Server, Egress})
		fails, delay := l.lookup(eff.rand)
		late += delay
		switch {
		case fails:
			eff.applied(time.Now(), amount{delay: delay, detail: "lookup of " + host + " fails"})
		case delay > 0:
			eff.applied(time.Now(), amount{delay: delay, detail: "lookup of " + host + " is late"})
		}
		failed = fails
		return !fails
	})
	if late > 0 {
		timer := time.NewTimer(late)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return late, ctx.Err()
		}
	}
	if failed {
		// What the standard library makes of SERVFAIL.
		return late, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
	}
	return late, nil
}
