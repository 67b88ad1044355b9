package main

import (
	"context"
	"fmt"
	"maps"
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

// untry is the put of a plant that takes a resource out of the head of a Java try statement, and leaves the block.
const untry = "try"

func withoutTry(line string) string {
	head := strings.TrimLeft(line, " \t")
	indent := line[:len(line)-len(head)]
	resource := strings.TrimSuffix(strings.TrimPrefix(head, "try ("), ") {\n")
	return indent + resource + ";\n" + indent + "{\n"
}

// timeoutOption matches what gives a call of fetch or axios its timeout.
var timeoutOption = regexp.MustCompile(`,\s*(?:timeout: [\w.]+|signal: AbortSignal\.timeout\([^()]*\))` +
	`|\b(?:timeout: [\w.]+|signal: AbortSignal\.timeout\([^()]*\))\s*,?`)

// plants are the faults that are planted.
var plants = []plant{
	{
		rule: "body-not-closed", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*defer (\w+)\.Body\.Close\(\)\n`),
		made:  `\b{name}, \w+ :?= [^\n]*(http\.(Get|Post|PostForm|Head)|[cC]lient\.(Get|Post|Do))\(`,
		other: `\b{name}\.Body\.Close|return [^\n]*\b{name}\b[^.]`,
		used:  `\b{name}\.(Body|StatusCode|Header|Status)\b`,
	},
	{
		// In main, and where os.Exit ends it all, the end of the process closes what is open.
		rule: "file-not-closed", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*defer (\w+)\.Close\(\)\n`),
		made: `\b{name}, \w+ := os\.(Open|Create|OpenFile|CreateTemp)\(`, other: `\b{name}\.Close\b|func main\(|os\.Exit`,
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
		rule: "server-without-timeout", extension: ".go", remove: regexp.MustCompile(`(?m)^[ \t]*Read(?:Header)?Timeout:[^\n]*,\n`),
		made: `http\.Server\{[^{}]*$`, other: `Read(Header)?Timeout`,
	},
	{
		rule: "remote-call-without-timeout", extension: ".go", remove: regexp.MustCompile(`\bTimeout:[ \t]*[^,\n{}]+,?`),
		made: `:= &?http\.Client\{[^{}]*$`, other: `WithContext|WithTimeout|Transport:`,
		used: `\.(Get|Post|Head|PostForm)\(|http\.NewRequest\(`,
	},
	{
		rule: "remote-call-without-timeout", extension: ".py",
		remove: regexp.MustCompile(`,\s*timeout=[\w.]+`), other: `settimeout|setdefaulttimeout`,
		made: `(?:^|[^.\w])(requests\.(get|post|put|patch|delete|head|request)|(smtplib\.SMTP|socket\.create_connection|urlopen))\([^()]*$`,
	},
	{
		rule: "file-not-closed", extension: ".py", put: unwith, used: `\b{name}\.`,
		remove: regexp.MustCompile(`(?m)^[ \t]+with open\([^()\n]*\) as (\w+):\n`),
	},
	{rule: "retry-without-backoff", extension: ".py", remove: regexp.MustCompile(`,\s*backoff_factor=[\w.]+`), made: `Retry\([^()]*$`},
	{
		rule: "transaction-without-rollback", extension: ".py", remove: regexp.MustCompile(`(?m)^[ \t]+[\w.]+\.rollback\(\)$`), put: "pass",
		made: `\.commit\(\)\n\s+except[^\n]*:\n(?:[^\n]*\n){0,2}$`, other: `rollback|\.close\(`,
	},
	{
		rule: "remote-call-without-timeout", extension: ".java",
		remove: regexp.MustCompile(`(?m)(?:^[ \t]*\w+\.set(?:Connect|Read)Timeout\([^\n]*\);\n)+`),
		made:   `openConnection\(`, other: `(?i)timeout\(`, used: `getInputStream|getResponseCode|HttpURLConnection|connect\(`,
	},
	{
		rule: "connection-not-closed", extension: ".java", put: untry,
		remove: regexp.MustCompile(`(?m)^[ \t]*try \((?:final )?` +
			`(?:FileInputStream|FileOutputStream|FileReader|FileWriter|Socket|RandomAccessFile|Connection)` +
			` (\w+) = [^;\n]*\) \{\n`),
		used: `\b{name}\.`,
	},
	{
		rule: "transaction-without-rollback", extension: ".java", remove: regexp.MustCompile(`(?m)^[ \t]*(\w+)\.rollback\(\);\n`),
		made: `{name}\.setAutoCommit\(false\)[\s\S]*{name}\.commit\(`, other: `(?i)rollback`,
	},
	{
		rule: "remote-call-without-timeout", extension: ".js",
		remove: timeoutOption,
		made:   `\b(fetch|axios\.(get|post|put|delete))\([^()]*(\([^()]*\)[^()]*)*\{[^{}]*$`,
	},
	{
		rule: "remote-call-without-timeout", extension: ".ts",
		remove: timeoutOption,
		made:   `\b(fetch|axios\.(get|post|put|delete))\([^()]*(\([^()]*\)[^()]*)*\{[^{}]*$`,
	},
	{
		rule: "transaction-without-rollback", extension: ".js",
		remove: regexp.MustCompile(`(?m)^[ \t]*await [\w.]+(?:\.query\(['"](?i:rollback);?['"]|\.rollback\(|\.abortTransaction\()\);?\n`),
		other:  `(?i)rollback|abortTransaction`,
	},
}

// outcome counts the faults that were planted, and those that the rules found.
type outcome struct{ planted, found int }

// plantAll plants every fault at every place where the rule found nothing before, one at a time, and prints how many are found, by rule;
// those in the packages that no rule was mended on once more for themselves.
func plantAll(ctx context.Context, sources []source) error {
	all, drawnOnly := map[string]outcome{}, map[string]outcome{}
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
				one := outcome{planted: 1}
				if *ok {
					one.found = 1
				} else if os.Getenv("LINTSAMPLE_MISSED") != "" {
					fmt.Fprintf(os.Stdout, "missed %s in %s, line %d\n", p.rule, s.path, 1+strings.Count(s.text[:at[0]], "\n"))
				}
				for _, key := range []string{p.rule + p.extension, "in all"} {
					all[key] = all[key].plus(one)
					if s.drawn {
						drawnOnly[key] = drawnOnly[key].plus(one)
					}
				}
			}
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(os.Stdout, "planted %-36s %v; in the packages that are drawn from %v\n", rule, all[rule], drawnOnly[rule])
	}
	return nil
}

func (o outcome) plus(other outcome) outcome {
	return outcome{o.planted + other.planted, o.found + other.found}
}

func (o outcome) String() string {
	if o.planted == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %d (%.0f %%)", o.found, o.planted, 100*float64(o.found)/float64(o.planted))
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
	switch put {
	case untry:
		put = withoutTry(s.text[at[0]:at[1]])
	case unwith:
		put = withoutWith(s.text[at[0]:at[1]], s.text[at[2]:at[3]])
	}
	text := s.text[:at[0]] + put + s.text[at[1]:]
	if clean, err := treesitter.Clean(ctx, language, []byte(text)); err != nil || !clean {
		return nil, err
	}
	after, err := p.count(ctx, language, text)
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
	for _, mark := range []string{
		"\nfunc ", "\ndef ", "\n    def ", "\n    public ", "\n    private ", "\n    protected ", "\n  public ", "\n  private ",
	} {
		start = max(start, strings.LastIndex(text[:at], mark))
	}
	end = len(text)
	for _, mark := range []string{"\n}\n", "\ndef ", "\n    def ", "\n    }\n\n", "\n  }\n\n"} {
		if i := strings.Index(text[after:], mark); i >= 0 {
			end = min(end, after+i)
		}
	}
	return start, end
}
