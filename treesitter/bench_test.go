//go:build cgo && unix

package treesitter

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	sitter "github.com/smacker/go-tree-sitter"
	sittergo "github.com/smacker/go-tree-sitter/golang"
)

// BenchmarkParse reads every fourth file of the standard library in turns with Parse and with the bare parser, which makes a tree and
// throws it away, each on one core and on all. The machine may have other work: what counts is the ratio, and the processor time.
func BenchmarkParse(b *testing.B) {
	sources, size := librarySources(b)
	bare := func(ctx context.Context, src []byte) error {
		p := sitter.NewParser()
		defer p.Close()
		p.SetLanguage(sittergo.GetLanguage())
		tree, err := p.ParseCtx(ctx, nil, src)
		if err == nil {
			tree.Close()
		}
		return err
	}
	parse := func(ctx context.Context, src []byte) error {
		_, err := Parse(ctx, Go, src)
		return err
	}
	runs := []*measured{
		{name: "bare-1", workers: 1, do: bare},
		{name: "parse-1", workers: 1, do: parse},
		{name: "bare-all", workers: runtime.GOMAXPROCS(0), do: bare},
		{name: "parse-all", workers: runtime.GOMAXPROCS(0), do: parse},
	}
	rounds := 0
	for b.Loop() {
		for _, r := range runs {
			r.run(b, sources)
		}
		rounds++
	}
	megabytes := float64(size) * float64(rounds) / 1e6
	for _, r := range runs {
		b.ReportMetric(megabytes/r.wall.Seconds(), r.name+"-MB/s")
		b.ReportMetric(r.processor.Seconds()*1000/megabytes, r.name+"-cpu-ms/MB")
	}
}

// measured is a way to read sources, and the time that it took.
type measured struct {
	name            string
	workers         int
	do              func(ctx context.Context, src []byte) error
	wall, processor time.Duration
}

func (m *measured) run(b *testing.B, sources [][]byte) {
	b.Helper()
	runtime.GC() // what the run before left is not this one's work
	began, processor := time.Now(), processorTime(b)
	var next atomic.Int64
	done := make(chan error)
	for range m.workers {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(sources) {
					done <- nil
					return
				}
				if err := m.do(b.Context(), sources[i]); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range m.workers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	m.wall += time.Since(began)
	m.processor += processorTime(b) - processor
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func librarySources(b *testing.B) (sources [][]byte, size int64) {
	b.Helper()
	root, err := exec.CommandContext(b.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		b.Skip(err)
	}
	seen := 0
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.Contains(path, "testdata") {
			return err
		}
		if seen++; seen%4 != 0 {
			return nil
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
	return sources, size
}
