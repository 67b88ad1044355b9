//go:build !cgo

package duckdb

import (
	"errors"

	"github.com/fault-project/fault/rag"
)

// errNoCgo says that the program was built without DuckDB.
var errNoCgo = errors.New("this build has no code index (built without cgo): build with CGO_ENABLED=1 and a C compiler")

// Open returns an error: this build has no DuckDB.
func Open(dir string) (rag.Store, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	return nil, errNoCgo
}
