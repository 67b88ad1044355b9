package fault

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// pathSegment is one segment of a path pattern.
type pathSegment struct {
	deep bool // any number of segments
	glob glob
}

// glob is a pattern for text: what stands between its wildcards.
type glob []string

// parsePath reads the pattern of a path.
func parsePath(text string) ([]pathSegment, error) {
	if !strings.HasPrefix(text, "/") {
		return nil, fmt.Errorf("path %q does not begin with /", text)
	}
	if strings.ContainsAny(text, "?#") {
		return nil, fmt.Errorf("path %q has a query or a fragment; only the path is compared", text)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("path %q has a space in it; write %%20", text)
	}
	parts := strings.Split(text[1:], "/")
	out := make([]pathSegment, len(parts))
	for i, part := range parts {
		if part == "**" {
			out[i].deep = true
			continue
		}
		var err error
		if out[i].glob, err = parseSegment(part); err != nil {
			return nil, fmt.Errorf("path %q: %w", text, err)
		}
	}
	return out, nil
}

func parseSegment(part string) (glob, error) {
	if strings.Contains(part, "**") {
		return nil, errors.New("** stands for whole segments, as in /a/**/b")
	}
	var g glob
	literal := func(s string) error {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return fmt.Errorf("%q has a broken escape", part)
		}
		g = append(g, plain)
		return nil
	}
	for {
		i := strings.IndexAny(part, "*{}")
		if i < 0 {
			return g, literal(part)
		}
		if err := literal(part[:i]); err != nil {
			return nil, err
		}
		switch part[i] {
		case '*':
			part = part[i+1:]
		case '{':
			end := strings.IndexAny(part[i+1:], "{}")
			if end < 0 || part[i+1+end] != '}' {
				return nil, errors.New("a { has no }")
			}
			part = part[i+1+end+1:]
		default:
			return nil, errors.New("a } has no {")
		}
	}
}

// matchPath compares a path with a pattern. The last "**" is tried with ever more segments, which is enough: what an earlier one
// could give up, the last can take.
func matchPath(pattern []pathSegment, path string) bool {
	parts := segments(path)
	p, s := 0, 0
	deep, resume := -1, 0
	for s < len(parts) {
		switch {
		case p < len(pattern) && pattern[p].deep:
			deep, resume = p, s
			p++
		case p < len(pattern) && pattern[p].glob.matchesSegment(parts[s]):
			p, s = p+1, s+1
		case deep >= 0:
			resume++
			p, s = deep+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p].deep {
		p++
	}
	return p == len(pattern)
}

// segments splits and decodes a path; one that cannot be decoded is taken as it is.
func segments(path string) []string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	return parts
}

// matchesSegment is matches, but for a wildcard alone, which does not stand for an empty segment: "/orders/*" is not "/orders/".
func (g glob) matchesSegment(s string) bool {
	if len(g) == 2 && g[0] == "" && g[1] == "" && s == "" {
		return false
	}
	return g.matches(s)
}

// matches reports whether s is the parts of g with anything between them.
func (g glob) matches(s string) bool {
	last := len(g) - 1
	if last == 0 {
		return s == g[0]
	}
	if !strings.HasPrefix(s, g[0]) {
		return false
	}
	s = s[len(g[0]):]
	for _, part := range g[1:last] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, g[last])
}
