//go:build cgo

package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fault-project/fault/rag"
)

// writer is one update. It holds the lock of the directory until Close.
type writer struct {
	store    *Store
	lock     *os.File
	manifest rag.Manifest
	// published is the generation that readers see, 0 for none; fresh says that nothing of it is used.
	published uint64
	fresh     bool
	// db is the building file, opened when there is the first thing to write to it, or to go on from.
	db      *database
	records map[string]rag.FileRecord
}

// begin finds out where to start: from an interrupted update of the current generation, from that generation, or from nothing.
func (w *writer) begin(ctx context.Context, rebuild bool) (*rag.Base, error) {
	var err error
	if w.published, err = w.store.current(); err != nil {
		if !rebuild {
			return nil, err
		}
		w.published, err = w.store.newest(), nil
	}
	if err := w.finish(ctx); err != nil {
		return nil, err
	}
	w.fresh = rebuild || w.published == 0
	w.store.removeOld(w.published)
	base := &rag.Base{Lexical: w.lexical, Embedded: w.embedded}
	if err := w.resume(ctx, rebuild); err != nil {
		return nil, err
	}
	switch {
	case w.db != nil:
		base.Unpublished = true
		base.Files, err = w.db.files(ctx)
		if err == nil {
			base.Pending, err = w.pending(ctx, base.Files)
		}
	case !w.fresh:
		base.Files, err = w.publishedFiles(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read the index in %s: %w", w.store.dir, err)
	}
	w.records = make(map[string]rag.FileRecord, len(base.Files))
	for _, r := range base.Files {
		w.records[r.Path] = r
	}
	return base, nil
}

// finish publishes a generation whose update was killed between its two last steps.
func (w *writer) finish(ctx context.Context) error {
	next := w.store.newest()
	if next <= w.published {
		return nil
	}
	m, err := w.readMeta(ctx, w.store.path(generationName(next)))
	if err != nil || m.state != stateComplete || m.base != w.published || m.manifest != w.manifest {
		return ctx.Err() // of no use: it is removed as an old one
	}
	if err := w.store.point(next); err != nil {
		return err
	}
	w.published = next
	return nil
}

func (w *writer) readMeta(ctx context.Context, path string) (meta, error) {
	db, err := openDatabase(ctx, path, true)
	if err != nil {
		return meta{}, err
	}
	m, err := db.meta(ctx)
	return m, errors.Join(err, db.close())
}

// resume opens the file of an interrupted update if this one can go on from it, and removes it otherwise: what is published is not touched
// by that.
func (w *writer) resume(ctx context.Context, rebuild bool) error {
	path := w.store.path(buildingName)
	if _, err := os.Stat(path); err != nil || rebuild {
		return removeDatabase(path)
	}
	if db, err := openDatabase(ctx, path, false); err == nil {
		m, err := db.meta(ctx)
		isCopy := m.state == stateComplete && m.generation == w.published
		if err == nil && m.manifest == w.manifest && (isCopy || m.base == 0 || m.base == w.published) {
			w.db = db
			w.fresh = w.published == 0 || m.base == 0 && !isCopy
			return w.scratch(ctx)
		}
		if err := db.close(); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return removeDatabase(path)
}

// pending returns the chunks that the published terms do not know.
func (w *writer) pending(ctx context.Context, files []rag.FileRecord) ([]rag.Chunk, error) {
	from := uint32(0)
	if !w.fresh {
		published, err := w.publishedFiles(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range published {
			from = max(from, r.FirstID+uint32(r.Chunks))
		}
	}
	return w.db.chunks(ctx, files, from)
}

// withPublished opens the published generation for a moment and checks that it fits.
func (w *writer) withPublished(ctx context.Context, do func(db *database) error) (err error) {
	db, err := openDatabase(ctx, w.store.path(generationName(w.published)), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	m, err := db.meta(ctx)
	if err != nil {
		return err
	}
	if err := w.manifest.Check(m.manifest, w.store.dir); err != nil {
		return err
	}
	return do(db)
}

func (w *writer) publishedFiles(ctx context.Context) (files []rag.FileRecord, err error) {
	err = w.withPublished(ctx, func(db *database) error {
		files, err = db.files(ctx)
		return err
	})
	return files, err
}

func (w *writer) lexical(ctx context.Context) (terms []byte, err error) {
	if w.fresh {
		return nil, nil
	}
	err = w.withPublished(ctx, func(db *database) error {
		terms, err = db.terms(ctx)
		return err
	})
	return terms, err
}

// embedded returns the keys of the vectors that the update starts with.
func (w *writer) embedded(ctx context.Context) (keys map[rag.VectorKey]bool, err error) {
	switch {
	case w.db != nil:
		keys, err = w.db.vectorKeys(ctx)
	case w.fresh:
		keys = map[rag.VectorKey]bool{}
	default:
		err = w.withPublished(ctx, func(db *database) error {
			keys, err = db.vectorKeys(ctx)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read the vectors in %s: %w", w.store.dir, err)
	}
	return keys, nil
}

// build opens the building file: a copy of the published generation, or an empty one.
func (w *writer) build(ctx context.Context) (err error) {
	path := w.store.path(buildingName)
	if !w.fresh {
		if err := w.store.copyFile(generationName(w.published), buildingName); err != nil {
			return err
		}
	}
	if w.db, err = openDatabase(ctx, path, false); err != nil {
		return err
	}
	return w.transaction(ctx, func() error {
		if w.fresh {
			for _, statement := range schema {
				if err := w.db.exec(ctx, statement); err != nil {
					return err
				}
			}
		}
		if err := w.db.setMeta(ctx, meta{manifest: w.manifest, state: stateBuilding, base: w.base()}); err != nil {
			return err
		}
		return w.scratch(ctx)
	})
}

// scratch makes the tables that hold what a batch removes; they live as long as the connection.
func (w *writer) scratch(ctx context.Context) error {
	return errors.Join(
		w.db.exec(ctx, `CREATE TEMP TABLE touched (path VARCHAR)`),
		w.db.exec(ctx, `CREATE TEMP TABLE gone (first_id UINTEGER, last_id UINTEGER)`))
}

func (w *writer) transaction(ctx context.Context, do func() error) error {
	if err := w.db.exec(ctx, `BEGIN TRANSACTION`); err != nil {
		return err
	}
	if err := do(); err != nil {
		// The context may be what failed; the transaction has to end all the same.
		return errors.Join(err, w.db.exec(context.WithoutCancel(ctx), `ROLLBACK`))
	}
	return w.db.exec(ctx, `COMMIT`)
}

// Commit makes a batch durable in the building file.
func (w *writer) Commit(ctx context.Context, b rag.Batch) error {
	if err := w.commit(ctx, b); err != nil {
		return fmt.Errorf("write the index in %s: %w", w.store.dir, err)
	}
	return nil
}

func (w *writer) commit(ctx context.Context, b rag.Batch) error {
	if w.db == nil {
		if err := w.build(ctx); err != nil {
			return err
		}
	}
	err := w.transaction(ctx, func() error {
		if err := w.clear(ctx, b); err != nil {
			return err
		}
		if err := w.db.appendRows("", "files", rowsOf(b.Put, func(r rag.FileRecord) []driver.Value {
			return []driver.Value{r.Path, r.Size, r.ModTime, r.Seen, r.Hash[:], r.Language, r.Skipped, r.FirstID, uint32(r.Chunks)}
		})); err != nil {
			return err
		}
		if err := w.db.appendRows("", "chunks", rowsOf(b.Chunks, func(c rag.Chunk) []driver.Value {
			var key driver.Value
			if c.Key != (rag.VectorKey{}) {
				key = c.Key[:]
			}
			return []driver.Value{c.ID, c.Kind, c.Name, int32(c.StartLine), int32(c.EndLine), c.Header, c.Text, key, c.Routes}
		})); err != nil {
			return err
		}
		return w.db.appendVectors(b.Vectors, w.manifest.Dimension)
	})
	if err != nil {
		return err
	}
	for _, path := range b.Remove {
		delete(w.records, path)
	}
	for _, r := range b.Put {
		w.records[r.Path] = r
	}
	return nil
}

// clear removes what a batch replaces.
func (w *writer) clear(ctx context.Context, b rag.Batch) error {
	var touched []string
	var gone [][2]uint32
	old := func(path string, covered bool) {
		r, ok := w.records[path]
		if !ok {
			return
		}
		touched = append(touched, path)
		if r.Chunks > 0 && !covered {
			gone = append(gone, [2]uint32{r.FirstID, r.FirstID + uint32(r.Chunks) - 1})
		}
	}
	for _, path := range b.Remove {
		old(path, false)
	}
	for _, r := range b.Put {
		old(r.Path, w.records[r.Path].FirstID == r.FirstID && w.records[r.Path].Chunks == r.Chunks)
	}
	if len(touched) == 0 {
		return nil
	}
	return errors.Join(
		w.db.exec(ctx, `DELETE FROM touched`), w.db.exec(ctx, `DELETE FROM gone`),
		w.db.appendRows("temp", "touched", rowsOf(touched, func(p string) []driver.Value { return []driver.Value{p} })),
		w.db.appendRows("temp", "gone", rowsOf(gone, func(g [2]uint32) []driver.Value { return []driver.Value{g[0], g[1]} })),
		w.db.exec(ctx, `DELETE FROM files WHERE path IN (SELECT path FROM touched)`),
		w.db.exec(ctx, `DELETE FROM chunks USING gone WHERE id BETWEEN first_id AND last_id`))
}

func rowsOf[T any](list []T, row func(T) []driver.Value) func() ([]driver.Value, bool) {
	return func() ([]driver.Value, bool) {
		if len(list) == 0 {
			return nil, false
		}
		first := list[0]
		list = list[1:]
		return row(first), true
	}
}

// Publish completes the building file and makes it the current generation.
func (w *writer) Publish(ctx context.Context, lexical []byte) error {
	if err := w.publish(ctx, lexical); err != nil {
		return fmt.Errorf("publish the index in %s: %w", w.store.dir, err)
	}
	return nil
}

func (w *writer) publish(ctx context.Context, lexical []byte) error {
	if w.db == nil {
		if err := w.build(ctx); err != nil {
			return err
		}
	}
	// The time makes the number one that no reader has, even if the directory was deleted in between.
	next := max(w.published+1, uint64(time.Now().UnixNano()))
	err := w.transaction(ctx, func() error {
		if err := w.db.setTerms(ctx, lexical); err != nil {
			return err
		}
		if err := w.db.dropVectors(ctx); err != nil {
			return err
		}
		return w.db.setMeta(ctx, meta{manifest: w.manifest, state: stateComplete, generation: next, base: w.base()})
	})
	if err != nil {
		return err
	}
	// The file alone must hold everything: the write-ahead log does not move with it.
	if err := w.db.exec(ctx, `CHECKPOINT`); err != nil {
		return err
	}
	err = w.db.close()
	w.db = nil
	if err != nil {
		return err
	}
	building := w.store.path(buildingName)
	if _, err := os.Stat(building + walSuffix); err == nil {
		return errors.New("DuckDB left a write-ahead log after a checkpoint")
	}
	if err := syncFile(building); err != nil {
		return err
	}
	if err := os.Rename(building, w.store.path(generationName(next))); err != nil {
		return err
	}
	if err := w.store.point(next); err != nil {
		return err
	}
	w.published, w.fresh = next, false
	w.store.removeOld(next)
	return nil
}

// base returns the generation that the building file started from.
func (w *writer) base() uint64 {
	if w.fresh {
		return 0
	}
	return w.published
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close ends the update and lets the next one begin.
func (w *writer) Close() error {
	var err error
	if w.db != nil {
		err = w.db.close()
		w.db = nil
	}
	return errors.Join(err, w.lock.Close())
}
