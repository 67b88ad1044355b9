//go:build cgo

package rag_test

import (
	"testing"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/ragtest"
)

func TestConformance(t *testing.T) {
	ragtest.Run(t, func(*testing.T) ragtest.Place {
		store := rag.NewMemStore()
		return ragtest.Place{Open: func(*testing.T, string, string) rag.Store { return store }}
	})
}
