package treesitter

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Framework is what a route is registered with.
type Framework string

// The frameworks whose routes are found.
const (
	FastAPI Framework = "fastapi"
	Flask   Framework = "flask"
	Django  Framework = "django"
	Express Framework = "express"
	NetHTTP Framework = "net/http"
	Gin     Framework = "gin"
	Echo    Framework = "echo"
	Spring  Framework = "spring"
)

// Route is an operation that a source text registers a handler for.
type Route struct {
	// Method is in capitals, "" for any.
	Method string
	// Path begins with a slash and has its parameters in braces, however the framework writes them: /items/{id}; {rest...} is the
	// whole rest of a path. Prefixes that the same file gives to a router are part of it, those of other files are not: these are
	// what a Mount says. Prefix is what the routers of this file give to Path, "" for nothing.
	Path, Prefix string
	// Handler is the qualified name of the function, method or class in this file; the name as it is written there if the handler is in
	// another file; "" for a function that is written in place.
	Handler string
	// HandlerFrom says where a handler in another file comes from, as far as this one tells.
	HandlerFrom Reference
	// Router is the variable that stands for the outermost router, and Scope the qualified name of the function in which the route is
	// registered, or "": what a Mount in another file may name.
	Router, Scope string
	// Line and EndLine, from 1, are those of the registration, with the decorated function or the function written in place.
	Line, EndLine int
	Framework     Framework
}

// Mount puts routes that are registered in another file below a prefix.
type Mount struct {
	// Prefix is a path like that of a Route, or "".
	Prefix string
	// Replaces says that Prefix comes in the place of what the routers of the other file give to their routes.
	Replaces bool
	// Target is the other file, and in it the router, or the function that registers the routes.
	Target Reference
	// Router and Scope are those of a Route: what is mounted may itself be part of what another file mounts.
	Router, Scope string
	// Line, from 1, is where the mount stands.
	Line int
}

// Reference is a name in another file, as a file refers to it.
type Reference struct {
	// Module is what the language imports: a dotted name in Python, a path in JavaScript, an import path in Go. It is "" where the file
	// does not import the name: in Go, which needs no import for a package's own names.
	Module string
	// Name is a dotted name in the module, "" for the module itself or what it exports by default. In Python the first parts of Name may
	// be modules, too.
	Name string
}

// MatchRoute returns the route that handles an operation: a method ("" for any) and a path, which may be a URL, and have values or other
// names in the place of parameters. Where no route has the whole path, one may lack the first segments of it, or have more of them: a
// server's base path and the prefix of a router in another file are often not known. It reports false if no route will do.
func MatchRoute(routes []Route, method, path string) (Route, bool) {
	best := MatchRoutes(routes, method, path)
	if len(best) == 0 {
		return Route{}, false
	}
	return routes[best[0]], true
}

// MatchRoutes is like MatchRoute, and returns the indices of all routes that match as well as the best one does.
func MatchRoutes(routes []Route, method, path string) []int {
	method = strings.ToUpper(strings.TrimSpace(method))
	want := segments(pathOf(path))
	var best []int
	bestRank := rank{}
	for i, r := range routes {
		exact := r.Method == method
		if !exact && r.Method != "" && method != "" && (method != http.MethodHead || r.Method != http.MethodGet) {
			continue
		}
		k, ok := matchPath(segments(r.Path), want)
		if !ok {
			continue
		}
		if !exact {
			k.method = 1
		}
		c := -1
		if len(best) > 0 {
			c = k.compare(bestRank)
		}
		if c < 0 {
			best, bestRank = best[:0], k
		}
		if c <= 0 {
			best = append(best, i)
		}
	}
	return best
}

// pathOf reduces a URL to its path.
func pathOf(target string) string {
	if _, rest, ok := strings.Cut(target, "://"); ok {
		if at := strings.IndexByte(rest, '/'); at >= 0 {
			target = rest[at:]
		} else {
			target = "/"
		}
	}
	target, _, _ = strings.Cut(target, "#")
	target, _, _ = strings.Cut(target, "?")
	if plain, err := url.PathUnescape(target); err == nil {
		target = plain
	}
	return target
}

