package rag

import (
	"context"
	"path/filepath"
)

// Files lists the files of a directory that an index of it would hold, in order, as absolute paths if root is one; language is the name
// of the only language to list, or empty for all. What is left out is counted by reason. Links are not followed, ignore files are obeyed.
// Nothing is read but directories and ignore files, so that binary and generated files without a telling name are still listed.
func Files(ctx context.Context, root, language string) (paths []string, skipped map[string]int, err error) {
	files, skipped, err := walk(ctx, root, language)
	if err != nil {
		return nil, nil, err
	}
	paths = make([]string, len(files))
	for i := range files {
		paths[i] = filepath.Join(root, filepath.FromSlash(files[i].path))
	}
	return paths, skipped, nil
}
