//go:build cgo

package rag

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// memRemote is the Remote of a memStore.
type memRemote struct {
	chunks     []Chunk
	vectors    [][]float32
	store      *memStore
	generation uint64
	asked      []int // the limits of the calls of Similar
	err        error
}

func (r *memRemote) Texts(_ context.Context, chunks []*Chunk) error {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if r.store.generation != r.generation {
		return fmt.Errorf("texts: %w", ErrStale)
	}
	for _, c := range chunks {
		i, _ := slices.BinarySearchFunc(r.chunks, c.ID, func(c Chunk, id uint32) int { return int(c.ID) - int(id) })
		c.Text = r.chunks[i].Text
	}
	return r.err
}

func (r *memRemote) Similar(_ context.Context, question []float32, among []uint32, limit int) ([]Similar, error) {
	r.asked = append(r.asked, limit)
	var out []Similar
	for i, v := range r.vectors {
		if among == nil || slices.Contains(among, uint32(i)) {
			out = append(out, Similar{Chunk: uint32(i), Value: dot(v, question)})
		}
	}
	slices.SortStableFunc(out, func(a, b Similar) int { return cmp.Compare(b.Value, a.Value) })
	return out[:min(len(out), limit)], r.err
}

func (r *memRemote) Average() []float32 {
	if len(r.vectors) == 0 {
		return nil
	}
	out := make([]float32, len(r.vectors[0]))
	for _, v := range r.vectors {
		for i := range v {
			out[i] += v[i] / float32(len(r.vectors))
		}
	}
	return out
}

// A store that keeps texts and vectors for itself gives the same answers, although it is only asked for the nearest.
func TestRemoteAnswers(t *testing.T) {
	words := strings.Fields("open close read write parse send receive retry cache queue socket price order user token index search merge split " +
		"encode decode lock wait notify accept dial listen flush reset copy move sort filter")
	r := rand.New(rand.NewPCG(5, 6))
	word := func() string { return words[r.IntN(len(words))] }
	files := map[string]string{}
	for i := range 200 {
		var b strings.Builder
		b.WriteString("package p\n")
		for j := range 10 {
			fmt.Fprintf(&b, "\n// It does %s, then %s.\nfunc %s%s%d() { %s(%s) }\n", word(), word(), word(), strings.ToUpper(word()), 10*i+j, word(), word())
		}
		files[fmt.Sprintf("d%d/f%d.go", i%5, i)] = b.String()
	}
	x, store := newIndex(t, writeTree(t, files))
	x.embedder = Hash{}
	mustUpdate(t, x, Options{})
	queries := []Query{
		{Text: "cached prices"},
		{Text: "reader that waits"},
		{Text: "decoder", Limit: MaxLimit, MaxTokens: MaxMaxTokens},
		{Text: "openRETRY"},
		{Text: "merging queues", Path: "d3"},
		{Text: "sender", Path: "f7.go"},
		{Text: "unheard of", Limit: 50},
		{Text: "notifier", Kind: "type"},
		{Text: "price filter", Language: "python"},
		{Text: "users", Below: "d1"},
	}
	want := make([]*Found, len(queries))
	for i, q := range queries {
		var err error
		if want[i], err = x.Search(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	store.remote, x.cache.loaded = true, nil
	for i, q := range queries {
		got, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want[i], got, cmpopts.EquateApprox(0, 0.0011)); diff != "" {
			t.Errorf("%+v (-memory +remote):\n%s", q, diff)
		}
	}
	remote := x.cache.loaded.snapshot.Remote.(*memRemote)
	if most := slices.Max(remote.asked); most > remoteLimit || len(remote.vectors) < 2000 {
		t.Errorf("asked for %d of %d", most, len(remote.vectors))
	}
	remote.err = errors.New("the server is gone")
	if _, err := x.Search(t.Context(), queries[0]); !errors.Is(err, remote.err) {
		t.Errorf("error %v", err)
	}
}

// A search that loses its state takes the next one.
func TestStaleState(t *testing.T) {
	x, store, _ := vectorIndex(t, vectorTree)
	store.remote = true
	mustUpdate(t, x, Options{})
	if got := namesOf(t, x, Query{Text: "money"}); !slices.Equal(got, []string{"b.go:Total"}) {
		t.Fatalf("found %q", got)
	}
	// Published between reading the state and reading from it.
	x.store = &racingStore{Store: store, publish: func() {
		writeFile(t, x.Root()+"/b.go", "package a\n\n// Sum adds the cost of all.\nfunc Sum() { cost() }\n")
		mustUpdate(t, &Index{root: x.root, store: store, embedder: x.embedder}, Options{})
	}}
	if got := namesOf(t, x, Query{Text: "money"}); !slices.Equal(got, []string{"b.go:Sum"}) {
		t.Errorf("found %q", got)
	}
	// One that is stale although nothing was published is broken, and not tried for ever.
	x.cache.loaded.snapshot.Remote.(*memRemote).err = ErrStale
	if _, err := x.Search(t.Context(), Query{Text: "money"}); !errors.Is(err, ErrStale) {
		t.Errorf("error %v", err)
	}
}

// racingStore publishes once, after a Load.
type racingStore struct {
	Store
	publish func()
}

func (s *racingStore) Load(ctx context.Context, have uint64) (*Snapshot, error) {
	snapshot, err := s.Store.Load(ctx, have)
	if publish := s.publish; publish != nil {
		s.publish = nil
		publish()
	}
	return snapshot, err
}
