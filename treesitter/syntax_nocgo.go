//go:build !cgo

package treesitter

import "context"

type compiledPatterns struct{}

// Search returns ErrNoCgo: this build has no parsers.
func (*Patterns) Search(context.Context, []byte) (*Tree, []PatternMatch, error) {
	return nil, nil, ErrNoCgo
}

// Clean returns ErrNoCgo: this build has no parsers.
func Clean(context.Context, Language, []byte) (bool, error) { return false, ErrNoCgo }
