// Package nearest finds the name that somebody probably meant: a flag, a command, a key of a file, an argument of a tool.
package nearest

import "strings"

// Of returns the candidate that name was most likely meant to be, "" when none is near. Nearness is the Damerau–Levenshtein
// distance (optimal string alignment) with a limit of a third of the name's length, at least 1; a candidate that begins with
// name, or ends with it as a word of its own, or that name begins with, is one step away. Of equally near ones the first wins.
func Of(name string, candidates []string) string {
	name = strings.ToLower(name)
	if name == "" {
		return ""
	}
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		lower := strings.ToLower(c)
		d := distance(name, lower)
		if len(name) >= 3 && begins(lower, name) || len(lower) >= 3 && strings.HasPrefix(name, lower) {
			d = min(d, 1)
		}
		if d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// begins reports whether name is the beginning of s, or its last word.
func begins(s, name string) bool {
	return strings.HasPrefix(s, name) || strings.HasSuffix(s, "-"+name) || strings.HasSuffix(s, "_"+name)
}

// distance is the optimal string alignment distance of two short ASCII names.
func distance(a, b string) int {
	previous2 := make([]int, len(b)+1)
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current := make([]int, len(b)+1)
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], previous2[j-2]+1)
			}
		}
		previous2, previous = previous, current
	}
	return previous[len(b)]
}
