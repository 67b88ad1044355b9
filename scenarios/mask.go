package scenarios

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fault-project/fault/proxyengine/fault"
)

// Mask stands for every secret that is not written.
const Mask = "xxxxxx"

// secretHeaders are names, in small letters, whose values are credentials.
var secretHeaders = []string{
	"authorization", "proxy-authorization", "cookie", "set-cookie", "cookie2", "set-cookie2", "authentication", "x-amz-security-token",
}

// secretWords betray a credential wherever they stand in a header's or parameter's name ("X-Api-Key", "access_token").
var secretWords = []string{
	"apikey", "token", "secret", "password", "passwd", "credential", "session", "signature", "accesskey", "authkey", "privatekey",
}

var wordSeparators = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")

var (
	// userInfo is the part of a URL between its scheme and an @ that stands before the path. Secrets with a slash in them are
	// written escaped, as RFC 3986 section 3.2.1 demands.
	userInfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s"'<>]*@`)
	// parameter is one name=value of a query.
	parameter = regexp.MustCompile(`([?&;])([^=&;#\s"'<>]+)=([^&;#\s"'<>]*)`)
)

// IsSecretHeader reports whether the values of the header of that name are masked, in any letter case.
func IsSecretHeader(name string) bool {
	return slices.Contains(secretHeaders, strings.ToLower(strings.TrimSpace(name))) || secretName(name)
}

func secretName(name string) bool {
	plain := wordSeparators.Replace(strings.ToLower(name))
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(plain, word) })
}

// MaskText masks the user information and the secret query parameters of every URL in text.
func MaskText(text string) string {
	if strings.Contains(text, "@") {
		text = userInfo.ReplaceAllString(text, "${1}"+Mask+"@")
	}
	if !strings.Contains(text, "=") {
		return text
	}
	return parameter.ReplaceAllStringFunc(text, func(m string) string {
		name, _, _ := strings.Cut(m[1:], "=")
		if !secretName(name) {
			return m
		}
		return m[:1] + name + "=" + Mask
	})
}

// Masked returns a copy without secrets: values of headers that carry credentials (of calls and of shared configuration), user
// information and secret parameters in URLs, wherever one appears. The receiver is not changed. Lists that are nil
// become empty, as the documented file has them.
func (r *Results) Masked() *Results {
	out := *r
	out.Results = make([]ScenarioResult, len(r.Results))
	for i, s := range r.Results {
		out.Results[i] = ScenarioResult{Scenario: s.Scenario.Masked(), Results: make([]ItemResult, len(s.Results))}
		for j := range s.Results {
			out.Results[i].Results[j] = maskItem(s.Results[j])
		}
	}
	return &out
}

// Masked returns a copy without secrets; see [Results.Masked].
func (s Scenario) Masked() Scenario {
	s.Title, s.Description = MaskText(s.Title), MaskText(s.Description)
	items := make([]Item, len(s.Items))
	for i, it := range s.Items {
		it.Call.URL = MaskText(it.Call.URL)
		it.Call.Headers = maskHeaders(it.Call.Headers)
		it.Context.Upstreams = maskTexts(it.Context.Upstreams)
		it.Context.Faults = MaskFaults(it.Context.Faults)
		if it.Context.Proxy != nil {
			proxy := *it.Context.Proxy
			proxy.Proxies = maskTexts(proxy.Proxies)
			it.Context.Proxy = &proxy
		}
		items[i] = it
	}
	s.Items = items
	if s.Config != nil && s.Config.HTTP != nil {
		http := *s.Config.HTTP
		http.Headers = maskHeaders(http.Headers)
		http.Paths = maskPaths(http.Paths)
		s.Config = &Config{HTTP: &http}
	}
	return s
}

func maskItem(it ItemResult) ItemResult {
	it.Target.Address = MaskText(it.Target.Address)
	it.Results = maskCalls(it.Results)
	if it.Baseline != nil {
		it.Baseline = maskCalls(it.Baseline)
	}
	if it.Notes != nil {
		it.Notes = maskTexts(it.Notes)
	}
	return it
}

func maskCalls(calls []CallResult) []CallResult {
	out := make([]CallResult, len(calls))
	for i, c := range calls {
		c.Faults = MaskFaults(c.Faults)
		errs := make([]CallError, len(c.Errors))
		for k, e := range c.Errors {
			errs[k].Message = MaskText(e.Message)
			if e.raw != nil {
				errs[k].raw = []byte(MaskText(string(e.raw)))
			}
		}
		c.Errors = errs
		c.Metrics = maskMetrics(c.Metrics)
		out[i] = c
	}
	return out
}

func maskMetrics(m *Metrics) *Metrics {
	if m == nil {
		return nil
	}
	out := *m
	out.DNS = append([]DNSTiming{}, m.DNS...)
	out.Faults = make([]URLFaults, len(m.Faults))
	for i, f := range m.Faults {
		out.Faults[i] = URLFaults{URL: MaskText(f.URL), Applied: append([]Applied{}, f.Applied...)}
	}
	return &out
}

func maskTexts(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = MaskText(t)
	}
	return out
}

func maskHeaders(headers map[string]string) map[string]string {
	out := maps.Clone(headers)
	for name, value := range out {
		if IsSecretHeader(name) {
			out[name] = Mask
		} else {
			out[name] = MaskText(value)
		}
	}
	return out
}

func maskPaths(paths *PathsConfig) *PathsConfig {
	if paths == nil {
		return nil
	}
	out := PathsConfig{Segments: maps.Clone(paths.Segments)}
	for name := range out.Segments {
		if secretName(name) {
			out.Segments[name] = Mask
		}
	}
	return &out
}

// MaskFaults returns the faults with the secrets masked that header fields of theirs hold. A missing list becomes an empty one.
func MaskFaults(faults fault.List) fault.List {
	out := make(fault.List, len(faults))
	for i, spec := range faults {
		out[i] = fault.Masked(spec, func(header, value string) string {
			if IsSecretHeader(header) {
				return Mask
			}
			return MaskText(value)
		})
	}
	return out
}
