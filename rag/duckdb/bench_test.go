//go:build cgo

package duckdb

import (
	"database/sql/driver"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/fault-project/fault/rag"
)

// BenchmarkVectorColumns reads 5,000 vectors of 768 numbers, once as the driver gives a FLOAT array, once as a BLOB, as they are stored.
func BenchmarkVectorColumns(b *testing.B) {
	const rows, dimension = 5000, 768
	db, err := openDatabase(b.Context(), filepath.Join(b.TempDir(), "v.duckdb"), false)
	if err != nil {
		b.Fatal(err)
	}
	defer db.close()
	for _, statement := range []string{`CREATE TABLE a (key BLOB, data FLOAT[768])`, `CREATE TABLE b (key BLOB, data BLOB)`} {
		if err := db.exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	vectors := make([]rag.Vector, rows)
	for i := range vectors {
		vectors[i].Values = make([]float32, dimension)
		for j := range vectors[i].Values {
			vectors[i].Values[j] = r.Float32() - 0.5
		}
		vectors[i].Key[0], vectors[i].Key[1] = byte(i), byte(i>>8)
	}
	columns := []struct {
		name, table string
		value       func(v rag.Vector) driver.Value
		read        func(v driver.Value, into []float32)
	}{
		{"FLOAT", "a", func(v rag.Vector) driver.Value { return v.Values }, func(v driver.Value, into []float32) {
			list, _ := v.([]any)
			for i := range into {
				into[i], _ = list[i].(float32)
			}
		}},
		{"BLOB", "b", func(v rag.Vector) driver.Value { return bytesOf(v.Values) }, func(v driver.Value, into []float32) {
			data, _ := v.([]byte)
			for i := range into {
				into[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			}
		}},
	}
	for _, c := range columns {
		if err := db.appendRows("", c.table, rowsOf(vectors, func(v rag.Vector) []driver.Value {
			return []driver.Value{v.Key[:], c.value(v)}
		})); err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(4 * rows * dimension)
			b.ReportAllocs()
			into := make([]float32, dimension)
			for b.Loop() {
				n := 0
				err := db.query(b.Context(), func(v []driver.Value) error {
					c.read(v[1], into)
					n++
					return nil
				}, "SELECT key, data FROM "+c.table)
				if err != nil || n != rows {
					b.Fatal(n, err)
				}
			}
		})
	}
}
