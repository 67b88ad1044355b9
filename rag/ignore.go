package rag

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/config"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// ignoreFiles are read in every directory, the later ones win.
var ignoreFiles = []string{".gitignore", ".faultignore"}

// maxIgnoreFile bounds what is read of an ignore file, in bytes.
const maxIgnoreFile = 1 << 20

// ignoreRule is one line of an ignore file.
type ignoreRule struct {
	pattern gitignore.Pattern
	// simple patterns have no slash inside and are about a name at any depth below domain. As directories are asked before what is
	// in them, only the last name of a path needs to be compared.
	simple bool
	domain []string
}

// ignoreRules holds the rules that apply in a directory, the strongest last. Paths are relative to the repository around the
// walked directory, if there is one.
type ignoreRules []ignoreRule

func (rules ignoreRules) ignored(path []string, dir bool) bool {
	for _, rule := range slices.Backward(rules) {
		p := path
		if rule.simple {
			p = append(slices.Clip(rule.domain), path[len(path)-1])
		}
		switch rule.pattern.Match(p, dir) {
		case gitignore.Exclude:
			return true
		case gitignore.Include:
			return false
		case gitignore.NoMatch:
		}
	}
	return false
}

// with returns the rules with those of one more file, which is about what is below domain. A file that cannot be read adds none.
func (rules ignoreRules) with(file string, domain []string) ignoreRules {
	f, err := os.Open(file)
	if err != nil {
		return rules
	}
	defer f.Close()
	data := make([]byte, maxIgnoreFile)
	n, _ := readFull(f, data)
	scanner := bufio.NewScanner(bytes.NewReader(data[:n]))
	scanner.Buffer(nil, maxIgnoreFile+1)
	rules = slices.Clip(rules)
	for scanner.Scan() {
		line := strings.TrimSuffix(scanner.Text(), "\r")
		if bare := strings.TrimSpace(line); bare == "" || bare == "/" || bare == "!" || strings.HasPrefix(line, "#") {
			continue
		}
		// The class [!a] of ignore files is [^a] in the matcher.
		line = strings.ReplaceAll(line, "[!", "[^")
		name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimRight(line, " "), "!"), "/")
		rules = append(rules, ignoreRule{
			pattern: gitignore.ParsePattern(line, domain),
			simple:  !strings.Contains(name, "/"),
			domain:  domain,
		})
	}
	return rules
}

// repositoryRules returns the rules that a repository around root brings: what its user excludes everywhere, its info/exclude and the
// ignore files of the directories above root. prefix is the path from the repository to root; it is empty when root is the repository
// or in none.
func repositoryRules(root string) (rules ignoreRules, prefix []string) {
	repository := root
	for {
		if _, err := os.Lstat(filepath.Join(repository, ".git")); err == nil {
			break
		}
		if repository == filepath.Dir(repository) {
			return nil, nil
		}
		repository = filepath.Dir(repository)
	}
	if rel, err := filepath.Rel(repository, root); err == nil && rel != "." {
		prefix = strings.Split(filepath.ToSlash(rel), "/")
	}
	dir := gitDir(repository)
	if file := excludesFile(filepath.Join(dir, "config")); file != "" {
		rules = rules.with(file, nil)
	}
	rules = rules.with(filepath.Join(dir, "info", "exclude"), nil)
	for i := range prefix {
		dir := filepath.Join(repository, filepath.Join(prefix[:i]...))
		for _, name := range ignoreFiles {
			rules = rules.with(filepath.Join(dir, name), prefix[:i:i])
		}
	}
	return rules, prefix
}

// excludesFile returns the file of what a user never wants in a repository: core.excludesFile of the repository's configuration, the
// user's (~/.gitconfig, or what GIT_CONFIG_GLOBAL names) or git/config below XDG_CONFIG_HOME, otherwise git/ignore there. Files that a
// configuration includes are not read. It is "" where the user has no home.
func excludesFile(repositoryConfig string) string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	xdg := os.Getenv("XDG_CONFIG_HOME")
	if xdg == "" {
		xdg = filepath.Join(home, ".config")
	}
	configs := []string{repositoryConfig, filepath.Join(home, ".gitconfig"), filepath.Join(xdg, "git", "config")}
	if global, ok := os.LookupEnv("GIT_CONFIG_GLOBAL"); ok {
		configs = []string{repositoryConfig, global}
	}
	for _, name := range configs {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		parsed := config.New()
		if err := config.NewDecoder(bytes.NewReader(text)).Decode(parsed); err != nil || !parsed.HasSection("core") {
			continue
		}
		if file := parsed.Section("core").Option("excludesFile"); file != "" {
			if rest, ok := strings.CutPrefix(file, "~/"); ok {
				file = filepath.Join(home, rest)
			}
			return file
		}
	}
	return filepath.Join(xdg, "git", "ignore")
}

// gitDir returns the directory that holds info/exclude: .git, or for a linked worktree the .git of its main one.
func gitDir(repository string) string {
	dir := filepath.Join(repository, ".git")
	text, err := os.ReadFile(dir)
	if err != nil {
		return dir
	}
	target, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir:")
	if !ok {
		return dir
	}
	dir = strings.TrimSpace(target)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(repository, dir)
	}
	if common, err := os.ReadFile(filepath.Join(dir, "commondir")); err == nil {
		if c := strings.TrimSpace(string(common)); filepath.IsAbs(c) {
			return c
		} else if c != "" {
			return filepath.Join(dir, c)
		}
	}
	return dir
}
