package rag

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// memStore keeps an index in memory, as a Store must.
type memStore struct {
	mu        sync.Mutex
	once      sync.Once
	writing   chan struct{}
	manifest  Manifest
	published memState
	// building was committed for buildingFor, from nothing or from what is published.
	building    *memState
	buildingFor Manifest
	fromNothing bool
	generation  uint64

	loads             int
	remote            bool // keep texts and vectors out of snapshots
	failCommit, death error
}

// memSpare is how many vectors are kept that no chunk has.
const memSpare = 2000

type memState struct {
	files   map[string]FileRecord
	chunks  []Chunk
	lexical []byte
	vectors map[VectorKey][]float32
	order   []VectorKey // in which the vectors came
}

func (s memState) clone() memState {
	out := memState{files: map[string]FileRecord{}, chunks: slices.Clone(s.chunks), lexical: s.lexical, vectors: maps.Clone(s.vectors), order: slices.Clone(s.order)}
	for k, v := range s.files {
		out.files[k] = v
	}
	return out
}

func (m *memStore) Location() string { return "memory" }

func (m *memStore) Load(_ context.Context, have uint64) (*Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.generation == 0 {
		return nil, ErrNoIndex
	}
	if m.generation == have {
		return nil, nil
	}
	m.loads++
	s := m.published.clone()
	files := 0
	for _, r := range s.files {
		if r.Skipped == "" {
			files++
		}
	}
	out := &Snapshot{Generation: m.generation, Manifest: m.manifest, Files: files, Chunks: s.chunks, Lexical: s.lexical}
	if m.manifest.Dimension > 0 {
		for _, c := range s.chunks {
			out.Vectors = append(out.Vectors, s.vectors[c.Key])
		}
	}
	if m.remote {
		out.Remote = &memRemote{chunks: slices.Clone(out.Chunks), vectors: out.Vectors, store: m, generation: m.generation}
		out.Vectors = nil
		for i := range out.Chunks {
			out.Chunks[i].Text = ""
		}
	}
	return out, nil
}

func (m *memStore) Begin(ctx context.Context, manifest Manifest, rebuild bool) (*Base, Writer, error) {
	m.once.Do(func() { m.writing = make(chan struct{}, 1) })
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	select {
	case m.writing <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	resume := !rebuild && m.building != nil && m.buildingFor == manifest
	if m.generation > 0 && !rebuild && !resume {
		if err := manifest.Check(m.manifest, m.Location()); err != nil {
			<-m.writing
			return nil, nil, err
		}
	}
	base, w := &Base{}, &memWriter{store: m, manifest: manifest, fromNothing: rebuild || m.generation == 0 || resume && m.fromNothing}
	from, terms := uint32(0), []byte(nil)
	if !w.fromNothing {
		terms = m.published.lexical
		for _, r := range m.published.files {
			from = max(from, r.FirstID+uint32(r.Chunks))
		}
	}
	base.Lexical = func(context.Context) ([]byte, error) { return terms, nil }
	switch {
	case resume:
		w.state = m.building.clone()
		base.Unpublished = true
		for _, c := range w.state.chunks {
			if c.ID >= from {
				base.Pending = append(base.Pending, c)
			}
		}
		slices.SortFunc(base.Pending, func(a, b Chunk) int { return int(a.ID) - int(b.ID) })
	case w.fromNothing:
		w.state = memState{files: map[string]FileRecord{}}
	default:
		w.state = m.published.clone()
	}
	base.Embedded = func(context.Context) (map[VectorKey]bool, error) {
		keys := map[VectorKey]bool{}
		for key := range w.state.vectors {
			keys[key] = true
		}
		return keys, nil
	}
	for _, r := range w.state.files {
		base.Files = append(base.Files, r)
	}
	return base, w, nil
}

type memWriter struct {
	store       *memStore
	manifest    Manifest
	fromNothing bool
	state       memState
}

func (w *memWriter) Commit(ctx context.Context, b Batch) error {
	if err := errors.Join(w.store.failCommit, ctx.Err()); err != nil {
		return err
	}
	for _, v := range b.Vectors {
		if len(v.Values) != w.manifest.Dimension {
			return fmt.Errorf("a vector has %d dimensions", len(v.Values))
		}
	}
	drop := func(path string, keep FileRecord) {
		w.state.chunks = slices.DeleteFunc(w.state.chunks, func(c Chunk) bool {
			return c.Path == path && (c.ID < keep.FirstID || c.ID >= keep.FirstID+uint32(keep.Chunks))
		})
	}
	for _, path := range b.Remove {
		drop(path, FileRecord{})
		delete(w.state.files, path)
	}
	for _, r := range b.Put {
		drop(r.Path, r)
		w.state.files[r.Path] = r
	}
	w.state.chunks = append(w.state.chunks, b.Chunks...)
	if w.state.vectors == nil {
		w.state.vectors = map[VectorKey][]float32{}
	}
	for _, v := range b.Vectors {
		w.state.vectors[v.Key] = v.Values
		w.state.order = append(w.state.order, v.Key)
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	state := w.state.clone()
	w.store.building, w.store.buildingFor, w.store.fromNothing = &state, w.manifest, w.fromNothing
	return nil
}

func (w *memWriter) Publish(ctx context.Context, lexical []byte) error {
	m := w.store
	if err := errors.Join(m.death, ctx.Err()); err != nil {
		return err
	}
	used := map[VectorKey]bool{}
	for _, c := range w.state.chunks {
		used[c.Key] = true
	}
	surplus := -memSpare
	for _, key := range w.state.order {
		if !used[key] {
			surplus++
		}
	}
	w.state.order = slices.DeleteFunc(w.state.order, func(key VectorKey) bool {
		if used[key] || surplus <= 0 {
			return false
		}
		surplus--
		delete(w.state.vectors, key)
		return true
	})
	slices.SortFunc(w.state.chunks, func(a, b Chunk) int { return int(a.ID) - int(b.ID) })
	m.mu.Lock()
	defer m.mu.Unlock()
	w.state.lexical = lexical
	m.published, m.manifest, m.building, w.fromNothing = w.state.clone(), w.manifest, nil, false
	m.generation++
	return nil
}

func (w *memWriter) Close() error {
	<-w.store.writing
	return nil
}
