//go:build cgo

package duckdb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/marcboeker/go-duckdb/v2"

	"github.com/fault-project/fault/rag"
)

// schemaVersion changes with the tables below.
const schemaVersion = 3

// termsPart is the size of the pieces in which search terms are stored, in bytes.
const termsPart = 8 << 20

var schema = []string{
	`CREATE TABLE meta (key VARCHAR, value VARCHAR)`,
	`CREATE TABLE files (path VARCHAR, size BIGINT, mtime BIGINT, seen BIGINT, hash BLOB, language VARCHAR, skipped VARCHAR,
		first_id UINTEGER, chunks UINTEGER)`,
	`CREATE TABLE chunks (id UINTEGER, kind VARCHAR, name VARCHAR, start_line INTEGER, end_line INTEGER, header VARCHAR, text VARCHAR,
		vector_key BLOB, routes VARCHAR)`,
	`CREATE TABLE vectors (key BLOB, data BLOB)`,
	`CREATE TABLE terms (part INTEGER, data BLOB)`,
}

// The states of a database.
const (
	stateBuilding = "building"
	stateComplete = "complete"
)

// meta is what a database says of itself: of a complete one its generation, and the one that it started from (0: from nothing).
type meta struct {
	manifest         rag.Manifest
	schema           int
	state            string
	generation, base uint64
}

// database is one open DuckDB file on one connection. Not safe for concurrent use.
type database struct {
	connector *duckdb.Connector
	conn      *duckdb.Conn
	reading   bool
}

// reading is held while a generation is open. DuckDB keeps the databases of a process in a cache by path, and opening one that another
// goroutine is just closing fails ("unique file handle conflict", DuckDB 1.4.1).
var reading = make(chan struct{}, 1)

// openDatabase opens a file for one goroutine, which closes it. Opening one to read waits until no other goroutine reads.
func openDatabase(ctx context.Context, path string, readOnly bool) (*database, error) {
	if !readOnly {
		return connect(ctx, path, readOnly)
	}
	select {
	case reading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	db, err := connect(ctx, path, readOnly)
	if err != nil {
		<-reading
		return nil, err
	}
	db.reading = true
	return db, nil
}

func connect(ctx context.Context, path string, readOnly bool) (*database, error) {
	// Extensions cannot be loaded and must not be looked for.
	dsn := path + "?autoinstall_known_extensions=false&autoload_known_extensions=false"
	if readOnly {
		dsn += "&access_mode=READ_ONLY"
	}
	connector, err := duckdb.NewConnector(dsn, nil)
	if err != nil {
		if strings.Contains(err.Error(), "not a valid DuckDB database") { // the driver has no error of its own for it
			err = fmt.Errorf("%w: %s is no database: index the directory again with rebuild", rag.ErrDamaged, filepath.Base(path))
		}
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, errors.Join(err, connector.Close())
	}
	c, ok := conn.(*duckdb.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("unexpected connection %T", conn), conn.Close(), connector.Close())
	}
	return &database{connector: connector, conn: c}, nil
}

// beside calls do with a connection of its own to the open file, which may be used while this one is.
func (db *database) beside(ctx context.Context, do func(db *database) error) (err error) {
	conn, err := db.connector.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	c, ok := conn.(*duckdb.Conn)
	if !ok {
		return fmt.Errorf("unexpected connection %T", conn)
	}
	return do(&database{connector: db.connector, conn: c})
}

func (db *database) close() error {
	err := errors.Join(db.conn.Close(), db.connector.Close())
	if db.reading {
		<-reading
	}
	return err
}

func (db *database) exec(ctx context.Context, query string, args ...driver.Value) error {
	_, err := db.conn.ExecContext(ctx, query, named(args))
	return err
}

func named(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}

