package demo

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
)

// Listed one by one: a pattern would take the tests along.
//
//go:embed app.go endpoints.go openapi.go requestlog.go source.go upstream.go
var source embed.FS

// module makes the written folder a Go project of its own, which is also what marks it as one for tools that read code.
const module = "module example.com/demo\n\ngo 1.26\n"

// WriteSource writes this package's source and a go.mod into dir, which it creates if needed; files of those names are
// overwritten. The result compiles. It returns the names of the Go files.
func WriteSource(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("write the demo's source: %w", err)
	}
	entries, err := source.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("read the embedded source: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		text, err := source.ReadFile(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read the embedded source: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), text, 0o600); err != nil {
			return nil, fmt.Errorf("write the demo's source: %w", err)
		}
		names = append(names, entry.Name())
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(module), 0o600); err != nil {
		return nil, fmt.Errorf("write the demo's source: %w", err)
	}
	return names, nil
}
