package rag

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// memStore keeps an index in memory, as a Store must.
type memStore struct {
	mu                sync.Mutex
	writing           sync.Mutex
	manifest          Manifest
	published         memState
	building          *memState
	generation        uint64
	loads             int
	failCommit, death error
}

type memState struct {
	files   map[string]FileRecord
	chunks  []Chunk
	lexical []byte
	vectors map[VectorKey][]float32
}

func (s memState) clone() memState {
	out := memState{files: map[string]FileRecord{}, chunks: slices.Clone(s.chunks), lexical: s.lexical, vectors: maps.Clone(s.vectors)}
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
	return out, nil
}

func (m *memStore) Begin(_ context.Context, manifest Manifest, rebuild bool) (*Base, Writer, error) {
	m.writing.Lock()
	if m.generation > 0 && !rebuild {
		if err := manifest.Check(m.manifest, m.Location()); err != nil {
			m.writing.Unlock()
			return nil, nil, err
		}
	}
	base := &Base{Lexical: func(context.Context) ([]byte, error) { return m.published.lexical, nil }}
	w := &memWriter{store: m, manifest: manifest}
	switch {
	case rebuild:
		w.state = memState{files: map[string]FileRecord{}}
		base.Lexical = func(context.Context) ([]byte, error) { return nil, nil }
	case m.building != nil:
		w.state = m.building.clone()
		base.Unpublished = true
		from := uint32(0)
		for _, r := range m.published.files {
			from = max(from, r.FirstID+uint32(r.Chunks))
		}
		for _, c := range w.state.chunks {
			if c.ID >= from {
				base.Pending = append(base.Pending, c)
			}
		}
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
	store    *memStore
	manifest Manifest
	state    memState
}

func (w *memWriter) Commit(_ context.Context, b Batch) error {
	if err := w.store.failCommit; err != nil {
		return err
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
	}
	state := w.state.clone()
	w.store.building = &state
	return nil
}

func (w *memWriter) Publish(_ context.Context, lexical []byte) error {
	m := w.store
	if m.death != nil {
		return m.death
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w.state.lexical = lexical
	m.published, m.manifest, m.building = w.state.clone(), w.manifest, nil
	m.generation++
	return nil
}

func (w *memWriter) Close() error {
	w.store.writing.Unlock()
	return nil
}
