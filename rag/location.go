package rag

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// DefaultDir returns where the index of a directory is kept unless something else is asked for: a directory of its own below the
// user's cache directory. root is as Resolve returns it. Nothing is created.
func DefaultDir(root string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w; say where to keep the index with --index", err)
	}
	sum := sha256.Sum256([]byte(root))
	name := strings.Map(func(r rune) rune {
		if r < 128 && (r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z') {
			return r
		}
		return '_'
	}, filepath.Base(root))
	return filepath.Join(cache, "fault", "index", name[:min(len(name), 40)]+"-"+hex.EncodeToString(sum[:8])), nil
}
