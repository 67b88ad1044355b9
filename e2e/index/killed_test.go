//go:build e2e && unix

package index

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/duckdb"
)

// kills is how many processes are killed for each kind of index.
const kills = 50

// binary is the fault that is tested.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("FAULT_BIN")
	if path == "" {
		path = filepath.Join("..", "..", "bin", "fault")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no binary to test: %v; run make build", err)
	}
	return path
}

// environment is the test's own without what would change fault's behavior.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "FAULT_") || strings.HasPrefix(entry, "OPENAI_API_KEY=")
	})
}

// victim is an index whose updates are killed.
type victim struct {
	tree     *tree
	dir      string
	model    string
	embedder rag.Embedder
	// published is what searches find.
	published state
	took      time.Duration
	counts    map[string]int
}

// index returns a run of fault index.
func (v *victim) index(t *testing.T, dir string, more ...string) *exec.Cmd {
	t.Helper()
	args := append([]string{"index", v.tree.root, "--index", dir, "--llm-embed-model", v.model, "--format", "json"}, more...)
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Env = environment()
	return cmd
}

// opened opens the index as a process that was just started does.
func (v *victim) opened(t *testing.T, dir string) *rag.Index {
	t.Helper()
	store, err := duckdb.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	x, err := rag.NewWithEmbedder(v.tree.root, store, v.embedder)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// complete runs an update to its end and checks everything that can be found.
func (v *victim) complete(t *testing.T) {
	t.Helper()
	began := time.Now()
	cmd := v.index(t, v.dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the next run: %v: %s", err, out)
	}
	v.took = time.Since(began)
	before := v.published
	v.published = v.tree.copied()
	var result struct{ Files, Failed int }
	if err := json.Unmarshal(out, &result); err != nil || result.Files != len(v.published) || result.Failed != 0 {
		t.Fatalf("the next run: %v: %s", err, out)
	}
	if what := whole(t, v.opened(t, v.dir), v.published); what != "" {
		t.Fatal("after the next run: " + what)
	}
	if !maps.Equal(before, v.published) && whole(t, v.opened(t, v.dir), before) == "" {
		t.Fatal("the check does not tell one state from another")
	}
}

// kill starts an update, kills it at a random moment, and reports whether it was still running then.
func (v *victim) kill(t *testing.T, r *rand.Rand) bool {
	t.Helper()
	next := v.tree.copied()
	before := v.current()
	cmd := v.index(t, v.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(r.Int64N(int64(v.took))), func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case err == nil:
		v.published = next
		return false
	case !status.Signaled() || status.Signal() != syscall.SIGKILL:
		t.Fatalf("the update failed: %v", err)
	}
	if v.current() != before {
		v.counts["when it had published"]++
		v.published = next
	} else {
		v.counts[v.stage(t)]++
	}
	if what := whole(t, v.opened(t, v.dir), v.published); what != "" {
		t.Fatal("after the kill: " + what)
	}
	return true
}

// current is the name of the generation that searches read.
func (v *victim) current() string {
	name, _ := os.ReadFile(filepath.Join(v.dir, "current"))
	return strings.TrimSpace(string(name))
}

// stage says how far a killed update had come that did not publish.
func (v *victim) stage(t *testing.T) string {
	t.Helper()
	if generations, _ := filepath.Glob(filepath.Join(v.dir, "index-*.duckdb")); len(generations) > 1 {
		return "while publishing"
	}
	if _, err := os.Stat(filepath.Join(v.dir, "building.duckdb")); err != nil {
		return "before its first commit"
	}
	copied := t.TempDir()
	for _, name := range []string{"building.duckdb", "building.duckdb.wal"} {
		copyFile(t, filepath.Join(v.dir, name), filepath.Join(copied, name))
	}
	db, err := sql.Open("duckdb", filepath.Join(copied, "building.duckdb"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	state := ""
	if err := db.QueryRowContext(t.Context(), "SELECT value FROM meta WHERE key = 'state'").Scan(&state); err != nil {
		return "during its first commit" // the tables are not there yet
	}
	base := ""
	if err := db.QueryRowContext(t.Context(), "SELECT value FROM meta WHERE key = 'generation'").Scan(&base); err != nil {
		t.Fatal(err)
	}
	if state == "complete" {
		if "index-"+base+".duckdb" == v.current() {
			return "during its first commit" // it is still the copy that it began with
		}
		return "while publishing"
	}
	return "between or during commits"
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		return // there is not always a log
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
}

// sameAsClean compares the index with one that was made at once.
func (v *victim) sameAsClean(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if out, err := v.index(t, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	questions := []string{
		groupWord(3), "revision text of a file", "keeps what it is about", "load7x1v8", "common " + groupWord(12), "return string",
	}
	for _, question := range questions {
		got, want := ranking(t, v.opened(t, v.dir), question), ranking(t, v.opened(t, dir), question)
		if !slices.Equal(got, want) {
			t.Fatalf("%q finds\n%s\ninstead of\n%s", question, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// ranking returns the results of a search with their scores, ordered by these and then by place. Of those at the end of a full list
// that have the same score it is chance which ones are in it: they are left out.
func ranking(t *testing.T, x *rag.Index, question string) []string {
	t.Helper()
	const limit = 100
	found, err := x.Search(context.WithoutCancel(t.Context()), rag.Query{Text: question, Limit: limit, MaxTokens: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range found.Results {
		if len(found.Results)+found.Omitted == limit && r.Score == found.Results[len(found.Results)-1].Score {
			break
		}
		lines = append(lines, fmt.Sprintf("%9.3f %s:%d-%d %s", r.Score, r.Path, r.StartLine, r.EndLine, r.Name))
	}
	slices.Sort(lines)
	return lines
}

// A process that is killed at any moment leaves an index that is whole, and the next run completes.
func TestKilled(t *testing.T) {
	for _, mode := range []struct {
		model    string
		embedder rag.Embedder
	}{{"none", nil}, {"hash", rag.Hash{}}} {
		t.Run("vectors="+mode.model, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 1))
			v := &victim{
				tree: newTree(t, 700), dir: filepath.Join(t.TempDir(), "index"), model: mode.model, embedder: mode.embedder,
				counts: map[string]int{},
			}
			v.complete(t)
			done, clean := 0, 0
			for killed := 0; killed < kills; {
				v.tree.change(t, r)
				if !v.kill(t, r) {
					done++
					continue
				}
				killed++
				if r.IntN(3) == 0 {
					continue // the next update begins with what two of them left
				}
				if r.IntN(2) == 0 {
					v.tree.change(t, r)
				}
				v.complete(t)
				if killed%10 == 0 {
					v.sameAsClean(t)
					clean++
				}
			}
			v.complete(t)
			v.sameAsClean(t)
			t.Logf("%d killed: %v; %d more had ended before; compared with a clean index %d times", kills, v.counts, done, clean+1)
		})
	}
}
