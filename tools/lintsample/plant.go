package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/fault-project/fault/treesitter"
	"github.com/fault-project/fault/treesitter/lint"
)

// plant is a way to make clean code bad: remove is taken away, and rule must then find what is missing.
type plant struct {
	rule      string
	extension string
	// remove matches what is taken away; its first group, if it has one, names a variable.
	remove *regexp.Regexp
	// put takes its place.
	put string
	// made must match in the lines before, where the variable is {name}; other must not match in the rest of the function.
	made, other string
	// used must match in the rest: what is not used at all would not even compile.
	used string
}

// unwith is the put of a plant that takes away "with … as name:" but leaves what is opened, and the block.
const unwith = "with"

func withoutWith(line, name string) string {
	opened := strings.TrimLeft(line, " \t")
	indent := line[:len(line)-len(opened)]
	opened = strings.TrimPrefix(opened[:strings.LastIndex(opened, " as ")], "with ")
	return indent + name + " = " + opened + "\n" + indent + "if True:\n"
}

// plants are the faults that are planted.
var plants = []plant{
	{
		rule: "body-not-closed", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*defer (\w+)\.Body\.Close\(\)\n`),
		made:  `\b{name}, \w+ :?= [^\n]*(http\.(Get|Post|PostForm|Head)|[cC]lient\.(Get|Post|Do))\(`,
		other: `\b{name}\.Body\.Close|return [^\n]*\b{name}\b[^.]`,
		used:  `\b{name}\.(Body|StatusCode|Header|Status)\b`,
	},
	{
		rule: "file-not-closed", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*defer (\w+)\.Close\(\)\n`),
		made: `\b{name}, \w+ := os\.(Open|Create|OpenFile|CreateTemp)\(`, other: `\b{name}\.Close\b`,
	},
	{
		rule: "connection-not-closed", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*defer (\w+)\.Close\(\)\n`),
		made: `\b{name}, \w+ := (net|tls)\.Dial`, other: `\b{name}\.Close\b`,
	},
	{
		rule: "rows-not-closed", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*defer (\w+)\.Close\(\)\n`),
		made: `\b{name}, \w+ := [^\n]*\.Query(Context)?\(`, other: `\b{name}\.Close\b`,
	},
	{
		rule: "transaction-without-rollback", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*defer (\w+)\.Rollback\([^)\n]*\)\n`),
		made: `\b{name}, \w+ := [^\n]*\.Begin(Tx)?\(`, other: `\b{name}\.Rollback\b`,
	},
	{rule: "missing-context", extension: ".go", remove: regexp.MustCompile(`http\.NewRequestWithContext\(ctx, `), put: "http.NewRequest("},
	{
		rule: "server-without-timeout", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*ReadHeaderTimeout:[^\n]*,\n`),
		other: `ReadTimeout`,
	},
	{
		rule: "remote-call-without-timeout", extension: ".py",
		remove: regexp.MustCompile(`,\s*timeout=[\w.]+`), other: `settimeout|setdefaulttimeout`,
		made: `(?:^|[^.\w])requests\.(get|post|put|patch|delete|head|request)\([^()]*$`,
	},
	{
		rule: "file-not-closed", extension: ".py", put: unwith, used: `\b{name}\.`,
		remove: regexp.MustCompile(`(?m)^[ \t]+with open\([^()\n]*\) as (\w+):\n`),
	},
	{rule: "retry-without-backoff", extension: ".py", remove: regexp.MustCompile(`,\s*backoff_factor=[\w.]+`), made: `Retry\([^()]*$`},
}

// plantAll plants every fault at every place where the rule found nothing before, one at a time, and prints how many are found.
func plantAll(ctx context.Context, sources []source) error {
	total, hit := 0, 0
	planted, found := map[string]int{}, map[string]int{}
	for _, s := range sources {
		for _, p := range plants {
			if !strings.HasSuffix(s.path, p.extension) {
				continue
			}
			for _, at := range p.remove.FindAllStringSubmatchIndex(s.text, -1) {
				ok, err := p.plantAt(ctx, s, at)
				if err != nil {
					return fmt.Errorf("%s: %w", s.path, err)
				}
				if ok == nil {
					continue
				}
				total++
				planted[p.rule+p.extension]++
				if *ok {
					hit++
					found[p.rule+p.extension]++
				} else if os.Getenv("LINTSAMPLE_MISSED") != "" {
					fmt.Fprintf(os.Stdout, "missed %s in %s, line %d\n", p.rule, s.path, 1+strings.Count(s.text[:at[0]], "\n"))
				}
			}
		}
	}
	rules := make([]string, 0, len(planted))
	for rule := range planted {
		rules = append(rules, rule)
	}
	slices.Sort(rules)
	for _, rule := range rules {
		fmt.Fprintf(os.Stdout, "planted %-36s %4d found %4d\n", rule, planted[rule], found[rule])
	}
	fmt.Fprintf(os.Stdout, "planted %d, found %d: %.0f %%\n", total, hit, 100*float64(hit)/float64(max(1, total)))
	return nil
}

// plantAt reports whether the rule finds the fault, nil if the place is none for it.
func (p plant) plantAt(ctx context.Context, s source, at []int) (*bool, error) {
	start, end := functionAround(s.text, at[0], at[1])
	rest := s.text[start:at[0]] + s.text[at[1]:end]
	name := ""
	if len(at) > 2 && at[2] >= 0 {
		name = regexp.QuoteMeta(s.text[at[2]:at[3]])
	}
	if p.made != "" && !matches(p.made, name, s.text[start:at[0]]) || p.other != "" && matches(p.other, name, rest) ||
		p.used != "" && !matches(p.used, name, rest) {
		return nil, nil //nolint:nilnil // neither found nor missed
	}
	language, _ := treesitter.LanguageOf(s.path, nil)
	before, err := p.count(ctx, language, s.text)
	if err != nil {
		return nil, err
	}
	put := p.put
	if put == unwith {
		put = withoutWith(s.text[at[0]:at[1]], s.text[at[2]:at[3]])
	}
	after, err := p.count(ctx, language, s.text[:at[0]]+put+s.text[at[1]:])
	if err != nil {
		return nil, err
	}
	ok := after > before
	return &ok, nil
}

func (p plant) count(ctx context.Context, language treesitter.Language, text string) (int, error) {
	report, err := lint.Check(ctx, language, "", []byte(text), lint.Options{Rules: []string{p.rule}})
	if err != nil {
		return 0, err
	}
	return len(report.Findings) + report.Suppressed, nil
}

func matches(expression, name, text string) bool {
	return regexp.MustCompile(strings.ReplaceAll(expression, "{name}", name)).MatchString(text)
}

// functionAround returns where the function at the outermost level around a place begins and ends, by its indentation.
func functionAround(text string, at, after int) (start, end int) {
	for _, mark := range []string{"\nfunc ", "\ndef ", "\n    def "} {
		start = max(start, strings.LastIndex(text[:at], mark))
	}
	end = len(text)
	for _, mark := range []string{"\n}\n", "\ndef ", "\n    def "} {
		if i := strings.Index(text[after:], mark); i >= 0 {
			end = min(end, after+i)
		}
	}
	return start, end
}
