package fault

import (
	"fmt"
	"math"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// Match limits a fault to some HTTP exchanges, by the head of the request and by how many there were before. The zero value is all
// traffic; with any other a fault never acts on streams, because nothing of them is known.
//
// Its text is a line of words, all of which may be left out:
//
//	POST,PUT /orders/* header:X-Tenant=a* after:1 first:2 every:3
//
// First come methods, then a path (see [Match.Path]), header fields and counters. A value with a space is put in double quotes.
// In files the same may be an object with the keys method, path, header (an object), first, after and every.
type Match struct {
	// Methods are the accepted request methods, in capitals; none is any.
	Methods []string
	// Path is the pattern of the path, "" for any. The query does not count. Segments are compared one by one, after decoding, with
	// regard to letter case: "*" and "{name}" stand for one segment, or inside of one for any characters in it; "**" stands for any
	// number of segments, none included. So "/orders" is only that, "/orders/*" is /orders/7, "/orders/**" is all of these and
	// /orders/7/items.
	Path string
	// Headers must all be there.
	Headers []HeaderMatch
	// Counters, 0 for none. Exchanges that match are counted from 1, anew each time the fault becomes active: After lets so many
	// of them pass, Every takes only each so manieth of those that follow, First ends it after so many were taken.
	First, After, Every int

	path []pathSegment
}

// HeaderMatch is a header field that a request must have.
type HeaderMatch struct {
	// Name is the field's name in its canonical form.
	Name string
	// Value is what one of its values must be, with "*" for any characters; "" is any value.
	Value string
}

// Request is what faults know of the request of an exchange.
type Request struct {
	// Method is the request method.
	Method string
	// Path is the path as it was sent, with its escapes and without the query.
	Path string
	// Header returns the values of a header field by its canonical name.
	Header func(name string) []string
}

// IsZero reports whether m limits nothing.
func (m *Match) IsZero() bool {
	return len(m.Methods) == 0 && m.Path == "" && len(m.Headers) == 0 && !m.counts()
}

func (m *Match) counts() bool { return m.First > 0 || m.After > 0 || m.Every > 1 }

// accepts reports whether the head of a request matches.
func (m *Match) accepts(r *Request) bool {
	if r == nil {
		return false
	}
	if len(m.Methods) > 0 && !slices.ContainsFunc(m.Methods, func(name string) bool { return strings.EqualFold(name, r.Method) }) {
		return false
	}
	if m.Path != "" && !matchPath(m.path, r.Path) {
		return false
	}
	for _, h := range m.Headers {
		pattern := glob(strings.Split(h.Value, "*"))
		if h.Value == "" {
			pattern = glob{"", ""}
		}
		if !slices.ContainsFunc(r.Header(h.Name), func(v string) bool { return pattern.matches(textproto.TrimString(v)) }) {
			return false
		}
	}
	return true
}

// selects reports whether the n-th exchange that matches, counted from 1, is one of those that the counters take.
func (m *Match) selects(n uint64) bool {
	after, every, first := uint64(m.After), uint64(max(1, m.Every)), uint64(m.First)
	if n <= after || (n-after)%every != 0 {
		return false
	}
	return first == 0 || (n-after)/every <= first
}

// MarshalText formats m; parsing it gives an equal Match.
func (m Match) MarshalText() ([]byte, error) { return []byte(m.text(true)), nil }

// String formats m.
func (m Match) String() string { return m.text(true) }

// text writes the words. Values of header fields may be secrets, and are left out of labels.
func (m *Match) text(values bool) string {
	var words []string
	if len(m.Methods) > 0 {
		words = append(words, strings.Join(m.Methods, ","))
	}
	if m.Path != "" {
		words = append(words, m.Path)
	}
	for _, h := range m.Headers {
		word := "header:" + h.Name
		if h.Value != "" && values {
			word += "=" + quoteWord(h.Value)
		}
		words = append(words, word)
	}
	for _, c := range m.counters() {
		if *c.value > 0 {
			words = append(words, c.name+":"+strconv.Itoa(*c.value))
		}
	}
	return strings.Join(words, " ")
}

// counter is one of the counters with its name.
type counter struct {
	name  string
	value *int
	least int
}

func (m *Match) counters() []counter {
	return []counter{{"after", &m.After, 0}, {"first", &m.First, 1}, {"every", &m.Every, 1}}
}

// set stores a counter. What changes nothing is not kept, so that equal matches are equal values.
func (c counter) set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || int(n) < c.least {
		return fmt.Errorf("%s:%s is not a number of exchanges from %d to %d", c.name, text, c.least, math.MaxInt32)
	}
	*c.value = int(n)
	if c.name == "every" && n == 1 {
		*c.value = 0
	}
	return nil
}

// limit is the end of a label that says which exchanges a fault is for.
func (m *Match) limit() string {
	if m.IsZero() {
		return ""
	}
	return ", On: " + m.text(false)
}
