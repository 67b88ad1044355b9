package qdrant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"

	"github.com/fault-project/fault/rag"
)

// Store keeps one index in a collection. It implements rag.Store.
type Store struct {
	server     *Server
	root       string
	collection string
}

// Store returns the store of the index of a directory, as rag.Resolve returns it, with the vectors of an embedder (rag.NoEmbedder
// without). Nothing is sent.
func (s *Server) Store(root, embedder string) *Store {
	collection := s.options.Collection
	if collection == "" {
		collection = Collection(root, embedder)
	}
	return &Store{server: s, root: root, collection: collection}
}

// Has reports whether something is kept for a directory and an embedder.
func (s *Server) Has(ctx context.Context, root, embedder string) (bool, error) {
	there, err := s.client.CollectionExists(ctx, s.Store(root, embedder).collection)
	return there, s.explain(ctx, err)
}

// Collection returns the name of the collection of a directory and an embedder, unless Options names one.
func Collection(root, embedder string) string {
	sum := sha256.Sum256([]byte(root + "\n" + embedder))
	return "fault-" + plain(filepath.Base(root)) + "-" + plain(embedder) + "-" + hex.EncodeToString(sum[:8])
}

// plain returns a name with nothing that Qdrant refuses in that of a collection.
func plain(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < 128 && (r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z') {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), 60)]
}

// Location returns the server and the collection.
func (s *Store) Location() string { return s.server.url + ", collection " + s.collection }

func (s *Store) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if missing(err) && ctx.Err() == nil {
		return err
	}
	return s.server.explain(ctx, unwrapped(err))
}

// kept returns a manifest as it is kept, and served the same for this store: a collection that is named belongs to no directory.
func (s *Store) kept(m rag.Manifest) rag.Manifest {
	if s.server.options.Collection != "" {
		m.Root = ""
	}
	return m
}

func (s *Store) served(m rag.Manifest) rag.Manifest {
	if s.server.options.Collection != "" {
		m.Root = s.root
	}
	return m
}

// Load returns the published state unless its generation is have. Texts and vectors stay in the server.
func (s *Store) Load(ctx context.Context, have uint64) (*rag.Snapshot, error) {
	for last := uint64(0); ; {
		now, err := s.readControl(ctx)
		switch {
		case err != nil:
			return nil, err
		case now == nil || now.Published == nil:
			return nil, rag.ErrNoIndex
		case now.Published.Generation == have:
			return nil, nil
		}
		snapshot, err := s.load(ctx, now.Published)
		if !errors.Is(err, errMissing) && !missing(err) {
			return snapshot, err
		}
		// Replaced while it was read, unless it is still the one.
		if now.Published.Generation == last {
			return nil, s.damaged("a table", err)
		}
		last = now.Published.Generation
	}
}

func (s *Store) load(ctx context.Context, p *published) (*rag.Snapshot, error) {
	var files []file
	var table chunkTable
	snapshot := &rag.Snapshot{Generation: p.Generation, Manifest: s.served(p.Manifest)}
	for _, err := range []error{s.read(ctx, p.Files, &files), s.read(ctx, p.Chunks, &table), s.read(ctx, p.Terms, &snapshot.Lexical)} {
		if err != nil {
			return nil, err
		}
	}
	remote := &remote{store: s, published: p, files: files, vectors: table.Vectors}
	kinds := map[string]string{}
	snapshot.Chunks = make([]rag.Chunk, 0, len(table.Chunks))
	remote.vectorOf = make([]uint32, 0, len(table.Chunks))
	eachChunk(files, table.Chunks, func(f *file, c *chunk) {
		if _, ok := kinds[c.Kind]; !ok {
			kinds[c.Kind] = c.Kind
		}
		c.Kind = kinds[c.Kind]
		snapshot.Chunks = append(snapshot.Chunks, f.chunk(c))
		remote.vectorOf = append(remote.vectorOf, c.Vector)
	})
	for i := range files {
		if files[i].Record.Skipped == "" {
			snapshot.Files++
		}
	}
	snapshot.Remote = remote
	return snapshot, remote.prepare(ctx)
}

// Begin starts an update, or goes on with one that was interrupted. With rebuild, what is published stays until the update publishes,
// but for one case: the length of the vectors of a collection cannot be changed, so that it is deleted if that is another one.
func (s *Store) Begin(ctx context.Context, m rag.Manifest, rebuild bool) (*rag.Base, rag.Writer, error) {
	for {
		l, err := s.acquire(ctx, m.Dimension)
		if err != nil {
			return nil, nil, err
		}
		w := &writer{store: s, lease: l, manifest: s.kept(m), session: l.control().Session, files: map[string]*file{}}
		base, again, err := w.begin(ctx, rebuild)
		if err == nil && !again {
			return base, w, nil
		}
		if err := errors.Join(err, w.Close()); err != nil {
			return nil, nil, err
		}
	}
}
