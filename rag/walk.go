package rag

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// MaxFileBytes is the size above which a file is skipped as large. Sources written by people are smaller by far.
const MaxFileBytes = 1 << 20

// The reasons for which something is skipped.
const (
	SkipHidden        = "hidden"
	SkipIgnored       = "ignored"
	SkipVendored      = "vendored"
	SkipSymlink       = "symlink"
	SkipLarge         = "large"
	SkipBinary        = "binary"
	SkipGenerated     = "generated"
	SkipMinified      = "minified"
	SkipEmpty         = "empty"
	SkipUnsupported   = "unsupported"
	SkipOtherLanguage = "other language"
	SkipUnreadable    = "unreadable"
)

// found is a file that the walk did not skip.
type found struct {
	path          string // relative, with slashes
	size, modTime int64
	language      string // empty: only the content can tell
}

// walk lists the files below root, in order. Hidden, ignored, vendored and large ones and those of unknown kind are left out
// and counted by reason; a directory that is left out counts once. Symbolic links are never followed: what they point to inside of root
// is found at its own place, and nothing outside of root is read.
func walk(ctx context.Context, root, language string) (files []found, skipped map[string]int, err error) {
	skipped = map[string]int{}
	rules, prefix := repositoryRules(root)
	w := walker{root: root, language: language, prefix: prefix, skipped: skipped}
	if err := w.directory(ctx, "", rules); err != nil {
		return nil, nil, err
	}
	return w.files, skipped, nil
}

type walker struct {
	root, language string
	prefix         []string
	files          []found
	skipped        map[string]int
}

func (w *walker) directory(ctx context.Context, rel string, rules ignoreRules) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Join(w.root, filepath.FromSlash(rel))
	entries, err := os.ReadDir(dir)
	if err != nil {
		if rel == "" {
			return err
		}
		w.skipped[SkipUnreadable]++
		return nil
	}
	domain := w.prefix
	if rel != "" {
		domain = append(slices.Clip(domain), strings.Split(rel, "/")...)
	}
	domain = slices.Clip(domain)
	for _, name := range ignoreFiles {
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name && e.Type().IsRegular() }) {
			rules = rules.with(filepath.Join(dir, name), domain)
		}
	}
	for _, e := range entries {
		name := e.Name()
		child := path.Join(rel, name)
		var reason string
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			reason = SkipSymlink
		case strings.HasPrefix(name, "."):
			reason = SkipHidden
		case !e.IsDir() && !e.Type().IsRegular():
			reason = SkipUnsupported
		case e.IsDir() && vendored(filepath.Join(dir, name), name):
			reason = SkipVendored
		case len(rules) > 0 && rules.ignored(append(domain, name), e.IsDir()):
			reason = SkipIgnored
		case e.IsDir():
			if err := w.directory(ctx, child, rules); err != nil {
				return err
			}
			continue
		default:
			reason = w.file(child, e)
		}
		if reason != "" {
			w.skipped[reason]++
		}
	}
	return nil
}

// file adds a file, or returns why not.
func (w *walker) file(rel string, e fs.DirEntry) string {
	language, ok := languageOf(rel)
	switch {
	case !ok:
		return SkipUnsupported
	case language != "" && w.language != "" && language != w.language:
		return SkipOtherLanguage
	case generatedName(path.Base(rel)):
		return SkipGenerated
	}
	info, err := e.Info()
	if err != nil {
		return SkipUnreadable
	}
	if info.Size() > MaxFileBytes {
		return SkipLarge
	}
	if info.Size() == 0 {
		return SkipEmpty
	}
	w.files = append(w.files, found{path: rel, size: info.Size(), modTime: info.ModTime().UnixNano(), language: language})
	return ""
}

// vendored reports whether a directory holds other people's code.
func vendored(dir, name string) bool {
	switch name {
	case "vendor", "node_modules", "bower_components", "third_party", "site-packages", "dist-packages", "__pycache__", "Godeps", "Pods":
		return true
	}
	_, err := os.Lstat(filepath.Join(dir, "pyvenv.cfg"))
	return err == nil
}

// readFile reads a file below root, at most limit bytes, and its size and time as they were before reading. A path that has become a
// symbolic link out of root in the meantime is an error.
func readFile(root *os.Root, rel string, limit int64) (data []byte, info fs.FileInfo, err error) {
	f, err := root.Open(filepath.FromSlash(rel))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err = f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("not a regular file")
	}
	data, err = io.ReadAll(io.LimitReader(f, limit))
	return data, info, err
}

// readFull reads until buf is full or the file ends.
func readFull(r io.Reader, buf []byte) (int, error) {
	n, err := io.ReadFull(r, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}
