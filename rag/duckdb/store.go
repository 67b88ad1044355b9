//go:build cgo

package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fault-project/fault/rag"
)

// The names in an index directory.
const (
	lockName     = "lock"
	currentName  = "current"
	buildingName = "building.duckdb"
	copyName     = "copying.duckdb"
	walSuffix    = ".wal"
)

// lockPoll is how often a waiting update looks whether the other one is done.
const lockPoll = 20 * time.Millisecond

// Store keeps one index in a directory. It implements rag.Store.
type Store struct{ dir string }

// Open returns the store in a directory, which need not exist yet. Nothing is read or created before it is needed.
func Open(dir string) (rag.Store, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := checkDir(absolute); err != nil {
		return nil, err
	}
	return &Store{dir: absolute}, nil
}

// Location returns the directory.
func (s *Store) Location() string { return s.dir }

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

func generationName(n uint64) string { return fmt.Sprintf("index-%d.duckdb", n) }

// current returns the number of the published generation, 0 if there is none.
func (s *Store) current() (uint64, error) {
	text, err := os.ReadFile(s.path(currentName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := generationOf(strings.TrimSpace(string(text)))
	if n == 0 {
		return 0, fmt.Errorf("%w: %s cannot be read: index the directory again with rebuild", rag.ErrDamaged, s.path(currentName))
	}
	return n, nil
}

// generationOf returns the number in the name of a generation's file, or 0.
func generationOf(name string) uint64 {
	number, ok := strings.CutPrefix(name, "index-")
	n, err := strconv.ParseUint(strings.TrimSuffix(number, ".duckdb"), 10, 64)
	if !ok || err != nil {
		return 0
	}
	return n
}

// newest returns the greatest generation of which there is a file, published or not.
func (s *Store) newest() uint64 {
	newest := uint64(0)
	names, _ := filepath.Glob(s.path("index-*.duckdb")) // the pattern is right
	for _, name := range names {
		newest = max(newest, generationOf(filepath.Base(name)))
	}
	return newest
}

// Load returns the published state unless its generation is have.
func (s *Store) Load(ctx context.Context, have uint64) (*rag.Snapshot, error) {
	for {
		n, err := s.current()
		switch {
		case err != nil:
			return nil, err
		case n == 0:
			return nil, rag.ErrNoIndex
		case n == have:
			return nil, nil
		}
		snapshot, err := s.load(ctx, n)
		if err == nil {
			return snapshot, nil
		}
		// A file that was replaced, and removed, between reading its name and opening it.
		if again, currentErr := s.current(); currentErr == nil && again == n || ctx.Err() != nil {
			return nil, fmt.Errorf("read the index in %s: %w", s.dir, err)
		}
	}
}

func (s *Store) load(ctx context.Context, n uint64) (_ *rag.Snapshot, err error) {
	db, err := openDatabase(ctx, s.path(generationName(n)), true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	m, err := db.meta(ctx)
	if err != nil {
		return nil, err
	}
	if m.state != stateComplete || m.generation != n {
		return nil, fmt.Errorf("%w: %s says that it is %s, generation %d: index the directory again with rebuild",
			rag.ErrDamaged, generationName(n), m.state, m.generation)
	}
	snapshot := &rag.Snapshot{Generation: n, Manifest: m.manifest}
	files, err := db.files(ctx)
	if err != nil {
		return nil, err
	}
	for i := range files {
		if files[i].Skipped == "" {
			snapshot.Files++
		}
	}
	var vectors map[rag.VectorKey][]float32
	group, gctx := errgroup.WithContext(ctx)
	if m.manifest.Dimension > 0 {
		group.Go(func() error {
			// They are most of what there is to read.
			return db.beside(gctx, func(db *database) (err error) {
				vectors, err = db.vectors(gctx, m.manifest.Dimension)
				return err
			})
		})
	}
	group.Go(func() (err error) {
		if snapshot.Chunks, err = db.chunks(gctx, files, 0); err != nil {
			return err
		}
		snapshot.Lexical, err = db.terms(gctx)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if m.manifest.Dimension > 0 {
		snapshot.Vectors, err = vectorsOf(snapshot.Chunks, vectors)
	}
	return snapshot, err
}

// lock waits for the lock of the directory.
func (s *Store) lock(ctx context.Context) (*os.File, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the index directory: %w", err)
	}
	f, err := os.OpenFile(s.path(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the index: %w", err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another process that updates the index in %s: %w", s.dir, ctx.Err())
		case <-timer.C:
		}
		ok, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", s.path(lockName), err)
		}
		if ok {
			return f, nil
		}
		timer.Reset(lockPoll)
	}
}

// Begin starts an update, or goes on with one that was interrupted.
func (s *Store) Begin(ctx context.Context, m rag.Manifest, rebuild bool) (*rag.Base, rag.Writer, error) {
	lock, err := s.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	w := &writer{store: s, lock: lock, manifest: m}
	base, err := w.begin(ctx, rebuild)
	if err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	return base, w, nil
}

// removeDatabase removes a database and what a killed process left beside it.
func removeDatabase(path string) error {
	for _, p := range []string{path + walSuffix, path} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// copyFile copies a closed database so that the copy appears whole or not at all.
func (s *Store) copyFile(from, to string) error {
	src, err := os.Open(s.path(from))
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(s.path(copyName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Close()); err != nil {
		return err
	}
	return os.Rename(s.path(copyName), s.path(to))
}

// removeOld removes every generation but one. What another process still reads stays until it closes it; what cannot be removed
// now is removed by a later update.
func (s *Store) removeOld(keep uint64) {
	names, err := filepath.Glob(s.path("index-*.duckdb*"))
	if err != nil {
		return
	}
	for _, name := range names {
		if filepath.Base(name) != generationName(keep) {
			_ = os.Remove(name)
		}
	}
}

// point makes a generation the current one.
func (s *Store) point(generation uint64) error {
	temporary := s.path(currentName + ".new")
	if err := os.WriteFile(temporary, []byte(generationName(generation)+"\n"), 0o600); err != nil {
		return err
	}
	if err := syncFile(temporary); err != nil {
		return err
	}
	if err := os.Rename(temporary, s.path(currentName)); err != nil {
		return err
	}
	return syncDir(s.dir)
}
