package rag

import (
	"context"
	"errors"
	"sync"
)

// snapshotCache holds the published state that was loaded last.
type snapshotCache struct {
	mu     sync.Mutex
	loaded *loaded
}

// loaded is a published state, ready to be searched. It is immutable.
type loaded struct {
	snapshot *Snapshot
	terms    *lexical
	roles    []role
	// factors has what the score of each chunk is multiplied with.
	factors []float64
	// files has for each chunk the number of the first chunk of its file.
	files  []uint32
	routes routeTable
}

// current returns the newest published state. It loads it into memory when it is new.
func (x *Index) current(ctx context.Context) (*loaded, error) {
	x.cache.mu.Lock()
	defer x.cache.mu.Unlock()
	have := uint64(0)
	if x.cache.loaded != nil {
		have = x.cache.loaded.snapshot.Generation
	}
	s, err := x.store.Load(ctx, have)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return x.cache.loaded, nil
	}
	// The words can be searched whatever the vectors are of; Search says when it cannot use these.
	m := Manifest{Root: x.root, Chunker: ChunkerVersion, Embedder: s.Manifest.Embedder, Dimension: s.Manifest.Dimension}
	if err := m.Check(s.Manifest, x.store.Location()); err != nil {
		return nil, err
	}
	if s.Remote == nil && s.Manifest.Dimension > 0 && len(s.Vectors) != len(s.Chunks) {
		return nil, errDamaged
	}
	n := len(s.Chunks)
	l := &loaded{snapshot: s, roles: make([]role, n), factors: make([]float64, n), files: make([]uint32, n)}
	if l.terms, err = decodeLexical(s.Lexical); err != nil {
		return nil, err
	}
	if len(l.terms.ids) != len(s.Chunks) {
		return nil, errDamaged
	}
	for i := range s.Chunks {
		c := &s.Chunks[i]
		if l.terms.ids[i] != c.ID {
			return nil, errDamaged
		}
		if i > 0 && s.Chunks[i-1].Path == c.Path {
			l.roles[i], l.files[i] = l.roles[i-1], l.files[i-1]
		} else {
			l.roles[i], l.files[i] = roleOf(c.Path, c.Language), uint32(i)
		}
		l.factors[i] = factorOf(c, l.roles[i])
	}
	l.routes = routesIn(s.Chunks)
	x.cache.loaded = l
	return l, nil
}

// read calls do with the newest published state, and once more with the next one if that takes its place meanwhile.
func (x *Index) read(ctx context.Context, do func(l *loaded) error) error {
	for last := uint64(0); ; {
		l, err := x.current(ctx)
		if err != nil {
			return err
		}
		if err := do(l); !errors.Is(err, ErrStale) || l.snapshot.Generation == last {
			return err
		}
		last = l.snapshot.Generation
	}
}

// addTexts gives candidates their chunks, with the text.
func (l *loaded) addTexts(ctx context.Context, list []ranked) error {
	for i := range list {
		list[i].chunk = &l.snapshot.Chunks[list[i].doc]
	}
	if l.snapshot.Remote == nil {
		return nil
	}
	chunks := make([]*Chunk, len(list))
	for i := range list {
		c := *list[i].chunk
		list[i].chunk, chunks[i] = &c, &c
	}
	// Without a candidate, too: it says whether what was read is of one state.
	return l.snapshot.Remote.Texts(ctx, chunks)
}
