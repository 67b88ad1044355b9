//go:build cgo && unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/duckdb"
)

// rounds is how often each thing is measured; the median and the range are printed.
const rounds = 5

// questions are what the searches ask.
var questions = []string{
	"retry with exponential backoff", "parse the address of a listener", "Client.Do", "decode a chunked body", "where are cookies written",
	"wait for all goroutines to finish", "read a directory in order", "verify the certificate chain", "format a float", "UnmarshalJSON",
}

// measureIndex prints how long the built program takes to index a directory, to do so again, and to answer, each in a process of its
// own; and how long searches take in one process.
func measureIndex(ctx context.Context, program, dir string) (err error) {
	scratch, err := os.MkdirTemp("", "fault-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	at := filepath.Join(scratch, "index")
	var fresh, read, again, first []time.Duration
	var freshProcessor, readProcessor []time.Duration
	var memory int64
	for range rounds {
		for _, run := range []struct {
			args      []string
			wall, cpu *[]time.Duration
		}{
			// A dry run reads, parses and cuts, and counts the words, and stores nothing: it is without an index to compare with.
			{[]string{"index", dir, "--dry-run", "--index", at + "-none"}, &read, &readProcessor},
			{[]string{"index", dir, "--rebuild", "--index", at}, &fresh, &freshProcessor},
			{[]string{"index", dir, "--index", at}, &again, nil},
			{[]string{"search", "--dir", dir, "--index", at, questions[0]}, &first, nil},
		} {
			took, peak, err := timed(ctx, program, run.args...)
			if err != nil {
				return err
			}
			*run.wall, memory = append(*run.wall, took.wall), max(memory, peak)
			if run.cpu != nil {
				*run.cpu = append(*run.cpu, took.processor)
			}
		}
	}
	store, err := duckdb.Open(at)
	if err != nil {
		return err
	}
	index, err := rag.New(dir, store)
	if err != nil {
		return err
	}
	s, err := index.Update(ctx, rag.Options{DryRun: true})
	if err != nil {
		return err
	}
	warm, err := warmSearches(ctx, index)
	if err != nil {
		return err
	}
	size, err := sizeOf(at)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %d files, %.1f MB, %d chunks\n\n", dir, s.Files, float64(s.Bytes)/1e6, s.Chunks)
	fmt.Fprintln(stdout, "| | median | range |\n|---|---|---|")
	row("index from nothing, whole process", fresh)
	row("of it processor time", freshProcessor)
	row("the same, but nothing stored (dry run)", read)
	row("of it processor time", readProcessor)
	row("index again, nothing changed, whole process", again)
	row("first search, whole cold process", first)
	megabytes := float64(s.Bytes) / 1e6
	fmt.Fprintf(stdout, "| throughput | %.1f MB/s | |\n", megabytes/median(fresh).Seconds())
	fmt.Fprintf(stdout, "| throughput of the dry run | %.1f MB/s | |\n", megabytes/median(read).Seconds())
	fmt.Fprintf(stdout, "| processor time for 1 MB | %.0f ms | |\n", ms(median(freshProcessor))/megabytes)
	fmt.Fprintf(stdout, "| of it without storing | %.0f ms | |\n", ms(median(readProcessor))/megabytes)
	fmt.Fprintf(stdout, "| peak memory of indexing | %.0f MB | |\n", float64(memory)/1e6)
	fmt.Fprintf(stdout, "| index on disk | %.1f MB | |\n", float64(size)/1e6)
	slices.Sort(warm)
	fmt.Fprintf(stdout, "| warm search (%d) | p50 %.2f ms | p95 %.2f ms |\n", len(warm), ms(median(warm)), ms(warm[len(warm)*95/100]))
	return nil
}

// spent is the time that a process took.
type spent struct{ wall, processor time.Duration }

// timed runs the program and returns how long it took and its peak memory in bytes.
func timed(ctx context.Context, program string, args ...string) (spent, int64, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return spent{}, 0, fmt.Errorf("%s %s: %w: %s", program, args[0], err, out)
	}
	took := spent{time.Since(began), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return took, 0, nil
	}
	return took, usage.Maxrss * 1024, nil
}

// warmSearches asks each question many times in this process.
func warmSearches(ctx context.Context, index *rag.Index) ([]time.Duration, error) {
	var out []time.Duration
	for round := range 51 {
		for _, q := range questions {
			began := time.Now()
			if _, err := index.Search(ctx, rag.Query{Text: q}); err != nil {
				return nil, err
			}
			if round > 0 { // the first one loads the index
				out = append(out, time.Since(began))
			}
		}
	}
	return out, nil
}

func sizeOf(dir string) (total int64, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, err
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
