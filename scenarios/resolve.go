package scenarios

import (
	"fmt"
	"maps"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// placeholder matches ${name} and {name}; which of the two is allowed depends on where it stands.
var placeholder = regexp.MustCompile(`\$?\{([A-Za-z_][A-Za-z0-9_.-]*)\}`)

// Resolve returns the call as it is sent: headers of config are added (a header of the call itself wins, whatever its letter
// case), and placeholders are replaced by the values of config.http.paths.segments. In the URL {name} and ${name} are placeholders,
// and values are escaped for where they stand; in header values and the body, where braces are ordinary text, only ${name} is.
// A placeholder of the URL that has no value is an error: a call to a literal "{id}" would measure nothing. A nil config is fine.
func (c Call) Resolve(config *Config) (Call, error) {
	values := config.segments()
	resolved, missing := expandURL(c.URL, values)
	if len(missing) > 0 {
		return c, missingError(missing)
	}
	c.URL = resolved
	c.Headers = c.mergedHeaders(config.headers())
	for name, value := range c.Headers {
		c.Headers[name] = expandText(value, values)
	}
	if c.Body != nil {
		body := expandText(*c.Body, values)
		c.Body = &body
	}
	return c, nil
}

func missingError(missing []string) error {
	return fmt.Errorf("the URL has no value for {%s}: set it in config.http.paths.segments", strings.Join(missing, "}, {"))
}

// mergedHeaders returns a new map, never nil when there is anything in it.
func (c Call) mergedHeaders(shared map[string]string) map[string]string {
	if len(shared) == 0 {
		return maps.Clone(c.Headers)
	}
	own := make(map[string]bool, len(c.Headers))
	for name := range c.Headers {
		own[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	merged := make(map[string]string, len(c.Headers)+len(shared))
	for name, value := range shared {
		if !own[textproto.CanonicalMIMEHeaderKey(name)] {
			merged[name] = value
		}
	}
	maps.Copy(merged, c.Headers)
	return merged
}

// expandURL replaces placeholders and lists those without a value, each once, in order of appearance.
func expandURL(raw string, values map[string]string) (expanded string, missing []string) {
	query := strings.IndexByte(raw, '?')
	path := strings.Index(raw, "://")
	if path >= 0 {
		if slash := strings.IndexByte(raw[path+3:], '/'); slash >= 0 {
			path += 3 + slash
		} else {
			path = len(raw)
		}
	}
	var b strings.Builder
	last := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(raw, -1) {
		name := raw[m[2]:m[3]]
		value, ok := values[name]
		if !ok {
			if !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
			continue
		}
		switch {
		case query >= 0 && m[0] > query:
			value = url.QueryEscape(value)
		case m[0] >= path:
			value = url.PathEscape(value)
		}
		b.WriteString(raw[last:m[0]])
		b.WriteString(value)
		last = m[1]
	}
	b.WriteString(raw[last:])
	return b.String(), missing
}

// expandText replaces each ${name} that has a value and leaves everything else as it is.
func expandText(text string, values map[string]string) string {
	if len(values) == 0 || !strings.Contains(text, "${") {
		return text
	}
	return placeholder.ReplaceAllStringFunc(text, func(m string) string {
		name, ok := strings.CutPrefix(m, "${")
		if !ok {
			return m
		}
		if value, ok := values[strings.TrimSuffix(name, "}")]; ok {
			return value
		}
		return m
	})
}
