//go:build cgo && unix

package duckdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fault-project/fault/rag"
)

// The environment of a child process: the index directory, the indexed one, what to do, and after how many commits to die.
const (
	childDir    = "FAULT_TEST_INDEX"
	childRoot   = "FAULT_TEST_ROOT"
	childJob    = "FAULT_TEST_JOB"
	childCommit = "FAULT_TEST_DIE_AFTER"
)

func TestMain(m *testing.M) {
	if os.Getenv(childJob) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// child is what a child process does: update the index once, or update and search for a while.
func child() int {
	store, err := Open(os.Getenv(childDir))
	if err != nil {
		return fail(err)
	}
	if n, err := strconv.Atoi(os.Getenv(childCommit)); err == nil {
		store = dyingStore{store, n}
	}
	x, err := rag.NewWithEmbedder(os.Getenv(childRoot), store, rag.Hash{})
	if err != nil {
		return fail(err)
	}
	ctx := context.Background()
	if os.Getenv(childJob) == "once" {
		if _, err := x.Update(ctx, rag.Options{}); err != nil {
			return fail(err)
		}
		return 0
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		if _, err := x.Update(ctx, rag.Options{}); err != nil {
			return fail(err)
		}
		found, err := x.Search(ctx, rag.Query{Text: "common", Kind: "function", Limit: 100, MaxTokens: 50_000})
		if err == nil && len(found.Results) != 40 {
			err = fmt.Errorf("%d results", len(found.Results))
		}
		if err != nil {
			return fail(err)
		}
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// dyingStore kills its process after some commits.
type dyingStore struct {
	rag.Store
	after int
}

func (s dyingStore) Begin(ctx context.Context, m rag.Manifest, rebuild bool) (*rag.Base, rag.Writer, error) {
	base, w, err := s.Store.Begin(ctx, m, rebuild)
	return base, &dyingWriter{w, s.after}, err
}

type dyingWriter struct {
	rag.Writer
	left int
}

func (w *dyingWriter) Commit(ctx context.Context, b rag.Batch) error {
	if w.left--; w.left < 0 {
		die()
	}
	return w.Writer.Commit(ctx, b)
}

func (w *dyingWriter) Publish(ctx context.Context, lexical []byte) error {
	if w.left < 1 {
		die()
	}
	return w.Writer.Publish(ctx, lexical)
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func command(t *testing.T, dir, root, job string, more ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childDir+"="+dir, childRoot+"="+root, childJob+"="+job), more...)
	cmd.Stderr = os.Stderr
	return cmd
}

// An update that is killed between batches is gone on with: files that were committed are not read again.
func TestKilledBetweenBatches(t *testing.T) {
	const files = 1100 // three batches of 512 vectors: one for each file, and one that all share
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, files, "open", 1)
	when := time.Now().Add(-time.Hour)
	for i := range files {
		if err := os.Chtimes(filepath.Join(root, fmt.Sprintf("f%d.go", i)), when, when); err != nil {
			t.Fatal(err)
		}
	}
	for commits, unchanged := range []int{0, 511, 1023} {
		dir := filepath.Join(dir, strconv.Itoa(commits))
		if err := command(t, dir, root, "once", childCommit+"="+strconv.Itoa(commits)).Run(); err == nil {
			t.Fatal("the child was not killed")
		}
		x := open(t, dir, root)
		if _, err := x.Search(t.Context(), rag.Query{Text: "common"}); err == nil {
			t.Error("something half-indexed was found")
		}
		if s := update(t, x, rag.Options{}); s.Unchanged != unchanged || s.Added != files-unchanged || s.Chunks != 2*files {
			t.Errorf("after %d commits: %+v", commits, s)
		}
		found, err := x.Search(t.Context(), rag.Query{Text: "common", Kind: "function", Limit: 100, MaxTokens: 50_000})
		if err != nil || len(found.Results) != 100 || found.Files != files {
			t.Errorf("after %d commits: %d results, %v", commits, len(found.Results), err)
		}
	}
}

// A process that is killed at any moment leaves the state before or the one after, and the next update completes.
func TestKilledAtAnyMoment(t *testing.T) {
	const files = 40
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, files, "open", 0)
	x := open(t, dir, root)
	began := time.Now()
	update(t, x, rag.Options{})
	took := time.Since(began) + 100*time.Millisecond // a process has to start, too
	r := rand.New(rand.NewPCG(9, 10))
	for v := 1; v <= 12; v++ {
		writePackage(t, root, files, "open", v)
		cmd := command(t, dir, root, "once")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(r.Int64N(int64(took))), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // killed, or done before
		timer.Stop()
		reader := open(t, dir, root)
		before, after := fmt.Sprintf("v%d", v-1), fmt.Sprintf("v%d", v)
		if got := versions(t, reader); !slices.Equal(got, []string{before}) && !slices.Equal(got, []string{after}) {
			t.Fatalf("version %d: found %q", v, got)
		}
		if s := update(t, x, rag.Options{}); s.Files != files || s.Chunks != 2*files {
			t.Fatalf("version %d: %+v", v, s)
		}
		if got := versions(t, reader); !slices.Equal(got, []string{after}) {
			t.Fatalf("version %d: found %q after the next update", v, got)
		}
	}
}

// Two processes index and search one repository that changes all the time.
func TestTwoProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes three seconds")
	}
	const files = 40
	root, dir := t.TempDir(), t.TempDir()
	writePackage(t, root, files, "open", 0)
	var children []*exec.Cmd
	for range 2 {
		cmd := command(t, dir, root, "both")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, cmd)
	}
	done := make(chan error, len(children))
	for _, cmd := range children {
		go func() { done <- cmd.Wait() }()
	}
	for running, v := len(children), 1; running > 0; v++ {
		select {
		case err := <-done:
			running--
			if err != nil {
				t.Error(err)
			}
		default:
			// Replaced by rename: a file that is half-written would rightly be indexed so.
			path := filepath.Join(root, fmt.Sprintf("f%d.go", v%files))
			writeFile(t, filepath.Join(dir, "new"), fmt.Sprintf("package p\n\nfunc open%dv%d() { common() }\n", v%files, v))
			if err := os.Rename(filepath.Join(dir, "new"), path); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	x := open(t, dir, root)
	if s := update(t, x, rag.Options{}); s.Files != files {
		t.Errorf("in the end: %+v", s)
	}
}
