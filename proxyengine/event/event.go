// Package event declares the facts that the proxy engine reports while it runs. Facts come up from the engine only through a
// [Sink]; nothing below the engine prints, logs or counts by itself.
package event

import "time"

// Sink receives the engine's events. It is called from many goroutines at once, on the data path: it must be safe for that and
// must return at once (count, copy or queue; never wait).
type Sink func(Event)

// Send passes e on, if there is anyone to receive it.
func (s Sink) Send(e Event) {
	if s != nil {
		s(e)
	}
}

// Event is one of [Opened], [Resolved], [Connected], [Applied], [Completed], [FaultsChanged] and [Notice].
type Event interface{ event() }

// Kind says how traffic reached the proxy, which decides what the scope of a fault is.
type Kind string

const (
	// Connection is a raw TCP mapping: faults are drawn once a connection.
	Connection Kind = "connection"
	// Tunnel is an HTTP CONNECT tunnel: a connection, too.
	Tunnel Kind = "tunnel"
	// Exchange is one HTTP request with its response: faults are drawn once an exchange.
	Exchange Kind = "exchange"
)

// Flow identifies the connection or exchange that an event belongs to. It is immutable once an event carried it.
type Flow struct {
	// ID numbers connections and exchanges of an engine, from 1 in order of arrival.
	ID   uint64
	Kind Kind
	// Listener is the local address that accepted the traffic.
	Listener string
	// Mapping is the mapping as it was written, "" for traffic of the HTTP proxy.
	Mapping string
	// Client is the peer's address.
	Client string
	// Target is where the traffic goes, as host:port.
	Target string
	// Method and URL describe an exchange; the URL has neither user information nor query.
	Method, URL string
	// CallID is the identity that the load driver gave to its own call, else "".
	CallID string
	// Bypassed says that no fault can touch this flow: its upstream was not selected.
	Bypassed bool
	// Start is when the connection was accepted or the request's head was read.
	Start time.Time
}

// Opened reports a new connection or exchange.
type Opened struct{ Flow *Flow }

// Resolved reports a host name lookup that the proxy made to reach a target.
type Resolved struct {
	Flow *Flow // may be nil: pooled connections belong to no single exchange
	Host string
	Took time.Duration
	Err  error
}

// Connected reports that the upstream connection is established.
type Connected struct {
	Flow *Flow
	Took time.Duration
	Err  error
}

// Applied reports that a fault did something, with its amount.
type Applied struct {
	Flow *Flow
	At   time.Time
	// Fault is the fault's kind ("latency"); Index its place, from 0, in the list of configured faults.
	Fault string
	Index int
	// Side is "client" or "server"; Direction "ingress" or "egress" (never "both": the one that happened).
	Side, Direction string
	// Delay is the delay that was drawn; 0 where the fault does not delay.
	Delay time.Duration
	// Bytes is the number of bytes that were lost or withheld; 0 where none were.
	Bytes int64
	// Status is the HTTP status that was returned; 0 where none was.
	Status int
	// Detail says in a few words what else there is to know ("buffer full").
	Detail string
	// Continued says that the fault goes on with what it reported before, at the same point of the same flow: the amounts add to
	// those, and it does not count as applied once more.
	Continued bool
}

// Completed reports the end of a connection or exchange.
type Completed struct {
	Flow *Flow
	At   time.Time
	// Up counts bytes client → upstream, Down the other way (bodies only, for exchanges).
	Up, Down int64
	// Status is the exchange's HTTP status, 0 when there was none.
	Status int
	// TTFB is the time from Start to the first response byte that went to the client; 0 when there was none.
	TTFB time.Duration
	Err  error
}

// FaultsChanged reports that the set of active faults changed, by schedule or by order.
type FaultsChanged struct {
	At time.Time
	// Offset is the time since the faults' schedules began.
	Offset time.Duration
	// Active lists the descriptions of the faults that are active from now on.
	Active []string
}

// Notice is something a person should know once ("no effect here").
type Notice struct {
	At   time.Time
	Text string
}

func (Opened) event()        {}
func (Resolved) event()      {}
func (Connected) event()     {}
func (Applied) event()       {}
func (Completed) event()     {}
func (FaultsChanged) event() {}
func (Notice) event()        {}
