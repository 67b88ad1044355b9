//go:build cgo

package duckdb

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/fault-project/fault/rag"
)

// spareVectors is how many vectors that no chunk has are always kept, for branches that come back. More are kept while they are fewer
// than those in use.
const spareVectors = 2000

// errVector says that a row of the table cannot be what was written.
var errVector = fmt.Errorf("%w: a vector cannot be read: index the directory again with rebuild", rag.ErrDamaged)

// appendVectors stores vectors as little-endian float32: the driver gives back a FLOAT array as one interface value for each number.
// BenchmarkVectorColumns read FLOAT[768] at 186 MB/s and BLOB at 692 MB/s. Arrow, which would spare these values, is in go-duckdb only when
// it is built with a tag.
func (db *database) appendVectors(vectors []rag.Vector, dimension int) error {
	if len(vectors) == 0 {
		return nil
	}
	for _, v := range vectors {
		if len(v.Values) != dimension {
			return fmt.Errorf("a vector has %d dimensions, the index %d", len(v.Values), dimension)
		}
	}
	return db.appendRows("", "vectors", rowsOf(vectors, func(v rag.Vector) []driver.Value {
		return []driver.Value{v.Key[:], bytesOf(v.Values)}
	}))
}

func bytesOf(values []float32) []byte {
	data := make([]byte, 0, 4*len(values))
	for _, x := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return data
}

// vectors returns the vectors that chunks have, by their key.
func (db *database) vectors(ctx context.Context, dimension int) (map[rag.VectorKey][]float32, error) {
	byKey := map[rag.VectorKey][]float32{}
	var room []float32 // one allocation for many vectors
	err := db.query(ctx, func(v []driver.Value) error {
		key, _ := v[0].([]byte)
		data, _ := v[1].([]byte)
		if len(key) != len(rag.VectorKey{}) || len(data) != 4*dimension {
			return errVector
		}
		if len(room) < dimension {
			room = make([]float32, dimension*1024)
		}
		vector := room[:dimension:dimension]
		room = room[dimension:]
		for i := range vector {
			vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		byKey[rag.VectorKey(key)] = vector
		return nil
	}, `SELECT key, data FROM vectors SEMI JOIN chunks ON key = vector_key`)
	return byKey, err
}

// vectorsOf returns the vector of each chunk.
func vectorsOf(chunks []rag.Chunk, byKey map[rag.VectorKey][]float32) ([][]float32, error) {
	out := make([][]float32, len(chunks))
	for i := range chunks {
		out[i] = byKey[chunks[i].Key]
		if out[i] == nil {
			return nil, errVector
		}
	}
	return out, nil
}

func (db *database) vectorKeys(ctx context.Context) (map[rag.VectorKey]bool, error) {
	keys := map[rag.VectorKey]bool{}
	err := db.query(ctx, func(v []driver.Value) error {
		key, _ := v[0].([]byte)
		if len(key) != len(rag.VectorKey{}) {
			return errVector
		}
		keys[rag.VectorKey(key)] = true
		return nil
	}, `SELECT key FROM vectors`)
	return keys, err
}

// dropVectors removes the oldest vectors that no chunk has, as far as there are too many.
func (db *database) dropVectors(ctx context.Context) error {
	return db.exec(ctx, `DELETE FROM vectors WHERE rowid IN (
		SELECT v.rowid FROM vectors v ANTI JOIN chunks c ON v.key = c.vector_key ORDER BY v.rowid DESC
		OFFSET (SELECT greatest(?, count(DISTINCT vector_key)) FROM chunks))`, int64(spareVectors))
}
