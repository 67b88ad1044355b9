package treesitter

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkParse reads the standard library on four cores. A round is all of it.
func BenchmarkParse(b *testing.B) {
	root, err := exec.CommandContext(b.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		b.Skip(err)
	}
	var sources [][]byte
	size := int64(0)
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.Contains(path, "testdata") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil || len(src) > 1<<20 {
			return err // beyond what is indexed
		}
		sources = append(sources, src)
		size += int64(len(src))
		return nil
	})
	if err != nil || len(sources) == 0 {
		b.Skip("no sources of the standard library")
	}
	b.SetBytes(size)
	for b.Loop() {
		var next atomic.Int64
		done := make(chan error)
		workers := 4
		for range workers {
			go func() {
				for {
					i := int(next.Add(1)) - 1
					if i >= len(sources) {
						done <- nil
						return
					}
					if _, err := Parse(b.Context(), Go, sources[i]); err != nil {
						done <- err
						return
					}
				}
			}()
		}
		for range workers {
			if err := <-done; err != nil {
				b.Error(err)
			}
		}
	}
}
