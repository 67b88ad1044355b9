//go:build cgo

package qdrant

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/fault-project/fault/rag"
	"github.com/fault-project/fault/rag/qdrant/qdranttest"
	"github.com/fault-project/fault/rag/ragtest"
)

func dial(t testing.TB, o Options) *Server {
	t.Helper()
	server, err := Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func TestConformance(t *testing.T) {
	ragtest.Run(t, func(t *testing.T) ragtest.Place {
		url := qdranttest.New(t, qdranttest.Options{}).URL()
		return ragtest.Place{Open: func(t *testing.T, root, embedder string) rag.Store {
			return dial(t, Options{URL: url}).Store(root, embedder)
		}}
	})
}

// The same suite against a server that FAULT_TEST_QDRANT_URL names; docs/how-to/qdrant.md says how.
func TestRealServer(t *testing.T) {
	url := os.Getenv("FAULT_TEST_QDRANT_URL")
	if url == "" {
		t.Skip("FAULT_TEST_QDRANT_URL names no server")
	}
	ragtest.Run(t, func(t *testing.T) ragtest.Place {
		o := Options{
			URL: url, Key: os.Getenv("FAULT_TEST_QDRANT_API_KEY"), Collection: "fault-test-" + strings.ToLower(newVersion()),
		}
		cleaner := dial(t, o)
		t.Cleanup(func() {
			if err := cleaner.client.DeleteCollection(context.Background(), o.Collection); err != nil {
				t.Error(err)
			}
		})
		return ragtest.Place{Open: func(t *testing.T, root, embedder string) rag.Store {
			store := dial(t, o).Store(root, embedder)
			// As if it were named after the directory: the suite also tries another one.
			store.server.options.Collection = ""
			return store
		}}
	})
}
