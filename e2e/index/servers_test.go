//go:build e2e && unix

package index

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fault-project/fault/mcp"
)

// together is how long the servers work on one repository.
const together = time.Minute

// answer is what fault_search_code gives.
type answer struct {
	Results []struct {
		Path, Name, Code string
		Line             int
		EndLine          int `json:"end_line"`
		Truncated        bool
	}
	Warning string
}

// sharing is a repository that several servers index and search.
type sharing struct {
	tree *tree
	// fresh is the time, as nanoseconds of the Unix era, since which every search finds no older content: the latest start of an update
	// that has ended.
	fresh                      atomic.Int64
	updates, searches, results atomic.Int64
}

func (s *sharing) call(ctx context.Context, c *mcp.Client, tool string, args map[string]any) (*mcp.Result, error) {
	args["source_dir"] = s.tree.root
	result, err := c.Call(ctx, tool, args, nil)
	if err == nil && result.IsError {
		err = fmt.Errorf("%s: %s", tool, result.Text)
	}
	return result, err
}

func (s *sharing) update(ctx context.Context, c *mcp.Client) error {
	began := time.Now().UnixNano()
	if _, err := s.call(ctx, c, "fault_index_source_code", map[string]any{}); err != nil {
		return err
	}
	s.updates.Add(1)
	for {
		have := s.fresh.Load()
		if have >= began || s.fresh.CompareAndSwap(have, began) {
			return nil
		}
	}
}

// search asks and checks every result: its lines must be those that its file had at one moment, not before the last update; all results
// of a file must be of one version of it.
func (s *sharing) search(ctx context.Context, c *mcp.Client, args map[string]any) (count int, err error) {
	fresh := time.Unix(0, s.fresh.Load())
	args["limit"], args["max_tokens"] = 100, 50_000
	result, err := s.call(ctx, c, "fault_search_code", args)
	if err != nil {
		return 0, err
	}
	var a answer
	if err := json.Unmarshal(result.Structured, &a); err != nil {
		return 0, err
	}
	if a.Warning != "" {
		return 0, errors.New(a.Warning)
	}
	s.searches.Add(1)
	s.results.Add(int64(len(a.Results)))
	spans := map[string][]span{}
	for _, r := range a.Results {
		path, err := filepath.Rel(s.tree.root, r.Path)
		if err != nil || r.Truncated {
			return 0, fmt.Errorf("%s: truncated %t, %w", r.Path, r.Truncated, err)
		}
		if _, ok := spans[path]; !ok {
			spans[path] = s.tree.since(path, fresh)
		}
		spans[path] = slices.DeleteFunc(spans[path], func(v span) bool { return wrong(v.content, r.Line, r.EndLine, r.Name, r.Code) != "" })
		if len(spans[path]) == 0 {
			return 0, fmt.Errorf("%v: %s:%d-%d (%s) is not what the file had, or not together with the others:\n%s",
				args, path, r.Line, r.EndLine, r.Name, r.Code)
		}
	}
	return len(a.Results), nil
}

// searchFile asks for everything in one file: all of it must be found, or nothing where the file is newer than the index.
func (s *sharing) searchFile(ctx context.Context, c *mcp.Client, path string, indexed bool) error {
	args := map[string]any{"query": "common text of revision", "kind": "function", "path": path}
	n, err := s.search(ctx, c, args)
	if err == nil && n != parts && (n != 0 || indexed) {
		err = fmt.Errorf("%d functions of %s, which has %d", n, path, parts)
	}
	return err
}

// since returns what a file has been since a time.
func (tr *tree) since(path string, from time.Time) []span {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(tr.history[path]), func(v span) bool { return !v.until.IsZero() && v.until.Before(from) })
}

func (tr *tree) paths() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Sorted(maps.Keys(tr.now))
}

// work indexes and searches with one server until ctx ends: one goroutine indexes, two search.
func (s *sharing) work(ctx context.Context, c *mcp.Client, seed uint64, fail func(error)) {
	var wait sync.WaitGroup
	// What is under way when the time is over is still done: nothing is cancelled.
	calls := context.WithoutCancel(ctx)
	until := func(do func() error) {
		wait.Go(func() {
			for ctx.Err() == nil {
				if err := do(); err != nil {
					fail(err)
					return
				}
			}
		})
	}
	until(func() error { return s.update(calls, c) })
	for i := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, i))
		until(func() error {
			paths := s.tree.paths()
			if _, err := s.search(calls, c, map[string]any{"query": groupWord(r.IntN(groups))}); err != nil {
				return err
			}
			return s.searchFile(calls, c, paths[r.IntN(len(paths))], false)
		})
	}
	wait.Wait()
}

// Two servers index and search one repository whose files change all the time: no call fails, and no answer is wrong.
func TestTwoServers(t *testing.T) {
	for _, model := range []string{"none", "hash"} {
		t.Run("vectors="+model, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			s := &sharing{tree: newTree(t, 300)}
			dir := t.TempDir()
			var servers []*mcp.Client
			for range 2 {
				servers = append(servers, serve(t, s.tree.root, dir, model))
			}
			if err := s.update(t.Context(), servers[0]); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), together)
			defer stop()
			var wait sync.WaitGroup
			for i, c := range servers {
				wait.Go(func() {
					s.work(ctx, c, seed+uint64(i), func(err error) {
						t.Errorf("server %d: %v", i, err)
						stop()
					})
				})
			}
			changes := s.alter(ctx, t, rand.New(rand.NewPCG(seed, 9)))
			wait.Wait()
			for i, c := range servers {
				if err := s.update(t.Context(), c); err != nil {
					t.Errorf("server %d, in the end: %v", i, err)
				}
				for _, path := range s.tree.paths() {
					if err := s.searchFile(t.Context(), c, path, true); err != nil {
						t.Errorf("server %d, in the end: %v", i, err)
					}
				}
			}
			t.Logf("%d changes, %d updates, %d searches with %d results", changes, s.updates.Load(), s.searches.Load(), s.results.Load())
		})
	}
}

// alter changes one file after the other until ctx ends, and returns how many.
func (s *sharing) alter(ctx context.Context, t *testing.T, r *rand.Rand) int {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for changes := 0; ; changes++ {
		select {
		case <-ctx.Done():
			return changes
		case <-ticker.C:
		}
		paths := s.tree.paths()
		path := paths[r.IntN(len(paths))]
		switch n := r.IntN(20); n {
		case 0:
			s.tree.remove(t, path)
			s.tree.add(t)
		case 1:
			s.tree.move(t, path, fmt.Sprintf("moved%d/%s", changes, filepath.Base(path)))
		default:
			s.tree.edit(t, path)
		}
	}
}

// serve starts fault agent tool and connects to it over its standard input and output.
func serve(t *testing.T, root, dir, model string) *mcp.Client {
	t.Helper()
	var stderr bytes.Buffer
	c, err := mcp.Dial(t.Context(), mcp.DialOptions{
		Command: binary(t), Args: []string{"agent", "tool", "--index", dir, "--allow-dir", root, "--llm-embed-model", model},
		Stderr: &stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil || stderr.Len() > 0 {
			t.Errorf("the server ended with %v: %s", err, stderr.String())
		}
	})
	return c
}
