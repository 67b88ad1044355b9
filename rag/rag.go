// Package rag finds code: it walks a directory, cuts its files into chunks (one per function, method and type, the rest of a file
// merged), keeps them in a Store, and searches them.
//
// The search needs no model: BM25 over identifiers that are split into their words and stemmed, with a name counting
// three times and a signature twice, words counting by how much they say, parameters that the question names, exact identifiers leading
// to their definition, and tests and documents ranking lower than code. With an Embedder
// the similarity of vectors is mixed in (see fuse); an exact identifier still comes first.
//
// An index belongs to one directory. Updating it is incremental and safe to interrupt at any moment: what a Store has published is always a
// complete index, and an update that was killed goes on where it was.
package rag

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// ChunkerVersion changes whenever the same file would give other chunks or other search terms: an index made by another version
// cannot be brought up to date file by file.
const ChunkerVersion = 6

// Errors that a caller may want to tell apart.
var (
	// ErrNoIndex says that nothing was published yet.
	ErrNoIndex = errors.New("not indexed yet")
	// ErrMismatch says that an index was made for another directory or by another version, and must be made anew.
	ErrMismatch = errors.New("index does not fit")
	// ErrDamaged says that the files of an index are not what was written, and must be made anew.
	ErrDamaged = errors.New("index is damaged")
	// ErrStale says that a newer state was published and what an older one still has to read is gone.
	ErrStale = errors.New("the index has changed meanwhile")
)

// StoreError says that a Store cannot be used, and what to do about it.
type StoreError struct {
	// Message is what is wrong, Hint what to do, which may be empty.
	Message, Hint string
	Err           error
}

func (e *StoreError) Error() string { return e.Message }

// Unwrap returns the error behind it.
func (e *StoreError) Unwrap() error { return e.Err }

// Chunk is a piece of a file that a search can return.
type Chunk struct {
	// ID is unique in an index and grows: a chunk of a changed file is a new chunk.
	ID uint32
	// Path is relative to the indexed directory, with slashes.
	Path string
	// Language is the name of the file's language, Kind one of function, method, class, struct, interface, enum, type, module, code (what
	// is between definitions) and docs.
	Language, Kind string
	// Name is the qualified name of a definition, the heading above a piece of a document, or empty.
	Name string
	// StartLine and EndLine count from 1 and are part of the chunk.
	StartLine, EndLine int
	// Header is the signature that the later pieces of a long definition repeat, or empty; it is not part of Text.
	Header string
	// Text is the source text. A line of "…" stands for what another chunk holds.
	Text string
	// Routes says, in a form that only this package reads, which routes the chunk handles or registers; it is mostly empty.
	Routes string
	// Key says which vector is the chunk's. It is zero in an index without vectors.
	Key VectorKey
}

// FileRecord is what an index knows of a file, to tell whether it has changed.
type FileRecord struct {
	Path string
	// Size in bytes, ModTime and Seen (when the file was read) in nanoseconds since 1970.
	Size, ModTime, Seen int64
	// Hash is the SHA-256 of the content.
	Hash [32]byte
	// Language is the name of the file's language; Skipped is the reason why the file has no chunks on account of its
	// content, or empty.
	Language, Skipped string
	// The file's chunks have the IDs FirstID to FirstID+Chunks-1.
	FirstID uint32
	Chunks  int
}

// Manifest says what an index was made of. Two manifests that are not equal make two indexes that cannot be mixed.
type Manifest struct {
	// Root is the indexed directory, absolute, with symbolic links resolved.
	Root string
	// Chunker is the ChunkerVersion.
	Chunker int
	// Embedder names the model of the vectors and Dimension their length: "none" and 0 without vectors.
	Embedder  string
	Dimension int
}

// Check returns an error that wraps ErrMismatch and says what to do when an index with the manifest have, kept in the directory
// where, cannot serve m.
func (m Manifest) Check(have Manifest, where string) error {
	switch {
	case have == m:
		return nil
	case have.Root != m.Root:
		return fmt.Errorf("%w: %s holds the index of %s, not of %s: choose another index directory (--index)",
			ErrMismatch, where, have.Root, m.Root)
	case have.Chunker != m.Chunker:
		return fmt.Errorf("%w: the index in %s was made by another version of fault (chunks %d, now %d): "+
			"index the directory again with rebuild", ErrMismatch, where, have.Chunker, m.Chunker)
	}
	return fmt.Errorf("%w: the index in %s has %s, not %s: use that embedding model (fault agent --llm-embed-model), or index the "+
		"directory again with rebuild, or keep another index (--index)", ErrMismatch, where, have.vectors(), m.vectors())
}

// vectors says in words what vectors an index has.
func (m Manifest) vectors() string {
	if m.Embedder == NoEmbedder {
		return "no vectors (" + NoEmbedder + ")"
	}
	return fmt.Sprintf("vectors of %s (%d dimensions)", m.Embedder, m.Dimension)
}

