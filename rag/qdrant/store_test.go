//go:build cgo

package qdrant

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/qdrant/go-client/qdrant"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/duckdb"
	"github.com/fault-project/fault/rag/qdrant/qdranttest"
	"github.com/fault-project/fault/rag/ragtest"
)

func open(t testing.TB, o Options, root string, e rag.Embedder) *rag.Index {
	t.Helper()
	root, err := rag.Resolve(root)
	if err != nil {
		t.Fatal(err)
	}
	name := rag.NoEmbedder
	if e != nil {
		name = e.Name()
	}
	x, err := rag.NewWithEmbedder(root, dial(t, o).Store(root, name), e)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func update(t *testing.T, x *rag.Index, o rag.Options) *rag.Summary {
	t.Helper()
	s, err := x.Update(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantVersions(t *testing.T, x *rag.Index, count int, want ...string) {
	t.Helper()
	got, n, err := ragtest.Versions(t.Context(), x)
	if err != nil || n != count || !slices.Equal(got, want) {
		t.Errorf("found %d functions of %q, %v, want %d of %q", n, got, err, count, want)
	}
}

func TestNothingIsLeft(t *testing.T) {
	server := qdranttest.New(t, qdranttest.Options{})
	root := t.TempDir()
	x := open(t, Options{URL: server.URL()}, root, nil)
	ragtest.WritePackage(t, root, 20, "open", 1)
	update(t, x, rag.Options{})
	// The control point, four tables, and a text for each chunk.
	if n := server.Points(); n != 1+4+40 {
		t.Errorf("%d points after the first update", n)
	}
	for v := range 3 {
		ragtest.WritePackage(t, root, 10, "open", v+2)
		update(t, x, rag.Options{})
		if n := server.Points(); n != 45 {
			t.Errorf("%d points after update %d", n, v)
		}
	}
	update(t, x, rag.Options{Rebuild: true})
	if n := server.Points(); n != 45 {
		t.Errorf("%d points after a rebuild", n)
	}
}

// The same tree gives the same answers whatever the store is.
func TestAnswersAreThoseOfDuckDB(t *testing.T) {
	root := "../duckdb" // few enough chunks for the mean of the vectors to be that of all
	at, err := duckdb.Open(filepath.Join(t.TempDir(), "index"))
	if err != nil {
		t.Fatal(err)
	}
	local, err := rag.NewWithEmbedder(root, at, rag.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	remote := open(t, Options{URL: qdranttest.New(t, qdranttest.Options{}).URL()}, root, rag.Hash{})
	a, b := update(t, local, rag.Options{}), update(t, remote, rag.Options{})
	if diff := cmp.Diff(a, b); diff != "" || a.Chunks < 50 || a.Chunks > averageSample {
		t.Fatalf("%d chunks (-duckdb +qdrant):\n%s", a.Chunks, diff)
	}
	for _, q := range []rag.Query{
		{Text: "how is a file copied"},
		{Text: "removeDatabase"},
		{Text: "publish the index by rename"},
		{Text: "databases removing"},
		{Text: "vectors of an embedder", Path: "vectors.go"},
		{Text: "store of an index", Kind: "type"},
		{Text: "search", Limit: 50, MaxTokens: 50_000},
		{Text: "a lease that is lost", Path: "store*.go"},
		{Text: "nothing matches", Language: "python"},
	} {
		want, err := local.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := remote.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 0.0011)); diff != "" { // scores are rounded to 0.001
			t.Errorf("%q (-duckdb +qdrant):\n%s", q.Text, diff)
		}
	}
}

// An update that was silent for too long fails, and leaves what the other one published.
func TestSuspendedWriter(t *testing.T) {
	server := qdranttest.New(t, qdranttest.Options{})
	lease := 200 * time.Millisecond
	store := dial(t, Options{URL: server.URL(), Lease: lease}).Store("/repository", "model")
	m := ragtest.Manifest()
	_, first, err := store.Begin(t.Context(), m, false)
	if err != nil {
		t.Fatal(err)
	}
	file := func(path, text string, id uint32) rag.Batch {
		return rag.Batch{
			Put:     []rag.FileRecord{{Path: path, Language: "go", FirstID: id, Chunks: 1}},
			Chunks:  []rag.Chunk{{ID: id, Kind: "function", Text: text, Key: rag.VectorKey{1}}},
			Vectors: []rag.Vector{{Key: rag.VectorKey{1}, Values: []float32{1, 0, 0, 0}}},
		}
	}
	if err := first.Commit(t.Context(), file("a.go", "of the first", 0)); err != nil {
		t.Fatal(err)
	}
	suspended := first.(*writer)
	suspended.lease.stop() // as if the process got no time
	<-suspended.lease.done
	base, second, err := store.Begin(t.Context(), m, false)
	if err != nil || len(base.Pending) != 1 {
		t.Fatalf("base %+v, %v", base, err)
	}
	// Both write chunk 1: only the one who has the lease counts.
	if err := first.Commit(t.Context(), file("b.go", "late", 1)); !errors.Is(err, errLost) {
		t.Errorf("late commit: %v", err)
	}
	if err := second.Commit(t.Context(), file("b.go", "of the second", 1)); err != nil {
		t.Fatal(err)
	}
	if err := first.Publish(t.Context(), nil); !errors.Is(err, errLost) {
		t.Errorf("late publication: %v", err)
	}
	if err := errors.Join(second.Publish(t.Context(), []byte("terms")), first.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	snapshot, err := store.Load(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	chunks := []*rag.Chunk{&snapshot.Chunks[0], &snapshot.Chunks[1]}
	if err := snapshot.Remote.Texts(t.Context(), chunks); err != nil || chunks[0].Text != "of the first" || chunks[1].Text != "of the second" {
		t.Errorf("texts %q, %q, %v", chunks[0].Text, chunks[1].Text, err)
	}
	// Of what the first one wrote late nothing is left: control, tables, two texts, two vectors.
	if n := server.Points(); n != 1+4+2+2 {
		t.Errorf("%d points", n)
	}
}

// A connection that breaks at any call leaves the state before or the one after, and the next update completes and leaves nothing behind.
func TestBrokenCalls(t *testing.T) {
	const files = 5
	var calls, breakAt atomic.Int64
	server := qdranttest.New(t, qdranttest.Options{Before: func(context.Context, string) error {
		if calls.Add(1) == breakAt.Load() {
			return status.Error(codes.Internal, "the disk is full")
		}
		return nil
	}})
	root := t.TempDir()
	ragtest.WritePackage(t, root, files, "open", 0)
	o := Options{URL: server.URL(), Lease: time.Minute}
	update(t, open(t, o, root, rag.Hash{}), rag.Options{})
	spared := 0
	for v := 1; spared < 2; v++ {
		if v > 100 {
			t.Fatal("every call breaks")
		}
		ragtest.WritePackage(t, root, files, "open", v)
		calls.Store(0)
		breakAt.Store(int64(v))
		_, err := open(t, o, root, rag.Hash{}).Update(t.Context(), rag.Options{})
		if err == nil {
			spared++
		} else if !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("call %d: %v", v, err)
		}
		broken := calls.Load() >= int64(v)
		breakAt.Store(0)
		if !broken && err != nil {
			t.Errorf("call %d was not made, and the update failed: %v", v, err)
		}
		// Who could not give the lease back is waited for.
		if now, err := open1(t, o, root).readControl(t.Context()); err != nil || now == nil {
			t.Fatal(err)
		} else if now.Held {
			release(t, o, root)
		}
		x := open(t, o, root, rag.Hash{})
		got, n, err := ragtest.Versions(t.Context(), x)
		before, after := fmt.Sprint("v", v-1), fmt.Sprint("v", v)
		if err != nil || n != files || len(got) != 1 || got[0] != before && got[0] != after {
			t.Errorf("call %d: %d functions of %q, %v", v, n, got, err)
		}
		update(t, x, rag.Options{})
		wantVersions(t, x, files, after)
	}
}

func open1(t *testing.T, o Options, root string) *Store {
	t.Helper()
	root, err := rag.Resolve(root)
	if err != nil {
		t.Fatal(err)
	}
	return dial(t, o).Store(root, rag.Hash{}.Name())
}

// release gives back the lease of a dead update without waiting for it to end.
func release(t *testing.T, o Options, root string) {
	t.Helper()
	o.Lease = time.Millisecond
	s := open1(t, o, root)
	now, err := s.readControl(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := &versioned{control: now.control, version: newVersion()}
	next.Held, next.Unclean = false, true
	if ok, err := s.swap(t.Context(), now.version, next); err != nil || !ok {
		t.Fatalf("release: %v, %v", ok, err)
	}
}

func TestOldServer(t *testing.T) {
	server := qdranttest.New(t, qdranttest.Options{Version: "1.15.4"})
	root := t.TempDir()
	ragtest.WritePackage(t, root, 1, "open", 1)
	_, err := open(t, Options{URL: server.URL()}, root, nil).Update(t.Context(), rag.Options{})
	var refused *rag.StoreError
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "1.15.4") || !strings.Contains(refused.Hint, "1.16") {
		t.Errorf("error %v", err)
	}
}

// Clones of a repository share a collection that is named; each sees its own paths.
func TestNamedCollection(t *testing.T) {
	server := qdranttest.New(t, qdranttest.Options{})
	o := Options{URL: server.URL(), Collection: "team"}
	one, two := t.TempDir(), t.TempDir()
	ragtest.WritePackage(t, one, 5, "open", 1)
	ragtest.WritePackage(t, two, 5, "open", 1)
	update(t, open(t, o, one, rag.Hash{}), rag.Options{})
	x := open(t, o, two, rag.Hash{})
	wantVersions(t, x, 5, "v1")
	if s := update(t, x, rag.Options{}); s.Unchanged != 5 || s.Embedded != 0 {
		t.Errorf("the clone: %+v", s)
	}
	_, err := open(t, o, two, nil).Update(t.Context(), rag.Options{})
	if !errors.Is(err, rag.ErrMismatch) || !strings.Contains(err.Error(), "hash-lexical-1") {
		t.Errorf("another embedder: %v", err)
	}
}

func TestHas(t *testing.T) {
	server := dial(t, Options{URL: qdranttest.New(t, qdranttest.Options{}).URL()})
	root := t.TempDir()
	ragtest.WritePackage(t, root, 1, "open", 1)
	x, err := rag.New(root, server.Store(root, rag.NoEmbedder))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		if got, err := server.Has(t.Context(), root, rag.NoEmbedder); err != nil || got != want {
			t.Errorf("has %v, %v", got, err)
		}
		update(t, x, rag.Options{})
	}
	if got, err := server.Has(t.Context(), root, "other"); err != nil || got {
		t.Errorf("of another embedder: %v, %v", got, err)
	}
}

func TestForeignCollection(t *testing.T) {
	server := dial(t, Options{URL: qdranttest.New(t, qdranttest.Options{}).URL(), Collection: "theirs"})
	store := server.Store("/r", "model")
	if err := store.create(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	// Their point 1.
	up := uploader{store: store}
	if err := errors.Join(up.add(t.Context(), controlID, nil, nil), up.flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "choose another collection") {
		t.Errorf("load: %v", err)
	}
	m := ragtest.Manifest()
	if _, _, err := store.Begin(t.Context(), m, false); err == nil || !strings.Contains(err.Error(), "choose another collection") {
		t.Errorf("begin: %v", err)
	}
}

func TestForeignCollectionWithoutTheControlPoint(t *testing.T) {
	fake := qdranttest.New(t, qdranttest.Options{})
	server := dial(t, Options{URL: fake.URL(), Collection: "theirs"})
	if err := server.client.CreateCollection(t.Context(), &qdrant.CreateCollection{
		CollectionName: "theirs", VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			"theirs": {Size: 3, Distance: qdrant.Distance_Dot},
		}),
	}); err != nil {
		t.Fatal(err)
	}
	store := server.Store("/r", "model")
	up := uploader{store: store}
	if err := errors.Join(up.add(t.Context(), 7, nil, nil), up.flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, rebuild := range []bool{false, true} {
		if _, _, err := store.Begin(t.Context(), ragtest.Manifest(), rebuild); err == nil || !strings.Contains(err.Error(), "choose another") {
			t.Fatalf("begin, rebuild %v: %v", rebuild, err)
		}
		if points, err := store.get(t.Context(), []uint64{7, controlID}, false); err != nil || len(points) != 1 || points[7] == nil {
			t.Errorf("their collection is now %v, %v", points, err)
		}
	}
}

func TestCollectionName(t *testing.T) {
	a, b := Collection("/home/a/größe & co", "open-ai:text-embedding-3-small"), Collection("/home/b/größe & co", "open-ai:text-embedding-3-small")
	if a == b || !strings.HasPrefix(a, "fault-gr__e___co-open-ai_text-embedding-3-small-") || len(Collection("/"+strings.Repeat("x", 300), strings.Repeat("y", 300))) > 255 {
		t.Errorf("names %q, %q", a, b)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(childURL) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}
