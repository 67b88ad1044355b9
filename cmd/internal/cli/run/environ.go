package run

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fault-project/fault/proxyengine"
)

// proxied is the environment of a command that runs behind the proxy: base, with the proxy at the address proxy (nil: there is
// none), the mappings at theirs, and extra.
func proxied(base []string, proxy net.Addr, mappings []proxyengine.Mapping, at map[string]net.Addr, extra ...string) []string {
	set := slices.Clone(extra)
	if proxy != nil {
		url := "http://" + reachable(proxy)
		// Programs disagree about the letter case; curl reads http_proxy only, others the rest.
		set = append(set, "HTTP_PROXY="+url, "HTTPS_PROXY="+url, "http_proxy="+url, "https_proxy="+url, "FAULT_PROXY_URL="+url)
		exceptions := "=" + remoteOnly(lookup(base, "NO_PROXY"), lookup(base, "no_proxy"))
		set = append(set, "NO_PROXY"+exceptions, "no_proxy"+exceptions)
	}
	names := map[string]int{}
	for _, m := range mappings {
		addr := at[m.String()]
		if addr == nil {
			continue
		}
		name := "FAULT_MAPPING_" + strconv.Itoa(int(m.Bind.Port()))
		// The same port of several addresses, and port 0 several times, are numbered.
		if names[name]++; names[name] > 1 {
			name += "_" + strconv.Itoa(names[name])
		}
		set = append(set, name+"="+reachable(addr))
	}
	env := slices.DeleteFunc(slices.Clone(base), func(entry string) bool {
		return slices.ContainsFunc(set, func(other string) bool { return nameOf(other) == nameOf(entry) })
	})
	return append(env, set...)
}

func nameOf(entry string) string {
	name, _, _ := strings.Cut(entry, "=")
	return name
}

// lookup returns the value of a variable, the last one if there are several.
func lookup(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if n, v, ok := strings.Cut(entry, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// reachable is where to connect to what listens on addr: an address that stands for all of this machine's is none to connect to.
func reachable(addr net.Addr) string {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil || !ap.Addr().IsUnspecified() {
		return addr.String()
	}
	host := "127.0.0.1"
	if ap.Addr().Is6() && !ap.Addr().Is4In6() {
		// [::] takes IPv4 connections, too, but ::1 is there even where those are turned off.
		host = "::1"
	}
	return net.JoinHostPort(host, strconv.Itoa(int(ap.Port())))
}

// remoteOnly joins lists of hosts that are not to be reached through a proxy and leaves out this machine, which tests mostly talk
// to, and "*", with which nothing would go through the proxy.
func remoteOnly(lists ...string) string {
	var keep []string
	for _, list := range lists {
		for entry := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
			if !local(entry) && !slices.Contains(keep, entry) {
				keep = append(keep, entry)
			}
		}
	}
	return strings.Join(keep, ",")
}

func local(entry string) bool {
	host := strings.ToLower(entry)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	bare := strings.TrimLeft(host, "*.")
	if bare == "" || bare == "localhost" || strings.HasSuffix(bare, ".localhost") || bare == "localhost.localdomain" {
		return true
	}
	if prefix, err := netip.ParsePrefix(host); err == nil {
		return prefix.Addr().IsLoopback() || prefix.Bits() == 0
	}
	addr, err := netip.ParseAddr(bare)
	return err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified()) || strings.HasPrefix(host, "127.")
}
