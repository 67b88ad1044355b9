//go:build !cgo

package duckdb

import "github.com/fault-project/fault/rag"

// Open returns an error: this build has no DuckDB.
func Open(dir string) (rag.Store, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	return nil, errNoCgo
}
