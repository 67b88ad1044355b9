// Package duckdb keeps an index of package rag in DuckDB files.
//
// DuckDB is the durable form, not what answers questions: a file that one process writes cannot be opened by another. So a
// directory holds
//
//	lock              held (flock) by the one process that updates
//	building.duckdb   the update that is running, or was killed: batches are committed here
//	index-N.duckdb    generation N, complete, never written again
//	current           the name of the generation to read; replaced by rename
//
// An update begins with a copy of the current generation, commits its batches to it, and publishes it by renaming it and then
// current. Readers load a whole generation into memory and close it. Whatever is killed at whatever moment, current names a
// complete file, and the next update goes on from the batches that were committed.
//
// The package needs cgo. Without it Open returns an error that says so.
package duckdb

import (
	"fmt"
	"strings"
)

// checkDir refuses directories whose names DuckDB's data source names cannot carry.
func checkDir(dir string) error {
	if dir == "" || strings.ContainsAny(dir, "?#%") {
		return fmt.Errorf("index directory %q must not be empty or have one of ? # %% in its path: choose another one", dir)
	}
	return nil
}
