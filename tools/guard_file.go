package tools

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// FileGuard decides which files may be read. With folders that the person who started fault allowed (--allow-dir), only what is below
// these. Without them but with roots, which a client declares for its workspace, only what is below the roots. With neither, what
// belongs to a project: to a repository, or to a folder with a project file; never the dot-folders of the home directory, and never
// the home directory or / as a whole. Symbolic links are resolved before anything is decided. A FileGuard is immutable and safe for
// concurrent use.
type FileGuard struct {
	allowed []string // absolute, links resolved
	home    string   // absolute, links resolved; "" when there is none
}

// NewFileGuard takes the folders that are allowed; none means that roots and projects decide. Each must exist. The error is a
// *[UserError].
func NewFileGuard(allow []string) (*FileGuard, error) {
	g := &FileGuard{}
	if home, err := os.UserHomeDir(); err == nil {
		if g.home, err = filepath.EvalSymlinks(home); err != nil {
			g.home = ""
		}
	}
	for _, dir := range allow {
		path, err := localPath(dir)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		if err == nil {
			var info fs.FileInfo
			if info, err = os.Stat(path); err == nil && !info.IsDir() {
				err = errors.New("not a folder")
			}
		}
		if err != nil {
			return nil, &UserError{
				Argument: "--allow-dir", Message: fmt.Sprintf("%q: %v", dir, reason(err)), Hint: "give an existing folder",
			}
		}
		g.allowed = append(g.allowed, path)
	}
	return g, nil
}

// allowedFile is a file or folder that may be read.
type allowedFile struct {
	// path is absolute, without symbolic links; base is the folder that it is allowed through.
	path, base string
}

// open opens the file. It cannot be led out of the allowed folder by a link that was put in since the decision.
func (f allowedFile) open() (*os.File, error) {
	rel, err := filepath.Rel(f.base, f.path)
	if err != nil {
		return nil, err
	}
	return os.OpenInRoot(f.base, rel)
}

// file resolves a path, plain or file://, and decides whether it may be read. roots are the client's: nil when it says nothing. The
// error is a *[UserError] about the argument.
func (g *FileGuard) file(argument, path string, roots []string) (allowedFile, error) {
	f, info, err := g.resolve(argument, path, roots)
	if err == nil && !info.Mode().IsRegular() {
		err = &UserError{Argument: argument, Message: path + " is not a file", Hint: "give a source file"}
	}
	return f, err
}

// folder is like file for a folder.
func (g *FileGuard) folder(argument, path string, roots []string) (allowedFile, error) {
	f, info, err := g.resolve(argument, path, roots)
	if err == nil && !info.IsDir() {
		err = &UserError{Argument: argument, Message: path + " is not a folder", Hint: "give the folder with the source code"}
	}
	return f, err
}

func (g *FileGuard) resolve(argument, path string, roots []string) (allowedFile, fs.FileInfo, error) {
	refuse := func(message, hint string) (allowedFile, fs.FileInfo, error) {
		return allowedFile{}, nil, &UserError{Argument: argument, Message: message, Hint: hint}
	}
	if strings.TrimSpace(path) == "" {
		return refuse("must not be empty", "give an absolute path")
	}
	local, err := localPath(path)
	if err != nil {
		return refuse(err.Error(), "give an absolute path")
	}
	bases := g.bases(roots)
	if !filepath.IsAbs(local) {
		// With one folder there is no doubt what a path is relative to.
		if len(bases) != 1 {
			return refuse(fmt.Sprintf("%q is not an absolute path", path), "give the whole path")
		}
		local = filepath.Join(bases[0], local)
	}
	resolved, err := filepath.EvalSymlinks(local)
	if err != nil {
		// Whether something exists is only said where it may be read.
		if bases == nil || slices.ContainsFunc(bases, func(b string) bool { return within(b, filepath.Clean(local)) }) {
			return refuse(fmt.Sprintf("cannot read %s: %v", path, reason(err)), "check the path")
		}
		return refuse(outside(path, bases))
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return refuse(fmt.Sprintf("cannot read %s: %v", path, reason(err)), "check the path")
	}
	if bases != nil {
		for _, base := range bases {
			if within(base, resolved) {
				return allowedFile{resolved, base}, info, nil
			}
		}
		return refuse(outside(path, bases))
	}
	base, why := g.project(resolved, info.IsDir())
	if why != "" {
		return refuse(path+" "+why, "start fault with --allow-dir FOLDER to let it read there")
	}
	return allowedFile{resolved, base}, info, nil
}

