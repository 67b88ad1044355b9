package tools

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeTree writes files below a new directory without symbolic links in its path and returns it.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func symlink(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Skip(err)
	}
}

func TestFileGuard(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"home/.ssh/config.py":         "",
		"home/.ssh/go.mod":            "",
		"home/go.mod":                 "",
		"home/loose.py":               "",
		"home/src/shop/go.mod":        "",
		"home/src/shop/main.go":       "",
		"home/src/shop/deep/er/a.go":  "",
		"home/src/repo/.git/HEAD":     "",
		"home/src/repo/x.py":          "",
		"allowed/a.py":                "",
		"allowed-not/a.py":            "",
		"elsewhere/loose.py":          "",
		"elsewhere/project/setup.py":  "",
		"elsewhere/project/pkg/it.py": "",
	})
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	t.Setenv("HOME", at("home"))
	symlink(t, at("elsewhere/loose.py"), at("allowed/out.py"))
	symlink(t, at("allowed"), at("link"))
	symlink(t, at("home/.ssh/config.py"), at("home/src/shop/secret.py"))

	allowed, roots, none := []string{at("allowed")}, []string{at("home/src/shop")}, []string(nil)
	tests := []struct {
		name         string
		allow, roots []string
		path         string
		folder       bool
		want, says   string // want relative to dir
	}{
		{"below an allowed folder", allowed, none, at("allowed/a.py"), false, "allowed/a.py", ""},
		{"file URI", allowed, none, "file://" + (&url.URL{Path: at("allowed/a.py")}).EscapedPath(), false, "allowed/a.py", ""},
		{"relative to the only folder", allowed, none, "a.py", false, "allowed/a.py", ""},
		{"through a link to the folder", allowed, none, at("link/a.py"), false, "allowed/a.py", ""},
		{"the folder itself", allowed, none, at("allowed"), true, "allowed", ""},
		{"folder given as a link", []string{at("link")}, none, at("allowed/a.py"), false, "allowed/a.py", ""},
		{"neighbor with the same beginning", allowed, none, at("allowed-not/a.py"), false, "", "is outside of"},
		{"link out of the folder", allowed, none, at("allowed/out.py"), false, "", "is outside of"},
		{"dots out of the folder", allowed, none, at("allowed") + "/../allowed-not/a.py", false, "", "is outside of"},
		{"not there, inside", allowed, none, at("allowed/none.py"), false, "", "does not exist"},
		{"not there, outside", allowed, none, at("elsewhere/none.py"), false, "", "is outside of"},
		{"a project outside", allowed, none, at("elsewhere/project/pkg/it.py"), false, "", "is outside of"},
		{"roots do not widen what is allowed", allowed, roots, at("home/src/shop/main.go"), false, "", "is outside of"},
		{"below a root", none, roots, at("home/src/shop/deep/er/a.go"), false, "home/src/shop/deep/er/a.go", ""},
		{"outside of the roots", none, roots, at("home/src/repo/x.py"), false, "", "is outside of"},
		{"link out of the root", none, roots, at("home/src/shop/secret.py"), false, "", "is outside of"},
		{"no roots at all", none, []string{}, at("home/src/shop/main.go"), false, "", "gives access to no folder"},
		{"in a project", none, none, at("home/src/shop/deep/er/a.go"), false, "home/src/shop/deep/er/a.go", ""},
		{"in a repository", none, none, at("home/src/repo/x.py"), false, "home/src/repo/x.py", ""},
		{"in a project outside of home", none, none, at("elsewhere/project/pkg/it.py"), false, "elsewhere/project/pkg/it.py", ""},
		{"the project as a folder", none, none, at("elsewhere/project"), true, "elsewhere/project", ""},
		{"in no project", none, none, at("elsewhere/loose.py"), false, "", "is in no project"},
		{"home does not count as a project", none, none, at("home/loose.py"), false, "", "is in no project"},
		{"dot-folder of home, though a project", none, none, at("home/.ssh/config.py"), false, "", "hidden folder of the home"},
		{"link into a dot-folder of home", none, none, at("home/src/shop/secret.py"), false, "", "hidden folder of the home"},
		{"home as a whole", none, none, at("home"), true, "", "is the home directory"},
		{"around home", none, none, dir, true, "", "is the home directory or around it"},
		{"the root of the file system", none, none, "/", true, "", "is the home directory or around it"},
		{"relative without a folder", none, none, "main.go", false, "", "not an absolute path"},
		{"empty", none, none, " ", false, "", "must not be empty"},
		{"other machine", none, none, "file://server/share/a.py", false, "", "no file of this machine"},
		{"NUL", none, none, "/a\x00b", false, "", "NUL"},
		{"folder for a file", allowed, none, at("allowed"), false, "", "is not a file"},
		{"file for a folder", allowed, none, at("allowed/a.py"), true, "", "is not a folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			guard, err := NewFileGuard(tt.allow)
			if err != nil {
				t.Fatal(err)
			}
			check := guard.file
			if tt.folder {
				check = guard.folder
			}
			got, err := check("file", tt.path, tt.roots)
			if tt.says == "" {
				if err != nil || got.path != at(tt.want) {
					t.Errorf("got %q, %v, want %q", got.path, err, at(tt.want))
				}
				return
			}
			var user *UserError
			if !errors.As(err, &user) || user.Argument != "file" || !strings.Contains(user.Message, tt.says) {
				t.Errorf("error %v, want a user error that says %q", err, tt.says)
			}
		})
	}
}

func TestFileGuardRefusesFolders(t *testing.T) {
	dir := writeTree(t, map[string]string{"file": ""})
	for _, allow := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "file")} {
		_, err := NewFileGuard([]string{allow})
		var user *UserError
		if !errors.As(err, &user) || user.Argument != "--allow-dir" {
			t.Errorf("NewFileGuard(%q): %v", allow, err)
		}
	}
}

// A link that is put in place after the decision must not lead out of the folder.
func TestAllowedFileIsNotLedAway(t *testing.T) {
	dir := writeTree(t, map[string]string{"in/sub/a.py": "inside", "out/a.py": "outside"})
	guard, err := NewFileGuard([]string{filepath.Join(dir, "in")})
	if err != nil {
		t.Fatal(err)
	}
	f, err := guard.file("file", filepath.Join(dir, "in", "sub", "a.py"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := f.read(100); err != nil || string(text) != "inside" {
		t.Fatalf("read %q, %v", text, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "in", "sub")); err != nil {
		t.Fatal(err)
	}
	symlink(t, filepath.Join(dir, "out"), filepath.Join(dir, "in", "sub"))
	if text, err := f.read(100); err == nil {
		t.Errorf("read %q through a link out of the folder", text)
	}
}
