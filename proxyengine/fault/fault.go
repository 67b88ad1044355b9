// Package fault holds the network faults: one file each, with the configuration struct, its validation and what it does to the
// bytes of a connection or of an HTTP exchange.
//
// A fault is described once, by the tags of its struct: command-line flag, environment variable, key in YAML and JSON, argument of
// an MCP tool, default, range, unit and usage. [Definitions] derives everything that the outside sees from those. Adding a fault
// takes its file and one line in the slice of definitions.
//
// At run time [Build] makes a [Chain] of the faults that are active, [Live] holds the current chain, and a [Flow] is one
// connection or exchange that the chain acts on.
package fault

import (
	"fmt"
	"strings"

	"github.com/fault-project/fault/proxyengine/schedule"
)

// Kind is the name of a fault, as in the "type" key of a scenario file.
type Kind string

// Side is the segment that a fault sits on: between the application and the proxy, or between the proxy and the upstream.
type Side string

// Direction is seen from the proxy on a segment: ingress is what the proxy reads from that side, egress what it writes to it.
type Direction string

// The two segments and the directions on them.
const (
	Client Side = "client"
	Server Side = "server"

	Ingress Direction = "ingress"
	Egress  Direction = "egress"
	Both    Direction = "both"
)

// Spec is the configuration of one fault: a pointer to one of the structs of this package. It is not safe for concurrent change,
// and must not be changed once it was given to [Build].
type Spec interface {
	// Kind names the fault.
	Kind() Kind
	// Common gives access to what all faults have.
	Common() *Base
	// Validate reports the first thing that is wrong with the configuration, naming the key and what it accepts.
	Validate() error
	// Describe is the fault's one-line label in reports.
	Describe() string
}

// Base is what every fault has. The zero value is not valid: use [New], or fill in all but Schedule and Match.
type Base struct {
	// Side is where the fault sits.
	Side Side `key:"side" arg:"side" default:"server" enum:"client,server" keep:"" usage:"segment: client or server side of the proxy"`

	// Direction is which way bytes go there.
	Direction Direction `key:"direction" arg:"direction" default:"ingress" enum:"ingress,egress,both" keep:"" usage:"as the proxy sees it"`

	// Schedule is when the fault is active.
	Schedule schedule.Schedule `key:"period" aliases:"sched,schedule" flag:"sched" env:"SCHED" arg:"sched" usage:"start:TIME,duration:TIME"`

	// Probability, 0 to 1, is the share of connections or HTTP exchanges that the fault applies to.
	Probability float64 `key:"probability" arg:"probability" default:"1" min:"0" max:"1" usage:"share of connections or exchanges hit"`

	// Match limits the fault to some HTTP exchanges.
	Match Match `key:"match" usage:"only HTTP exchanges like 'POST /orders/* header:NAME=VALUE after:N first:N every:N', all optional"`
}

// Common returns b.
func (b *Base) Common() *Base { return b }

// segment draws the direction and the segment of a fault for its label.
func (b *Base) segment() string {
	arrow := map[Direction]string{Ingress: "➡️", Egress: "⬅️", Both: "↔️"}[b.Direction]
	place := map[Side]string{Client: "💻", Server: "🖧"}[b.Side]
	return arrow + place
}

// chance is the end of a label: which share of the traffic is hit where it is not all, and which exchanges those are.
func (b *Base) chance() string {
	if b.Probability >= 1 {
		return b.Match.limit()
	}
	return fmt.Sprintf(", Probability: %s%%", percent(b.Probability)) + b.Match.limit()
}

// percent writes a share with as many decimals as it needs, at most one.
func percent(share float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", share*100), ".0") }

// Definition describes a fault to the outside.
type Definition struct {
	Kind Kind
	// Title is the fault's name for people, Summary one sentence about what it does.
	Title, Summary string
	// Enable is the switch that turns the fault on from the command line and the environment.
	Enable Field
	// Fields are the fault's settings, in the order in which they are written.
	Fields []Field
	// New makes a fault of this kind with the defaults filled in.
	New func() Spec
}

// definitions is every fault, in the order in which they compose: what is first meets the bytes first.
var definitions = []Definition{
	define[Connect]("Connect", "The connection to the upstream is made late, or refused."),
	define[HTTPError]("HTTP Response", "An HTTP request is answered with an error at once, and the upstream never hears of it."),
	define[DNS]("DNS", "Lookups that the proxy makes fail, or come late."),
	define[HTTPBody]("HTTP Body", "A successful HTTP response has the wrong content."),
	define[Blackhole]("Blackhole", "Data on the affected path vanishes without a word; connections stay open."),
	define[PacketLoss]("Packet Loss", "Packets get lost: a connection stalls until they are sent again, or is cut."),
	define[Bandwidth]("Bandwidth", "No more than a number of bytes a second gets through."),
	define[Latency]("Latency", "Data arrives late, by a fixed time or by a draw from a distribution."),
	define[Jitter]("Jitter", "Some data arrives later than the rest, a few times a second."),
	define[Slicer]("Slicer", "Data arrives in small pieces, with a pause after each."),
	define[LimitData]("Limit Data", "A connection is closed after a number of bytes."),
	define[Reset]("Reset", "Connections are reset, after a time or a number of bytes."),
	define[SlowClose]("Slow Close", "Connections are closed late."),
}

// Definitions lists every fault in the order of composition, outermost first. The caller must not modify what it points to.
func Definitions() []Definition { return definitions }

// Lookup finds the definition of a kind, in any letter case and with or without "_" and "-" between its words.
func Lookup(kind string) (Definition, bool) {
	for _, d := range definitions {
		if fold(string(d.Kind)) == fold(kind) {
			return d, true
		}
	}
	return Definition{}, false
}

// New makes a fault with its defaults.
func New(kind Kind) (Spec, error) {
	d, ok := Lookup(string(kind))
	if !ok {
		return nil, unknownKind(string(kind))
	}
	return d.New(), nil
}

// rank is the place of a kind in the order of composition.
func rank(k Kind) int {
	for i, d := range definitions {
		if d.Kind == k {
			return i
		}
	}
	return len(definitions)
}

// separators stand between the words of a name and mean nothing.
var separators = strings.NewReplacer("_", "", "-", "", " ", "")

// fold makes spellings of one name equal: "Pareto-Normal", "pareto_normal" and "paretonormal".
func fold(name string) string {
	return separators.Replace(strings.ToLower(strings.TrimSpace(name)))
}
