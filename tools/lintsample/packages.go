package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pkg is a public package in one version.
type pkg struct {
	client, name, version string
	// under is the folder that holds the sources, where the package has compiled code beside them.
	under string
}

func (p pkg) String() string { return p.name + "@" + p.version }

// fetch returns the folder with the sources of a package, which it fetches if it is not there.
func (p pkg) fetch(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, strings.NewReplacer("/", "_", ":", "_").Replace(p.String()))
	switch p.client {
	case "go":
		out, err := output(ctx, cache, "go", "mod", "download", "-json", p.String())
		if err != nil {
			return "", err
		}
		var info struct{ Dir string }
		err = json.Unmarshal(out, &info)
		return info.Dir, err
	case "pip":
		return p.unpacked(ctx, dir, unzip, "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", dir+".get",
			p.name+"=="+p.version)
	case "mvn":
		return p.unpacked(ctx, dir, unzip, "mvn", "-q", "-B", "dependency:copy", "-DoutputDirectory="+dir+".get",
			"-Dartifact="+p.name+":"+p.version+":jar:sources")
	default:
		return p.unpacked(ctx, dir, untar, "npm", "pack", "--silent", "--pack-destination", dir+".get", p.String())
	}
}

// unpacked runs a program that puts one archive into dir.get, and unpacks that into dir unless this was done before.
func (p pkg) unpacked(
	ctx context.Context, dir string, unpack func(archive, dir string) error, program string, args ...string,
) (string, error) {
	sources := filepath.Join(dir, filepath.FromSlash(p.under))
	if _, err := os.Stat(dir); err == nil {
		return sources, nil
	}
	if err := os.MkdirAll(dir+".get", 0o755); err != nil {
		return "", err
	}
	if _, err := output(ctx, filepath.Dir(dir), program, args...); err != nil {
		return "", err
	}
	archives, err := filepath.Glob(filepath.Join(dir+".get", "*"))
	if err != nil || len(archives) != 1 {
		return "", fmt.Errorf("%d archives, %w", len(archives), err)
	}
	if err := unpack(archives[0], dir+".new"); err != nil {
		return "", err
	}
	return sources, os.Rename(dir+".new", dir)
}

func output(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s", program, err, exit.Stderr)
	}
	return out, err
}

func unzip(archive, dir string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	for _, f := range r.File {
		if f.FileInfo().IsDir() {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return err
		}
		if err := store(dir, f.Name, in); err != nil {
			return err
		}
	}
	return nil
}

func untar(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			_, name, _ := strings.Cut(h.Name, "/") // the archive's own folder, mostly "package"
			if err := store(dir, name, io.NopCloser(r)); err != nil {
				return err
			}
		}
	}
}

// store writes a file of an archive, and closes what it reads from.
func store(dir, name string, in io.ReadCloser) error {
	defer in.Close()
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q leads out of the archive", name)
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(in, 64<<20))
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
