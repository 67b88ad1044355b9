//go:build cgo

package duckdb

import (
	"testing"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/ragtest"
)

func TestConformance(t *testing.T) {
	ragtest.Run(t, func(t *testing.T) ragtest.Place {
		dir := t.TempDir()
		return ragtest.Place{Open: func(t *testing.T, _, _ string) rag.Store {
			store, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			return store
		}}
	})
}