// Snapshot is one published, complete state of an index, in memory, but for what Remote reads.
type Snapshot struct {
	// Generation grows with each publication and is not 0.
	Generation uint64
	Manifest   Manifest
	Files      int
	// Chunks is ordered by ID.
	Chunks []Chunk
	// Lexical is what Publish was given.
	Lexical []byte
	// Vectors has the vector of each chunk, in their order, nil for one without; it is empty in an index without vectors. Chunks
	// with the same Key share theirs.
	Vectors [][]float32
	// Remote, if not nil, stands for Vectors, and for the Text that the Chunks then do not have; nor have they a Key.
	Remote Remote
}

// Remote reads what a Store leaves where it is instead of putting it into a Snapshot: an index may be larger than a memory. It
// belongs to one Snapshot, names chunks by their position in it, and may be used concurrently. Its methods return what wraps ErrStale
// when a later state took the place of this one.
type Remote interface {
	// Texts sets the Text of copies of chunks. Without any it still says whether the state was replaced.
	Texts(ctx context.Context, chunks []*Chunk) error
	// Similar returns the chunks whose vectors are nearest to question, and their similarities (the product of the vectors), the best
	// first: at most about limit of those at the positions among, or of all if that is nil.
	Similar(ctx context.Context, question []float32, among []uint32, limit int) ([]Similar, error)
	// Average returns the mean of the vectors of all chunks, or of enough of them to stand for all; nil if there are none.
	Average() []float32
}

// Similar is the similarity of one chunk.
type Similar struct {
	Chunk uint32
	Value float32
}

// Base is what an update starts from.
type Base struct {
	Files []FileRecord
	// Lexical reads what the last Publish was given, nil before the first. It may be called until the Writer publishes.
	Lexical func(ctx context.Context) ([]byte, error)
	// Pending are the chunks, ordered by ID, that were committed after the last Publish by updates that did not come to publish; a new
	// update goes on from there.
	Pending []Chunk
	// Embedded reads the keys of the vectors that need not be made again. It may be called until the first Commit.
	Embedded func(ctx context.Context) (map[VectorKey]bool, error)
	// Unpublished says that changes were committed and not published.
	Unpublished bool
}

// Batch is a set of changes that becomes durable as a whole. Files in Put replace what was known under their path; of the chunks of such
// a path those whose ID the new record does not cover are gone.
type Batch struct {
	Remove []string
	Put    []FileRecord
	// Chunks belongs to the files in Put, in their order.
	Chunks []Chunk
	// Vectors are new ones, of these chunks. Vectors that no chunk has any more may be dropped when the index is published, and are worth
	// keeping for a while: a branch comes back.
	Vectors []Vector
}

// Store keeps the durable form of one index. Its methods may be called concurrently, by several processes.
type Store interface {
	// Load returns the published state, or nil if its generation is have. Without one it returns ErrNoIndex.
	Load(ctx context.Context, have uint64) (*Snapshot, error)
	// Begin starts an update; it waits while another one runs, until ctx ends. An existing index must have this manifest
	// (see Manifest.Check), unless rebuild is set: then the update starts from nothing, and what is published stays until it
	// publishes. The caller closes the Writer.
	Begin(ctx context.Context, m Manifest, rebuild bool) (*Base, Writer, error)
	// Location names the place for messages.
	Location() string
}

// Writer is one running update. It is not safe for concurrent use.
type Writer interface {
	// Commit makes a batch durable, invisible to Load until Publish.
	Commit(ctx context.Context, b Batch) error
	// Publish makes everything that was committed, with these search terms, the state that Load returns, in one step.
	Publish(ctx context.Context, lexical []byte) error
	// Close ends the update. Without Publish the next update goes on from what was committed.
	Close() error
}

// Index is the index of one directory.
type Index struct {
	root     string
	store    Store
	embedder Embedder
	cache    snapshotCache
}

// New returns the index of a directory that is kept in store, without vectors. Symbolic links in root are resolved.
func New(root string, store Store) (*Index, error) { return NewWithEmbedder(root, store, nil) }

// NewWithEmbedder is like New, for an index with the vectors of embedder; nil means none.
func NewWithEmbedder(root string, store Store, embedder Embedder) (*Index, error) {
	resolved, err := Resolve(root)
	if err != nil {
		return nil, err
	}
	return &Index{root: resolved, store: store, embedder: embedder}, nil
}

// Resolve returns the absolute path of a directory without symbolic links: what an index is known by.
func Resolve(dir string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(absolute)
}

// Root returns the indexed directory, absolute, without symbolic links.
func (x *Index) Root() string { return x.root }

// Location returns where the index is kept.
func (x *Index) Location() string { return x.store.Location() }

// Embedder returns the name of the embedder, "none" without one.
func (x *Index) Embedder() string {
	if x.embedder == nil {
		return NoEmbedder
	}
	return x.embedder.Name()
}

// manifest returns what the index must be made of. The dimension may have to be asked for.
func (x *Index) manifest(ctx context.Context) (Manifest, error) {
	m := Manifest{Root: x.root, Chunker: ChunkerVersion, Embedder: x.Embedder()}
	if x.embedder == nil {
		return m, nil
	}
	var err error
	if m.Dimension, err = x.embedder.Dimension(ctx); err != nil && ctx.Err() == nil {
		err = &EmbedError{x.embedder.Name(), err}
	}
	return m, err
}
