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
type pkg struct{ client, name, version string }

func (p pkg) String() string { return p.name + "@" + p.version }

// packages are those that findings are drawn from.
var packages = []pkg{
	{"go", "github.com/Shopify/toxiproxy/v2", "v2.12.0"},
	{"go", "github.com/go-git/go-git/v5", "v5.19.3"},
	{"go", "github.com/ollama/ollama", "v0.17.4"},
	{"go", "github.com/prometheus/client_golang", "v1.21.1"},
	{"go", "github.com/tmc/langchaingo", "v0.1.14"},
	{"go", "golang.org/x/crypto", "v0.36.0"},
	{"go", "golang.org/x/tools", "v0.52.0"},
	{"go", "google.golang.org/genai", "v1.77.0"},
	{"go", "google.golang.org/grpc", "v1.75.0"},
	{"pip", "aiohttp", "3.11.11"},
	{"pip", "httpie", "3.2.4"},
	{"pip", "jupyter_server", "2.15.0"},
	{"pip", "locust", "2.32.4"},
	{"pip", "pip", "24.3.1"},
	{"pip", "requests", "2.32.3"},
	{"pip", "streamlink", "7.1.1"},
	{"pip", "youtube_dl", "2021.12.17"},
	{"npm", "@node-red/nodes", "4.0.8"},
	{"npm", "npm", "10.9.2"},
	{"npm", "parse-server", "7.4.0"},
	{"npm", "pm2", "5.4.3"},
}

// fetch returns the folder with the sources of a package, which it fetches if it is not there.
func (p pkg) fetch(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, strings.NewReplacer("/", "_").Replace(p.String()))
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
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
		args := []string{"download", "-q", "--no-deps", "--only-binary=:all:", "-d", dir + ".get", p.name + "==" + p.version}
		if _, err := output(ctx, cache, "pip", args...); err != nil {
			return "", err
		}
		wheels, err := filepath.Glob(filepath.Join(dir+".get", "*.whl"))
		if err != nil || len(wheels) != 1 {
			return "", fmt.Errorf("%d wheels, %w", len(wheels), err)
		}
		return dir, unzip(wheels[0], dir)
	default:
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
		out, err := output(ctx, cache, "npm", "pack", "--silent", "--pack-destination", cache, p.String())
		if err != nil {
			return "", err
		}
		return dir, untar(filepath.Join(cache, strings.TrimSpace(string(out))), dir)
	}
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
			if err := store(dir, strings.TrimPrefix(h.Name, "package/"), io.NopCloser(r)); err != nil {
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