// bases returns the folders below which everything may be read, nil when projects decide.
func (g *FileGuard) bases(roots []string) []string {
	if len(g.allowed) > 0 {
		return g.allowed
	}
	if roots == nil {
		return nil
	}
	bases := []string{}
	for _, root := range roots {
		if path, err := localPath(root); err == nil && filepath.IsAbs(path) {
			if path, err = filepath.EvalSymlinks(path); err == nil {
				bases = append(bases, path)
			}
		}
	}
	return bases
}

func outside(path string, bases []string) (message, hint string) {
	if len(bases) == 0 {
		return path + " must not be read: the client gives access to no folder",
			"open a folder in the editor, or start fault with --allow-dir"
	}
	return fmt.Sprintf("%s is outside of %s", path, strings.Join(bases, ", ")),
		"start fault with --allow-dir FOLDER to let it read elsewhere"
}

// projectFiles mark a folder as a project.
var projectFiles = []string{
	".git", ".hg", ".svn", ".jj", "go.mod", "go.work", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile", "uv.lock",
	"package.json", "deno.json", "tsconfig.json", "Cargo.toml", "pom.xml", "build.gradle", "build.gradle.kts", "settings.gradle",
	"settings.gradle.kts", "build.sbt", "composer.json", "Gemfile", "mix.exs", "CMakeLists.txt", "meson.build", "configure.ac",
	"MODULE.bazel", "WORKSPACE",
}

// project returns the project that a path belongs to, or why it must not be read. A folder belongs to a project that it is.
func (g *FileGuard) project(path string, dir bool) (base, why string) {
	if g.home != "" {
		if within(path, g.home) {
			return "", "is the home directory or around it"
		}
		if rel, err := filepath.Rel(g.home, path); err == nil && strings.HasPrefix(rel, ".") && !strings.HasPrefix(rel, "..") {
			return "", "is in a hidden folder of the home directory"
		}
	}
	at := path
	if !dir {
		at = filepath.Dir(path)
	}
	for ; filepath.Dir(at) != at && (g.home == "" || !within(at, g.home)); at = filepath.Dir(at) {
		for _, name := range projectFiles {
			if _, err := os.Lstat(filepath.Join(at, name)); err == nil {
				return at, ""
			}
		}
	}
	return "", "is in no project (a repository, or a folder with a project file such as go.mod or pyproject.toml)"
}

// within reports whether a clean absolute path is dir or below it.
func within(dir, path string) bool {
	if dir == path {
		return true
	}
	return strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// localPath returns the path that is meant by a plain path or a file:// URI of this machine.
func localPath(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) < 5 || !strings.EqualFold(text[:5], "file:") {
		if strings.IndexByte(text, 0) >= 0 {
			return "", errors.New("a path has no NUL")
		}
		return filepath.FromSlash(text), nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" || strings.IndexByte(u.Path, 0) >= 0 {
		return "", fmt.Errorf("%q is no file of this machine", text)
	}
	path := u.Path
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, "/")
	}
	return filepath.FromSlash(path), nil
}

// reason is what an error of the file system says beside operation and path.
func reason(err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("it does not exist")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("permission denied")
	case errors.As(err, &path):
		return path.Err
	}
	return err
}

// read returns at most limit bytes of the file.
func (f allowedFile) read(limit int64) ([]byte, error) {
	file, err := f.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}