func segments(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// rank says how far a route is from an operation; less is better.
type rank struct {
	missing int // segments at the front that only one of them has, and those that {rest...} takes
	method  int // 1 for a route of any method
	score   int // minus what the segments have in common
}

func (r rank) compare(o rank) int {
	return cmp.Or(cmp.Compare(r.missing, o.missing), cmp.Compare(r.method, o.method), cmp.Compare(r.score, o.score))
}

// matchPath compares a route with an operation, from the first segment, or if need be from a later one of either.
func matchPath(route, want []string) (rank, bool) {
	if score, taken, ok := matchSegments(route, want); ok {
		return rank{missing: taken, score: -score}, true
	}
	for skip := 1; skip < max(len(route), len(want)); skip++ {
		if skip < len(want) {
			if score, taken, ok := matchSegments(route, want[skip:]); ok && score >= literalScore && hasLiteral(route) {
				return rank{missing: skip + taken, score: -score}, true
			}
		}
		if skip < len(route) && !slices.ContainsFunc(route[:skip], isParameter) {
			if score, taken, ok := matchSegments(route[skip:], want); ok && score >= literalScore && hasLiteral(route[skip:]) {
				return rank{missing: skip + taken, score: -score}, true
			}
		}
	}
	return rank{}, false
}

func hasLiteral(route []string) bool {
	return slices.ContainsFunc(route, func(s string) bool { return !strings.Contains(s, "{") })
}

func isParameter(segment string) bool {
	return strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") && strings.Count(segment, "{") == 1
}

// What two segments have in common. Of a concrete path a literal wins over a parameter.
const (
	literalScore   = 4
	parameterScore = 3
	partScore      = 2
	valueScore     = 1
)

// matchSegments compares segment by segment. taken counts those that the rest of a path takes.
func matchSegments(route, want []string) (score, taken int, ok bool) {
	for i, r := range route {
		if isParameter(r) && strings.HasSuffix(r, "...}") {
			return score, len(want) - i, true
		}
		if i >= len(want) {
			return 0, 0, false
		}
		w := want[i]
		switch {
		case r == w && !strings.Contains(r, "{"):
			score += literalScore
		case isParameter(r) && isParameter(w):
			score += parameterScore
		case isParameter(r):
			score += valueScore
		case strings.Contains(r, "{") && partMatches(r, w):
			score += partScore
		default:
			return 0, 0, false
		}
	}
	return score, 0, len(route) == len(want)
}

// partMatches compares a segment that is a parameter only in part, as v{n}.json, by what is around it.
func partMatches(route, want string) bool {
	before, after := route[:strings.IndexByte(route, '{')], route[strings.LastIndexByte(route, '}')+1:]
	return len(want) > len(before)+len(after) && strings.HasPrefix(want, before) && strings.HasSuffix(want, after)
}

// joinPath puts a path behind a prefix.
func joinPath(prefix, path string) string {
	if path == "" {
		return prefix
	}
	return strings.TrimRight(prefix, "/") + "/" + strings.TrimLeft(path, "/")
}

// template writes a path of a framework with its parameters in braces.
func (f Framework) template(path string) string {
	switch f {
	case FastAPI:
		path = fastRest.ReplaceAllString(path, "{$1...}")
		path = fastParameter.ReplaceAllString(path, "{$1}")
	case Flask, Django:
		path = angleRest.ReplaceAllString(path, "{$1...}")
		path = angleParameter.ReplaceAllString(path, "{$1}")
	case Express:
		path = colonParameter.ReplaceAllString(path, "{$1}")
		path = starParameter.ReplaceAllStringFunc(path, starName)
	case Gin, Echo:
		path = plainParameter.ReplaceAllString(path, "{$1}")
		path = starParameter.ReplaceAllStringFunc(path, starName)
	case NetHTTP:
		if rest, ok := strings.CutSuffix(path, "{$}"); ok {
			path = rest
		} else if strings.HasSuffix(path, "/") {
			path += "{path...}" // everything below
		}
	case Spring:
		path = springProperty.ReplaceAllString(path, "$1") // its default; without one it is as unknown as another file's prefix
		path = bracePattern.ReplaceAllString(path, "{$1}")
		path = strings.ReplaceAll(path, "**", "{path...}")
	}
	path = "/" + strings.TrimLeft(path, "/")
	return manySlashes.ReplaceAllString(path, "/")
}

var (
	fastRest       = regexp.MustCompile(`\{(\w+):path\}`)
	fastParameter  = regexp.MustCompile(`\{(\w+):\w+\}`)
	angleRest      = regexp.MustCompile(`<path:(\w+)>`)
	angleParameter = regexp.MustCompile(`<(?:[^<>:]*:)?(\w+)>`)
	colonParameter = regexp.MustCompile(`:(\w+)(?:\([^()/]*\))?[?+*]?`)
	plainParameter = regexp.MustCompile(`:(\w+)`)
	starParameter  = regexp.MustCompile(`\*\w*`)
	springProperty = regexp.MustCompile(`\$\{[^{}:]*(?::([^{}]*))?\}`)
	bracePattern   = regexp.MustCompile(`\{\*?(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}`)
	manySlashes    = regexp.MustCompile(`/{2,}`)
)

func starName(star string) string {
	if star == "*" {
		star = "*path"
	}
	return "{" + star[1:] + "...}"
}

// regexTemplate turns a regular expression for paths into a template: groups are parameters.
func regexTemplate(expression string) string {
	var b strings.Builder
	for i := 0; i < len(expression); i++ {
		switch ch := expression[i]; ch {
		case '^', '$', '?':
		case '\\':
			if i++; i < len(expression) && !strings.ContainsRune("AZzb", rune(expression[i])) {
				b.WriteByte(expression[i])
			}
		case '(':
			end := closing(expression, i)
			name := "value"
			if m := groupName.FindStringSubmatch(expression[i:end]); m != nil {
				name = m[1]
			}
			if rest := expression[i:end]; strings.Trim(expression[end:], `\$/?`) == "" &&
				(strings.HasSuffix(rest, ".*)") || strings.HasSuffix(rest, ".+)")) {
				name += "..."
			}
			b.WriteString("{" + name + "}")
			i = end - 1
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()
}

var groupName = regexp.MustCompile(`^\(\?P?<(\w+)>`)

// closing returns the offset after the parenthesis that closes the one at start.
func closing(text string, start int) int {
	depth := 0
	for i := start; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}
