package fault

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/fault-project/fault/proxyengine/event"
)

// KindConnect is the kind of [Connect].
const KindConnect Kind = "connect"

// ErrRefused is why an upstream was not dialed: a fault refuses its connections. It is a syscall.ECONNREFUSED, too.
var ErrRefused error = refusal{}

type refusal struct{}

func (refusal) Error() string        { return "connection refused by a fault" }
func (refusal) Is(target error) bool { return errors.Is(syscall.ECONNREFUSED, target) }

// Connect delays the connection to the upstream, refuses it, or refuses it late. An HTTP exchange behaves as if it had needed a
// connection of its own, whatever pooled one would have carried it. Connections are made on the server segment, so that is the only
// side; the direction changes nothing. Delay or Refuse must be given.
type Connect struct {
	Base `with:"with-connect" withenv:"FAULT_WITH_CONNECT" flag:"connect" env:"FAULT_CONNECT" side.enum:"server" side.usage:"connections are made on the server segment" direction.usage:"changes nothing: a connection has no direction"` //nolint:lll // tags cannot be broken

	// Delay is how much later the connection is made, or refused, in milliseconds.
	Delay float64 `key:"delay" default:"0" min:"0" max:"86400000" unit:"ms" usage:"how much later the upstream is connected"`

	// Refuse is that it is not connected at all.
	Refuse bool `key:"refuse" default:"false" usage:"refuse the connection to the upstream"`
}

// Kind returns KindConnect.
func (*Connect) Kind() Kind { return KindConnect }

// Validate checks ranges, and that there is something to do.
func (c *Connect) Validate() error {
	if err := validate(c); err != nil {
		return err
	}
	if c.Delay == 0 && !c.Refuse {
		d, _ := Lookup(string(KindConnect))
		f, _ := d.Field("delay")
		refuse, _ := d.Field("refuse")
		return &ValueError{Fault: KindConnect, Field: f, Reason: fmt.Sprintf("is missing: give it, or refuse (--%s)", refuse.Flag)}
	}
	return nil
}

// Describe labels the fault: "Connect: ➡️🖧, Delay: 500.00 ms, Refuse: true".
func (c *Connect) Describe() string {
	label := "Connect: " + c.segment()
	if c.Delay > 0 {
		label += fmt.Sprintf(", Delay: %.2f ms", c.Delay)
	}
	if c.Refuse {
		label += ", Refuse: true"
	}
	return label + c.chance()
}

func (c *Connect) dialing(event.Kind) (dialRule, bool) {
	rule := dialRule{delay: milliseconds(c.Delay), refuse: c.Refuse}
	if c.Refuse {
		rule.detail = "refused"
	}
	return rule, true
}
