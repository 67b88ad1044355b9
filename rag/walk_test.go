package rag

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeTree writes files below a new directory; a text that begins with "-> " makes a symbolic link.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if target, ok := strings.CutPrefix(text, "-> "); ok {
		if err := os.Symlink(target, path); err != nil {
			t.Skip(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func walked(t *testing.T, root, language string) ([]string, map[string]int) {
	t.Helper()
	files, skipped, err := walk(t.Context(), root, language)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.path
	}
	return names, skipped
}

func TestWalk(t *testing.T) {
	outside := writeTree(t, map[string]string{"secret.go": "package secret\n"})
	root := writeTree(t, map[string]string{
		"a.go":                     "package a\n",
		"script":                   "#!/bin/sh\n",
		"README.md":                "# Read me\n",
		"image.png":                "\x89PNG",
		"empty.go":                 "",
		"large.go":                 "package a\n" + strings.Repeat("//\n", MaxFileBytes/3+1),
		"api.pb.go":                "package a\n",
		"package-lock.json":        "{}",
		".hidden.go":               "package a\n",
		".github/workflows/ci.yml": "on: push\n",
		"node_modules/x/index.js":  "x\n",
		"vendor/x/x.go":            "package x\n",
		"env/pyvenv.cfg":           "home = /usr\n",
		"env/lib/x.py":             "x = 1\n",
		"link.go":                  "-> " + filepath.Join(outside, "secret.go"),
		"linked":                   "-> " + outside,
		"inside.go":                "-> a.go",
		".gitignore":               "*.log.txt\n/build/\n!keep.log.txt\n# comment\n\n",
		"x.log.txt":                "x\n",
		"keep.log.txt":             "x\n",
		"build/out.go":             "package out\n",
		"sub/build/in.go":          "package in\n",
		"sub/.gitignore":           "/only_here.go\n*.md\r\n",
		"sub/only_here.go":         "package in\n",
		"sub/deep/only_here.go":    "package in\n",
		"sub/deep/notes.md":        "# x\n",
		"sub/.faultignore":         "!notes.md\nnot_for_search.go\n",
		"sub/not_for_search.go":    "package in\n",
	})
	names, skipped := walked(t, root, "")
	want := []string{
		"README.md", "a.go", "keep.log.txt", "script", "sub/build/in.go", "sub/deep/notes.md", "sub/deep/only_here.go",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	wantSkipped := map[string]int{
		SkipHidden: 5, SkipIgnored: 4, SkipVendored: 3, SkipSymlink: 3, SkipUnsupported: 1, SkipEmpty: 1, SkipLarge: 1, SkipGenerated: 2,
	}
	if diff := cmp.Diff(wantSkipped, skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	names, skipped = walked(t, root, "go")
	if want := []string{"a.go", "script", "sub/build/in.go", "sub/deep/only_here.go"}; !slices.Equal(names, want) || skipped[SkipOtherLanguage] != 4 {
		t.Errorf("go only: %q, %v", names, skipped)
	}
}

// The rules of a repository hold in a directory below it, too.
func TestWalkBelowRepository(t *testing.T) {
	root := writeTree(t, map[string]string{
		".git/info/exclude":     "excluded.go\n",
		".gitignore":            "/app/gen/\n/gen/\nlocal.go\n",
		"app/.gitignore":        "mine.go\n",
		"app/gen/x.go":          "package gen\n",
		"app/a.go":              "package app\n",
		"app/local.go":          "package app\n",
		"app/mine.go":           "package app\n",
		"app/excluded.go":       "package app\n",
		"app/inner/gen/kept.go": "package gen\n",
	})
	names, _ := walked(t, filepath.Join(root, "app"), "")
	if want := []string{"a.go", "inner/gen/kept.go"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	// A linked worktree has a file for .git; the exclude file is that of the main one.
	worktree := writeTree(t, map[string]string{
		".git":        "gitdir: " + filepath.Join(root, ".git", "worktrees", "w") + "\n",
		"a.go":        "package a\n",
		"excluded.go": "package a\n",
	})
	writeFile(t, filepath.Join(root, ".git", "worktrees", "w", "commondir"), "../..\n")
	if names, _ := walked(t, worktree, ""); !slices.Equal(names, []string{"a.go"}) {
		t.Errorf("worktree: %q", names)
	}
}

// What is ignored must be what git ignores.
func TestIgnoreAgreesWithGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git")
	}
	patterns := []string{
		"*.txt\n!important.txt\n", "/top.txt\n", "dir/\n", "dir/*\n!dir/keep.txt\n", "a/**/z.txt\n", "**/deep.txt\n", "build/**\n",
		"foo?.txt\n", "[ab].txt\n", "[!ab].txt\n", "trailing.txt   \n", "\\!bang.txt\n", "\\#hash.txt\n", "sub/x.txt\n", "*/one.txt\n",
		"x\n!x/\n", "a/b/\n", "/\n", "!\n", "**\n!**/\n!*.go\n",
	}
	files := []string{
		"top.txt", "important.txt", "dir/keep.txt", "dir/other.txt", "dir/sub/keep.txt", "a/z.txt", "a/b/z.txt", "a/b/c/z.txt", "deep.txt",
		"q/r/deep.txt", "build/x.txt", "build/a/b.txt", "foo1.txt", "foo12.txt", "a.txt", "c.txt", "trailing.txt", "!bang.txt", "#hash.txt",
		"sub/x.txt", "p/sub/x.txt", "p/one.txt", "p/q/one.txt", "x/y.txt", "p/x/y.txt", "main.go", "p/main.go", "p/top.txt",
	}
	for _, text := range patterns {
		tree := map[string]string{".gitignore": text}
		for _, f := range files {
			tree[f] = "text\n"
		}
		root := writeTree(t, tree)
		for _, args := range [][]string{{"init", "-q"}, {"ls-files", "--others", "--exclude-standard"}} {
			cmd := exec.CommandContext(t.Context(), git, args...)
			cmd.Dir = root
			cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if args[0] == "init" {
				continue
			}
			want := slices.DeleteFunc(strings.Fields(string(out)), func(f string) bool { return strings.HasPrefix(f, ".") })
			got, _ := walked(t, root, "")
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q: not ignored (-git +walk):\n%s", text, diff)
			}
		}
	}
}

func TestSkipContent(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"go", "package a\n", ""},
		{"generated go", "// Code generated by x. DO NOT EDIT.\npackage a\n", SkipGenerated},
		{"generated after a license", strings.Repeat("// license\n", 20) + "\n// Code generated by protoc-gen-go. DO NOT EDIT.\n", SkipGenerated},
		{"mentions the mark", "package a\n\nconst mark = \"// Code generated by x. DO NOT EDIT.\"\n", ""},
		{"at generated", "/**\n * @generated SignedSource<<x>>\n */\n", SkipGenerated},
		{"python", "# Generated by the compiler. DO NOT EDIT!\n", SkipGenerated},
		{"blank", "  \n\t\n", SkipEmpty},
		{"binary", "ELF\x00\x01", SkipBinary},
		{"minified", strings.Repeat("var a=1;", 2000), SkipMinified},
		{"long but lines", strings.Repeat("var a = 1;\n", 2000), ""},
	}
	for _, tt := range tests {
		if got := skipContent([]byte(tt.text)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRoleOf(t *testing.T) {
	for path, want := range map[string]role{
		"a/b.go": roleSource, "a/b_test.go": roleTest, "tests/x.py": roleTest, "x/test_it.py": roleTest, "conftest.py": roleTest,
		"src/App.spec.ts": roleTest, "src/testdata/x.go": roleTest, "docs/conf.py": roleDocument, "examples/a.go": roleExample,
		"latest.go": roleSource, "contest.py": roleSource, "testing/allocs.go": roleSource,
	} {
		if got := roleOf(path, ""); got != want {
			t.Errorf("roleOf(%q) = %d, want %d", path, got, want)
		}
	}
	for path, want := range map[string]role{
		"src/CartTest.java": roleTest, "CartTests.cs": roleTest, "src/Latest.java": roleSource, "Contest.kt": roleSource,
	} {
		if got := roleOf(path, map[string]string{".java": "java", ".cs": "csharp", ".kt": "kotlin"}[filepath.Ext(path)]); got != want {
			t.Errorf("roleOf(%q) = %d, want %d", path, got, want)
		}
	}
	if roleOf("README.md", "markdown") != roleDocument {
		t.Error("markdown is not a document")
	}
}

// What a user excludes in every repository is left out, as git does; a repository's own files overrule it.
func TestWalkObeysTheUsersExcludes(t *testing.T) {
	repository := map[string]string{".git/HEAD": "ref: refs/heads/main\n", "a.go": "package a\n", "b.go": "package a\n", "scratch.go": "package a\n"}
	for name, tt := range map[string]struct {
		home       map[string]string
		repository map[string]string
		global     string // GIT_CONFIG_GLOBAL, below the home
		want       []string
	}{
		"none":      {want: []string{"a.go", "b.go", "scratch.go"}},
		"default":   {home: map[string]string{".config/git/ignore": "scratch.go\n"}, want: []string{"a.go", "b.go"}},
		"of user":   {home: map[string]string{".gitconfig": "[core]\n\texcludesfile = ~/mine\n", "mine": "b.go\n"}, want: []string{"a.go", "scratch.go"}},
		"elsewhere": {home: map[string]string{".config/git/config": "[core]\nexcludesFile = ~/mine\n", "mine": "b.go\n"}, want: []string{"a.go", "scratch.go"}},
		"variable":  {home: map[string]string{"other": "[core]\nexcludesFile = ~/mine\n", "mine": "a.go\n", ".gitconfig": "[core]\nexcludesFile = ~/no\n", "no": "*\n"}, global: "other", want: []string{"b.go", "scratch.go"}},
		"of repository": {
			home:       map[string]string{".gitconfig": "[core]\nexcludesFile = ~/no\n", "no": "*\n", "mine": "a.go\n"},
			repository: map[string]string{".git/config": "[core]\n\tbare = false\n\texcludesFile = ~/mine\n"},
			want:       []string{"b.go", "scratch.go"},
		},
		"overruled": {home: map[string]string{".config/git/ignore": "*.go\n"}, repository: map[string]string{".gitignore": "!a.go\n"}, want: []string{"a.go"}},
		"damaged":   {home: map[string]string{".gitconfig": "[core\n"}, want: []string{"a.go", "b.go", "scratch.go"}},
	} {
		t.Run(name, func(t *testing.T) {
			home := writeTree(t, tt.home)
			t.Setenv("HOME", home)
			t.Setenv("XDG_CONFIG_HOME", "")
			t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, tt.global))
			if tt.global == "" {
				if err := os.Unsetenv("GIT_CONFIG_GLOBAL"); err != nil {
					t.Fatal(err)
				}
			}
			files := maps.Clone(repository)
			maps.Copy(files, tt.repository)
			root := writeTree(t, files)
			names, _ := walked(t, root, "")
			if !slices.Equal(names, tt.want) {
				t.Errorf("%q, want %q", names, tt.want)
			}
			git, err := exec.LookPath("git")
			if err != nil || name == "damaged" {
				return
			}
			// git itself says the same.
			if out, err := exec.CommandContext(t.Context(), git, "init", "-q", root).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			cmd := exec.CommandContext(t.Context(), git, "-C", root, "ls-files", "--others", "--exclude-standard", "*.go")
			out, err := cmd.CombinedOutput()
			if err != nil || !slices.Equal(strings.Fields(string(out)), tt.want) {
				t.Errorf("git: %v: %s", err, out)
			}
		})
	}
}
