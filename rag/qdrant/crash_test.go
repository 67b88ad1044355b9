//go:build cgo

package qdrant

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/qdrant/qdranttest"
	"github.com/fault-project/fault/rag/ragtest"
)

// The environment of a child process, which updates the index of a directory: once, or again and again for a while, searching in between.
const (
	childURL   = "FAULT_TEST_CHILD_URL"
	childRoot  = "FAULT_TEST_CHILD_ROOT"
	childWhile = "FAULT_TEST_CHILD_WHILE"
	childFiles = 40
)

func child() int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	o := Options{URL: os.Getenv(childURL), Lease: time.Second}
	if os.Getenv(childWhile) != "" {
		o.Lease = 0 // a process that gets no time for a second has not died
	}
	server, err := Dial(o)
	if err != nil {
		return fail(err)
	}
	root := os.Getenv(childRoot)
	x, err := rag.NewWithEmbedder(root, server.Store(root, rag.Hash{}.Name()), rag.Hash{})
	if err != nil {
		return fail(err)
	}
	ctx := context.Background()
	if os.Getenv(childWhile) == "" {
		if _, err := x.Update(ctx, rag.Options{}); err != nil {
			return fail(err)
		}
		return 0
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		if _, err := x.Update(ctx, rag.Options{}); err != nil {
			return fail(err)
		}
		if _, n, err := ragtest.Versions(ctx, x); err != nil || n != childFiles {
			return fail(fmt.Errorf("%d functions: %w", n, err))
		}
	}
	return 0
}

func command(t *testing.T, url, root string, more ...string) *exec.Cmd {
	t.Helper()
	root, err := rag.Resolve(root)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childURL+"="+url, childRoot+"="+root), more...)
	cmd.Stderr = os.Stderr
	return cmd
}

// A process that is killed at any moment leaves the state before or the one after; the next update goes on when the lease has run out, and
// leaves no point that is not needed.
func TestKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("leases have to run out")
	}
	server := qdranttest.New(t, qdranttest.Options{})
	root := t.TempDir()
	ragtest.WritePackage(t, root, childFiles, "open", 0)
	o := Options{URL: server.URL(), Lease: time.Second}
	x := open(t, o, root, rag.Hash{})
	began := time.Now()
	update(t, x, rag.Options{})
	took := time.Since(began) + 100*time.Millisecond // a process has to start, too
	r := rand.New(rand.NewPCG(9, 10))
	for v := 1; v <= 8; v++ {
		ragtest.WritePackage(t, root, childFiles, "open", v)
		cmd := command(t, server.URL(), root)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(r.Int64N(int64(took))), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // killed, or done before
		timer.Stop()
		got, n, err := ragtest.Versions(t.Context(), open(t, o, root, rag.Hash{}))
		before, after := []string{fmt.Sprint("v", v-1)}, []string{fmt.Sprint("v", v)}
		if err != nil || n != childFiles || !slices.Equal(got, before) && !slices.Equal(got, after) {
			t.Fatalf("version %d: %d functions of %q, %v", v, n, got, err)
		}
		if s := update(t, x, rag.Options{}); s.Files != childFiles || s.Chunks != 2*childFiles {
			t.Fatalf("version %d: %+v", v, s)
		}
		wantVersions(t, x, childFiles, after...)
	}
	// Of the texts and tables those that are needed are left, after one more publication even if the last one had died.
	ragtest.WritePackage(t, root, childFiles, "open", 9)
	update(t, x, rag.Options{})
	vectors := childFiles*10 + 1 // spare ones are kept
	if n := server.Points(); n != 1+4+2*childFiles+vectors {
		t.Errorf("%d points, want %d", n, 1+4+2*childFiles+vectors)
	}
}

// Two processes index and search one repository that changes all the time.
func TestTwoProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	server := qdranttest.New(t, qdranttest.Options{})
	root, aside := t.TempDir(), t.TempDir()
	ragtest.WritePackage(t, root, childFiles, "open", 0)
	done := make(chan error, 2)
	for range cap(done) {
		cmd := command(t, server.URL(), root, childWhile+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { done <- cmd.Wait() }()
	}
	for running, v := cap(done), 1; running > 0; v++ {
		select {
		case err := <-done:
			running--
			if err != nil {
				t.Error(err)
			}
		default:
			// Written elsewhere: what is half-written would rightly be indexed so.
			ragtest.WritePackage(t, aside, 1, "open", v)
			if err := os.Rename(filepath.Join(aside, "f0.go"), filepath.Join(root, fmt.Sprintf("f%d.go", v%childFiles))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	if s := update(t, open(t, Options{URL: server.URL()}, root, rag.Hash{}), rag.Options{}); s.Files != childFiles {
		t.Errorf("in the end: %+v", s)
	}
}
