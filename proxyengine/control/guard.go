package control

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guard decides which requests are answered.
//
// A web page that the user happens to look at runs on this machine too, and reaches loopback. It can do so under a name of its own
// that it lets resolve to 127.0.0.1 (DNS rebinding), which shows in Host; or blindly across origins, which shows in Origin,
// Sec-Fetch-Site or, with the oldest browsers, in User-Agent. A page can fake none of the four. That is why loopback without
// a token leaves out nobody but other users and programs of this machine, and why no token is wanted only when that was said.
type guard struct {
	token    string // "" when none is wanted
	loopback bool   // the server is bound to loopback
}

// check returns nil when the request may go on.
func (g guard) check(r *http.Request) *problem {
	if g.loopback && !isLoopback(r.Host) {
		return refuse(http.StatusForbidden, "host %q is not this machine; use 127.0.0.1 or localhost", r.Host)
	}
	if o := r.Header.Get("Origin"); o != "" && !sameOrigin(o, r.Host) {
		return refuse(http.StatusForbidden, "origin %q is a web page's; this API is not for web pages", o)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return refuse(http.StatusForbidden, "a web page asked for this; this API is not for web pages")
	}
	if g.token == "" {
		if strings.HasPrefix(r.UserAgent(), "Mozilla/") {
			return refuse(http.StatusForbidden, "browsers are not answered without a token")
		}
		return nil
	}
	if given, ok := bearer(r); !ok || !equal(given, g.token) {
		return refuse(http.StatusUnauthorized, "the token is missing or wrong: send the header Authorization: Bearer TOKEN, or write "+
			"the address as http://fault:TOKEN@%s; --api-token none wants no token", r.Host)
	}
	return nil
}

// isLoopback says whether a Host header names this machine. A name that resolves to it is not enough.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && strings.EqualFold(u.Host, host)
}

// bearer finds the token of a request. Basic authentication carries it as the password (any user), because that is what clients
// make of an address with user information (RFC 7617).
func bearer(r *http.Request) (string, bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// equal takes the same time wherever the texts differ, and whatever their lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