// query calls row with each row of a result. The values are only valid during the call, but for strings and bytes.
func (db *database) query(ctx context.Context, row func(v []driver.Value) error, query string, args ...driver.Value) (err error) {
	rows, err := db.conn.QueryContext(ctx, query, named(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
}

// appendRows fills a table from next, which returns false at the end.
func (db *database) appendRows(catalog, table string, next func() ([]driver.Value, bool)) error {
	a, err := duckdb.NewAppender(db.conn, catalog, "main", table)
	if err != nil {
		return err
	}
	for {
		row, ok := next()
		if !ok {
			return a.Close()
		}
		if err := a.AppendRow(row...); err != nil {
			return errors.Join(err, a.Close())
		}
	}
}

func (db *database) meta(ctx context.Context) (meta, error) {
	values := map[string]string{}
	err := db.query(ctx, func(v []driver.Value) error {
		key, _ := v[0].(string)
		values[key], _ = v[1].(string)
		return nil
	}, `SELECT key, value FROM meta`)
	if err != nil {
		return meta{}, err
	}
	m := meta{manifest: rag.Manifest{Root: values["root"], Embedder: values["embedder"]}, state: values["state"]}
	var errs [5]error
	m.schema, errs[0] = strconv.Atoi(values["schema"])
	m.manifest.Chunker, errs[1] = strconv.Atoi(values["chunker"])
	m.manifest.Dimension, errs[2] = strconv.Atoi(values["dimension"])
	m.generation, errs[3] = strconv.ParseUint(values["generation"], 10, 64)
	m.base, errs[4] = strconv.ParseUint(values["base"], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return meta{}, fmt.Errorf("manifest of the index: %w", err)
	}
	if m.schema != schemaVersion {
		return m, fmt.Errorf("%w: made by another version of fault (tables %d, now %d): index the directory again with rebuild",
			rag.ErrMismatch, m.schema, schemaVersion)
	}
	return m, nil
}

func (db *database) setMeta(ctx context.Context, m meta) error {
	if err := db.exec(ctx, `DELETE FROM meta`); err != nil {
		return err
	}
	for _, kv := range [][2]string{
		{"schema", strconv.Itoa(schemaVersion)},
		{"root", m.manifest.Root},
		{"chunker", strconv.Itoa(m.manifest.Chunker)},
		{"embedder", m.manifest.Embedder},
		{"dimension", strconv.Itoa(m.manifest.Dimension)},
		{"state", m.state},
		{"generation", strconv.FormatUint(m.generation, 10)},
		{"base", strconv.FormatUint(m.base, 10)},
	} {
		if err := db.exec(ctx, `INSERT INTO meta VALUES (?, ?)`, kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

// files returns the records ordered by their first chunk.
func (db *database) files(ctx context.Context) ([]rag.FileRecord, error) {
	var out []rag.FileRecord
	err := db.query(ctx, func(v []driver.Value) error {
		r := rag.FileRecord{Path: text(v[0]), Language: text(v[5]), Skipped: text(v[6])}
		r.Size, _ = v[1].(int64)
		r.ModTime, _ = v[2].(int64)
		r.Seen, _ = v[3].(int64)
		hash, _ := v[4].([]byte)
		copy(r.Hash[:], hash)
		r.FirstID, _ = v[7].(uint32)
		chunks, _ := v[8].(uint32)
		r.Chunks = int(chunks)
		out = append(out, r)
		return nil
	}, `SELECT path, size, mtime, seen, hash, language, skipped, first_id, chunks FROM files`)
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].FirstID != out[j].FirstID {
			return out[i].FirstID < out[j].FirstID
		}
		return out[i].Chunks < out[j].Chunks // those without chunks first
	})
	return out, err
}

func text(v driver.Value) string {
	s, _ := v.(string)
	return s
}

// chunks returns the chunks from an ID on, ordered by ID. files is what files returned: it says whose they are.
func (db *database) chunks(ctx context.Context, files []rag.FileRecord, from uint32) ([]rag.Chunk, error) {
	total := 0
	for i := range files {
		total += files[i].Chunks
	}
	out := make([]rag.Chunk, 0, total)
	kinds := map[string]string{}
	err := db.query(ctx, func(v []driver.Value) error {
		id, _ := v[0].(uint32)
		c := rag.Chunk{ID: id, Kind: text(v[1]), Name: text(v[2]), Header: text(v[5]), Text: text(v[6])}
		if kind, ok := kinds[c.Kind]; ok {
			c.Kind = kind
		} else {
			kinds[c.Kind] = c.Kind
		}
		start, _ := v[3].(int32)
		end, _ := v[4].(int32)
		c.StartLine, c.EndLine = int(start), int(end)
		key, _ := v[7].([]byte)
		copy(c.Key[:], key)
		c.Routes = text(v[8])
		out = append(out, c)
		return nil
	}, `SELECT id, kind, name, start_line, end_line, header, text, vector_key, routes FROM chunks WHERE id >= ?`, from)
	if err != nil {
		return nil, err
	}
	// Rows mostly come in the order in which they were written.
	if !sort.SliceIsSorted(out, func(i, j int) bool { return out[i].ID < out[j].ID }) {
		sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	}
	file := 0
	for i := range out {
		for file < len(files) && int64(files[file].FirstID)+int64(files[file].Chunks) <= int64(out[i].ID) {
			file++
		}
		if file == len(files) || files[file].FirstID > out[i].ID {
			return nil, fmt.Errorf("%w: chunk %d belongs to no file: index the directory again with rebuild", rag.ErrDamaged, out[i].ID)
		}
		out[i].Path, out[i].Language = files[file].Path, files[file].Language
	}
	return out, nil
}

// terms returns what setTerms was given.
func (db *database) terms(ctx context.Context) ([]byte, error) {
	var parts [][]byte
	size := 0
	err := db.query(ctx, func(v []driver.Value) error {
		part, _ := v[0].([]byte)
		parts = append(parts, part)
		size += len(part)
		return nil
	}, `SELECT data FROM terms ORDER BY part`)
	if err != nil || size == 0 {
		return nil, err
	}
	out := make([]byte, 0, size)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out, nil
}

func (db *database) setTerms(ctx context.Context, data []byte) error {
	if err := db.exec(ctx, `DELETE FROM terms`); err != nil {
		return err
	}
	part := int32(0)
	return db.appendRows("", "terms", func() ([]driver.Value, bool) {
		if len(data) == 0 {
			return nil, false
		}
		n := min(len(data), termsPart)
		row := []driver.Value{part, data[:n]}
		data = data[n:]
		part++
		return row, true
	})
}
